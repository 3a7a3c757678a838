/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the bytes of a packet to struct packet, for tc and XDP alike: only data pointers.
 *
 * Two stages, because most packets are not ours and must cost next to nothing:
 *
 *	packet_parse()	 who talks to whom: addresses, ports, protocol, where the headers lie
 *	packet_inspect() the rest, of packets that are ours: length fields, TTL, TCP flags
 *
 * What the first stage says is a claim until the second has agreed: ports may have been read from
 * the padding behind a packet that ends before them. Nothing may be stored or changed in between.
 * Errors of both:
 *
 *	-ENOENT	 another protocol, or an ICMP message that is no error of ours: leave it alone
 *	-EAGAIN	 a header lies beyond the data: pull (packet_pull()) and try again; the second time
 *		 it says that the packet ends inside a header
 *	-EINVAL	 malformed: no receiver would take it
 *	-ENOTSUP extension headers that are too many, too long, unknown, or cannot be translated:
 *		 an authentication header signs the addresses; a routing header that is not used up
 *		 hides the last one
 */
#ifndef SVCBPF_BPF_PARSE_H
#define SVCBPF_BPF_PARSE_H

#include "lib/errno.h"
#include "lib/packet.h"
#include "lib/skb.h"

/** PACKET_MAX_EXTENSIONS - IPv6 extension headers that are skipped at most, inner and outer each.
 */
#define PACKET_MAX_EXTENSIONS 6

/** PACKET_OFF_MAX - no header begins farther in: one less than a power of two, as a mask is. */
#define PACKET_OFF_MAX 0x7ffu

/** PACKET_PULL_BYTES - what packet_pull() makes linear: all of an ICMPv6 error. */
#define PACKET_PULL_BYTES 1280u

/** PACKET_PORTS_BYTES - of a transport header what every quoted packet must have. */
#define PACKET_PORTS_BYTES 4u

/** PACKET_L4_BYTES - of a transport or ICMP header what packet_parse() wants to see. */
#define PACKET_L4_BYTES 8u

#ifndef IPPROTO_ICMPV6
#define IPPROTO_ICMPV6 58
#endif

#define IPV4_OFFSET_MASK 0x1fffu
#define IPV4_MORE	 0x2000u
#define IPV4_DF		 0x4000u

#define IPV6_EXT_HOP	  0
#define IPV6_EXT_ROUTING  43
#define IPV6_EXT_FRAGMENT 44
#define IPV6_EXT_AH	  51
#define IPV6_EXT_DEST	  60
#define IPV6_EXT_MOBILITY 135
#define IPV6_EXT_HIP	  139
#define IPV6_EXT_SHIM6	  140

/**
 * packet_at() - pointer to byte @off of the data.
 *
 * The mask repeats what is known of @off where the verifier has lost it: it does not follow numbers
 * through 16-bit fields, and wants offsets below 64 KiB ("invalid access to packet", all kernels).
 */
static __always_inline void *packet_at(void *data, __u32 off)
{
	barrier_var(off);
	return data + (off & PACKET_OFF_MAX);
}

/** packet_is_ours() - whether @protocol is one that Services have. */
static __always_inline bool packet_is_ours(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static __always_inline void packet_set_ipv4(struct endpoint *ep, __be32 addr)
{
	ep->addr[0] = 0;
	ep->addr[1] = 0;
	ep->addr[2] = bpf_htonl(0xffff);
	ep->addr[3] = addr;
}

static __always_inline void packet_set_ipv6(struct endpoint *ep, const struct in6_addr *addr)
{
	__builtin_memcpy(ep->addr, addr, sizeof(ep->addr));
}

static __always_inline void packet_set_protocol(struct packet *packet, __u8 protocol)
{
	packet->protocol = protocol;
	packet->src.protocol = protocol;
	packet->dst.protocol = protocol;
}

/* The ports at @l4_off; those of a quoted packet are the other side's each. */
static __always_inline int packet_set_ports(void *data, void *data_end, __u32 l4_off, bool is_error,
					    struct packet *packet)
{
	__be16 *ports = packet_at(data, l4_off);

	if ((void *)ports + (is_error ? PACKET_PORTS_BYTES : PACKET_L4_BYTES) > data_end)
		return -EAGAIN;
	packet->src.port = is_error ? ports[1] : ports[0];
	packet->dst.port = is_error ? ports[0] : ports[1];
	return 0;
}

/**
 * struct packet_walk - where a walk along IPv6 headers stands.
 * @off: of the header of type @protocol.
 * @frag_id, @flags: as in struct packet, of a fragment header on the way.
 */
struct packet_walk {
	__u32 off;
	__u32 frag_id;
	__u8 protocol;
	__u8 flags;
};

static __always_inline bool packet_is_extension(__u8 protocol)
{
	return protocol == IPV6_EXT_HOP || protocol == IPV6_EXT_ROUTING ||
	       protocol == IPV6_EXT_FRAGMENT || protocol == IPV6_EXT_AH ||
	       protocol == IPV6_EXT_DEST || protocol == IPV6_EXT_MOBILITY ||
	       protocol == IPV6_EXT_HIP || protocol == IPV6_EXT_SHIM6;
}

/* Read a fragment header. Return: 0; -ENOTSUP when it is another packet's inside than it says. */
static __always_inline int packet_walk_fragment(const struct frag_hdr *frag,
						struct packet_walk *walk)
{
	__u16 offset = bpf_ntohs(frag->frag_off);

	/* one within the other is not made by anybody who means well */
	if (walk->flags)
		return -EINVAL;
	walk->frag_id = (__u32)frag->identification;
	if (offset & 0xfff8) {
		walk->flags = PACKET_F_FRAGMENT;
		/* the transport protocol is in the first fragment only */
		return packet_is_extension(frag->nexthdr) ? -ENOTSUP : 0;
	}
	if (offset & 1)
		walk->flags = PACKET_F_FIRST_FRAGMENT;
	return 0;
}

/* Go to the next header. Return: 0; 1: this is the last; -EAGAIN, -EINVAL, -ENOTSUP. */
static __always_inline int packet_walk_step(void *data, void *data_end, struct packet_walk *walk)
{
	__u8 *header = packet_at(data, walk->off);
	__u8 type = walk->protocol;
	__u32 len;

	if (!packet_is_extension(type) || (walk->flags & PACKET_F_FRAGMENT))
		return 1;
	if ((void *)header + sizeof(struct frag_hdr) > data_end)
		return -EAGAIN;
	len = (header[1] + 1) * 8;
	if (type == IPV6_EXT_FRAGMENT) {
		int r = packet_walk_fragment((struct frag_hdr *)header, walk);

		if (r < 0)
			return r;
		len = sizeof(struct frag_hdr);
	} else if (type == IPV6_EXT_ROUTING) {
		if (header[3]) /* segments left */
			return -ENOTSUP;
	} else if (type != IPV6_EXT_HOP && type != IPV6_EXT_DEST) {
		return -ENOTSUP;
	}
	walk->protocol = header[0];
	walk->off += len;
	return walk->off > PACKET_OFF_MAX - 64 ? -ENOTSUP : 0;
}

/* Skip extension headers. Return: 0: at the transport header; else as packet_parse(). */
static __noinline int packet_walk_ipv6(void *data, void *data_end, struct packet_walk *walk)
{
	int i, r;

	for (i = 0; i <= PACKET_MAX_EXTENSIONS; i++) {
		r = packet_walk_step(data, data_end, walk);
		if (r)
			return r > 0 ? 0 : r;
	}
	return -ENOTSUP;
}

/* Begin a walk at the IPv6 header at @off, @ret_ip. Return: 0: @walk is behind it; -EAGAIN,
 * -EINVAL.
 */
static __always_inline int packet_begin_ipv6(void *data, void *data_end, __u32 off,
					     struct packet_walk *walk, struct ipv6hdr **ret_ip)
{
	struct ipv6hdr *ip = packet_at(data, off);

	if ((void *)(ip + 1) > data_end)
		return -EAGAIN;
	if (ip->version != 6)
		return -EINVAL;
	*ret_ip = ip;
	walk->off = off + sizeof(*ip);
	walk->protocol = ip->nexthdr;
	return 0;
}

/* Whether an ICMP message quotes a packet that its receiver is to be told about. */
static __always_inline bool packet_is_icmp_error(const struct packet *packet, __u8 type)
{
	if (packet->family == SVC_FAMILY_IPV4) /* unreachable, source quench, time, parameter */
		return type == 3 || type == 4 || type == 11 || type == 12;
	return type >= 1 && type <= 4; /* unreachable, too big, time exceeded, parameter */
}

static __always_inline int packet_quoted_ipv4(void *data, void *data_end, struct packet *packet)
{
	struct iphdr *ip = packet_at(data, packet->inner_l3_off);

	if ((void *)(ip + 1) > data_end)
		return -EAGAIN;
	if (ip->version != 4 || ip->ihl < 5)
		return -EINVAL;
	if (!packet_is_ours(ip->protocol) || (ip->frag_off & bpf_htons(IPV4_OFFSET_MASK)))
		return -ENOENT;
	packet_set_ipv4(&packet->dst, ip->saddr);
	packet_set_ipv4(&packet->src, ip->daddr);
	packet_set_protocol(packet, ip->protocol);
	packet->inner_l4_off = packet->inner_l3_off + ip->ihl * 4;
	return 0;
}

static __always_inline int packet_quoted_ipv6(void *data, void *data_end, struct packet *packet)
{
	struct packet_walk walk = {};
	struct ipv6hdr *ip;
	int r = packet_begin_ipv6(data, data_end, packet->inner_l3_off, &walk, &ip);

	if (r < 0)
		return r;
	packet_set_ipv6(&packet->dst, &ip->saddr);
	packet_set_ipv6(&packet->src, &ip->daddr);
	r = packet_walk_ipv6(data, data_end, &walk);
	if (r < 0)
		return r;
	if (!packet_is_ours(walk.protocol) || (walk.flags & PACKET_F_FRAGMENT))
		return -ENOENT;
	packet_set_protocol(packet, walk.protocol);
	packet->inner_l4_off = walk.off;
	return 0;
}

/* An ICMP message whose header is at l4_off: if it is an error, take the quoted packet's tuple. */
static __always_inline int packet_parse_icmp(void *data, void *data_end, struct packet *packet)
{
	__u8 *icmp = packet_at(data, packet->l4_off);
	int r;

	if ((void *)icmp + PACKET_L4_BYTES > data_end)
		return -EAGAIN;
	/* nobody fragments errors, which are small, and the rest of it would not be translated */
	if (!packet_is_icmp_error(packet, icmp[0]) ||
	    (packet->flags & (PACKET_F_FIRST_FRAGMENT | PACKET_F_FRAGMENT)))
		return -ENOENT;
	packet->flags |= PACKET_F_ICMP_ERROR;
	packet->inner_l3_off = packet->l4_off + PACKET_L4_BYTES;
	r = packet->family == SVC_FAMILY_IPV4 ? packet_quoted_ipv4(data, data_end, packet)
					      : packet_quoted_ipv6(data, data_end, packet);
	if (r < 0)
		return r;
	return packet_set_ports(data, data_end, packet->inner_l4_off, true, packet);
}

/* What follows the IP header and its options, which are known by now. */
static __always_inline int packet_parse_transport(void *data, void *data_end, struct packet *packet)
{
	__u8 icmp = packet->family == SVC_FAMILY_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (packet->l4_protocol == icmp)
		return packet_parse_icmp(data, data_end, packet);
	if (!packet_is_ours(packet->l4_protocol))
		return -ENOENT;
	packet_set_protocol(packet, packet->l4_protocol);
	if (packet->flags & PACKET_F_FRAGMENT)
		return 0;
	return packet_set_ports(data, data_end, packet->l4_off, false, packet);
}

/* IPv4 with options, fragments, ICMP, and all that is wrong. */
static __noinline int packet_parse_ipv4_slow(void *data, void *data_end, struct packet *packet)
{
	struct iphdr *ip = packet_at(data, packet->l3_off);
	__u16 fragment;

	if ((void *)(ip + 1) > data_end)
		return -EAGAIN;
	if (ip->version != 4 || ip->ihl < 5)
		return -EINVAL;
	fragment = bpf_ntohs(ip->frag_off);
	if (fragment & IPV4_OFFSET_MASK)
		packet->flags = PACKET_F_FRAGMENT;
	else if (fragment & IPV4_MORE)
		packet->flags = PACKET_F_FIRST_FRAGMENT;
	if (packet->flags)
		packet->frag_id = (__u32)ip->id;
	packet_set_ipv4(&packet->src, ip->saddr);
	packet_set_ipv4(&packet->dst, ip->daddr);
	packet->l4_protocol = ip->protocol;
	packet->l4_off = packet->l3_off + ip->ihl * 4;
	return packet_parse_transport(data, data_end, packet);
}

/* IPv6 with extension headers, ICMPv6, and all that is wrong. */
static __noinline int packet_parse_ipv6_slow(void *data, void *data_end, struct packet *packet)
{
	struct packet_walk walk = {};
	struct ipv6hdr *ip;
	int r = packet_begin_ipv6(data, data_end, packet->l3_off, &walk, &ip);

	if (r < 0)
		return r;
	packet_set_ipv6(&packet->src, &ip->saddr);
	packet_set_ipv6(&packet->dst, &ip->daddr);
	r = packet_walk_ipv6(data, data_end, &walk);
	if (r < 0)
		return r;
	packet->l4_off = walk.off;
	packet->l4_protocol = walk.protocol;
	packet->flags = walk.flags;
	packet->frag_id = walk.frag_id;
	return packet_parse_transport(data, data_end, packet);
}

/* Without options or fragments, in a few instructions. Return: 1: look more closely; 0 else. */
static __always_inline int packet_parse_ipv4(void *data, void *data_end, struct packet *packet)
{
	struct iphdr *ip = data + packet->l3_off;
	__be16 *ports = (void *)(ip + 1);

	if ((void *)ports + PACKET_L4_BYTES > data_end)
		return 1;
	if (*(__u8 *)ip != 0x45 || (ip->frag_off & bpf_htons(IPV4_OFFSET_MASK | IPV4_MORE)) ||
	    !packet_is_ours(ip->protocol))
		return 1;
	packet_set_ipv4(&packet->src, ip->saddr);
	packet_set_ipv4(&packet->dst, ip->daddr);
	packet->src.port = ports[0];
	packet->dst.port = ports[1];
	packet->l4_off = packet->l3_off + sizeof(*ip);
	packet->l4_protocol = ip->protocol;
	packet_set_protocol(packet, ip->protocol);
	return 0;
}

static __always_inline int packet_parse_ipv6(void *data, void *data_end, struct packet *packet)
{
	struct ipv6hdr *ip = data + packet->l3_off;
	__be16 *ports = (void *)(ip + 1);

	if ((void *)ports + PACKET_L4_BYTES > data_end)
		return 1;
	if (ip->version != 6 || !packet_is_ours(ip->nexthdr))
		return 1;
	packet_set_ipv6(&packet->src, &ip->saddr);
	packet_set_ipv6(&packet->dst, &ip->daddr);
	packet->src.port = ports[0];
	packet->dst.port = ports[1];
	packet->l4_off = packet->l3_off + sizeof(*ip);
	packet->l4_protocol = ip->nexthdr;
	packet_set_protocol(packet, ip->nexthdr);
	return 0;
}

/**
 * packet_parse_quick() - packet_parse() of what most packets are: no options, no extension headers,
 * no fragments, not ICMP, headers in the linear data. Arguments: packet_parse().
 * Return: 0; 1: ask packet_parse().
 */
static __always_inline int packet_parse_quick(void *data, void *data_end, __u32 l3_off, __u8 family,
					      struct packet *ret)
{
	__builtin_memset(ret, 0, sizeof(*ret));
	ret->l3_off = l3_off;
	ret->family = family;
	ret->src.family = family;
	ret->dst.family = family;
	return family == SVC_FAMILY_IPV4 ? packet_parse_ipv4(data, data_end, ret)
					 : packet_parse_ipv6(data, data_end, ret);
}

/**
 * packet_parse() - first stage: whose packet this is.
 * @data, @data_end: of the context; they stay valid.
 * @l3_off: of the IP header, a constant.
 * @family: SVC_FAMILY_*, by the protocol of the link layer, a constant.
 *
 * Fills in all of @ret; len_bytes, tcp_flags, ttl and PACKET_F_DF are packet_inspect()'s and 0.
 * Return: 0; negative errno as above, and then only the addresses in @ret may mean anything: those
 * of the outer header as far as it was read, else 0.
 */
static __always_inline int packet_parse(void *data, void *data_end, __u32 l3_off, __u8 family,
					struct packet *ret)
{
	if (!packet_parse_quick(data, data_end, l3_off, family, ret))
		return 0;
	return family == SVC_FAMILY_IPV4 ? packet_parse_ipv4_slow(data, data_end, ret)
					 : packet_parse_ipv6_slow(data, data_end, ret);
}

/*
 * The length by the IP header: 0 there stands for more than its 16 bits can say, in packets the
 * kernel has joined or not yet split ("BIG TCP").
 */
static __always_inline int packet_inspect_ip(void *data, void *data_end, __u32 n_bytes,
					     struct packet *packet)
{
	__u32 len;

	if (packet->family == SVC_FAMILY_IPV4) {
		struct iphdr *ip = packet_at(data, packet->l3_off);

		if ((void *)(ip + 1) > data_end)
			return -EAGAIN;
		len = bpf_ntohs(ip->tot_len);
		packet->ttl = ip->ttl;
		if (ip->frag_off & bpf_htons(IPV4_DF))
			packet->flags |= PACKET_F_DF;
	} else {
		struct ipv6hdr *ip = packet_at(data, packet->l3_off);

		if ((void *)(ip + 1) > data_end)
			return -EAGAIN;
		len = bpf_ntohs(ip->payload_len);
		len = len || n_bytes <= 0xffff + sizeof(*ip) ? len + sizeof(*ip) : 0;
		packet->ttl = ip->hop_limit;
	}
	if (!len && n_bytes > 0xffff)
		len = n_bytes;
	if (len > n_bytes)
		return -EINVAL;
	packet->len_bytes = len < 0xffff ? len : 0xffff;
	return 0;
}

/* The TCP header at l4_off, of which @n_bytes are left in the packet. */
static __always_inline int packet_inspect_tcp(void *data, void *data_end, __u32 n_bytes,
					      struct packet *packet)
{
	__u8 *tcp = packet_at(data, packet->l4_off);
	__u32 len;

	if (n_bytes < sizeof(struct tcphdr))
		return -EINVAL;
	if ((void *)tcp + sizeof(struct tcphdr) > data_end)
		return -EAGAIN;
	len = tcp[12] >> 4 << 2;
	/* the options of a first fragment may go on in the next */
	if (len < sizeof(struct tcphdr) ||
	    (len > n_bytes && !(packet->flags & PACKET_F_FIRST_FRAGMENT)))
		return -EINVAL;
	packet->tcp_flags = tcp[13];
	return 0;
}

static __always_inline int packet_inspect_udp(void *data, void *data_end, __u32 n_bytes,
					      struct packet *packet)
{
	struct udphdr *udp = packet_at(data, packet->l4_off);
	__u32 len;

	if (n_bytes < sizeof(*udp))
		return -EINVAL;
	if ((void *)(udp + 1) > data_end)
		return -EAGAIN;
	len = bpf_ntohs(udp->len);
	if (len < sizeof(*udp) || (len > n_bytes && !(packet->flags & PACKET_F_FIRST_FRAGMENT)))
		return -EINVAL;
	return 0;
}

/**
 * packet_inspect() - second stage: lengths, TTL and TCP flags of a packet that packet_parse() read.
 * @n_bytes: of all data from the start of the link layer header, what is not linear included
 *	(skb->len).
 *
 * Return: 0; -EAGAIN, -EINVAL as above.
 */
static __always_inline int packet_inspect(void *data, void *data_end, __u32 n_bytes,
					  struct packet *packet)
{
	__u32 l4_bytes, header = packet->l4_off - packet->l3_off;
	int r;

	r = packet_inspect_ip(data, data_end, n_bytes - packet->l3_off, packet);
	if (r < 0)
		return r;
	if (packet->len_bytes <= header)
		return -EINVAL;
	l4_bytes = packet->len_bytes - header;
	if (packet->flags & PACKET_F_FRAGMENT)
		return 0;
	if (packet->flags & PACKET_F_ICMP_ERROR) {
		__u32 quoted = packet->inner_l4_off - packet->l4_off + PACKET_PORTS_BYTES;

		return l4_bytes < quoted ? -EINVAL : 0;
	}
	if (packet->protocol == IPPROTO_TCP)
		return packet_inspect_tcp(data, data_end, l4_bytes, packet);
	if (packet->protocol == IPPROTO_UDP)
		return packet_inspect_udp(data, data_end, l4_bytes, packet);
	return l4_bytes < sizeof(struct sctphdr) ? -EINVAL : 0;
}

/** packet_pull() - make the headers linear at tc, after -EAGAIN; data pointers are read anew. */
static __always_inline int packet_pull(struct __sk_buff *skb)
{
	__u32 len = skb_load(skb, len);

	return (int)bpf_skb_pull_data(skb, len < PACKET_PULL_BYTES ? len : PACKET_PULL_BYTES);
}

#endif
