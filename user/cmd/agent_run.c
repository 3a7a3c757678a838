/* SPDX-License-Identifier: Apache-2.0 */
/* The agent from its first question to its end; what happens meanwhile: agent_events.c. */
#include <errno.h>
#include <event2/event.h>

#include "cmd/agent.h"
#include "cmd/agent_snapshot.h"
#include "source/manifests.h"
#include "util/log.h"

/* All is told, written and attached before the loop runs. */
static int begin_manifests(struct agent *agent)
{
	char error[FEED_ERROR_MAX];
	int r = feed_load(&agent->feed, 0, error);

	if (r < 0)
		return log_error_errno(r, "reading the manifests: %m");
	if (!agent->is_begun)
		return agent->result < 0 ? agent->result : -EIO; /* it was said why */
	if (agent->options->is_once)
		return agent->result;
	r = manifests_follow(agent->feed.manifests, agent->base);
	return r < 0 ? log_error_errno(r, "following the manifests (inotify): %m") : 0;
}

/* The first answer comes in the loop; when it does not, agent_restore() serves what was saved. */
static int begin_kubernetes(struct agent *agent)
{
	int r = feed_start(&agent->feed);

	if (r < 0)
		return log_error_errno(r, "asking the API server: %m");
	log_info("asking the API server %s", agent->feed.source_name);
	agent_restore_later(agent);
	return 0;
}

int agent_run(struct agent *agent)
{
	int r = agent_make_events(agent);

	if (r < 0)
		return log_error_errno(r, "event loop: %m");
	agent_tell_source(agent);
	agent_problems_later(agent); /* of the HTTP servers */
	r = agent->feed.manifests ? begin_manifests(agent) : begin_kubernetes(agent);
	if (r < 0 || (agent->feed.manifests && agent->options->is_once))
		return r;
	agent_set_timer(agent->on_source, AGENT_SOURCE_INTERVAL_MS);
	if (event_base_dispatch(agent->base) < 0)
		return log_error_errno(-EIO, "event loop: %m");
	agent_snapshot_stop(agent->snapshot);
	return agent->result;
}
