/* SPDX-License-Identifier: Apache-2.0 */
/* Every address of this network namespace, and the devices of its default routes, by rtnetlink(7).
 */
#ifndef SVCBPF_DATAPATH_LOCAL_ADDRESSES_H
#define SVCBPF_DATAPATH_LOCAL_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"

struct local_addresses;
struct nlmsghdr;

/**
 * struct local_address - an address on an interface.
 * @is_usable: not link-local IPv6, and duplicate address detection has let it pass.
 * @is_global: and good for packets of this node to anywhere: of global scope, neither link-local,
 *	deprecated, temporary nor a secondary one of its subnet.
 */
struct local_address {
	struct addr addr;
	uint32_t ifindex;
	bool is_usable;
	bool is_global;
};

/** local_address_parse() - read an RTM_NEWADDR or RTM_DELADDR. Return: whether it is one for us. */
bool local_address_parse(const struct nlmsghdr *message, struct local_address *ret);

/**
 * local_addresses_new() - read what there is now and begin to follow it.
 * @with_routes: follow the default routes too; costs a message for each change of any route.
 *
 * Return: 0; -ENOMEM; negative errno of netlink(7). Free with local_addresses_free().
 */
int local_addresses_new(bool with_routes, struct local_addresses **ret);

/** local_addresses_free() - stop following; NULL is fine. */
void local_addresses_free(struct local_addresses *local);

/** local_addresses_fd() - readable when local_addresses_process() has something to do; borrowed. */
int local_addresses_fd(const struct local_addresses *local);

/**
 * local_addresses_process() - take in what the kernel has told; does not wait for more. After lost
 * messages (ENOBUFS) everything is read anew.
 * Return: 0; -ENOMEM; negative errno of netlink(7): call again, it will be read anew then.
 */
int local_addresses_process(struct local_addresses *local);

/** local_addresses_items() - all of them, in no order; borrowed until the next process call. */
const struct local_address *local_addresses_items(const struct local_addresses *local,
						  size_t *ret_n);

/**
 * local_addresses_default_device() - interface index of the main table's default route with the
 * lowest metric. @family: ADDR_IPV4 or ADDR_IPV6. Return: 0 when there is none.
 */
uint32_t local_addresses_default_device(const struct local_addresses *local, uint8_t family);

#endif
