/* SPDX-License-Identifier: Apache-2.0 */
/* What this host must have, asked for before anything is done, so that each lack has its own line.
 */
#ifndef SVCBPF_DATAPATH_REQUIRE_H
#define SVCBPF_DATAPATH_REQUIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/datapath.h"

/**
 * require_kernel() - Linux 5.10 or newer.
 * @release: as uname(2) gives it; NULL: this kernel's.
 * Return: 0 or -EOPNOTSUPP.
 */
int require_kernel(const char *release, struct datapath_error *ret_error);

/**
 * require_capabilities() - CAP_BPF and CAP_NET_ADMIN; CAP_PERFMON too for loading the programs
 * (@is_loading): without it the verifier refuses them.
 * Return: 0 or -EPERM.
 */
int require_capabilities(bool is_loading, struct datapath_error *ret_error);

/** require_has_btf() - whether the kernel describes its types, which CO-RE needs. */
bool require_has_btf(void);

/** require_probe_features() - SVC_FEATURE_* of this kernel, by trying each. */
uint32_t require_probe_features(void);

/**
 * require_netns_cookie() - of this process's network namespace; 0 when the kernel cannot tell
 * (before 5.14).
 */
uint64_t require_netns_cookie(void);

/** require_netns_inode() - the same as a file below /proc has it; 0: not known. */
uint64_t require_netns_inode(void);

#endif
