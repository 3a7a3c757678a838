/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "cmd/agent.h"
#include "cmd/command.h"
#include "cmd/plan.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Read all, write all, and only then attach: no program ever sees half a state. */
static int start(struct agent *agent)
{
	struct datapath_error error = {};
	int r = manifests_load(agent->feed.manifests);

	if (r < 0)
		return log_error_errno(r, "reading the manifests: %m");
	if (!agent->has_synced)
		return -EIO; /* agent_sync() has said why */
	r = agent_set_addresses(agent);
	if (r < 0)
		return r;
	r = datapath_attach(agent->datapath, &error);
	if (r < 0)
		log_error("attaching to cgroup %s: %s", agent->cgroup,
			  *error.text ? error.text : strerror(-r));
	return r;
}

static void format_summary(const struct agent *agent, uint64_t duration_ms, char *buf,
			   size_t size_bytes)
{
	const struct changes *changes = &agent->changes;
	const size_t n_problems = agent->problems.n_lines;
	char problems[64] = "";

	if (n_problems)
		snprintf(problems, sizeof(problems), "; %zu problem%s", n_problems,
			 n_problems == 1 ? "" : "s");
	snprintf(buf, size_bytes,
		 "programmed %zu Services, %zu frontends, %zu backends in %llu ms%s",
		 changes->n_services, changes->n_frontends, changes->n_backends,
		 (unsigned long long)duration_ms, problems);
}

static int run(const struct options *options)
{
	_cleanup_(agent_close) struct agent agent = {};
	const uint64_t start_ms = agent_now_ms();
	char summary[240];
	int r = agent_open(&agent, options);

	if (r == 0)
		r = start(&agent);
	if (r < 0)
		return r;
	format_summary(&agent, agent_now_ms() - start_ms, summary, sizeof(summary));
	r = agent_selftest(&agent);
	if (options->is_once)
		puts(summary);
	else
		log_info("%s; attached to cgroup %s", summary, agent.cgroup);
	if (r == 0)
		agent_ready(&agent);
	if (options->is_once)
		return fflush(stdout) ? -EIO : r;
	return agent_follow(&agent);
}

int run_main(const struct options *options)
{
	int r = plan_check_source("run", options);

	if (r != CMD_OK)
		return r;
	/* A log reader that goes away must not end the agent. */
	signal(SIGPIPE, SIG_IGN);
	return run(options) < 0 ? CMD_FAILED : CMD_OK;
}
