/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Giving a packet another source and destination, at tc.
 *
 * Only by helpers, never by direct writes: a program that has one is given a prologue that makes
 * the head of every cloned packet writable, ours or not, and those of local TCP are all cloned. A
 * helper is 15 to 28 ns, whatever it does, so there are two: one to learn the state of the
 * checksum, one to store all that changes, which lies side by side.
 *
 * Checksum states. Partial: the transport checksum is the pseudo header's sum, to be completed by
 * whoever sends the packet; only addresses count. No field tells, but bpf_l4_csum_replace() changes
 * nothing then when told that it is not about a pseudo header. Complete: skb->csum is the sum of
 * all bytes from the IP header on; bpf_csum_update() keeps it right and does nothing in other
 * states. bpf_cast_to_kern_ctx() (6.2) would tell for nothing, but kernels 5.13 to 5.15 refuse a
 * program with a call of it even where it is never reached ("kernel btf_id 0 is not a function").
 *
 * Races: none, the packet is ours. After an error it may be half rewritten: drop it.
 */
#ifndef SVCBPF_BPF_REWRITE_H
#define SVCBPF_BPF_REWRITE_H

#include "lib/parse.h"
#include "lib/rewrite_words.h"

/* The IP header. */
static __always_inline int rewrite_ip(struct __sk_buff *skb, const struct packet *packet,
				      const struct endpoint *src, const struct endpoint *dst,
				      __u32 flags, struct rewrite *rw)
{
	void *l3 = packet_at(skb_data(skb), packet->l3_off), *data_end = skb_data_end(skb);

	if (packet->family == SVC_FAMILY_IPV4) {
		struct ipv4_tail *old = l3 + IPV4_TAIL_OFF;

		if ((void *)(old + 1) > data_end)
			return -EFAULT;
		rewrite_ipv4(old, packet, src, dst, flags, rw);
	} else {
		__be32 *old = l3 + IPV6_TAIL_OFF;

		if ((void *)(old + IPV6_TAIL_WORDS) > data_end)
			return -EFAULT;
		rewrite_ipv6(old, packet, src, dst, flags, rw);
	}
	return 0;
}

/* Whether the checksum at @off, @check, is partial. Changes it. Return: 0, 1; negative errno. */
static __always_inline int rewrite_is_partial(struct __sk_buff *skb, __u32 off, __u16 check)
{
	__u16 *now;
	int r = (int)bpf_l4_csum_replace(skb, off, 0, 1, 0);

	if (r < 0)
		return r;
	now = packet_at(skb_data(skb), off);
	if ((void *)(now + 1) > skb_data_end(skb))
		return -EFAULT;
	return *now == check;
}

/* The first @n words of the transport header, a constant: TCP_WORDS or UDP_WORDS. */
static __always_inline int rewrite_transport(struct __sk_buff *skb, const struct packet *packet,
					     const struct endpoint *src, const struct endpoint *dst,
					     int n, struct rewrite *rw)
{
	__u32 check_off = packet->l4_off + (n == TCP_WORDS ? TCP_CHECK_OFF : UDP_CHECK_OFF);
	__be32 *old = packet_at(skb_data(skb), packet->l4_off);
	int partial;

	if ((void *)(old + n) > skb_data_end(skb))
		return -EFAULT;
	rewrite_l4(old, src, dst, n, rw);
	if (!rw->has_check)
		return 0;
	partial = rewrite_is_partial(skb, check_off, *rewrite_check_at(rw, n));
	if (partial >= 0)
		rewrite_l4_check(rw, n, partial);
	return partial < 0 ? partial : 0;
}

/* What the rewritten packet's bytes sum up to more, for CHECKSUM_COMPLETE. */
static __always_inline void rewrite_complete(struct __sk_buff *skb, const struct packet *packet,
					     const struct rewrite *rw)
{
	__u64 more = 0;

	/* an IPv4 header sums up to 0 before and after */
	if (packet->family == SVC_FAMILY_IPV6)
		more += rw->pseudo + rw->ttl;
	more += rw->ports;
	if (rw->has_check)
		more += (__u32)~sum_fold32(rw->pseudo + rw->ports);
	more = sum_fold32(more);
	if (!sum_is_zero(more))
		bpf_csum_update(skb, more);
}

/* Write the IP header's tail and @n_l4 words of the transport header, a constant: together if no
 * options lie between them. */
static __always_inline int rewrite_store_ipv4(struct __sk_buff *skb, const struct packet *packet,
					      const struct rewrite *rw, int n_l4)
{
	__u32 off = packet->l3_off + IPV4_TAIL_OFF;
	int r;

	if (packet->l4_off == off + sizeof(rw->v4))
		return (int)bpf_skb_store_bytes(skb, off, &rw->v4, sizeof(rw->v4) + n_l4 * 4, 0);
	r = (int)bpf_skb_store_bytes(skb, off, &rw->v4, sizeof(rw->v4), 0);
	if (r < 0 || !n_l4)
		return r;
	return (int)bpf_skb_store_bytes(skb, packet->l4_off, rw->l4, n_l4 * 4, 0);
}

static __always_inline int rewrite_store_ipv6(struct __sk_buff *skb, const struct packet *packet,
					      const struct rewrite *rw, int n_l4)
{
	__u32 off = packet->l3_off + IPV6_TAIL_OFF;
	int r;

	if (packet->l4_off == off + sizeof(rw->ip))
		return (int)bpf_skb_store_bytes(skb, off, rw->ip, sizeof(rw->ip) + n_l4 * 4, 0);
	r = (int)bpf_skb_store_bytes(skb, off, rw->ip, sizeof(rw->ip), 0);
	if (r < 0 || !n_l4)
		return r;
	return (int)bpf_skb_store_bytes(skb, packet->l4_off, rw->l4, n_l4 * 4, 0);
}

/* Take @pseudo, of the addresses, and @diff, of what the checksum covers, off the one at @off. */
static __always_inline int rewrite_check(struct __sk_buff *skb, __u32 off, __u64 pseudo, __u64 diff)
{
	int r = 0;

	if (!sum_is_zero(pseudo))
		r = (int)bpf_l4_csum_replace(skb, off, 0, sum_fold32(pseudo), BPF_F_PSEUDO_HDR);
	if (!r && !sum_is_zero(diff))
		r = (int)bpf_l4_csum_replace(skb, off, 0, sum_fold32(diff), 0);
	return r;
}

/* Addresses of a quoted IPv4 header; its checksum stays right if it was. */
static __always_inline int rewrite_quoted_ipv4(struct __sk_buff *skb, __u32 off, __be32 src,
					       __be32 dst, __u64 *ret_addrs, __u64 *ret_diff)
{
	struct ipv4_tail old, new;
	int r = (int)bpf_skb_load_bytes(skb, off + IPV4_TAIL_OFF, &old, sizeof(old));

	if (r < 0)
		return r;
	new = old;
	new.saddr = src;
	new.daddr = dst;
	*ret_addrs = sum_diff32(sum_diff32(0, old.saddr, src), old.daddr, dst);
	new.check = sum_apply(old.check, *ret_addrs);
	*ret_diff = sum_diff16(*ret_addrs, old.check, new.check);
	return (int)bpf_skb_store_bytes(skb, off + IPV4_TAIL_OFF, &new, sizeof(new), 0);
}

static __always_inline int rewrite_quoted_ipv6(struct __sk_buff *skb, __u32 off, const __be32 *src,
					       const __be32 *dst, __u64 *ret_addrs)
{
	__be32 old[8], new[8];
	int i, r = (int)bpf_skb_load_bytes(skb, off + offsetof(struct ipv6hdr, saddr), old,
					   sizeof(old));

	if (r < 0)
		return r;
	__builtin_memcpy(new, src, sizeof(new) / 2);
	__builtin_memcpy(new + 4, dst, sizeof(new) / 2);
	*ret_addrs = 0;
#pragma unroll
	for (i = 0; i < 8; i++)
		*ret_addrs = sum_diff32(*ret_addrs, old[i], new[i]);
	return (int)bpf_skb_store_bytes(skb, off + offsetof(struct ipv6hdr, saddr), new,
					sizeof(new), 0);
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
		r = (int)bpf_skb_store_bytes(skb, packet->inner_l4_off, &ports, sizeof(ports), 0);
	if (r < 0)
		return r;
	diff = sum_diff32(diff, old, ports);
	diff += rewrite_quoted_check(skb, packet, sum_diff32(addrs, old, ports));
	return rewrite_check(skb, packet->l4_off + ICMP_CHECK_OFF, pseudo, diff);
}

/* All of it but what an error quotes; @n_l4: words of the transport header, a constant. */
static __always_inline int rewrite_headers(struct __sk_buff *skb, const struct packet *packet,
					   const struct endpoint *src, const struct endpoint *dst,
					   int n_l4, struct rewrite *rw)
{
	int r = n_l4 ? rewrite_transport(skb, packet, src, dst, n_l4, rw) : 0;

	if (r < 0)
		return r;
	rewrite_complete(skb, packet, rw);
	return packet->family == SVC_FAMILY_IPV4 ? rewrite_store_ipv4(skb, packet, rw, n_l4)
						 : rewrite_store_ipv6(skb, packet, rw, n_l4);
}

/**
 * rewrite_all() - give a packet the source @src and the destination @dst.
 * @packet: as packet_parse() and packet_inspect() have read it; it goes on saying what was.
 * @src, @dst: addresses and ports, all of them; what is equal to the packet's stays.
 * @flags: REWRITE_F_*.
 *
 * An ICMP error is rewritten with the packet it quotes, a fragment that is not the first in its
 * addresses only. A UDP checksum that is missing stays missing. Invalidates data pointers.
 * Return: 0; -ENOTSUP: SCTP would get another port, and its checksum would have to be made anew
 * from all of the packet; nothing was changed; another negative errno: drop the packet.
 */
static __always_inline int rewrite_all(struct __sk_buff *skb, const struct packet *packet,
				       const struct endpoint *src, const struct endpoint *dst,
				       __u32 flags)
{
	bool is_plain = !(packet->flags & (PACKET_F_FRAGMENT | PACKET_F_ICMP_ERROR));
	struct rewrite rw = {};
	int r;

	if (packet->protocol == IPPROTO_SCTP && !(packet->flags & PACKET_F_FRAGMENT) &&
	    rewrite_ports(src->port, dst->port) !=
		    rewrite_ports(packet->src.port, packet->dst.port))
		return -ENOTSUP;
	r = rewrite_ip(skb, packet, src, dst, flags, &rw);
	if (r < 0)
		return r;
	if (is_plain && packet->protocol == IPPROTO_TCP)
		return rewrite_headers(skb, packet, src, dst, TCP_WORDS, &rw);
	if (is_plain && packet->protocol == IPPROTO_UDP)
		return rewrite_headers(skb, packet, src, dst, UDP_WORDS, &rw);
	r = rewrite_headers(skb, packet, src, dst, 0, &rw);
	if (r < 0 || !(packet->flags & PACKET_F_ICMP_ERROR))
		return r;
	return rewrite_error(skb, packet, src, dst, rw.pseudo);
}

/**
 * packet_decrement_ttl() - TTL or hop limit less one, and nothing else: rewrite_all() does both
 * at once.
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
		return (int)bpf_skb_store_bytes(skb, off + offsetof(struct ipv6hdr, hop_limit),
						&hop_limit, sizeof(hop_limit), 0);
	}
	r = (int)bpf_skb_load_bytes(skb, off + IPV4_TAIL_OFF, old, sizeof(old));
	if (r < 0)
		return r;
	new[0] = old[0] - bpf_htons(0x0100);
	new[1] = sum_apply(old[1], sum_diff16(0, old[0], new[0]));
	return (int)bpf_skb_store_bytes(skb, off + IPV4_TAIL_OFF, new, sizeof(new), 0);
}

#endif
