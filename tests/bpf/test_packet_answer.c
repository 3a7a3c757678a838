/* SPDX-License-Identifier: Apache-2.0 */
/* bpf/lib/answer.h: what a packet is made into, so that its sender hears of it. */
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

static const char *router(size_t i)
{
	return shape_is_ipv6(i) ? "fd00:ffff::1" : "198.51.100.1";
}

static void set_from(size_t i)
{
	struct endpoint from = probe_endpoint(router(i), 0, 0);

	memcpy(&probe->bss->probe_to.src, &from, sizeof(from));
}

static bool is_answered(size_t i)
{
	return !(shapes[i].flags & PACKET_F_FRAGMENT);
}

/* From the address @src to that of the packet's sender, with nothing wrong, back where it came
 * from. */
static void expect_headers(const char *src, const char *dst, uint8_t protocol, const char *what)
{
	const unsigned char *ip = out.data + FRAME_L3;
	bool is_ipv6 = strchr(src, ':');
	unsigned char addr[16];
	size_t n = is_ipv6 ? 16 : 4;

	cr_assert_eq(probe->bss->probe_result, 0, "%s: %d", what, probe->bss->probe_result);
	frame_verify(&out, what);
	cr_expect_arr_eq(out.data, in.data + 6, 6, "%s: receiver", what);
	cr_expect_arr_eq(out.data + 6, in.data, 6, "%s: sender", what);
	cr_expect_arr_eq(out.data + 12, in.data + 12, 2, "%s: Ethernet type", what);
	cr_assert_eq(inet_pton(is_ipv6 ? AF_INET6 : AF_INET, src, addr), 1);
	cr_expect_arr_eq(ip + (is_ipv6 ? 8 : 12), addr, n, "%s: source", what);
	cr_assert_eq(inet_pton(is_ipv6 ? AF_INET6 : AF_INET, dst, addr), 1);
	cr_expect_arr_eq(ip + (is_ipv6 ? 24 : 16), addr, n, "%s: destination", what);
	cr_expect_eq(ip[is_ipv6 ? 6 : 9], protocol, "%s: protocol", what);
	cr_expect_eq(ip[is_ipv6 ? 7 : 8], 64, "%s: TTL", what);
	cr_expect_eq(ip[0], is_ipv6 ? 0x60 : 0x45, "%s: first byte", what);
}

TestSuite(answer, .init = open_probe, .fini = close_probe);

/* RFC 9293 3.10.7.1: what a segment to a closed connection is answered with. */
static const struct {
	uint32_t seq;
	uint32_t ack;
	uint32_t wanted_seq;
	uint32_t wanted_ack;
	int result;
	uint8_t flags;
	uint8_t n_payload;
	uint8_t wanted_flags;
} segments[] = {
	{1000, 0, 0, 1001, 0, FLAG_SYN, 0, FLAG_RST | FLAG_ACK},
	{0xffffffff, 0, 0, 0, 0, FLAG_SYN, 0, FLAG_RST | FLAG_ACK},
	{1000, 0, 0, 1011, 0, FLAG_SYN, 10, FLAG_RST | FLAG_ACK},
	{1000, 77, 77, 0, 0, FLAG_SYN | FLAG_ACK, 0, FLAG_RST},
	{1000, 77, 77, 0, 0, FLAG_ACK, 0, FLAG_RST},
	{1000, 0x80000000, 0x80000000, 0, 0, FLAG_ACK, 100, FLAG_RST},
	{1000, 77, 77, 0, 0, FLAG_FIN | FLAG_ACK, 0, FLAG_RST},
	{1000, 0, 0, 1006, 0, FLAG_FIN, 5, FLAG_RST | FLAG_ACK},
	{1000, 0, 0, 1000, 0, 0, 0, FLAG_RST | FLAG_ACK},
	{1000, 0, 0, 0, -EPERM, FLAG_RST, 0, 0},
	{1000, 77, 0, 0, -EPERM, FLAG_RST | FLAG_ACK, 0, 0},
};

static void expect_reset(size_t s, const struct packet_spec *spec, const char *what)
{
	size_t l4 = FRAME_L3 + (strchr(spec->src, ':') ? 40 : 20);

	cr_assert_eq(probe->bss->probe_result, segments[s].result, "%s, segment %zu: %d", what, s,
		     probe->bss->probe_result);
	if (segments[s].result)
		return;
	expect_headers(spec->dst, spec->src, IPPROTO_TCP, what);
	cr_expect_eq(out.n, l4 + 20, "%s: %zu bytes", what, out.n);
	cr_expect_eq(get16(out.data + l4), spec->dport);
	cr_expect_eq(get16(out.data + l4 + 2), spec->sport);
	cr_expect_eq(get32(out.data + l4 + 4), segments[s].wanted_seq, "segment %zu", s);
	cr_expect_eq(get32(out.data + l4 + 8), segments[s].wanted_ack, "segment %zu", s);
	cr_expect_eq(out.data[l4 + 12], 0x50);
	cr_expect_eq(out.data[l4 + 13], segments[s].wanted_flags, "segment %zu", s);
	cr_expect_eq(get32(out.data + l4 + 14) >> 16, 0, "window");
}

Test(answer, tcp_is_reset)
{
	struct packet_spec spec;
	size_t i, s;

	for (i = 0; i < N_SHAPES; i++)
		for (s = 0; s < sizeof(segments) / sizeof(segments[0]); s++) {
			spec = shapes[i].spec;
			if (spec.protocol != IPPROTO_TCP || !is_answered(i))
				continue;
			spec.flags = segments[s].flags;
			spec.seq = segments[s].seq;
			spec.ack = segments[s].ack;
			spec.n_payload = segments[s].n_payload;
			packet_build(&spec, &in);
			memset(in.data + in.n, 0xee, 6); /* padding is not answered */
			in.n += s % 2 ? 6 : 0;
			probe_run(probe->progs.reset, &in, &out);
			expect_reset(s, &spec, shapes[i].what);
		}
}

Test(answer, only_whole_tcp_segments_are_reset)
{
	struct packet_spec first = {V4, .protocol = IPPROTO_TCP, .flags = FLAG_SYN, .n_payload = 80,
				    .fragment_bytes = 40};
	size_t i;

	for (i = 0; i < N_SHAPES; i++) {
		if (shapes[i].spec.protocol == IPPROTO_TCP && is_answered(i))
			continue;
		packet_build(&shapes[i].spec, &in);
		probe_run(probe->progs.reset, &in, &out);
		cr_expect_eq(probe->bss->probe_result, -EPERM, "%s", shapes[i].what);
		cr_expect_eq(out.n, in.n);
		cr_expect_arr_eq(out.data, in.data, in.n, "%s", shapes[i].what);
	}
	packet_build(&first, &in);
	probe_run(probe->progs.reset, &in, &out);
	cr_expect_eq(probe->bss->probe_result, -EPERM);
}

/* The ICMP message that answers in, which is of the shape @i with @n bytes. */
static void expect_icmp(size_t i, size_t n, uint32_t type_code, uint32_t info)
{
	bool is_ipv6 = shape_is_ipv6(i);
	size_t header = is_ipv6 ? 40 : 20, most = is_ipv6 ? 1280 : 576;
	const unsigned char *icmp = out.data + FRAME_L3 + header;
	size_t quoted = n - FRAME_L3;

	if (quoted > most - header - 8)
		quoted = most - header - 8;
	expect_headers(router(i), shapes[i].spec.src, is_ipv6 ? PROTO_ICMP6 : IPPROTO_ICMP,
		       shapes[i].what);
	cr_assert_eq(out.n, FRAME_L3 + header + 8 + quoted, "%s: %zu bytes", shapes[i].what, out.n);
	cr_expect_eq(get16(icmp), type_code, "%s: type", shapes[i].what);
	cr_expect_eq(get32(icmp + 4), info, "%s: second word", shapes[i].what);
	cr_expect_arr_eq(icmp + 8, in.data + FRAME_L3, quoted, "%s: quote", shapes[i].what);
}

static void expect_answers(size_t i, const struct packet_spec *spec, unsigned int gso_size)
{
	bool is_ipv6 = shape_is_ipv6(i);
	size_t n;

	packet_build(spec, &in);
	n = in.n;
	memset(in.data + n, 0xee, 6);
	in.n += spec->n_payload % 2 ? 6 : 0;
	set_from(i);
	probe_run_gso(probe->progs.unreachable, &in, gso_size, &out);
	expect_icmp(i, n, is_ipv6 ? 0x0104 : 0x0303, 0);
	probe_run_gso(probe->progs.expired, &in, gso_size, &out);
	expect_icmp(i, n, is_ipv6 ? 0x0300 : 0x0b00, 0);
	probe_run_gso(probe->progs.too_big, &in, gso_size, &out);
	expect_icmp(i, n, is_ipv6 ? 0x0200 : 0x0304, 1300);
}

/* As after a time without errors. */
static void fill_budget(void)
{
	static struct frame none;

	packet_build(&shapes[0].spec, &none);
	probe_run(probe->progs.refill, &none, &out);
}

Test(answer, every_shape_is_quoted)
{
	size_t i;

	for (i = 0; i < N_SHAPES; i++) {
		if (!is_answered(i))
			continue;
		fill_budget();
		expect_answers(i, &shapes[i].spec, 0);
	}
}

Test(answer, quotes_end_at_the_limit)
{
	static const size_t sizes[] = {0,   1,	 2,   3,   29,	 31,   519,  520,  521,
				       522, 523, 524, 548, 1183, 1184, 1185, 1500, 2001};
	struct packet_spec spec;
	size_t i, s;

	for (i = 0; i < N_SHAPES; i++)
		for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			spec = shapes[i].spec;
			if (shapes[i].flags & (PACKET_F_FRAGMENT | PACKET_F_FIRST_FRAGMENT))
				continue;
			spec.n_payload = sizes[s];
			if (s % 8 == 0)
				fill_budget();
			expect_answers(i, &spec, 0);
		}
}

/* What is to be split is answered like the packet it would have been, and is not split any more. */
Test(answer, gso_packets_are_answered)
{
	struct packet_spec spec;
	size_t i;

	for (i = 0; i < N_SHAPES; i++) {
		spec = shapes[i].spec;
		if (shapes[i].flags & (PACKET_F_FRAGMENT | PACKET_F_FIRST_FRAGMENT))
			continue;
		spec.n_payload = 2500;
		fill_budget();
		expect_answers(i, &spec, 1000);
		if (spec.protocol != IPPROTO_TCP)
			continue;
		spec.flags = FLAG_ACK;
		spec.ack = 77;
		packet_build(&spec, &in);
		probe_run_gso(probe->progs.reset, &in, 1000, &out);
		expect_reset(4, &spec, shapes[i].what);
	}
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e) */
Test(answer, some_packets_are_never_answered)
{
	static const struct {
		struct packet_spec spec;
		unsigned char mac;
	} cases[] = {
		{{.src = "0.0.0.0", .dst = "10.0.0.1", .protocol = IPPROTO_UDP}, 2},
		{{.src = "255.255.255.255", .dst = "10.0.0.1", .protocol = IPPROTO_UDP}, 2},
		{{.src = "224.0.0.1", .dst = "10.0.0.1", .protocol = IPPROTO_UDP}, 2},
		{{.src = "10.0.0.2", .dst = "224.0.0.1", .protocol = IPPROTO_UDP}, 2},
		{{.src = "10.0.0.2", .dst = "255.255.255.255", .protocol = IPPROTO_UDP}, 2},
		{{.src = "10.0.0.2", .dst = "10.0.0.1", .protocol = IPPROTO_UDP}, 0xff},
		{{.src = "10.0.0.2", .dst = "10.0.0.1", .protocol = IPPROTO_TCP}, 0xff},
		{{.src = "10.0.0.2", .dst = "10.0.0.1", .protocol = IPPROTO_UDP}, 1},
		{{.src = "::", .dst = "fd00::1", .protocol = IPPROTO_UDP}, 2},
		{{.src = "ff02::1", .dst = "fd00::1", .protocol = IPPROTO_UDP}, 2},
		{{.src = "fd00::2", .dst = "ff02::1", .protocol = IPPROTO_UDP}, 2},
	};
	const struct bpf_program *programs[] = {probe->progs.unreachable, probe->progs.expired,
						probe->progs.too_big, probe->progs.reset};
	size_t i, p;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		packet_build(&cases[i].spec, &in);
		in.data[0] = cases[i].mac;
		if (cases[i].mac == 0xff)
			memset(in.data, 0xff, 6);
		for (p = 0; p < 4; p++) {
			probe_run(programs[p], &in, &out);
			cr_expect_eq(probe->bss->probe_result, -EPERM, "case %zu, program %zu: %d",
				     i, p, probe->bss->probe_result);
			cr_expect_arr_eq(out.data, in.data, in.n);
		}
	}
	for (i = 0; i < N_SHAPES; i++) {
		if (is_answered(i))
			shape_build_error(&shapes[i].spec, router(i), shape_is_ipv6(i) ? 1 : 3, 0,
					  &in);
		else
			packet_build(&shapes[i].spec, &in);
		for (p = 0; p < 4; p++) {
			probe_run(programs[p], &in, &out);
			cr_expect_eq(probe->bss->probe_result, -EPERM, "%s", shapes[i].what);
			cr_expect_arr_eq(out.data, in.data, in.n);
		}
	}
}

/* Too many errors are not sent; those about a packet's size are. */
Test(answer, errors_are_limited)
{
	struct packet_spec spec = {V4, .protocol = IPPROTO_UDP};
	unsigned int n, n_sent = 0;

	packet_build(&spec, &in);
	set_from(0);
	fill_budget();
	for (n = 0; n < 20000; n++) {
		probe_run(probe->progs.unreachable, &in, &out);
		cr_assert(probe->bss->probe_result == 0 || probe->bss->probe_result == -EBUSY);
		n_sent += probe->bss->probe_result == 0;
	}
	cr_expect_geq(n_sent, 50u);
	cr_expect_lt(n_sent, 10000u);
	probe_run(probe->progs.too_big, &in, &out);
	cr_expect_eq(probe->bss->probe_result, 0);
}
