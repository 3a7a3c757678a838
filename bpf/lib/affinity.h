/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ClientIP session affinity (R18, R34): client -> backend memory, shared by a service port's
 * frontends. */
#ifndef SVCBPF_BPF_AFFINITY_H
#define SVCBPF_BPF_AFFINITY_H

#include "lib/compat.h"
#include "lib/count.h"
#include "lib/maps.h"
#include "lib/select.h"

/**
 * affinity_key_netns() - the key of a socket's client: its network namespace, that is one for each
 * pod, and one for the node and all pods on its network, which share its address.
 */
static __always_inline struct svc_affinity_key affinity_key_netns(void *ctx, __u32 service_id)
{
	__u64 cookie = bpf_get_netns_cookie(ctx);
	struct svc_affinity_key key = {
		.service_id = service_id,
		.client_kind = SVC_CLIENT_NETNS,
	};

	key.client[0] = (__u32)cookie;
	key.client[1] = (__u32)(cookie >> 32);
	return key;
}

/** affinity_is_live() - whether the memory has not timed out; @timeout_s: seconds. */
static __always_inline bool affinity_is_live(const struct svc_affinity *memory, __u64 now_ns,
					     __u32 timeout_s)
{
	return now_ns - memory->last_ns < (__u64)timeout_s * 1000000000ull ||
	       now_ns < memory->last_ns;
}

/**
 * affinity_select() - the index of the remembered backend, else @fresh_index, which is remembered.
 * @list: not empty.  @timeout_s: not 0.  @fresh_index: an index of @list.
 *
 * The entry of a client is changed in place, never replaced. Two first connections of one client
 * at the same moment: BPF_NOEXIST lets one win, the other follows it. Two that find the entry
 * expired: the last write wins, and both are on a backend of the list.
 */
static __always_inline __u32 affinity_select(__u8 family, __u64 list, __u32 timeout_s,
					     const struct svc_affinity_key *key, __u32 fresh_index)
{
	struct svc_affinity *memory = bpf_map_lookup_elem(&affinity, key);
	struct svc_affinity fresh = {.last_ns = clock_ns()};
	__u32 index = fresh_index;

	if (memory && affinity_is_live(memory, fresh.last_ns, timeout_s) &&
	    list_find(family, list, memory->backend_id, &index)) {
		memory->last_ns = fresh.last_ns;
		count(SVC_COUNTER_AFFINITY_HIT);
		return index;
	}
	fresh.backend_id = backend_id(family, index);
	if (memory) {
		memory->backend_id = fresh.backend_id;
		memory->last_ns = fresh.last_ns;
		return index;
	}
	if (!bpf_map_update_elem(&affinity, key, &fresh, BPF_NOEXIST))
		return index;
	memory = bpf_map_lookup_elem(&affinity, key);
	if (!memory)
		count(SVC_COUNTER_AFFINITY_FULL);
	else
		list_find(family, list, memory->backend_id, &index);
	return index;
}

/** affinity_timeout_s() - of the service port behind @slot; 0 when it has none (any more). */
static __always_inline __u32 affinity_timeout_s(__u32 slot)
{
	struct svc_service *service = bpf_map_lookup_elem(&services, &slot);

	if (service)
		return service->affinity_s;
	count(SVC_COUNTER_BAD_SLOT);
	return 0;
}

/**
 * choose_index() - the index of a backend for a new connection of this hook's client.
 * @list: @route's, not empty.  @random: 32 random bits.
 */
static __always_inline __u32 choose_index(void *ctx, __u8 family, __u64 list,
					  const struct svc_route *route, __u32 random)
{
	if (svc_list_flags(list) & SVC_LIST_F_AFFINITY) {
		__u32 timeout_s = affinity_timeout_s(route->slot);
		struct svc_affinity_key key = affinity_key_netns(ctx, route->service_id);

		if (timeout_s)
			return affinity_select(family, list, timeout_s, &key,
					       list_random(list, random));
	}
	return list_random(list, random);
}

#endif
