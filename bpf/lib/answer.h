/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Turning a packet into the answer to it, at tc: a TCP reset or an ICMP error. The caller sends it
 * back, by bpf_redirect() to the device it came from; what was on its way out goes to this node's
 * stack, with BPF_F_INGRESS.
 *
 * GSO: bpf_skb_change_tail() makes one plain packet of what it cuts (all kernels from 4.9 on).
 *
 * CHECKSUM_PARTIAL stays with a packet, wherever its bytes go: later, or never, somebody sums up
 * from where its transport header was to the end and writes the result into its checksum. So that
 * is done right: a reset gets what has to be there before (answer_fill_check()), a quoted checksum
 * a value that this does not change (answer_settle()).
 *
 * After an error the packet is no longer what it was: drop it.
 */
#ifndef SVCBPF_BPF_ANSWER_H
#define SVCBPF_BPF_ANSWER_H

#include "lib/compat.h"
#include "lib/rewrite.h"

#define ANSWER_ETH_HLEN	  14u
#define ANSWER_ETH_ALEN	  6u
#define ANSWER_TTL	  64
#define ANSWER_TOS	  0xc0	/* internetwork control: RFC 1812 4.3.2.5 */
#define ANSWER_IPV4_BYTES 576u	/* an error at most: RFC 1812 4.3.2.3 */
#define ANSWER_IPV6_BYTES 1280u /* RFC 4443 2.4 (c) */
#define ANSWER_CHUNK	  32u
#define ANSWER_CHUNKS	  (ANSWER_IPV6_BYTES / ANSWER_CHUNK)

/* type and code of an ICMP message, as one number */
#define ANSWER_ICMP(type, code) ((type) << 8 | (code))

/*
 * At most ANSWER_BURST_NS / ANSWER_INTERVAL_NS errors at once and 1,000 a second on each CPU, as
 * the kernel's net.ipv4.icmp_msgs_per_sec for all (RFC 4443 2.4 (f): MUST). Not so for too big,
 * which the kernel does not limit either, and resets: each answers one segment and is not longer.
 */
#define ANSWER_INTERVAL_NS 1000000ull
#define ANSWER_BURST_NS	   50000000ull
#define ANSWER_CPUS	   256u /* a power of two; CPUs beyond share an entry */

/* When the next error would be due at that rate; a lost store lets one more pass. */
static __u64 answer_next_ns[ANSWER_CPUS];

/** answer_has_budget() - whether one more ICMP error may be sent now, and take it. */
static __always_inline bool answer_has_budget(void)
{
	__u64 *next = &answer_next_ns[bpf_get_smp_processor_id() & (ANSWER_CPUS - 1)];
	__u64 now = clock_ns(), due = *next;

	if (due > now + ANSWER_BURST_NS)
		return false;
	*next = (due > now ? due : now) + ANSWER_INTERVAL_NS;
	return true;
}

static __always_inline bool answer_is_unicast(const struct endpoint *ep)
{
	__u8 first;

	if (ep->family == SVC_FAMILY_IPV6)
		return (ep->addr[0] & bpf_htonl(0xff000000)) != bpf_htonl(0xff000000) &&
		       (ep->addr[0] | ep->addr[1] | ep->addr[2] | ep->addr[3]);
	first = bpf_ntohl(ep->addr[3]) >> 24;
	return first > 0 && first < 224;
}

/**
 * answer_is_allowed() - whether a packet may be answered at all (RFC 1122 3.2.2, RFC 4443 2.4 (e)):
 * no ICMP error, no fragment that is not the first, nothing to or from many.
 */
static __always_inline bool answer_is_allowed(const struct __sk_buff *skb,
					      const struct packet *packet)
{
	__u32 type = skb_load(skb, pkt_type);

	if (packet->flags & (PACKET_F_ICMP_ERROR | PACKET_F_FRAGMENT))
		return false;
	if (type == 1 || type == 2) /* PACKET_BROADCAST, PACKET_MULTICAST */
		return false;
	return answer_is_unicast(&packet->src) && answer_is_unicast(&packet->dst);
}

static __always_inline __u32 answer_ip_bytes(const struct packet *packet)
{
	return packet->family == SVC_FAMILY_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/** answer_swap_macs() - back to where the frame came from; nothing without a link layer. */
static __always_inline int answer_swap_macs(struct __sk_buff *skb, const struct packet *packet)
{
	__u8 old[2 * ANSWER_ETH_ALEN], new[2 * ANSWER_ETH_ALEN];
	int r;

	if (packet->l3_off < ANSWER_ETH_HLEN)
		return 0;
	r = (int)bpf_skb_load_bytes(skb, 0, old, sizeof(old));
	if (r < 0)
		return r;
	__builtin_memcpy(new, old + ANSWER_ETH_ALEN, ANSWER_ETH_ALEN);
	__builtin_memcpy(new + ANSWER_ETH_ALEN, old, ANSWER_ETH_ALEN);
	return (int)bpf_skb_store_bytes(skb, 0, new, sizeof(new), 0);
}

/*
 * The sum of @len bytes from @off on, at most ANSWER_IPV6_BYTES. Not static: verified once by
 * itself, with any arguments, and not with all the lengths that can come out of a packet.
 */
__noinline __u32 answer_sum(struct __sk_buff *skb, __u32 off, __u32 len)
{
	__be32 words[ANSWER_CHUNK / 4] = {};
	__u64 sum = 0, last;
	__u32 i;

	if (!len)
		return 0;
	for (i = 0; i < ANSWER_CHUNKS && len > ANSWER_CHUNK; i++) {
		if (bpf_skb_load_bytes(skb, off, words, sizeof(words)) < 0)
			return 0;
		sum = sum_words(sum, words, ANSWER_CHUNK / 4);
		off += ANSWER_CHUNK;
		len -= ANSWER_CHUNK;
	}
	/* 1 to 32: said so that 5.10 believes it ("R4 invalid zero-sized read") */
	last = len - 1;
	barrier_var(last);
	last = (last & (ANSWER_CHUNK - 1)) + 1;
	__builtin_memset(words, 0, sizeof(words));
	if (bpf_skb_load_bytes(skb, off, words, last) < 0)
		return 0;
	return sum_fold32(sum_words(sum, words, ANSWER_CHUNK / 4));
}

/*
 * Whether the checksum at @off is the one that CHECKSUM_PARTIAL leaves to be filled in, for which
 * there is no field: the helper then changes nothing for what is not in a pseudo header.
 * Return: 0, 1; negative errno.
 */
static __always_inline int answer_is_partial(struct __sk_buff *skb, __u32 off)
{
	__u16 old, new;
	int r = (int)bpf_skb_load_bytes(skb, off, &old, sizeof(old));

	if (!r)
		r = (int)bpf_l4_csum_replace(skb, off, 0, 1, 0);
	if (!r)
		r = (int)bpf_skb_load_bytes(skb, off, &new, sizeof(new));
	if (r < 0 || new == old)
		return r < 0 ? r : 1;
	return (int)bpf_skb_store_bytes(skb, off, &old, sizeof(old), 0);
}

/* The sum of a pseudo header. IPv4 addresses may be summed as ::ffff:a.b.c.d: 0xffff is 0. */
static __always_inline __u64 answer_pseudo(const struct endpoint *src, const struct endpoint *dst,
					   __u8 protocol, __u32 len)
{
	return sum_words(sum_words(0, src->addr, 4), dst->addr, 4) + bpf_htonl(protocol) +
	       bpf_htonl(len);
}

/* An IP header of what this node sends; @len: of what follows it. */
static __always_inline void answer_ipv4(struct iphdr *ip, const struct endpoint *from,
					const struct endpoint *to, __u8 protocol, __u32 len)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tos = protocol == IPPROTO_ICMP ? ANSWER_TOS : 0;
	ip->tot_len = bpf_htons(sizeof(*ip) + len);
	ip->frag_off = bpf_htons(IPV4_DF);
	ip->ttl = ANSWER_TTL;
	ip->protocol = protocol;
	ip->saddr = from->addr[3];
	ip->daddr = to->addr[3];
	ip->check = (__u16)~sum_fold16(sum_words(0, (const __be32 *)ip, sizeof(*ip) / 4));
}

static __always_inline void answer_ipv6(struct ipv6hdr *ip, const struct endpoint *from,
					const struct endpoint *to, __u8 protocol, __u32 len)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 6;
	ip->payload_len = bpf_htons(len);
	ip->nexthdr = protocol;
	ip->hop_limit = ANSWER_TTL;
	__builtin_memcpy(&ip->saddr, from->addr, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, to->addr, sizeof(ip->daddr));
}

/* Write the IP header, and what follows it of @len bytes, of which @l4 has the first @n_l4. */
static __always_inline int answer_store(struct __sk_buff *skb, const struct packet *packet,
					const struct endpoint *from, __u8 protocol, __u32 len)
{
	union {
		struct iphdr v4;
		struct ipv6hdr v6;
	} ip;

	if (packet->family == SVC_FAMILY_IPV4) {
		answer_ipv4(&ip.v4, from, &packet->src, protocol, len);
		return (int)bpf_skb_store_bytes(skb, packet->l3_off, &ip, sizeof(ip.v4),
						BPF_F_RECOMPUTE_CSUM);
	}
	answer_ipv6(&ip.v6, from, &packet->src, protocol, len);
	return (int)bpf_skb_store_bytes(skb, packet->l3_off, &ip, sizeof(ip.v6),
					BPF_F_RECOMPUTE_CSUM);
}

/* The header of a reset to the segment @in, of a packet as it was (RFC 9293 3.10.7.1). */
static __always_inline void answer_tcp(struct tcphdr *out, const struct tcphdr *in,
				       const struct packet *packet)
{
	__u32 len = packet->len_bytes - (packet->l4_off - packet->l3_off) - in->doff * 4;

	__builtin_memset(out, 0, sizeof(*out));
	out->source = packet->dst.port;
	out->dest = packet->src.port;
	out->doff = sizeof(*out) / 4;
	out->rst = 1;
	if (in->ack) {
		out->seq = in->ack_seq;
		return;
	}
	out->ack = 1;
	out->ack_seq = bpf_htonl(bpf_ntohl(in->seq) + len + in->syn + in->fin);
}

/* The checksum of a reset whose packet's checksum was at the same place. Return: 0; errno. */
static __always_inline int answer_fill_check(struct __sk_buff *skb, const struct packet *packet,
					     __u32 off, struct tcphdr *tcp)
{
	__u64 sum = answer_pseudo(&packet->src, &packet->dst, IPPROTO_TCP, sizeof(*tcp));
	int r = answer_is_partial(skb, off + TCP_CHECK_OFF);

	if (r < 0)
		return r;
	if (r > 0) {
		tcp->check = sum_fold16(sum);
		return 0;
	}
	sum = sum_words(sum, (const __be32 *)tcp, sizeof(*tcp) / 4);
	tcp->check = (__u16)~sum_fold16(sum);
	return 0;
}

/**
 * answer_reset() - make a TCP segment into the reset that answers it.
 * @packet: as packet_inspect() left it; the answer comes from where it was sent to.
 *
 * Return: 0: send it back; -EPERM: a reset, or something else that is not answered; or another
 * negative errno.
 */
static __noinline int answer_reset(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 l4_off = packet->l3_off + answer_ip_bytes(packet);
	struct tcphdr in, out;
	int r;

	if (packet->l4_protocol != IPPROTO_TCP || (packet->flags & PACKET_F_FIRST_FRAGMENT) ||
	    (packet->tcp_flags & TCP_FLAG_RST_BYTE) || !answer_is_allowed(skb, packet))
		return -EPERM;
	r = (int)bpf_skb_load_bytes(skb, packet->l4_off, &in, sizeof(in));
	if (r < 0)
		return r;
	answer_tcp(&out, &in, packet);
	r = (int)bpf_skb_change_tail(skb, packet->l4_off + sizeof(out), 0);
	/* options and extension headers go: the transport header stays where it is */
	if (!r && packet->l4_off != l4_off)
		r = (int)bpf_skb_adjust_room(skb, (__s32)l4_off - packet->l4_off, BPF_ADJ_ROOM_MAC,
					     0);
	if (!r)
		r = answer_fill_check(skb, packet, l4_off, &out);
	if (!r)
		r = (int)bpf_skb_store_bytes(skb, l4_off, &out, sizeof(out), BPF_F_RECOMPUTE_CSUM);
	if (!r)
		r = answer_store(skb, packet, &packet->dst, IPPROTO_TCP, sizeof(out));
	return r ? r : answer_swap_macs(skb, packet);
}

/*
 * Give the checksum at @off, if it is partial, the value that filling it in leaves as it is: x with
 * x = -(rest + x), which has a solution for the modulus 65,535 is odd. @sum: of all that it covers,
 * itself included. Return: what that adds to it; 0 where nothing was changed.
 */
static __always_inline __u64 answer_settle(struct __sk_buff *skb, __u32 off, __u64 sum)
{
	__u16 old, new;

	if (answer_is_partial(skb, off) != 1 || bpf_skb_load_bytes(skb, off, &old, sizeof(old)) < 0)
		return 0;
	new = (__u16)~sum_fold16(sum_diff16(sum, old, 0));
	new = new & 1 ? (new >> 1) + 0x8000 : new >> 1;
	if (!new)
		new = 0xffff;
	if (bpf_skb_store_bytes(skb, off, &new, sizeof(new), 0) < 0)
		return 0;
	return sum_diff16(0, old, new);
}

/* The sum of @len quoted bytes at @off, where a packet begins that may have a partial checksum. */
static __always_inline __u64 answer_sum_quote(struct __sk_buff *skb, const struct packet *packet,
					      __u32 off, __u32 len)
{
	__u32 header = packet->l4_off - packet->l3_off, check;
	__u64 transport;

	if (len <= header)
		return answer_sum(skb, off, len);
	transport = answer_sum(skb, off + header, len - header);
	check = rewrite_check_off(packet->protocol);
	if (packet->protocol != IPPROTO_SCTP && len >= header + check + 2)
		transport += answer_settle(skb, off + header + check, transport);
	return transport + answer_sum(skb, off, header);
}

/* How much of the packet an error quotes: what is left, without trailing bytes of the link layer.
 */
static __always_inline __u32 answer_quote_bytes(const struct packet *packet)
{
	__u32 max = packet->family == SVC_FAMILY_IPV4 ? ANSWER_IPV4_BYTES : ANSWER_IPV6_BYTES;

	max -= answer_ip_bytes(packet) + sizeof(struct icmphdr);
	return packet->len_bytes < max ? packet->len_bytes : max;
}

/* Make the packet into an ICMP message. @icmp: ANSWER_ICMP(). @info: its second word. */
static __noinline int answer_icmp(struct __sk_buff *skb, const struct packet *packet,
				  const struct endpoint *from, __u32 icmp, __be32 info)
{
	__u8 protocol = packet->family == SVC_FAMILY_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	__u32 l4_off = packet->l3_off + answer_ip_bytes(packet);
	__u32 quote = answer_quote_bytes(packet), len = quote + sizeof(struct icmphdr);
	__be32 header[2] = {bpf_htonl(icmp << 16), info};
	__u64 sum = 0;
	int r;

	r = (int)bpf_skb_change_tail(skb, packet->l3_off + quote, 0);
	if (!r)
		r = (int)bpf_skb_adjust_room(skb, (__s32)(answer_ip_bytes(packet) + sizeof(header)),
					     BPF_ADJ_ROOM_MAC, 0);
	if (r < 0)
		return r;
	if (protocol == IPPROTO_ICMPV6)
		sum = answer_pseudo(from, &packet->src, protocol, len);
	sum += answer_sum_quote(skb, packet, l4_off + sizeof(header), quote);
	sum = (__u16)~sum_fold16(sum_words(sum, header, 2));
	/* bytes 2 and 3, as they lie in memory */
	__builtin_memcpy((__u8 *)header + ICMP_CHECK_OFF, &(__u16){sum}, sizeof(__u16));
	r = (int)bpf_skb_store_bytes(skb, l4_off, header, sizeof(header), BPF_F_RECOMPUTE_CSUM);
	if (!r)
		r = answer_store(skb, packet, from, protocol, len);
	return r ? r : answer_swap_macs(skb, packet);
}

/** struct answer_error - an ICMP error in both families: ANSWER_ICMP(). */
struct answer_error {
	__u32 ipv4;
	__u32 ipv6;
};

/* port unreachable; TTL or hop limit exceeded in transit */
#define ANSWER_ERROR_UNREACHABLE ((struct answer_error){ANSWER_ICMP(3, 3), ANSWER_ICMP(1, 4)})
#define ANSWER_ERROR_EXPIRED	 ((struct answer_error){ANSWER_ICMP(11, 0), ANSWER_ICMP(3, 0)})

/**
 * answer_error() - make a packet into an ICMP error to its sender.
 * @from: address the answer comes from.  @error: ANSWER_ERROR_*.
 *
 * Return: 0: send it back; -EPERM: not to be answered; -EBUSY: too many; or another negative errno.
 */
static __always_inline int answer_error(struct __sk_buff *skb, const struct packet *packet,
					const struct endpoint *from, struct answer_error error)
{
	if (!answer_is_allowed(skb, packet))
		return -EPERM;
	if (!answer_has_budget())
		return -EBUSY;
	return answer_icmp(skb, packet, from,
			   packet->family == SVC_FAMILY_IPV4 ? error.ipv4 : error.ipv6, 0);
}

/**
 * answer_too_big() - tell a packet's sender that no more than @mtu bytes go further.
 *
 * As answer_error(), but not limited. IPv4 packets that may be fragmented (no PACKET_F_DF)
 * are answered as well: we do not fragment, and a sender that heeds this sends smaller ones.
 */
static __always_inline int answer_too_big(struct __sk_buff *skb, const struct packet *packet,
					  const struct endpoint *from, __u32 mtu)
{
	bool is_ipv4 = packet->family == SVC_FAMILY_IPV4;

	if (!answer_is_allowed(skb, packet))
		return -EPERM;
	if (is_ipv4 && mtu > 0xffff)
		mtu = 0xffff;
	return answer_icmp(skb, packet, from, is_ipv4 ? ANSWER_ICMP(3, 4) : ANSWER_ICMP(2, 0),
			   bpf_htonl(mtu));
}

/**
 * packet_wire_len() - bytes of the longest packet on the wire, from the IP header on.
 *
 * A packet with GSO is split before that. SCTP's is made of chunks of lengths that are not known
 * here (gso_size 0xffff): 0, nothing is too small for it.
 */
static __always_inline __u32 packet_wire_len(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 segment = skb_load(skb, gso_size), header = sizeof(struct udphdr);
	__u8 doff;

	if (!segment)
		return packet->len_bytes;
	if (segment == 0xffff)
		return 0;
	if (packet->l4_protocol == IPPROTO_TCP) {
		if (bpf_skb_load_bytes(skb, packet->l4_off + 12, &doff, sizeof(doff)) < 0)
			return packet->len_bytes;
		header = doff >> 4 << 2;
	}
	segment += header + packet->l4_off - packet->l3_off;
	return segment < packet->len_bytes ? segment : packet->len_bytes;
}

#endif
