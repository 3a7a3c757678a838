/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent tells others: health and metrics over HTTP, and Events to the API server. */
#include <errno.h>
#include <string.h>

#include "cmd/agent.h"
#include "source/event_recorder.h"
#include "source/kubernetes.h"
#include "util/clock.h"
#include "util/log.h"

static void on_event_log(void *arg, int level, const char *text)
{
	(void)arg;
	log_write((enum log_level)level, "%s", text);
}

static void tell_service(const struct agent *agent, const char *namespace, const char *name,
			 const struct event_note *note)
{
	const struct event_object object = {
		.kind = "Service", .namespace = namespace, .name = name};

	event_recorder_tell(agent->events, &object, note);
}

static void on_health_failed(void *arg, const char *namespace, const char *name, const char *text)
{
	const struct event_note note = {
		.is_warning = true,
		.reason = "FailedToStartServiceHealthcheck",
		.action = "Listen",
		.note = text,
	};

	tell_service(arg, namespace, name, &note);
}

void agent_report_problem(struct agent *agent, const char *service, const char *text)
{
	const struct event_note note = {
		.is_warning = true,
		.reason = "FailedToProgramService",
		.action = "Program",
		.note = text,
	};
	const char *slash = strchr(service, '/');
	char namespace[256];

	if (!slash || (size_t)(slash - service) >= sizeof(namespace))
		return;
	memcpy(namespace, service, (size_t)(slash - service));
	namespace[slash - service] = '\0';
	tell_service(agent, namespace, slash + 1, &note);
}

void agent_report_start(struct agent *agent)
{
	const struct event_object object = {.kind = "Node",
					    .name = model_node_name(agent->feed.model)};
	const struct event_note note = {
		.reason = "Starting", .action = "StartKubeProxy", .note = ""};

	event_recorder_tell(agent->events, &object, &note);
}

/*
 * As in kube-proxy nothing is late before all lists are in (R44): while one of them cannot be had,
 * what is served from a saved state is no reason to send a load balancer's clients elsewhere.
 */
static void pend(const struct agent *agent, uint8_t family)
{
	if (!agent->feed.kubernetes || kubernetes_is_synced(agent->feed.kubernetes))
		agent_serve_pending(agent->serve, family);
}

void agent_report_service(struct agent *agent)
{
	agent_metrics_service_changed(agent->metrics, clock_now_ns(CLOCK_REALTIME));
	pend(agent, ADDR_NONE);
}

void agent_report_slice(struct agent *agent, const struct k8s_slice *slice)
{
	const uint8_t family = slice ? slice->family : ADDR_NONE;

	agent_metrics_slice_changed(agent->metrics, family, slice ? slice->last_change_ns : 0,
				    clock_now_ns(CLOCK_REALTIME));
	pend(agent, family);
}

void agent_report_synced(struct agent *agent, double duration_s)
{
	const struct agent_metrics_sync sync = {
		.duration_s = duration_s,
		.n_written = datapath_n_written(agent->datapath),
		.n_services = agent->changes.n_services,
	};

	agent_metrics_synced(agent->metrics, &sync, clock_now_ns(CLOCK_REALTIME));
	agent_serve_synced(agent->serve);
}

static void refresh(void *arg)
{
	agent_tell_source(arg);
}

static void on_problems_changed(void *arg)
{
	agent_problems_later(arg);
}

static int open_servers(struct agent *agent)
{
	const struct options *options = agent->options;
	const struct agent_serve_options serve = {
		.base = agent->base,
		.healthz_bind_address = options->is_once ? "" : options->healthz_bind_address,
		.metrics_bind_address = options->is_once ? "" : options->metrics_bind_address,
		.node_name = model_node_name(agent->feed.model),
		.metrics = agent->metrics,
		.is_every_address = !options->nodeport_addresses,
		.is_bind_hard_fail = options->is_bind_hard_fail,
		.needs_node = agent->feed.kubernetes,
		.health_failed = on_health_failed,
		.problems_changed = on_problems_changed,
		.arg = agent,
	};

	return agent_serve_open(&serve, &agent->serve);
}

int agent_report_open(struct agent *agent)
{
	struct agent_metrics_sources sources = {
		.datapath = agent->datapath,
		.kubernetes = agent->feed.kubernetes,
		.problems = &agent->problems,
		.rejects = &agent->rejects,
		.refresh = refresh,
		.refresh_arg = agent,
	};
	int r = event_recorder_new(agent->base, agent->feed.api, model_node_name(agent->feed.model),
				   on_event_log, NULL, &agent->events);

	if (r == 0)
		r = agent_metrics_new(SVCBPF_VERSION, clock_now_ns(CLOCK_REALTIME),
				      &agent->metrics);
	if (r == 0)
		r = open_servers(agent);
	if (r < 0)
		return log_error_errno(r, "opening the HTTP servers: %m");
	sources.events = agent->events;
	sources.health_checks = agent_serve_health_checks(agent->serve);
	agent_metrics_set_sources(agent->metrics, &sources);
	return 0;
}

void agent_report_close(struct agent *agent)
{
	agent_serve_close(agent->serve);
	agent_metrics_free(agent->metrics);
	event_recorder_free(agent->events);
}
