/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of a clsact qdisc, by libbpf's netlink interface. */
#ifndef SVCBPF_DATAPATH_CLSACT_H
#define SVCBPF_DATAPATH_CLSACT_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/datapath.h"

/**
 * struct clsact_filter - which filter.
 * @handle, @priority: ours, see attach_tc.h.
 */
struct clsact_filter {
	uint32_t ifindex;
	bool is_ingress;
	uint32_t handle;
	uint32_t priority;
};

/**
 * clsact_make() - give the device a clsact qdisc.
 * Return: 1: made; 0: it had one; negative errno of netlink(7).
 */
int clsact_make(uint32_t ifindex, struct datapath_error *ret_error);

/** clsact_is_unused() - whether the device has a clsact qdisc without any filter. */
bool clsact_is_unused(uint32_t ifindex);

/** clsact_has_filter() - whether a filter there has this priority, and all of @bits in its handle.
 */
bool clsact_has_filter(uint32_t ifindex, uint32_t priority, uint32_t bits);

/** clsact_destroy() - remove the qdisc with all in it. Return: 0 or negative errno. */
int clsact_destroy(uint32_t ifindex);

/** clsact_attach() - put the program in the filter, in place of what is there. Return: 0 or
 * negative errno. */
int clsact_attach(const struct clsact_filter *filter, int program_fd,
		  struct datapath_error *ret_error);

/** clsact_read() - the id of the program in the filter; 0: there is none. */
uint32_t clsact_read(const struct clsact_filter *filter);

/** clsact_detach() - remove the filter. Return: 0 or negative errno. */
int clsact_detach(const struct clsact_filter *filter);

#endif
