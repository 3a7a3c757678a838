/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of flows have in common. */
#ifndef SVCBPF_TESTS_PACKET_FLOWS_H
#define SVCBPF_TESTS_PACKET_FLOWS_H

#include <sys/socket.h>
#include <time.h>

#include "packet_talk.h"

static struct world world;

static inline void close_world(void)
{
	world_close(&world);
}

static inline void open_world(void)
{
	world_open(&world, "default", &(struct svc_packet_config){0});
}

/* With so many ports of this node, and idle times of 3 seconds times the number of the state. */
static inline void open_with_ports(uint16_t n_low, uint16_t n_high)
{
	struct svc_packet_config config = {
		.snat_first = {20001, 61001},
		.snat_count = {n_low, n_high},
	};
	struct timespec now = {0};
	char name[16];
	uint8_t i;

	for (i = 1; i < SVC_N_FLOW_STATES; i++)
		config.timeouts_s[i] = 3u * i;
	snprintf(name, sizeof(name), "%u-%u", n_low, n_high);
	world_open(&world, name, &config);
	/* flows cannot have been idle for longer than the kernel runs */
	while (!clock_gettime(CLOCK_MONOTONIC, &now) && now.tv_sec < 3 * SVC_N_FLOW_STATES + 5)
		usleep(100000);
}

/* A client outside asks for @service by its ClusterIP, and gets a backend on another node. */
static inline struct talk talk_to(enum world_service service, uint8_t protocol, int is_ipv6)
{
	return (struct talk){
		.service = service,
		.type = SVC_TYPE_CLUSTER_IP,
		.protocol = protocol,
		.is_ipv6 = is_ipv6,
		.client = client_at,
		.backend = service == SMALL ? small_at : remote_at,
		.sport = TALK_PORT_KEPT,
		.is_snat = true,
	};
}

static inline struct world_run at_uplink(void)
{
	return (struct world_run){.hook = INGRESS, .ifindex = world.up};
}

enum { C = SVC_FLOW_FORWARD, B = SVC_FLOW_REPLY }; /* who sends: the client, the backend */

static inline struct packet_spec segment(const struct talk *talk, uint8_t from, uint8_t flags)
{
	struct packet_spec spec =
		from == C ? talk_request(talk) : talk_swapped(talk_translated(talk));

	spec.flags = flags;
	return spec;
}

#endif
