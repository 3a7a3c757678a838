/* SPDX-License-Identifier: Apache-2.0 */
/* The packet programs as a whole: flows of which the full table has given up one half. */
#include "packet_flows.h"

TestSuite(packet_mend, .init = open_world, .fini = close_world, .timeout = 120);
TestSuite(packet_mend_ports, .fini = close_world, .timeout = 120);

/* The backend is on this node (DNAT) or on another (SNAT). */
static struct talk talk_with(bool is_snat, uint8_t protocol, int is_ipv6)
{
	struct talk talk = talk_to(is_snat ? REMOTE : LOCAL, protocol, is_ipv6);

	talk.is_snat = is_snat;
	if (!is_snat)
		talk.backend = local_at;
	return talk;
}

static struct world_step from(const struct talk *talk, uint8_t who, uint8_t flags)
{
	struct world_step step = {
		.run = at_uplink(),
		.in = segment(talk, who, flags),
		.verdict = talk->is_snat ? VERDICT_REDIRECT : VERDICT_NEXT,
	};

	step.out = who == C ? talk_translate(talk, step.in) : talk_swapped(talk_request(talk));
	step.out.flags = flags;
	if (who == B && talk->is_snat)
		step.out.ttl = 63;
	if (who == B && !talk->is_snat)
		step.run.hook = EGRESS;
	return step;
}

/* A flow that both have used, a second and more ago. */
static void begin(const struct talk *talk)
{
	static const struct {
		uint8_t who;
		uint8_t flags;
	} first[] = {{C, FLAG_SYN}, {B, FLAG_SYN | FLAG_ACK}, {C, FLAG_ACK}};
	size_t i;

	world_forget(&world);
	for (i = 0; i < ARRAY_SIZE(first); i++) {
		const struct world_step step = from(talk, first[i].who, first[i].flags);

		world_expect(&world, &step, "packet %zu", i);
	}
	world_age(&world, 2);
}

static struct world_flow half_of(const struct talk *talk, uint8_t direction)
{
	const struct packet_spec spec = segment(talk, direction, 0);

	return (struct world_flow){spec.src,   spec.dst,      spec.sport,
				   spec.dport, spec.protocol, direction};
}

/* Who uses the half that is left puts @lost back, so that both directions work again. */
static void lose(const struct talk *talk, uint8_t lost)
{
	const uint8_t left = lost == C ? B : C;
	const struct world_flow half = half_of(talk, lost);
	struct world_step step = from(talk, left, FLAG_ACK);
	struct svc_flow_info was, is;
	const char *what = lost == C ? "forward half" : "reply half";

	begin(talk);
	cr_assert(world_find_flow(&world, &half, &was));
	world_delete_flow(&world, &half);
	step.counted = "flows_mended+1";
	world_expect(&world, &step, "%s lost, protocol %u", what, talk->protocol);
	cr_assert(world_find_flow(&world, &half, &is), "%s", what);
	cr_expect_eq(is.state, was.state, "%s", what);
	cr_expect_eq(is.flags, was.flags, "%s", what);
	cr_expect_eq(is.service_id, was.service_id, "%s", what);
	cr_expect_eq(is.created_s, was.created_s, "%s", what);
	cr_expect_eq(is.generation, was.generation, "%s", what);
	step.counted = "";
	world_expect(&world, &step, "in the same second");
	step = from(talk, lost, FLAG_ACK);
	step.counted = "";
	world_expect(&world, &step, "%s is back, protocol %u", what, talk->protocol);
	cr_expect_eq(world_n_flows(&world), 2);
}

static void lose_either(uint8_t protocol, int is_ipv6)
{
	int is_snat;

	for (is_snat = 0; is_snat < 2; is_snat++) {
		const struct talk talk = talk_with(is_snat, protocol, is_ipv6);

		lose(&talk, B);
		lose(&talk, C);
	}
}

Test(packet_mend, the_half_that_is_used_puts_the_other_back)
{
	talk_for_all(lose_either);
}

/* Flows that are closing end without it. */
Test(packet_mend, what_is_closing_is_not_put_back)
{
	const struct talk talk = talk_with(true, IPPROTO_TCP, 0);
	const struct world_flow reply = half_of(&talk, B);
	struct world_step step;

	begin(&talk);
	step = from(&talk, C, FLAG_RST);
	world_expect(&world, &step, "reset");
	world_age(&world, 2);
	world_delete_flow(&world, &reply);
	step = from(&talk, C, FLAG_ACK);
	step.counted = "";
	world_expect(&world, &step, "after it");
	cr_expect_eq(world_n_flows(&world), 1);
}

/*
 * There is one port of this node. The first client's flow loses its reply half, the second client
 * gets the port: what the first sends must not go on into the second's connection.
 */
static void lose_port(uint8_t protocol, int is_ipv6, const char *counted)
{
	const struct talk talk = talk_with(true, protocol, is_ipv6);
	const struct world_flow reply = half_of(&talk, B);
	struct talk second = talk;
	struct world_step step;

	begin(&talk);
	world_delete_flow(&world, &reply);
	second.client = stranger_at;
	step = from(&second, C, FLAG_SYN);
	step.counted = "flows_created+1";
	world_expect(&world, &step, "second client");
	step = from(&talk, C, FLAG_ACK);
	step.counted = counted;
	if (protocol == IPPROTO_TCP) {
		world_left_alone(&world, &step, "first client");
	} else {
		step.verdict = VERDICT_DROP;
		world_expect(&world, &step, "first client");
	}
	cr_expect_eq(world_n_flows(&world), 2, "the second client's");
	step = from(&second, B, FLAG_SYN | FLAG_ACK);
	world_expect(&world, &step, "reply to the second client");
}

Test(packet_mend_ports, a_flow_whose_port_was_taken_is_over)
{
	int f;

	open_with_ports(1, 0);
	for (f = 0; f < 2; f++) {
		lose_port(IPPROTO_TCP, f, "flows_replaced+1 flows_unknown+1");
		lose_port(IPPROTO_UDP, f, "flows_replaced+1 snat_retries+64 snat_exhausted+1");
	}
}

/*
 * The client's half is lost, and the client begins anew from the same port: with another backend,
 * or here another port of this node. What the old backend sends is no longer the client's.
 */
static void begin_anew(uint8_t protocol, int is_ipv6)
{
	struct talk talk = talk_with(true, protocol, is_ipv6);
	const struct world_flow forward = half_of(&talk, C);
	const struct world_flow reply = half_of(&talk, B);
	struct svc_flow_info info;
	struct world_step step;
	struct sample sample;

	begin(&talk);
	world_delete_flow(&world, &forward);
	world_sample(&sample, REMOTE, protocol, is_ipv6);
	sample.port.cluster.backends[0].addr = world_addr(small_at[is_ipv6]);
	if (protocol == IPPROTO_UDP)
		sample.port.serving.backends[0].addr = world_addr(small_at[is_ipv6]);
	world_put(&world, &sample, 1);
	step = from(&talk, B, FLAG_ACK);
	talk.backend = small_at;
	{
		struct world_step again = from(&talk, C, FLAG_SYN);

		again.counted = "flows_created+1";
		world_expect(&world, &again, "the client begins anew");
	}
	step.counted = "";
	world_left_alone(&world, &step, "the old backend");
	cr_expect_not(world_find_flow(&world, &reply, &info), "the old flow");
	cr_expect_eq(world_n_flows(&world), 2, "the new one");
	world_sample(&sample, REMOTE, protocol, is_ipv6);
	world_put(&world, &sample, 1);
}

Test(packet_mend, replies_of_a_flow_whose_client_began_anew_are_not_its)
{
	begin_anew(IPPROTO_TCP, 0);
	begin_anew(IPPROTO_TCP, 1);
	begin_anew(IPPROTO_UDP, 0);
	begin_anew(IPPROTO_UDP, 1);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv);
}
