/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Giving a packet another source and destination, at tc.
 *
 * Only by helpers, never by direct writes: a program that has one is given a prologue that copies
 * the head of every cloned packet, ours or not. What changes is summed up once and taken off the
 * checksums by helpers that know the packet's checksum state (none, complete, partial, with GSO).
 * A pseudo header counts in every state, ports do not count for a partial checksum: two calls.
 *
 * CHECKSUM_COMPLETE is a sum over all of the packet. An IPv4 header always sums up to 0, so that
 * only what addresses take off the L4 checksum changes it, which the helper adds. In IPv6 the
 * header changes as much the other way, which the helper does not know without a flag that kernels
 * before 6.16 refuse: rewrite_ipv6() adds that.
 *
 * Races: none, the packet is ours. After an error it may be half rewritten: drop it.
 */
#ifndef SVCBPF_BPF_REWRITE_H
#define SVCBPF_BPF_REWRITE_H

#include "lib/parse.h"
#include "lib/sum.h"

/* flags of rewrite_all() */
#define REWRITE_F_DECREMENT_TTL                                                                    \
	0x1u /* TTL or hop limit less one; the caller saw that it is > 0                           \
	      */

#define TCP_CHECK_OFF  16u
#define UDP_CHECK_OFF  6u
#define ICMP_CHECK_OFF 2u

/**
 * struct ipv4_tail - an IPv4 header from its TTL on: all that is rewritten, in one store.
 * @ttl: and the protocol behind it.
 */
struct ipv4_tail {
	__u16 ttl;
	__u16 check;
	__be32 saddr;
	__be32 daddr;
};
_Static_assert(sizeof(struct ipv4_tail) == 12, "IPv4 header, bytes 8 to 19");

#define IPV4_TAIL_OFF 8u

/**
 * rewrite_keeps() - whether an address of the outer IP header stays as it is.
 *
 * An error's outer source is whoever noticed it. It stays while the translation leaves that side
 * alone; else it would tell a client of an address it has never sent to, and becomes the new source
 * as in the kernel's own NAT (nf_nat_icmp_reply_translation()).
 */
static __always_inline bool rewrite_keeps(const struct packet *packet, const struct endpoint *from,
					  const struct endpoint *to)
{
	return (packet->flags & PACKET_F_ICMP_ERROR) && endpoint_addr_equal(from, to->addr);
}

/* Rewrite the outer header. @ret_pseudo: what that adds to a pseudo header. */
static __always_inline int rewrite_ipv4(struct __sk_buff *skb, const struct packet *packet,
					const struct endpoint *src, const struct endpoint *dst,
					__u32 flags, __u64 *ret_pseudo)
{
	void *data_end = skb_data_end(skb);
	struct ipv4_tail *old = packet_at(skb_data(skb), packet->l3_off) + IPV4_TAIL_OFF;
	struct ipv4_tail new;
	__u64 pseudo, ttl;

	if ((void *)(old + 1) > data_end)
		return -EFAULT;
	new.ttl = old->ttl - (flags & REWRITE_F_DECREMENT_TTL ? bpf_htons(0x0100) : 0);
	new.saddr = rewrite_keeps(packet, &packet->src, src) ? old->saddr : src->addr[3];
	new.daddr = rewrite_keeps(packet, &packet->dst, dst) ? old->daddr : dst->addr[3];
	pseudo = sum_diff32(sum_diff32(0, old->saddr, new.saddr), old->daddr, new.daddr);
	ttl = sum_diff16(0, old->ttl, new.ttl);
	new.check = sum_apply(old->check, pseudo + ttl);
	*ret_pseudo = pseudo;
	return bpf_skb_store_bytes(skb, packet->l3_off + IPV4_TAIL_OFF, &new, sizeof(new), 0);
}

/* Words of an IPv6 header from its payload length on: all that is rewritten, in one store. */
#define IPV6_TAIL_WORDS 9
#define IPV6_TAIL_OFF	4u
#define IPV6_TAIL_SRC	1
#define IPV6_TAIL_DST	5

static __always_inline int rewrite_ipv6(struct __sk_buff *skb, const struct packet *packet,
					const struct endpoint *src, const struct endpoint *dst,
					__u32 flags, __u64 *ret_pseudo)
{
	void *data_end = skb_data_end(skb);
	__be32 *old = packet_at(skb_data(skb), packet->l3_off) + IPV6_TAIL_OFF;
	__be32 new[IPV6_TAIL_WORDS];
	__u64 pseudo = 0;
	__u32 ttl;
	int i;

	if ((void *)(old + IPV6_TAIL_WORDS) > data_end)
		return -EFAULT;
	__builtin_memcpy(new, old, sizeof(new));
	if (!rewrite_keeps(packet, &packet->src, src))
		__builtin_memcpy(new + IPV6_TAIL_SRC, src->addr, sizeof(src->addr));
	if (!rewrite_keeps(packet, &packet->dst, dst))
		__builtin_memcpy(new + IPV6_TAIL_DST, dst->addr, sizeof(dst->addr));
#pragma unroll
	for (i = IPV6_TAIL_SRC; i < IPV6_TAIL_WORDS; i++)
		pseudo = sum_diff32(pseudo, old[i], new[i]);
	ttl = flags & REWRITE_F_DECREMENT_TTL ? bpf_htonl(1) : 0;
	new[0] -= ttl;
	*ret_pseudo = pseudo;
	bpf_csum_update(skb, sum_fold32(pseudo + (__u32)~ttl));
	return bpf_skb_store_bytes(skb, packet->l3_off + IPV6_TAIL_OFF, &new, sizeof(new), 0);
}

/* Take @pseudo, of the addresses, and @diff, of what the checksum covers, off the one at @off. */
static __always_inline int rewrite_check(struct __sk_buff *skb, __u32 off, __u64 pseudo, __u64 diff,
					 __u64 flags)
{
	int r = 0;

	if (!sum_is_zero(pseudo))
		r = bpf_l4_csum_replace(skb, off, 0, sum_fold32(pseudo), BPF_F_PSEUDO_HDR | flags);
	if (!r && !sum_is_zero(diff))
		r = bpf_l4_csum_replace(skb, off, 0, sum_fold32(diff), flags);
	return r;
}

/*
 * Whether the transport header at @off has a checksum that covers the addresses. UDP may have none,
 * SCTP has one without a pseudo header.
 */
static __always_inline bool rewrite_has_check(struct __sk_buff *skb, __u32 off, __u8 protocol)
{
	__u16 *check = packet_at(skb_data(skb), off) + UDP_CHECK_OFF;

	if (protocol != IPPROTO_UDP)
		return protocol == IPPROTO_TCP;
	return (void *)(check + 1) <= skb_data_end(skb) && *check;
}

static __always_inline __u32 rewrite_check_off(__u8 protocol)
{
	return protocol == IPPROTO_TCP ? TCP_CHECK_OFF : UDP_CHECK_OFF;
}

/* Ports as they lie in a transport header: source, destination. */
static __always_inline __be32 rewrite_ports(__be16 src, __be16 dst)
{
	__be16 ports[2] = {src, dst};
	__be32 word;

	__builtin_memcpy(&word, ports, sizeof(word));
	return word;
}

/* The transport header; @pseudo: what was added to the addresses; @has_check: of before that. */
static __always_inline int rewrite_transport(struct __sk_buff *skb, const struct packet *packet,
					     __be32 ports, bool has_check, __u64 pseudo)
{
	__be32 old = rewrite_ports(packet->src.port, packet->dst.port);
	__u64 diff = 0;
	int r = 0;

	if (ports != old) {
		diff = sum_diff32(0, old, ports);
		r = bpf_skb_store_bytes(skb, packet->l4_off, &ports, sizeof(ports), 0);
		if (r < 0)
			return r;
	}
	if (!has_check) {
		if (diff)
			bpf_csum_update(skb, sum_fold32(diff));
		return 0;
	}
	return rewrite_check(skb, packet->l4_off + rewrite_check_off(packet->protocol), pseudo,
			     diff, packet->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0);
}

/* Addresses of a quoted IPv4 header; its checksum stays right if it was. */
static __always_inline int rewrite_quoted_ipv4(struct __sk_buff *skb, __u32 off, __be32 src,
					       __be32 dst, __u64 *ret_addrs, __u64 *ret_diff)
{
	struct ipv4_tail old, new;
	int r = bpf_skb_load_bytes(skb, off + IPV4_TAIL_OFF, &old, sizeof(old));

	if (r < 0)
		return r;
	new = old;
	new.saddr = src;
	new.daddr = dst;
	*ret_addrs = sum_diff32(sum_diff32(0, old.saddr, src), old.daddr, dst);
	new.check = sum_apply(old.check, *ret_addrs);
	*ret_diff = sum_diff16(*ret_addrs, old.check, new.check);
	return bpf_skb_store_bytes(skb, off + IPV4_TAIL_OFF, &new, sizeof(new), 0);
}

static __always_inline int rewrite_quoted_ipv6(struct __sk_buff *skb, __u32 off, const __be32 *src,
					       const __be32 *dst, __u64 *ret_addrs)
{
	__be32 old[8], new[8];
	int i, r = bpf_skb_load_bytes(skb, off + offsetof(struct ipv6hdr, saddr), old, sizeof(old));

	if (r < 0)
		return r;
	__builtin_memcpy(new, src, sizeof(new) / 2);
	__builtin_memcpy(new + 4, dst, sizeof(new) / 2);
	*ret_addrs = 0;
#pragma unroll
	for (i = 0; i < 8; i++)
		*ret_addrs = sum_diff32(*ret_addrs, old[i], new[i]);
	return bpf_skb_store_bytes(skb, off + offsetof(struct ipv6hdr, saddr), new, sizeof(new), 0);
}

/*
 * The checksum of a quoted transport header, where the quote has it: nobody verifies it, but some
 * tell their probes by it. @diff: of addresses and ports. Return: what that adds to the quote.
 */
static __always_inline __u64 rewrite_quoted_check(struct __sk_buff *skb,
						  const struct packet *packet, __u64 diff)
{
	__u32 off = packet->inner_l4_off + rewrite_check_off(packet->protocol);
	__u16 old, new;

	if (packet->protocol == IPPROTO_SCTP ||
	    off + sizeof(old) > (__u32)packet->l3_off + packet->len_bytes ||
	    bpf_skb_load_bytes(skb, off, &old, sizeof(old)) < 0)
		return 0;
	if (packet->protocol == IPPROTO_UDP && !old)
		return 0;
	new = sum_apply(old, diff);
	if (packet->protocol == IPPROTO_UDP && !new)
		new = 0xffff;
	if (bpf_skb_store_bytes(skb, off, &new, sizeof(new), 0) < 0)
		return 0;
	return sum_diff16(0, old, new);
}

/*
 * What an ICMP error quotes. The quoted packet travelled the other way: its source is @dst, what
 * the error's receiver calls itself. @pseudo: what was added to the outer addresses.
 */
static __noinline int rewrite_error(struct __sk_buff *skb, const struct packet *packet,
				    const struct endpoint *src, const struct endpoint *dst,
				    __u64 pseudo)
{
	__be32 old = rewrite_ports(packet->dst.port, packet->src.port);
	__be32 ports = rewrite_ports(dst->port, src->port);
	__u64 addrs = 0, diff = 0;
	int r;

	if (packet->family == SVC_FAMILY_IPV4) {
		pseudo = 0;
		r = rewrite_quoted_ipv4(skb, packet->inner_l3_off, dst->addr[3], src->addr[3],
					&addrs, &diff);
	} else {
		r = rewrite_quoted_ipv6(skb, packet->inner_l3_off, dst->addr, src->addr, &addrs);
		diff = addrs;
	}
	if (!r)
		r = bpf_skb_store_bytes(skb, packet->inner_l4_off, &ports, sizeof(ports), 0);
	if (r < 0)
		return r;
	diff = sum_diff32(diff, old, ports);
	diff += rewrite_quoted_check(skb, packet, sum_diff32(addrs, old, ports));
	return rewrite_check(skb, packet->l4_off + ICMP_CHECK_OFF, pseudo, diff, 0);
}

/* rewrite_packet() and rewrite_forward(). */
static __always_inline int rewrite_all(struct __sk_buff *skb, const struct packet *packet,
				       const struct endpoint *src, const struct endpoint *dst,
				       __u32 flags)
{
	__be32 ports = rewrite_ports(src->port, dst->port);
	__u64 pseudo = 0;
	bool has_check;
	int r;

	if (packet->protocol == IPPROTO_SCTP && !(packet->flags & PACKET_F_FRAGMENT) &&
	    ports != rewrite_ports(packet->src.port, packet->dst.port))
		return -ENOTSUP;
	has_check = rewrite_has_check(skb, packet->l4_off, packet->protocol);
	r = packet->family == SVC_FAMILY_IPV4 ? rewrite_ipv4(skb, packet, src, dst, flags, &pseudo)
					      : rewrite_ipv6(skb, packet, src, dst, flags, &pseudo);
	if (r < 0 || (packet->flags & PACKET_F_FRAGMENT))
		return r;
	if (packet->flags & PACKET_F_ICMP_ERROR)
		return rewrite_error(skb, packet, src, dst, pseudo);
	return rewrite_transport(skb, packet, ports, has_check, pseudo);
}

/**
 * rewrite_packet() - give a packet the source @src and the destination @dst.
 * @packet: as packet_parse() and packet_inspect() have read it; it goes on saying what was.
 * @src, @dst: addresses and ports, all of them; what is equal to the packet's stays.
 *
 * An ICMP error is rewritten with the packet it quotes, a fragment that is not the first in its
 * addresses only. A UDP checksum that is missing stays missing. Invalidates data pointers.
 * Return: 0; -ENOTSUP: SCTP would get another port, and its checksum would have to be made anew
 * from all of the packet; nothing was changed; another negative errno: drop the packet.
 */
static __always_inline int rewrite_packet(struct __sk_buff *skb, const struct packet *packet,
					  const struct endpoint *src, const struct endpoint *dst)
{
	return rewrite_all(skb, packet, src, dst, 0);
}

/** rewrite_forward() - rewrite_packet() and, as a router does, TTL or hop limit less one. */
static __always_inline int rewrite_forward(struct __sk_buff *skb, const struct packet *packet,
					   const struct endpoint *src, const struct endpoint *dst)
{
	return rewrite_all(skb, packet, src, dst, REWRITE_F_DECREMENT_TTL);
}

/**
 * packet_decrement_ttl() - TTL or hop limit less one, and nothing else: rewrite_forward() does
 * both at once.
 *
 * The caller has seen that it is more than 1. Invalidates data pointers. Return: 0; negative errno.
 */
static __always_inline int packet_decrement_ttl(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 off = packet->l3_off;
	__u16 old[2], new[2];
	__u8 hop_limit;
	int r;

	if (packet->family == SVC_FAMILY_IPV6) {
		hop_limit = packet->ttl - 1;
		bpf_csum_update(skb, (__u32)~bpf_htonl(1));
		return bpf_skb_store_bytes(skb, off + offsetof(struct ipv6hdr, hop_limit),
					   &hop_limit, sizeof(hop_limit), 0);
	}
	r = bpf_skb_load_bytes(skb, off + IPV4_TAIL_OFF, old, sizeof(old));
	if (r < 0)
		return r;
	new[0] = old[0] - bpf_htons(0x0100);
	new[1] = sum_apply(old[1], sum_diff16(0, old[0], new[0]));
	return bpf_skb_store_bytes(skb, off + IPV4_TAIL_OFF, new, sizeof(new), 0);
}

#endif
