/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/plan.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/feed.h"
#include "cmd/print.h"
#include "util/cleanup.h"

void plan_state_freep(struct state **state)
{
	state_free(*state);
}

int plan_check_source(const char *command, const struct options *options)
{
	if (!options->n_manifests) {
		command_error(command, "no source: give --manifests PATH (the in-cluster service "
				       "account is not a source in this version)");
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

static int commit(void *arg)
{
	const struct feed *feed = arg;

	return model_commit(feed->model, NULL);
}

int plan_compute(const char *command, const struct options *options, struct state **ret,
		 size_t *ret_n_rejected)
{
	_cleanup_(feed_close) struct feed feed = {.rejected = print_rejected, .synced = commit};
	_cleanup_(plan_state_freep) struct state *state = NULL;
	int r = plan_check_source(command, options);

	if (r != CMD_OK)
		return r;
	feed.arg = &feed;
	r = feed_open(&feed, options);
	if (r == 0)
		r = manifests_load(feed.manifests);
	if (r == 0)
		r = model_state(feed.model, &state);
	if (r < 0) {
		command_error(command, "reading the manifests: %s", strerror(-r));
		return CMD_FAILED;
	}
	model_for_each_problem(feed.model, print_problem, (void *)command);
	*ret_n_rejected = manifests_n_rejected(feed.manifests);
	*ret = TAKE_PTR(state);
	return CMD_OK;
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
