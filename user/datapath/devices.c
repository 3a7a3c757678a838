/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/devices.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/device_list.h"
#include "datapath/device_rules.h"
#include "datapath/network.h"
#include "datapath/rtnl.h"
#include "util/cleanup.h"

struct devices {
	bool is_auto;
	bool has_uplinks;
	struct device_list list;
	struct device_list uplinks;
	struct mnl_socket *follow;
	struct addr *node_addrs;
	size_t n_node_addrs;
	struct device *items;
	size_t n_items;
};

static int copy_list(const struct device_list *from, struct device_list *ret)
{
	if (!from)
		return 0;
	ret->patterns = calloc(from->n_patterns + 1, sizeof(*ret->patterns));
	if (!ret->patterns)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_patterns; i++) {
		ret->patterns[i] = strdup(from->patterns[i]);
		if (!ret->patterns[i])
			return -ENOMEM;
		ret->n_patterns++;
	}
	return 0;
}

static void devices_freep(struct devices **devices)
{
	devices_free(*devices);
}

int devices_new(const struct devices_selection *selection, struct devices **ret)
{
	_cleanup_(devices_freep) struct devices *devices = calloc(1, sizeof(*devices));
	int r;

	if (!devices)
		return -ENOMEM;
	devices->is_auto = !selection->list;
	devices->has_uplinks = selection->uplinks;
	r = copy_list(selection->list, &devices->list);
	if (!r)
		r = copy_list(selection->uplinks, &devices->uplinks);
	if (!r)
		r = network_follow(&devices->follow);
	if (!r)
		r = devices_refresh(devices);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(devices);
	return 0;
}

void devices_free(struct devices *devices)
{
	if (!devices)
		return;
	device_list_clear(&devices->list);
	device_list_clear(&devices->uplinks);
	rtnl_closep(&devices->follow);
	free(devices->node_addrs);
	free(devices->items);
	free(devices);
}

int devices_fd(const struct devices *devices)
{
	return mnl_socket_get_fd(devices->follow);
}

int devices_process(struct devices *devices)
{
	return network_drain(devices->follow);
}

int devices_refresh(struct devices *devices)
{
	_cleanup_(network_clear) struct network network = {};
	const struct device_rules rules = {
		.network = &network,
		.selection = {devices->is_auto ? NULL : &devices->list,
			      devices->has_uplinks ? &devices->uplinks : NULL},
		.node_addrs = devices->node_addrs,
		.n_node_addrs = devices->n_node_addrs,
	};
	struct device *items = NULL;
	size_t n_items = 0;
	int r;

	r = network_read(&network);
	if (!r)
		r = device_rules_apply(&rules, &items, &n_items);
	if (r < 0)
		return r;
	free(devices->items);
	devices->items = items;
	devices->n_items = n_items;
	return 0;
}

static bool is_same(const struct devices *devices, const struct addr *addrs, size_t n_addrs)
{
	if (n_addrs != devices->n_node_addrs)
		return false;
	for (size_t i = 0; i < n_addrs; i++)
		if (addr_compare(&devices->node_addrs[i], &addrs[i]) != 0)
			return false;
	return true;
}

int devices_set_node_addresses(struct devices *devices, const struct addr *addrs, size_t n_addrs)
{
	struct addr *copy;

	if (is_same(devices, addrs, n_addrs))
		return 0;
	copy = calloc(n_addrs + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	if (n_addrs)
		memcpy(copy, addrs, n_addrs * sizeof(*copy));
	free(devices->node_addrs);
	devices->node_addrs = copy;
	devices->n_node_addrs = n_addrs;
	return 1;
}

const struct device *devices_get(const struct devices *devices, size_t *ret_n)
{
	*ret_n = devices->n_items;
	return devices->items;
}
