/* SPDX-License-Identifier: Apache-2.0 */
/* What this network namespace consists of at one moment, as far as the packet path wants to know:
 * links, addresses, default routes. Read by rtnetlink(7).
 */
#ifndef SVCBPF_DATAPATH_NETWORK_H
#define SVCBPF_DATAPATH_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/local_addresses.h"

struct mnl_socket;

#define NETWORK_NAME_BYTES 16

/**
 * enum network_kind - what a link is, as far as that matters here.
 * @NETWORK_PLAIN: a NIC, a bond, and whatever is nothing else.
 * @NETWORK_POD: veth, netkit, tap: the other end is a pod or a VM.
 * @NETWORK_STACKED: on top of another: vlan, macvlan, ipvlan, macsec.
 * @NETWORK_MIRROR: ifb, vrf, dummy: what passes it has passed another device, or passes none.
 */
enum network_kind {
	NETWORK_PLAIN,
	NETWORK_LOOPBACK,
	NETWORK_POD,
	NETWORK_BRIDGE,
	NETWORK_TUNNEL,
	NETWORK_STACKED,
	NETWORK_MIRROR,
};

/**
 * struct network_link - a network device.
 * @type: ARPHRD_*.
 * @master: ifindex of the bridge, bond ... it is a port of; 0: none.
 * @lower: ifindex of the link below NETWORK_STACKED; 0: it is in another network namespace.
 * @is_bond_port: of a bond or team.  @is_bridge_port: of a bridge.
 * @mac: zero when there is none of six bytes.
 */
struct network_link {
	char name[NETWORK_NAME_BYTES];
	enum network_kind kind;
	uint32_t ifindex;
	uint32_t master;
	uint32_t lower;
	uint16_t type;
	bool is_up;
	bool is_bond_port;
	bool is_bridge_port;
	uint8_t mac[6];
};

/** struct network_default - a default route of the main table, or one next hop of it. */
struct network_default {
	uint32_t ifindex;
	uint32_t metric;
	uint8_t family; /* ADDR_* */
};

/** struct network - all of it; arrays owned, links in order of ifindex. All zero: empty. */
struct network {
	struct network_link *links;
	size_t n_links;
	struct local_address *addresses;
	size_t n_addresses;
	struct network_default *defaults;
	size_t n_defaults;
};

/** network_read() - read all there is. Return: 0; -ENOMEM; negative errno of netlink(7). */
int network_read(struct network *ret);

/** network_clear() - free what it owns; a cleared one is fine. */
void network_clear(struct network *network);

/** network_find() - a link by its ifindex; NULL: there is none. */
const struct network_link *network_find(const struct network *network, uint32_t ifindex);

/** network_follow() - a socket that is told of changes; see rtnl_follow(). */
int network_follow(struct mnl_socket **ret);

/**
 * network_drain() - take in what the kernel has told.
 * Return: 1: network_read() would find something else; 0; negative errno: perhaps.
 */
int network_drain(struct mnl_socket *socket);

#endif
