/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading and writing frames at XDP, by pointers: struct xdp_md has no helpers for that. */
#ifndef SVCBPF_BPF_DIRECT_H
#define SVCBPF_BPF_DIRECT_H

#include "lib/context.h"
#include "lib/errno.h"
#include "lib/rewrite_words.h"

#ifndef ETH_HLEN
#define ETH_HLEN 14
#endif

/** direct_data() - the first byte of the frame. */
static __always_inline void *direct_data(const struct xdp_md *ctx)
{
	return (void *)context_load64(ctx, struct xdp_md, data);
}

/** direct_data_end() - behind the last one. */
static __always_inline void *direct_data_end(const struct xdp_md *ctx)
{
	return (void *)context_load64(ctx, struct xdp_md, data_end);
}

/** direct_ifindex() - of the device that the frame came in by. */
static __always_inline __u32 direct_ifindex(const struct xdp_md *ctx)
{
	return (__u32)context_load64(ctx, struct xdp_md, ingress_ifindex);
}

/** direct_write() - write what was computed. @n: words of the transport header, a constant. */
static __always_inline void direct_write(void *tail, void *l4, __u8 family, int n,
					 const struct rewrite *rw)
{
	if (family == SVC_FAMILY_IPV4)
		__builtin_memcpy(tail, &rw->v4, sizeof(rw->v4));
	else
		__builtin_memcpy(tail, rw->ip, sizeof(rw->ip));
	__builtin_memcpy(l4, rw->l4, n * sizeof(rw->l4[0]));
}

/**
 * direct_rewrite() - give a frame the ends @to, its TTL or hop limit less one.
 * @packet: TCP or UDP in Ethernet, without options, extension headers or VLAN tags; not a fragment.
 * @family, @n: the packet's, and words of its transport header, as constants.
 *
 * Nothing is known here of checksums that are still to be filled in: frames from a wire have all.
 * Return: 0; -EFAULT: it is shorter than that, and unchanged.
 */
static __always_inline int direct_rewrite(struct xdp_md *ctx, const struct packet *packet,
					  const struct flow_ends *to, __u8 family, int n)
{
	const bool is_ipv4 = family == SVC_FAMILY_IPV4;
	void *l3 = direct_data(ctx) + ETH_HLEN;
	void *tail = l3 + (is_ipv4 ? IPV4_TAIL_OFF : IPV6_TAIL_OFF);
	__be32 *l4 = l3 + (is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	struct rewrite rw;

	if ((void *)(l4 + n) > direct_data_end(ctx))
		return -EFAULT;
	if (is_ipv4)
		rewrite_ipv4(tail, packet, &to->src, &to->dst, REWRITE_F_DECREMENT_TTL, &rw);
	else
		rewrite_ipv6(tail, packet, &to->src, &to->dst, REWRITE_F_DECREMENT_TTL, &rw);
	rewrite_l4(l4, &to->src, &to->dst, n, &rw);
	if (rw.has_check)
		rewrite_l4_check(&rw, n, false);
	direct_write(tail, l4, family, n, &rw);
	return 0;
}

/** direct_set_macs() - the link-layer header for the next hop. Return: 0; -EFAULT. */
static __always_inline int direct_set_macs(struct xdp_md *ctx, const struct bpf_fib_lookup *fib)
{
	struct ethhdr *eth = direct_data(ctx);

	if ((void *)(eth + 1) > direct_data_end(ctx))
		return -EFAULT;
	__builtin_memcpy(eth->h_dest, fib->dmac, sizeof(eth->h_dest));
	__builtin_memcpy(eth->h_source, fib->smac, sizeof(eth->h_source));
	return 0;
}

#endif
