/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Direct server return: the client's packet goes to the backend's node as it came, in a tunnel, and
 * that node answers the client itself. IPv4 in IPv4 (RFC 2003), IPv6 in IPv6 (RFC 2473).
 *
 * The outer header goes to the backend's address, so that the network finds its node; the backend's
 * port travels in a field that nothing else needs: the identification of an IPv4 packet that is
 * never fragmented (RFC 6864 4.1), the flow label of an IPv6 packet. The node there takes the
 * tunnel off when what is inside goes to one of its frontends; everybody's other tunnels stay.
 *
 * MTU rule: what does not fit with the outer header is answered with the MTU less that header, as a
 * tunnel's first hop does (RFC 2003 5.1), so clients learn to send smaller packets.
 */
#ifndef SVCBPF_BPF_DSR_H
#define SVCBPF_BPF_DSR_H

#include "lib/lookup.h"
#include "lib/work_tc.h"

#define DSR_HOP_LIMIT 64
#define DSR_IPV4_DF   0x4000u

/** dsr_outer_bytes() - length of the outer header. */
static __always_inline __u32 dsr_outer_bytes(__u8 family)
{
	return family == SVC_FAMILY_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/** dsr_sum_ipv4() - the checksum of a header without options (RFC 791). */
static __always_inline __u16 dsr_sum_ipv4(const struct iphdr *header)
{
	__u32 sum = bpf_csum_diff(NULL, 0, (__be32 *)header, sizeof(*header), 0);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline int dsr_push_ipv4(struct __sk_buff *skb, const struct work *work,
					 const struct endpoint *from)
{
	struct iphdr outer = {
		.version = 4,
		.ihl = sizeof(outer) / 4,
		.ttl = DSR_HOP_LIMIT,
		.protocol = IPPROTO_IPIP,
		.frag_off = bpf_htons(DSR_IPV4_DF),
		.id = work->to.dst.port,
		.saddr = from->addr[3],
		.daddr = work->to.dst.addr[3],
	};

	outer.tot_len = bpf_htons((__u16)(work->packet.len_bytes + sizeof(outer)));
	outer.check = dsr_sum_ipv4(&outer);
	if (bpf_skb_adjust_room(skb, sizeof(outer), BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_FIXED_GSO))
		return -EINVAL;
	return (int)bpf_skb_store_bytes(skb, work_l3_off(work), &outer, sizeof(outer),
					BPF_F_INVALIDATE_HASH);
}

static __always_inline int dsr_push_ipv6(struct __sk_buff *skb, const struct work *work,
					 const struct endpoint *from)
{
	struct ipv6hdr outer = {
		.version = 6,
		.nexthdr = IPPROTO_IPV6,
		.hop_limit = DSR_HOP_LIMIT,
	};

	outer.flow_lbl[1] = (__u8)work->to.dst.port; /* network order, as it lies there */
	outer.flow_lbl[2] = (__u8)(work->to.dst.port >> 8);
	outer.payload_len = bpf_htons(work->packet.len_bytes);
	__builtin_memcpy(&outer.saddr, from->addr, sizeof(outer.saddr));
	__builtin_memcpy(&outer.daddr, work->to.dst.addr, sizeof(outer.daddr));
	if (bpf_skb_adjust_room(skb, sizeof(outer), BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | BPF_F_ADJ_ROOM_FIXED_GSO))
		return -EINVAL;
	return (int)bpf_skb_store_bytes(skb, work_l3_off(work), &outer, sizeof(outer),
					BPF_F_INVALIDATE_HASH);
}

/** dsr_route() - the way to the backend for the packet with its outer header on. */
static __always_inline void dsr_route(struct __sk_buff *skb, struct work *work, __u32 len_bytes)
{
	struct flow_ends outer = {.src = work->packet.dst, .dst = work->to.dst};

	outer.src.port = outer.dst.port = 0;
	outer.dst.protocol = outer.dst.family == SVC_FAMILY_IPV4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	route_find(skb, work->ifindex, &outer, (__u16)len_bytes, &work->route);
}

/** dsr_send() - send the packet to its backend's node. Return: the verdict. */
__noinline int dsr_send(struct __sk_buff *skb)
{
	struct work *work = work_get();
	struct endpoint from;
	__u32 outer_bytes, len_bytes;
	int r;

	if (!work)
		return VERDICT_DROP;
	if (work->packet.ttl <= 1)
		return work_expired(work);
	outer_bytes = dsr_outer_bytes(work->packet.family);
	len_bytes = work->wire_bytes + outer_bytes;
	dsr_route(skb, work, len_bytes);
	if (work->route.result == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return work_too_big(work, len_bytes, outer_bytes);
	if (!route_is_out(&work->route))
		return work_no_route(work);
	from = work->to.dst;
	if (!route_address(&work->route, &from))
		return drop(work, SVC_COUNTER_DROP_NO_ADDRESS);
	r = packet_decrement_ttl(skb, &work->packet);
	if (!r)
		r = work->packet.family == SVC_FAMILY_IPV4 ? dsr_push_ipv4(skb, work, &from)
							   : dsr_push_ipv6(skb, work, &from);
	if (r)
		return drop(work, SVC_COUNTER_DROP_REWRITE);
	count(SVC_COUNTER_DSR_SENT);
	return route_send(&work->route);
}

/**
 * dsr_peek() - whether this packet is a tunnel's, and which backend it names.
 * @ret_backend: address and port.
 */
static __always_inline bool dsr_peek(struct __sk_buff *skb, __u32 l3_off, __u8 family,
				     struct endpoint *ret_backend)
{
	struct ipv6hdr outer6;
	struct iphdr outer4;

	__builtin_memset(ret_backend, 0, sizeof(*ret_backend));
	ret_backend->family = family;
	if (family == SVC_FAMILY_IPV4) {
		if (bpf_skb_load_bytes(skb, l3_off, &outer4, sizeof(outer4)) ||
		    outer4.protocol != IPPROTO_IPIP || outer4.ihl != sizeof(outer4) / 4 ||
		    outer4.frag_off != bpf_htons(DSR_IPV4_DF))
			return false;
		ret_backend->addr[2] = bpf_htonl(0xffff);
		ret_backend->addr[3] = outer4.daddr;
		ret_backend->port = outer4.id;
		return true;
	}
	if (bpf_skb_load_bytes(skb, l3_off, &outer6, sizeof(outer6)) ||
	    outer6.nexthdr != IPPROTO_IPV6)
		return false;
	__builtin_memcpy(ret_backend->addr, &outer6.daddr, sizeof(ret_backend->addr));
	ret_backend->port = (__be16)(outer6.flow_lbl[1] | outer6.flow_lbl[2] << 8);
	return true;
}

/** dsr_shift() - where a packet's headers lie once its outer header is gone. */
static __always_inline void dsr_shift(struct packet *packet, __u8 family)
{
	__u16 outer_bytes = dsr_outer_bytes(family);

	packet->l3_off -= outer_bytes;
	packet->l4_off -= outer_bytes;
	if (packet->flags & PACKET_F_ICMP_ERROR) {
		packet->inner_l3_off -= outer_bytes;
		packet->inner_l4_off -= outer_bytes;
	}
}

/** dsr_pop() - take the outer header off. Return: 0 or negative errno: drop it. */
static __always_inline int dsr_pop(struct __sk_buff *skb, __u8 family)
{
	count(SVC_COUNTER_DSR_RECEIVED);
	return (int)bpf_skb_adjust_room(skb, -(__s32)dsr_outer_bytes(family), BPF_ADJ_ROOM_MAC,
					BPF_F_ADJ_ROOM_FIXED_GSO);
}

#endif
