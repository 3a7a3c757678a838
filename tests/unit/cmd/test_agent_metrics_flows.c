/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics says of the packet path, read back by a strict parser. */
#include <event2/buffer.h>
#include <net/if.h>
#include <poll.h>

#include "cmd/agent_metrics.h"
#include "datapath/flow_collector.h"
#include "svcbpf/counters.h"
#include "unit/datapath/flow_fixture.h"
#include "unit/http/metrics_parse.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define LONG_MS 20000

TestSuite(agent_metrics_flows, .init = mount_bpffs, .timeout = 60);

static void freep(struct parsed **parsed)
{
	free(*parsed);
}

static struct parsed *scrape(const struct datapath *datapath)
{
	const struct agent_metrics_sources sources = {.datapath = datapath};
	struct evbuffer *body = evbuffer_new();
	struct agent_metrics *metrics;
	struct parsed *parsed;
	_free_ char *text = NULL;
	size_t len;

	cr_assert(body);
	cr_assert_eq(agent_metrics_new("1", 1, &metrics), 0);
	agent_metrics_set_sources(metrics, &sources);
	cr_assert_eq(agent_metrics_write(metrics, body, clock_now_ns(CLOCK_REALTIME)), 0);
	len = evbuffer_get_length(body);
	text = calloc(1, len + 1);
	cr_assert(text);
	cr_assert_eq(evbuffer_remove(body, text, len), (int)len);
	parsed = parsed_read(text);
	evbuffer_free(body);
	agent_metrics_free(metrics);
	return parsed;
}

static void start_collector(struct datapath *datapath)
{
	struct flow_collector_options options = {
		.grace = datapath->grace,
		.maps = &datapath->maps,
		.interval_ms = 3600000,
	};
	const uint64_t until_ms = clock_now_ms() + LONG_MS;
	struct flow_numbers numbers = {};

	memcpy(options.timeouts_s, test_timeouts_s, sizeof(options.timeouts_s));
	cr_assert_eq(flow_collector_new(&options, &datapath->collector), 0);
	while (!numbers.n_walks && clock_now_ms() < until_ms) {
		poll(NULL, 0, 2);
		flow_collector_numbers(datapath->collector, &numbers);
	}
	cr_assert_eq(numbers.n_walks, 1);
}

Test(agent_metrics_flows, table)
{
	struct datapath *datapath = open_with_flows(1024);
	_cleanup_(freep) struct parsed *parsed = NULL;

	for (uint16_t i = 0; i < 3; i++) {
		struct made_flow flow = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_ESTABLISHED, i);

		put_flow(datapath, &flow, BOTH_ENTRIES);
		flow.state = SVC_FLOW_TCP_CLOSE;
		flow.client.port = (uint16_t)(5000 + i);
		flow.client_idle_s = flow.backend_idle_s = i ? 9 : 0;
		put_flow(datapath, &flow, BOTH_ENTRIES);
	}
	start_collector(datapath);
	parsed = scrape(datapath);
#define FLOWS(protocol, state)                                                                     \
	parsed_find(parsed,                                                                        \
		    "svcbpf_flows{family=\"IPv4\",protocol=\"" protocol "\",state=\"" state "\"}")
	cr_expect_eq(FLOWS("TCP", "established"), 3);
	cr_expect_eq(FLOWS("TCP", "closed"), 1);
	cr_expect_eq(FLOWS("TCP", "syn-sent"), 0);
	cr_expect_eq(FLOWS("UDP", "stream"), 0);
	cr_expect_eq(FLOWS("SCTP", "unreplied"), 0);
	cr_expect(isnan(FLOWS("UDP", "established")), "no such state");
	cr_expect_eq(parsed_find(parsed, "svcbpf_flow_table_entries{family=\"IPv4\"}"), 8);
	cr_expect_eq(parsed_find(parsed, "svcbpf_flow_table_capacity{family=\"IPv6\"}"), 2048);
	cr_expect_eq(parsed_find(parsed, "svcbpf_map_entries{map=\"flows4\"}"), 8);
	cr_expect_eq(parsed_find(parsed, "svcbpf_map_capacity{map=\"flows4\"}"), 2048);
	cr_expect_eq(parsed_find(parsed, "svcbpf_flows_expired_total"), 2);
	cr_expect_eq(parsed_find(parsed, "svcbpf_flow_evictions_total"), 0);
	datapath_close(datapath);
}

Test(agent_metrics_flows, drops_by_reason)
{
	struct datapath *datapath = open_with_flows(1024);
	_cleanup_(freep) struct parsed *parsed = NULL;

	add_to_counter(datapath, SVC_COUNTER_DROP_RANGE, 4);
	add_to_counter(datapath, SVC_COUNTER_SNAT_FAILED, 2);
	add_to_counter(datapath, SVC_COUNTER_REJECT, 9);
	start_collector(datapath);
	parsed = scrape(datapath);
#define DROPPED(reason) parsed_find(parsed, "svcbpf_packets_dropped_total{reason=\"" reason "\"}")
	cr_expect_eq(DROPPED("source_range"), 4);
	cr_expect_eq(DROPPED("snat_exhausted"), 2);
	cr_expect_eq(DROPPED("policy"), 0);
	cr_expect(isnan(DROPPED("packets_rejected")), "those are answered");
	cr_expect_eq(parsed_find(parsed, "svcbpf_dropped_source_range_total"), 4);
	datapath_close(datapath);
}

static void put_device(const struct datapath *datapath, uint32_t ifindex)
{
	const struct svc_device device = {};

	cr_assert_eq(bpf_map_update_elem(datapath->maps.fds[MAP_DEVICES], &ifindex, &device, 0), 0);
}

static void count_on_device(const struct datapath *datapath, uint32_t slot)
{
	const int n_cpus = libbpf_num_possible_cpus();
	_free_ struct svc_device_counters *values = NULL;

	cr_assert_gt(n_cpus, 0);
	values = calloc((size_t)n_cpus, sizeof(*values));
	cr_assert(values);
	for (int i = 0; i < n_cpus; i++)
		values[i] = (struct svc_device_counters){10, 20, 30, 40};
	cr_assert_eq(bpf_map_update_elem(datapath->maps.fds[MAP_DEVICE_COUNTERS], &slot, values, 0),
		     0);
}

Test(agent_metrics_flows, devices_by_name)
{
	struct datapath *datapath = open_with_flows(1024);
	const uint32_t ifindex = if_nametoindex("lo");
	const double n_cpus = libbpf_num_possible_cpus();
	_cleanup_(freep) struct parsed *parsed = NULL;

	cr_assert(ifindex);
	put_device(datapath, ifindex);
	put_device(datapath, ifindex + 100 * SVC_DEVICE_SLOTS); /* the same slot, and gone */
	put_device(datapath, 12345);				/* gone */
	count_on_device(datapath, ifindex);
	start_collector(datapath);
	parsed = scrape(datapath);
#define PACKETS(kind)                                                                              \
	parsed_find(parsed, "svcbpf_device_packets_total{device=\"lo\",kind=\"" kind "\"}")
	cr_expect_eq(PACKETS("forward"), 10 * n_cpus);
	cr_expect_eq(PACKETS("reply"), 20 * n_cpus);
	cr_expect_eq(PACKETS("dropped"), 40 * n_cpus);
	cr_expect_eq(parsed_find(parsed, "svcbpf_device_flows_total{device=\"lo\"}"), 30 * n_cpus);
	datapath_close(datapath);
}

Test(agent_metrics_flows, none_without_the_packet_path)
{
	struct datapath *datapath = open_sized(64, 256);
	_cleanup_(freep) struct parsed *parsed = scrape(datapath);

	cr_expect(isnan(parsed_find(parsed, "svcbpf_flow_evictions_total")));
	cr_expect(isnan(parsed_find(parsed, "svcbpf_flow_table_capacity{family=\"IPv4\"}")));
	cr_expect(isnan(parsed_find(parsed, "svcbpf_packets_dropped_total{reason=\"policy\"}")));
	cr_expect(isnan(parsed_find(parsed, "svcbpf_map_capacity{map=\"flows4\"}")));
	cr_expect_eq(parsed_find(parsed, "svcbpf_flows_created_total"), 0);
	datapath_close(datapath);
}
