/* SPDX-License-Identifier: Apache-2.0 */
/* TCX links: what the headers of Linux 6.1 and libbpf 1.1 lack. */
#ifndef SVCBPF_DATAPATH_TCX_H
#define SVCBPF_DATAPATH_TCX_H

#include <stdbool.h>
#include <stdint.h>

/* enum bpf_attach_type, Linux 6.6 */
#define TCX_ATTACH_INGRESS 46
#define TCX_ATTACH_EGRESS  47

/** struct tcx_link - a link. @ifindex: 0: its device is gone. */
struct tcx_link {
	uint32_t id;
	uint32_t program_id;
	uint32_t ifindex;
	uint32_t attach_type;
};

/** tcx_create() - attach a program last. Return: the link; -EINVAL: no TCX; errors of bpf(2). */
int tcx_create(int program_fd, uint32_t ifindex, uint32_t attach_type);

/** tcx_read() - what @fd is. Return: 0; -EPROTO: no TCX link; errors of bpf(2). */
int tcx_read(int fd, struct tcx_link *ret);

/**
 * tcx_is_on() - whether the link is really on that device of this network namespace: the number
 * alone may be another's.
 */
bool tcx_is_on(const struct tcx_link *link, uint32_t ifindex, uint32_t attach_type);

/** tcx_is_supported() - by trying with a device that does not exist. */
bool tcx_is_supported(void);

#endif
