/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices of this network namespace that get the packet programs, followed by rtnetlink(7).
 *
 * auto: all but loopback, VRF devices, ports of bonds and teams (what they carry passes the device
 * above), and what carries neither Ethernet frames nor bare IP packets. A list: those it names.
 *
 * A device is an uplink when clients behind it are not this node's own pods: they get the
 * frontend's policy (rule R24), pods get the in-cluster list (R28). In this order:
 *
 *	--uplinks is given			those it names, and no others
 *	carries a default route, or an
 *	address of the Node object		uplink
 *	vxlan, geneve, gre, ipip, sit,
 *	wireguard, xfrm, tun			uplink: other nodes' traffic
 *	veth, tap, netkit			none: a pod or a VM is behind it
 *	bridge					uplink if all its ports are physical, and it has one
 *	vlan, macvlan, ipvlan			as the device below it
 *	anything else (NIC, bond)		uplink
 *
 * Then a device under a VLAN (or macvlan, ipvlan, macsec) that is an uplink is one too: frames pass
 * it first.
 */
#ifndef SVCBPF_DATAPATH_DEVICES_H
#define SVCBPF_DATAPATH_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/datapath.h"
#include "util/addr.h"

struct devices;
struct device_list;

/**
 * struct device - a device that is meant.
 * @name: as it is called now; of one that is not there: as the list calls it.
 * @ifindex: 0: it is not there.
 * @value: its entry in the map devices.
 * @is_up: one that is down gets no programs, but keeps those it has.
 * @has_upper: VLANs or the like are on top of it.
 * @is_foreign: packets there have a link-layer header other than Ethernet's: it cannot be served.
 */
struct device {
	char name[DATAPATH_DEVICE_NAME_BYTES];
	uint32_t ifindex;
	struct svc_device value;
	bool is_up;
	bool has_upper;
	bool is_foreign;
};

/**
 * struct devices_selection - what the options ask for; borrowed for the call.
 * @list: NULL: auto.  @uplinks: NULL: by the rules above.
 */
struct devices_selection {
	const struct device_list *list;
	const struct device_list *uplinks;
};

/**
 * devices_new() - read the devices there are now and begin to follow them.
 * @selection: copied.
 * Return: 0; -ENOMEM; negative errno of netlink(7). Free with devices_free().
 */
int devices_new(const struct devices_selection *selection, struct devices **ret);

/** devices_free() - stop following; NULL is fine. */
void devices_free(struct devices *devices);

/** devices_fd() - readable when devices_process() has something to do; borrowed. */
int devices_fd(const struct devices *devices);

/**
 * devices_process() - take in what the kernel has told; does not block.
 *
 * Changes come in bursts: wait some milliseconds, then call devices_refresh() once.
 * Return: 1: devices_refresh() has something to do; 0; negative errno: likewise, read anew later.
 */
int devices_process(struct devices *devices);

/**
 * devices_refresh() - read all of them anew.
 * Return: 0; -ENOMEM; negative errno of netlink(7): all stays as it was, call again later.
 */
int devices_refresh(struct devices *devices);

/**
 * devices_set_node_addresses() - the Node object's addresses, in its order; copied.
 * Return: 1: devices_refresh() has something to do; 0: they are the same; -ENOMEM.
 */
int devices_set_node_addresses(struct devices *devices, const struct addr *addrs, size_t n_addrs);

/**
 * devices_get() - those that are meant, in order of ifindex; named ones that are not there first.
 * Return: array of *@ret_n; borrowed until the next devices_refresh().
 */
const struct device *devices_get(const struct devices *devices, size_t *ret_n);

#endif
