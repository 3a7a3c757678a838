/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/plan.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/feed.h"
#include "cmd/print.h"
#include "util/cleanup.h"
#include "util/log.h"

/* For the whole of the API server's answers. */
#define API_TIMEOUT_S 60

static void event_base_freep(struct event_base **base)
{
	if (*base)
		event_base_free(*base);
}

void plan_state_freep(struct state **state)
{
	state_free(*state);
}

int plan_check_source(const char *command, const struct options *options)
{
	const char *in_cluster = getenv("KUBERNETES_SERVICE_HOST");

	if (!options->n_manifests && !options->kubeconfig && !(in_cluster && *in_cluster)) {
		command_error(command, "no source: give --kubeconfig FILE or --manifests PATH "
				       "(this is not a pod, which would have a service account)");
		return CMD_USAGE;
	}
	for (size_t i = 0; i < options->n_manifests; i++) {
		if (access(options->manifests[i], R_OK) == 0)
			continue;
		command_error(command, "--manifests %s: %s", options->manifests[i],
			      strerror(errno));
		return CMD_FAILED;
	}
	return CMD_OK;
}

static void print_rejected(void *arg, const char *where, const char *object, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s: %s%s%s\n", where, object, *object ? ": " : "", text);
}

static void print_problem(void *arg, const char *service, const char *text)
{
	command_error(arg, "%s: %s", service, text);
}

static void print_log(void *arg, int level, const char *text)
{
	const struct feed *feed = arg;

	if (level <= LOG_LEVEL_WARN)
		command_error(feed->command, "%s", text);
}

static int commit(void *arg)
{
	const struct feed *feed = arg;

	return model_commit(feed->model, NULL);
}

static int read_source(struct feed *feed, const char *command, const struct options *options,
		       struct event_base *base)
{
	char error[FEED_ERROR_MAX];
	int r = feed_open(feed, options, base, error);

	if (r < 0) {
		command_error(command, "%s", error);
		return CMD_FAILED;
	}
	r = feed_load(feed, API_TIMEOUT_S, error);
	if (r == -EACCES && *error)
		command_error(command, "the API server %s: %s", feed->source_name, error);
	else if (r == -ETIMEDOUT)
		command_error(command, "the API server %s has not told all within %d s",
			      feed->source_name, API_TIMEOUT_S);
	else if (r < 0)
		command_error(command, "reading %s: %s", feed->source_name, strerror(-r));
	return r < 0 ? CMD_FAILED : CMD_OK;
}

static int compute(struct feed *feed, const char *command, struct state **ret)
{
	int r = model_state(feed->model, ret);

	if (r < 0) {
		command_error(command, "computing the plan: %s", strerror(-r));
		return CMD_FAILED;
	}
	feed_for_each_problem(feed, print_problem, (void *)command);
	return CMD_OK;
}

int plan_compute(const char *command, const struct options *options, struct state **ret,
		 size_t *ret_n_rejected)
{
	_cleanup_(event_base_freep) struct event_base *base = NULL;
	_cleanup_(feed_close) struct feed feed = {
		.command = command,
		.is_hasty = true,
		.rejected = print_rejected,
		.synced = commit,
		.log = print_log,
	};
	int r = plan_check_source(command, options);

	if (r != CMD_OK)
		return r;
	base = event_base_new();
	if (!base) {
		command_error(command, "%s", strerror(ENOMEM));
		return CMD_FAILED;
	}
	feed.arg = &feed;
	r = read_source(&feed, command, options, base);
	if (r == CMD_OK)
		r = compute(&feed, command, ret);
	if (r == CMD_OK)
		*ret_n_rejected = feed_n_rejected(&feed);
	return r;
}

int plan_main(const struct options *options)
{
	_cleanup_(plan_state_freep) struct state *state = NULL;
	size_t n_rejected = 0;
	int r = plan_compute("plan", options, &state, &n_rejected);

	if (r != CMD_OK)
		return r;
	r = print_state(stdout, state, options->format, options->service);
	if (r < 0) {
		command_error("plan", "writing the output: %s", strerror(-r));
		return CMD_FAILED;
	}
	return n_rejected ? CMD_FAILED : CMD_OK;
}
