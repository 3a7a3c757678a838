/* SPDX-License-Identifier: Apache-2.0 */
/* Rule R39 for packets: UDP backends that leave begin another generation, when they shall. */
#include <poll.h>

#include "datapath/flow_collector.h"
#include "unit/datapath/flow_fixture.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define LONG_MS 20000

TestSuite(generations, .init = mount_bpffs, .timeout = 60);

/* A Service of UDP with backends 10.244.0.X:53, X of @hosts up to a 0. */
static void udp_service(struct sample *sample, const char *hosts)
{
	sample_init(sample, "dns", ADDR_IPV4, IPPROTO_UDP);
	sample_add_frontend(sample, SVC_TYPE_CLUSTER_IP, address(ADDR_IPV4, 96, 10), 53);
	for (; *hosts; hosts++) {
		const struct backend backend = {
			.addr = address4(10, 244, 0, (uint8_t)(*hosts - '0')),
			.port = 53,
		};

		sample->backends[0][sample->port.cluster.n_backends++] = backend;
		sample->backends[2][sample->port.serving.n_backends++] = backend;
	}
	sample->port.has_endpoints = *sample->name != '\0';
}

static void commit(struct datapath *datapath, const char *hosts, bool is_complete)
{
	struct sample sample;

	udp_service(&sample, hosts);
	cr_assert_eq(datapath_put(datapath, &sample.port), 0);
	cr_assert_eq(datapath_commit(datapath, is_complete), 0);
}

static uint32_t generation_at(const struct datapath *datapath, uint8_t host)
{
	const struct flow_endpoint backend = {.addr = address4(10, 244, 0, host), .port = 53};

	return generation_of(datapath, backend);
}

/* Expects the generations of backends 1, 2, 3: "102" for 1, 0 and 2. */
static void expect(const struct datapath *datapath, const char *generations, const char *when)
{
	for (uint8_t host = 1; host <= 3; host++)
		cr_expect_eq(generation_at(datapath, host), (uint32_t)(generations[host - 1] - '0'),
			     "%s: backend %u: %u", when, host, generation_at(datapath, host));
}

Test(generations, step_when_a_backend_has_left)
{
	struct datapath *datapath = open_with_flows(1024);

	commit(datapath, "123", true);
	drain(datapath);
	expect(datapath, "000", "all serve");
	commit(datapath, "13", false);
	drain(datapath);
	expect(datapath, "010", "2 left");
	commit(datapath, "123", false);
	drain(datapath);
	expect(datapath, "010", "2 came back");
	commit(datapath, "3", false);
	drain(datapath);
	expect(datapath, "120", "1 and 2 left");
	datapath_close(datapath);
}

/* A program that has read the list before it changed may still store a flow. */
Test(generations, step_only_after_the_grace_period)
{
	struct datapath *datapath = open_with_flows(1024);

	commit(datapath, "123", true);
	drain(datapath);
	commit(datapath, "13", false);
	expect(datapath, "000", "readers may be under way");
	drain(datapath);
	expect(datapath, "010", "none is");
	datapath_close(datapath);
}

Test(generations, without_any_backend_all_is_left_alone_until_there_are_some)
{
	struct datapath *datapath = open_with_flows(1024);

	commit(datapath, "12", true);
	commit(datapath, "1", false);
	drain(datapath);
	expect(datapath, "010", "2 left");
	commit(datapath, "", false);
	drain(datapath);
	expect(datapath, "010", "none serves");
	commit(datapath, "3", false);
	drain(datapath);
	expect(datapath, "110", "1 is not among those that serve again");
	commit(datapath, "", false);
	commit(datapath, "3", false);
	drain(datapath);
	expect(datapath, "110", "3 served before and serves again");
	datapath_close(datapath);
}

Test(generations, a_service_that_is_deleted_steps_nothing)
{
	struct datapath *datapath = open_with_flows(1024);
	struct sample sample;

	commit(datapath, "12", true);
	udp_service(&sample, "");
	cr_assert_eq(datapath_remove(datapath, &sample.port.key), 0);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	drain(datapath);
	expect(datapath, "000", "as kube-proxy, which looks at Services there are");
	datapath_close(datapath);
}

Test(generations, nothing_happens_without_the_packet_path)
{
	struct datapath *datapath = open_sized(64, 256);

	commit(datapath, "12", true);
	commit(datapath, "1", false);
	drain(datapath);
	cr_assert_eq(datapath->maps.fds[MAP_UDP_GENERATIONS], -1);
	datapath_close(datapath);
}

/* ------------------------------------------------------------------ after a restart */

static uint32_t id_of_service(const struct datapath *datapath)
{
	struct svc_service_info info;
	struct sample sample;

	udp_service(&sample, "");
	cr_assert_eq(convert_info(&sample.port.key, &info), 0);
	return shadow_find_port(&datapath->shadow, &info)->id;
}

static void start_collector(struct datapath *datapath)
{
	struct flow_collector_options options = {
		.grace = datapath->grace,
		.maps = &datapath->maps,
		.interval_ms = 3600000,
	};

	memcpy(options.timeouts_s, test_timeouts_s, sizeof(options.timeouts_s));
	cr_assert_eq(flow_collector_new(&options, &datapath->collector), 0);
}

/* Flows to backends 1, 2 and 3, made under the generation of now. */
static void put_flows(struct datapath *datapath, uint32_t service_id)
{
	for (uint8_t host = 1; host <= 3; host++) {
		struct made_flow flow = simple_flow(IPPROTO_UDP, SVC_FLOW_UDP_STREAM, host);

		flow.backend = (struct flow_endpoint){address4(10, 244, 0, host), 53};
		flow.service_id = service_id;
		flow.generation = (uint16_t)generation_at(datapath, host);
		put_flow(datapath, &flow, BOTH_ENTRIES);
	}
}

static void wait_for_generation(const struct datapath *datapath, uint8_t host, uint32_t expected)
{
	const uint64_t until_ms = clock_now_ms() + LONG_MS;

	while (generation_at(datapath, host) != expected && clock_now_ms() < until_ms)
		poll(NULL, 0, 2);
}

/* An agent that finds flows to 1, 2, 3 in the table, and no more than what it adopts. */
static struct datapath *restart(void)
{
	struct datapath *datapath = open_with_flows(1024);

	commit(datapath, "123", true);
	put_flows(datapath, id_of_service(datapath));
	datapath_close(datapath);
	datapath = open_with_flows(1024);
	start_collector(datapath);
	return datapath;
}

Test(generations, endpoints_that_left_while_no_agent_ran_are_found)
{
	struct datapath *datapath = restart();

	commit(datapath, "2", true);
	wait_for_generation(datapath, 1, 1);
	wait_for_generation(datapath, 3, 1);
	expect(datapath, "101", "2 alone serves");
	datapath_close(datapath);
}

Test(generations, endpoints_that_came_later_than_the_agent_are_compared_too)
{
	struct datapath *datapath = restart();

	commit(datapath, "", true);
	drain(datapath);
	expect(datapath, "000", "none serves");
	commit(datapath, "3", false);
	wait_for_generation(datapath, 1, 1);
	wait_for_generation(datapath, 2, 1);
	expect(datapath, "110", "3 alone serves");
	datapath_close(datapath);
}
