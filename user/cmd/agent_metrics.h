/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent measures of itself, and /metrics: kube-proxy's names where the meaning is the same
 * (rules R47, R49), svcbpf_* for the rest. Names and help: agent_metrics_names.h.
 */
#ifndef SVCBPF_CMD_AGENT_METRICS_H
#define SVCBPF_CMD_AGENT_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent_metrics;
struct agent_problems;
struct datapath;
struct evbuffer;
struct event_recorder;
struct health_checks;
struct kubernetes;
struct rejects;
struct service_port;

/**
 * struct agent_metrics_sources - what a scrape looks at; all borrowed, each may be NULL: its
 * metrics are left out then.
 */
struct agent_metrics_sources {
	const struct datapath *datapath;
	const struct kubernetes *kubernetes;
	const struct agent_problems *problems;
	const struct rejects *rejects;
	const struct event_recorder *events;
	const struct health_checks *health_checks;
	void (*refresh)(void *arg);
	void *refresh_arg;
};

/**
 * struct agent_metrics_sync - one successful sync.
 * @duration_s: of the whole.  @n_written: map writes.  @n_services: Services that changed.
 */
struct agent_metrics_sync {
	double duration_s;
	uint64_t n_written;
	uint64_t n_services;
};

/**
 * agent_metrics_new() - nothing measured yet.
 * @now_ns: trigger times of EndpointSlices before it are of no interest (R49).
 * @version: for svcbpf_build_info; copied.
 * Return: 0 or -ENOMEM. Free with agent_metrics_free().
 */
int agent_metrics_new(const char *version, uint64_t now_ns, struct agent_metrics **ret);

/** agent_metrics_free() - NULL is fine. */
void agent_metrics_free(struct agent_metrics *metrics);

/** agent_metrics_set_sources() - where scrapes look from now on. @sources: copied. */
void agent_metrics_set_sources(struct agent_metrics *metrics,
			       const struct agent_metrics_sources *sources);

/** agent_metrics_service_changed() - the source told a Service, or that one is gone. */
void agent_metrics_service_changed(struct agent_metrics *metrics, uint64_t now_ns);

/**
 * agent_metrics_slice_changed() - the source told an EndpointSlice, or that one is gone.
 * @family: ADDR_*; ADDR_NONE: not known.
 * @last_change_ns: its last_change_ns; 0: none, or the slice is gone.
 */
void agent_metrics_slice_changed(struct agent_metrics *metrics, uint8_t family,
				 int64_t last_change_ns, uint64_t now_ns);

/**
 * agent_metrics_restage() - all service ports will be told again, with @old NULL: forget those told
 * so far.
 */
void agent_metrics_restage(struct agent_metrics *metrics);

/** agent_metrics_port_changed() - as struct model_events.port: a service port was staged. */
void agent_metrics_port_changed(struct agent_metrics *metrics, const struct service_port *old,
				const struct service_port *new);

/** agent_metrics_synced() - all that was told is in the datapath now. */
void agent_metrics_synced(struct agent_metrics *metrics, const struct agent_metrics_sync *sync,
			  uint64_t now_ns);

/** agent_metrics_sync_failed() - a sync failed; another will follow. */
void agent_metrics_sync_failed(struct agent_metrics *metrics);

/** agent_metrics_snapshot() - the state was saved to disk, or (@r negative) could not be. */
void agent_metrics_snapshot(struct agent_metrics *metrics, int r, uint64_t now_ns);

/** agent_metrics_probed() - /healthz or (@is_livez) /livez was answered with @status. */
void agent_metrics_probed(struct agent_metrics *metrics, bool is_livez, int status);

/**
 * agent_metrics_write() - append all metrics, in the Prometheus text format 0.0.4.
 *
 * Counts the entries of all maps, at most once in 10 s. Return: 0 or -ENOMEM.
 */
int agent_metrics_write(struct agent_metrics *metrics, struct evbuffer *body, uint64_t now_ns);

#endif
