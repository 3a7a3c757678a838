/* SPDX-License-Identifier: Apache-2.0 */
/* From the model into the datapath: only what changed, or everything after a failure. */
#include <errno.h>
#include <time.h>

#include "cmd/agent.h"
#include "cmd/plan.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

static double now_precise_ms(void)
{
	return (double)clock_now_ns(CLOCK_MONOTONIC) / 1e6;
}

/* ------------------------------------------------------------------ staging */

static int stage_port(void *arg, const struct service_port *old, const struct service_port *new)
{
	struct agent *agent = arg;
	const struct service_port_key *key = new ? &new->key : &old->key;

	changes_count(&agent->changes, key, new);
	agent_metrics_port_changed(agent->metrics, old, new);
	return new ? datapath_put(agent->datapath, new) : datapath_remove(agent->datapath, key);
}

static int stage_health(void *arg, const struct health_check *check)
{
	struct agent *agent = arg;
	int r = agent_serve_put_health(agent->serve, check);

	return r < 0 ? r : datapath_put_health(agent->datapath, check);
}

static int stage_changes(struct agent *agent)
{
	const struct model_events events = {stage_port, stage_health, agent};

	return model_commit(agent->feed.model, &events);
}

static int stage_state(struct agent *agent, const struct state *state)
{
	size_t n_ports;
	size_t n_checks;
	struct service_port *const *ports = state_ports(state, &n_ports);
	const struct health_check *checks = state_health_checks(state, &n_checks);
	int r = 0;

	for (size_t i = 0; r == 0 && i < n_ports; i++)
		r = stage_port(agent, NULL, ports[i]);
	for (size_t i = 0; r == 0 && i < n_checks; i++)
		r = stage_health(agent, &checks[i]);
	return r;
}

/*
 * After a failure: all there is, and everything else in the kernel goes. The model tells changes
 * once only, so what a failed commit lost comes from its whole state. What was staged is committed
 * even when staging ended early, as it points into the state.
 */
static int sync_all(struct agent *agent)
{
	_cleanup_(plan_state_freep) struct state *state = NULL;
	int r = model_commit(agent->feed.model, NULL);
	int w;

	if (r == 0)
		r = model_state(agent->feed.model, &state);
	if (r < 0)
		return r;
	agent_metrics_restage(agent->metrics);
	agent_serve_restage(agent->serve);
	r = stage_state(agent, state);
	w = datapath_commit(agent->datapath, r == 0);
	return w < 0 ? w : r;
}

/* The same holds for what the model tells: its pointers are good only now. */
static int sync_changes(struct agent *agent)
{
	int r = stage_changes(agent);
	int w = datapath_commit(agent->datapath, !agent->has_synced && r == 0);

	return w < 0 ? w : r;
}

/* ------------------------------------------------------------------ problems */

static void add_problem(void *arg, const char *service, const char *text)
{
	struct agent *agent = arg;

	if (agent_problems_add(&agent->problems, service, text))
		agent_report_problem(agent, service, text);
}

/* What is told to the API in another Event, or in none. */
static void add_quiet_problem(void *arg, const char *subject, const char *text)
{
	struct agent *agent = arg;

	agent_problems_add(&agent->problems, subject, text);
}

void agent_update_problems(struct agent *agent)
{
	struct agent_problems *problems = &agent->problems;
	int r;

	agent_problems_begin(problems);
	rejects_settle(&agent->rejects, feed_reject_state, &agent->feed);
	for (size_t i = 0; i < agent->rejects.n_items; i++)
		agent_problems_add(problems, "", agent->rejects.items[i].line);
	agent_serve_for_each_problem(agent->serve, add_quiet_problem, agent);
	feed_for_each_problem(&agent->feed, add_problem, agent);
	datapath_for_each_problem(agent->datapath, add_problem, agent);
	if (!agent_problems_end(problems) && agent->has_synced)
		return;
	r = datapath_set_problems(agent->datapath, (const char *const *)problems->lines,
				  problems->n_lines);
	if (r < 0)
		log_warn_errno(r, "storing the problems for 'svcbpf status': %m");
}

/* ------------------------------------------------------------------ one sync */

static int sync_failed(struct agent *agent, int r)
{
	log_error_errno(r, "writing the datapath: %m; Services keep what was written before, "
			   "trying again");
	agent->needs_restage = true;
	agent_metrics_sync_failed(agent->metrics);
	agent_serve_pending(agent->serve, ADDR_NONE);
	agent_update_problems(agent);
	agent_retry_later(agent);
	return r;
}

static int serve_health(void *arg, const struct health_check *check)
{
	const struct agent *agent = arg;

	return agent_serve_put_health(agent->serve, check);
}

/* The commit writes what is staged from the beginning: the self-test. */
int agent_sync_pinned(struct agent *agent)
{
	const struct model_events events = {.health = serve_health, .arg = agent};
	int r = model_commit(agent->feed.model, &events);

	agent->needs_restage = true;
	if (r == 0)
		r = datapath_commit(agent->datapath, false);
	if (r < 0)
		return log_error_errno(r, "preparing to serve what is pinned: %m");
	agent_serve_synced(agent->serve);
	return 0;
}

int agent_sync(struct agent *agent)
{
	const double start_ms = now_precise_ms();
	int r;

	agent->changes = (struct changes){};
	datapath_set_zone(agent->datapath, model_zone(agent->feed.model));
	r = agent->needs_restage ? sync_all(agent) : sync_changes(agent);
	if (r < 0)
		return sync_failed(agent, r);
	if (agent->needs_restage)
		log_info("everything is written again");
	else if (agent->has_synced && agent->changes.n_services)
		changes_log(&agent->changes, &agent->budget, clock_now_ms(),
			    datapath_n_written(agent->datapath), now_precise_ms() - start_ms);
	agent_report_synced(agent, (now_precise_ms() - start_ms) / 1e3);
	agent_update_problems(agent);
	agent->needs_restage = false;
	agent->has_synced = true;
	agent->retry_ms = 0;
	return 0;
}
