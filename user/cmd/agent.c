/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/agent.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/agent_config.h"
#include "cmd/agent_snapshot.h"
#include "cmd/capabilities.h"
#include "cmd/cgroup.h"
#include "cmd/manager.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* ------------------------------------------------------------------ what the source tells */

static void on_node(void *arg, const struct k8s_node *node)
{
	struct agent *agent = arg;
	int r = node_addresses_set_primary(agent->addresses, node ? node->addresses : NULL,
					   node ? node->n_addresses : 0);

	if (r < 0)
		log_warn_errno(r, "addresses of node %s: %m", agent->options->node_name);
	agent_devices_set_node(agent, node ? node->addresses : NULL, node ? node->n_addresses : 0);
	agent_serve_set_node(agent->serve, node);
}

static void on_service(void *arg)
{
	agent_report_service(arg);
}

static void on_slice(void *arg, const struct k8s_slice *slice)
{
	agent_report_slice(arg, slice);
}

static void on_rejected(void *arg, const char *where, const char *object, const char *text)
{
	struct agent *agent = arg;
	int r = rejects_add(&agent->rejects, where, object, text);

	if (r < 0)
		log_warn_errno(r, "%s: %s: %s: not kept for 'svcbpf status': %m", where, object,
			       text);
	agent_problems_later(agent);
}

/* A failure is logged and tried again by agent_sync() itself; the source need not know. */
static int on_synced(void *arg)
{
	struct agent *agent = arg;

	if (agent->is_restoring)
		return 0; /* agent_restore() decides what becomes of it */
	agent->has_state = true;
	agent_snapshot_changed(agent->snapshot);
	if (agent_sync(agent) == 0)
		agent_begin(agent);
	agent_tell_source(agent);
	return 0;
}

static void on_source_log(void *arg, int level, const char *text)
{
	struct agent *agent = arg;

	log_write((enum log_level)level, "%s", text);
	agent_problems_later(agent);
	if (agent->on_source)
		event_active(agent->on_source, EV_TIMEOUT, 0);
}

/* ------------------------------------------------------------------ addresses */

int agent_set_addresses(struct agent *agent)
{
	size_t n;
	const struct addr *addrs = node_addresses_get(agent->addresses, &n);
	int r = datapath_set_node_addresses(agent->datapath, addrs, n);

	if (r < 0)
		return log_error_errno(r, "storing the addresses NodePorts answer on: %m");
	if (agent->options->nodeport_addresses &&
	    agent_serve_set_addresses(agent->serve, addrs, n) < 0)
		log_error("health checks keep the addresses they have: %s", strerror(ENOMEM));
	log_write(agent->is_ready ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
		  "NodePorts answer on %zu address%s", n, n == 1 ? "" : "es");
	return 0;
}

static void on_addresses_changed(void *arg, const struct addr *addrs, size_t n_addrs)
{
	struct agent *agent = arg;

	(void)addrs;
	(void)n_addrs;
	if (agent->is_begun && agent_set_addresses(agent) < 0)
		agent_retry_later(agent);
}

static int open_addresses(struct agent *agent)
{
	_cleanup_(node_addresses_selection_clear) struct node_addresses_selection selection = {};
	int r = node_addresses_parse(agent->options->nodeport_addresses, &selection);

	if (r == 0)
		r = node_addresses_new(&selection, on_addresses_changed, agent, &agent->addresses);
	if (r < 0)
		return log_error_errno(r, "reading this host's addresses: %m");
	return 0;
}

/* ------------------------------------------------------------------ opening */

/* Where the hierarchy is mounted, or the folder that was asked for. */
static int find_cgroup(const struct options *options, char **ret)
{
	_fclose_ FILE *mountinfo = NULL;
	int r;

	if (options->cgroup) {
		*ret = strdup(options->cgroup);
		return *ret ? 0 : log_error_errno(-ENOMEM, "%m");
	}
	mountinfo = fopen(CGROUP_MOUNTINFO, "re");
	r = mountinfo ? cgroup_find(mountinfo, ret) : -errno;
	if (r == -ENOENT)
		log_error("no cgroup v2 hierarchy is mounted; mount it (mount -t cgroup2 none "
			  "/sys/fs/cgroup/unified) or give --cgroup PATH");
	else if (r < 0)
		log_error_errno(r, "%s: %m", CGROUP_MOUNTINFO);
	return r;
}

/* Before anything is made: a start that cannot succeed leaves nothing behind. */
static int check_cgroup(const char *path)
{
	int r = cgroup_check(path);

	if (r == -ENOTSUP)
		log_error("--cgroup %s: not in a cgroup v2 hierarchy (see 'mount -t cgroup2')",
			  path);
	else if (r < 0)
		log_error_errno(r, "--cgroup %s: %m", path);
	return r;
}

static int open_datapath(struct agent *agent)
{
	const struct datapath_options options = {
		.pin_dir = agent->options->pin_dir,
		.cgroup = agent->cgroup,
		.max_services = agent->options->max_services,
		.max_backends = agent->options->max_backends,
		.max_flows = agent->options->max_flows,
		.packet = agent->options->packet,
		.is_clsact = agent->options->is_clsact,
		.xdp = agent->options->xdp,
		.algorithm = agent->options->algorithm == MODEL_ALGORITHM_MAGLEV
				     ? SVC_ALGORITHM_MAGLEV
				     : SVC_ALGORITHM_RANDOM,
		.node = model_node_name(agent->feed.model),
		.version = SVCBPF_VERSION,
	};
	struct datapath_error error = {};
	int r = datapath_open(&options, &agent->datapath, &error);

	if (r < 0)
		log_error("%s", *error.text ? error.text : strerror(-r));
	else if (!agent->options->max_flows)
		model_set_algorithm(agent->feed.model, MODEL_ALGORITHM_NONE);
	return r;
}

/* libevent's own lines; its warnings are about what the caller hears by a return value as well. */
static void on_event_log(int severity, const char *text)
{
	log_write(severity == EVENT_LOG_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "event loop: %s",
		  text);
}

static int open_feed(struct agent *agent)
{
	char error[FEED_ERROR_MAX];
	int r;

	agent->feed.node = on_node;
	agent->feed.service = on_service;
	agent->feed.slice = on_slice;
	agent->feed.rejected = on_rejected;
	agent->feed.synced = on_synced;
	agent->feed.log = on_source_log;
	agent->feed.arg = agent;
	event_set_log_callback(on_event_log);
	agent->base = event_base_new();
	if (!agent->base)
		return log_error_errno(-ENOMEM, "event loop: %m");
	r = feed_open(&agent->feed, agent->options, agent->base, error);
	if (r < 0)
		log_error("%s", error);
	return r;
}

static void on_config_changed(void *arg)
{
	agent_end(arg, -ESTALE);
}

/* What is kept on disk, and what is read there beside the source. */
static int open_files(struct agent *agent)
{
	const struct options *options = agent->options;
	const struct agent_snapshot_options snapshot = {
		.base = agent->base,
		.dir = agent->feed.kubernetes && !options->is_once ? options->state_dir : "",
		.model = agent->feed.model,
	};
	int r = agent_snapshot_new(&snapshot, &agent->snapshot);

	if (r < 0)
		return log_error_errno(r, "--state-dir: %m");
	if (options->config_note)
		log_warn("%s", options->config_note);
	r = agent_config_new(agent->base, options, on_config_changed, agent, &agent->config);
	return r < 0 ? log_error_errno(r, "following --config %s: %m", options->config) : 0;
}

int agent_open(struct agent *agent, const struct options *options)
{
	int r;

	agent->options = options;
	agent->start_ms = clock_now_ms();
	agent_clock_begin(&agent->clock);
	r = find_cgroup(options, &agent->cgroup);
	if (r == 0)
		r = check_cgroup(agent->cgroup);
	if (r == 0)
		r = open_feed(agent);
	if (r == 0)
		r = agent_manager_open(agent);
	if (r == 0)
		r = open_datapath(agent);
	if (r == 0)
		r = open_addresses(agent);
	if (r == 0)
		r = agent_devices_open(agent);
	if (r == 0)
		r = agent_report_open(agent);
	if (r == 0)
		r = open_files(agent);
	if (r == 0)
		capabilities_drop();
	return r;
}

static void event_drop(struct event **event)
{
	if (*event)
		event_free(*event);
	*event = NULL;
}

void agent_close(struct agent *agent)
{
	event_drop(&agent->on_term);
	event_drop(&agent->on_int);
	event_drop(&agent->on_hup);
	event_drop(&agent->on_grace);
	event_drop(&agent->on_addresses);
	event_drop(&agent->on_selftest);
	event_drop(&agent->on_retry);
	event_drop(&agent->on_problems);
	event_drop(&agent->on_saved);
	event_drop(&agent->on_source);
	agent_devices_close(agent);
	agent_config_free(agent->config);
	agent_snapshot_free(agent->snapshot);
	agent_report_close(agent);
	manager_free(agent->manager);
	feed_close(&agent->feed);
	if (agent->base)
		event_base_free(agent->base);
	node_addresses_free(agent->addresses);
	datapath_close(agent->datapath);
	agent_problems_clear(&agent->problems);
	rejects_clear(&agent->rejects);
	free(agent->cgroup);
}
