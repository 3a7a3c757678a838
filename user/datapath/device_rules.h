/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices get the packet programs, and what is told to the programs about each: the rules of
 * devices.h. Pure.
 */
#ifndef SVCBPF_DATAPATH_DEVICE_RULES_H
#define SVCBPF_DATAPATH_DEVICE_RULES_H

#include "datapath/devices.h"
#include "datapath/network.h"

/**
 * struct device_rules - what they are applied to; all borrowed.
 * @node_addrs: the Node object's addresses, in its order; none: unknown.
 */
struct device_rules {
	const struct network *network;
	struct devices_selection selection;
	const struct addr *node_addrs;
	size_t n_node_addrs;
};

/**
 * device_rules_apply() - the devices that are meant, as devices_get() gives them.
 * @ret: array of *@ret_n, to be freed.
 * Return: 0 or -ENOMEM.
 */
int device_rules_apply(const struct device_rules *rules, struct device **ret, size_t *ret_n);

#endif
