/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/local_addresses.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/rtnl.h"
#include "util/cleanup.h"

/** struct local_table - all addresses of the network namespace. */
struct local_table {
	struct local_address *items;
	size_t n_items;
	size_t n_room;
};

/** struct default_device - interface of the default route with the lowest metric; 0: none. */
struct default_device {
	uint32_t ifindex;
	uint32_t metric;
};

struct local_addresses {
	bool with_routes;
	struct mnl_socket *follow;
	struct local_table table;
	struct default_device default4;
	struct default_device default6;
	bool is_stale; /* messages were lost, or a dump failed: read everything anew */
};

static bool addr_is_link_local6(const struct addr *addr)
{
	return addr->family == ADDR_IPV6 && addr->bytes[0] == 0xfe &&
	       (addr->bytes[1] & 0xc0) == 0x80;
}

static bool addr_is_link_local4(const struct addr *addr)
{
	return addr->family == ADDR_IPV4 && addr->bytes[0] == 169 && addr->bytes[1] == 254;
}

/* ------------------------------------------------------------------ the table of addresses */

static struct local_address *table_find(struct local_table *table, const struct local_address *key)
{
	for (size_t i = 0; i < table->n_items; i++) {
		struct local_address *item = &table->items[i];

		if (item->ifindex == key->ifindex && !addr_compare(&item->addr, &key->addr))
			return item;
	}
	return NULL;
}

static int table_append(struct local_table *table, const struct local_address *item)
{
	if (table->n_items == table->n_room) {
		size_t n_room = table->n_room ? table->n_room * 2 : 16;
		struct local_address *items =
			reallocarray(table->items, n_room, sizeof(*table->items));

		if (!items)
			return -ENOMEM;
		table->items = items;
		table->n_room = n_room;
	}
	table->items[table->n_items++] = *item;
	return 0;
}

static int table_put(struct local_table *table, const struct local_address *item)
{
	struct local_address *known = table_find(table, item);

	if (!known)
		return table_append(table, item);
	*known = *item;
	return 0;
}

static void table_remove(struct local_table *table, const struct local_address *key)
{
	struct local_address *known = table_find(table, key);

	if (known)
		*known = table->items[--table->n_items];
}

static void table_clearp(struct local_table *table)
{
	free(table->items);
	*table = (struct local_table){};
}

/* ------------------------------------------------------------------ reading messages */

/* IFA_LOCAL is the own address; IFA_ADDRESS is the peer's on point-to-point links. */
bool local_address_parse(const struct nlmsghdr *message, struct local_address *ret)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *local = NULL;
	const struct nlattr *address = NULL;
	const struct nlattr *attr;
	uint32_t flags = header->ifa_flags;
	size_t len_bytes = header->ifa_family == AF_INET ? 4 : 16;

	if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)
		return false;
	mnl_attr_for_each(attr, message, sizeof(*header)) {
		switch (mnl_attr_get_type(attr)) {
		case IFA_LOCAL:
			local = attr;
			break;
		case IFA_ADDRESS:
			address = attr;
			break;
		case IFA_FLAGS:
			flags = mnl_attr_get_u32(attr);
			break;
		default:
			break;
		}
	}
	if (!local)
		local = address;
	if (!local || mnl_attr_get_payload_len(local) < len_bytes)
		return false;
	*ret = (struct local_address){.ifindex = header->ifa_index};
	ret->addr.family = header->ifa_family == AF_INET ? ADDR_IPV4 : ADDR_IPV6;
	memcpy(ret->addr.bytes, mnl_attr_get_payload(local), len_bytes);
	ret->is_usable = !addr_is_link_local6(&ret->addr) && !(flags & IFA_F_DADFAILED) &&
			 (!(flags & IFA_F_TENTATIVE) || (flags & IFA_F_OPTIMISTIC));
	ret->is_global = ret->is_usable && header->ifa_scope == RT_SCOPE_UNIVERSE &&
			 !addr_is_link_local4(&ret->addr) && !addr_is_loopback(&ret->addr) &&
			 !(flags & (IFA_F_DEPRECATED | IFA_F_SECONDARY));
	return true;
}

/* Multipath default routes: the first next hop's device. */
static uint32_t route_device(const struct nlattr *oif, const struct nlattr *multipath)
{
	const struct rtnexthop *hop;

	if (oif)
		return mnl_attr_get_u32(oif);
	if (!multipath || mnl_attr_get_payload_len(multipath) < sizeof(*hop))
		return 0;
	hop = mnl_attr_get_payload(multipath);
	return (uint32_t)hop->rtnh_ifindex;
}

static bool is_default_route(const struct nlmsghdr *message)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);

	return header->rtm_dst_len == 0 && header->rtm_type == RTN_UNICAST &&
	       (header->rtm_family == AF_INET || header->rtm_family == AF_INET6);
}

static void take_default_route(struct local_addresses *local, const struct nlmsghdr *message)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *oif = NULL;
	const struct nlattr *multipath = NULL;
	const struct nlattr *attr;
	uint32_t table = header->rtm_table;
	struct default_device route = {};
	struct default_device *best;

	mnl_attr_for_each(attr, message, sizeof(*header)) {
		switch (mnl_attr_get_type(attr)) {
		case RTA_OIF:
			oif = attr;
			break;
		case RTA_MULTIPATH:
			multipath = attr;
			break;
		case RTA_PRIORITY:
			route.metric = mnl_attr_get_u32(attr);
			break;
		case RTA_TABLE:
			table = mnl_attr_get_u32(attr);
			break;
		default:
			break;
		}
	}
	route.ifindex = route_device(oif, multipath);
	best = header->rtm_family == AF_INET ? &local->default4 : &local->default6;
	if (table == RT_TABLE_MAIN && route.ifindex &&
	    (!best->ifindex || route.metric < best->metric))
		*best = route;
}

static int on_address_dump(const struct nlmsghdr *message, void *arg)
{
	struct local_table *table = arg;
	struct local_address item;

	if (message->nlmsg_type != RTM_NEWADDR || !local_address_parse(message, &item))
		return MNL_CB_OK;
	if (table_append(table, &item) < 0) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	return MNL_CB_OK;
}

static int on_route_dump(const struct nlmsghdr *message, void *arg)
{
	if (message->nlmsg_type == RTM_NEWROUTE && is_default_route(message))
		take_default_route(arg, message);
	return MNL_CB_OK;
}

static int on_notification(const struct nlmsghdr *message, void *arg)
{
	struct local_addresses *local = arg;
	struct local_address item;
	int r = 0;

	switch (message->nlmsg_type) {
	case RTM_NEWADDR:
		if (local_address_parse(message, &item))
			r = table_put(&local->table, &item);
		break;
	case RTM_DELADDR:
		if (local_address_parse(message, &item))
			table_remove(&local->table, &item);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		/* which one is the best now is the kernel's to say */
		if (is_default_route(message))
			local->is_stale = true;
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		/* IPv4 routes over a device that goes down vanish without a message */
		local->is_stale = true;
		break;
	default:
		break;
	}
	if (r < 0) {
		errno = -r;
		return MNL_CB_ERROR;
	}
	return MNL_CB_OK;
}

/* ------------------------------------------------------------------ dumps */

static int dump_addresses(struct local_table *ret)
{
	for (int i = 0; i < RTNL_DUMP_TRIES; i++) {
		_cleanup_(table_clearp) struct local_table table = {};
		const struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};
		const struct rtnl_dump dump = {RTM_GETADDR, &header, sizeof(header),
					       on_address_dump, &table};
		int r = rtnl_dump(&dump);

		if (r == -EINTR) /* changed while it was read */
			continue;
		if (r < 0)
			return r;
		*ret = table;
		table = (struct local_table){};
		return 0;
	}
	return -EINTR;
}

static int dump_default_routes(struct local_addresses *local)
{
	const struct rtmsg header = {.rtm_family = AF_UNSPEC};
	const struct rtnl_dump dump = {RTM_GETROUTE, &header, sizeof(header), on_route_dump, local};

	for (int i = 0; i < RTNL_DUMP_TRIES; i++) {
		int r;

		local->default4 = local->default6 = (struct default_device){};
		r = rtnl_dump(&dump);
		if (r != -EINTR)
			return r;
	}
	return -EINTR;
}

static int read_all(struct local_addresses *local)
{
	struct local_table fresh;
	int r;

	local->is_stale = true;
	if (local->with_routes) {
		r = dump_default_routes(local);
		if (r < 0)
			return r;
	}
	r = dump_addresses(&fresh);
	if (r < 0)
		return r;
	table_clearp(&local->table);
	local->table = fresh;
	local->is_stale = false;
	return 0;
}

/* ------------------------------------------------------------------ interface */

static int open_follow(struct local_addresses *local)
{
	unsigned int groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;

	if (local->with_routes)
		groups |= RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_LINK;
	return rtnl_follow(groups, &local->follow);
}

static void local_addresses_freep(struct local_addresses **local)
{
	local_addresses_free(*local);
}

int local_addresses_new(bool with_routes, struct local_addresses **ret)
{
	_cleanup_(local_addresses_freep) struct local_addresses *local = calloc(1, sizeof(*local));
	int r;

	if (!local)
		return -ENOMEM;
	local->with_routes = with_routes;
	r = open_follow(local);
	if (r < 0)
		return r;
	r = read_all(local);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(local);
	return 0;
}

void local_addresses_free(struct local_addresses *local)
{
	if (!local)
		return;
	rtnl_closep(&local->follow);
	table_clearp(&local->table);
	free(local);
}

int local_addresses_fd(const struct local_addresses *local)
{
	return mnl_socket_get_fd(local->follow);
}

int local_addresses_process(struct local_addresses *local)
{
	int r = rtnl_drain(local->follow, on_notification, local);

	if (r < 0)
		local->is_stale = true;
	if (r < 0 && r != -ENOBUFS)
		return r;
	return local->is_stale ? read_all(local) : 0;
}

const struct local_address *local_addresses_items(const struct local_addresses *local,
						  size_t *ret_n)
{
	*ret_n = local->table.n_items;
	return local->table.items;
}

uint32_t local_addresses_default_device(const struct local_addresses *local, uint8_t family)
{
	return family == ADDR_IPV4 ? local->default4.ifindex : local->default6.ifindex;
}
