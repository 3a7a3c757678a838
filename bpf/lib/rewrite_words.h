/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of a packet's headers when it gets another source and destination: the words that
 * change, for tc and XDP alike. tc writes them back by helpers (rewrite.h), XDP itself (direct.h).
 */
#ifndef SVCBPF_BPF_REWRITE_WORDS_H
#define SVCBPF_BPF_REWRITE_WORDS_H

#include "lib/packet.h"
#include "lib/sum.h"

/* flags of rewrite_all() */
#define REWRITE_F_DECREMENT_TTL                                                                    \
	0x1u /* TTL or hop limit less one; the caller saw that it is > 0                           \
	      */

#define TCP_CHECK_OFF  16u
#define UDP_CHECK_OFF  6u
#define ICMP_CHECK_OFF 2u

/**
 * struct ipv4_tail - an IPv4 header from its TTL on.
 * @ttl: and the protocol behind it.
 */
struct ipv4_tail {
	__u16 ttl;
	__u16 check;
	__be32 saddr;
	__be32 daddr;
};
_Static_assert(sizeof(struct ipv4_tail) == 12, "IPv4 header, bytes 8 to 19");

#define IPV4_TAIL_OFF	8u
#define IPV4_TAIL_WORDS 3

/* An IPv6 header from its payload length on, in words. */
#define IPV6_TAIL_OFF	4u
#define IPV6_TAIL_WORDS 9
#define IPV6_TAIL_SRC	1
#define IPV6_TAIL_DST	5

#define TCP_WORDS 5
#define UDP_WORDS 2

/**
 * struct rewrite - the headers of a packet while they are rewritten.
 * @ip: the tail of the IP header, right before @l4: so they lie in a packet without options.
 * @l4: the transport header up to its checksum.
 * @pseudo, @ports, @ttl: what is added to the addresses, the ports, and the TTL's word.
 * @has_check: there is a transport checksum that covers addresses and ports.
 */
struct rewrite {
	union {
		__be32 ip[IPV6_TAIL_WORDS];
		struct {
			__be32 before[IPV6_TAIL_WORDS - IPV4_TAIL_WORDS];
			struct ipv4_tail v4;
		};
	};
	union {
		__be32 l4[TCP_WORDS];
		__u16 l4_halves[2 * TCP_WORDS];
	};
	__u64 pseudo;
	__u64 ports;
	__u64 ttl;
	bool has_check;
};

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

/** rewrite_ipv4() - what becomes of the IPv4 header whose tail is @old. @flags: REWRITE_F_*. */
static __always_inline void rewrite_ipv4(const struct ipv4_tail *old, const struct packet *packet,
					 const struct endpoint *src, const struct endpoint *dst,
					 __u32 flags, struct rewrite *rw)
{
	rw->v4.ttl = old->ttl - (flags & REWRITE_F_DECREMENT_TTL ? bpf_htons(0x0100) : 0);
	rw->v4.saddr = rewrite_keeps(packet, &packet->src, src) ? old->saddr : src->addr[3];
	rw->v4.daddr = rewrite_keeps(packet, &packet->dst, dst) ? old->daddr : dst->addr[3];
	rw->pseudo = sum_diff32(sum_diff32(0, old->saddr, rw->v4.saddr), old->daddr, rw->v4.daddr);
	rw->ttl = sum_diff16(0, old->ttl, rw->v4.ttl);
	rw->v4.check = sum_apply(old->check, rw->pseudo + rw->ttl);
}

/** rewrite_ipv6() - the same of an IPv6 header. */
static __always_inline void rewrite_ipv6(const __be32 *old, const struct packet *packet,
					 const struct endpoint *src, const struct endpoint *dst,
					 __u32 flags, struct rewrite *rw)
{
	int i;

	__builtin_memcpy(rw->ip, old, sizeof(rw->ip));
	if (!rewrite_keeps(packet, &packet->src, src))
		__builtin_memcpy(rw->ip + IPV6_TAIL_SRC, src->addr, sizeof(src->addr));
	if (!rewrite_keeps(packet, &packet->dst, dst))
		__builtin_memcpy(rw->ip + IPV6_TAIL_DST, dst->addr, sizeof(dst->addr));
	rw->pseudo = 0;
#pragma unroll
	for (i = IPV6_TAIL_SRC; i < IPV6_TAIL_WORDS; i++)
		rw->pseudo = sum_diff32(rw->pseudo, old[i], rw->ip[i]);
	rw->ip[0] -= flags & REWRITE_F_DECREMENT_TTL ? bpf_htonl(1) : 0;
	rw->ttl = sum_diff32(0, old[0], rw->ip[0]);
}

/* Ports as they lie in a transport header: source, destination. */
static __always_inline __be32 rewrite_ports(__be16 src, __be16 dst)
{
	__be16 ports[2] = {src, dst};
	__be32 word;

	__builtin_memcpy(&word, ports, sizeof(word));
	return word;
}

static __always_inline __u32 rewrite_check_off(__u8 protocol)
{
	return protocol == IPPROTO_TCP ? TCP_CHECK_OFF : UDP_CHECK_OFF;
}

/** rewrite_check_at() - the checksum among @n words of a transport header. */
static __always_inline __u16 *rewrite_check_at(struct rewrite *rw, int n)
{
	return &rw->l4_halves[(n == TCP_WORDS ? TCP_CHECK_OFF : UDP_CHECK_OFF) / 2];
}

/**
 * rewrite_l4() - what becomes of the first @n words of a transport header, but for their checksum.
 * @n: a constant: TCP_WORDS or UDP_WORDS.
 */
static __always_inline void rewrite_l4(const __be32 *old, const struct endpoint *src,
				       const struct endpoint *dst, int n, struct rewrite *rw)
{
	__builtin_memcpy(rw->l4, old, n * sizeof(*old));
	rw->l4[0] = rewrite_ports(src->port, dst->port);
	rw->ports = sum_diff32(0, old[0], rw->l4[0]);
	rw->has_check = n == TCP_WORDS || *rewrite_check_at(rw, n);
}

/** rewrite_l4_check() - and of that, after rewrite_ipv4() or 6. @is_partial: it is a sum of the
 * pseudo header, not complemented. */
static __always_inline void rewrite_l4_check(struct rewrite *rw, int n, bool is_partial)
{
	__u16 *check = rewrite_check_at(rw, n);

	*check = is_partial ? sum_fold16(*check + rw->pseudo)
			    : sum_apply(*check, rw->pseudo + rw->ports);
	if (n == UDP_WORDS && !*check)
		*check = 0xffff;
}

#endif
