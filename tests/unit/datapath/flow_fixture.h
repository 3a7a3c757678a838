/* SPDX-License-Identifier: Apache-2.0 */
/* Flows written into the flow table by hand, as the packet programs write them. */
#ifndef SVCBPF_TESTS_FLOW_FIXTURE_H
#define SVCBPF_TESTS_FLOW_FIXTURE_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <poll.h>

#include "datapath/flow_entry.h"
#include "svcbpf/hash.h"
#include "unit/datapath/fixture.h"
#include "util/endian.h"

/* Which entries of a flow are written. */
#define FORWARD_ENTRY 1u
#define REPLY_ENTRY   2u
#define BOTH_ENTRIES  3u

/**
 * struct made_flow - a flow.
 * @source: family ADDR_NONE: the client as it is.
 * @client_idle_s, @backend_idle_s: since the last packet of each direction.
 */
struct made_flow {
	uint8_t protocol;
	uint8_t state;
	uint8_t flags;
	struct flow_endpoint client;
	struct flow_endpoint frontend;
	struct flow_endpoint backend;
	struct flow_endpoint source;
	uint32_t service_id;
	uint16_t generation;
	uint32_t age_s;
	uint32_t client_idle_s;
	uint32_t backend_idle_s;
};

/* Longer than any test makes a flow idle. */
#define NEEDED_UPTIME_S 15

static unused struct datapath *open_with_flows(uint32_t max_flows)
{
	const struct datapath_options options = {
		.pin_dir = PIN_DIR,
		.max_services = 64,
		.max_backends = 1024,
		.max_flows = max_flows,
		.node = "n1",
		.version = "test",
	};
	struct datapath *datapath = NULL;
	struct datapath_error error = {};
	int r;

	while (flow_now_s() <= NEEDED_UPTIME_S)
		poll(NULL, 0, 100); /* the clock of a machine that has just started */
	r = datapath_open_unloaded(&options, &datapath, &error);
	cr_assert_eq(r, 0, "open: %s", error.text);
	return datapath;
}

/* Short: a machine that has just started has no past in which a flow could have been idle. */
static const uint32_t test_timeouts_s[SVC_N_FLOW_STATES] = {
	[SVC_FLOW_UDP_UNREPLIED] = 4,	   [SVC_FLOW_UDP_STREAM] = 60,
	[SVC_FLOW_TCP_SYN_SENT] = 60,	   [SVC_FLOW_TCP_SYN_RECV] = 60,
	[SVC_FLOW_TCP_ESTABLISHED] = 8640, [SVC_FLOW_TCP_FIN_WAIT] = 60,
	[SVC_FLOW_TCP_CLOSE_WAIT] = 60,	   [SVC_FLOW_TCP_LAST_ACK] = 4,
	[SVC_FLOW_TCP_TIME_WAIT] = 8,	   [SVC_FLOW_TCP_CLOSE] = 4,
};

static unused struct flow_endpoint flow_end(const char *address, uint16_t port)
{
	struct flow_endpoint end = {.port = port};

	cr_assert_eq(addr_parse(address, &end.addr), 0, "%s", address);
	return end;
}

/* Connection number @i of client 192.0.2.1 to 10.96.0.1:80, given backend 10.244.0.1:8080. */
static unused struct made_flow simple_flow(uint8_t protocol, uint8_t state, uint16_t i)
{
	return (struct made_flow){
		.protocol = protocol,
		.state = state,
		.client = flow_end("192.0.2.1", (uint16_t)(1024 + i)),
		.frontend = flow_end("10.96.0.1", 80),
		.backend = flow_end("10.244.0.1", 8080),
	};
}

static unused void write_end(struct flow_endpoint end, void *addr, __be16 *port)
{
	memcpy(addr, end.addr.bytes, end.addr.family == ADDR_IPV4 ? 4 : 16);
	*port = be16_from_host(end.port);
}

static unused struct svc_flow_info info_of(const struct made_flow *flow, uint32_t idle_s)
{
	const uint32_t now_s = flow_now_s();

	cr_assert_gt(now_s, flow->age_s);
	cr_assert_gt(now_s, idle_s);
	return (struct svc_flow_info){
		.last_s = now_s - idle_s,
		.created_s = now_s - flow->age_s,
		.service_id = flow->service_id,
		.generation = flow->generation,
		.state = flow->state,
		.flags = flow->flags,
	};
}

/* One direction: from @src to @dst becomes from @to_src to @to_dst. */
static unused void put_entry(const struct datapath *datapath, uint8_t direction,
			     const struct made_flow *flow, const struct flow_endpoint ends[4])
{
	const uint32_t idle_s =
		direction == SVC_FLOW_FORWARD ? flow->client_idle_s : flow->backend_idle_s;
	const bool is_ipv4 = ends[0].addr.family == ADDR_IPV4;
	union flow_value value = {};
	union flow_key key = {};

	if (is_ipv4) {
		write_end(ends[0], &key.v4.src, &key.v4.src_port);
		write_end(ends[1], &key.v4.dst, &key.v4.dst_port);
		write_end(ends[2], &value.v4.src, &value.v4.src_port);
		write_end(ends[3], &value.v4.dst, &value.v4.dst_port);
		key.v4.protocol = flow->protocol;
		key.v4.direction = direction;
		value.v4.info = info_of(flow, idle_s);
	} else {
		write_end(ends[0], key.v6.src, &key.v6.src_port);
		write_end(ends[1], key.v6.dst, &key.v6.dst_port);
		write_end(ends[2], value.v6.src, &value.v6.src_port);
		write_end(ends[3], value.v6.dst, &value.v6.dst_port);
		key.v6.protocol = flow->protocol;
		key.v6.direction = direction;
		value.v6.info = info_of(flow, idle_s);
	}
	cr_assert_eq(bpf_map_update_elem(datapath->maps.fds[flow_map(ends[0].addr.family)], &key,
					 &value, 0),
		     0);
}

/* @entries: FORWARD_ENTRY, REPLY_ENTRY or both. */
static unused void put_flow(const struct datapath *datapath, const struct made_flow *flow,
			    unsigned int entries)
{
	const struct flow_endpoint source =
		flow->source.addr.family == ADDR_NONE ? flow->client : flow->source;
	const struct flow_endpoint forward[] = {flow->client, flow->frontend, source,
						flow->backend};
	const struct flow_endpoint reply[] = {flow->backend, source, flow->frontend, flow->client};

	if (entries & REPLY_ENTRY)
		put_entry(datapath, SVC_FLOW_REPLY, flow, reply);
	if (entries & FORWARD_ENTRY)
		put_entry(datapath, SVC_FLOW_FORWARD, flow, forward);
}

static unused uint32_t count_entries(const struct datapath *datapath, uint8_t family)
{
	uint32_t n = 0;

	cr_assert_eq(maps_for_each(&datapath->maps, flow_map(family), count_one, &n), 0);
	return n;
}

/* udp_generations of a backend. */
static unused uint32_t generation_of(const struct datapath *datapath, struct flow_endpoint backend)
{
	uint8_t bytes[16];
	__be32 addr[4];

	addr_to_mapped(&backend.addr, bytes);
	memcpy(addr, bytes, sizeof(addr));
	return *(uint32_t *)maps_at(&datapath->maps, MAP_UDP_GENERATIONS,
				    svc_generation_index(addr, be16_from_host(backend.port)));
}

/* Adds to a counter of the programs, on the first CPU. */
static unused void add_to_counter(const struct datapath *datapath, uint32_t index, uint64_t n)
{
	const int n_cpus = libbpf_num_possible_cpus();
	uint64_t *values;

	cr_assert_gt(n_cpus, 0);
	values = calloc((size_t)n_cpus, sizeof(*values));
	cr_assert(values);
	cr_assert_eq(bpf_map_lookup_elem(datapath->maps.fds[MAP_COUNTERS], &index, values), 0);
	values[0] += n;
	cr_assert_eq(bpf_map_update_elem(datapath->maps.fds[MAP_COUNTERS], &index, values, 0), 0);
	free(values);
}

#endif
