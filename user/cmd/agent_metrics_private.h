/* SPDX-License-Identifier: Apache-2.0 */
/* struct agent_metrics, for the files that count and those that write what was counted. */
#ifndef SVCBPF_CMD_AGENT_METRICS_PRIVATE_H
#define SVCBPF_CMD_AGENT_METRICS_PRIVATE_H

#include "cmd/agent_metrics.h"
#include "cmd/agent_metrics_names.h"
#include "http/histogram.h"
#include "http/metrics_text.h"

#define AGENT_METRICS_MAX_TRIGGERS 4096
#define AGENT_METRICS_MAX_MAPS	   16
#define AGENT_METRICS_NS_PER_S	   1000000000ull

/** struct agent_metrics_family - of one address family. @no_local: internal, external. */
struct agent_metrics_family {
	struct histogram network_programming;
	uint64_t queued_ns;
	uint64_t no_local[2];
};

/** struct agent_metrics_trigger - a change of a slice that the next sync programs. */
struct agent_metrics_trigger {
	uint64_t time_ns;
	uint8_t family;
};

/** struct agent_metrics_fill - a map's. @name: static. */
struct agent_metrics_fill {
	const char *name;
	uint64_t n_used;
	uint64_t n_max;
};

/**
 * struct agent_metrics - see agent_metrics.h. Times are CLOCK_REALTIME, 0: never.
 * @families: IPv4, IPv6.
 * @triggers: EndpointSlices that the next sync programs; those beyond the limit are not measured.
 * @probes: answers of /healthz and /livez: [is_livez][is_503].
 * @fills: of @fills_ns.
 */
struct agent_metrics {
	char *version;
	struct agent_metrics_sources sources;
	uint64_t start_ns;
	struct agent_metrics_family families[2];
	struct histogram sync_duration;
	struct histogram own_duration;
	struct histogram own_writes;
	struct histogram own_services;
	uint64_t synced_ns;
	uint64_t n_sync_failures;
	uint64_t n_services_pending;
	uint64_t n_services_total;
	uint64_t n_endpoints_pending;
	uint64_t n_endpoints_total;
	uint64_t probes[2][2];
	uint64_t snapshot_ns;
	uint64_t n_snapshot_failures;
	struct agent_metrics_trigger triggers[AGENT_METRICS_MAX_TRIGGERS];
	size_t n_triggers;
	struct agent_metrics_fill fills[AGENT_METRICS_MAX_MAPS];
	size_t n_fills;
	uint64_t fills_ns;
};

/** agent_metrics_begin() - begin one of agent_metrics_names.h. */
void agent_metrics_begin(struct metrics_text *text, enum agent_metric_id id);

/** agent_metrics_seconds() - nanoseconds as seconds. */
double agent_metrics_seconds(uint64_t ns);

/** agent_metrics_write_watches() - what the API server's watches do; nothing without them. */
void agent_metrics_write_watches(const struct agent_metrics *metrics, struct metrics_text *text);

/** agent_metrics_write_datapath() - self-test, source, stale sockets, fill and counters. */
void agent_metrics_write_datapath(struct agent_metrics *metrics, struct metrics_text *text,
				  uint64_t now_ns);

/** agent_metrics_write_flows() - the packet path: flows, drops, devices; nothing without it. */
void agent_metrics_write_flows(const struct datapath *datapath, struct metrics_text *text);

/** agent_metrics_write_process() - process_*. */
void agent_metrics_write_process(const struct agent_metrics *metrics, struct metrics_text *text);

#endif
