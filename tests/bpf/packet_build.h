/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets for tests of the packet path: made byte by byte from a description, and checked byte by
 * byte, with code of its own that shares nothing with what it tests.
 */
#ifndef SVCBPF_TESTS_PACKET_BUILD_H
#define SVCBPF_TESTS_PACKET_BUILD_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FRAME_MAX   4096u
#define FRAME_L3    14u
#define FLAG_FIN    0x01u
#define FLAG_SYN    0x02u
#define FLAG_RST    0x04u
#define FLAG_ACK    0x10u
#define EXT_HOP	    0
#define EXT_ROUTE   43
#define EXT_FRAG    44
#define EXT_AH	    51
#define EXT_NONE    59
#define EXT_DEST    60
#define EXTS_MAX    10
#define PROTO_ICMP6 58

/**
 * struct packet_spec - a packet to be made.
 * @src, @dst: addresses; the family is theirs.
 * @protocol: IPPROTO_*; ICMP and ICMPv6 make an echo request, or what @icmp_type says.
 * @flags: of TCP.  @seq, @ack: of TCP.
 * @n_payload: bytes behind the transport header.
 * @n_options: of IPv4, a multiple of 4.  @n_tcp_options: the same of TCP.
 * @exts: IPv6 extension headers, in order, @n_exts of them; each is 8 * (1 + @ext_units) bytes.
 * @segments_left: of a routing header.
 * @fragment_at: byte of the IP payload where a fragment begins.  @fragment_bytes: its length; 0:
 *not a fragment. What follows the first of IPv6's per-fragment headers is cut.
 * @no_check: UDP without checksum.
 * @quoted: an ICMP error about these bytes, which begin with an IP header; @n_quoted of them.
 */
struct packet_spec {
	const char *src;
	const char *dst;
	const unsigned char *quoted;
	size_t n_quoted;
	size_t n_payload;
	size_t fragment_at;
	size_t fragment_bytes;
	uint32_t seq;
	uint32_t ack;
	uint32_t frag_id;
	uint32_t icmp_info;
	uint16_t sport;
	uint16_t dport;
	uint8_t protocol;
	uint8_t flags;
	uint8_t ttl;
	uint8_t n_options;
	uint8_t n_tcp_options;
	uint8_t exts[EXTS_MAX];
	uint8_t n_exts;
	uint8_t ext_units;
	uint8_t segments_left;
	uint8_t icmp_type;
	uint8_t icmp_code;
	bool dont_fragment;
	bool no_check;
};

/** struct frame - an Ethernet frame. @l4: where the transport header begins. */
struct frame {
	unsigned char data[FRAME_MAX];
	size_t n;
	size_t l4;
};

static inline void put16(unsigned char *at, uint32_t value)
{
	at[0] = value >> 8 & 0xff;
	at[1] = value & 0xff;
}

static inline void put32(unsigned char *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static inline uint32_t get16(const unsigned char *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t get32(const unsigned char *at)
{
	return get16(at) << 16 | get16(at + 2);
}

/** sum16() - RFC 1071, in network order, not folded. */
static inline uint64_t sum16(uint64_t sum, const unsigned char *at, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		sum += i % 2 ? at[i] : (uint64_t)at[i] << 8;
	return sum;
}

static inline uint16_t sum16_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/** frame_is_ipv6() - by the IP header. */
static inline bool frame_is_ipv6(const unsigned char *ip)
{
	return ip[0] >> 4 == 6;
}

/** sum16_pseudo() - of the pseudo header to @n bytes of @protocol under the IP header @ip. */
static inline uint64_t sum16_pseudo(const unsigned char *ip, uint8_t protocol, size_t n)
{
	uint64_t sum = frame_is_ipv6(ip) ? sum16(0, ip + 8, 32) : sum16(0, ip + 12, 8);

	return sum + protocol + (n >> 16) + (n & 0xffff);
}

static inline size_t build_tcp(unsigned char *at, const struct packet_spec *spec)
{
	put16(at, spec->sport);
	put16(at + 2, spec->dport);
	put32(at + 4, spec->seq);
	put32(at + 8, spec->ack);
	at[12] = (unsigned char)((20 + spec->n_tcp_options) / 4 << 4);
	at[13] = spec->flags;
	put16(at + 14, 64240);
	memset(at + 20, 1, spec->n_tcp_options);
	return 20u + spec->n_tcp_options;
}

static inline size_t build_icmp(unsigned char *at, const struct packet_spec *spec)
{
	at[0] = spec->icmp_type;
	at[1] = spec->icmp_code;
	put32(at + 4, spec->icmp_info);
	if (spec->quoted)
		memcpy(at + 8, spec->quoted, spec->n_quoted);
	return 8 + (spec->quoted ? spec->n_quoted : 0);
}

/* The transport header and payload, the checksum still missing. Return: bytes. */
static inline size_t build_transport(unsigned char *at, const struct packet_spec *spec)
{
	size_t n = 8, i;

	if (spec->protocol == IPPROTO_TCP) {
		n = build_tcp(at, spec);
	} else if (spec->protocol == IPPROTO_ICMP || spec->protocol == PROTO_ICMP6) {
		n = build_icmp(at, spec);
	} else {
		put16(at, spec->sport);
		put16(at + 2, spec->dport);
		put32(at + 4, spec->protocol == IPPROTO_UDP ? (8 + (uint32_t)spec->n_payload) << 16
							    : 0x1badcafe);
		if (spec->protocol == IPPROTO_SCTP) {
			put32(at + 8, 0x600dbeef); /* a CRC of all that is behind: left as it is */
			n = 12;
		}
	}
	for (i = 0; i < spec->n_payload; i++)
		at[n + i] = (unsigned char)(i * 7 + 1);
	return n + spec->n_payload;
}

/** check_offset() - of the checksum in a transport header; 0: none we know. */
static inline size_t check_offset(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case PROTO_ICMP6:
		return 2;
	default:
		return 0;
	}
}

static inline void build_check(const unsigned char *ip, unsigned char *at, size_t n,
			       const struct packet_spec *spec)
{
	size_t offset = check_offset(spec->protocol);
	uint64_t sum;
	uint16_t check;

	if (!offset || (spec->no_check && spec->protocol == IPPROTO_UDP))
		return;
	sum = spec->protocol == IPPROTO_ICMP ? 0 : sum16_pseudo(ip, spec->protocol, n);
	check = (uint16_t)~sum16_fold(sum16(sum, at, n));
	put16(at + offset, spec->protocol == IPPROTO_UDP && !check ? 0xffff : check);
}

static inline size_t build_ipv4(unsigned char *ip, const struct packet_spec *spec)
{
	size_t n = 20u + spec->n_options;

	ip[0] = (unsigned char)(0x40 | n / 4);
	put16(ip + 4, spec->frag_id);
	put16(ip + 6, spec->dont_fragment ? 0x4000 : 0);
	ip[8] = spec->ttl ? spec->ttl : 64;
	ip[9] = spec->protocol;
	cr_assert_eq(inet_pton(AF_INET, spec->src, ip + 12), 1);
	cr_assert_eq(inet_pton(AF_INET, spec->dst, ip + 16), 1);
	memset(ip + 20, 1, spec->n_options);
	return n;
}

static inline size_t build_ipv6(unsigned char *ip, const struct packet_spec *spec)
{
	unsigned char *next = ip + 6, *at = ip + 40;
	size_t i;

	ip[0] = 0x60;
	ip[7] = spec->ttl ? spec->ttl : 64;
	cr_assert_eq(inet_pton(AF_INET6, spec->src, ip + 8), 1);
	cr_assert_eq(inet_pton(AF_INET6, spec->dst, ip + 24), 1);
	for (i = 0; i < spec->n_exts; i++) {
		*next = spec->exts[i];
		next = at;
		if (spec->exts[i] == EXT_FRAG) {
			put32(at + 4, spec->frag_id);
			at += 8;
			continue;
		}
		at[1] = spec->ext_units;
		if (spec->exts[i] == EXT_ROUTE)
			at[3] = spec->segments_left;
		at += 8 * (1 + spec->ext_units);
	}
	*next = spec->protocol;
	return (size_t)(at - ip);
}

static inline void set_lengths(unsigned char *ip, size_t n)
{
	if (frame_is_ipv6(ip)) {
		put16(ip + 4, n - 40 > 0xffff ? 0 : (uint32_t)(n - 40));
		return;
	}
	put16(ip + 2, n > 0xffff ? 0 : (uint32_t)n);
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~sum16_fold(sum16(0, ip, (ip[0] & 15u) * 4)));
}

/* Keep only a part of what follows the IP header of @n_header bytes. */
static inline size_t cut_fragment(unsigned char *ip, size_t n_header, size_t n,
				  const struct packet_spec *spec)
{
	bool more = spec->fragment_at + spec->fragment_bytes < n;
	uint32_t offset = (uint32_t)spec->fragment_at;

	cr_assert(spec->fragment_at % 8 == 0 && spec->fragment_at + spec->fragment_bytes <= n);
	memmove(ip + n_header, ip + n_header + offset, spec->fragment_bytes);
	if (!frame_is_ipv6(ip)) {
		put16(ip + 6, offset / 8 | (more ? 0x2000 : 0));
		return n_header + spec->fragment_bytes;
	}
	cr_assert(spec->n_exts && spec->exts[spec->n_exts - 1] == EXT_FRAG);
	put16(ip + n_header - 6, offset | more);
	return n_header + spec->fragment_bytes;
}

/** packet_build() - the frame that @spec describes. */
static inline void packet_build(const struct packet_spec *spec, struct frame *ret)
{
	bool is_ipv6 = strchr(spec->src, ':');
	unsigned char *ip = ret->data + FRAME_L3;
	size_t n_header, n;

	memset(ret->data, 0, sizeof(ret->data));
	memcpy(ret->data, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01", 12);
	put16(ret->data + 12, is_ipv6 ? 0x86dd : 0x0800);
	n_header = is_ipv6 ? build_ipv6(ip, spec) : build_ipv4(ip, spec);
	n = build_transport(ip + n_header, spec);
	build_check(ip, ip + n_header, n, spec);
	ret->l4 = FRAME_L3 + n_header;
	n = spec->fragment_bytes ? cut_fragment(ip, n_header, n, spec) : n_header + n;
	set_lengths(ip, n);
	ret->n = FRAME_L3 + n;
}

/** struct walked - what a frame's headers say. @l4: from the IP header on. @is_later: than the
 * first.
 */
struct walked {
	size_t l4;
	size_t n;
	uint8_t protocol;
	bool is_fragment;
	bool is_later;
};

/** packet_walk() - read the IP headers at @ip. Return: NULL, or what is wrong. */
static inline const char *packet_walk(const unsigned char *ip, size_t n, struct walked *ret)
{
	size_t at = 40, here;
	uint8_t next;

	ret->is_fragment = ret->is_later = false;
	if (!frame_is_ipv6(ip)) {
		ret->l4 = (ip[0] & 15u) * 4;
		ret->n = get16(ip + 2);
		ret->protocol = ip[9];
		ret->is_fragment = get16(ip + 6) & 0x3fff;
		ret->is_later = get16(ip + 6) & 0x1fff;
		if (ip[0] >> 4 != 4 || ret->l4 < 20 || ret->l4 > n)
			return "IPv4 header";
		if (sum16_fold(sum16(0, ip, ret->l4)) != 0xffff)
			return "IPv4 header checksum";
		return NULL;
	}
	for (next = ip[6];
	     next == EXT_HOP || next == EXT_ROUTE || next == EXT_DEST || next == EXT_FRAG;
	     next = ip[here]) {
		here = at;
		ret->is_fragment |= next == EXT_FRAG && get16(ip + at + 2) & 0xfff9;
		ret->is_later |= next == EXT_FRAG && get16(ip + at + 2) & 0xfff8;
		at += next == EXT_FRAG ? 8 : 8 * (1u + ip[at + 1]);
		if (at > n)
			return "IPv6 headers";
	}
	ret->l4 = at;
	ret->n = 40 + get16(ip + 4);
	ret->protocol = next;
	return NULL;
}

/**
 * packet_verify() - whether every length and checksum of a packet is right.
 * @ip, @n: from the IP header to the end of the data.
 *
 * Return: NULL, or what is wrong.
 */
static inline const char *packet_verify(const unsigned char *ip, size_t n)
{
	struct walked at;
	const char *wrong = packet_walk(ip, n, &at);
	size_t offset, n_l4;
	uint64_t sum;

	if (wrong)
		return wrong;
	if (at.n > n || at.l4 > at.n)
		return "length";
	offset = check_offset(at.protocol);
	if (at.is_fragment || !offset)
		return NULL;
	n_l4 = at.n - at.l4;
	if (at.protocol == IPPROTO_UDP && get16(ip + at.l4 + 4) != n_l4)
		return "UDP length";
	if (at.protocol == IPPROTO_UDP && !get16(ip + at.l4 + offset))
		return NULL;
	sum = at.protocol == IPPROTO_ICMP ? 0 : sum16_pseudo(ip, at.protocol, n_l4);
	return sum16_fold(sum16(sum, ip + at.l4, n_l4)) == 0xffff ? NULL : "transport checksum";
}

/** frame_verify() - fail unless packet_verify() finds nothing wrong. */
static inline void frame_verify(const struct frame *frame, const char *what)
{
	const char *wrong = packet_verify(frame->data + FRAME_L3, frame->n - FRAME_L3);

	cr_assert_null(wrong, "%s: %s", what, wrong ? wrong : "");
}

#endif
