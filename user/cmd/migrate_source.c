/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the Services that exist, from the source svcbpf would have here. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/feed.h"
#include "cmd/migrate.h"
#include "util/cleanup.h"
#include "util/log.h"

#define API_TIMEOUT_S 30

/** struct reading - a source that is read into a report. */
struct reading {
	struct migrate_report *report;
	struct feed feed;
};

static void base_freep(struct event_base **base)
{
	if (*base)
		event_base_free(*base);
}

static void reading_close(struct reading *reading)
{
	feed_close(&reading->feed);
}

static void state_freep(struct state **state)
{
	state_free(*state);
}

static void on_rejected(void *arg, const char *where, const char *object, const char *text)
{
	const struct reading *reading = arg;

	migrate_add(reading->report, MIGRATE_SERVICES, MIGRATE_CHANGE, *object ? object : where,
		    "refused: %s (%s)", text, where);
}

static void on_problem(void *arg, const char *subject, const char *text)
{
	const struct reading *reading = arg;

	migrate_add(reading->report, MIGRATE_SERVICES, MIGRATE_CHANGE, subject, "%s", text);
}

static void on_log(void *arg, int level, const char *text)
{
	const struct reading *reading = arg;

	if (level <= LOG_LEVEL_WARN)
		migrate_add(reading->report, MIGRATE_SERVICES, MIGRATE_NOTE, "source", "%s", text);
}

static int on_synced(void *arg)
{
	const struct reading *reading = arg;

	return model_commit(reading->feed.model, NULL);
}

/* ------------------------------------------------------------------ the API server's address */

/* The host of "https://HOST:PORT/..." when it is an address. */
static bool read_host(const char *url, struct addr *ret)
{
	const char *host = strstr(url, "://");
	char text[ADDR_TEXT_MAX];
	bool is_bracketed;
	size_t len;

	if (!host)
		return false;
	host += 3;
	is_bracketed = *host == '[';
	host += is_bracketed;
	len = strcspn(host, is_bracketed ? "]" : ":/");
	if (len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	return addr_parse(text, ret) == 0;
}

/* While kube-proxy runs this works; it is after its end that the agent has no way to the API. */
static void look_at_server(struct migrate_report *report, const char *url,
			   const struct state *state)
{
	struct addr host;
	size_t n;
	struct service_port *const *ports = state_ports(state, &n);

	if (report->options->is_api_through_service || !read_host(url, &host))
		return;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ports[i]->n_frontends; k++)
			if (addr_compare(&ports[i]->frontends[k].addr, &host) == 0) {
				migrate_add(report, MIGRATE_SERVICES, MIGRATE_BLOCKS, "API server",
					    "%s is an address of Service %s/%s, which the agent "
					    "would itself have to serve: give the API server's own "
					    "by --server or in the kubeconfig",
					    url, ports[i]->key.namespace, ports[i]->key.name);
				return;
			}
}

/* ------------------------------------------------------------------ reading */

static int compare(struct reading *reading)
{
	_cleanup_(state_freep) struct state *state = NULL;
	int r = model_state(reading->feed.model, &state);

	if (r < 0)
		return r;
	feed_for_each_problem(&reading->feed, on_problem, reading);
	look_at_server(reading->report, reading->feed.source_name, state);
	migrate_compare(reading->report, state);
	return 0;
}

static void tell_failure(struct reading *reading, int r, const char *error)
{
	const char *name = reading->feed.source_name;

	const char *text = *error ? error : strerror(-r);

	if (r == -ETIMEDOUT)
		migrate_add(reading->report, MIGRATE_SERVICES, MIGRATE_BLOCKS, "source",
			    "the API server %s has not told all within %d s", name, API_TIMEOUT_S);
	else
		migrate_add(reading->report, MIGRATE_SERVICES, MIGRATE_BLOCKS, "source", "%s%s%s",
			    name ? name : "", name ? ": " : "", text);
}

static bool has_source(const struct options *options)
{
	const char *in_cluster = getenv("KUBERNETES_SERVICE_HOST");

	return options->n_manifests || options->kubeconfig || (in_cluster && *in_cluster);
}

void migrate_look_at_source(struct migrate_report *report)
{
	_cleanup_(base_freep) struct event_base *base = NULL;
	_cleanup_(reading_close) struct reading reading = {
		.report = report,
		.feed = {.command = "migrate",
			 .is_hasty = true,
			 .rejected = on_rejected,
			 .synced = on_synced,
			 .log = on_log},
	};
	char error[FEED_ERROR_MAX] = "";
	int r = -ENOMEM;

	if (!has_source(report->options)) {
		migrate_add(report, MIGRATE_SERVICES, MIGRATE_UNSEEN, "Services",
			    "give --kubeconfig FILE or --manifests PATH to compare those that "
			    "exist");
		return;
	}
	reading.feed.arg = &reading;
	base = event_base_new();
	if (base)
		r = feed_open(&reading.feed, report->options, base, error);
	if (r == 0)
		r = feed_load(&reading.feed, API_TIMEOUT_S, error);
	if (r == 0)
		r = compare(&reading);
	if (r < 0)
		tell_failure(&reading, r, error);
}
