/* SPDX-License-Identifier: Apache-2.0 */
/* Direct server return: what one node sends in a tunnel, another takes out of it, and answers. */
#include "packet_talk.h"

static struct world world;
static struct frame in, out, wanted;

static void open_world(void)
{
	world_open(&world, "dsr", &(struct svc_packet_config){.forwarding = SVC_FORWARDING_DSR});
}

static void close_world(void)
{
	world_close(&world);
}

TestSuite(packet_dsr, .init = open_world, .fini = close_world, .timeout = 120);

static struct world_run at_uplink(enum world_hook hook)
{
	return (struct world_run){.hook = hook, .ifindex = world.up};
}

static struct talk talk_outside(enum world_service service, uint8_t protocol, int is_ipv6)
{
	return (struct talk){
		.service = service,
		.type = SVC_TYPE_EXTERNAL_IP,
		.protocol = protocol,
		.is_ipv6 = is_ipv6,
		.client = client_at,
		.backend = service == REMOTE ? remote_at : local_at,
		.sport = TALK_PORT,
	};
}

/* @frame in a header of its own (RFC 2003, RFC 2473), that has the backend's port to spare. */
static void wrap(struct frame *frame, const char *src, const char *dst, uint16_t port)
{
	struct packet_spec outer = {.src = src, .dst = dst, .dont_fragment = true};
	bool is_ipv6 = strchr(src, ':');
	static struct frame tunnel;
	size_t n = frame->n - FRAME_L3;
	unsigned char *ip = tunnel.data + FRAME_L3;

	outer.protocol = is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	outer.frag_id = port;
	packet_build(&outer, &tunnel);
	if (is_ipv6)
		put16(ip + 2, port);
	tunnel.n = tunnel.l4 + n;
	memcpy(tunnel.data + tunnel.l4, frame->data + FRAME_L3, n);
	if (is_ipv6) {
		put16(ip + 4, (uint32_t)n);
	} else {
		put16(ip + 2, (uint32_t)n + 20);
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~sum16_fold(sum16(0, ip, 20)));
	}
	*frame = tunnel;
}

static void expect_verdict(const struct world_run *run, int verdict, const char *counted,
			   const char *what)
{
	int r = world_run(&world, run, &in, &out);
	const char *found = world_counted(&world);

	cr_assert_eq(r, verdict, "%s: verdict %d, counted %s", what, r, found);
	cr_assert_str_eq(found, counted, "%s: counted %s", what, found);
}

/* ------------------------------------------------------------------ sending */

static void send_away(uint8_t protocol, int is_ipv6)
{
	const struct talk talk = talk_outside(REMOTE, protocol, is_ipv6);
	const struct world_run run = at_uplink(INGRESS);
	struct packet_spec spec = talk_request(&talk);
	struct svc_flow_info info;
	int again;

	world_forget(&world);
	for (again = 0; again < 2; again++) {
		spec.ttl = 64;
		spec.flags = again ? FLAG_ACK : FLAG_SYN;
		packet_build(&spec, &in);
		expect_verdict(&run, VERDICT_REDIRECT,
			       again ? "dsr_encapsulated+1" : "flows_created+1 dsr_encapsulated+1",
			       "sent");
		spec.ttl = 63;
		packet_build(&spec, &wanted);
		wrap(&wanted, node_at[is_ipv6], remote_at[is_ipv6], world_backend_port(protocol));
		world_same(&out, &wanted, "tunnel");
		cr_assert(talk_find(&world, &spec, SVC_FLOW_FORWARD, &info));
		cr_expect_eq(info.flags, SVC_FLOW_F_DSR);
		cr_expect_eq(world_n_flows(&world), 1);
	}
	cr_expect_eq(info.state,
		     protocol == IPPROTO_TCP ? SVC_FLOW_TCP_ESTABLISHED : SVC_FLOW_UDP_STREAM);
}

Test(packet_dsr, packets_go_to_the_backends_node_as_they_came)
{
	talk_for_all(send_away);
}

/* Of @n bytes, IP header included. */
static void build_sized(struct packet_spec spec, size_t n)
{
	spec.n_payload = 0;
	packet_build(&spec, &in);
	spec.n_payload = n - (in.n - FRAME_L3);
	packet_build(&spec, &in);
}

static void send_too_much(uint8_t protocol, int is_ipv6)
{
	const struct talk talk = talk_outside(REMOTE, protocol, is_ipv6);
	const struct world_run run = at_uplink(INGRESS);
	const size_t max = 1500 - (is_ipv6 ? 40 : 20);
	const size_t told = world_told_mtu(1500) - (is_ipv6 ? 40 : 20);
	size_t l4 = FRAME_L3 + (is_ipv6 ? 40 : 20);

	world_forget(&world);
	build_sized(talk_request(&talk), max);
	expect_verdict(&run, VERDICT_REDIRECT, "flows_created+1 dsr_encapsulated+1", "fits");
	build_sized(talk_request(&talk), max + 1);
	expect_verdict(&run, VERDICT_REDIRECT, "packets_too_big+1", "too big");
	frame_verify(&out, "too big");
	cr_expect_eq(out.data[l4], is_ipv6 ? 2 : 3);
	cr_expect_eq(out.data[l4 + 1], is_ipv6 ? 0 : 4);
	cr_expect_eq(get32(out.data + l4 + 4), told, "%u, not %zu", get32(out.data + l4 + 4), told);
}

Test(packet_dsr, the_tunnels_header_counts)
{
	talk_for_all(send_too_much);
}

static void keep_here(uint8_t protocol, int is_ipv6)
{
	const struct talk talk = talk_outside(LOCAL, protocol, is_ipv6);
	struct world_step step = {
		.run = at_uplink(INGRESS),
		.in = talk_request(&talk),
		.out = talk_translated(&talk),
		.verdict = VERDICT_NEXT,
		.counted = "flows_created+1",
	};

	world_forget(&world);
	world_expect(&world, &step, "backend on this node");
}

Test(packet_dsr, backends_on_this_node_need_no_tunnel)
{
	talk_for_all(keep_here);
}

/* ------------------------------------------------------------------ receiving */

static void receive(uint8_t protocol, int is_ipv6, uint8_t flags, uint8_t type)
{
	static const char *const other_node[2] = {"192.0.2.20", "2001:db8:2::20"};
	struct talk talk = talk_outside(REMOTE, protocol, is_ipv6);
	const struct world_run run = at_uplink(INGRESS);
	struct packet_spec spec;
	struct world_step step = {.run = at_uplink(EGRESS), .verdict = VERDICT_NEXT, .counted = ""};

	world_forget(&world);
	talk.backend = local_at; /* which the other node has chosen */
	talk.type = type;
	spec = talk_request(&talk);
	spec.flags = flags;
	packet_build(&spec, &in);
	wrap(&in, other_node[is_ipv6], local_at[is_ipv6], world_backend_port(protocol));
	expect_verdict(&run, VERDICT_NEXT, "flows_created+1 dsr_decapsulated+1", "received");
	spec = talk_translate(&talk, spec);
	packet_build(&spec, &wanted);
	world_same(&out, &wanted, "received");
	step.in = talk_swapped(talk_translated(&talk));
	step.out = talk_swapped(talk_request(&talk));
	world_expect(&world, &step, "answered");
	spec = talk_request(&talk);
	spec.flags = FLAG_ACK;
	packet_build(&spec, &in);
	wrap(&in, other_node[is_ipv6], local_at[is_ipv6], world_backend_port(protocol));
	expect_verdict(&run, VERDICT_NEXT, "dsr_decapsulated+1", "once more");
	spec = talk_translate(&talk, spec);
	packet_build(&spec, &wanted);
	world_same(&out, &wanted, "once more");
	cr_expect_eq(world_n_flows(&world), 2);
}

static void receive_all(uint8_t protocol, int is_ipv6)
{
	receive(protocol, is_ipv6, FLAG_SYN, SVC_TYPE_EXTERNAL_IP);
	if (protocol == IPPROTO_TCP) /* the flow moved from a third node, that had established it */
		receive(protocol, is_ipv6, FLAG_ACK, SVC_TYPE_LOAD_BALANCER);
	if (protocol != IPPROTO_SCTP)
		receive(protocol, is_ipv6, FLAG_SYN, SVC_TYPE_NODE_PORT);
}

Test(packet_dsr, another_nodes_tunnel_ends_here)
{
	talk_for_all(receive_all);
}

/* Everybody's other tunnels. */
static void receive_foreign(uint8_t protocol, int is_ipv6)
{
	struct talk talk = talk_outside(REMOTE, protocol, is_ipv6);
	const struct world_run run = at_uplink(INGRESS);
	struct packet_spec spec = talk_request(&talk);

	world_forget(&world);
	spec.dst = stranger_at[is_ipv6];
	packet_build(&spec, &in);
	wrap(&in, router_at[is_ipv6], local_at[is_ipv6], 8080);
	expect_verdict(&run, VERDICT_NEXT, "", "to a stranger");
	world_same(&out, &in, "to a stranger");
	packet_build(&spec, &in);
	wrap(&in, router_at[is_ipv6], local_at[is_ipv6], 8080);
	in.n -= 40; /* ends inside */
	expect_verdict(&run, VERDICT_NEXT, "", "cut");
	world_same(&out, &in, "cut");
}

Test(packet_dsr, other_tunnels_stay)
{
	talk_for_all(receive_foreign);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv);
}
