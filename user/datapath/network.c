/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/network.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/rtnl.h"
#include "util/cleanup.h"

static const struct {
	const char *name; /* IFLA_INFO_KIND */
	enum network_kind kind;
} kinds[] = {
	{"veth", NETWORK_POD},	     {"netkit", NETWORK_POD},	    {"bridge", NETWORK_BRIDGE},
	{"vxlan", NETWORK_TUNNEL},   {"geneve", NETWORK_TUNNEL},    {"gre", NETWORK_TUNNEL},
	{"gretap", NETWORK_TUNNEL},  {"ip6gre", NETWORK_TUNNEL},    {"ip6gretap", NETWORK_TUNNEL},
	{"ipip", NETWORK_TUNNEL},    {"ip6tnl", NETWORK_TUNNEL},    {"sit", NETWORK_TUNNEL},
	{"vti", NETWORK_TUNNEL},     {"vti6", NETWORK_TUNNEL},	    {"xfrm", NETWORK_TUNNEL},
	{"erspan", NETWORK_TUNNEL},  {"wireguard", NETWORK_TUNNEL}, {"bareudp", NETWORK_TUNNEL},
	{"vlan", NETWORK_STACKED},   {"macvlan", NETWORK_STACKED},  {"macvtap", NETWORK_STACKED},
	{"ipvlan", NETWORK_STACKED}, {"ipvtap", NETWORK_STACKED},   {"macsec", NETWORK_STACKED},
	{"vrf", NETWORK_MIRROR},     {"ifb", NETWORK_MIRROR},	    {"dummy", NETWORK_MIRROR},
};

/* Room for one element more in an array of a power of two. Return: false without memory. */
static bool grow(void **items, size_t n, size_t item_bytes)
{
	void *grown;

	if (n & (n - 1) || (n && n < 16))
		return true;
	grown = reallocarray(*items, n ? n * 2 : 16, item_bytes);
	if (!grown)
		return false;
	*items = grown;
	return true;
}

static int out_of_memory(void)
{
	errno = ENOMEM;
	return MNL_CB_ERROR;
}

/* ------------------------------------------------------------------ links */

/** struct link_attrs - attributes of a link message; NULL where absent. */
struct link_attrs {
	const struct nlattr *all[IFLA_MAX + 1];
	const struct nlattr *info[IFLA_INFO_MAX + 1];
};

static void collect_attrs(const struct nlmsghdr *message, struct link_attrs *ret)
{
	const struct nlattr *attr;

	memset(ret, 0, sizeof(*ret));
	mnl_attr_for_each(attr, message, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) <= IFLA_MAX)
			ret->all[mnl_attr_get_type(attr)] = attr;
	}
	if (!ret->all[IFLA_LINKINFO])
		return;
	mnl_attr_for_each_nested(attr, ret->all[IFLA_LINKINFO]) {
		if (mnl_attr_get_type(attr) <= IFLA_INFO_MAX)
			ret->info[mnl_attr_get_type(attr)] = attr;
	}
}

static bool is_text(const struct nlattr *attr, const char *text)
{
	return attr &&
	       strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr)) ==
		       strlen(text) &&
	       memcmp(mnl_attr_get_payload(attr), text, strlen(text)) == 0;
}

static uint32_t number(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= sizeof(uint32_t) ? mnl_attr_get_u32(attr)
									  : 0;
}

static enum network_kind kind_of(const struct ifinfomsg *header, const struct nlattr *kind)
{
	if (header->ifi_flags & IFF_LOOPBACK)
		return NETWORK_LOOPBACK;
	if (is_text(kind, "tun")) /* a tap with Ethernet frames, a tun without */
		return header->ifi_type == ARPHRD_ETHER ? NETWORK_POD : NETWORK_TUNNEL;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (is_text(kind, kinds[i].name))
			return kinds[i].kind;
	return NETWORK_PLAIN;
}

static void parse_link(const struct nlmsghdr *message, struct network_link *ret)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *name, *mac, *slave;
	struct link_attrs attrs;

	collect_attrs(message, &attrs);
	name = attrs.all[IFLA_IFNAME];
	mac = attrs.all[IFLA_ADDRESS];
	slave = attrs.info[IFLA_INFO_SLAVE_KIND];
	*ret = (struct network_link){
		.ifindex = (uint32_t)header->ifi_index,
		.type = header->ifi_type,
		.kind = kind_of(header, attrs.info[IFLA_INFO_KIND]),
		.master = number(attrs.all[IFLA_MASTER]),
		.is_up = header->ifi_flags & IFF_UP,
		.is_bond_port = is_text(slave, "bond") || is_text(slave, "team"),
		.is_bridge_port = is_text(slave, "bridge"),
	};
	if (ret->kind == NETWORK_STACKED && !attrs.all[IFLA_LINK_NETNSID])
		ret->lower = number(attrs.all[IFLA_LINK]);
	if (name)
		memcpy(ret->name, mnl_attr_get_payload(name),
		       strnlen(mnl_attr_get_payload(name),
			       mnl_attr_get_payload_len(name) < sizeof(ret->name) - 1
				       ? mnl_attr_get_payload_len(name)
				       : sizeof(ret->name) - 1));
	if (mac && mnl_attr_get_payload_len(mac) == sizeof(ret->mac))
		memcpy(ret->mac, mnl_attr_get_payload(mac), sizeof(ret->mac));
}

static int on_link(const struct nlmsghdr *message, void *arg)
{
	struct network *network = arg;

	if (message->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	if (!grow((void **)&network->links, network->n_links, sizeof(*network->links)))
		return out_of_memory();
	parse_link(message, &network->links[network->n_links++]);
	return MNL_CB_OK;
}

/* ------------------------------------------------------------------ addresses, routes */

static int on_address(const struct nlmsghdr *message, void *arg)
{
	struct network *network = arg;
	struct local_address address;

	if (message->nlmsg_type != RTM_NEWADDR || !local_address_parse(message, &address))
		return MNL_CB_OK;
	if (!grow((void **)&network->addresses, network->n_addresses, sizeof(address)))
		return out_of_memory();
	network->addresses[network->n_addresses++] = address;
	return MNL_CB_OK;
}

static bool is_default_route(const struct nlmsghdr *message)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);

	return header->rtm_dst_len == 0 && header->rtm_type == RTN_UNICAST &&
	       header->rtm_table == RT_TABLE_MAIN &&
	       (header->rtm_family == AF_INET || header->rtm_family == AF_INET6);
}

static bool add_default(struct network *network, struct network_default route, uint32_t ifindex)
{
	if (!ifindex)
		return true;
	if (!grow((void **)&network->defaults, network->n_defaults, sizeof(route)))
		return false;
	route.ifindex = ifindex;
	network->defaults[network->n_defaults++] = route;
	return true;
}

static bool add_multipath(struct network *network, const struct network_default *route,
			  const struct nlattr *multipath)
{
	size_t left = multipath ? mnl_attr_get_payload_len(multipath) : 0;
	const char *at = multipath ? mnl_attr_get_payload(multipath) : NULL;

	while (left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *hop = (const void *)at;
		const size_t len_bytes = NLMSG_ALIGN(hop->rtnh_len);

		if (hop->rtnh_len < sizeof(*hop) || len_bytes > left)
			break;
		if (!add_default(network, *route, (uint32_t)hop->rtnh_ifindex))
			return false;
		at += len_bytes;
		left -= len_bytes;
	}
	return true;
}

static int on_route(const struct nlmsghdr *message, void *arg)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *all[RTA_MAX + 1] = {};
	struct network_default route;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWROUTE || !is_default_route(message))
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*header)) {
		if (mnl_attr_get_type(attr) <= RTA_MAX)
			all[mnl_attr_get_type(attr)] = attr;
	}
	route = (struct network_default){
		.metric = number(all[RTA_PRIORITY]),
		.family = header->rtm_family == AF_INET ? ADDR_IPV4 : ADDR_IPV6,
	};
	if (!add_default(arg, route, number(all[RTA_OIF])) ||
	    !add_multipath(arg, &route, all[RTA_MULTIPATH]))
		return out_of_memory();
	return MNL_CB_OK;
}

/* ------------------------------------------------------------------ all of it */

static int by_ifindex(const void *a, const void *b)
{
	const uint32_t left = ((const struct network_link *)a)->ifindex;
	const uint32_t right = ((const struct network_link *)b)->ifindex;

	return (left > right) - (left < right);
}

static int read_once(struct network *network)
{
	const struct ifinfomsg links = {.ifi_family = AF_UNSPEC};
	const struct ifaddrmsg addresses = {.ifa_family = AF_UNSPEC};
	const struct rtmsg routes = {.rtm_family = AF_UNSPEC};
	const struct rtnl_dump dumps[] = {
		{RTM_GETLINK, &links, sizeof(links), on_link, network},
		{RTM_GETADDR, &addresses, sizeof(addresses), on_address, network},
		{RTM_GETROUTE, &routes, sizeof(routes), on_route, network},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dumps); i++)
		r = rtnl_dump(&dumps[i]);
	if (r == 0 && network->n_links)
		qsort(network->links, network->n_links, sizeof(*network->links), by_ifindex);
	return r;
}

int network_read(struct network *ret)
{
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < RTNL_DUMP_TRIES; i++) {
		_cleanup_(network_clear) struct network network = {};

		r = read_once(&network);
		if (r == 0) {
			*ret = network;
			network = (struct network){};
		}
	}
	return r;
}

void network_clear(struct network *network)
{
	free(network->links);
	free(network->addresses);
	free(network->defaults);
	*network = (struct network){};
}

const struct network_link *network_find(const struct network *network, uint32_t ifindex)
{
	const struct network_link key = {.ifindex = ifindex};

	if (!network->n_links)
		return NULL;
	return bsearch(&key, network->links, network->n_links, sizeof(key), by_ifindex);
}

/* ------------------------------------------------------------------ following */

int network_follow(struct mnl_socket **ret)
{
	return rtnl_follow(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
				   RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
			   ret);
}

/* IPv4 routes over a device that goes down vanish without a message, but the link has one. */
static int on_change(const struct nlmsghdr *message, void *arg)
{
	bool *is_changed = arg;

	switch (message->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		*is_changed |= is_default_route(message);
		break;
	default:
		*is_changed = true;
		break;
	}
	return MNL_CB_OK;
}

int network_drain(struct mnl_socket *socket)
{
	bool is_changed = false;
	int r = rtnl_drain(socket, on_change, &is_changed);

	if (r == -ENOBUFS)
		return 1;
	return r < 0 ? r : is_changed;
}
