/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that cannot be read, or are nobody's: left alone, and never taken for what they are not.
 */
#include "packet_outside.h"

TestSuite(packet_unread, .init = open_world, .fini = close_world, .timeout = 120);

static void expect_unread(const char *what, size_t i)
{
	static const enum world_hook hooks[] = {INGRESS, EGRESS};
	const char *counted;
	size_t h;

	for (h = 0; h < ARRAY_SIZE(hooks); h++) {
		const struct world_run run = at_uplink(hooks[h]);
		int verdict = world_run(&world, &run, &in, &out);

		counted = world_counted(&world);
		cr_assert_eq(verdict, VERDICT_NEXT, "%s, %zu: verdict %d, counted %s", what, i,
			     verdict, counted);
		world_same(&out, &in, what);
		cr_assert_str_eq(counted, "skipped_malformed+1", "%s, %zu: counted %s", what, i,
				 counted);
	}
	cr_assert_eq(world_n_flows(&world), 0, "%s, %zu: a flow", what, i);
}

static void cut_everywhere(uint8_t protocol, int is_ipv6)
{
	const struct talk talk = talk_outside(true, protocol, is_ipv6);
	const struct packet_spec spec = talk_request(&talk);
	size_t n_whole, n;

	world_forget(&world);
	packet_build(&spec, &in);
	n_whole = in.n;
	for (n = in.l4; n < n_whole; n++) { /* less is no packet for a test run of 6.18 */
		in.n = n;
		expect_unread("cut", n);
	}
}

Test(packet_unread, packets_that_end_too_early_are_left_alone)
{
	talk_for_all(cut_everywhere);
}

/* From the IP header on, 16 bits at @at become @value; the header's checksum is made right. */
static const struct {
	const char *what;
	uint8_t protocol;
	uint8_t is_ipv6;
	bool is_counted;
	uint32_t at;
	uint32_t value;
} wrongs[] = {
	{"version 5", IPPROTO_TCP, 0, false, 0, 0x5500},
	{"version 6 in IPv4", IPPROTO_TCP, 0, false, 0, 0x6000},
	{"header of 16 bytes", IPPROTO_TCP, 0, false, 0, 0x4400},
	{"header of 60 bytes", IPPROTO_UDP, 0, true, 0, 0x4f00},
	{"total length 0", IPPROTO_UDP, 0, true, 2, 0},
	{"total length 20", IPPROTO_UDP, 0, true, 2, 20},
	{"total length 27", IPPROTO_UDP, 0, true, 2, 27},
	{"total length 39", IPPROTO_TCP, 0, true, 2, 39},
	{"total length 31", IPPROTO_SCTP, 0, true, 2, 31},
	{"total length too large", IPPROTO_UDP, 0, true, 2, 0xffff},
	{"TCP header of 16 bytes", IPPROTO_TCP, 0, true, 32, 0x4002},
	{"TCP header of 60 bytes", IPPROTO_TCP, 0, true, 32, 0xf002},
	{"UDP length 7", IPPROTO_UDP, 0, true, 24, 7},
	{"UDP length 0", IPPROTO_UDP, 0, true, 24, 0},
	{"UDP length too large", IPPROTO_UDP, 0, true, 24, 39},
	{"version 4 in IPv6", IPPROTO_TCP, 1, false, 0, 0x4500},
	{"version 7", IPPROTO_TCP, 1, false, 0, 0x7000},
	{"payload length 0", IPPROTO_UDP, 1, true, 4, 0},
	{"payload length 7", IPPROTO_UDP, 1, true, 4, 7},
	{"payload length 19", IPPROTO_TCP, 1, true, 4, 19},
	{"payload length 11", IPPROTO_SCTP, 1, true, 4, 11},
	{"payload length too large", IPPROTO_UDP, 1, true, 4, 0xffff},
	{"TCP header of 16 bytes", IPPROTO_TCP, 1, true, 52, 0x4002},
	{"TCP header of 60 bytes", IPPROTO_TCP, 1, true, 52, 0xf002},
	{"UDP length 7", IPPROTO_UDP, 1, true, 44, 7},
	{"UDP length too large", IPPROTO_UDP, 1, true, 44, 39},
};

static void make_wrong(size_t i)
{
	const struct talk talk = talk_outside(true, wrongs[i].protocol, wrongs[i].is_ipv6);
	const struct packet_spec spec = talk_request(&talk);
	unsigned char *ip = in.data + FRAME_L3;

	packet_build(&spec, &in);
	put16(ip + wrongs[i].at, wrongs[i].value);
	if (wrongs[i].is_ipv6)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~sum16_fold(sum16(0, ip, (ip[0] & 15u) * 4)));
}

Test(packet_unread, malformed_packets_are_left_alone)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrongs); i++) {
		const struct world_run run = at_uplink(INGRESS);
		int verdict;

		world_forget(&world);
		make_wrong(i);
		verdict = world_run(&world, &run, &in, &out);
		cr_expect_eq(verdict, VERDICT_NEXT, "%s: verdict %d", wrongs[i].what, verdict);
		world_same(&out, &in, wrongs[i].what);
		cr_expect_str_eq(world_counted(&world),
				 wrongs[i].is_counted ? "skipped_malformed+1" : "", "%s",
				 wrongs[i].what);
		cr_expect_eq(world_n_flows(&world), 0, "%s", wrongs[i].what);
	}
}

/* Extension headers: what is skipped, and what cannot be. */
static const struct {
	const char *what;
	uint8_t exts[EXTS_MAX];
	uint8_t n_exts;
	uint8_t ext_units;
	uint8_t segments_left;
	const char *counted;
} chains[] = {
	{"hop by hop", {EXT_HOP}, 1, 0, 0, "flows_created+1"},
	{"six",
	 {EXT_HOP, EXT_DEST, EXT_ROUTE, EXT_DEST, EXT_DEST, EXT_DEST},
	 6,
	 0,
	 0,
	 "flows_created+1"},
	{"long", {EXT_HOP, EXT_DEST}, 2, 60, 0, "flows_created+1"},
	{"seven",
	 {EXT_HOP, EXT_DEST, EXT_ROUTE, EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST},
	 7,
	 0,
	 0,
	 "skipped_headers+1"},
	{"too long", {EXT_HOP, EXT_DEST}, 2, 120, 0, "skipped_headers+1"},
	{"authenticated", {EXT_AH}, 1, 1, 0, "skipped_headers+1"},
	{"on its way elsewhere", {EXT_ROUTE}, 1, 0, 1, "skipped_headers+1"},
	{"one fragment in the other", {EXT_FRAG, EXT_FRAG}, 2, 0, 0, "flows_created+1"},
	{"nothing", {EXT_NONE}, 1, 0, 0, ""},
};

Test(packet_unread, extension_headers_are_skipped_up_to_a_bound)
{
	const struct talk talk = talk_outside(true, IPPROTO_UDP, 1);
	struct world_step step = {.run = at_uplink(INGRESS)};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(chains); i++) {
		world_forget(&world);
		step.in = talk_request(&talk);
		memcpy(step.in.exts, chains[i].exts, sizeof(chains[i].exts));
		step.in.n_exts = chains[i].n_exts;
		step.in.ext_units = chains[i].ext_units;
		step.in.segments_left = chains[i].segments_left;
		step.counted = chains[i].counted;
		step.verdict = VERDICT_REDIRECT;
		step.out = talk_translate(&talk, step.in);
		if (strstr(step.counted, "created"))
			world_expect(&world, &step, "%s", chains[i].what);
		else
			world_left_alone(&world, &step, chains[i].what);
	}
}

static void with_trailer(uint8_t protocol, int is_ipv6)
{
	const struct world_run run = at_uplink(INGRESS);
	const struct talk talk = talk_outside(true, protocol, is_ipv6);
	struct packet_spec spec = talk_request(&talk);
	size_t n;

	world_forget(&world);
	packet_build(&spec, &in);
	spec = talk_translated(&talk);
	packet_build(&spec, &wanted);
	for (n = 0; n < 20; n++)
		in.data[in.n++] = wanted.data[wanted.n++] = 0xee;
	cr_expect_eq(world_run(&world, &run, &in, &out), VERDICT_REDIRECT);
	world_same(&out, &wanted, "trailing bytes");
}

Test(packet_unread, bytes_behind_a_packet_stay)
{
	talk_for_all(with_trailer);
}

/* What is neither to nor from us is not even counted. */
static void send_foreign(uint8_t protocol, int is_ipv6)
{
	struct talk talk = talk_outside(true, protocol, is_ipv6);
	struct world_step step = {.run = at_uplink(INGRESS), .counted = ""};

	begin(&talk);
	step.in = talk_request(&talk);
	step.in.dst = stranger_at[is_ipv6];
	world_left_alone(&world, &step, "another address");
	step.in = talk_request(&talk);
	step.in.dport++;
	world_left_alone(&world, &step, "another port");
	step.in.dst = node_at[is_ipv6];
	step.in.dport = 30099;
	world_left_alone(&world, &step, "a port of this node that is no NodePort");
	step.in.dport = world_port(REMOTE, SVC_TYPE_NODE_PORT);
	step.in.dst = remote_at[is_ipv6];
	world_left_alone(&world, &step, "a NodePort of another node");
	step.run.hook = EGRESS;
	world_left_alone(&world, &step, "on its way there");
}

Test(packet_unread, what_is_not_ours_is_left_alone)
{
	talk_for_all(send_foreign);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv);
}
