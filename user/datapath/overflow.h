/* SPDX-License-Identifier: Apache-2.0 */
/* Walk rev_storage: the reverse translations of sockets that got no slot (svcbpf/abi.h). */
#ifndef SVCBPF_DATAPATH_OVERFLOW_H
#define SVCBPF_DATAPATH_OVERFLOW_H

#include "svcbpf/abi.h"

/**
 * overflow_for_each() - call @fn for each socket in the map, of all network namespaces.
 * @rev_storage_fd: the sk_storage map, borrowed.
 * @fn: a negative return ends the walk.
 *
 * Loads a BPF iterator for the walk and drops it after; some milliseconds.
 * Source: Linux net/core/bpf_sk_storage.c (bpf_sk_storage_map iterator, since 5.9).
 * Return: 0; what @fn returned; -EPERM without CAP_BPF and CAP_PERFMON; negative errno of bpf(2).
 */
int overflow_for_each(int rev_storage_fd, int (*fn)(void *arg, const struct svc_rev_record *record),
		      void *arg);

#endif
