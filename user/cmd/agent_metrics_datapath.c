/* SPDX-License-Identifier: Apache-2.0 */
/* The datapath, as the kernel and its meta record have it, for /metrics. */
#include <stdio.h>

#include "cmd/agent_metrics_private.h"
#include "datapath/datapath.h"
#include "datapath/stale_udp.h"
#include "svcbpf/counters.h"
#include "util/cleanup.h"

#define FILL_MAX_AGE_NS (10 * AGENT_METRICS_NS_PER_S)
#define NAME_MAX_BYTES	128

static const struct metric_labels none;

static void write_selftest(const struct svc_meta *meta, struct metrics_text *text)
{
	if (!meta->selftest_ns)
		return;
	agent_metrics_begin(text, AGENT_METRIC_SELFTEST);
	metrics_text_count(text, none, meta->selftest_result == 0);
	agent_metrics_begin(text, AGENT_METRIC_SELFTEST_LAST);
	metrics_text_value(text, none, agent_metrics_seconds(meta->selftest_ns));
}

static void write_source(const struct svc_meta *meta, struct metrics_text *text, uint64_t now_ns)
{
	static const char *const states[] = {
		[SVC_SOURCE_STARTING] = "starting",
		[SVC_SOURCE_IN_STEP] = "in-step",
		[SVC_SOURCE_LOST] = "lost",
		[SVC_SOURCE_SAVED] = "saved",
	};

	if (!meta->source_kind)
		return;
	agent_metrics_begin(text, AGENT_METRIC_SOURCE_STATE);
	for (unsigned int i = 0; i < ARRAY_SIZE(states); i++)
		metrics_text_count(text, (struct metric_labels){{{"state", states[i]}}},
				   meta->source_state == i);
	agent_metrics_begin(text, AGENT_METRIC_SOURCE_AGE);
	/* in step is up to now, which may be later than when the scrape began */
	if (meta->source_contact_ns)
		metrics_text_value(text, none,
				   agent_metrics_seconds(now_ns > meta->source_contact_ns
								 ? now_ns - meta->source_contact_ns
								 : 0));
}

static void write_stale_udp(const struct datapath *datapath, struct metrics_text *text)
{
	struct stale_udp_result result = {};

	datapath_stale_udp(datapath, &result);
	agent_metrics_begin(text, AGENT_METRIC_STALE_UDP_ENDED);
	metrics_text_count(text, none, result.n_destroyed);
	agent_metrics_begin(text, AGENT_METRIC_STALE_UDP_FAILED);
	metrics_text_count(text, none, result.n_failed);
}

/* ------------------------------------------------------------------ maps */

static void keep_fill(void *arg, const struct datapath_map_fill *fill)
{
	struct agent_metrics *metrics = arg;

	if (metrics->n_fills < AGENT_METRICS_MAX_MAPS)
		metrics->fills[metrics->n_fills++] = (struct agent_metrics_fill){
			.name = fill->name,
			.n_used = fill->n_used,
			.n_max = fill->n_max,
		};
}

/* Counting takes milliseconds in which nothing else happens: not as often as anybody asks. */
static void count_fill(struct agent_metrics *metrics, uint64_t now_ns)
{
	if (metrics->fills_ns && now_ns >= metrics->fills_ns &&
	    now_ns - metrics->fills_ns < FILL_MAX_AGE_NS)
		return;
	metrics->n_fills = 0;
	metrics->fills_ns = now_ns;
	datapath_fill(metrics->sources.datapath, keep_fill, metrics);
}

static void write_fill(const struct agent_metrics *metrics, struct metrics_text *text)
{
	agent_metrics_begin(text, AGENT_METRIC_MAP_ENTRIES);
	for (size_t i = 0; i < metrics->n_fills; i++)
		metrics_text_count(text, (struct metric_labels){{{"map", metrics->fills[i].name}}},
				   metrics->fills[i].n_used);
	agent_metrics_begin(text, AGENT_METRIC_MAP_CAPACITY);
	for (size_t i = 0; i < metrics->n_fills; i++)
		metrics_text_count(text, (struct metric_labels){{{"map", metrics->fills[i].name}}},
				   metrics->fills[i].n_max);
}

static void write_counters(const struct datapath *datapath, struct metrics_text *text)
{
	struct datapath_counter counters[SVC_N_COUNTERS];
	char name[NAME_MAX_BYTES];

	if (datapath_counters(datapath, counters) < 0)
		return;
	for (size_t i = 0; i < SVC_N_COUNTERS; i++) {
		const struct metric metric = {name, METRIC_COUNTER, counters[i].help};

		snprintf(name, sizeof(name), "svcbpf_%s_total", counters[i].name);
		metrics_text_begin(text, &metric);
		metrics_text_count(text, none, counters[i].value);
	}
}

void agent_metrics_write_datapath(struct agent_metrics *metrics, struct metrics_text *text,
				  uint64_t now_ns)
{
	const struct datapath *datapath = metrics->sources.datapath;

	if (!datapath)
		return;
	write_selftest(datapath_meta(datapath), text);
	write_source(datapath_meta(datapath), text, now_ns);
	write_stale_udp(datapath, text);
	count_fill(metrics, now_ns);
	write_fill(metrics, text);
	agent_metrics_write_flows(datapath, text);
	write_counters(datapath, text);
}
