/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics says, read back by a strict parser. */
#include <event2/buffer.h>
#include <sys/socket.h>

#include "cmd/agent_metrics.h"
#include "cmd/agent_metrics_names.h"
#include "cmd/agent_problems.h"
#include "cmd/rejects.h"
#include "svcbpf/counters.h"
#include "unit/datapath/fixture.h"
#include "unit/http/metrics_parse.h"
#include "util/cleanup.h"

#define S	1000000000ull
#define START_S 1795298400ull
#define START	(START_S * S)

struct fixture {
	struct agent_metrics *metrics;
	struct parsed *parsed;
	char *text;
};

static struct fixture begin(void)
{
	struct fixture fixture = {};

	cr_assert_eq(agent_metrics_new("1.2-\"x\"", START, &fixture.metrics), 0);
	return fixture;
}

static void clear(struct fixture *fixture)
{
	agent_metrics_free(fixture->metrics);
	free(fixture->parsed);
	free(fixture->text);
}

static void scrape(struct fixture *fixture, uint64_t now_ns)
{
	struct evbuffer *body = evbuffer_new();
	size_t len;

	cr_assert(body);
	cr_assert_eq(agent_metrics_write(fixture->metrics, body, now_ns), 0);
	len = evbuffer_get_length(body);
	free(fixture->text);
	free(fixture->parsed);
	fixture->text = calloc(1, len + 1);
	cr_assert_eq(evbuffer_remove(body, fixture->text, len), (int)len);
	evbuffer_free(body);
	fixture->parsed = parsed_read(fixture->text);
}

static double value(const struct fixture *fixture, const char *series)
{
	return parsed_find(fixture->parsed, series);
}

static void synced(struct fixture *fixture, double duration_s, uint64_t now_ns)
{
	const struct agent_metrics_sync sync = {
		.duration_s = duration_s,
		.n_written = 12,
		.n_services = 3,
	};

	agent_metrics_synced(fixture->metrics, &sync, now_ns);
}

Test(agent_metrics, is_well_formed_before_anything_has_happened)
{
	_cleanup_(clear) struct fixture fixture = begin();

	scrape(&fixture, START + S);
	cr_assert_eq(value(&fixture, "svcbpf_build_info{version=\"1.2-\\\"x\\\"\"}"), 1);
	cr_assert_eq(value(&fixture, "process_start_time_seconds"), (double)START_S);
	cr_assert_gt(value(&fixture, "process_resident_memory_bytes"), 100000);
	cr_assert_gt(value(&fixture, "process_open_fds"), 2);
	cr_assert(isnan(value(&fixture, "svcbpf_sync_age_seconds")), "a sync that never was");
}

Test(agent_metrics, counts_changes_until_they_are_synced)
{
	_cleanup_(clear) struct fixture fixture = begin();

	agent_metrics_service_changed(fixture.metrics, START + 1 * S);
	agent_metrics_slice_changed(fixture.metrics, ADDR_IPV6, 0, START + 2 * S);
	agent_metrics_slice_changed(fixture.metrics, ADDR_IPV6, 0, START + 3 * S);
	scrape(&fixture, START + 4 * S);
	cr_assert_eq(value(&fixture, "kubeproxy_sync_proxy_rules_service_changes_pending"), 1);
	cr_assert_eq(value(&fixture, "kubeproxy_sync_proxy_rules_endpoint_changes_pending"), 2);
	synced(&fixture, 0.003, START + 5 * S);
	scrape(&fixture, START + 65 * S);
	cr_assert_eq(value(&fixture, "kubeproxy_sync_proxy_rules_service_changes_pending"), 0);
	cr_assert_eq(value(&fixture, "kubeproxy_sync_proxy_rules_service_changes_total"), 1);
	cr_assert_eq(value(&fixture, "kubeproxy_sync_proxy_rules_endpoint_changes_pending"), 0);
	cr_assert_eq(value(&fixture, "kubeproxy_sync_proxy_rules_endpoint_changes_total"), 2);
	cr_assert_eq(value(&fixture, "svcbpf_sync_age_seconds"), 60);
#define LAST "kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family=\"IPv4\"}"
	cr_assert_eq(value(&fixture, LAST), (double)(START_S + 5));
#define QUEUED "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds"
	cr_assert_eq(value(&fixture, QUEUED "{ip_family=\"IPv4\"}"), (double)(START_S + 1));
	cr_assert_eq(value(&fixture, QUEUED "{ip_family=\"IPv6\"}"), (double)(START_S + 3));
}

Test(agent_metrics, has_kube_proxys_buckets)
{
#define DURATION "kubeproxy_sync_proxy_rules_duration_seconds_"
	_cleanup_(clear) struct fixture fixture = begin();

	synced(&fixture, 0.003, START);
	agent_metrics_sync_failed(fixture.metrics);
	scrape(&fixture, START);
	cr_assert_eq(value(&fixture, DURATION "bucket{ip_family=\"IPv4\",le=\"0.001\"}"), 0);
	cr_assert_eq(value(&fixture, DURATION "bucket{ip_family=\"IPv4\",le=\"0.004\"}"), 1);
	cr_assert_eq(value(&fixture, DURATION "bucket{ip_family=\"IPv4\",le=\"16.384\"}"), 1);
	cr_assert_eq(value(&fixture, DURATION "count{ip_family=\"IPv6\"}"), 1);
	cr_assert_eq(value(&fixture, "svcbpf_sync_duration_seconds_sum"), 0.003);
	cr_assert_eq(value(&fixture, "svcbpf_sync_map_writes_sum"), 12);
	cr_assert_eq(value(&fixture, "svcbpf_sync_services_bucket{le=\"4\"}"), 1);
	cr_assert_eq(value(&fixture, "svcbpf_sync_failures_total"), 1);
}

/* Rule R49. */
Test(agent_metrics, measures_network_programming_from_the_slices_trigger_time)
{
#define PROGRAMMING "kubeproxy_network_programming_duration_seconds_"
	_cleanup_(clear) struct fixture fixture = begin();
	const int64_t before = (int64_t)(START - S);
	const int64_t change = (int64_t)(START + 10 * S);

	agent_metrics_slice_changed(fixture.metrics, ADDR_IPV4, before, START + 11 * S);
	agent_metrics_slice_changed(fixture.metrics, ADDR_IPV4, change, START + 11 * S);
	agent_metrics_slice_changed(fixture.metrics, ADDR_IPV4, 0, START + 11 * S);
	synced(&fixture, 0.001, START + 10 * S + S / 2);
	synced(&fixture, 0.001, START + 90 * S);
	/* the clock of the API server is ahead */
	agent_metrics_slice_changed(fixture.metrics, ADDR_IPV6, change, START);
	synced(&fixture, 0.001, START);
	scrape(&fixture, START + 90 * S);
	cr_assert_eq(value(&fixture, PROGRAMMING "count{ip_family=\"IPv4\"}"), 1);
	cr_assert_eq(value(&fixture, PROGRAMMING "sum{ip_family=\"IPv4\"}"), 0.5);
	cr_assert_eq(value(&fixture, PROGRAMMING "bucket{ip_family=\"IPv4\",le=\"0.25\"}"), 0);
	cr_assert_eq(value(&fixture, PROGRAMMING "bucket{ip_family=\"IPv4\",le=\"0.5\"}"), 1);
	cr_assert_eq(value(&fixture, PROGRAMMING "bucket{ip_family=\"IPv4\",le=\"59\"}"), 1);
	cr_assert_eq(value(&fixture, PROGRAMMING "bucket{ip_family=\"IPv4\",le=\"115\"}"), 1);
	cr_assert_eq(value(&fixture, PROGRAMMING "bucket{ip_family=\"IPv4\",le=\"300\"}"), 1);
	cr_assert_eq(value(&fixture, PROGRAMMING "sum{ip_family=\"IPv6\"}"), 0);
	cr_assert_eq(value(&fixture, PROGRAMMING "count{ip_family=\"IPv6\"}"), 1);
}

Test(agent_metrics, forgets_trigger_times_beyond_its_limit)
{
	_cleanup_(clear) struct fixture fixture = begin();

	for (int i = 0; i < 100000; i++)
		agent_metrics_slice_changed(fixture.metrics, ADDR_IPV4, (int64_t)(START + S),
					    START + S);
	synced(&fixture, 0.001, START + 2 * S);
	scrape(&fixture, START + 2 * S);
	cr_assert_eq(value(&fixture, PROGRAMMING "count{ip_family=\"IPv4\"}"), 4096);
}

Test(agent_metrics, counts_service_ports_whose_local_policy_finds_no_endpoint)
{
#define NO_LOCAL "kubeproxy_sync_proxy_rules_no_local_endpoints_total"
	_cleanup_(clear) struct fixture fixture = begin();
	struct backend backend = {.port = 80};
	struct service_port local = {
		.key = {"default", "web", "http", IPPROTO_TCP, ADDR_IPV6},
		.is_internal_local = true,
		.is_external_local = true,
		.has_endpoints = true,
	};
	struct service_port found = local;
	struct service_port empty = local;

	found.local = (struct backend_list){&backend, 1};
	empty.has_endpoints = false;
	agent_metrics_port_changed(fixture.metrics, NULL, &local);
	agent_metrics_port_changed(fixture.metrics, NULL, &found);
	agent_metrics_port_changed(fixture.metrics, NULL, &empty);
	scrape(&fixture, START);
	cr_assert_eq(value(&fixture, NO_LOCAL "{traffic_policy=\"internal\",ip_family=\"IPv6\"}"),
		     1);
	cr_assert_eq(value(&fixture, NO_LOCAL "{traffic_policy=\"external\",ip_family=\"IPv6\"}"),
		     1);
	cr_assert_eq(value(&fixture, NO_LOCAL "{traffic_policy=\"external\",ip_family=\"IPv4\"}"),
		     0);
	agent_metrics_port_changed(fixture.metrics, &local, &found);
	agent_metrics_port_changed(fixture.metrics, &empty, NULL);
	scrape(&fixture, START);
	cr_assert_eq(value(&fixture, NO_LOCAL "{traffic_policy=\"internal\",ip_family=\"IPv6\"}"),
		     0);
	agent_metrics_port_changed(fixture.metrics, &found, &local);
	agent_metrics_restage(fixture.metrics);
	scrape(&fixture, START);
	cr_assert_eq(value(&fixture, NO_LOCAL "{traffic_policy=\"internal\",ip_family=\"IPv6\"}"),
		     0);
}

static void count_refresh(void *arg)
{
	++*(int *)arg;
}

Test(agent_metrics, names_what_was_rejected_and_why)
{
	_cleanup_(clear) struct fixture fixture = begin();
	_cleanup_(rejects_clear) struct rejects rejects = {};
	char *lines[2] = {};
	const struct agent_problems problems = {.lines = lines, .n_lines = 2};
	int n_refreshed = 0;
	const struct agent_metrics_sources sources = {
		.rejects = &rejects,
		.problems = &problems,
		.refresh = count_refresh,
		.refresh_arg = &n_refreshed,
	};

	cr_assert_eq(rejects_add(&rejects, "Service default/web", "", "spec.ports: \"x\"\nbad"), 0);
	for (int i = 0; i < 30; i++) {
		char where[32];

		snprintf(where, sizeof(where), "Service default/n%d", i);
		cr_assert_eq(rejects_add(&rejects, where, "", "bad"), 0);
	}
	agent_metrics_set_sources(fixture.metrics, &sources);
	scrape(&fixture, START);
	cr_assert_eq(n_refreshed, 1);
	cr_assert_eq(value(&fixture, "svcbpf_objects_rejected"), 31);
	cr_assert_eq(value(&fixture, "svcbpf_problems"), 2);
	cr_assert_eq(value(&fixture, "svcbpf_object_rejected{object=\"Service default/web\","
				     "reason=\"spec.ports: \\\"x\\\"\\nbad\"}"),
		     1, "%s", strstr(fixture.text, "svcbpf_object_rejected{"));
	cr_assert_eq(value(&fixture,
			   "svcbpf_object_rejected{object=\"Service default/n18\",reason=\"bad\"}"),
		     1);
	cr_assert(isnan(
		value(&fixture,
		      "svcbpf_object_rejected{object=\"Service default/n19\",reason=\"bad\"}")));
}

/* Whatever is in the list of names is written, in its order, and nothing else. */
Test(agent_metrics, with_a_datapath_every_metric_but_the_api_servers_is_there)
{
	static const char *const names[] = {
#define NAME(id, name, type, help) name,
		AGENT_METRICS(NAME)
#undef NAME
	};
	_cleanup_(clear) struct fixture fixture = begin();
	struct datapath_source source = {
		.kind = SVC_SOURCE_KUBERNETES,
		.state = SVC_SOURCE_LOST,
		.contact_ns = START,
		.name = "x",
	};
	struct agent_metrics_sources sources = {};
	struct datapath *datapath;
	size_t n_found = 0;

	mount_bpffs();
	datapath = open_sized(64, 256);
	datapath_set_source(datapath, &source);
	sources.datapath = datapath;
	agent_metrics_set_sources(fixture.metrics, &sources);
	scrape(&fixture, START + 60 * S);
	for (size_t i = 0; i < fixture.parsed->n_metrics; i++) {
		size_t k = 0;

		while (k < ARRAY_SIZE(names) &&
		       strcmp(names[k], fixture.parsed->metrics[i].name) != 0)
			k++;
		n_found += k < ARRAY_SIZE(names);
		cr_assert(k < ARRAY_SIZE(names) ||
				  strncmp(fixture.parsed->metrics[i].name, "svcbpf_", 7) == 0,
			  "%s", fixture.parsed->metrics[i].name);
	}
	cr_assert_eq(fixture.parsed->n_metrics, n_found + SVC_N_COUNTERS);
	cr_assert_eq(value(&fixture, "svcbpf_source_state{state=\"lost\"}"), 1);
	cr_assert_eq(value(&fixture, "svcbpf_source_state{state=\"in-step\"}"), 0);
	cr_assert_eq(value(&fixture, "svcbpf_source_age_seconds"), 60);
	cr_assert_eq(value(&fixture, "svcbpf_map_capacity{map=\"services\"}"), 64);
	cr_assert_eq(value(&fixture, "svcbpf_map_entries{map=\"services\"}"), 1);
	cr_assert_eq(value(&fixture, "svcbpf_connect_translated_total"), 0);
	/* in step: heard of after the scrape began */
	source.contact_ns = START + 60 * S + 1;
	datapath_set_source(datapath, &source);
	scrape(&fixture, START + 60 * S);
	cr_assert_eq(value(&fixture, "svcbpf_source_age_seconds"), 0);
	datapath_close(datapath);
}
