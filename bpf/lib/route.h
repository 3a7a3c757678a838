/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a translated packet leaves this node. What has got a new source address cannot be handed to
 * the stack, which takes its own address coming in for a forgery; so it is sent out here, by the
 * kernel's routes and neighbours.
 */
#ifndef SVCBPF_BPF_ROUTE_H
#define SVCBPF_BPF_ROUTE_H

#include "lib/count.h"
#include "lib/packet.h"
#include "lib/packet_maps.h"

#ifndef AF_INET
#define AF_INET	 2
#define AF_INET6 10
#endif

/* The least every path carries in IPv6 (RFC 8200 5), told where the kernel does not say more. */
#define ROUTE_MIN_MTU 1280u

/**
 * struct route - the answer of route_find().
 * @fib: ifindex and next hop, when @result is BPF_FIB_LKUP_RET_SUCCESS or _NO_NEIGH.
 * @result: BPF_FIB_LKUP_RET_*, or negative errno.
 */
struct route {
	struct bpf_fib_lookup fib;
	int result;
};

/**
 * route_find() - look up the way to @dst in the tables of the network namespace.
 * @ifindex: where the packet came in; forwarding must be on there.
 * @ends: the client's packet as it will be, as far as is known: rules may look at all of it.
 * @len_bytes: of each packet on the wire, from the IP header on.
 *
 * The neighbour need not be known: bpf_redirect_neigh() resolves it.
 */
static __always_inline void route_find(void *ctx, __u32 ifindex, const struct flow_ends *ends,
				       __u16 len_bytes, struct route *route)
{
	struct bpf_fib_lookup *fib = &route->fib;

	__builtin_memset(fib, 0, sizeof(*fib));
	fib->ifindex = ifindex;
	fib->l4_protocol = ends->dst.protocol;
	fib->sport = ends->src.port;
	fib->dport = ends->dst.port;
	fib->tot_len = len_bytes;
	if (ends->dst.family == SVC_FAMILY_IPV4) {
		fib->family = AF_INET;
		fib->ipv4_src = ends->src.addr[3];
		fib->ipv4_dst = ends->dst.addr[3];
	} else {
		fib->family = AF_INET6;
		__builtin_memcpy(fib->ipv6_src, ends->src.addr, sizeof(fib->ipv6_src));
		__builtin_memcpy(fib->ipv6_dst, ends->dst.addr, sizeof(fib->ipv6_dst));
	}
	route->result = (int)bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);
}

/** route_is_out() - whether the way leads out of a device. */
static __always_inline bool route_is_out(const struct route *route)
{
	return route->result == BPF_FIB_LKUP_RET_SUCCESS ||
	       route->result == BPF_FIB_LKUP_RET_NO_NEIGH;
}

/**
 * route_mtu() - the MTU of a way that was refused with BPF_FIB_LKUP_RET_FRAG_NEEDED.
 *
 * Kernels before 5.13 do not tell it: the field still holds the length asked for.
 */
static __always_inline __u32 route_mtu(const struct route *route, __u16 len_bytes)
{
	__u32 mtu = route->fib.tot_len; /* a union with mtu_result, which older headers lack */

	return mtu && mtu < len_bytes ? mtu : ROUTE_MIN_MTU;
}

/** route_address() - this node's address for flows that leave by @route into @ret. */
static __always_inline bool route_address(const struct route *route, struct endpoint *ret)
{
	__u32 ifindex = route->fib.ifindex;
	struct svc_device *device = bpf_map_lookup_elem(&devices, &ifindex);

	if (!device)
		return false;
	if (ret->family == SVC_FAMILY_IPV4) {
		ret->addr[3] = device->addr4;
		return device->addr4;
	}
	__builtin_memcpy(ret->addr, device->addr6, sizeof(ret->addr));
	return device->addr6[0] | device->addr6[3];
}

/** route_send() - the verdict that sends the packet out by @route. */
static __always_inline int route_send(const struct route *route)
{
	struct bpf_redir_neigh next = {};

	/* an IPv4 packet can have an IPv6 gateway (RFC 5549) */
	if (route->fib.family == AF_INET) {
		next.nh_family = AF_INET;
		next.ipv4_nh = route->fib.ipv4_dst;
	} else {
		next.nh_family = AF_INET6;
		__builtin_memcpy(next.ipv6_nh, route->fib.ipv6_dst, sizeof(next.ipv6_nh));
	}
	return (int)bpf_redirect_neigh(route->fib.ifindex, &next, sizeof(next), 0);
}

#endif
