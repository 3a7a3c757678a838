/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/agent_snapshot.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cmd/agent_snapshot_writer.h"
#include "source/snapshot.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define INTERVAL_MS 30000
#define REFRESH_MS  600000
#define STOP_MS	    2000
/* Encoding takes no larger part of the time than one in this. */
#define ENCODE_SHARE 2000
#define US_PER_MS    1000

/**
 * struct agent_snapshot - see the header.
 * @job: the write under way; NULL: none.
 * @job_s, @job_len_bytes: of what it writes.
 * @is_changed: the model differs from what was encoded last.
 * @contact_s: CLOCK_REALTIME when the model was known to be as the API says; 0: never.
 * @started_ms: of the last attempt, CLOCK_MONOTONIC; 0: there was none.
 * @wait_ms: from then until the next one.
 */
struct agent_snapshot {
	struct agent_snapshot_options options;
	struct agent_snapshot_state state;
	int event_fd;
	struct event *on_timer;
	struct event *on_done;
	struct snapshot_writer_job *job;
	int64_t job_s;
	size_t job_len_bytes;
	bool is_changed;
	int64_t contact_s;
	uint64_t started_ms;
	uint64_t wait_ms;
};

static uint64_t now_us(void)
{
	return clock_now_ns(CLOCK_MONOTONIC) / 1000;
}

static int64_t realtime_s(void)
{
	return (int64_t)time(NULL);
}

/* ------------------------------------------------------------------ one write */

static void report(struct agent_snapshot *snapshot, int r)
{
	struct agent_snapshot_state *state = &snapshot->state;
	const char *dir = snapshot->options.dir;

	if (r < 0) {
		state->n_failed++;
		snapshot->is_changed = true; /* what was to be written is not */
		if (!state->error)
			log_warn_errno(r,
				       "--state-dir %s: writing the state: %m; a start without "
				       "the API would serve an older one, or none",
				       dir);
	} else {
		state->n_written++;
		state->saved_s = snapshot->job_s;
		state->len_bytes = snapshot->job_len_bytes;
		if (state->error)
			log_info("--state-dir %s: the state is written again", dir);
	}
	state->error = r;
}

static int start(struct agent_snapshot *snapshot)
{
	const uint64_t start_us = now_us();
	void *data = NULL;
	size_t len = 0;
	int r = snapshot_encode(snapshot->options.model, snapshot->contact_s, &data, &len);

	if (r < 0)
		return r;
	snapshot->state.encode_us = (uint32_t)(now_us() - start_us);
	log_debug("state of %zu bytes encoded in %u us", len, snapshot->state.encode_us);
	snapshot->wait_ms = (uint64_t)snapshot->state.encode_us * ENCODE_SHARE / US_PER_MS;
	snapshot->job_s = snapshot->contact_s;
	snapshot->job_len_bytes = len;
	snapshot->is_changed = false;
	return snapshot_writer_start(snapshot->options.dir, data, len, snapshot->event_fd,
				     &snapshot->job);
}

static void try_start(struct agent_snapshot *snapshot)
{
	int r;

	snapshot->started_ms = clock_now_ms();
	r = start(snapshot);
	if (snapshot->wait_ms < snapshot->options.interval_ms)
		snapshot->wait_ms = snapshot->options.interval_ms;
	if (r < 0)
		report(snapshot, r);
}

/* ------------------------------------------------------------------ when */

static bool has_news(const struct agent_snapshot *snapshot)
{
	return snapshot->is_changed || snapshot->contact_s != snapshot->state.saved_s;
}

/* Wait for the next write; one under way does this when it ends. */
static void arm(struct agent_snapshot *snapshot)
{
	const uint64_t now_ms = clock_now_ms();
	uint64_t wait_ms = snapshot->wait_ms;
	uint64_t due_ms;
	struct timeval delay = {};

	if (snapshot->job)
		return;
	if (!snapshot->is_changed && wait_ms < REFRESH_MS)
		wait_ms = REFRESH_MS;
	due_ms = snapshot->started_ms ? snapshot->started_ms + wait_ms : now_ms;
	if (due_ms > now_ms) {
		delay.tv_sec = (time_t)((due_ms - now_ms) / 1000);
		delay.tv_usec = (suseconds_t)((due_ms - now_ms) % 1000 * 1000);
	}
	if (event_add(snapshot->on_timer, &delay) < 0)
		log_error("event loop: the timer of --state-dir could not be set");
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct agent_snapshot *snapshot = arg;

	(void)fd;
	(void)what;
	if (has_news(snapshot))
		try_start(snapshot);
	else
		snapshot->started_ms = clock_now_ms(); /* the API is away: look again later */
	arm(snapshot);
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
	struct agent_snapshot *snapshot = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) < 0 || !snapshot->job)
		return;
	report(snapshot, snapshot_writer_finish(TAKE_PTR(snapshot->job), STOP_MS));
	/* a state's bytes are megabytes, which nothing needs until the next one */
	malloc_trim(0);
	arm(snapshot);
}

/* ------------------------------------------------------------------ interface */

static void agent_snapshot_freep(struct agent_snapshot **snapshot)
{
	agent_snapshot_free(*snapshot);
}

int agent_snapshot_new(const struct agent_snapshot_options *options, struct agent_snapshot **ret)
{
	_cleanup_(agent_snapshot_freep) struct agent_snapshot *snapshot = NULL;

	if (!*options->dir) {
		*ret = NULL;
		return 0;
	}
	snapshot = calloc(1, sizeof(*snapshot));
	if (!snapshot)
		return -ENOMEM;
	snapshot->options = *options;
	if (!options->interval_ms)
		snapshot->options.interval_ms = INTERVAL_MS;
	snapshot->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (snapshot->event_fd < 0)
		return -errno;
	snapshot->on_timer = evtimer_new(options->base, on_timer, snapshot);
	snapshot->on_done = event_new(options->base, snapshot->event_fd, EV_READ | EV_PERSIST,
				      on_done, snapshot);
	if (!snapshot->on_timer || !snapshot->on_done || event_add(snapshot->on_done, NULL) < 0)
		return -ENOMEM;
	*ret = TAKE_PTR(snapshot);
	return 0;
}

void agent_snapshot_contact(struct agent_snapshot *snapshot)
{
	if (snapshot)
		snapshot->contact_s = realtime_s();
}

void agent_snapshot_changed(struct agent_snapshot *snapshot)
{
	if (!snapshot)
		return;
	agent_snapshot_contact(snapshot);
	if (snapshot->is_changed && event_pending(snapshot->on_timer, EV_TIMEOUT, NULL))
		return;
	snapshot->is_changed = true;
	arm(snapshot);
}

void agent_snapshot_stop(struct agent_snapshot *snapshot)
{
	const uint64_t end_ms = clock_now_ms() + STOP_MS;
	uint64_t now_ms;

	if (!snapshot)
		return;
	event_del(snapshot->on_timer);
	event_del(snapshot->on_done);
	if (snapshot->job)
		report(snapshot, snapshot_writer_finish(TAKE_PTR(snapshot->job), STOP_MS));
	now_ms = clock_now_ms();
	/* never anything that the API has not told: nothing has news then */
	if (!has_news(snapshot) || now_ms >= end_ms)
		return;
	try_start(snapshot);
	if (snapshot->job)
		report(snapshot,
		       snapshot_writer_finish(TAKE_PTR(snapshot->job), (int)(end_ms - now_ms)));
}

void agent_snapshot_state(const struct agent_snapshot *snapshot, struct agent_snapshot_state *ret)
{
	*ret = snapshot ? snapshot->state : (struct agent_snapshot_state){};
}

int64_t agent_snapshot_age_s(const struct agent_snapshot *snapshot)
{
	int64_t age_s;

	if (!snapshot || !snapshot->state.saved_s)
		return -1;
	age_s = realtime_s() - snapshot->state.saved_s;
	return age_s > 0 ? age_s : 0; /* somebody has set the clock back */
}

void agent_snapshot_free(struct agent_snapshot *snapshot)
{
	if (!snapshot)
		return;
	if (snapshot->job)
		snapshot_writer_finish(snapshot->job, 0);
	if (snapshot->on_timer)
		event_free(snapshot->on_timer);
	if (snapshot->on_done)
		event_free(snapshot->on_done);
	cleanup_close(&snapshot->event_fd);
	free(snapshot);
}
