/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics, in the order of agent_metrics_names.h. */
#include <stdio.h>
#include <string.h>

#include "cmd/agent_metrics_private.h"
#include "cmd/agent_problems.h"
#include "cmd/rejects.h"
#include "http/health_checks.h"
#include "source/event_recorder.h"
#include "util/cleanup.h"

#define MAX_REJECTED 20

static const char *const family_names[] = {"IPv4", "IPv6"};

void agent_metrics_begin(struct metrics_text *text, enum agent_metric_id id)
{
	static const struct metric metrics[] = {
#define AGENT_METRIC_ROW(id, name, type, help) {name, METRIC_##type, help},
		AGENT_METRICS(AGENT_METRIC_ROW)
#undef AGENT_METRIC_ROW
	};

	metrics_text_begin(text, &metrics[id]);
}

double agent_metrics_seconds(uint64_t ns)
{
	return (double)ns / (double)AGENT_METRICS_NS_PER_S;
}

static struct metric_labels label(const char *name, const char *value)
{
	return (struct metric_labels){{{name, value}}};
}

static const struct metric_labels none;

/* A metric with one sample and no labels. */
static void write_count(struct metrics_text *text, enum agent_metric_id id, uint64_t value)
{
	agent_metrics_begin(text, id);
	metrics_text_count(text, none, value);
}

/* A time that never was is left out, as Prometheus advises. */
static void write_time(struct metrics_text *text, enum agent_metric_id id, uint64_t ns)
{
	agent_metrics_begin(text, id);
	if (ns)
		metrics_text_value(text, none, agent_metrics_seconds(ns));
}

/* ------------------------------------------------------------------ as kube-proxy */

/* A sync programs both families at once. */
static void write_syncs(const struct agent_metrics *metrics, struct metrics_text *text)
{
	agent_metrics_begin(text, AGENT_METRIC_SYNC_DURATION);
	for (int i = 0; i < 2; i++)
		metrics_text_histogram(text, label("ip_family", family_names[i]),
				       &metrics->sync_duration);
	agent_metrics_begin(text, AGENT_METRIC_SYNC_LAST);
	for (int i = 0; i < 2 && metrics->synced_ns; i++)
		metrics_text_value(text, label("ip_family", family_names[i]),
				   agent_metrics_seconds(metrics->synced_ns));
	agent_metrics_begin(text, AGENT_METRIC_SYNC_QUEUED);
	for (int i = 0; i < 2; i++)
		if (metrics->families[i].queued_ns)
			metrics_text_value(text, label("ip_family", family_names[i]),
					   agent_metrics_seconds(metrics->families[i].queued_ns));
}

static void write_changes(const struct agent_metrics *metrics, struct metrics_text *text)
{
	static const char *const policies[] = {"internal", "external"};

	write_count(text, AGENT_METRIC_ENDPOINTS_PENDING, metrics->n_endpoints_pending);
	write_count(text, AGENT_METRIC_ENDPOINTS_TOTAL, metrics->n_endpoints_total);
	write_count(text, AGENT_METRIC_SERVICES_PENDING, metrics->n_services_pending);
	write_count(text, AGENT_METRIC_SERVICES_TOTAL, metrics->n_services_total);
	agent_metrics_begin(text, AGENT_METRIC_NO_LOCAL);
	for (int family = 0; family < 2; family++)
		for (int policy = 0; policy < 2; policy++)
			metrics_text_count(
				text,
				(struct metric_labels){{{"traffic_policy", policies[policy]},
							{"ip_family", family_names[family]}}},
				metrics->families[family].no_local[policy]);
}

static void write_probes(const struct agent_metrics *metrics, struct metrics_text *text)
{
	for (int is_livez = 0; is_livez < 2; is_livez++) {
		agent_metrics_begin(text, is_livez ? AGENT_METRIC_LIVEZ : AGENT_METRIC_HEALTHZ);
		metrics_text_count(text, label("code", "200"), metrics->probes[is_livez][0]);
		metrics_text_count(text, label("code", "503"), metrics->probes[is_livez][1]);
	}
}

static void write_kube_proxy(const struct agent_metrics *metrics, struct metrics_text *text)
{
	write_syncs(metrics, text);
	write_changes(metrics, text);
	write_probes(metrics, text);
	agent_metrics_begin(text, AGENT_METRIC_NETWORK_PROGRAMMING);
	for (int i = 0; i < 2; i++)
		metrics_text_histogram(text, label("ip_family", family_names[i]),
				       &metrics->families[i].network_programming);
}

/* ------------------------------------------------------------------ our own */

static void write_own_syncs(const struct agent_metrics *metrics, struct metrics_text *text,
			    uint64_t now_ns)
{
	agent_metrics_begin(text, AGENT_METRIC_BUILD_INFO);
	metrics_text_count(text, label("version", metrics->version), 1);
	agent_metrics_begin(text, AGENT_METRIC_OWN_DURATION);
	metrics_text_histogram(text, none, &metrics->own_duration);
	agent_metrics_begin(text, AGENT_METRIC_OWN_WRITES);
	metrics_text_histogram(text, none, &metrics->own_writes);
	agent_metrics_begin(text, AGENT_METRIC_OWN_SERVICES);
	metrics_text_histogram(text, none, &metrics->own_services);
	write_count(text, AGENT_METRIC_SYNC_FAILURES, metrics->n_sync_failures);
	agent_metrics_begin(text, AGENT_METRIC_SYNC_AGE);
	if (metrics->synced_ns && now_ns >= metrics->synced_ns)
		metrics_text_value(text, none, agent_metrics_seconds(now_ns - metrics->synced_ns));
}

/* @line is "@where: text" or just text. */
static const char *reason_of(const struct reject *reject)
{
	const size_t len = strlen(reject->where);

	if (strncmp(reject->line, reject->where, len) == 0 &&
	    strncmp(reject->line + len, ": ", 2) == 0)
		return reject->line + len + 2;
	return reject->line;
}

static void write_rejects(const struct rejects *rejects, struct metrics_text *text)
{
	if (!rejects)
		return;
	write_count(text, AGENT_METRIC_REJECTED, rejects->n_items);
	agent_metrics_begin(text, AGENT_METRIC_REJECTED_OBJECT);
	for (size_t i = 0; i < rejects->n_items && i < MAX_REJECTED; i++)
		metrics_text_count(
			text,
			(struct metric_labels){{{"object", rejects->items[i].where},
						{"reason", reason_of(&rejects->items[i])}}},
			1);
}

static void write_health_checks(const struct health_checks *checks, struct metrics_text *text)
{
	size_t n_failed;
	size_t n;

	if (!checks)
		return;
	n = health_checks_count(checks, &n_failed);
	write_count(text, AGENT_METRIC_HEALTH_CHECKS, n);
	write_count(text, AGENT_METRIC_HEALTH_CHECKS_FAILED, n_failed);
}

static void write_events(const struct event_recorder *recorder, struct metrics_text *text)
{
	struct event_counts counts;

	if (!recorder)
		return;
	counts = event_recorder_counts(recorder);
	agent_metrics_begin(text, AGENT_METRIC_EVENTS);
	metrics_text_count(text, label("result", "sent"), counts.n_sent);
	metrics_text_count(text, label("result", "failed"), counts.n_failed);
	metrics_text_count(text, label("result", "repeated"), counts.n_repeated);
	metrics_text_count(text, label("result", "limited"), counts.n_limited);
}

static void write_own(struct agent_metrics *metrics, struct metrics_text *text, uint64_t now_ns)
{
	const struct agent_metrics_sources *sources = &metrics->sources;

	write_own_syncs(metrics, text, now_ns);
	agent_metrics_write_watches(metrics, text);
	write_rejects(sources->rejects, text);
	if (sources->problems)
		write_count(text, AGENT_METRIC_PROBLEMS, sources->problems->n_lines);
	write_health_checks(sources->health_checks, text);
	write_time(text, AGENT_METRIC_SNAPSHOT_LAST, metrics->snapshot_ns);
	write_count(text, AGENT_METRIC_SNAPSHOT_FAILURES, metrics->n_snapshot_failures);
	write_events(sources->events, text);
	agent_metrics_write_datapath(metrics, text, now_ns);
}

int agent_metrics_write(struct agent_metrics *metrics, struct evbuffer *body, uint64_t now_ns)
{
	struct metrics_text text = {.body = body};

	if (metrics->sources.refresh)
		metrics->sources.refresh(metrics->sources.refresh_arg);
	write_kube_proxy(metrics, &text);
	write_own(metrics, &text, now_ns);
	agent_metrics_write_process(metrics, &text);
	return text.error;
}
