/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that walks over the flow table. */
#include <poll.h>
#include <time.h>

#include "datapath/flow_collector.h"
#include "svcbpf/counters.h"
#include "unit/datapath/flow_fixture.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define LONG_MS	    20000
#define HOUR_MS	    3600000u
#define INTERVAL_MS 20u

TestSuite(flow_collector, .init = mount_bpffs, .timeout = 60);

static struct flow_collector *start(struct datapath *datapath, uint32_t interval_ms)
{
	struct flow_collector_options options = {
		.grace = datapath->grace,
		.maps = &datapath->maps,
		.interval_ms = interval_ms,
	};
	struct flow_collector *collector = NULL;

	memcpy(options.timeouts_s, test_timeouts_s, sizeof(options.timeouts_s));
	cr_assert_eq(flow_collector_new(&options, &collector), 0);
	return collector;
}

/* Until @n_walks more are done: what a thread does cannot be polled otherwise. */
static struct flow_numbers wait_for_walks(struct flow_collector *collector, uint64_t n_walks)
{
	const uint64_t until_ms = clock_now_ms() + LONG_MS;
	struct flow_numbers numbers;
	uint64_t first;

	flow_collector_numbers(collector, &numbers);
	first = numbers.n_walks;
	while (numbers.n_walks < first + n_walks && clock_now_ms() < until_ms) {
		poll(NULL, 0, 2);
		flow_collector_numbers(collector, &numbers);
	}
	cr_assert_geq(numbers.n_walks, first + n_walks, "no walk in %d ms", LONG_MS);
	return numbers;
}

Test(flow_collector, deletes_counts_and_reports)
{
	struct datapath *datapath = open_with_flows(1024);
	const struct svc_flow_report *report = &datapath->maps.meta->flows;
	struct made_flow live = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_ESTABLISHED, 0);
	struct made_flow over = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_CLOSE, 1);
	struct flow_collector *collector;
	struct flow_numbers numbers;

	over.client_idle_s = over.backend_idle_s = 6;
	put_flow(datapath, &live, BOTH_ENTRIES);
	put_flow(datapath, &over, BOTH_ENTRIES);
	collector = start(datapath, INTERVAL_MS);
	numbers = wait_for_walks(collector, 2);
	cr_expect_eq(numbers.n_expired, 1);
	cr_expect_eq(numbers.n_evicted, 0);
	cr_expect_eq(numbers.capacities[0], 2048);
	cr_expect_eq(numbers.now.n_flows[0][FLOW_TCP][SVC_FLOW_TCP_ESTABLISHED], 1);
	cr_expect_eq(count_entries(datapath, SVC_FAMILY_IPV4), 2);
	cr_expect_gt(report->time_ns, 0);
	cr_expect_eq(report->n_entries[0], 2);
	cr_expect_eq(report->n_expired, 1);
	cr_expect_eq(report->evicted_ns, 0);
	cr_expect_eq(report->timeouts_s[SVC_FLOW_TCP_CLOSE], 4);
	flow_collector_free(collector);
	datapath_close(datapath);
}

Test(flow_collector, tells_when_source_ports_ran_out)
{
	struct datapath *datapath = open_with_flows(1024);
	const struct svc_flow_report *report = &datapath->maps.meta->flows;
	struct flow_collector *collector;
	uint64_t first_ns;

	add_to_counter(datapath, SVC_COUNTER_SNAT_FAILED, 7); /* an agent before this one */
	collector = start(datapath, INTERVAL_MS);
	wait_for_walks(collector, 2);
	cr_expect_eq(report->n_snat_exhausted, 0);
	cr_expect_eq(report->snat_exhausted_ns, 0);
	add_to_counter(datapath, SVC_COUNTER_SNAT_FAILED, 3);
	wait_for_walks(collector, 2);
	cr_expect_eq(report->n_snat_exhausted, 3);
	first_ns = report->snat_exhausted_ns;
	cr_expect_gt(first_ns, 0);
	wait_for_walks(collector, 2);
	cr_expect_eq(report->snat_exhausted_ns, first_ns, "only when it rises");
	flow_collector_free(collector);
	datapath_close(datapath);
}

/* More flows than the table takes: the kernel gives up some of them. */
Test(flow_collector, sees_evictions)
{
	struct datapath *datapath = open_with_flows(8192);
	struct flow_collector *collector = start(datapath, INTERVAL_MS);
	struct flow_numbers numbers;
	const uint64_t n_made = 20000;

	wait_for_walks(collector, 1);
	for (uint16_t i = 0; i < n_made; i++) {
		struct made_flow flow = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_ESTABLISHED, i);

		put_flow(datapath, &flow, BOTH_ENTRIES);
	}
	add_to_counter(datapath, SVC_COUNTER_FLOW_NEW, n_made);
	numbers = wait_for_walks(collector, 3);
	cr_expect_gt(numbers.n_evicted, n_made - 8192 - 1024, "%llu",
		     (unsigned long long)numbers.n_evicted);
	cr_expect_lt(numbers.n_evicted, n_made);
	cr_expect_gt(datapath->maps.meta->flows.evicted_ns, 0);
	flow_collector_free(collector);
	datapath_close(datapath);
}

Test(flow_collector, looks_for_stale_udp_flows_when_asked)
{
	struct backend serving[] = {{.addr = address4(10, 244, 0, 2), .port = 8080}};
	const struct backend_list list = {serving, 1};
	struct datapath *datapath = open_with_flows(1024);
	struct made_flow flow = simple_flow(IPPROTO_UDP, SVC_FLOW_UDP_STREAM, 0);
	struct flow_collector *collector;

	flow.service_id = 5;
	put_flow(datapath, &flow, BOTH_ENTRIES);
	collector = start(datapath, HOUR_MS);
	wait_for_walks(collector, 1);
	cr_expect_eq(flow_collector_check(collector, 5, &list), 0);
	cr_expect_eq(generation_of(datapath, flow.backend), 0, "not before it is started");
	flow_collector_start(collector, datapath->seq);
	wait_for_walks(collector, 1);
	cr_expect_eq(generation_of(datapath, flow.backend), 1);
	flow_collector_free(collector);
	datapath_close(datapath);
}

Test(flow_collector, the_last_list_given_counts)
{
	struct backend serving[] = {{.addr = address4(10, 244, 0, 1), .port = 8080}};
	const struct backend_list right = {serving, 1}, empty = {};
	struct datapath *datapath = open_with_flows(1024);
	struct made_flow flow = simple_flow(IPPROTO_UDP, SVC_FLOW_UDP_STREAM, 0);
	struct flow_collector *collector = start(datapath, HOUR_MS);
	struct backend other = {.addr = address4(10, 244, 0, 9), .port = 8080};
	const struct backend_list wrong = {&other, 1};

	flow.service_id = 5;
	put_flow(datapath, &flow, BOTH_ENTRIES);
	cr_expect_eq(flow_collector_check(collector, 5, &wrong), 0);
	cr_expect_eq(flow_collector_check(collector, 4, &wrong), 0);
	cr_expect_eq(flow_collector_check(collector, 5, &right), 0);
	flow_collector_start(collector, datapath->seq);
	wait_for_walks(collector, 1);
	cr_expect_eq(flow_collector_check(collector, 5, &wrong), 0);
	cr_expect_eq(flow_collector_check(collector, 5, &empty), 0);
	flow_collector_start(collector, datapath->seq);
	wait_for_walks(collector, 1);
	cr_expect_eq(generation_of(datapath, flow.backend), 0);
	flow_collector_free(collector);
	datapath_close(datapath);
}

Test(flow_collector, ends_at_once_in_the_middle_of_a_walk)
{
	struct datapath *datapath = open_with_flows(65536);
	struct flow_collector *collector;
	uint64_t start_ms;

	for (uint16_t i = 0; i < 30000; i++) {
		struct made_flow flow = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_ESTABLISHED, i);

		put_flow(datapath, &flow, BOTH_ENTRIES);
	}
	collector = start(datapath, HOUR_MS);
	poll(NULL, 0, 5);
	start_ms = clock_now_ms();
	flow_collector_free(collector);
	cr_assert_lt(clock_now_ms() - start_ms, 1000);
	datapath_close(datapath);
}
