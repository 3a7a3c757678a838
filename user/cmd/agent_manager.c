/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent's service manager is told of it (manager.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/agent.h"
#include "cmd/manager.h"
#include "cmd/status.h"
#include "source/kubernetes.h"
#include "util/clock.h"
#include "util/log.h"

/* Lists of which nothing came for so long do not come in; a start gets no more time for them. */
#define SILENT_MS 30000

/* ------------------------------------------------------------------ what the manager asks */

static bool is_live(void *arg)
{
	const struct agent *agent = arg;

	return agent_serve_is_live(agent->serve);
}

/*
 * A start takes as long as the lists of the API server come in. One that does not answer gets what
 * the unit allows and no more: somebody may be waiting for `systemctl start`.
 */
static bool is_advancing(void *arg)
{
	const struct agent *agent = arg;
	const struct kubernetes *kubernetes = agent->feed.kubernetes;

	if (!kubernetes || kubernetes_is_synced(kubernetes))
		return false;
	for (unsigned int i = 0; i < KUBERNETES_N_RESOURCES; i++) {
		struct kubernetes_watch watch;

		kubernetes_watch(kubernetes, i, &watch);
		if (!watch.is_synced && watch.contact_ms &&
		    clock_now_ms() - watch.contact_ms < SILENT_MS)
			return true;
	}
	return false;
}

/* Manifests are read again at once; the API server has told all when each watch is open again. */
static bool is_reloaded(void *arg)
{
	const struct agent *agent = arg;

	if (!agent->feed.kubernetes)
		return true;
	for (unsigned int i = 0; i < KUBERNETES_N_RESOURCES; i++) {
		struct kubernetes_watch watch;

		kubernetes_watch(agent->feed.kubernetes, i, &watch);
		if (watch.state != KUBERNETES_WATCHING)
			return false;
	}
	return true;
}

int agent_manager_open(struct agent *agent)
{
	const struct manager_options options = {
		.base = agent->base,
		.is_live = is_live,
		.is_advancing = is_advancing,
		.is_reloaded = is_reloaded,
		.arg = agent,
	};
	int r = manager_new(&options, &agent->manager);

	return r < 0 ? log_error_errno(r, "service manager: %m") : 0;
}

/* ------------------------------------------------------------------ the line for people */

/* Why the API server is not followed: what the first watch that has an error says; "": nothing. */
static const char *source_error(const struct agent *agent)
{
	for (unsigned int i = 0; agent->feed.kubernetes && i < KUBERNETES_N_RESOURCES; i++) {
		struct kubernetes_watch watch;

		kubernetes_watch(agent->feed.kubernetes, i, &watch);
		if (*watch.last_error)
			return watch.last_error;
	}
	return "";
}

static void print_age(FILE *out, uint64_t since_ns)
{
	const uint64_t now_ns = clock_now_ns(CLOCK_REALTIME);
	char age[STATUS_AGE_MAX];

	fprintf(out, "Services are served as they were %s ago",
		status_format_age(now_ns > since_ns ? now_ns - since_ns : 0, age));
}

static void print_source(FILE *out, const struct agent *agent, const struct datapath_source *source)
{
	const char *error = source_error(agent);
	struct kubernetes_watch services;

	if (source->state == SVC_SOURCE_IN_STEP) {
		fprintf(out, "in step with %s", source->name);
		if (!agent->feed.kubernetes)
			return;
		kubernetes_watch(agent->feed.kubernetes, KUBERNETES_SERVICES, &services);
		fprintf(out, ": %zu Service%s", services.n_objects,
			services.n_objects == 1 ? "" : "s");
		return;
	}
	if (source->state == SVC_SOURCE_STARTING || !source->contact_ns)
		fprintf(out, "waiting for %s", source->name);
	else
		print_age(out, source->contact_ns);
	if (*error)
		fprintf(out, "; %s", error);
	else if (source->state != SVC_SOURCE_STARTING)
		fprintf(out, "; waiting for %s", source->name);
}

void agent_manager_tell(struct agent *agent, const struct datapath_source *source)
{
	const size_t n_problems = agent->problems.n_lines;
	char text[MANAGER_STATUS_MAX];
	FILE *out = fmemopen(text, sizeof(text), "we");

	if (!out)
		return;
	if (agent->selftest_error == -EHOSTUNREACH)
		fprintf(out, "the self-test fails: connections to Services may not be "
			     "translated; ");
	print_source(out, agent, source);
	if (n_problems)
		fprintf(out, "; %zu problem%s, see 'svcbpf status'", n_problems,
			n_problems == 1 ? "" : "s");
	fclose(out);
	text[sizeof(text) - 1] = '\0';
	manager_status(agent->manager, text);
}
