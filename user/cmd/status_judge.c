/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong, each in one line that says what it means. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cmd/status.h"
#include "datapath/object.h"
#include "util/cleanup.h"

#define NS_PER_S 1000000000ull

/* The agent tests itself each minute: three missed are no accident. */
#define SELFTEST_MAX_AGE_NS (200 * NS_PER_S)

/* A start is allowed this long until its first sync and self-test. */
#define START_MAX_NS (60 * NS_PER_S)

void status_add_reason(struct status *status, const char *format, ...)
{
	va_list args;

	if (status->n_reasons == STATUS_MAX_REASONS)
		return;
	va_start(args, format);
	vsnprintf(status->reasons[status->n_reasons++], sizeof(status->reasons[0]), format, args);
	va_end(args);
}

static uint64_t age_ns(const struct status *status, uint64_t time_ns)
{
	return status->now_ns > time_ns ? status->now_ns - time_ns : 0;
}

static void judge_agent(struct status *status)
{
	if (!status->is_running)
		status_add_reason(status,
				  "no agent runs: Services work as they were last programmed, "
				  "changes are not followed; start 'svcbpf run'");
	if (!status->meta.last_sync_ns && age_ns(status, status->meta.start_ns) > START_MAX_NS)
		status_add_reason(status,
				  "no complete sync yet: the source has not been read in full");
	if (!status->is_running && status->meta.sync_open & 1)
		status_add_reason(status,
				  "the last sync was cut short; the next start completes it");
}

/* While no agent runs that is said, and says more. */
static void judge_source(struct status *status)
{
	const struct svc_meta *meta = &status->meta;
	char age[STATUS_AGE_MAX];

	if (!status->is_running || meta->source_kind != SVC_SOURCE_KUBERNETES)
		return;
	status_format_age(age_ns(status, meta->source_contact_ns), age);
	if (meta->source_state == SVC_SOURCE_LOST)
		status_add_reason(
			status,
			"the API server %s was last heard %s ago: Services work as they were "
			"then; see the agent's log",
			meta->source, age);
	else if (meta->source_state == SVC_SOURCE_SAVED && meta->source_contact_ns)
		status_add_reason(
			status,
			"the API server %s has not answered since the agent's start: Services "
			"work as they were %s ago; see the agent's log",
			meta->source, age);
	else if (meta->source_state != SVC_SOURCE_IN_STEP &&
		 age_ns(status, meta->start_ns) > START_MAX_NS)
		status_add_reason(
			status,
			"the API server %s has not answered since the agent's start; see the "
			"agent's log",
			meta->source);
}

const char *status_selftest_result(const struct svc_meta *meta)
{
	if (!meta->selftest_ns)
		return "never";
	if (!meta->selftest_result)
		return "passed";
	return meta->selftest_result == -EHOSTUNREACH ? "failed" : "not tested";
}

const char *status_selftest_error(const struct svc_meta *meta)
{
	if (!meta->selftest_ns || !meta->selftest_result)
		return NULL;
	if (meta->selftest_result == -EHOSTUNREACH)
		return "a connection to a reserved address was not translated";
	return strerror(-meta->selftest_result);
}

static void judge_selftest(struct status *status)
{
	const struct svc_meta *meta = &status->meta;
	const uint64_t age = age_ns(status, meta->selftest_ns);
	char text[STATUS_AGE_MAX];

	if (meta->selftest_ns && meta->selftest_result == -EHOSTUNREACH)
		status_add_reason(status,
				  "the self-test failed %s ago: connections to Services may not be "
				  "translated; see the agent's log",
				  status_format_age(age, text));
	else if (meta->selftest_ns && meta->selftest_result)
		status_add_reason(status, "the self-test could not be run: %s; see the agent's log",
				  strerror(-meta->selftest_result));
	else if (!status->is_running)
		return;
	else if (!meta->selftest_ns && age_ns(status, meta->start_ns) > START_MAX_NS)
		status_add_reason(status, "the self-test has not run yet");
	else if (meta->selftest_ns && age > SELFTEST_MAX_AGE_NS)
		status_add_reason(status, "the last self-test was %s ago: the agent may hang",
				  status_format_age(age, text));
}

static void judge_link(struct status *status, const struct status_link *link)
{
	if (!link->cgroup_id)
		status_add_reason(status, "program %s: its cgroup is gone; restart the agent",
				  link->name);
	else if (status->meta.cgroup_id && link->cgroup_id != status->meta.cgroup_id)
		status_add_reason(
			status,
			"program %s is attached to another cgroup (id %llu, not %llu); restart "
			"the agent",
			link->name, (unsigned long long)link->cgroup_id,
			(unsigned long long)status->meta.cgroup_id);
}

static bool is_attached(const struct status *status, const char *name)
{
	for (size_t i = 0; i < status->n_links; i++)
		if (strcmp(status->links[i].name, name) == 0)
			return true;
	return false;
}

static void judge_links(struct status *status)
{
	size_t n_programs;
	const struct program_spec *programs = object_programs(&n_programs);

	if (!status->n_links) {
		status_add_reason(
			status,
			"no program is attached: no connection to a Service is translated; %s",
			status->is_running ? "the agent waits for its source, see its log"
					   : "start 'svcbpf run'");
		return;
	}
	for (size_t i = 0; i < n_programs; i++)
		if (!is_attached(status, programs[i].name))
			status_add_reason(status, "program %s is not attached; restart the agent",
					  programs[i].name);
	for (size_t i = 0; i < status->n_links; i++)
		judge_link(status, &status->links[i]);
}

/* What it means when a map fills up; maps that make room by themselves are not here. */
static const struct {
	const char *prefix;
	const char *meaning;
} fill_meanings[] = {
	{"frontends", "Services that do not fit are not served: raise --max-services"},
	{"service", "Services that do not fit are not served: raise --max-services"},
	{"source_ranges", "Services that do not fit are not served: raise --max-services"},
	{"health_checks", "health checks that do not fit are not shown: raise --max-services"},
	{"backends", "Services that do not fit keep what they had: raise --max-backends"},
	{"node_addrs", "NodePorts do not answer on addresses that do not fit: choose some by "
		       "--nodeport-addresses"},
};

static const char *fill_meaning(const char *map)
{
	for (size_t i = 0; i < ARRAY_SIZE(fill_meanings); i++)
		if (strncmp(map, fill_meanings[i].prefix, strlen(fill_meanings[i].prefix)) == 0)
			return fill_meanings[i].meaning;
	return NULL;
}

static void judge_maps(struct status *status)
{
	for (size_t i = 0; i < status->n_fills; i++) {
		const struct datapath_map_fill *fill = &status->fills[i];
		const char *meaning = fill_meaning(fill->name);

		if (meaning && fill->n_max &&
		    fill->n_used * 100 > fill->n_max * STATUS_WARN_PERCENT)
			status_add_reason(status, "map %s is %llu %% full; %s", fill->name,
					  (unsigned long long)(fill->n_used * 100 / fill->n_max),
					  meaning);
	}
}

void status_judge(struct status *status)
{
	judge_agent(status);
	judge_source(status);
	judge_selftest(status);
	judge_links(status);
	status_judge_devices(status);
	judge_maps(status);
	status_judge_flows(status);
	if (status->n_problems)
		status_add_reason(status, "%zu problem%s, see below", status->n_problems,
				  status->n_problems == 1 ? "" : "s");
}
