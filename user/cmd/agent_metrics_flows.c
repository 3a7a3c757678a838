/* SPDX-License-Identifier: Apache-2.0 */
/* The packet path, for /metrics: its flow table, what it dropped, and its devices. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/agent_metrics_private.h"
#include "datapath/datapath.h"
#include "datapath/flow_collector.h"
#include "datapath/flow_entry.h"
#include "svcbpf/counters.h"
#include "util/cleanup.h"

static const struct metric_labels none;
static const char *const family_names[] = {"IPv4", "IPv6"};

/* ------------------------------------------------------------------ the flow table */

/* Which states flows of a protocol can be in. */
static bool is_state_of(int protocol, uint8_t state)
{
	const bool is_tcp = state >= SVC_FLOW_TCP_SYN_SENT;

	return state && is_tcp == (protocol == FLOW_TCP);
}

static void write_states(const struct flow_numbers *numbers, struct metrics_text *text, int family,
			 int protocol)
{
	static const char *const names[] = {
		[FLOW_TCP] = "TCP",
		[FLOW_UDP] = "UDP",
		[FLOW_SCTP] = "SCTP",
	};

	for (uint8_t state = 0; state < SVC_N_FLOW_STATES; state++)
		if (is_state_of(protocol, state))
			metrics_text_count(
				text,
				(struct metric_labels){{{"family", family_names[family]},
							{"protocol", names[protocol]},
							{"state", flow_state_name(state)}}},
				numbers->now.n_flows[family][protocol][state]);
}

static void write_table(const struct flow_numbers *numbers, struct metrics_text *text)
{
	agent_metrics_begin(text, AGENT_METRIC_FLOWS);
	for (int family = 0; family < 2; family++)
		for (int protocol = 0; protocol < N_FLOW_PROTOCOLS; protocol++)
			write_states(numbers, text, family, protocol);
	agent_metrics_begin(text, AGENT_METRIC_FLOW_ENTRIES);
	for (int family = 0; family < 2; family++)
		metrics_text_count(text, (struct metric_labels){{{"family", family_names[family]}}},
				   numbers->now.n_entries[family]);
	agent_metrics_begin(text, AGENT_METRIC_FLOW_CAPACITY);
	for (int family = 0; family < 2; family++)
		metrics_text_count(text, (struct metric_labels){{{"family", family_names[family]}}},
				   numbers->capacities[family]);
	agent_metrics_begin(text, AGENT_METRIC_FLOWS_EXPIRED);
	metrics_text_count(text, none, numbers->n_expired);
	agent_metrics_begin(text, AGENT_METRIC_FLOW_EVICTIONS);
	metrics_text_count(text, none, numbers->n_evicted);
}

/* ------------------------------------------------------------------ drops */

/* Counters of packets dropped begin with "dropped_", but for the one that is named for its cause.
 */
static const char *drop_reason(const char *counter)
{
	static const char prefix[] = "dropped_";

	if (strncmp(counter, prefix, strlen(prefix)) == 0)
		return counter + strlen(prefix);
	return strcmp(counter, "snat_exhausted") == 0 ? counter : NULL;
}

static void write_drops(const struct datapath *datapath, struct metrics_text *text)
{
	struct datapath_counter counters[SVC_N_COUNTERS];

	if (datapath_counters(datapath, counters) < 0)
		return;
	agent_metrics_begin(text, AGENT_METRIC_DROPPED);
	for (size_t i = 0; i < SVC_N_COUNTERS; i++) {
		const char *reason = drop_reason(counters[i].name);

		if (reason)
			metrics_text_count(text, (struct metric_labels){{{"reason", reason}}},
					   counters[i].value);
	}
}

/* ------------------------------------------------------------------ devices */

static void write_device(void *arg, const struct datapath_device_counters *counters)
{
	const struct {
		const char *kind;
		uint64_t n;
	} kinds[] = {
		{"forward", counters->n.n_forward},
		{"reply", counters->n.n_reply},
		{"dropped", counters->n.n_dropped},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		metrics_text_count(arg,
				   (struct metric_labels){
					   {{"device", counters->name}, {"kind", kinds[i].kind}}},
				   kinds[i].n);
}

static void write_device_flows(void *arg, const struct datapath_device_counters *counters)
{
	metrics_text_count(arg, (struct metric_labels){{{"device", counters->name}}},
			   counters->n.n_new);
}

void agent_metrics_write_flows(const struct datapath *datapath, struct metrics_text *text)
{
	struct flow_numbers numbers;

	if (!datapath_flow_numbers(datapath, &numbers))
		return;
	if (numbers.n_walks)
		write_table(&numbers, text);
	write_drops(datapath, text);
	agent_metrics_begin(text, AGENT_METRIC_DEVICE_PACKETS);
	(void)datapath_device_counters(datapath, write_device, text);
	agent_metrics_begin(text, AGENT_METRIC_DEVICE_FLOWS);
	(void)datapath_device_counters(datapath, write_device_flows, text);
}
