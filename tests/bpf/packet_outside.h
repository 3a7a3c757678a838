/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of odd packets have in common: clients outside and their flows. */
#ifndef SVCBPF_TESTS_PACKET_OUTSIDE_H
#define SVCBPF_TESTS_PACKET_OUTSIDE_H

#include "packet_talk.h"

static struct world world;
static struct frame in, out, wanted;

static inline void open_world(void)
{
	world_open(&world, "default", &(struct svc_packet_config){0});
}

static inline void close_world(void)
{
	world_close(&world);
}

static inline struct world_run at_uplink(enum world_hook hook)
{
	return (struct world_run){.hook = hook, .ifindex = world.up};
}

/* A client outside; the backend is on this node (DNAT) or on another (SNAT). */
static inline struct talk talk_outside(bool is_snat, uint8_t protocol, int is_ipv6)
{
	return (struct talk){
		.service = is_snat ? REMOTE : LOCAL,
		.type = SVC_TYPE_EXTERNAL_IP,
		.protocol = protocol,
		.is_ipv6 = is_ipv6,
		.client = client_at,
		.backend = is_snat ? remote_at : local_at,
		.sport = TALK_PORT_KEPT,
		.is_snat = is_snat,
	};
}

static inline int verdict_of(const struct talk *talk)
{
	return talk->is_snat ? VERDICT_REDIRECT : VERDICT_NEXT;
}

/* Replies with SNAT come in, others leave. */
static inline struct world_run reply_run(const struct talk *talk)
{
	return at_uplink(talk->is_snat ? INGRESS : EGRESS);
}

static inline uint8_t ttl_after(const struct talk *talk)
{
	return talk->is_snat ? 63 : 64;
}

/* A flow that both sides have used. */
static inline void begin(const struct talk *talk)
{
	struct world_step step = {
		.run = at_uplink(INGRESS),
		.in = talk_request(talk),
		.out = talk_translated(talk),
		.verdict = verdict_of(talk),
	};

	world_forget(&world);
	world_expect(&world, &step, "first packet");
	step.run = reply_run(talk);
	step.in = talk_swapped(talk_translated(talk));
	step.out = talk_swapped(talk_request(talk));
	step.out.ttl = ttl_after(talk);
	world_expect(&world, &step, "first reply");
}

#endif
