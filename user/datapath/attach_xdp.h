/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting the XDP program on network devices, by links that outlive the agent: they are pinned as
 * xdp-IFINDEX in the folder of the links. A device has room for one program: another one that is
 * there stays.
 */
#ifndef SVCBPF_DATAPATH_ATTACH_XDP_H
#define SVCBPF_DATAPATH_ATTACH_XDP_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/datapath.h"

/** struct attach_xdp_program - a loaded program; borrowed. @id: the kernel's. */
struct attach_xdp_program {
	int fd;
	uint32_t id;
};

/**
 * attach_xdp() - attach a program of type BPF_PROG_TYPE_XDP.
 * @mode: DATAPATH_XDP_NATIVE: in the driver; DATAPATH_XDP_GENERIC: in the stack.
 *
 * What this pin directory has attached there before in that mode is replaced in place. Nothing is
 * done when it is this very program.
 * Return: 0; -ENODEV: there is no such device; -EBUSY: another program is there; -EOPNOTSUPP: the
 * driver has no XDP; negative errno of bpf(2). @ret_error says more.
 */
int attach_xdp(const char *pin_dir, uint32_t ifindex, const struct attach_xdp_program *program,
	       enum datapath_xdp mode, struct datapath_error *ret_error);

/** attach_xdp_detach() - detach from a device; it is fine if nothing is there. Return: 0 or
 * negative errno. */
int attach_xdp_detach(const char *pin_dir, uint32_t ifindex, struct datapath_error *ret_error);

/** attach_xdp_remove() - the same for all devices. Return: 0 or negative errno. */
int attach_xdp_remove(const char *pin_dir, struct datapath_error *ret_error);

/**
 * attach_xdp_read() - what this pin directory has attached there, as the kernel has it now.
 * @ret_program_id: 0 when there is nothing.
 * Return: DATAPATH_XDP_OFF, _NATIVE or _GENERIC.
 */
enum datapath_xdp attach_xdp_read(const char *pin_dir, uint32_t ifindex, uint32_t *ret_program_id);

/** attach_xdp_is_record() - whether a name in the folder of the links is one of these.
 * @ret_ifindex: may be NULL.
 */
bool attach_xdp_is_record(const char *name, uint32_t *ret_ifindex);

/** attach_xdp_for_each() - call @fn for each record's device. Return: 0, what @fn returned,
 * negative errno. */
int attach_xdp_for_each(const char *pin_dir, int (*fn)(void *arg, uint32_t ifindex), void *arg);

#endif
