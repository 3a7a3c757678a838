/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet programs as a whole: everything IP does to flows: fragments, errors, hop limits, MTUs,
 * link layers, and what is no packet at all.
 */
#include "packet_outside.h"

TestSuite(packet_shapes, .init = open_world, .fini = close_world, .timeout = 120);

/* ------------------------------------------------------------------ fragments */

static struct packet_spec fragment(struct packet_spec spec, size_t at, size_t n, uint32_t id)
{
	spec.n_payload = 100;
	spec.frag_id = id;
	spec.fragment_at = at;
	spec.fragment_bytes = n;
	if (strchr(spec.src, ':')) {
		spec.exts[0] = EXT_FRAG;
		spec.n_exts = 1;
	}
	return spec;
}

/* Both ways; the ports are in the first one only. */
static void send_fragments(const struct talk *talk, bool is_reply)
{
	struct packet_spec from =
		is_reply ? talk_swapped(talk_translated(talk)) : talk_request(talk);
	struct packet_spec to = is_reply ? talk_swapped(talk_request(talk)) : talk_translated(talk);
	struct world_step step = {
		.run = is_reply ? reply_run(talk) : at_uplink(INGRESS),
		.verdict = verdict_of(talk),
		.counted = NULL,
	};
	static const struct {
		size_t at;
		size_t n;
	} parts[] = {{0, 48}, {96, 12}, {48, 48}, {0, 48}};
	size_t i;

	to.ttl = ttl_after(talk);
	step.in = fragment(from, 48, 48, 0x1234);
	world_left_alone(&world, &step, "before its first");
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		step.in = fragment(from, parts[i].at, parts[i].n, 0x1234);
		step.out = fragment(to, parts[i].at, parts[i].n, 0x1234);
		world_expect(&world, &step, "fragment %zu, reply %d, SNAT %d, IPv%d", i, is_reply,
			     talk->is_snat, talk->is_ipv6 ? 6 : 4);
	}
	step.counted = "";
	step.in = fragment(from, 48, 48, 0x4321);
	world_left_alone(&world, &step, "of another packet");
	step.in = fragment(from, 48, 48, 0x1234);
	step.in.src = stranger_at[talk->is_ipv6];
	world_left_alone(&world, &step, "of another client");
}

Test(packet_shapes, fragments_follow_their_first)
{
	int i;

	for (i = 0; i < 4; i++) {
		const struct talk talk = talk_outside(i & 1, IPPROTO_UDP, i / 2);

		world_forget(&world);
		send_fragments(&talk, false);
		send_fragments(&talk, true);
	}
}

/* ------------------------------------------------------------------ ICMP errors */

/* The first three bytes of these are what a receiver looks at. */
static const struct {
	uint8_t type;
	uint8_t code;
	uint32_t info;
} errors[2][4] = {
	{{3, 3, 0}, {3, 4, 1300}, {11, 0, 0}, {12, 0, 0x10000000}},
	{{1, 4, 0}, {2, 0, 1300}, {3, 0, 0}, {4, 0, 40}},
};

/* An error from @from to the sender of @about. */
static struct packet_spec error_about(const struct packet_spec *about, const char *from, size_t i,
				      struct frame *quoted)
{
	bool is_ipv6 = strchr(about->src, ':');

	packet_build(about, quoted);
	return (struct packet_spec){
		.src = from,
		.dst = about->src,
		.protocol = is_ipv6 ? PROTO_ICMP6 : IPPROTO_ICMP,
		.icmp_type = errors[is_ipv6][i].type,
		.icmp_code = errors[is_ipv6][i].code,
		.icmp_info = errors[is_ipv6][i].info,
		.quoted = quoted->data + FRAME_L3,
		.n_quoted = quoted->n - FRAME_L3,
	};
}

/*
 * About @before, as it was on its way; its sender has sent @after. It tells who has noticed, or
 * what the sender takes that for.
 */
static void expect_error(const struct talk *talk, const struct packet_spec *before,
			 const struct packet_spec *after, struct world_run run)
{
	static struct frame quoted, original;
	const char *router = router_at[talk->is_ipv6];
	bool is_hidden = strcmp(before->dst, after->dst) != 0;
	struct world_step step = {
		.run = run,
		.verdict = verdict_of(talk),
		.counted = "icmp_errors_translated+1",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errors[0]); i++) {
		step.in = error_about(before, router, i, &quoted);
		step.out = error_about(after, is_hidden ? after->dst : router, i, &original);
		step.out.ttl = ttl_after(talk);
		world_expect(&world, &step, "error %zu about %s, SNAT %d", i, before->dst,
			     talk->is_snat);
	}
}

static void expect_errors(bool is_snat, uint8_t protocol, int is_ipv6)
{
	const struct talk talk = talk_outside(is_snat, protocol, is_ipv6);
	struct packet_spec asked = talk_request(&talk), sent = talk_translated(&talk);
	struct packet_spec reply = talk_swapped(sent), told = talk_swapped(asked);
	struct svc_flow_info before, after;

	begin(&talk);
	sent.ttl = asked.ttl = 60; /* as it says in the quote */
	cr_assert(talk_find(&world, &asked, SVC_FLOW_FORWARD, &before));
	expect_error(&talk, &sent, &asked, reply_run(&talk));
	expect_error(&talk, &told, &reply, at_uplink(INGRESS));
	cr_assert(talk_find(&world, &asked, SVC_FLOW_FORWARD, &after));
	cr_expect_arr_eq(&before, &after, sizeof(before), "an error has changed the flow");
}

static void expect_errors_of(uint8_t protocol, int is_ipv6)
{
	expect_errors(false, protocol, is_ipv6);
	expect_errors(true, protocol, is_ipv6);
}

Test(packet_shapes, errors_reach_who_has_sent_the_packet)
{
	talk_for_all(expect_errors_of);
}

static void expect_no_error(uint8_t protocol, int is_ipv6)
{
	static struct frame quoted;
	struct talk talk = talk_outside(true, protocol, is_ipv6);
	struct world_step step = {.run = at_uplink(INGRESS), .counted = ""};
	struct packet_spec unknown = talk_swapped(talk_request(&talk));

	begin(&talk);
	unknown.dport++;
	step.in = error_about(&unknown, router_at[is_ipv6], 0, &quoted);
	world_left_alone(&world, &step, "about a flow that is not there");
	cr_expect_eq(world_n_flows(&world), 2);
}

Test(packet_shapes, errors_about_unknown_flows_are_left_alone)
{
	talk_for_all(expect_no_error);
}

static void expect_no_echo(int is_ipv6)
{
	struct talk talk = talk_outside(true, IPPROTO_UDP, is_ipv6);
	struct world_step step = {.run = at_uplink(INGRESS), .in = talk_request(&talk)};

	begin(&talk);
	step.counted = "";
	step.in.protocol = is_ipv6 ? PROTO_ICMP6 : IPPROTO_ICMP;
	step.in.icmp_type = is_ipv6 ? 128 : 8;
	world_left_alone(&world, &step, "echo");
}

Test(packet_shapes, echo_is_left_alone)
{
	expect_no_echo(0);
	expect_no_echo(1);
}

/* ------------------------------------------------------------------ answers on the way */

/* An ICMP error about @in, from this node, to who sent it. @type: of IPv4, of IPv6; @info: of it.
 */
static void expect_answer(const struct packet_spec *spec, const uint8_t types[2], uint8_t code,
			  uint32_t info, const char *what)
{
	bool is_ipv6 = strchr(spec->src, ':');
	size_t max = (is_ipv6 ? 1280 - 40 : 576 - 20) - 8;
	const unsigned char *ip = out.data + FRAME_L3, *icmp = ip + (is_ipv6 ? 40 : 20);
	struct packet_spec answer = {
		.src = node_at[is_ipv6],
		.dst = spec->src,
		.protocol = is_ipv6 ? PROTO_ICMP6 : IPPROTO_ICMP,
		.icmp_type = types[is_ipv6],
		.icmp_code = is_ipv6 ? 0 : code,
		.icmp_info = info,
		.quoted = in.data + FRAME_L3,
		.n_quoted = in.n - FRAME_L3 < max ? in.n - FRAME_L3 : max,
	};

	packet_build(&answer, &wanted);
	frame_verify(&out, what);
	cr_assert_eq(out.n, wanted.n, "%s: %zu bytes, not %zu", what, out.n, wanted.n);
	cr_expect_arr_eq(out.data, in.data + 6, 6, "%s: receiver", what);
	cr_expect_arr_eq(ip + (is_ipv6 ? 8 : 12), wanted.data + FRAME_L3 + (is_ipv6 ? 8 : 12),
			 is_ipv6 ? 32 : 8, "%s: addresses", what);
	cr_expect_arr_eq(icmp, wanted.data + wanted.l4, wanted.n - wanted.l4, "%s: message", what);
}

static void send_and_count(const struct packet_spec *spec, const struct world_run *run, int verdict,
			   const char *counted, const char *what)
{
	const char *found;
	int r;

	packet_build(spec, &in);
	r = world_run(&world, run, &in, &out);
	found = world_counted(&world);
	cr_assert_eq(r, verdict, "%s: verdict %d, counted %s", what, r, found);
	cr_assert_str_eq(found, counted, "%s: counted %s", what, found);
}

static void expire(uint8_t protocol, int is_ipv6)
{
	static const uint8_t exceeded[2] = {11, 3};
	struct talk talk = talk_outside(true, protocol, is_ipv6);
	struct packet_spec spec = talk_request(&talk);
	const struct world_run run = at_uplink(INGRESS);
	struct world_step step = {.run = run, .verdict = VERDICT_NEXT};

	world_forget(&world);
	spec.ttl = 1;
	send_and_count(&spec, &run, VERDICT_REDIRECT, "flows_created+1 packets_ttl_expired+1",
		       "new");
	expect_answer(&spec, exceeded, 0, 0, "new");
	send_and_count(&spec, &run, VERDICT_REDIRECT, "packets_ttl_expired+1", "again");
	expect_answer(&spec, exceeded, 0, 0, "again");
	spec = talk_swapped(talk_translated(&talk));
	spec.ttl = 1;
	send_and_count(&spec, &run, VERDICT_REDIRECT, "packets_ttl_expired+1", "reply");
	expect_answer(&spec, exceeded, 0, 0, "reply");
	talk = talk_outside(false, protocol, is_ipv6); /* the stack sees to that */
	step.in = talk_request(&talk);
	step.in.ttl = 1;
	step.out = talk_translate(&talk, step.in);
	world_expect(&world, &step, "backend on this node");
}

Test(packet_shapes, who_sends_with_ttl_1_is_told)
{
	talk_for_all(expire);
}

/* Of @n bytes, IP header included. */
static struct packet_spec sized(struct packet_spec spec, size_t n)
{
	spec.n_payload = 0;
	spec.flags = FLAG_ACK;
	packet_build(&spec, &in);
	spec.n_payload = n - (in.n - FRAME_L3);
	return spec;
}

static void exceed(uint8_t protocol, int is_ipv6)
{
	static const uint8_t too_big[2] = {3, 2};
	const struct world_run run = at_uplink(INGRESS);
	struct talk talk = talk_outside(true, protocol, is_ipv6);
	struct packet_spec spec;
	int fragments;

	talk.service = SMALL;
	talk.backend = small_at;
	world_forget(&world);
	spec = sized(talk_request(&talk), SMALL_MTU + 1);
	spec.flags = FLAG_SYN;
	send_and_count(&spec, &run, VERDICT_REDIRECT, "packets_too_big+1", "new");
	expect_answer(&spec, too_big, 4, world_told_mtu(SMALL_MTU), "new");
	cr_expect_eq(world_n_flows(&world), 0);
	begin(&talk);
	for (fragments = 0; fragments < 2; fragments++) {
		spec = sized(talk_request(&talk), SMALL_MTU + 1);
		spec.dont_fragment = !fragments;
		send_and_count(&spec, &run, VERDICT_REDIRECT, "packets_too_big+1", "too big");
		expect_answer(&spec, too_big, 4, world_told_mtu(SMALL_MTU), "too big");
		spec = sized(spec, SMALL_MTU);
		send_and_count(&spec, &run, VERDICT_REDIRECT, "", "just fits");
		spec = talk_translate(&talk, spec);
		packet_build(&spec, &wanted);
		world_same(&out, &wanted, "just fits");
	}
}

Test(packet_shapes, who_sends_too_much_is_told_the_mtu)
{
	talk_for_all(exceed);
}

static void without_forwarding(uint8_t protocol, int is_ipv6)
{
	const struct world_run run = at_uplink(INGRESS);
	struct talk talk = talk_outside(true, protocol, is_ipv6);
	struct packet_spec spec = talk_request(&talk);

	world_forget(&world);
	send_and_count(&spec, &run, VERDICT_DROP, "dropped_no_forwarding+1", "forwarding is off");
	cr_expect_eq(world_n_flows(&world), 0);
}

Test(packet_shapes, without_ip_forwarding_nothing_is_sent_on)
{
	world_set_forwarding(false);
	talk_for_all(without_forwarding);
}

/* ------------------------------------------------------------------ link layers */

static void send_to_mac(const char *mac, uint32_t ifindex, bool is_taken)
{
	const struct world_run run = {.hook = INGRESS, .ifindex = ifindex};
	struct talk talk = talk_outside(false, IPPROTO_UDP, 0);
	struct packet_spec spec = talk_request(&talk);

	world_forget(&world);
	packet_build(&spec, &in);
	memcpy(in.data, mac, 6);
	cr_expect_eq(world_run(&world, &run, &in, &out), VERDICT_NEXT);
	cr_expect_eq(memcmp(out.data, in.data, in.n) != 0, is_taken, "device %u, MAC ..:%02x",
		     ifindex, (unsigned char)mac[5]);
	cr_expect_eq(world_n_flows(&world), is_taken ? 2 : 0);
}

Test(packet_shapes, only_frames_to_this_node_are_taken)
{
	send_to_mac("\x02\x00\x00\x00\x00\x02", world.up, true);
	send_to_mac("\x02\x00\x00\x00\x00\x03", world.up, false);
	send_to_mac("\xff\xff\xff\xff\xff\xff", world.up, false);
	send_to_mac("\x01\x00\x5e\x00\x00\x01", world.up, false);
	/* a port of a bridge: the bridge's address is this node's, too */
	send_to_mac("\x02\x00\x00\x00\x00\x11", world.port, true);
	send_to_mac("\x02\x00\x00\x00\x00\xbb", world.port, true);
	send_to_mac("\x02\x00\x00\x00\x00\xbc", world.port, false);
	send_to_mac("\x02\x00\x00\x00\x00\xbb", world.bridge, true);
}

Test(packet_shapes, frames_with_a_vlan_tag_are_left_alone)
{
	const struct world_run run = at_uplink(INGRESS);
	struct talk talk = talk_outside(true, IPPROTO_UDP, 0);
	struct packet_spec spec = talk_request(&talk);

	begin(&talk);
	packet_build(&spec, &in);
	memmove(in.data + 16, in.data + 12, in.n - 12);
	memcpy(in.data + 12, "\x81\x00\x00\x05", 4);
	in.n += 4;
	cr_expect_eq(world_run(&world, &run, &in, &out), VERDICT_NEXT);
	world_same(&out, &in, "VLAN");
	cr_expect_str_empty(world_counted(&world));
}

/*
 * Without a link-layer header. A test run makes 14 bytes one: here they are the IP header's first,
 * whose bytes 12 and 13, of the source address, say what follows.
 */
static void run_bare(const struct talk *talk, int is_ipv6)
{
	static const char *const sources[2] = {"8.0.0.7", "2001:db8:86dd::7"};
	const struct world_run run = at_uplink(INGRESS_BARE);
	struct packet_spec spec = talk_request(talk), to = talk_translated(talk);
	int verdict;

	world_forget(&world);
	spec.src = sources[is_ipv6];
	if (!talk->is_snat)
		to.src = sources[is_ipv6];
	packet_build(&spec, &in);
	packet_build(&to, &wanted);
	in.n -= FRAME_L3;
	wanted.n -= FRAME_L3;
	memmove(in.data, in.data + FRAME_L3, in.n);
	memmove(wanted.data, wanted.data + FRAME_L3, wanted.n);
	verdict = world_run(&world, &run, &in, &out);
	cr_assert_eq(verdict, verdict_of(talk), "IPv%d, SNAT %d: verdict %d", is_ipv6 ? 6 : 4,
		     talk->is_snat, verdict);
	world_same(&out, &wanted, "no link layer");
}

static void run_bare_of(uint8_t protocol, int is_ipv6)
{
	struct talk talk = talk_outside(false, protocol, is_ipv6);

	run_bare(&talk, is_ipv6);
	talk = talk_outside(true, protocol, is_ipv6);
	run_bare(&talk, is_ipv6);
}

Test(packet_shapes, devices_without_a_link_layer)
{
	talk_for_all(run_bare_of);
}

static void bypass(uint8_t protocol, int is_ipv6)
{
	struct talk talk = talk_outside(true, protocol, is_ipv6);
	struct world_step step = {
		.run = at_uplink(EGRESS), .out = talk_translated(&talk), .counted = ""};

	talk.client = node_at;
	world_forget(&world);
	step.in = talk_request(&talk);
	step.run.mark = SVC_BYPASS_MARK;
	world_left_alone(&world, &step, "bypass mark");
	step.counted = "flows_created+1";
	step.verdict = VERDICT_REDIRECT;
	step.run.mark = SVC_BYPASS_MARK + 1;
	world_expect(&world, &step, "another mark");
	world_forget(&world);
	step.run = at_uplink(INGRESS);
	step.run.mark = SVC_BYPASS_MARK;
	step.in.src = client_at[is_ipv6];
	world_expect(&world, &step, "the mark at ingress");
}

Test(packet_shapes, the_bypass_mark_is_a_sockets_wish)
{
	talk_for_all(bypass);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv);
}
