/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The XDP program: what it sends on is byte for byte what tc would have made of it, with the next
 * hop's link-layer addresses; all else it passes on unchanged, and tc goes on with what it began.
 */
#include "xdp_world.h"

#define TC_NEXT	    (-1)
#define TC_SHOT	    2
#define TC_REDIRECT 7

static struct world world;
static struct frame in, out, other;

static void open_world(void)
{
	world_open(&world, SVC_FORWARDING_SNAT, false);
}

static void open_both(void)
{
	world_open(&world, SVC_FORWARDING_SNAT, true);
}

static void open_dsr(void)
{
	world_open(&world, SVC_FORWARDING_DSR, false);
}

static void close_world(void)
{
	world_close(&world);
}

TestSuite(xdp, .init = open_world, .fini = close_world, .timeout = 120);
TestSuite(xdp_and_tc, .init = open_both, .fini = close_world, .timeout = 120);

/* From the client to the NodePort of a Service. */
static struct packet_spec request(enum world_service service, bool is_ipv6, uint8_t protocol)
{
	return (struct packet_spec){
		.src = is_ipv6 ? WORLD_CLIENT6 : WORLD_CLIENT4,
		.dst = is_ipv6 ? WORLD_NODE6 : WORLD_NODE4,
		.sport = 40000,
		.dport = (uint16_t)(30080 + service),
		.protocol = protocol,
		.flags = FLAG_SYN,
		.ttl = 60,
		.n_payload = 32,
	};
}

static void expect_same(const struct frame *a, const struct frame *b, size_t from, const char *what)
{
	cr_assert_eq(a->n, b->n, "%s: length", what);
	for (size_t i = from; i < a->n; i++)
		cr_assert_eq(a->data[i], b->data[i], "%s: byte %zu is %02x, not %02x", what, i,
			     a->data[i], b->data[i]);
}

/* Passed on as it was. */
static void expect_passed(const struct frame *frame, const char *what)
{
	uint64_t n_sent = world_counter(&world, SVC_COUNTER_XDP_SENT);

	cr_assert_eq(world_run_xdp(&world, frame, &out), XDP_PASS, "%s", what);
	expect_same(&out, frame, 0, what);
	cr_assert_eq(world_counter(&world, SVC_COUNTER_XDP_SENT), n_sent, "%s", what);
}

/* The packet of @spec in @in and its translation in @out, sent by XDP in @verdict's way. */
static void expect_sent(const struct packet_spec *spec, uint32_t verdict, const char *what)
{
	uint64_t n_sent = world_counter(&world, SVC_COUNTER_XDP_SENT);

	packet_build(spec, &in);
	cr_assert_eq(world_run_xdp(&world, &in, &out), verdict, "%s", what);
	cr_assert_eq(world_counter(&world, SVC_COUNTER_XDP_SENT), n_sent + 1, "%s", what);
	frame_verify(&out, what);
}

static void expect_macs(int device, int host)
{
	const unsigned char macs[12] = {2, 0, 0, 0, (unsigned char)device, (unsigned char)host, 2,
					0, 0, 0, 0, device ? 3 : 2};

	for (size_t i = 0; i < sizeof(macs); i++)
		cr_expect_eq(out.data[i], macs[i], "byte %zu is %02x, not %02x", i, out.data[i],
			     macs[i]);
}

/* What @frame was made of, if it went from @src to @dst: builds that and compares. */
static void expect_packet(struct packet_spec spec, const char *src, uint16_t sport, const char *dst,
			  uint16_t dport, const char *what)
{
	spec.src = src;
	spec.dst = dst;
	spec.sport = sport;
	spec.dport = dport;
	spec.ttl--;
	packet_build(&spec, &other);
	expect_same(&out, &other, FRAME_L3, what);
}

static uint16_t source_port(const struct frame *frame)
{
	return (uint16_t)get16(frame->data + frame->l4);
}

static const struct {
	const char *what;
	bool is_ipv6;
	uint8_t protocol;
} kinds[] = {
	{"TCP over IPv4", false, IPPROTO_TCP},
	{"UDP over IPv4", false, IPPROTO_UDP},
	{"TCP over IPv6", true, IPPROTO_TCP},
	{"UDP over IPv6", true, IPPROTO_UDP},
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct packet_spec request_of(enum world_service service, size_t kind)
{
	return request(service, kinds[kind].is_ipv6, kinds[kind].protocol);
}

/* The answer to the packet in @out. */
static struct packet_spec answer_to(const struct packet_spec *spec, enum world_service service)
{
	const bool is_ipv6 = strchr(spec->src, ':');
	struct packet_spec answer = *spec;

	answer.src = world_backend(service, is_ipv6);
	answer.dst = spec->dst;
	answer.sport = 8080;
	answer.dport = source_port(&out);
	answer.flags = FLAG_SYN | FLAG_ACK;
	answer.n_payload = 100;
	return answer;
}

Test(xdp, a_flow_goes_to_its_backend_and_back)
{
	for (size_t k = 0; k < N_KINDS; k++) {
		struct packet_spec spec = request_of(SERVICE_NEAR, k), answer;
		const bool is_ipv6 = kinds[k].is_ipv6;
		uint16_t port;

		expect_sent(&spec, XDP_TX, kinds[k].what);
		out.l4 = in.l4;
		port = source_port(&out);
		cr_expect(port >= WORLD_SNAT_FIRST && port < WORLD_SNAT_FIRST + WORLD_SNAT_COUNT);
		expect_packet(spec, spec.dst, port, world_backend(SERVICE_NEAR, is_ipv6), 8080,
			      kinds[k].what);
		expect_macs(0, 0x12);
		answer = answer_to(&spec, SERVICE_NEAR);
		expect_sent(&answer, XDP_TX, kinds[k].what);
		expect_packet(answer, spec.dst, spec.dport, spec.src, spec.sport, "the answer");
		expect_macs(0, 0x01);
		spec.flags = FLAG_ACK;
		spec.n_payload = 1000;
		expect_sent(&spec, XDP_TX, kinds[k].what);
		expect_packet(spec, spec.dst, port, world_backend(SERVICE_NEAR, is_ipv6), 8080,
			      "established");
	}
	cr_expect_eq(world_counter(&world, SVC_COUNTER_FLOW_NEW), N_KINDS);
}

/* Both maps have the info first in their values, and the direction in their keys. */
static void lose_half(const struct bpf_map *map, size_t direction_off, uint8_t direction)
{
	union {
		struct svc_flow4 v4;
		struct svc_flow6 v6;
		struct svc_flow_info info;
	} value;
	unsigned char key[64], next[64];
	int fd = bpf_map__fd(map);

	for (bool has = !bpf_map_get_next_key(fd, NULL, key); has;) {
		has = !bpf_map_get_next_key(fd, key, next);
		cr_assert_eq(bpf_map_lookup_elem(fd, key, &value), 0);
		value.info.last_s -= 2;
		if (key[direction_off] == direction)
			cr_assert_eq(bpf_map_delete_elem(fd, key), 0);
		else
			cr_assert_eq(bpf_map_update_elem(fd, key, &value, BPF_EXIST), 0);
		memcpy(key, next, sizeof(key));
	}
}

static void lose_halves(uint8_t direction)
{
	lose_half(world.tc->maps.flows4, offsetof(struct svc_flow_key4, direction), direction);
	lose_half(world.tc->maps.flows6, offsetof(struct svc_flow_key6, direction), direction);
}

Test(xdp, a_lost_half_of_a_flow_is_put_back)
{
	for (size_t k = 0; k < N_KINDS; k++) {
		struct packet_spec spec = request_of(SERVICE_NEAR, k), answer;
		uint64_t n = world_counter(&world, SVC_COUNTER_FLOW_MENDED);

		expect_sent(&spec, XDP_TX, kinds[k].what);
		out.l4 = in.l4;
		answer = answer_to(&spec, SERVICE_NEAR);
		spec.flags = answer.flags = FLAG_ACK;
		lose_halves(SVC_FLOW_REPLY);
		expect_sent(&spec, XDP_TX, kinds[k].what);
		cr_expect_eq(world_counter(&world, SVC_COUNTER_FLOW_MENDED), n + 1);
		expect_sent(&answer, XDP_TX, kinds[k].what);
		lose_halves(SVC_FLOW_FORWARD);
		expect_sent(&answer, XDP_TX, kinds[k].what);
		cr_expect_eq(world_counter(&world, SVC_COUNTER_FLOW_MENDED), n + 2);
		expect_sent(&spec, XDP_TX, kinds[k].what);
		lose_halves(SVC_FLOW_REPLY); /* the next kind begins alone */
		lose_halves(SVC_FLOW_FORWARD);
	}
	cr_expect_eq(world_counter(&world, SVC_COUNTER_FLOW_NEW), N_KINDS);
}

Test(xdp_and_tc, what_tc_makes_of_it_is_the_same)
{
	for (size_t k = 0; k < N_KINDS; k++) {
		struct packet_spec spec = request_of(SERVICE_NEAR, k), answer;

		expect_sent(&spec, XDP_TX, kinds[k].what);
		cr_assert_eq(world_run_tc(&world, &in, &other), TC_REDIRECT);
		expect_same(&out, &other, FRAME_L3, kinds[k].what);
		out.l4 = in.l4;
		answer = answer_to(&spec, SERVICE_NEAR);
		expect_sent(&answer, XDP_TX, kinds[k].what);
		cr_assert_eq(world_run_tc(&world, &in, &other), TC_REDIRECT);
		expect_same(&out, &other, FRAME_L3, "the answer");
	}
	cr_expect_eq(world_counter(&world, SVC_COUNTER_FLOW_NEW), N_KINDS);
}

Test(xdp_and_tc, what_tc_began_goes_on)
{
	for (size_t k = 0; k < N_KINDS; k++) {
		struct packet_spec spec = request_of(SERVICE_NEAR, k);

		packet_build(&spec, &in);
		cr_assert_eq(world_run_tc(&world, &in, &other), TC_REDIRECT);
		spec.flags = FLAG_ACK;
		expect_sent(&spec, XDP_TX, kinds[k].what);
		cr_assert_eq(world_run_tc(&world, &in, &other), TC_REDIRECT);
		expect_same(&out, &other, FRAME_L3, kinds[k].what);
	}
	cr_expect_eq(world_counter(&world, SVC_COUNTER_FLOW_NEW), N_KINDS);
}

Test(xdp_and_tc, another_device_is_redirected_to_if_it_has_the_program)
{
	for (size_t k = 0; k < N_KINDS; k++) {
		struct packet_spec spec = request_of(SERVICE_OTHER_DEVICE, k);

		expect_sent(&spec, XDP_REDIRECT, kinds[k].what);
		expect_macs(1, 0x12);
	}
	world_put_device(&world, 1, 0);
	for (size_t k = 0; k < N_KINDS; k++) {
		struct packet_spec spec = request_of(SERVICE_OTHER_DEVICE, k);

		packet_build(&spec, &in);
		expect_passed(&in, kinds[k].what);
		cr_assert_eq(world_run_tc(&world, &in, &other), TC_REDIRECT);
	}
}

/* Of 65,536 payloads one gives a checksum of 0, to be written as 0xffff. */
Test(xdp, udp_checksums)
{
	struct packet_spec spec = request(SERVICE_NEAR, false, IPPROTO_UDP);
	unsigned int n_ffff = 0;

	spec.flags = 0;
	spec.n_payload = 2;
	for (unsigned int i = 0; i < 65536 && !n_ffff; i++) {
		packet_build(&spec, &in);
		put16(in.data + in.l4 + 8, i);
		put16(in.data + in.l4 + 6, 0);
		put16(in.data + in.l4 + 6,
		      (uint16_t)~sum16_fold(sum16(sum16_pseudo(in.data + FRAME_L3, IPPROTO_UDP, 10),
						  in.data + in.l4, 10)));
		if (!get16(in.data + in.l4 + 6))
			put16(in.data + in.l4 + 6, 0xffff);
		cr_assert_eq(world_run_xdp(&world, &in, &out), XDP_TX);
		frame_verify(&out, "UDP");
		cr_assert_neq(get16(out.data + in.l4 + 6), 0);
		n_ffff += get16(out.data + in.l4 + 6) == 0xffff;
	}
	cr_expect_gt(n_ffff, 0);
	spec.no_check = true;
	expect_sent(&spec, XDP_TX, "no checksum");
	cr_expect_eq(get16(out.data + in.l4 + 6), 0);
}

/* ------------------------------------------------------------------ what is left to tc */

Test(xdp_and_tc, services_that_are_left_to_tc)
{
	static const struct {
		const char *what;
		size_t n_payload;
		enum world_service service;
		int verdict;
	} cases[] = {
		{"no neighbour yet", 0, SERVICE_NO_NEIGHBOUR, TC_REDIRECT},
		{"small enough", 1200, SERVICE_SMALL_MTU, TC_REDIRECT},
		{"too big for the way", 1400, SERVICE_SMALL_MTU, TC_REDIRECT},
		{"a backend on this node", 0, SERVICE_LOCAL, TC_NEXT},
		{"no backend", 0, SERVICE_EMPTY, TC_REDIRECT},
		{"policy drop", 0, SERVICE_DROP, TC_SHOT},
		{"no route", 0, SERVICE_NO_ROUTE, TC_SHOT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t k = 0; k < N_KINDS; k++) {
			struct packet_spec spec = request_of(cases[i].service, k);

			spec.n_payload = cases[i].n_payload;
			spec.sport = (uint16_t)(40000 + i);
			if (cases[i].n_payload == 1200) {
				expect_sent(&spec, XDP_TX, cases[i].what);
				continue;
			}
			packet_build(&spec, &in);
			expect_passed(&in, cases[i].what);
			cr_expect_eq(world_run_tc(&world, &in, &other), cases[i].verdict, "%s, %s",
				     cases[i].what, kinds[k].what);
		}
}

/* Decided once: a choice that XDP made and threw away would favour backends on other nodes. */
Test(xdp_and_tc, a_backend_on_this_node_is_chosen_once)
{
	struct packet_spec spec = request(SERVICE_LOCAL, false, IPPROTO_TCP);

	packet_build(&spec, &in);
	expect_passed(&in, "local");
	cr_expect_eq(world_counter(&world, SVC_COUNTER_FLOW_NEW), 1);
	cr_assert_eq(world_run_tc(&world, &in, &out), TC_NEXT);
	cr_expect_eq(world_counter(&world, SVC_COUNTER_FLOW_NEW), 1);
	spec.ttl++; /* expect_packet() expects it one less */
	expect_packet(spec, spec.src, spec.sport, world_backend(SERVICE_LOCAL, false), 8080,
		      "local");
}

Test(xdp_and_tc, what_is_decided_is_counted_by_tc_alone)
{
	static const struct {
		enum world_service service;
		uint32_t counter;
	} cases[] = {
		{SERVICE_EMPTY, SVC_COUNTER_REJECT},
		{SERVICE_DROP, SVC_COUNTER_DROP_POLICY},
		{SERVICE_NO_ROUTE, SVC_COUNTER_DROP_NO_ROUTE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct packet_spec spec = request(cases[i].service, false, IPPROTO_TCP);

		packet_build(&spec, &in);
		expect_passed(&in, "no flow");
		cr_expect_eq(world_counter(&world, cases[i].counter), 0);
		world_run_tc(&world, &in, &out);
		cr_expect_eq(world_counter(&world, cases[i].counter), 1);
	}
}

Test(xdp, packets_that_are_not_simple)
{
	static const struct {
		const char *what;
		struct packet_spec extra;
		bool is_ipv6;
	} cases[] = {
		{"end of its TTL", {.ttl = 1}, false},
		{"end of its hop limit", {.ttl = 1}, true},
		{"options", {.n_options = 8}, false},
		{"first fragment", {.fragment_bytes = 40, .n_payload = 100}, false},
		{"later fragment",
		 {.fragment_at = 40, .fragment_bytes = 40, .n_payload = 100},
		 false},
		{"extension header", {.exts = {EXT_DEST}, .n_exts = 1}, true},
		{"SCTP", {.protocol = IPPROTO_SCTP}, false},
		{"SCTP", {.protocol = IPPROTO_SCTP}, true},
		{"ping", {.protocol = IPPROTO_ICMP, .icmp_type = 8}, false},
		{"ping", {.protocol = PROTO_ICMP6, .icmp_type = 128}, true},
		{"TCP in mid-stream", {.flags = FLAG_ACK}, false},
		{"TCP in mid-stream", {.flags = FLAG_ACK}, true},
		{"a port without Service", {.dport = 30079}, false},
		{"a port without Service", {.dport = 30079}, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct packet_spec *extra = &cases[i].extra;
		struct packet_spec spec = request(SERVICE_NEAR, cases[i].is_ipv6, IPPROTO_TCP);

		spec.ttl = extra->ttl ? extra->ttl : spec.ttl;
		spec.flags = extra->flags ? extra->flags : spec.flags;
		spec.protocol = extra->protocol ? extra->protocol : spec.protocol;
		spec.dport = extra->dport ? extra->dport : spec.dport;
		spec.n_payload = extra->n_payload ? extra->n_payload : spec.n_payload;
		spec.sport = (uint16_t)(40000 + i); /* no case's flow is another's */
		spec.n_options = extra->n_options;
		spec.icmp_type = extra->icmp_type;
		spec.fragment_at = extra->fragment_at;
		spec.fragment_bytes = extra->fragment_bytes;
		spec.n_exts = extra->n_exts;
		memcpy(spec.exts, extra->exts, sizeof(spec.exts));
		packet_build(&spec, &in);
		expect_passed(&in, cases[i].what);
	}
}

/* An error about a packet of a flow that XDP has made is tc's. */
Test(xdp_and_tc, icmp_errors)
{
	struct packet_spec spec = request(SERVICE_NEAR, false, IPPROTO_UDP), error;
	struct frame quoted;

	expect_sent(&spec, XDP_TX, "UDP");
	quoted = out;
	error = (struct packet_spec){
		.src = "172.18.0.12",
		.dst = WORLD_NODE4,
		.protocol = IPPROTO_ICMP,
		.icmp_type = 3,
		.icmp_code = 3,
		.quoted = quoted.data + FRAME_L3,
		.n_quoted = quoted.n - FRAME_L3,
	};
	packet_build(&error, &in);
	expect_passed(&in, "ICMP error");
	cr_expect_eq(world_run_tc(&world, &in, &other), TC_REDIRECT);
}

Test(xdp, frames_for_others)
{
	struct packet_spec spec = request(SERVICE_NEAR, false, IPPROTO_TCP);

	packet_build(&spec, &in);
	in.data[5] ^= 1;
	expect_passed(&in, "another host's");
	memset(in.data, 0xff, 6);
	expect_passed(&in, "everybody's");
	packet_build(&spec, &in);
	memmove(in.data + 16, in.data + 12, in.n - 12);
	put16(in.data + 12, 0x8100);
	put16(in.data + 14, 10);
	in.n += 4;
	expect_passed(&in, "VLAN");
}

/* Cut anywhere, at least as long as the kernel lets a test be: no fault, and no packet is sent on.
 */
Test(xdp, cut_packets)
{
	for (size_t k = 0; k < N_KINDS; k++) {
		struct packet_spec spec = request_of(SERVICE_NEAR, k);
		size_t n;

		packet_build(&spec, &in);
		for (n = in.n - 1; n >= FRAME_L3 + 1; n--) {
			in.n = n;
			expect_passed(&in, "cut");
		}
	}
}

Test(xdp, lengths_that_lie)
{
	struct packet_spec spec = request(SERVICE_NEAR, false, IPPROTO_UDP);

	packet_build(&spec, &in);
	put16(in.data + FRAME_L3 + 2, (uint32_t)(in.n - FRAME_L3 + 1));
	expect_passed(&in, "IPv4 longer than the frame");
	packet_build(&spec, &in);
	put16(in.data + in.l4 + 4, (uint32_t)(in.n - in.l4 + 1));
	expect_passed(&in, "UDP longer than the packet");
	spec.protocol = IPPROTO_TCP;
	packet_build(&spec, &in);
	in.data[in.l4 + 12] = 0x40;
	expect_passed(&in, "TCP header shorter than one");
}

/* Frames are padded to 60 bytes: what is behind the packet stays, and does not count. */
Test(xdp, padding)
{
	struct packet_spec spec = request(SERVICE_NEAR, false, IPPROTO_UDP);

	spec.n_payload = 1;
	packet_build(&spec, &in);
	memset(in.data + in.n, 0xa5, 60 - in.n);
	in.n = 60;
	cr_assert_eq(world_run_xdp(&world, &in, &out), XDP_TX);
	cr_expect_eq(out.n, 60);
	frame_verify(&out, "padded");
	cr_expect_eq(out.data[59], 0xa5);
}

/* ------------------------------------------------------------------ ports */

static int listen_at(uint16_t port, uint8_t protocol)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (protocol == IPPROTO_TCP)
		cr_assert_eq(listen(fd, 1), 0);
	return fd;
}

Test(xdp, a_port_of_the_hosts_own_sockets_is_not_taken)
{
	for (size_t k = 0; k < 2; k++) {
		struct packet_spec spec = request_of(SERVICE_NEAR, k);
		_close_ int fd = listen_at(2000, spec.protocol);

		spec.sport = 2000;
		expect_sent(&spec, XDP_TX, kinds[k].what);
		out.l4 = in.l4;
		cr_expect_neq(source_port(&out), 2000);
		spec.sport = 2001;
		expect_sent(&spec, XDP_TX, kinds[k].what);
		out.l4 = in.l4;
		cr_expect_eq(source_port(&out), 2001, "the client's own, if it is free");
	}
}

/* ------------------------------------------------------------------ DSR */

TestSuite(xdp_dsr, .init = open_dsr, .fini = close_world, .timeout = 120);

Test(xdp_dsr, everything_is_left_to_tc)
{
	for (size_t k = 0; k < N_KINDS; k++) {
		struct packet_spec spec = request_of(SERVICE_NEAR, k);

		packet_build(&spec, &in);
		expect_passed(&in, kinds[k].what);
	}
	cr_expect_eq(world_counter(&world, SVC_COUNTER_FLOW_NEW), 0);
}
