/* SPDX-License-Identifier: Apache-2.0 */
/* How far the source can be relied on, and what is served while it cannot be reached. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cmd/agent.h"
#include "cmd/agent_snapshot.h"
#include "cmd/status.h"
#include "source/kubernetes.h"
#include "source/snapshot.h"
#include "util/clock.h"
#include "util/log.h"

/* An open watch brings a bookmark each minute: without any byte for longer it may hang. */
#define WATCH_SILENT_MS 100000
/* A list of which nothing came for so long does not come in. */
#define PROGRESS_MS 5000
/* How often a start looks whether the lists still come in. */
#define LOOK_MS 1000
/* And when it has waited for that long enough: what comes later replaces what was saved. */
#define LISTS_MAX_MS 60000

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull

/* ------------------------------------------------------------------ for status */

/*
 * A Node that may not be read is a problem of its own: Services are followed.
 * @ret_contact_ms: CLOCK_MONOTONIC of the watch that was heard least lately.
 */
static bool is_followed(const struct kubernetes *kubernetes, uint64_t now_ms,
			uint64_t *ret_contact_ms)
{
	bool is_followed = true;
	uint64_t oldest_ms = UINT64_MAX;

	for (unsigned int i = 0; i < KUBERNETES_N_RESOURCES; i++) {
		struct kubernetes_watch watch;

		kubernetes_watch(kubernetes, i, &watch);
		if (!watch.is_synced)
			continue;
		if (watch.state == KUBERNETES_WAITING ||
		    now_ms - watch.contact_ms > WATCH_SILENT_MS)
			is_followed = false;
		if (watch.contact_ms < oldest_ms)
			oldest_ms = watch.contact_ms;
	}
	*ret_contact_ms = oldest_ms;
	return is_followed;
}

static void judge_kubernetes(const struct agent *agent, struct datapath_source *source)
{
	const uint64_t now_ms = clock_now_ms();
	uint64_t contact_ms;

	source->kind = SVC_SOURCE_KUBERNETES;
	if (!kubernetes_is_synced(agent->feed.kubernetes)) {
		source->state = agent->is_begun ? SVC_SOURCE_SAVED : SVC_SOURCE_STARTING;
		source->contact_ns = agent->saved_ns;
		return;
	}
	if (is_followed(agent->feed.kubernetes, now_ms, &contact_ms)) {
		source->state = SVC_SOURCE_IN_STEP;
		source->contact_ns = clock_now_ns(CLOCK_REALTIME);
		return;
	}
	source->state = SVC_SOURCE_LOST;
	if (contact_ms)
		source->contact_ns =
			clock_now_ns(CLOCK_REALTIME) - (now_ms - contact_ms) * NS_PER_MS;
}

static void tell_snapshot(struct agent *agent, bool is_in_step)
{
	struct agent_snapshot_state state;

	if (is_in_step)
		agent_snapshot_contact(agent->snapshot);
	agent_snapshot_state(agent->snapshot, &state);
	if (state.n_written + state.n_failed == agent->n_snapshots)
		return;
	agent->n_snapshots = state.n_written + state.n_failed;
	agent_metrics_snapshot(agent->metrics, state.error, (uint64_t)state.saved_s * NS_PER_S);
}

void agent_tell_source(struct agent *agent)
{
	struct datapath_source source = {.name = agent->feed.source_name};

	if (agent->feed.kubernetes) {
		judge_kubernetes(agent, &source);
	} else {
		source.kind = SVC_SOURCE_MANIFESTS;
		source.state = agent->has_synced ? SVC_SOURCE_IN_STEP : SVC_SOURCE_STARTING;
		source.contact_ns = agent->has_synced ? clock_now_ns(CLOCK_REALTIME) : 0;
	}
	datapath_set_source(agent->datapath, &source);
	agent_manager_tell(agent, &source);
	tell_snapshot(agent, source.state == SVC_SOURCE_IN_STEP);
}

/* ------------------------------------------------------------------ clocks */

/* To the second: the moments between the readings of two clocks count as well. */
static const char *format_jump(int64_t ns, char buf[STATUS_AGE_MAX])
{
	return status_format_age((uint64_t)(ns < 0 ? -ns : ns) + NS_PER_S / 2, buf);
}

static void log_jump(const struct agent_clock_jump *jump)
{
	char age[STATUS_AGE_MAX];

	if (jump->slept_ns)
		log_info("this host was suspended for %s", format_jump(jump->slept_ns, age));
	if (jump->set_ns)
		log_info("this host's clock was set %s by %s",
			 jump->set_ns < 0 ? "back" : "forward", format_jump(jump->set_ns, age));
}

void agent_watch_clock(struct agent *agent)
{
	const struct agent_clock_jump jump = agent_clock_look(&agent->clock);

	if (!jump.set_ns && !jump.slept_ns)
		return;
	log_jump(&jump);
	if (jump.slept_ns && agent->feed.kubernetes)
		kubernetes_relist(agent->feed.kubernetes);
	/* its age is what tells that an agent hangs */
	if (agent->is_begun)
		agent_set_timer(agent->on_selftest, 0);
}

/* ------------------------------------------------------------------ without an answer */

/*
 * A long list may take its time; one that comes in is worth waiting for, but not forever: it may
 * fail each time. What a watch tells while another list fails is no progress.
 */
static bool is_answering(const struct agent *agent)
{
	const uint64_t now_ms = clock_now_ms();

	if (now_ms - agent->start_ms > LISTS_MAX_MS)
		return false;
	for (unsigned int i = 0; i < KUBERNETES_N_RESOURCES; i++) {
		struct kubernetes_watch watch;

		kubernetes_watch(agent->feed.kubernetes, i, &watch);
		if (!watch.is_synced && watch.contact_ms && now_ms - watch.contact_ms < PROGRESS_MS)
			return true;
	}
	return false;
}

/* A clock that was behind then is no reason for a number without sense. */
static const char *format_age(uint64_t time_ns, char buf[STATUS_AGE_MAX])
{
	const uint64_t now_ns = clock_now_ns(CLOCK_REALTIME);

	return status_format_age(now_ns > time_ns ? now_ns - time_ns : 0, buf);
}

static bool load_saved(struct agent *agent, struct snapshot_info *ret_info)
{
	const struct options *options = agent->options;
	struct snapshot_error error = {};
	int r;

	if (!options->state_dir || !*options->state_dir)
		return false;
	agent->is_restoring = true;
	r = snapshot_load(options->state_dir, model_node_name(agent->feed.model),
			  agent->feed.strings, kubernetes_restore(agent->feed.kubernetes), ret_info,
			  &error);
	agent->is_restoring = false;
	if (r < 0 && r != -ENOENT)
		log_warn("%s", *error.text ? error.text : strerror(-r));
	return r == 0;
}

/*
 * The model is as the saved state says now, and the datapath as it was: only the health checks are
 * taken from it. The first answer of the API server writes all anew.
 */
static void keep_pinned(struct agent *agent, uint64_t pinned_ns)
{
	char age[STATUS_AGE_MAX];

	agent->saved_ns = pinned_ns;
	log_warn("the API server %s does not answer: what is pinned is served, as it was "
		 "%s ago",
		 agent->feed.source_name, format_age(pinned_ns, age));
	if (agent_sync_pinned(agent) == 0)
		agent_begin(agent);
	else
		agent_restore_later(agent);
}

static void serve_saved(struct agent *agent, const struct snapshot_info *info)
{
	const uint64_t saved_ns = (uint64_t)info->saved_s * NS_PER_S;
	char age[STATUS_AGE_MAX];

	agent->saved_ns = saved_ns;
	log_warn(
		"the API server %s does not answer: the state saved %s ago is served: %u Services, "
		"%u EndpointSlices",
		agent->feed.source_name, format_age(saved_ns, age), info->n_services,
		info->n_slices);
	agent->has_state = true;
	if (agent_sync(agent) == 0)
		agent_begin(agent);
}

/*
 * --once is asked for the present state, and must not say that it is there when it is not. Whoever
 * called it has no agent that would mend a saved one later: what is pinned stays, or nothing is.
 */
static void end_once(struct agent *agent, uint64_t pinned_ns)
{
	char age[STATUS_AGE_MAX];

	if (pinned_ns)
		log_error("the API server %s does not answer: nothing was programmed; what is "
			  "pinned stays, as it was %s ago",
			  agent->feed.source_name, format_age(pinned_ns, age));
	else
		log_error("the API server %s does not answer: nothing was programmed, and nothing "
			  "is pinned: no Service is served",
			  agent->feed.source_name);
	agent_end(agent, -ETIMEDOUT);
}

void agent_restore(struct agent *agent)
{
	const uint64_t pinned_ns = datapath_adopted_ns(agent->datapath);
	struct snapshot_info info;
	bool has_saved;

	if (agent->is_begun || kubernetes_is_synced(agent->feed.kubernetes))
		return;
	if (is_answering(agent)) {
		agent_set_timer(agent->on_saved, LOOK_MS);
		return;
	}
	if (agent->options->is_once) {
		end_once(agent, pinned_ns);
		return;
	}
	has_saved = load_saved(agent, &info);
	if (pinned_ns) {
		keep_pinned(agent, pinned_ns);
	} else if (has_saved) {
		serve_saved(agent, &info);
	} else {
		log_warn("the API server %s does not answer, and no state is saved: waiting for it",
			 agent->feed.source_name);
	}
	agent_tell_source(agent);
}
