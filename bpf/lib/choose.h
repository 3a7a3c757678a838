/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The backend of a new flow through the packet path: policy, source ranges, affinity, Maglev. */
#ifndef SVCBPF_BPF_CHOOSE_H
#define SVCBPF_BPF_CHOOSE_H

#include "lib/affinity.h"
#include "lib/flow.h"
#include "lib/lookup.h"
#include "lib/maglev.h"
#include "lib/random.h"
#include "lib/work.h"

/* What choose_backend() decides. */
#define CHOSEN		  0
#define CHOSE_DROP_POLICY 1 /* policy Local and no local backend (R26) */
#define CHOSE_DROP_RANGE  2 /* the client is not in loadBalancerSourceRanges (R31) */
#define CHOSE_REJECT	  3 /* no usable backend (R25) */
#define CHOSE_NOTHING	  4 /* a slot or backend that should be there is not */

/**
 * choose_is_allowed() - loadBalancerSourceRanges: for LoadBalancer IPs only, and for all clients,
 * pods and nodes too (R31).
 *
 * A node that reaches its own VIP may do so from the VIP itself; kube-proxy lets that pass when the
 * node is in the ranges, and nobody else has that address.
 */
static __always_inline bool choose_is_allowed(const struct svc_service *service,
					      const struct flow_ends *from)
{
	struct svc_source_range key = {.service_id = bpf_htonl(service->service_id)};

	if (!(service->flags & SVC_F_SOURCE_RANGES) || service->type != SVC_TYPE_LOAD_BALANCER)
		return true;
	if (endpoint_addr_equal(&from->src, from->dst.addr))
		return true;
	if (from->src.family == SVC_FAMILY_IPV4) {
		key.prefixlen = 32 + 32;
		key.addr[0] = from->src.addr[3];
	} else {
		key.prefixlen = 32 + 128;
		__builtin_memcpy(key.addr, from->src.addr, sizeof(key.addr));
	}
	return bpf_map_lookup_elem(&source_ranges, &key);
}

/**
 * choose_affinity_key() - the client as affinity knows it (R34): its address; the node itself is
 * the same client as its sockets are.
 */
static __always_inline struct svc_affinity_key choose_affinity_key(const struct endpoint *client,
								   __u32 service_id)
{
	struct svc_affinity_key key = {.service_id = service_id};

	if (svc_config.host_netns_cookie && lookup_node_flags(client)) {
		key.client_kind = SVC_CLIENT_NETNS;
		key.client[0] = (__u32)svc_config.host_netns_cookie;
		key.client[1] = (__u32)(svc_config.host_netns_cookie >> 32);
	} else if (client->family == SVC_FAMILY_IPV4) {
		key.client_kind = SVC_CLIENT_IPV4;
		key.client[0] = client->addr[3];
	} else {
		key.client_kind = SVC_CLIENT_IPV6;
		__builtin_memcpy(key.client, client->addr, sizeof(key.client));
	}
	return key;
}

/** choose_fresh() - the index of a backend for a client that is not remembered. */
static __always_inline __u32 choose_fresh(const struct svc_service *service, bool is_policy_list,
					  const struct flow_ends *from, __u64 list)
{
	__u64 entropy = (__u64)from->src.addr[3] << 32 | (__u32)from->src.port << 16 |
			(bpf_get_smp_processor_id() & 0xffff);
	__u32 index;

	if (is_policy_list && service->flags & SVC_F_MAGLEV &&
	    maglev_select(service->service_id, &from->src, &from->dst, service->affinity_s, list,
			  &index))
		return index;
	return list_random(list, random_mix(entropy, clock_ns()));
}

/**
 * choose_backend() - decide on a new flow to the frontend behind @route, which is a copy.
 * @from: the client's packet.  @choice: @is_inside is set already.
 *
 * In-cluster clients get the route's list, others the one the policy asks for (R24, R28).
 * Return: CHOSEN or CHOSE_*.
 */
static __always_inline int choose_backend(const struct svc_route *route,
					  const struct flow_ends *from, struct choice *choice)
{
	__u8 family = from->src.family;
	__u32 slot = route->slot, index;
	struct svc_service *service = bpf_map_lookup_elem(&services, &slot);
	bool is_policy_list;
	__u64 list;

	if (!service)
		return CHOSE_NOTHING;
	is_policy_list = service->type != SVC_TYPE_CLUSTER_IP && !choice->is_inside;
	list = is_policy_list ? *(volatile __u64 *)&service->policy_list : route->list;
	if (!choose_is_allowed(service, from))
		return CHOSE_DROP_RANGE;
	if (!svc_list_count(list))
		return svc_list_flags(list) & SVC_LIST_F_DROP ? CHOSE_DROP_POLICY : CHOSE_REJECT;
	index = choose_fresh(service, is_policy_list, from, list);
	if (service->affinity_s) {
		struct svc_affinity_key key = choose_affinity_key(&from->src, service->service_id);

		index = affinity_select(family, list, service->affinity_s, &key, index);
	}
	choice->backend = from->dst;
	if (!backend_read(family, index, &choice->backend))
		return CHOSE_NOTHING;
	choice->flags = backend_flags(family, index);
	choice->service_id = service->service_id;
	return CHOSEN;
}

#endif
