/* SPDX-License-Identifier: Apache-2.0 */
/* From the first state, whatever it came from, to a datapath that serves. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/agent.h"
#include "util/clock.h"
#include "util/log.h"

static void format_summary(const struct agent *agent, char *buf, size_t size_bytes)
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
		 (unsigned long long)(clock_now_ms() - agent->start_ms), problems);
}

/* All is written before this: no program ever sees half a state. */
static int attach(struct agent *agent)
{
	struct datapath_error error = {};
	int r = agent_set_addresses(agent);

	if (r < 0)
		return r;
	r = datapath_attach(agent->datapath, &error);
	if (r < 0)
		log_error("attaching to cgroup %s: %s", agent->cgroup,
			  *error.text ? error.text : strerror(-r));
	return r;
}

static void tell_summary(const struct agent *agent)
{
	char summary[240];

	if (!agent->has_synced) {
		log_info("attached to cgroup %s", agent->cgroup);
		return;
	}
	format_summary(agent, summary, sizeof(summary));
	if (agent->options->is_once)
		puts(summary);
	else
		log_info("%s; attached to cgroup %s", summary, agent->cgroup);
}

int agent_begin(struct agent *agent)
{
	int r;

	if (agent->is_begun)
		return 0;
	r = attach(agent);
	if (r < 0) {
		agent_end(agent, r);
		return r;
	}
	agent->is_begun = true;
	agent_devices_begin(agent);
	tell_summary(agent);
	agent_report_start(agent);
	r = agent_selftest(agent);
	if (r == 0)
		agent_ready(agent);
	agent_selftest_later(agent, r == 0);
	if (agent->options->is_once)
		agent_end(agent, fflush(stdout) ? -EIO : r);
	return 0;
}
