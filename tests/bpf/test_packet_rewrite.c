/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf/lib/rewrite.h: what comes out must be, byte for byte, the packet that somebody would have
 * built with these addresses and ports in the first place.
 */
#include <errno.h>
#include <stdlib.h>

#include "packet_shapes.h"
#include "probe_packet.h"

static struct probe_packet_bpf *probe;
static struct frame in, out, wanted;

static void open_probe(void)
{
	probe = probe_open();
}

static void close_probe(void)
{
	probe_packet_bpf__destroy(probe);
}

/* What becomes of the ends; NULL and 0: as they are. The first of each pair is for IPv4. */
static const struct {
	const char *what;
	const char *src[2];
	const char *dst[2];
	uint16_t sport;
	uint16_t dport;
} changes[] = {
	{.what = "nothing"},
	{.what = "destination", .dst = {"10.244.1.5", "fd00:10:244::5"}},
	{.what = "destination and port", .dst = {"10.244.1.5", "fd00:10:244::5"}, .dport = 8080},
	{.what = "source", .src = {"10.96.0.1", "fd00:96::1"}},
	{.what = "source and port", .src = {"10.96.0.1", "fd00:96::1"}, .sport = 443},
	{.what = "both ports", .sport = 1024, .dport = 65535},
	{.what = "all",
	 .src = {"172.16.0.1", "2001:db8:ffff::1"},
	 .dst = {"10.244.200.255", "fd00:10:244:ffff:ffff:ffff:ffff:ffff"},
	 .sport = 61000,
	 .dport = 1},
};

#define N_CHANGES (sizeof(changes) / sizeof(changes[0]))

/* The shape @i as the change @c makes it. */
static struct packet_spec changed(size_t i, size_t c)
{
	struct packet_spec spec = shapes[i].spec;
	int family = shape_is_ipv6(i);

	if (changes[c].src[family])
		spec.src = changes[c].src[family];
	if (changes[c].dst[family])
		spec.dst = changes[c].dst[family];
	if (changes[c].sport)
		spec.sport = changes[c].sport;
	if (changes[c].dport)
		spec.dport = changes[c].dport;
	return spec;
}

static void set_ends(const struct packet_spec *to)
{
	struct endpoint src = probe_endpoint(to->src, to->sport, to->protocol);
	struct endpoint dst = probe_endpoint(to->dst, to->dport, to->protocol);

	memcpy(&probe->bss->probe_to.src, &src, sizeof(src));
	memcpy(&probe->bss->probe_to.dst, &dst, sizeof(dst));
}

static void expect_wanted(const char *shape, const char *change)
{
	size_t at;

	cr_assert_eq(probe->bss->probe_result, 0, "%s, %s: %d", shape, change,
		     probe->bss->probe_result);
	cr_assert_eq(out.n, wanted.n, "%s, %s: length", shape, change);
	for (at = 0; at < out.n && out.data[at] == wanted.data[at]; at++)
		;
	cr_assert_eq(at, out.n, "%s, %s: byte %zu is %02x, not %02x", shape, change, at,
		     out.data[at], wanted.data[at]);
	frame_verify(&out, shape);
}

static bool is_refused(size_t i, const struct packet_spec *to)
{
	return to->protocol == IPPROTO_SCTP && !(shapes[i].flags & PACKET_F_FRAGMENT) &&
	       (to->sport != shapes[i].spec.sport || to->dport != shapes[i].spec.dport);
}

TestSuite(rewrite, .init = open_probe, .fini = close_probe);

Test(rewrite, a_packet_becomes_the_one_with_these_ends)
{
	size_t i, c;

	for (i = 0; i < N_SHAPES; i++)
		for (c = 0; c < N_CHANGES; c++) {
			struct packet_spec to = changed(i, c);

			set_ends(&to);
			packet_build(&shapes[i].spec, &in);
			packet_build(&to, &wanted);
			probe_run(probe->progs.rewrite, &in, &out);
			if (is_refused(i, &to)) {
				cr_expect_eq(probe->bss->probe_result, -ENOTSUP);
				cr_expect_arr_eq(out.data, in.data, in.n);
				continue;
			}
			expect_wanted(shapes[i].what, changes[c].what);
		}
}

Test(rewrite, back_and_forth_gives_the_same_packet)
{
	size_t i, c;

	for (i = 0; i < N_SHAPES; i++)
		for (c = 0; c < N_CHANGES; c++) {
			struct packet_spec to = changed(i, c);

			if (is_refused(i, &to))
				continue;
			packet_build(&shapes[i].spec, &wanted);
			set_ends(&to);
			probe_run(probe->progs.rewrite, &wanted, &in);
			set_ends(&shapes[i].spec);
			probe_run(probe->progs.rewrite, &in, &out);
			expect_wanted(shapes[i].what, changes[c].what);
		}
}

Test(rewrite, a_router_takes_one_off_the_ttl)
{
	static const uint8_t ttls[] = {255, 128, 64, 2, 1};
	size_t i, c, t;

	for (i = 0; i < N_SHAPES; i++)
		for (c = 0; c < N_CHANGES; c++)
			for (t = 0; t < sizeof(ttls); t++) {
				struct packet_spec from = shapes[i].spec, to = changed(i, c);

				from.ttl = ttls[t];
				to.ttl = (uint8_t)(ttls[t] - 1);
				if (is_refused(i, &to))
					continue;
				set_ends(&to);
				packet_build(&from, &in);
				packet_build(&to, &wanted);
				if (!to.ttl) /* which the builder takes for the default */
					continue;
				probe_run(probe->progs.forward, &in, &out);
				expect_wanted(shapes[i].what, "forward");
				packet_build(&from, &in);
				from.ttl = to.ttl;
				packet_build(&from, &wanted);
				probe_run(probe->progs.decrement, &in, &out);
				expect_wanted(shapes[i].what, "decrement");
			}
}

/* One of all ports gives the checksum 0, which must be written as 0xffff. */
Test(rewrite, every_port_of_udp)
{
	struct packet_spec from = shapes[2].spec, to = from;
	unsigned int port, n_ffff = 0;

	cr_assert_eq(from.protocol, IPPROTO_UDP);
	packet_build(&from, &in);
	to.dst = "10.244.1.5";
	for (port = 0; port < 65536; port++) {
		to.dport = (uint16_t)port;
		set_ends(&to);
		packet_build(&to, &wanted);
		probe_run(probe->progs.rewrite, &in, &out);
		expect_wanted("UDP", "port");
		n_ffff += get16(out.data + out.n - from.n_payload - 2) == 0xffff;
	}
	cr_expect_gt(n_ffff, 0);
}

static void random_address(unsigned int *state, bool is_ipv6, char *ret, size_t size)
{
	unsigned char bytes[16];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(rand_r(state) >> 7);
	if (rand_r(state) % 4 == 0) /* and words that are 0 or -0 */
		memset(bytes + 4 * (rand_r(state) % 4), rand_r(state) % 2 ? 0xff : 0, 4);
	if (is_ipv6 && IN6_IS_ADDR_V4MAPPED((struct in6_addr *)bytes))
		bytes[0] = 0x20;
	cr_assert_not_null(inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, bytes, ret, (socklen_t)size));
}

Test(rewrite, any_ends_at_random)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	unsigned int state = 20261122, round;
	struct packet_spec to;
	size_t i;

	for (round = 0; round < 20000; round++) {
		i = (size_t)rand_r(&state) % N_SHAPES;
		to = shapes[i].spec;
		random_address(&state, shape_is_ipv6(i), src, sizeof(src));
		random_address(&state, shape_is_ipv6(i), dst, sizeof(dst));
		to.src = src;
		to.dst = dst;
		if (to.protocol != IPPROTO_SCTP) {
			to.sport = (uint16_t)rand_r(&state);
			to.dport = (uint16_t)rand_r(&state);
		}
		set_ends(&to);
		packet_build(&shapes[i].spec, &in);
		packet_build(&to, &wanted);
		probe_run(probe->progs.rewrite, &in, &out);
		expect_wanted(shapes[i].what, "random");
	}
}

/* The outer source is the new one only where the translation changes that side. */
static void expect_error(size_t i, size_t c, size_t n_quoted, size_t n_trailing)
{
	const char *router = shape_is_ipv6(i) ? "fe80::9" : "198.51.100.7";
	/* the error goes from the quoted packet's destination to its source */
	struct packet_spec from = shapes[i].spec, to = changed(i, c), ends = to;
	bool is_hidden = strcmp(from.dst, to.dst) != 0;
	uint8_t type = shape_is_ipv6(i) ? 1 : 3;

	shape_build_error(&from, router, type, n_quoted, &in);
	shape_build_error(&to, is_hidden ? to.dst : router, type, n_quoted, &wanted);
	ends.src = to.dst;
	ends.sport = to.dport;
	ends.dst = to.src;
	ends.dport = to.sport;
	set_ends(&ends);
	memset(in.data + in.n, 0xee, n_trailing);
	in.n += n_trailing;
	probe_run(probe->progs.rewrite, &in, &out);
	out.n -= n_trailing;
	expect_wanted(shapes[i].what, changes[c].what);
	cr_assert_arr_eq(out.data + out.n, in.data + out.n, n_trailing, "%s", shapes[i].what);
}

Test(rewrite, errors_are_rewritten_with_what_they_quote)
{
	size_t i, c;

	for (i = 0; i < N_SHAPES; i++)
		for (c = 0; c < N_CHANGES; c++) {
			struct packet_spec to = changed(i, c);

			if ((shapes[i].flags & PACKET_F_FRAGMENT) || is_refused(i, &to))
				continue;
			expect_error(i, c, 0, 0);
		}
}

/* Cut after the ports, before the checksum and after it; half a checksum stays as it is. */
static void quote_bytes(size_t i, size_t n)
{
	size_t c;

	for (c = 0; c < N_CHANGES; c++) {
		struct packet_spec to = changed(i, c);

		if (is_refused(i, &to))
			continue;
		expect_error(i, c, n, 0);
		expect_error(i, c, n, 46);
	}
}

Test(rewrite, quotes_end_anywhere)
{
	size_t i, n, headers, n_whole;

	for (i = 0; i < N_SHAPES; i++) {
		if (shapes[i].flags & PACKET_F_FRAGMENT)
			continue;
		packet_build(&shapes[i].spec, &in);
		headers = in.l4 - FRAME_L3;
		n_whole = in.n - FRAME_L3;
		for (n = headers + 4; n < n_whole && n < headers + 24; n++)
			if (n != headers + check_offset(shapes[i].spec.protocol) + 1)
				quote_bytes(i, n);
	}
}

/* What lies behind the end of a packet is neither summed up nor changed. */
Test(rewrite, trailing_bytes_stay)
{
	size_t i, n;

	for (i = 0; i < N_SHAPES; i++) {
		struct packet_spec to = changed(i, 1);

		set_ends(&to);
		packet_build(&shapes[i].spec, &in);
		n = in.n;
		memset(in.data + n, 0xee, 46);
		in.n += 46;
		packet_build(&to, &wanted);
		probe_run(probe->progs.rewrite, &in, &out);
		cr_expect_eq(out.n, n + 46);
		out.n = n;
		expect_wanted(shapes[i].what, "trailing bytes");
		cr_expect_arr_eq(out.data + n, in.data + n, 46);
	}
}
