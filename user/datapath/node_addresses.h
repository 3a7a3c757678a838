/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses NodePorts answer on (rule R32): the local addresses of this network namespace,
 * followed by rtnetlink(7), and what --nodeport-addresses chooses among them.
 *
 * Never chosen: IPv6 link-local addresses (they mean nothing without an interface), and IPv6
 * addresses that duplicate address detection has not let pass (tentative, dadfailed): the kernel
 * does not answer on those either. All of 127.0.0.0/8 is told as 127.0.0.1.
 */
#ifndef SVCBPF_DATAPATH_NODE_ADDRESSES_H
#define SVCBPF_DATAPATH_NODE_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>

#include "util/addr.h"

struct node_addresses;

/**
 * struct node_addresses_selection - what --nodeport-addresses asks for.
 * @is_primary: only the node's own addresses, never loopback.
 * @cidrs: owned; a family without a CIDR here has all its local addresses chosen, as has one with
 *	a /0; unused with @is_primary.
 *
 * All zero: every local address, the loopback ones included (::1 is more than kube-proxy does).
 */
struct node_addresses_selection {
	bool is_primary;
	struct cidr *cidrs;
	size_t n_cidrs;
};

/**
 * node_addresses_parse() - read the value of --nodeport-addresses.
 * @text: "primary", or CIDRs with commas between them; "" or NULL: every local address.
 * @ret_selection: filled in on success; give it to node_addresses_selection_clear().
 *
 * Return: 0; -EINVAL for anything else ("primary" next to a CIDR too); -ENOMEM.
 */
int node_addresses_parse(const char *text, struct node_addresses_selection *ret_selection);

/** node_addresses_selection_clear() - free what the selection owns; a cleared one is fine. */
void node_addresses_selection_clear(struct node_addresses_selection *selection);

/**
 * node_addresses_changed_fn - the chosen set is another one now.
 * @addrs: all of it, in the order of addr_compare(), no duplicates; borrowed for the call.
 */
typedef void node_addresses_changed_fn(void *arg, const struct addr *addrs, size_t n_addrs);

/**
 * node_addresses_new() - read the addresses there are now and begin to follow them.
 * @selection: copied.
 * @changed: called by node_addresses_process() and node_addresses_set_primary() only; not for the
 *	first set, which node_addresses_get() gives.
 *
 * Return: 0; -ENOMEM; negative errno of netlink(7). Free with node_addresses_free().
 */
int node_addresses_new(const struct node_addresses_selection *selection,
		       node_addresses_changed_fn *changed, void *arg, struct node_addresses **ret);

/** node_addresses_free() - stop following; NULL is fine. */
void node_addresses_free(struct node_addresses *addresses);

/** node_addresses_fd() - readable when node_addresses_process() has something to do; borrowed. */
int node_addresses_fd(const struct node_addresses *addresses);

/**
 * node_addresses_process() - read what the kernel has told; does not block. After an overflow of
 * the socket (ENOBUFS) everything is read anew.
 *
 * Return: 0; -ENOMEM; negative errno of netlink(7): the set stays as it was, call again later.
 */
int node_addresses_process(struct node_addresses *addresses);

/**
 * node_addresses_set_primary() - the Node object's addresses, in its order.
 * @addrs: copied; InternalIPs before others (rule R52). None: unknown.
 *
 * For "primary" the first of each family counts, if it is a local address, as kube-proxy matches
 * it against the interfaces. While unknown, the addresses of the device of the default route stand
 * in, each family for itself. Return: 0; -ENOMEM.
 */
int node_addresses_set_primary(struct node_addresses *addresses, const struct addr *addrs,
			       size_t n_addrs);

/**
 * node_addresses_get() - the chosen set as it is known now.
 * Return: array of *@ret_n in the order of addr_compare(), no duplicates; borrowed until the next
 * call that may change it.
 */
const struct addr *node_addresses_get(const struct node_addresses *addresses, size_t *ret_n);

#endif
