/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maglev: the backend of a flow that was not seen before, the same on all nodes. */
#ifndef SVCBPF_BPF_MAGLEV_H
#define SVCBPF_BPF_MAGLEV_H

#include <svcbpf/hash.h>

#include "lib/endpoint.h"
#include "lib/packet_maps.h"

/** maglev_entry() - the table entry of a flow; the arguments are maglev_select()'s. */
static __always_inline __u32 maglev_entry(const struct endpoint *client,
					  const struct endpoint *frontend, bool is_by_client)
{
	__u32 hash = is_by_client ? svc_maglev_client(client->addr)
				  : svc_maglev_flow(client->addr, client->port, frontend->port,
						    frontend->protocol);

	return svc_maglev_entry(hash, svc_packet_config.maglev_size);
}

/**
 * maglev_select() - the index of a flow's backend in @list by the Maglev table of its Service.
 * @client, @frontend: where the flow comes from, and what it was sent to.
 * @is_by_client: the client's address alone decides: ClientIP affinity.
 * @list: the policy_list of a service with SVC_F_MAGLEV.
 *
 * The agent replaces a table after it has published the list it was made for. In between, an offset
 * may name another backend of the list than it should, which is still one of the list, or none.
 * Return: true and the index in @ret_index, as list_random(); false: no table, or the list has no
 * such backend: choose at random.
 */
static __always_inline bool maglev_select(__u32 service_id, const struct endpoint *client,
					  const struct endpoint *frontend, bool is_by_client,
					  __u64 list, __u32 *ret_index)
{
	__u32 entry, word_index, offset;
	__u64 *word;
	void *table;

	if (!svc_packet_config.maglev_size)
		return false;
	table = bpf_map_lookup_elem(&maglev, &service_id);
	if (!table)
		return false;
	entry = maglev_entry(client, frontend, is_by_client);
	word_index = entry / SVC_MAGLEV_PER_WORD;
	word = bpf_map_lookup_elem(table, &word_index);
	if (!word)
		return false;
	offset = (__u32)(*word >> 16 * (entry % SVC_MAGLEV_PER_WORD)) & 0xffffu;
	if (offset >= svc_list_count(list))
		return false;
	*ret_index = svc_list_base(list) + offset;
	return true;
}

#endif
