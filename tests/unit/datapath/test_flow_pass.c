/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over the flow table: what it deletes, counts, and finds stale. */
#include "datapath/flow_pass.h"
#include "unit/datapath/flow_fixture.h"
#include "util/cleanup.h"

TestSuite(flow_pass, .init = mount_bpffs);

static struct flow_pass_result run_pass(const struct datapath *datapath,
					const struct stale_udp_service *services, size_t n_services)
{
	const struct flow_pass pass = {
		.maps = &datapath->maps,
		.timeouts_s = test_timeouts_s,
		.services = services,
		.n_services = n_services,
	};
	struct flow_pass_result result;

	cr_assert_eq(flow_pass_run(&pass, &result), 0);
	return result;
}

Test(flow_pass, deletes_a_flow_only_when_both_directions_are_idle)
{
	static const struct {
		uint8_t protocol;
		uint8_t state;
		uint8_t client_idle_s;
		uint8_t backend_idle_s;
		uint8_t entries;
		bool is_kept;
	} cases[] = {
		{IPPROTO_TCP, SVC_FLOW_TCP_CLOSE, 6, 6, BOTH_ENTRIES, false},
		{IPPROTO_TCP, SVC_FLOW_TCP_CLOSE, 6, 1, BOTH_ENTRIES, true},
		{IPPROTO_TCP, SVC_FLOW_TCP_CLOSE, 1, 6, BOTH_ENTRIES, true},
		{IPPROTO_TCP, SVC_FLOW_TCP_CLOSE, 1, 1, BOTH_ENTRIES, true},
		{IPPROTO_TCP, SVC_FLOW_TCP_CLOSE, 6, 0, FORWARD_ENTRY, false},
		{IPPROTO_TCP, SVC_FLOW_TCP_CLOSE, 0, 6, REPLY_ENTRY, false},
		{IPPROTO_TCP, SVC_FLOW_TCP_CLOSE, 1, 0, FORWARD_ENTRY, true},
		{IPPROTO_TCP, SVC_FLOW_TCP_CLOSE, 0, 1, REPLY_ENTRY, true},
		{IPPROTO_TCP, SVC_FLOW_TCP_TIME_WAIT, 5, 5, BOTH_ENTRIES, true},
		{IPPROTO_TCP, SVC_FLOW_TCP_TIME_WAIT, 10, 10, BOTH_ENTRIES, false},
		{IPPROTO_UDP, SVC_FLOW_UDP_UNREPLIED, 1, 1, BOTH_ENTRIES, true},
		{IPPROTO_UDP, SVC_FLOW_UDP_UNREPLIED, 6, 6, BOTH_ENTRIES, false},
		{IPPROTO_SCTP, SVC_FLOW_UDP_STREAM, 6, 6, BOTH_ENTRIES, true},
		/* a state that no program writes has no time */
		{IPPROTO_TCP, 99, 2, 2, BOTH_ENTRIES, false},
	};
	struct datapath *datapath = open_with_flows(1024);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct made_flow flow = simple_flow(cases[i].protocol, cases[i].state, 0);
		const uint32_t n = cases[i].entries == BOTH_ENTRIES ? 2 : 1;
		struct flow_pass_result result;

		flow.client_idle_s = cases[i].client_idle_s;
		flow.backend_idle_s = cases[i].backend_idle_s;
		put_flow(datapath, &flow, cases[i].entries);
		result = run_pass(datapath, NULL, 0);
		cr_expect_eq(result.n_entries[0], cases[i].is_kept ? n : 0, "case %zu", i);
		cr_expect_eq(result.n_expired,
			     !cases[i].is_kept && cases[i].entries & FORWARD_ENTRY ? 1u : 0u,
			     "case %zu: once for both entries: %llu", i,
			     (unsigned long long)result.n_expired);
		cr_expect_eq(result.n_orphans,
			     !cases[i].is_kept && cases[i].entries == REPLY_ENTRY ? 1u : 0u,
			     "case %zu", i);
		cr_expect_eq(count_entries(datapath, SVC_FAMILY_IPV4), cases[i].is_kept ? n : 0,
			     "case %zu", i);
		flow.state = SVC_FLOW_TCP_CLOSE;
		flow.client_idle_s = flow.backend_idle_s = 10;
		put_flow(datapath, &flow, BOTH_ENTRIES);
		run_pass(datapath, NULL, 0);
	}
	datapath_close(datapath);
}

Test(flow_pass, counts_flows_by_family_protocol_and_state)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
	struct datapath *datapath = open_with_flows(1024);
	struct flow_pass_result result;

	for (uint16_t i = 0; i < 6; i++) {
		struct made_flow flow =
			simple_flow(protocols[i / 2],
				    i < 2 ? SVC_FLOW_TCP_ESTABLISHED : SVC_FLOW_UDP_STREAM, i);

		put_flow(datapath, &flow, BOTH_ENTRIES);
		flow.client = flow_end("2001:db8::1", (uint16_t)(5000 + i));
		flow.frontend = flow_end("fd00:96::1", 80);
		flow.backend = flow_end("fd00:244::1", 80);
		put_flow(datapath, &flow, i ? BOTH_ENTRIES : REPLY_ENTRY);
	}
	result = run_pass(datapath, NULL, 0);
	cr_expect_eq(result.n_flows[0][FLOW_TCP][SVC_FLOW_TCP_ESTABLISHED], 2);
	cr_expect_eq(result.n_flows[0][FLOW_UDP][SVC_FLOW_UDP_STREAM], 2);
	cr_expect_eq(result.n_flows[0][FLOW_SCTP][SVC_FLOW_UDP_STREAM], 2);
	cr_expect_eq(result.n_flows[1][FLOW_TCP][SVC_FLOW_TCP_ESTABLISHED], 1,
		     "a reply entry alone is no flow");
	cr_expect_eq(result.n_flows[1][FLOW_UDP][SVC_FLOW_UDP_STREAM], 2);
	cr_expect_eq(result.n_entries[0], 12);
	cr_expect_eq(result.n_entries[1], 11);
	cr_expect_eq(result.n_expired, 0);
	datapath_close(datapath);
}

/* Batches of 1,024 entries: partners lie in other batches. */
Test(flow_pass, deletes_half_of_many)
{
	struct datapath *datapath = open_with_flows(16384);
	struct flow_pass_result result;

	for (uint16_t i = 0; i < 4000; i++) {
		struct made_flow flow = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_CLOSE, i);

		flow.client_idle_s = i % 2 ? 6 : 0;
		flow.backend_idle_s = i % 3 ? 6 : 0;
		put_flow(datapath, &flow, BOTH_ENTRIES);
	}
	result = run_pass(datapath, NULL, 0);
	/* odd ones that are no multiple of 3 */
	cr_expect_eq(result.n_expired, 1333, "%llu", (unsigned long long)result.n_expired);
	cr_expect_eq(result.n_entries[0], 2 * (4000 - 1333));
	cr_expect_eq(count_entries(datapath, SVC_FAMILY_IPV4), 2 * (4000 - 1333));
	cr_expect_eq(run_pass(datapath, NULL, 0).n_expired, 0);
	datapath_close(datapath);
}

static int end_at_once(void *arg)
{
	++*(int *)arg;
	return -ECANCELED;
}

Test(flow_pass, ends_when_it_is_told_to)
{
	struct datapath *datapath = open_with_flows(16384);
	int n_pauses = 0;
	const struct flow_pass pass = {
		.maps = &datapath->maps,
		.timeouts_s = test_timeouts_s,
		.pause = end_at_once,
		.arg = &n_pauses,
	};
	struct flow_pass_result result;

	for (uint16_t i = 0; i < 4000; i++) {
		struct made_flow flow = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_ESTABLISHED, i);

		put_flow(datapath, &flow, BOTH_ENTRIES);
	}
	cr_assert_eq(flow_pass_run(&pass, &result), -ECANCELED);
	cr_assert_eq(n_pauses, 1);
	cr_assert_leq(result.n_entries[0], 1024);
	datapath_close(datapath);
}

/* ------------------------------------------------------------------ stale UDP flows */

static struct made_flow udp_flow(uint16_t i, uint32_t service_id, uint8_t backend)
{
	struct made_flow flow = simple_flow(IPPROTO_UDP, SVC_FLOW_UDP_STREAM, i);

	flow.service_id = service_id;
	flow.backend.addr.bytes[3] = backend;
	return flow;
}

/* Service 5 is served by backends 2 and 4, 6 by nobody; of 7 nothing is said. */
Test(flow_pass, steps_the_generation_of_udp_backends_that_do_not_serve)
{
	struct backend serving[] = {
		{.addr = address4(10, 244, 0, 2), .port = 8080},
		{.addr = address4(10, 244, 0, 4), .port = 8080},
	};
	const struct stale_udp_service services[] = {
		{.service_id = 5, .serving = {serving, ARRAY_SIZE(serving)}},
		{.service_id = 6},
	};
	const struct made_flow flows[] = {udp_flow(0, 5, 1), udp_flow(1, 5, 2), udp_flow(2, 5, 3),
					  udp_flow(3, 5, 3), udp_flow(4, 6, 5), udp_flow(5, 7, 6)};
	static const uint32_t steps[] = {1, 0, 1, 1, 0, 0};
	struct datapath *datapath = open_with_flows(1024);
	struct made_flow tcp = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_ESTABLISHED, 9);

	tcp.service_id = 5;
	tcp.backend.addr.bytes[3] = 9;
	put_flow(datapath, &tcp, BOTH_ENTRIES);
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++)
		put_flow(datapath, &flows[i], BOTH_ENTRIES);
	cr_expect_eq(run_pass(datapath, services, ARRAY_SIZE(services)).n_stale, 2,
		     "two flows to one backend: one step");
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++)
		cr_expect_eq(generation_of(datapath, flows[i].backend), steps[i], "flow %zu", i);
	cr_expect_eq(generation_of(datapath, tcp.backend), 0, "TCP stays (R37)");
	cr_expect_eq(run_pass(datapath, services, ARRAY_SIZE(services)).n_stale, 0, "known by now");
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++)
		cr_expect_eq(generation_of(datapath, flows[i].backend), steps[i], "flow %zu", i);
	datapath_close(datapath);
}

Test(flow_pass, another_port_of_a_serving_address_does_not_serve)
{
	struct backend serving[] = {{.addr = address4(10, 244, 0, 2), .port = 8081}};
	const struct stale_udp_service services[] = {{.service_id = 5, .serving = {serving, 1}}};
	struct datapath *datapath = open_with_flows(1024);
	const struct made_flow flow = udp_flow(0, 5, 2);

	put_flow(datapath, &flow, BOTH_ENTRIES);
	cr_expect_eq(run_pass(datapath, services, 1).n_stale, 1);
	cr_expect_eq(generation_of(datapath, flow.backend), 1);
	datapath_close(datapath);
}
