/* SPDX-License-Identifier: Apache-2.0 */
/* What `svcbpf status` says of the flow table. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cmd/status.h"
#include "util/cleanup.h"

#define S     1000000000ull
#define NOW_S 1795298400ull

/* An hour ago the agent began; the table was counted 10 s ago. Only flows are judged here. */
static struct status status_of(struct datapath_map_fill *fills, size_t n_fills)
{
	struct status status = {
		.now_ns = NOW_S * S,
		.is_running = true,
		.fills = fills,
		.n_fills = n_fills,
		.has_services = {true, false},
		.meta.flows.time_ns = (NOW_S - 10) * S,
	};

	return status;
}

static void expect_reason(struct status status, const char *expected)
{
	status_judge_flows(&status);
	cr_expect_eq(status.n_reasons, expected ? 1u : 0u, "%s", status.reasons[0]);
	if (expected)
		cr_expect(strstr(status.reasons[0], expected), "%s", status.reasons[0]);
}

#define FILLS                                                                                      \
	{                                                                                          \
		{"services", 60, 64}, {"flows4", 900, 1000}, {"flows6", 0, 1000},                  \
		{                                                                                  \
			"devices", 2, 4096                                                         \
		}                                                                                  \
	}

Test(status_flows, all_is_well)
{
	struct datapath_map_fill fills[] = FILLS;

	expect_reason(status_of(fills, ARRAY_SIZE(fills)), NULL);
}

Test(status_flows, a_table_more_than_90_percent_full)
{
	struct datapath_map_fill fills[] = FILLS;

	fills[1].n_used = 950;
	expect_reason(status_of(fills, ARRAY_SIZE(fills)),
		      "the IPv4 flow table is 95 % full: a full one gives up the flows idle for "
		      "longest; raise --max-flows");
	fills[1].n_used = 0;
	fills[2].n_used = 1000;
	expect_reason(status_of(fills, ARRAY_SIZE(fills)), "the IPv6 flow table is 100 % full");
}

Test(status_flows, evictions_of_the_last_hour)
{
	struct datapath_map_fill fills[] = FILLS;
	struct status status = status_of(fills, ARRAY_SIZE(fills));

	status.meta.flows.n_evicted = 17;
	status.meta.flows.evicted_ns = (NOW_S - 300) * S;
	expect_reason(status, "17 flows were given up since the agent's start, last 5 min ago");
	status.meta.flows.evicted_ns = (NOW_S - 3601) * S;
	expect_reason(status, NULL);
	status.meta.flows.evicted_ns = (NOW_S - 300) * S;
	status.is_running = false; /* that no agent runs is said elsewhere */
	expect_reason(status, NULL);
}

Test(status_flows, source_ports_that_ran_out)
{
	struct datapath_map_fill fills[] = FILLS;
	struct status status = status_of(fills, ARRAY_SIZE(fills));

	status.meta.flows.n_snat_exhausted = 3;
	status.meta.flows.snat_exhausted_ns = (NOW_S - 20) * S;
	expect_reason(status, "3 new connections were dropped since the agent's start, last 20 s "
			      "ago, because no source port was free");
}

Test(status_flows, forwarding_that_is_off_matters_where_there_are_services_and_devices)
{
	struct datapath_map_fill fills[] = FILLS;
	struct status status = status_of(fills, ARRAY_SIZE(fills));

	status.meta.flows.forwarding = SVC_FORWARDING_OFF4;
	expect_reason(status, "net.ipv4.ip_forward is off");
	status.meta.flows.forwarding = SVC_FORWARDING_OFF6;
	expect_reason(status, NULL);
	status.has_services[1] = true;
	expect_reason(status, "net.ipv6.conf.all.forwarding is off");
	fills[3].n_used = 0;
	expect_reason(status, NULL);
}

Test(status_flows, nothing_without_the_packet_path)
{
	struct datapath_map_fill fills[] = {{"services", 1, 64}};
	struct status status = status_of(fills, ARRAY_SIZE(fills));
	cJSON *json = status_flows_json(&status);

	status.meta.flows.n_evicted = 3;
	status.meta.flows.evicted_ns = NOW_S * S;
	expect_reason(status, NULL);
	cr_expect(cJSON_IsNull(json));
	cJSON_Delete(json);
}

Test(status_flows, line_and_json)
{
	struct datapath_map_fill fills[] = FILLS;
	struct status status = status_of(fills, ARRAY_SIZE(fills));
	char *text = NULL, *json;
	size_t len_bytes;
	FILE *out = open_memstream(&text, &len_bytes);
	cJSON *object;

	status.meta.flows.n_expired = 5;
	status.meta.flows.forwarding = SVC_FORWARDING_OFF6;
	cr_assert(out);
	status_print_flows(out, &status);
	fclose(out);
	cr_expect_str_eq(text, "flows      counted 10 s ago; since the agent's start 5 timed out, "
			       "0 were given up, 0 found no source port\n");
	free(text);
	object = status_flows_json(&status);
	json = cJSON_PrintUnformatted(object);
	cr_expect_str_eq(json, "{\"time\":\"2026-11-21T21:59:50Z\",\"expired\":5,\"evicted\":0,"
			       "\"snatExhausted\":0,\"forwarding4\":true,\"forwarding6\":false}");
	cJSON_free(json);
	cJSON_Delete(object);
}
