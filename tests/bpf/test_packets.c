/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet programs as a whole: every kind of frontend, client and backend, in both families and
 * all protocols: what a packet becomes, what its flow is, and what becomes of the reply.
 */
#include "packet_talk.h"

static struct world world;

static void open_world(void)
{
	world_open(&world, "default", &(struct svc_packet_config){0});
}

static void close_world(void)
{
	world_close(&world);
}

/* Where clients are, and where their packets are seen. */
enum place { OUTSIDE, POD, ITSELF, HOST };

/* What becomes of a packet. */
enum fate { DNAT, SNAT, ANSWER, DROPPED };

/**
 * Who asks whom, by which frontends (bits of SVC_TYPE_*; 0: all), and what happens.
 */
static const struct {
	const char *what;
	enum world_service service;
	enum place place;
	uint32_t types;
	enum fate fate;
	const char *const *backend;
	const char *counted;
} cases[] = {
	{"local, outside", LOCAL, OUTSIDE, 0, DNAT, local_at, "flows_created+1"},
	{"local, pod", LOCAL, POD, 0, DNAT, local_at, "flows_created+1"},
	{"local, itself", LOCAL, ITSELF, 0, SNAT, local_at, "flows_created+1"},
	{"local, host", LOCAL, HOST, 0, SNAT, local_at, "flows_created+1"},
	{"remote, outside", REMOTE, OUTSIDE, 0, SNAT, remote_at, "flows_created+1"},
	{"remote, pod", REMOTE, POD, 0, DNAT, remote_at, "flows_created+1"},
	{"remote, host", REMOTE, HOST, 0, SNAT, remote_at, "flows_created+1"},
	{"none, outside", NONE, OUTSIDE, 0, ANSWER, NULL, "packets_rejected+1"},
	{"none, pod", NONE, POD, 0, ANSWER, NULL, "packets_rejected+1"},
	{"none, host", NONE, HOST, 0, ANSWER, NULL, "packets_rejected+1"},
	{"policy, outside", POLICY_DROP, OUTSIDE, ~(1u << SVC_TYPE_CLUSTER_IP), DROPPED, NULL,
	 "dropped_policy+1"},
	{"policy, outside, ClusterIP", POLICY_DROP, OUTSIDE, 1u << SVC_TYPE_CLUSTER_IP, SNAT,
	 remote_at, "flows_created+1"},
	{"policy, pod", POLICY_DROP, POD, 0, DNAT, remote_at, "flows_created+1"},
	{"policy, host", POLICY_DROP, HOST, 0, SNAT, remote_at, "flows_created+1"},
	{"policy with local, outside", POLICY_LOCAL, OUTSIDE, ~(1u << SVC_TYPE_CLUSTER_IP), DNAT,
	 local_at, "flows_created+1"},
	{"ranges, outside", RANGES, OUTSIDE, 0, SNAT, remote_at, "flows_created+1"},
	{"ranges, pod", RANGES, POD, 1u << SVC_TYPE_LOAD_BALANCER, DROPPED, NULL,
	 "dropped_source_range+1"},
	{"ranges, pod, others", RANGES, POD, ~(1u << SVC_TYPE_LOAD_BALANCER), DNAT, remote_at,
	 "flows_created+1"},
	{"no route, outside", LOST, OUTSIDE, 0, DROPPED, NULL, "dropped_no_route+1"},
	{"no route, pod", LOST, POD, 0, DNAT, lost_at, "flows_created+1"},
	{"this node, outside", NODE, OUTSIDE, 0, DNAT, node_at, "flows_created+1"},
	{"this node, pod", NODE, POD, 0, DNAT, node_at, "flows_created+1"},
};

/* What one row of them, by one type of frontend, in one family and protocol comes to. */
struct visit {
	size_t row;
	struct talk talk;
	char what[128];
};

static struct world_run run_of(const struct visit *visit)
{
	const enum place place = cases[visit->row].place;

	return (struct world_run){
		.hook = place == HOST ? EGRESS : INGRESS,
		.ifindex = place == POD || place == ITSELF ? world.pod : world.up,
	};
}

static bool is_port_kept(const struct visit *visit)
{
	return world_port(visit->talk.service, visit->talk.type) ==
	       world_backend_port(visit->talk.protocol);
}

/* ------------------------------------------------------------------ answers */

/* RFC 9293 3.10.7.1; RFC 792; RFC 4443 3.1: what this looks like, byte by byte. */
static void expect_answer(const struct visit *visit)
{
	static struct frame in, out, wanted;
	const struct world_run run = run_of(visit);
	const struct packet_spec from = talk_request(&visit->talk);
	struct packet_spec answer = {.src = from.dst, .dst = from.src};
	bool is_ipv6 = visit->talk.is_ipv6;
	int verdict;

	packet_build(&from, &in);
	verdict = world_run(&world, &run, &in, &out);
	cr_assert_eq(verdict, VERDICT_REDIRECT, "%s: verdict %d", visit->what, verdict);
	if (visit->talk.protocol == IPPROTO_TCP) {
		answer.protocol = IPPROTO_TCP;
		answer.sport = from.dport;
		answer.dport = from.sport;
		answer.flags = FLAG_RST | FLAG_ACK;
		answer.ack = from.seq + 1;
	} else {
		answer.protocol = is_ipv6 ? PROTO_ICMP6 : IPPROTO_ICMP;
		answer.icmp_type = is_ipv6 ? 1 : 3;
		answer.icmp_code = is_ipv6 ? 4 : 3;
		answer.quoted = in.data + FRAME_L3;
		answer.n_quoted = in.n - FRAME_L3;
	}
	packet_build(&answer, &wanted);
	memcpy(wanted.data, in.data + 6, 6);
	memcpy(wanted.data + 6, in.data, 6);
	frame_verify(&out, visit->what);
	/* free to choose: TOS, identification, flags, window, and with them the checksums */
	cr_expect_eq(out.n, wanted.n, "%s: %zu bytes, not %zu", visit->what, out.n, wanted.n);
	cr_expect_arr_eq(out.data, wanted.data, 14, "%s: link layer", visit->what);
	cr_expect_arr_eq(out.data + FRAME_L3 + (is_ipv6 ? 8 : 12),
			 wanted.data + FRAME_L3 + (is_ipv6 ? 8 : 12), is_ipv6 ? 32 : 8,
			 "%s: addresses", visit->what);
	if (visit->talk.protocol == IPPROTO_TCP)
		cr_expect_arr_eq(out.data + wanted.l4, wanted.data + wanted.l4, 14, "%s: reset",
				 visit->what);
	else
		cr_expect_arr_eq(out.data + wanted.l4 + 4, wanted.data + wanted.l4 + 4,
				 wanted.n - wanted.l4 - 4, "%s: quote", visit->what);
	cr_expect_arr_eq(out.data + wanted.l4, wanted.data + wanted.l4, 2, "%s", visit->what);
}

/* ------------------------------------------------------------------ translations */

static uint8_t state_of_flow(const struct visit *visit, uint8_t tcp, uint8_t others)
{
	return visit->talk.protocol == IPPROTO_TCP ? tcp : others;
}

static uint8_t flags_of(const struct visit *visit)
{
	if (visit->talk.is_snat)
		return SVC_FLOW_F_SNAT;
	return visit->talk.backend == local_at || visit->talk.backend == node_at ? SVC_FLOW_F_LOCAL
										 : 0;
}

/* Where the reply passes: with SNAT where it comes in, else where it leaves. */
static struct world_run reply_run(const struct visit *visit)
{
	const enum place place = cases[visit->row].place;
	bool is_pod = visit->talk.backend == local_at;

	if (visit->talk.is_snat)
		return (struct world_run){.hook = INGRESS,
					  .ifindex = is_pod ? world.pod : world.up};
	return (struct world_run){.hook = EGRESS,
				  .ifindex = place == OUTSIDE ? world.up : world.pod};
}

/* To this node itself by the stack, to others as a router does; without SNAT the stack is that. */
static void expect_reply(const struct visit *visit)
{
	const bool is_sent = visit->talk.is_snat && cases[visit->row].place != HOST;
	struct world_step step = {
		.run = reply_run(visit),
		.in = talk_swapped(talk_translated(&visit->talk)),
		.out = talk_swapped(talk_request(&visit->talk)),
		.verdict = is_sent ? VERDICT_REDIRECT : VERDICT_NEXT,
		.counted = "",
	};
	struct world_step wrong = step;

	wrong.run.hook = step.run.hook == INGRESS ? EGRESS : INGRESS;
	world_left_alone(&world, &wrong, visit->what);
	step.out.ttl = is_sent ? 63 : 64;
	world_expect(&world, &step, "%s: reply", visit->what);
	talk_expect_flows(&world, &visit->talk,
			  state_of_flow(visit, SVC_FLOW_TCP_SYN_RECV, SVC_FLOW_UDP_STREAM),
			  flags_of(visit) | SVC_FLOW_F_REPLIED, visit->what);
}

static void expect_translation(const struct visit *visit)
{
	struct world_step step = {
		.run = run_of(visit),
		.in = talk_request(&visit->talk),
		.out = talk_translated(&visit->talk),
		.verdict = visit->talk.is_snat ? VERDICT_REDIRECT : VERDICT_NEXT,
		.counted = cases[visit->row].counted,
	};

	world_expect(&world, &step, "%s", visit->what);
	talk_expect_flows(&world, &visit->talk,
			  state_of_flow(visit, SVC_FLOW_TCP_SYN_SENT, SVC_FLOW_UDP_UNREPLIED),
			  flags_of(visit), visit->what);
	expect_reply(visit);
	/* and again, by the flow that is there */
	step.in.flags = step.out.flags = FLAG_ACK;
	step.counted = "";
	world_expect(&world, &step, "%s: again", visit->what);
	talk_expect_flows(&world, &visit->talk,
			  state_of_flow(visit, SVC_FLOW_TCP_ESTABLISHED, SVC_FLOW_UDP_STREAM),
			  flags_of(visit) | SVC_FLOW_F_REPLIED, visit->what);
}

static void visit_one(const struct visit *visit)
{
	struct world_step step = {
		.run = run_of(visit),
		.in = talk_request(&visit->talk),
		.verdict = VERDICT_DROP,
		.counted = cases[visit->row].counted,
	};
	const enum fate fate = cases[visit->row].fate;
	bool is_refused;

	world_forget(&world);
	is_refused = visit->talk.protocol == IPPROTO_SCTP && !is_port_kept(visit) &&
		     fate != ANSWER && (fate != DROPPED || visit->talk.service == LOST);
	if (fate == ANSWER) {
		expect_answer(visit);
		return;
	}
	if (fate != DROPPED && !is_refused) {
		expect_translation(visit);
		return;
	}
	if (is_refused)
		step.counted = "dropped_sctp_port+1";
	world_expect(&world, &step, "%s", visit->what);
	cr_expect_eq(world_n_flows(&world), 0, "%s: it left a flow", visit->what);
}

TestSuite(packets, .init = open_world, .fini = close_world, .timeout = 120);

static const char *const *client_of(enum place place)
{
	static const char *const *const clients[] = {
		[OUTSIDE] = client_at, [POD] = pod_at, [ITSELF] = local_at, [HOST] = node_at};

	return clients[place];
}

static void visit_types(size_t row, uint8_t protocol, int is_ipv6)
{
	struct visit visit = {.row = row};
	struct talk *talk = &visit.talk;
	uint8_t type;

	for (type = SVC_TYPE_CLUSTER_IP; type <= SVC_TYPE_NODE_PORT; type++) {
		if (cases[row].types && !(cases[row].types & 1u << type))
			continue;
		*talk = (struct talk){
			.service = cases[row].service,
			.type = type,
			.protocol = protocol,
			.is_ipv6 = is_ipv6,
			.client = client_of(cases[row].place),
			.backend = cases[row].backend,
			.sport = TALK_PORT_KEPT,
			.is_snat = cases[row].fate == SNAT,
		};
		snprintf(visit.what, sizeof(visit.what), "%s, %s, IPv%d, type %u", cases[row].what,
			 protocol_name(protocol), is_ipv6 ? 6 : 4, type);
		visit_one(&visit);
	}
}

static void visit_rows(uint8_t protocol, int is_ipv6)
{
	size_t row;

	for (row = 0; row < ARRAY_SIZE(cases); row++)
		visit_types(row, protocol, is_ipv6);
}

Test(packets, every_client_reaches_every_service)
{
	talk_for_all(visit_rows);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv);
}
