/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/device_rules.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/device_list.h"
#include "util/cleanup.h"

/* Stacks of VLANs and the like are not deeper; a loop in what the kernel told ends here. */
#define MAX_STACK 8

/* ------------------------------------------------------------------ addresses */

static bool is_node_addr(const struct device_rules *rules, const struct addr *addr)
{
	for (size_t i = 0; i < rules->n_node_addrs; i++)
		if (addr_compare(&rules->node_addrs[i], addr) == 0)
			return true;
	return false;
}

static bool has_node_addr(const struct device_rules *rules, uint32_t ifindex)
{
	const struct network *network = rules->network;

	for (size_t i = 0; i < network->n_addresses; i++)
		if (network->addresses[i].ifindex == ifindex &&
		    is_node_addr(rules, &network->addresses[i].addr))
			return true;
	return false;
}

/* @ifindex: 0: any device. Return: its address of the node, else its first global one, or NULL. */
static const struct addr *find_addr(const struct device_rules *rules, uint32_t ifindex,
				    uint8_t family)
{
	const struct network *network = rules->network;
	const struct addr *first = NULL;

	for (size_t i = 0; i < network->n_addresses; i++) {
		const struct local_address *item = &network->addresses[i];

		if (item->addr.family != family || (ifindex && item->ifindex != ifindex))
			continue;
		if (item->is_usable && is_node_addr(rules, &item->addr))
			return &item->addr;
		if (item->is_global && !first)
			first = &item->addr;
	}
	return first;
}

static uint32_t default_device(const struct network *network, uint8_t family)
{
	const struct network_default *best = NULL;

	for (size_t i = 0; i < network->n_defaults; i++) {
		const struct network_default *route = &network->defaults[i];

		if (route->family == family && (!best || route->metric < best->metric))
			best = route;
	}
	return best ? best->ifindex : 0;
}

static bool has_node_family(const struct device_rules *rules, uint8_t family)
{
	for (size_t i = 0; i < rules->n_node_addrs; i++)
		if (rules->node_addrs[i].family == family)
			return true;
	return false;
}

/* The node's own, for devices that have none: of the Node object, if that is known and local. */
static const struct addr *node_addr(const struct device_rules *rules, uint8_t family)
{
	const uint32_t ifindex = default_device(rules->network, family);
	const struct addr *addr = find_addr(rules, 0, family);

	if (addr && has_node_family(rules, family) && is_node_addr(rules, addr))
		return addr;
	if (ifindex && find_addr(rules, ifindex, family))
		return find_addr(rules, ifindex, family);
	return addr;
}

static const struct addr *device_addr(const struct device_rules *rules,
				      const struct network_link *link, uint8_t family)
{
	const struct addr *addr = find_addr(rules, link->ifindex, family);

	if (!addr && link->master)
		addr = find_addr(rules, link->master, family);
	return addr ? addr : node_addr(rules, family);
}

/* ------------------------------------------------------------------ uplinks */

static bool has_default_route(const struct network *network, uint32_t ifindex)
{
	for (size_t i = 0; i < network->n_defaults; i++)
		if (network->defaults[i].ifindex == ifindex)
			return true;
	return false;
}

static bool has_physical_ports_only(const struct network *network, uint32_t bridge)
{
	size_t n_ports = 0;

	for (size_t i = 0; i < network->n_links; i++) {
		if (network->links[i].master != bridge)
			continue;
		if (network->links[i].kind == NETWORK_POD)
			return false;
		n_ports++;
	}
	return n_ports > 0;
}

/* Whether it is one by itself; see devices.h. */
static bool is_uplink(const struct device_rules *rules, const struct network_link *link, int depth)
{
	const struct network *network = rules->network;
	const struct network_link *lower;

	if (has_default_route(network, link->ifindex) || has_node_addr(rules, link->ifindex))
		return true;
	switch (link->kind) {
	case NETWORK_POD:
		return false;
	case NETWORK_BRIDGE:
		return has_physical_ports_only(network, link->ifindex);
	case NETWORK_STACKED:
		lower = network_find(network, link->lower);
		return !lower || depth == MAX_STACK || is_uplink(rules, lower, depth + 1);
	default:
		return true;
	}
}

/* Frames for what is on top pass the device below first. */
static bool is_below_uplink(const struct device_rules *rules, const struct network_link *link,
			    int depth)
{
	const struct network *network = rules->network;

	for (size_t i = 0; i < network->n_links; i++) {
		const struct network_link *upper = &network->links[i];

		if (upper->lower != link->ifindex || upper == link)
			continue;
		if (is_uplink(rules, upper, 0) ||
		    (depth < MAX_STACK && is_below_uplink(rules, upper, depth + 1)))
			return true;
	}
	return false;
}

static bool is_uplink_device(const struct device_rules *rules, const struct network_link *link)
{
	if (rules->selection.uplinks)
		return device_list_has(rules->selection.uplinks, link->name);
	return is_uplink(rules, link, 0) || is_below_uplink(rules, link, 0);
}

/* ------------------------------------------------------------------ devices */

/* Packets there begin with their IP header. */
static bool is_bare(uint16_t type)
{
	static const uint16_t types[] = {
		ARPHRD_NONE,	ARPHRD_RAWIP, ARPHRD_PPP,   ARPHRD_TUNNEL,
		ARPHRD_TUNNEL6, ARPHRD_SIT,   ARPHRD_IPGRE, ARPHRD_IP6GRE,
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i] == type)
			return true;
	return false;
}

static bool is_foreign(const struct network_link *link)
{
	return link->type != ARPHRD_ETHER && !is_bare(link->type);
}

/* A foreign device is named as a problem only where it matters. */
static bool is_meant(const struct device_rules *rules, const struct network_link *link)
{
	if (link->kind == NETWORK_LOOPBACK)
		return false;
	if (rules->selection.list)
		return device_list_has(rules->selection.list, link->name);
	if (link->kind == NETWORK_MIRROR || link->is_bond_port)
		return false;
	return !is_foreign(link) || has_default_route(rules->network, link->ifindex) ||
	       has_node_addr(rules, link->ifindex);
}

static bool has_upper(const struct network *network, uint32_t ifindex)
{
	for (size_t i = 0; i < network->n_links; i++)
		if (network->links[i].lower == ifindex)
			return true;
	return false;
}

static void describe(const struct device_rules *rules, const struct network_link *link,
		     struct device *ret)
{
	const struct addr *addr4 = device_addr(rules, link, ADDR_IPV4);
	const struct addr *addr6 = device_addr(rules, link, ADDR_IPV6);
	const struct network_link *bridge =
		link->is_bridge_port ? network_find(rules->network, link->master) : NULL;

	*ret = (struct device){
		.ifindex = link->ifindex,
		.is_up = link->is_up,
		.has_upper = has_upper(rules->network, link->ifindex),
		.is_foreign = is_foreign(link),
	};
	memcpy(ret->name, link->name, sizeof(ret->name));
	if (is_uplink_device(rules, link))
		ret->value.flags |= SVC_DEVICE_F_UPLINK;
	if (is_bare(link->type))
		ret->value.flags |= SVC_DEVICE_F_L3;
	if (addr4)
		memcpy(&ret->value.addr4, addr4->bytes, sizeof(ret->value.addr4));
	if (addr6)
		memcpy(ret->value.addr6, addr6->bytes, sizeof(ret->value.addr6));
	memcpy(ret->value.mac, bridge ? bridge->mac : link->mac, sizeof(ret->value.mac));
}

static bool is_there(const struct network *network, const char *name)
{
	for (size_t i = 0; i < network->n_links; i++)
		if (strcmp(network->links[i].name, name) == 0)
			return true;
	return false;
}

static size_t add_missing(const struct device_rules *rules, struct device *devices)
{
	const struct device_list *list = rules->selection.list;
	size_t n = 0;

	for (size_t i = 0; list && i < list->n_patterns; i++) {
		if (!device_list_is_name(list, i) || is_there(rules->network, list->patterns[i]))
			continue;
		devices[n] = (struct device){};
		snprintf(devices[n].name, sizeof(devices[n].name), "%s", list->patterns[i]);
		n++;
	}
	return n;
}

int device_rules_apply(const struct device_rules *rules, struct device **ret, size_t *ret_n)
{
	const struct network *network = rules->network;
	const size_t n_named = rules->selection.list ? rules->selection.list->n_patterns : 0;
	struct device *devices = calloc(network->n_links + n_named + 1, sizeof(*devices));
	size_t n;

	if (!devices)
		return -ENOMEM;
	n = add_missing(rules, devices);
	for (size_t i = 0; i < network->n_links; i++)
		if (is_meant(rules, &network->links[i]))
			describe(rules, &network->links[i], &devices[n++]);
	*ret = devices;
	*ret_n = n;
	return 0;
}
