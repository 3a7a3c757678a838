/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes of packets that are ours, for the tests of all that is done with them. */
#ifndef SVCBPF_TESTS_PACKET_SHAPES_H
#define SVCBPF_TESTS_PACKET_SHAPES_H

#include "probe_packet.h"

#define V4 .src = "192.0.2.1", .dst = "10.96.0.10", .sport = 40001, .dport = 80
#define V6 .src = "2001:db8::1", .dst = "fd00:96::a", .sport = 40001, .dport = 80

/* Shapes that are ours, and the flags they have. */
static const struct {
	const char *what;
	struct packet_spec spec;
	uint8_t flags;
} shapes[] = {
	{"TCP", {V4, .protocol = IPPROTO_TCP, .flags = FLAG_SYN, .ttl = 3}, 0},
	{"TCP with options, payload, DF",
	 {V4, .protocol = IPPROTO_TCP, .flags = FLAG_ACK, .n_tcp_options = 40, .n_payload = 100,
	  .dont_fragment = true},
	 PACKET_F_DF},
	{"UDP", {V4, .protocol = IPPROTO_UDP, .n_payload = 1}, 0},
	{"UDP without payload", {V4, .protocol = IPPROTO_UDP}, 0},
	{"UDP without checksum",
	 {V4, .protocol = IPPROTO_UDP, .n_payload = 6, .no_check = true},
	 0},
	{"SCTP", {V4, .protocol = IPPROTO_SCTP, .n_payload = 16}, 0},
	{"IPv4 options", {V4, .protocol = IPPROTO_TCP, .n_options = 4, .flags = FLAG_RST}, 0},
	{"most IPv4 options", {V4, .protocol = IPPROTO_UDP, .n_options = 40}, 0},
	{"IPv4 first fragment",
	 {V4, .protocol = IPPROTO_UDP, .n_payload = 100, .frag_id = 0x1234, .fragment_bytes = 48},
	 PACKET_F_FIRST_FRAGMENT},
	{"IPv4 fragment in the middle, with options",
	 {V4, .protocol = IPPROTO_UDP, .n_payload = 100, .frag_id = 0x1234, .fragment_at = 48,
	  .fragment_bytes = 8, .n_options = 8},
	 PACKET_F_FRAGMENT},
	{"IPv4 last fragment",
	 {V4, .protocol = IPPROTO_TCP, .n_payload = 100, .frag_id = 0x1234, .fragment_at = 112,
	  .fragment_bytes = 8},
	 PACKET_F_FRAGMENT},
	{"TCP over IPv6", {V6, .protocol = IPPROTO_TCP, .flags = FLAG_SYN | FLAG_ACK}, 0},
	{"UDP over IPv6", {V6, .protocol = IPPROTO_UDP, .n_payload = 9}, 0},
	{"UDP over IPv6 without checksum",
	 {V6, .protocol = IPPROTO_UDP, .n_payload = 6, .no_check = true},
	 0},
	{"SCTP over IPv6", {V6, .protocol = IPPROTO_SCTP, .n_payload = 4}, 0},
	{"one extension header", {V6, .protocol = IPPROTO_TCP, .exts = {EXT_HOP}, .n_exts = 1}, 0},
	{"six extension headers",
	 {V6, .protocol = IPPROTO_UDP, .n_payload = 5,
	  .exts = {EXT_HOP, EXT_DEST, EXT_ROUTE, EXT_FRAG, EXT_DEST, EXT_DEST}, .n_exts = 6},
	 0},
	{"long extension headers",
	 {V6, .protocol = IPPROTO_TCP, .exts = {EXT_HOP, EXT_DEST}, .n_exts = 2, .ext_units = 60},
	 0},
	{"IPv6 first fragment",
	 {V6, .protocol = IPPROTO_UDP, .n_payload = 100, .frag_id = 0x12345678,
	  .fragment_bytes = 48, .exts = {EXT_HOP, EXT_FRAG}, .n_exts = 2},
	 PACKET_F_FIRST_FRAGMENT},
	{"IPv6 last fragment",
	 {V6, .protocol = IPPROTO_UDP, .n_payload = 100, .frag_id = 0x12345678, .fragment_at = 104,
	  .fragment_bytes = 4, .exts = {EXT_FRAG}, .n_exts = 1},
	 PACKET_F_FRAGMENT},
};

#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/** shape_is_ipv6() - whether shape @i is IPv6. */
static inline bool shape_is_ipv6(size_t i)
{
	return strchr(shapes[i].spec.src, ':') != NULL;
}

/**
 * shape_build_error() - an ICMP error about a packet.
 * @spec: the packet.  @from: who says so, to the packet's source.  @n: bytes quoted; 0: all.
 */
static inline void shape_build_error(const struct packet_spec *spec, const char *from, uint8_t type,
				     size_t n, struct frame *ret)
{
	static struct frame quoted;
	bool is_ipv6 = strchr(spec->src, ':');
	struct packet_spec error = {.src = from,
				    .dst = spec->src,
				    .protocol = is_ipv6 ? PROTO_ICMP6 : IPPROTO_ICMP,
				    .icmp_type = type,
				    .quoted = quoted.data + FRAME_L3,
				    .n_quoted = n};

	packet_build(spec, &quoted);
	if (!n)
		error.n_quoted = quoted.n - FRAME_L3;
	packet_build(&error, ret);
}

#endif
