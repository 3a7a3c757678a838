/* SPDX-License-Identifier: Apache-2.0 */
/* bpf/lib/parse.h: what the headers of a packet say, and what is none of ours. */
#include <errno.h>

#include "packet_shapes.h"
#include "probe_packet.h"

static struct probe_packet_bpf *probe;
static struct frame in, out;

static void open_probe(void)
{
	probe = probe_open();
}

static void close_probe(void)
{
	probe_packet_bpf__destroy(probe);
}

static void expect_endpoint(const struct endpoint *ep, const char *addr, uint16_t port,
			    uint8_t protocol, const char *what)
{
	struct endpoint wanted = probe_endpoint(addr, port, protocol);

	cr_expect_arr_eq(ep->addr, wanted.addr, sizeof(wanted.addr), "%s: address", what);
	cr_expect_eq(ep->port, wanted.port, "%s: port", what);
	cr_expect_eq(ep->family, wanted.family, "%s: family", what);
	cr_expect_eq(ep->protocol, protocol, "%s: protocol", what);
}

static void expect_ends(const struct packet_spec *spec, bool is_fragment, bool is_swapped,
			const char *what)
{
	const struct packet *packet = &probe->bss->probe_packet;
	const struct endpoint *src = is_swapped ? &packet->dst : &packet->src;
	const struct endpoint *dst = is_swapped ? &packet->src : &packet->dst;

	expect_endpoint(src, spec->src, is_fragment ? 0 : spec->sport, spec->protocol, what);
	expect_endpoint(dst, spec->dst, is_fragment ? 0 : spec->dport, spec->protocol, what);
	cr_expect_eq(packet->protocol, spec->protocol, "%s", what);
}

/* The identification of a fragment as it lies in its header. */
static uint32_t id_as_it_lies(const struct packet_spec *spec)
{
	unsigned char bytes[4] = {0};
	uint32_t id;

	if (strchr(spec->src, ':') && spec->n_exts && spec->fragment_bytes)
		put32(bytes, spec->frag_id);
	else if (spec->fragment_bytes)
		put16(bytes, spec->frag_id);
	memcpy(&id, bytes, sizeof(id));
	return id;
}

static void expect_shape(size_t i)
{
	const struct packet *packet = &probe->bss->probe_packet;
	const struct packet_spec *spec = &shapes[i].spec;
	bool is_fragment = shapes[i].flags & PACKET_F_FRAGMENT;
	const char *what = shapes[i].what;

	cr_expect_eq(probe->bss->probe_inspected, 0, "%s: %d", what, probe->bss->probe_inspected);
	expect_ends(spec, is_fragment, false, what);
	cr_expect_eq(packet->flags, shapes[i].flags, "%s: flags %x", what, packet->flags);
	cr_expect_eq(packet->l3_off, FRAME_L3);
	cr_expect_eq(packet->l4_off, in.l4, "%s: l4_off %u", what, packet->l4_off);
	cr_expect_eq(packet->len_bytes, in.n - FRAME_L3, "%s: length", what);
	cr_expect_eq(packet->l4_protocol, spec->protocol, "%s", what);
	cr_expect_eq(packet->ttl, spec->ttl ? spec->ttl : 64, "%s: ttl", what);
	cr_expect_eq(packet->tcp_flags, is_fragment ? 0 : spec->flags, "%s: TCP flags", what);
	cr_expect_eq(packet->frag_id, id_as_it_lies(spec), "%s: id", what);
}

TestSuite(parse, .init = open_probe, .fini = close_probe);

Test(parse, what_a_packet_says_is_read)
{
	size_t i;

	for (i = 0; i < N_SHAPES; i++) {
		packet_build(&shapes[i].spec, &in);
		frame_verify(&in, shapes[i].what);
		probe_run(probe->progs.parse, &in, &out);
		expect_shape(i);
		cr_expect_eq(out.n, in.n);
		cr_expect_arr_eq(out.data, in.data, in.n, "%s: reading changes nothing",
				 shapes[i].what);
	}
}

Test(parse, padding_of_the_link_layer_is_not_part_of_it)
{
	size_t i;

	for (i = 0; i < N_SHAPES; i++) {
		packet_build(&shapes[i].spec, &in);
		memset(in.data + in.n, 0xee, 46);
		in.n += 46;
		probe_run(probe->progs.parse, &in, &out);
		in.n -= 46;
		expect_shape(i);
	}
}

/* A packet cut off anywhere is refused, and so is one that says itself that it ends there. */
static void cut_everywhere(const struct packet_spec *spec, const struct packet *whole,
			   const char *what)
{
	const struct packet *packet = &probe->bss->probe_packet;
	size_t n, n_whole;

	packet_build(spec, &in);
	n_whole = in.n;
	/* the kernel runs no test over less than an IP header where the link layer says it is one
	 */
	put16(in.data + 12, strchr(spec->src, ':') ? PROBE_TYPE_IPV6 : PROBE_TYPE_IPV4);
	for (n = FRAME_L3 + 1; n < n_whole; n++) {
		in.n = n;
		probe_run(probe->progs.parse, &in, &out);
		cr_assert(probe->bss->probe_inspected < 0, "%s cut at %zu", what, n);
		cr_assert(probe->bss->probe_parsed == 0 || probe->bss->probe_parsed == -EAGAIN,
			  "%s cut at %zu: %d", what, n, probe->bss->probe_parsed);
		if (probe->bss->probe_parsed == 0)
			cr_assert_arr_eq(&packet->src, &whole->src, 2 * sizeof(packet->src));
	}
}

Test(parse, truncated_packets_are_refused_and_never_misread)
{
	struct packet whole;
	size_t i;

	for (i = 0; i < N_SHAPES; i++) {
		packet_build(&shapes[i].spec, &in);
		probe_run(probe->progs.parse, &in, &out);
		whole = probe->bss->probe_packet;
		cut_everywhere(&shapes[i].spec, &whole, shapes[i].what);
	}
}

/* The length field says less than the headers need; the rest of the frame is there, as padding. */
Test(parse, headers_are_not_read_from_behind_the_end)
{
	size_t i, n, n_header, minimum;

	for (i = 0; i < N_SHAPES; i++) {
		const struct packet_spec *spec = &shapes[i].spec;

		packet_build(spec, &in);
		n_header = in.l4 - FRAME_L3;
		minimum = spec->protocol == IPPROTO_TCP ? 20u + spec->n_tcp_options : in.n - in.l4;
		if (spec->protocol == IPPROTO_SCTP)
			minimum = 12;
		if (shapes[i].flags & PACKET_F_FRAGMENT)
			minimum = 1;
		if (shapes[i].flags & PACKET_F_FIRST_FRAGMENT)
			minimum = 8;
		for (n = strchr(spec->src, ':') ? 40 : n_header; n < n_header + minimum; n++) {
			set_lengths(in.data + FRAME_L3, n);
			probe_run(probe->progs.parse, &in, &out);
			cr_assert_eq(probe->bss->probe_inspected, -EINVAL, "%s ends at %zu: %d",
				     shapes[i].what, n, probe->bss->probe_inspected);
		}
	}
}

/* One byte of a good packet changed, and what that makes of it. */
static const struct {
	const char *what;
	struct packet_spec spec;
	size_t at;
	unsigned char value;
	int result;
} broken[] = {
	{"version 5", {V4, .protocol = IPPROTO_TCP}, 14, 0x55, -EINVAL},
	{"version 6 as IPv4", {V4, .protocol = IPPROTO_TCP}, 14, 0x65, -EINVAL},
	{"IHL 4", {V4, .protocol = IPPROTO_TCP}, 14, 0x44, -EINVAL},
	{"IHL 0", {V4, .protocol = IPPROTO_UDP}, 14, 0x40, -EINVAL},
	{"IHL beyond the packet", {V4, .protocol = IPPROTO_UDP}, 14, 0x4f, -EAGAIN},
	{"total length beyond the frame", {V4, .protocol = IPPROTO_TCP}, 16, 1, -EINVAL},
	{"total length 0", {V4, .protocol = IPPROTO_UDP}, 17, 0, -EINVAL},
	{"data offset 4", {V4, .protocol = IPPROTO_TCP}, 46, 0x40, -EINVAL},
	{"data offset beyond the packet", {V4, .protocol = IPPROTO_TCP}, 46, 0x60, -EINVAL},
	{"UDP length 7", {V4, .protocol = IPPROTO_UDP}, 39, 7, -EINVAL},
	{"UDP length beyond the packet", {V4, .protocol = IPPROTO_UDP}, 39, 9, -EINVAL},
	{"another protocol", {V4, .protocol = IPPROTO_TCP}, 23, 50, -ENOENT},
	{"AH in IPv4", {V4, .protocol = IPPROTO_TCP}, 23, 51, -ENOENT},
	{"version 4 as IPv6", {V6, .protocol = IPPROTO_TCP}, 14, 0x45, -EINVAL},
	{"payload length beyond the frame", {V6, .protocol = IPPROTO_TCP}, 18, 1, -EINVAL},
	{"payload length 0", {V6, .protocol = IPPROTO_UDP}, 19, 0, -EINVAL},
	{"data offset 4, IPv6", {V6, .protocol = IPPROTO_TCP}, 66, 0x4f, -EINVAL},
	{"UDP length 7, IPv6", {V6, .protocol = IPPROTO_UDP}, 59, 7, -EINVAL},
	{"no next header", {V6, .protocol = IPPROTO_UDP}, 20, EXT_NONE, -ENOENT},
	{"ESP", {V6, .protocol = IPPROTO_UDP}, 20, 50, -ENOENT},
	{"AH", {V6, .protocol = IPPROTO_TCP}, 20, EXT_AH, -ENOTSUP},
	{"mobility", {V6, .protocol = IPPROTO_TCP}, 20, 135, -ENOTSUP},
	{"ICMP over IPv6", {V6, .protocol = IPPROTO_UDP, .n_payload = 8}, 20, 1, -ENOENT},
	{"extension header beyond the packet",
	 {V6, .protocol = IPPROTO_UDP, .exts = {EXT_DEST}, .n_exts = 1},
	 55,
	 9,
	 -EAGAIN},
	{"fragment of an extension header",
	 {V6, .protocol = IPPROTO_UDP, .n_payload = 100, .fragment_at = 48, .fragment_bytes = 16,
	  .exts = {EXT_FRAG}, .n_exts = 1},
	 54,
	 EXT_DEST,
	 -ENOTSUP},
	{"fragment of ICMP",
	 {V4, .protocol = IPPROTO_ICMP, .icmp_type = 3, .n_payload = 64, .fragment_at = 32,
	  .fragment_bytes = 16},
	 22,
	 64,
	 -ENOENT},
};

Test(parse, malformed_packets_are_told_from_those_of_others)
{
	size_t i;

	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		packet_build(&broken[i].spec, &in);
		in.data[broken[i].at] = broken[i].value;
		probe_run(probe->progs.parse, &in, &out);
		cr_expect_eq(probe->bss->probe_inspected, broken[i].result, "%s: %d",
			     broken[i].what, probe->bss->probe_inspected);
	}
}

Test(parse, extension_headers_have_bounds)
{
	static const struct {
		const char *what;
		struct packet_spec spec;
		int result;
	} cases[] = {
		{"seven",
		 {V6, .protocol = IPPROTO_TCP, .n_exts = 7,
		  .exts = {EXT_HOP, EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST}},
		 -ENOTSUP},
		{"too long",
		 {V6, .protocol = IPPROTO_TCP, .n_exts = 2, .exts = {EXT_HOP, EXT_DEST},
		  .ext_units = 123},
		 -ENOTSUP},
		{"a routing header that is not used up",
		 {V6, .protocol = IPPROTO_TCP, .n_exts = 1, .exts = {EXT_ROUTE},
		  .segments_left = 1},
		 -ENOTSUP},
		{"an atomic fragment",
		 {V6, .protocol = IPPROTO_TCP, .n_exts = 1, .exts = {EXT_FRAG}},
		 0},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		packet_build(&cases[i].spec, &in);
		probe_run(probe->progs.parse, &in, &out);
		cr_expect_eq(probe->bss->probe_inspected, cases[i].result, "%s: %d", cases[i].what,
			     probe->bss->probe_inspected);
	}
}

/* An error about the shape @i, @n bytes of it quoted, into in. */
static void build_error(size_t i, uint8_t type, size_t n)
{
	shape_build_error(&shapes[i].spec, shape_is_ipv6(i) ? "fe80::9" : "198.51.100.7", type, n,
			  &in);
}

Test(parse, errors_belong_to_the_packet_they_quote)
{
	const struct packet *packet = &probe->bss->probe_packet;
	size_t i, type;

	for (i = 0; i < N_SHAPES; i++) {
		bool is_ipv6 = shape_is_ipv6(i);

		for (type = 0; type < 32; type++) {
			bool is_error =
				is_ipv6 ? type >= 1 && type <= 4
					: type == 3 || type == 4 || type == 11 || type == 12;

			build_error(i, (uint8_t)type, 0);
			probe_run(probe->progs.parse, &in, &out);
			if (!is_error || (shapes[i].flags & PACKET_F_FRAGMENT)) {
				cr_expect_eq(probe->bss->probe_parsed, -ENOENT, "%s, type %zu",
					     shapes[i].what, type);
				continue;
			}
			cr_expect_eq(probe->bss->probe_inspected, 0, "%s", shapes[i].what);
			cr_expect_eq(packet->flags, PACKET_F_ICMP_ERROR);
			cr_expect_eq(packet->inner_l3_off, packet->l4_off + 8);
			expect_ends(&shapes[i].spec, false, true, shapes[i].what);
		}
	}
}

Test(parse, truncated_quotes_are_refused_and_never_misread)
{
	size_t i, n, enough, type;

	for (i = 0; i < N_SHAPES; i++) {
		if (shapes[i].flags & PACKET_F_FRAGMENT)
			continue;
		type = shape_is_ipv6(i) ? 1 : 3;
		build_error(i, (uint8_t)type, 0);
		probe_run(probe->progs.parse, &in, &out);
		enough = probe->bss->probe_packet.inner_l4_off -
			 probe->bss->probe_packet.inner_l3_off + 4u;
		for (n = 1; n < enough + 8; n++) {
			build_error(i, (uint8_t)type, n);
			if (n > in.n - FRAME_L3)
				break;
			probe_run(probe->progs.parse, &in, &out);
			if (n >= enough) {
				cr_assert_eq(probe->bss->probe_inspected, 0, "%s, %zu quoted: %d",
					     shapes[i].what, n, probe->bss->probe_inspected);
				expect_ends(&shapes[i].spec, false, true, shapes[i].what);
				continue;
			}
			cr_assert(probe->bss->probe_inspected < 0, "%s, %zu quoted", shapes[i].what,
				  n);
			memset(in.data + in.n, 0x41, 200);
			in.n += 200;
			probe_run(probe->progs.parse, &in, &out);
			cr_assert(probe->bss->probe_inspected < 0, "%s, %zu quoted, padded",
				  shapes[i].what, n);
		}
	}
}

Test(parse, what_the_kernel_joined_may_be_longer_than_its_field)
{
	static const struct {
		struct packet_spec spec;
		unsigned int gso_size, wire, len;
	} cases[] = {
		{{V4, .protocol = IPPROTO_TCP, .n_payload = 3000}, 1448, 1488, 3040},
		{{V4, .protocol = IPPROTO_TCP, .n_payload = 3000, .n_tcp_options = 12,
		  .n_options = 4},
		 1448,
		 1504,
		 3056},
		{{V6, .protocol = IPPROTO_UDP, .n_payload = 3000}, 1200, 1248, 3048},
		{{V4, .protocol = IPPROTO_UDP, .n_payload = 500}, 1200, 528, 528},
		{{V4, .protocol = IPPROTO_UDP, .n_payload = 500}, 0, 528, 528},
		{{V4, .protocol = IPPROTO_SCTP, .n_payload = 2000}, 0xffff, 0, 2032},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		packet_build(&cases[i].spec, &in);
		probe_run_gso(probe->progs.parse, &in, cases[i].gso_size, &out);
		cr_expect_eq(probe->bss->probe_inspected, 0);
		cr_expect_eq(probe->bss->probe_packet.len_bytes, cases[i].len, "case %zu", i);
		cr_expect_eq(probe->bss->probe_wire_len, cases[i].wire, "case %zu: %u", i,
			     probe->bss->probe_wire_len);
	}
}
