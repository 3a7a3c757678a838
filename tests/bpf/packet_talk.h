/* SPDX-License-Identifier: Apache-2.0 */
/* A client that asks a Service of the world: its packets, and what they should become. */
#ifndef SVCBPF_TESTS_PACKET_TALK_H
#define SVCBPF_TESTS_PACKET_TALK_H

#include "packet_world.h"

/* A client's port that this node may not use, and one that it may, so that it is kept. */
#define TALK_PORT      40000
#define TALK_PORT_KEPT 20001

/**
 * struct talk - who asks what.
 * @client, @backend: of both families.
 * @sport: the client's.
 * @is_snat: the backend is asked by this node, in the client's place and from its port.
 */
struct talk {
	enum world_service service;
	uint8_t type;
	uint8_t protocol;
	int is_ipv6;
	const char *const *client;
	const char *const *backend;
	uint16_t sport;
	bool is_snat;
};

/** talk_request() - what the client sends first. */
static inline struct packet_spec talk_request(const struct talk *talk)
{
	return (struct packet_spec){
		.src = talk->client[talk->is_ipv6],
		.dst = world_vip(talk->service, talk->type, talk->is_ipv6),
		.sport = talk->sport,
		.dport = world_port(talk->service, talk->type),
		.protocol = talk->protocol,
		.flags = FLAG_SYN,
		.seq = 1000,
		.n_payload = talk->protocol == IPPROTO_TCP ? 0 : 30,
	};
}

/** talk_translate() - what a packet of the client becomes. */
static inline struct packet_spec talk_translate(const struct talk *talk, struct packet_spec spec)
{
	spec.dst = talk->backend[talk->is_ipv6];
	spec.dport = world_backend_port(talk->protocol);
	if (talk->is_snat) {
		spec.src = node_at[talk->is_ipv6];
		spec.ttl = (uint8_t)((spec.ttl ? spec.ttl : 64) - 1);
	}
	return spec;
}

/** talk_translated() - what the backend is sent first. */
static inline struct packet_spec talk_translated(const struct talk *talk)
{
	return talk_translate(talk, talk_request(talk));
}

/** talk_swapped() - what would answer @spec, as it leaves. */
static inline struct packet_spec talk_swapped(struct packet_spec spec)
{
	const char *src = spec.src;
	uint16_t sport = spec.sport;

	spec.src = spec.dst;
	spec.sport = spec.dport;
	spec.dst = src;
	spec.dport = sport;
	spec.flags = FLAG_SYN | FLAG_ACK;
	spec.ttl = 64;
	return spec;
}

/** talk_find() - the flow that packets like @spec belong to. */
static inline bool talk_find(const struct world *world, const struct packet_spec *spec,
			     uint8_t direction, struct svc_flow_info *ret)
{
	const struct world_flow flow = {spec->src,   spec->dst,	     spec->sport,
					spec->dport, spec->protocol, direction};

	return world_find_flow(world, &flow, ret);
}

/** talk_expect_flow() - fail unless there is such a flow. */
static inline void talk_expect_flow(const struct world *world, const struct packet_spec *spec,
				    const struct svc_flow_info *wanted, uint8_t direction,
				    const char *what)
{
	struct svc_flow_info info;

	cr_assert(talk_find(world, spec, direction, &info), "%s: no flow, direction %u", what,
		  direction);
	cr_expect_eq(info.state, wanted->state, "%s: state %u, not %u", what, info.state,
		     wanted->state);
	cr_expect_eq(info.flags, wanted->flags, "%s: flags %#x, not %#x", what, info.flags,
		     wanted->flags);
	cr_expect_neq(info.service_id, 0, "%s", what);
}

/** talk_expect_flows() - fail unless both directions are there, and nothing else. */
static inline void talk_expect_flows(const struct world *world, const struct talk *talk,
				     uint8_t state, uint8_t flags, const char *what)
{
	const struct svc_flow_info wanted = {.state = state, .flags = flags};
	const struct packet_spec in = talk_request(talk);
	const struct packet_spec back = talk_swapped(talk_translated(talk));

	talk_expect_flow(world, &in, &wanted, SVC_FLOW_FORWARD, what);
	talk_expect_flow(world, &back, &wanted, SVC_FLOW_REPLY, what);
	cr_expect_eq(world_n_flows(world), 2, "%s: %u flows", what, world_n_flows(world));
}

/** talk_for_all() - call @fn for each protocol and family. */
static inline void talk_for_all(void (*fn)(uint8_t protocol, int is_ipv6))
{
	size_t p;

	for (p = 0; p < N_PROTOCOLS; p++) {
		fn(world_protocols[p], 0);
		fn(world_protocols[p], 1);
	}
}

/** talk_dst() - the destination of a frame as text; static, four at a time. */
static inline const char *talk_dst(const struct frame *frame)
{
	static char texts[4][INET6_ADDRSTRLEN];
	static unsigned int n;
	const unsigned char *ip = frame->data + FRAME_L3;
	bool is_ipv6 = frame_is_ipv6(ip);
	char *text = texts[n++ % 4];

	return inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, ip + (is_ipv6 ? 24 : 16), text,
			 sizeof(texts[0]));
}

#endif
