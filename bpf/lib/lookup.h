/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From an address to the Service behind it. */
#ifndef SVCBPF_BPF_LOOKUP_H
#define SVCBPF_BPF_LOOKUP_H

#include <svcbpf/hash.h>

#include "lib/count.h"
#include "lib/endpoint.h"
#include "lib/maps.h"

/** filter_has() - whether bit @bit of a filter is set. */
static __always_inline bool filter_has(void *filter, __u32 bit)
{
	__u32 index = bit / 64;
	__u64 *word = bpf_map_lookup_elem(filter, &index);

	return word && (*word >> (bit % 64) & 1);
}

/** lookup_may_be_ours() - false when the address is certainly no frontend and no node address. */
static __always_inline bool lookup_may_be_ours(const struct endpoint *dst)
{
	__u32 bit = dst->family == SVC_FAMILY_IPV4 ? svc_filter_bit4(dst->addr[3])
						   : svc_filter_bit6(dst->addr);

	return filter_has(&addr_filter, bit);
}

/*
 * A route is found through an index that depends on the key just compared, so that no CPU can load
 * from it before the key: an entry that is being filled in is never taken for one that is complete.
 */
#define lookup_after(value)                                                                        \
	({                                                                                         \
		barrier_var(value);                                                                \
		value;                                                                             \
	})

/** lookup_frontend4() - the route of an IPv4 frontend; NULL when there is none. */
static __always_inline struct svc_route *lookup_frontend4(__u64 key)
{
	__u32 index = svc_hash4(key, svc_config.hash_seed) & svc_config.mask4;
	struct svc_bucket4 *bucket;
	int probe, i;

	for (probe = 0; probe < SVC_FRONTEND_MAX_PROBES; probe++) {
		bucket = bpf_map_lookup_elem(&frontends4, &index);
		if (!bucket)
			return NULL;
#pragma unroll
		for (i = 0; i < SVC_BUCKET4_ENTRIES; i++) {
			__u64 differs = bucket->keys[i] ^ key;

			if (!differs)
				return &bucket->routes[i + lookup_after(differs)];
		}
		if (!bucket->n_overflow)
			return NULL;
		index = (index + 1) & svc_config.mask4;
	}
	return NULL;
}

/** lookup_frontend6() - the same for IPv6. */
static __always_inline struct svc_route *lookup_frontend6(const __be32 *addr, __u32 tail)
{
	__u32 index = svc_hash6(addr, tail, svc_config.hash_seed) & svc_config.mask6;
	struct svc_bucket6 *bucket;
	int probe, i;

	for (probe = 0; probe < SVC_FRONTEND_MAX_PROBES; probe++) {
		bucket = bpf_map_lookup_elem(&frontends6, &index);
		if (!bucket)
			return NULL;
#pragma unroll
		for (i = 0; i < SVC_BUCKET6_ENTRIES; i++) {
			__u64 differs = bucket->tails[i] ^ tail;
			const __be32 *known = bucket->addrs[i];

			if (differs)
				continue;
			known += lookup_after(differs);
			if (!((known[0] ^ addr[0]) | (known[1] ^ addr[1]) | (known[2] ^ addr[2]) |
			      (known[3] ^ addr[3])))
				return &bucket->routes[i + differs];
		}
		if (!bucket->n_overflow)
			return NULL;
		index = (index + 1) & svc_config.mask6;
	}
	return NULL;
}

/** lookup_frontend() - the route of an exact frontend; NULL: none. @scope: SVC_SCOPE_*. */
static __always_inline struct svc_route *lookup_frontend(const struct endpoint *dst, __u8 scope)
{
	__u32 tail = (__u32)dst->port | (__u32)dst->protocol << 16 | (__u32)scope << 24;
	__be32 any[4] = {};

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the memory order of tail assumes a little-endian CPU"
#endif
	if (dst->family == SVC_FAMILY_IPV4)
		return lookup_frontend4((scope == SVC_SCOPE_ADDRESS ? dst->addr[3] : 0) |
					(__u64)tail << 32);
	return lookup_frontend6(scope == SVC_SCOPE_ADDRESS ? dst->addr : any, tail);
}

/** lookup_is_host() - whether the hook runs in the host's own network namespace. */
static __always_inline bool lookup_is_host(void *ctx)
{
	__u64 host = svc_config.host_netns_cookie;

	/* bpf_get_netns_cookie(NULL) is the initial namespace's. */
	return bpf_get_netns_cookie(ctx) == (host ? host : bpf_get_netns_cookie(NULL));
}

/** lookup_is_loopback() - whether a connect to @dst stays in its network namespace. */
static __always_inline bool lookup_is_loopback(const struct endpoint *dst)
{
	return dst->family == SVC_FAMILY_IPV4 ? ipv4_is_loopback(dst->addr[3])
					      : ipv6_is_loopback(dst->addr);
}

/** lookup_node_flags() - SVC_NODE_ADDR_F_* of an address NodePorts answer on (R32); NULL: none. */
static __always_inline __u32 *lookup_node_flags(const struct endpoint *dst)
{
	struct svc_node_addr key = {};

	__builtin_memcpy(key.addr, dst->addr, sizeof(key.addr));
	if (lookup_is_loopback(dst))
		key.addr[3] = dst->family == SVC_FAMILY_IPV4 ? bpf_htonl(0x7f000001) : bpf_htonl(1);
	return bpf_map_lookup_elem(&node_addrs, &key);
}

/** lookup_is_node_address() - whether NodePorts answer on @dst for the socket of this hook. */
static __always_inline bool lookup_is_node_address(void *ctx, const struct endpoint *dst)
{
	__u32 *flags = lookup_node_flags(dst);

	return flags && (!(*flags & SVC_NODE_ADDR_F_LOOPBACK) || lookup_is_host(ctx));
}

/** lookup_nodeport() - the route behind a NodePort on one of this node's addresses; NULL: none. */
static __always_inline struct svc_route *lookup_nodeport(void *ctx, const struct endpoint *dst)
{
	if (!filter_has(&nodeport_filter, bpf_ntohs(dst->port)))
		return NULL;
	if (!lookup_is_node_address(ctx, dst))
		return NULL;
	return lookup_frontend(dst, SVC_SCOPE_NODEPORT);
}

/** lookup_packet_nodeport() - whether a packet's destination may be a NodePort of this node: the
 * port is one, and the address answers on them; no packet carries a loopback address. */
static __always_inline bool lookup_packet_nodeport(const struct endpoint *dst)
{
	__u32 *flags;

	if (!filter_has(&nodeport_filter, bpf_ntohs(dst->port)))
		return false;
	flags = lookup_node_flags(dst);
	return flags && !(*flags & SVC_NODE_ADDR_F_LOOPBACK);
}

/**
 * lookup_route() - where a socket's destination leads to.
 * @ctx: the hook's context, for the network namespace.
 *
 * A destination that is not ours costs one bit of a filter.
 * Return: NULL when @dst is no frontend.
 */
static __always_inline struct svc_route *lookup_route(void *ctx, const struct endpoint *dst)
{
	struct svc_route *route = NULL;

	if (lookup_may_be_ours(dst))
		route = lookup_frontend(dst, SVC_SCOPE_ADDRESS);
	else if (!lookup_is_loopback(dst))
		return NULL;
	return route ? route : lookup_nodeport(ctx, dst);
}

#endif
