/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting programs on network devices, so that they outlive the agent: by TCX links (Linux 6.6),
 * else as filters of a clsact qdisc. What was attached is recorded below the folder of the links:
 *
 *	ingress-IFINDEX, egress-IFINDEX			TCX links
 *	filter-ingress-IFINDEX, filter-egress-IFINDEX	the programs in our filters
 *	qdisc-IFINDEX					some program: an agent made the qdisc
 *
 * Filters have a priority of their own, and a handle that is one pin directory's, so that several
 * agents and other users of tc can share a device. The handle also tells other agents that one of
 * them made the qdisc: the last that leaves removes it.
 */
#ifndef SVCBPF_DATAPATH_ATTACH_TC_H
#define SVCBPF_DATAPATH_ATTACH_TC_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/datapath.h"

/** ATTACH_TC_PRIORITY - of our filters: before what others put there by default (from 49152 down),
 * after what has asked for the very first place.
 */
#define ATTACH_TC_PRIORITY 83

enum attach_tc_side { ATTACH_TC_EGRESS, ATTACH_TC_INGRESS, ATTACH_TC_N_SIDES };

/** struct attach_tc_program - a loaded program; borrowed. @id: the kernel's. */
struct attach_tc_program {
	int fd;
	uint32_t id;
};

/**
 * struct attach_tc_place - where to attach.
 * @pin_dir: borrowed.
 */
struct attach_tc_place {
	const char *pin_dir;
	uint32_t ifindex;
	enum attach_tc_side side;
};

/**
 * attach_tc() - attach a program of type BPF_PROG_TYPE_SCHED_CLS.
 *
 * What this pin directory has attached there before is replaced in place: no packet passes unseen.
 * Nothing is done when it is this very program.
 * Return: 0; -ENODEV: there is no such device; negative errno of bpf(2) and netlink(7).
 */
int attach_tc(const struct attach_tc_place *place, const struct attach_tc_program *program,
	      bool is_clsact, struct datapath_error *ret_error);

/**
 * attach_tc_detach() - detach both sides of a device, and remove what was recorded; with the last
 * filter a qdisc that an agent made. A device that is gone is fine.
 * Return: 0 or negative errno.
 */
int attach_tc_detach(const char *pin_dir, uint32_t ifindex, struct datapath_error *ret_error);

/** attach_tc_remove() - the same for all devices. Return: 0 or negative errno. */
int attach_tc_remove(const char *pin_dir, struct datapath_error *ret_error);

/**
 * attach_tc_read() - what this pin directory has attached there, as the kernel has it now.
 * @ret_program_id: 0 when there is nothing.
 */
enum datapath_hook attach_tc_read(const struct attach_tc_place *place, uint32_t *ret_program_id);

/** attach_tc_is_record() - whether a name in the folder of the links is one of those above.
 * @ret_ifindex: may be NULL.
 */
bool attach_tc_is_record(const char *name, uint32_t *ret_ifindex);

/** attach_tc_for_each() - call @fn for each record's device, perhaps more than once. Return: 0,
 * what @fn returned, negative errno.
 */
int attach_tc_for_each(const char *pin_dir, int (*fn)(void *arg, uint32_t ifindex), void *arg);

#endif
