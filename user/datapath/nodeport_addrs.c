/* SPDX-License-Identifier: Apache-2.0 */
/* The map node_addrs: addresses that NodePorts answer on. node_addresses.c finds them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/internal.h"
#include "datapath/publish.h"

static struct shadow_node_addr *find_entry(const struct shadow *shadow,
					   const struct svc_node_addr *key)
{
	struct shadow_node_addr *entry;

	HASH_FIND(hh, shadow->node_addrs, key, sizeof(*key), entry);
	return entry;
}

/* Adds it to the kernel, behind its filter bit. */
static int insert_entry(struct datapath *datapath, const struct svc_node_addr *key,
			const struct addr *addr)
{
	const uint32_t flags = addr_is_loopback(addr) ? SVC_NODE_ADDR_F_LOOPBACK : 0;
	struct shadow *shadow = &datapath->shadow;
	struct shadow_node_addr *entry = calloc(1, sizeof(*entry));
	int r;

	if (!entry)
		return -ENOMEM;
	entry->key = *key;
	entry->is_wanted = true;
	HASH_ADD(hh, shadow->node_addrs, key, sizeof(entry->key), entry);
	if (!TABLE_HAS(entry)) {
		free(entry);
		return -ENOMEM;
	}
	if (datapath->deleted_seq)
		grace_wait(datapath->grace, datapath->deleted_seq);
	publish_address_bit(shadow, addr, true);
	r = maps_insert(shadow->maps, MAP_NODE_ADDRS, key, &flags);
	if (!r)
		return 0;
	publish_address_bit(shadow, addr, false);
	HASH_DEL(shadow->node_addrs, entry);
	free(entry);
	return r;
}

static int delete_entry(struct datapath *datapath, struct shadow_node_addr *entry)
{
	struct shadow *shadow = &datapath->shadow;
	struct addr addr;
	int r;

	r = maps_delete(shadow->maps, MAP_NODE_ADDRS, &entry->key);
	if (r < 0)
		return r;
	datapath->deleted_seq = datapath->seq + 1;
	convert_key_node_addr(&entry->key, &addr);
	publish_address_bit(shadow, &addr, false);
	HASH_DEL(shadow->node_addrs, entry);
	free(entry);
	return 0;
}

static int insert_missing(struct datapath *datapath, const struct addr *addrs, size_t n_addrs)
{
	struct shadow_node_addr *entry;
	struct svc_node_addr key;
	int r, first = 0;
	size_t i;

	for (i = 0; i < n_addrs; i++) {
		convert_node_addr(&addrs[i], &key);
		entry = find_entry(&datapath->shadow, &key);
		if (entry) {
			entry->is_wanted = true;
			continue;
		}
		r = insert_entry(datapath, &key, &addrs[i]);
		if (r < 0 && !first)
			first = r;
	}
	return first;
}

int datapath_set_node_addresses(struct datapath *datapath, const struct addr *addrs, size_t n_addrs)
{
	struct shadow_node_addr *entry, *next;
	uint64_t deleted_before = datapath->deleted_seq;
	int r, first;

	for (entry = datapath->shadow.node_addrs; entry; entry = entry->hh.next)
		entry->is_wanted = false;
	first = insert_missing(datapath, addrs, n_addrs);
	HASH_ITER(hh, datapath->shadow.node_addrs, entry, next) {
		if (entry->is_wanted)
			continue;
		r = delete_entry(datapath, entry);
		if (r < 0 && !first)
			first = r;
	}
	if (datapath->deleted_seq != deleted_before)
		grace_request(datapath->grace, ++datapath->seq);
	return first;
}
