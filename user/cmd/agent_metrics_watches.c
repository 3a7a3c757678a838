/* SPDX-License-Identifier: Apache-2.0 */
/* The watches of the API server, for /metrics. */

#include "cmd/agent_metrics_private.h"
#include "source/kubernetes.h"
#include "util/cleanup.h"
#include "util/clock.h"

static struct metric_labels resource(const struct kubernetes_watch *watch)
{
	return (struct metric_labels){{{"resource", watch->name}}};
}

static void write_states(const struct kubernetes_watch *watches, struct metrics_text *text)
{
	static const char *const states[] = {
		[KUBERNETES_LISTING] = "listing",
		[KUBERNETES_WATCHING] = "watching",
		[KUBERNETES_WAITING] = "waiting",
	};

	agent_metrics_begin(text, AGENT_METRIC_WATCH_STATE);
	for (unsigned int i = 0; i < KUBERNETES_N_RESOURCES; i++)
		for (unsigned int state = 0; state < ARRAY_SIZE(states); state++)
			metrics_text_count(text,
					   (struct metric_labels){{{"resource", watches[i].name},
								   {"state", states[state]}}},
					   watches[i].state == state);
}

static void write_ages(const struct kubernetes_watch *watches, struct metrics_text *text)
{
	const uint64_t now_ms = clock_now_ms();

	agent_metrics_begin(text, AGENT_METRIC_WATCH_AGE);
	for (unsigned int i = 0; i < KUBERNETES_N_RESOURCES; i++)
		if (watches[i].contact_ms)
			metrics_text_value(text, resource(&watches[i]),
					   (double)(now_ms - watches[i].contact_ms) / 1000);
}

/* One metric of all resources; each @counts[i] belongs to @watches[i]. */
static void write_counts(const struct kubernetes_watch *watches, enum agent_metric_id id,
			 const uint64_t counts[KUBERNETES_N_RESOURCES], struct metrics_text *text)
{
	agent_metrics_begin(text, id);
	for (unsigned int i = 0; i < KUBERNETES_N_RESOURCES; i++)
		metrics_text_count(text, resource(&watches[i]), counts[i]);
}

void agent_metrics_write_watches(const struct agent_metrics *metrics, struct metrics_text *text)
{
	enum { OBJECTS, LISTS, WATCHES, EVENTS, FAILURES, N_COUNTS };
	static const enum agent_metric_id ids[N_COUNTS] = {
		AGENT_METRIC_WATCH_OBJECTS, AGENT_METRIC_WATCH_LISTS,	 AGENT_METRIC_WATCH_WATCHES,
		AGENT_METRIC_WATCH_EVENTS,  AGENT_METRIC_WATCH_FAILURES,
	};
	struct kubernetes_watch watches[KUBERNETES_N_RESOURCES];
	uint64_t counts[N_COUNTS][KUBERNETES_N_RESOURCES];

	if (!metrics->sources.kubernetes)
		return;
	for (unsigned int i = 0; i < KUBERNETES_N_RESOURCES; i++) {
		kubernetes_watch(metrics->sources.kubernetes, i, &watches[i]);
		counts[OBJECTS][i] = watches[i].n_objects;
		counts[LISTS][i] = watches[i].n_lists;
		counts[WATCHES][i] = watches[i].n_watches;
		counts[EVENTS][i] = watches[i].n_events;
		counts[FAILURES][i] = watches[i].n_failures;
	}
	write_states(watches, text);
	write_ages(watches, text);
	for (unsigned int i = 0; i < N_COUNTS; i++)
		write_counts(watches, ids[i], counts[i], text);
}
