/* SPDX-License-Identifier: Apache-2.0 */
/* The packet programs as a whole: the life of a flow, and which backend it is given. */
#include "packet_flows.h"

TestSuite(packet_flows, .init = open_world, .fini = close_world, .timeout = 120);
TestSuite(packet_ports, .fini = close_world, .timeout = 120);

/* ------------------------------------------------------------------ TCP states */

#define FA (FLAG_FIN | FLAG_ACK)
#define SA (FLAG_SYN | FLAG_ACK)
#define RA (FLAG_RST | FLAG_ACK)

/* RFC 9293 3.3.2, as somebody sees it who stands in the middle. */
static const struct {
	const char *what;
	struct {
		uint8_t from;
		uint8_t flags;
		uint8_t state;
	} steps[10];
} lives[] = {
	{"the client closes first",
	 {{C, FLAG_SYN, SVC_FLOW_TCP_SYN_SENT},
	  {B, SA, SVC_FLOW_TCP_SYN_RECV},
	  {C, FLAG_ACK, SVC_FLOW_TCP_ESTABLISHED},
	  {B, FLAG_ACK, SVC_FLOW_TCP_ESTABLISHED},
	  {C, FA, SVC_FLOW_TCP_FIN_WAIT},
	  {B, FLAG_ACK, SVC_FLOW_TCP_CLOSE_WAIT},
	  {B, FA, SVC_FLOW_TCP_LAST_ACK},
	  {C, FLAG_ACK, SVC_FLOW_TCP_TIME_WAIT}}},
	{"the backend closes first",
	 {{C, FLAG_SYN, SVC_FLOW_TCP_SYN_SENT},
	  {B, SA, SVC_FLOW_TCP_SYN_RECV},
	  {C, FLAG_ACK, SVC_FLOW_TCP_ESTABLISHED},
	  {B, FA, SVC_FLOW_TCP_FIN_WAIT},
	  {C, FLAG_ACK, SVC_FLOW_TCP_CLOSE_WAIT},
	  {C, FA, SVC_FLOW_TCP_LAST_ACK},
	  {B, FLAG_ACK, SVC_FLOW_TCP_TIME_WAIT}}},
	{"half closed: data goes on",
	 {{C, FLAG_SYN, SVC_FLOW_TCP_SYN_SENT},
	  {B, SA, SVC_FLOW_TCP_SYN_RECV},
	  {C, FLAG_ACK, SVC_FLOW_TCP_ESTABLISHED},
	  {C, FA, SVC_FLOW_TCP_FIN_WAIT},
	  {C, FA, SVC_FLOW_TCP_FIN_WAIT},
	  {B, FLAG_ACK, SVC_FLOW_TCP_CLOSE_WAIT},
	  {C, FLAG_ACK, SVC_FLOW_TCP_CLOSE_WAIT},
	  {B, FLAG_ACK, SVC_FLOW_TCP_CLOSE_WAIT}}},
	{"both at once",
	 {{C, FLAG_SYN, SVC_FLOW_TCP_SYN_SENT},
	  {B, SA, SVC_FLOW_TCP_SYN_RECV},
	  {C, FLAG_ACK, SVC_FLOW_TCP_ESTABLISHED},
	  {C, FA, SVC_FLOW_TCP_FIN_WAIT},
	  {B, FA, SVC_FLOW_TCP_LAST_ACK},
	  {C, FLAG_ACK, SVC_FLOW_TCP_TIME_WAIT}}},
	{"sent again",
	 {{C, FLAG_SYN, SVC_FLOW_TCP_SYN_SENT},
	  {C, FLAG_SYN, SVC_FLOW_TCP_SYN_SENT},
	  {B, SA, SVC_FLOW_TCP_SYN_RECV},
	  {B, SA, SVC_FLOW_TCP_SYN_RECV},
	  {C, FLAG_SYN, SVC_FLOW_TCP_SYN_RECV},
	  {C, FLAG_ACK, SVC_FLOW_TCP_ESTABLISHED},
	  {C, FLAG_SYN, SVC_FLOW_TCP_ESTABLISHED}}},
	{"refused",
	 {{C, FLAG_SYN, SVC_FLOW_TCP_SYN_SENT},
	  {B, RA, SVC_FLOW_TCP_CLOSE},
	  {C, FLAG_ACK, SVC_FLOW_TCP_CLOSE}}},
	{"reset by the client",
	 {{C, FLAG_SYN, SVC_FLOW_TCP_SYN_SENT},
	  {B, SA, SVC_FLOW_TCP_SYN_RECV},
	  {C, FLAG_ACK, SVC_FLOW_TCP_ESTABLISHED},
	  {C, FLAG_RST, SVC_FLOW_TCP_CLOSE},
	  {B, FLAG_ACK, SVC_FLOW_TCP_CLOSE}}},
};

static uint8_t tcp_state(const struct talk *talk, uint8_t direction, const char *what)
{
	const struct packet_spec spec = segment(talk, direction, 0);
	struct svc_flow_info info;

	cr_assert(talk_find(&world, &spec, direction, &info), "%s", what);
	return info.state;
}

static void live(size_t life, int is_ipv6)
{
	const struct talk talk = talk_to(REMOTE, IPPROTO_TCP, is_ipv6);
	const char *what = lives[life].what;
	size_t i;

	world_forget(&world);
	for (i = 0; i < ARRAY_SIZE(lives[0].steps) && lives[life].steps[i].state; i++) {
		const struct world_step step = {
			.run = at_uplink(),
			.in = segment(&talk, lives[life].steps[i].from, lives[life].steps[i].flags),
			.verdict = VERDICT_REDIRECT,
			.counted = i ? "" : "flows_created+1",
		};

		world_expect(&world, &step, "%s, step %zu", what, i);
		cr_expect_eq(tcp_state(&talk, C, what), lives[life].steps[i].state,
			     "%s, step %zu: state %u", what, i, tcp_state(&talk, C, what));
		cr_expect_eq(tcp_state(&talk, B, what), lives[life].steps[i].state, "%s, step %zu",
			     what, i);
	}
}

Test(packet_flows, tcp_has_the_state_of_its_segments)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lives); i++) {
		live(i, 0);
		live(i, 1);
	}
}

Test(packet_flows, a_new_connection_from_the_port_of_a_closed_one_is_a_new_flow)
{
	const uint8_t last[] = {7, 3}; /* the life of lives[0] up to its end; refused */
	const struct talk talk = talk_to(REMOTE, IPPROTO_TCP, 0);
	struct world_step step = {.run = at_uplink(), .verdict = VERDICT_REDIRECT};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(last); i++) {
		live(i ? 5 : 0, 0);
		step.in = segment(&talk, C, FLAG_SYN);
		step.counted = "flows_created+1 flows_replaced+1";
		world_expect(&world, &step, "SYN after life %zu", i);
		cr_expect_eq(tcp_state(&talk, C, "new"), SVC_FLOW_TCP_SYN_SENT);
		cr_expect_eq(world_n_flows(&world), 2);
	}
}

Test(packet_flows, tcp_in_mid_stream_is_left_alone)
{
	static const uint8_t flags[] = {
		FLAG_ACK,	    FA, SA, FLAG_RST, RA, FLAG_FIN, 0, FLAG_SYN | FLAG_FIN,
		FLAG_SYN | FLAG_RST};
	struct world_step step = {.run = at_uplink(), .counted = "flows_unknown+1"};
	size_t i;
	int f;

	for (f = 0; f < 2; f++)
		for (i = 0; i < ARRAY_SIZE(flags); i++) {
			const struct talk talk = talk_to(REMOTE, IPPROTO_TCP, f);

			step.in = segment(&talk, C, flags[i]);
			world_left_alone(&world, &step, "mid-stream");
			cr_expect_eq(world_n_flows(&world), 0);
		}
}

/* What has come in by a device with the programs was counted there. */
Test(packet_flows, what_is_left_alone_is_counted_once)
{
	const struct talk talk = talk_to(REMOTE, IPPROTO_TCP, 0);
	struct world_step step = {
		.run = {.hook = EGRESS, .ifindex = world.pod},
		.in = segment(&talk, C, FLAG_ACK),
		.counted = "flows_unknown+1",
	};

	if (!world_is_kernel(5, 15))
		cr_skip_test("a test run with the device a packet came by (Linux 5.15)");
	world_left_alone(&world, &step, "the node's own");
	step.run.came_by = 1;
	world_left_alone(&world, &step, "by lo, which has no programs");
	step.run.came_by = world.up;
	step.counted = "";
	world_left_alone(&world, &step, "counted as it came in");
}

/* A packet of a backend that nobody has asked is no reply. */
Test(packet_flows, only_replies_are_translated_back)
{
	struct talk talk = talk_to(REMOTE, IPPROTO_UDP, 0);
	struct world_step step = {.run = at_uplink(), .counted = ""};

	step.in = talk_swapped(talk_translated(&talk));
	world_left_alone(&world, &step, "unasked");
	step.in = talk_request(&talk);
	step.verdict = VERDICT_REDIRECT;
	step.counted = NULL;
	world_expect(&world, &step, "ask");
	step.counted = "";
	step.in = talk_swapped(talk_translated(&talk));
	step.in.dport++;
	world_left_alone(&world, &step, "to another port");
	step.in.dport--;
	step.in.sport++;
	world_left_alone(&world, &step, "from another port");
	step.in.sport--;
	step.in.dst = stranger_at[0];
	world_left_alone(&world, &step, "to another address");
	step.in.dst = node_at[0];
	step.in.protocol = IPPROTO_TCP;
	world_left_alone(&world, &step, "by another protocol");
}

/* ------------------------------------------------------------------ ports of this node */

static void set_one(struct svc_flow_info *info, uint32_t state)
{
	info->state = (uint8_t)state;
}

static void set_state(uint8_t state)
{
	world_each_flow(&world, set_one, state);
}

/* A flow in @state that has been idle for @age_s; then another client wants its port. */
static void compete(uint8_t state, int is_ipv6, uint32_t age_s, const char *counted)
{
	struct talk talk =
		talk_to(REMOTE, state <= SVC_FLOW_UDP_STREAM ? IPPROTO_UDP : IPPROTO_TCP, is_ipv6);
	struct world_step step = {.run = at_uplink(), .verdict = VERDICT_REDIRECT};

	world_forget(&world);
	step.in = talk_request(&talk);
	world_expect(&world, &step, "first");
	set_state(state);
	world_age(&world, age_s);
	talk.client = stranger_at;
	talk.sport = 5555;
	step.in = talk_request(&talk);
	step.verdict = strstr(counted, "exhausted") ? VERDICT_DROP : VERDICT_REDIRECT;
	step.counted = counted;
	world_expect(&world, &step, "state %u after %u s, IPv%d", state, age_s, is_ipv6 ? 6 : 4);
	cr_expect_eq(world_n_flows(&world), 2, "state %u", state);
}

Test(packet_ports, a_port_is_free_when_its_flow_has_timed_out)
{
	const char *taken = "snat_retries+64 snat_exhausted+1";
	uint8_t state;
	int f;

	open_with_ports(1, 0);
	for (f = 0; f < 2; f++)
		for (state = 1; state < SVC_FLOW_TCP_TIME_WAIT; state++) {
			compete(state, f, 3u * state - 2, taken);
			compete(state, f, 3u * state + 1, "flows_created+1 snat_reclaimed+1");
		}
}

static struct world_step client_number(struct talk *talk, uint16_t i)
{
	talk->sport = (uint16_t)(5000 + i);
	return (struct world_step){
		.run = at_uplink(), .in = talk_request(talk), .verdict = VERDICT_REDIRECT};
}

/* All ports are in use; what is in @state makes room. */
static void close_all(uint8_t state, int is_ipv6)
{
	struct talk talk = talk_to(REMOTE, IPPROTO_TCP, is_ipv6);
	struct world_step step;
	uint16_t i;

	world_forget(&world);
	for (i = 0; i < 64; i++) {
		step = client_number(&talk, i);
		world_expect(&world, &step, "client %u", i);
	}
	step = client_number(&talk, i);
	step.verdict = VERDICT_DROP;
	world_expect(&world, &step, "none is closing");
	set_state(state);
	world_counted(&world);
	step.verdict = VERDICT_REDIRECT;
	step.counted = "flows_created+1 snat_retries+32 snat_reclaimed+1";
	world_expect(&world, &step, "state %u", state);
	cr_expect_eq(world_n_flows(&world), 128);
}

Test(packet_ports, ports_of_closing_flows_are_taken_when_there_are_no_others)
{
	open_with_ports(40, 24);
	close_all(SVC_FLOW_TCP_TIME_WAIT, 0);
	close_all(SVC_FLOW_TCP_CLOSE, 0);
	close_all(SVC_FLOW_TCP_TIME_WAIT, 1);
	close_all(SVC_FLOW_TCP_CLOSE, 1);
}

/* The same client goes on with its flow, or is given a new one. */
static void come_back(uint8_t state, int is_ipv6, uint32_t age_s, const char *counted)
{
	struct talk talk =
		talk_to(REMOTE, state <= SVC_FLOW_UDP_STREAM ? IPPROTO_UDP : IPPROTO_TCP, is_ipv6);
	struct world_step step = {.run = at_uplink(), .verdict = VERDICT_REDIRECT};

	world_forget(&world);
	step.in = talk_request(&talk);
	world_expect(&world, &step, "first");
	set_state(state);
	world_age(&world, age_s);
	step.counted = counted;
	world_expect(&world, &step, "state %u after %u s, IPv%d", state, age_s, is_ipv6 ? 6 : 4);
	cr_expect_eq(world_n_flows(&world), 2, "state %u", state);
}

Test(packet_ports, a_flow_that_has_timed_out_is_made_anew)
{
	uint8_t state;
	int f;

	open_with_ports(1, 0);
	for (f = 0; f < 2; f++)
		for (state = 1; state < SVC_FLOW_TCP_LAST_ACK; state++) {
			come_back(state, f, 3u * state - 2, "");
			come_back(state, f, 3u * state + 1, "flows_created+1 flows_replaced+1");
		}
}

/* Each of @n clients gets a port of its own, the next one none; other backends have all of them. */
static void use_up(uint8_t protocol, int is_ipv6, uint16_t n)
{
	struct talk talk = talk_to(REMOTE, protocol, is_ipv6);
	struct talk elsewhere = talk_to(SMALL, protocol, is_ipv6);
	struct world_step step;
	uint16_t i;

	world_forget(&world);
	for (i = 0; i < n; i++) {
		step = client_number(&talk, i);
		world_expect(&world, &step, "client %u", i);
		cr_expect_eq(world_n_flows(&world), 2u * (i + 1), "two flows have one port");
	}
	world_counted(&world);
	step = client_number(&talk, i);
	step.verdict = VERDICT_DROP;
	world_expect(&world, &step, "one too many");
	cr_expect_eq(world_n_flows(&world), 2 * n);
	step = client_number(&elsewhere, i);
	world_expect(&world, &step, "to another backend");
	world_age(&world, 3 * SVC_N_FLOW_STATES);
	step = client_number(&talk, i);
	world_expect(&world, &step, "after all others have timed out");
	cr_expect_eq(world_n_flows(&world), 2 * (n + 1));
}

Test(packet_ports, each_backend_has_all_ports_once)
{
	open_with_ports(6, 3);
	use_up(IPPROTO_UDP, 0, 9);
	use_up(IPPROTO_UDP, 1, 9);
	use_up(IPPROTO_TCP, 0, 9);
	use_up(IPPROTO_TCP, 1, 9);
}

static int bind_socket(int is_ipv6, int type, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const int on = 1;
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	if (is_ipv6) /* the other socket has the port in IPv4 */
		cr_assert_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
	cr_assert_eq(is_ipv6 ? bind(fd, (void *)&in6, sizeof(in6))
			     : bind(fd, (void *)&in4, sizeof(in4)),
		     0);
	cr_assert(type != SOCK_STREAM || listen(fd, 1) == 0);
	return fd;
}

Test(packet_ports, ports_of_the_hosts_own_sockets_are_not_taken)
{
	int fds[4] = {-1, -1, -1, -1}, i;

	open_with_ports(6, 3);
	for (i = 0; i < 4; i++)
		fds[i] =
			bind_socket(i / 2, i % 2 ? SOCK_STREAM : SOCK_DGRAM, i % 2 ? 61002 : 20003);
	use_up(IPPROTO_UDP, 0, 8);
	use_up(IPPROTO_UDP, 1, 8);
	use_up(IPPROTO_TCP, 0, 8);
	use_up(IPPROTO_TCP, 1, 8);
	for (i = 0; i < 4; i++)
		close(fds[i]);
}

/* SCTP's ports cannot be changed: the second client of a port is refused. */
Test(packet_flows, sctp_keeps_its_port_or_is_refused)
{
	struct talk talk = talk_to(REMOTE, IPPROTO_SCTP, 0);
	struct world_step step;

	talk.sport = TALK_PORT;
	step = (struct world_step){.run = at_uplink(),
				   .in = talk_request(&talk),
				   .out = talk_translated(&talk),
				   .verdict = VERDICT_REDIRECT,
				   .counted = "flows_created+1"};
	world_expect(&world, &step, "first");
	talk.client = stranger_at;
	step.in = talk_request(&talk);
	step.verdict = VERDICT_DROP;
	step.counted = "snat_retries+1 snat_exhausted+1";
	world_expect(&world, &step, "second");
}

/* One client's port asks two frontends of one backend: the second flow needs another port. */
Test(packet_flows, two_frontends_of_one_backend_from_one_port)
{
	struct talk talk = talk_to(LOCAL, IPPROTO_UDP, 0);
	struct world_step step = {.run = at_uplink(), .counted = "flows_created+1"};

	talk.backend = local_at;
	talk.is_snat = false;
	step.in = talk_request(&talk);
	step.out = talk_translated(&talk);
	step.verdict = VERDICT_NEXT;
	world_expect(&world, &step, "first");
	talk.type = SVC_TYPE_EXTERNAL_IP;
	talk.is_snat = true;
	step.in = talk_request(&talk);
	step.out = talk_translated(&talk);
	step.verdict = VERDICT_REDIRECT;
	world_expect(&world, &step, "second");
	cr_expect_eq(world_n_flows(&world), 4);
	step.run.ifindex = world.pod;
	step.in = talk_swapped(talk_translated(&talk));
	step.out = talk_swapped(talk_request(&talk));
	step.out.ttl = 63;
	step.counted = "";
	step.run.hook = EGRESS;
	world_left_alone(&world, &step, "reply to the second, where those to the first are seen");
	step.run.hook = INGRESS;
	world_expect(&world, &step, "reply to the second");
	talk.type = SVC_TYPE_CLUSTER_IP;
	talk.is_snat = false;
	step.in = talk_swapped(talk_translated(&talk));
	step.out = talk_swapped(talk_request(&talk));
	world_left_alone(&world, &step, "reply to the first, where those to the second are seen");
	step.run = (struct world_run){.hook = EGRESS, .ifindex = world.up};
	step.verdict = VERDICT_NEXT;
	world_expect(&world, &step, "reply to the first");
}

/*
 * The same where the backend is this node itself: the stack would not take what comes in from the
 * node's own address, so the client keeps its own, and gets another port.
 */
static void two_frontends_of_this_node(uint8_t protocol, int is_ipv6)
{
	struct talk talk = talk_to(NODE, protocol, is_ipv6);
	struct world_step step = {.run = at_uplink(), .counted = "flows_created+1"};
	struct world_step reply = {.run = at_uplink(), .counted = ""};
	static struct frame in, out;

	world_forget(&world);
	talk.backend = node_at;
	talk.is_snat = false;
	talk.sport = TALK_PORT;
	step.in = talk_request(&talk);
	step.out = talk_translated(&talk);
	step.verdict = reply.verdict = VERDICT_NEXT;
	world_expect(&world, &step, "first");
	talk.type = SVC_TYPE_EXTERNAL_IP;
	step.in = talk_request(&talk);
	packet_build(&step.in, &in);
	cr_assert_eq(world_run(&world, &step.run, &in, &out), VERDICT_NEXT);
	cr_assert_str_eq(world_counted(&world), "flows_created+1");
	step.out = talk_translated(&talk);
	step.out.sport = (uint16_t)get16(out.data + in.l4);
	cr_assert_neq(step.out.sport, TALK_PORT);
	step.counted = "";
	world_expect(&world, &step, "second: another port, the client's address");
	reply.run.hook = EGRESS;
	reply.in = talk_swapped(step.out);
	reply.out = talk_swapped(step.in);
	world_expect(&world, &reply, "reply to the second");
	talk.type = SVC_TYPE_CLUSTER_IP;
	reply.in = talk_swapped(talk_translated(&talk));
	reply.out = talk_swapped(talk_request(&talk));
	world_expect(&world, &reply, "reply to the first");
	cr_expect_eq(world_n_flows(&world), 4);
}

Test(packet_flows, two_frontends_of_this_node_from_one_port)
{
	two_frontends_of_this_node(IPPROTO_UDP, 0);
	two_frontends_of_this_node(IPPROTO_UDP, 1);
	two_frontends_of_this_node(IPPROTO_TCP, 0);
	two_frontends_of_this_node(IPPROTO_TCP, 1);
}

/* What this node itself sends to itself past its sockets' programs comes too late to be turned. */
Test(packet_flows, what_this_node_sends_itself_is_dropped_and_counted)
{
	struct talk talk = talk_to(NODE, IPPROTO_UDP, 0);
	struct world_step step = {
		.run = {.hook = EGRESS, .ifindex = world.up},
		.verdict = VERDICT_DROP,
		.counted = "dropped_no_route+1",
	};

	talk.client = node_at;
	step.in = talk_request(&talk);
	world_expect(&world, &step, "raw packet");
	cr_expect_eq(world_n_flows(&world), 0);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv);
}
