/* SPDX-License-Identifier: Apache-2.0 */
/* Counting; agent_metrics_write.c and its neighbours write what was counted. */
#include "cmd/agent_metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/agent_metrics_private.h"
#include "model/state.h"
#include "svcbpf/abi.h"

/* ------------------------------------------------------------------ life */

/* Those with kube-proxy's names have kube-proxy's bounds; a sync here takes far less than 1 ms. */
static void init_histograms(struct agent_metrics *metrics)
{
	histogram_add_exponential(&metrics->sync_duration, 0.001, 2, 15);
	histogram_add_exponential(&metrics->own_duration, 0.00001, 2, 20);
	histogram_add_exponential(&metrics->own_writes, 1, 4, 11);
	histogram_add_exponential(&metrics->own_services, 1, 4, 9);
	for (int i = 0; i < 2; i++) {
		struct histogram *histogram = &metrics->families[i].network_programming;

		histogram_add_linear(histogram, 0.25, 0.25, 2);
		histogram_add_linear(histogram, 1, 1, 59);
		histogram_add_linear(histogram, 60, 5, 12);
		histogram_add_linear(histogram, 120, 30, 7);
	}
}

int agent_metrics_new(const char *version, uint64_t now_ns, struct agent_metrics **ret)
{
	struct agent_metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return -ENOMEM;
	metrics->version = strdup(version);
	if (!metrics->version) {
		free(metrics);
		return -ENOMEM;
	}
	metrics->start_ns = now_ns;
	init_histograms(metrics);
	*ret = metrics;
	return 0;
}

void agent_metrics_free(struct agent_metrics *metrics)
{
	if (!metrics)
		return;
	free(metrics->version);
	free(metrics);
}

void agent_metrics_set_sources(struct agent_metrics *metrics,
			       const struct agent_metrics_sources *sources)
{
	metrics->sources = *sources;
}

/* ------------------------------------------------------------------ what the source told */

static void queue(struct agent_metrics *metrics, uint8_t family, uint64_t now_ns)
{
	if (family != ADDR_IPV6)
		metrics->families[0].queued_ns = now_ns;
	if (family != ADDR_IPV4)
		metrics->families[1].queued_ns = now_ns;
}

void agent_metrics_service_changed(struct agent_metrics *metrics, uint64_t now_ns)
{
	metrics->n_services_pending++;
	metrics->n_services_total++;
	queue(metrics, ADDR_NONE, now_ns);
}

void agent_metrics_slice_changed(struct agent_metrics *metrics, uint8_t family,
				 int64_t last_change_ns, uint64_t now_ns)
{
	metrics->n_endpoints_pending++;
	metrics->n_endpoints_total++;
	queue(metrics, family, now_ns);
	if (last_change_ns <= 0 || (uint64_t)last_change_ns <= metrics->start_ns ||
	    family == ADDR_NONE || metrics->n_triggers == AGENT_METRICS_MAX_TRIGGERS)
		return;
	metrics->triggers[metrics->n_triggers++] = (struct agent_metrics_trigger){
		.time_ns = (uint64_t)last_change_ns,
		.family = family,
	};
}

/* ------------------------------------------------------------------ what was programmed */

void agent_metrics_restage(struct agent_metrics *metrics)
{
	for (int i = 0; i < 2; i++)
		memset(metrics->families[i].no_local, 0, sizeof(metrics->families[i].no_local));
}

/* It has endpoints, none of them here, and the policy of this kind of traffic is Local. */
static bool has_no_local(const struct service_port *port, uint8_t type)
{
	const struct backend_list *list = service_port_policy_list(port, type);

	return service_port_is_local(port, type) && port->has_endpoints && !list->n_backends;
}

static void count_no_local(struct agent_metrics *metrics, const struct service_port *port,
			   uint64_t step)
{
	uint64_t *no_local;

	if (!port)
		return;
	no_local = metrics->families[port->key.family == ADDR_IPV6].no_local;
	if (has_no_local(port, SVC_TYPE_CLUSTER_IP))
		no_local[0] += step;
	if (has_no_local(port, SVC_TYPE_NODE_PORT))
		no_local[1] += step;
}

void agent_metrics_port_changed(struct agent_metrics *metrics, const struct service_port *old,
				const struct service_port *new)
{
	count_no_local(metrics, old, (uint64_t)-1);
	count_no_local(metrics, new, 1);
}

/* Clocks of two machines: a change from the future took no time. */
static void observe_triggers(struct agent_metrics *metrics, uint64_t now_ns)
{
	for (size_t i = 0; i < metrics->n_triggers; i++) {
		const struct agent_metrics_trigger *trigger = &metrics->triggers[i];
		const uint64_t ns = now_ns > trigger->time_ns ? now_ns - trigger->time_ns : 0;

		histogram_observe(
			&metrics->families[trigger->family == ADDR_IPV6].network_programming,
			agent_metrics_seconds(ns));
	}
	metrics->n_triggers = 0;
}

void agent_metrics_synced(struct agent_metrics *metrics, const struct agent_metrics_sync *sync,
			  uint64_t now_ns)
{
	histogram_observe(&metrics->sync_duration, sync->duration_s);
	histogram_observe(&metrics->own_duration, sync->duration_s);
	histogram_observe(&metrics->own_writes, (double)sync->n_written);
	histogram_observe(&metrics->own_services, (double)sync->n_services);
	observe_triggers(metrics, now_ns);
	metrics->synced_ns = now_ns;
	metrics->n_services_pending = 0;
	metrics->n_endpoints_pending = 0;
}

void agent_metrics_sync_failed(struct agent_metrics *metrics)
{
	metrics->n_sync_failures++;
}

void agent_metrics_snapshot(struct agent_metrics *metrics, int r, uint64_t now_ns)
{
	if (r < 0)
		metrics->n_snapshot_failures++;
	else
		metrics->snapshot_ns = now_ns;
}

void agent_metrics_probed(struct agent_metrics *metrics, bool is_livez, int status)
{
	metrics->probes[is_livez][status != 200]++;
}
