/* SPDX-License-Identifier: Apache-2.0 */
#include "source/event_recorder.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "source/api.h"
#include "source/event_json.h"
#include "source/event_limits.h"
#include "source/status_text.h"
#include "source/text_hash.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define MAX_QUEUED	 64
#define TIMEOUT_S	 10
#define STATUS_FORBIDDEN 403
#define LOG_TEXT_BYTES	 512

/** struct queued - an Event to send, owned. */
struct queued {
	char *path;
	char *body;
};

/**
 * struct event_recorder - see the header.
 * @queue: a ring: @n_queued from @first on.
 * @call: under way; NULL: none. One at a time is enough for what is never urgent.
 * @on_queued: active when there is something to send.
 * @is_forbidden: that was logged.
 */
struct event_recorder {
	struct api *api;
	char *node_name;
	void (*log)(void *arg, int level, const char *text);
	void *log_arg;
	struct event_limits limits;
	struct event_counts counts;
	struct queued queue[MAX_QUEUED];
	size_t first;
	size_t n_queued;
	struct api_call *call;
	struct event *on_queued;
	bool is_forbidden;
};

/* ------------------------------------------------------------------ sending */

static void queued_clear(struct queued *queued)
{
	free(queued->path);
	free(queued->body);
	*queued = (struct queued){};
}

static void log_failure(struct event_recorder *recorder, const struct http_result *result)
{
	const bool is_news = result->status == STATUS_FORBIDDEN && !recorder->is_forbidden;
	char why[LOG_TEXT_BYTES / 2];
	char text[LOG_TEXT_BYTES];

	if (result->status == STATUS_FORBIDDEN)
		recorder->is_forbidden = true;
	if (!recorder->log)
		return;
	status_text_format(result->text, why, sizeof(why));
	if (is_news)
		snprintf(text, sizeof(text),
			 "may not create Kubernetes Events, they are dropped: %s", why);
	else
		snprintf(text, sizeof(text), "a Kubernetes Event was dropped: status %ld: %s",
			 result->status, why);
	recorder->log(recorder->log_arg, is_news ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, text);
}

static void send_next(struct event_recorder *recorder);

static void on_done(void *arg, const struct http_result *result)
{
	struct event_recorder *recorder = arg;

	recorder->call = NULL;
	if (!result->error && result->status >= 200 && result->status < 300) {
		recorder->counts.n_sent++;
	} else {
		recorder->counts.n_failed++;
		log_failure(recorder, result);
	}
	send_next(recorder);
}

static int start_call(struct event_recorder *recorder, const struct queued *queued)
{
	const struct api_params params = {
		.method = "POST",
		.path = queued->path,
		.body = queued->body,
		.body_len = strlen(queued->body),
		.timeout_s = TIMEOUT_S,
	};
	const struct http_events events = {.done = on_done, .arg = recorder};

	return api_call_start(recorder->api, &params, &events, &recorder->call);
}

static void send_next(struct event_recorder *recorder)
{
	while (recorder->n_queued && !recorder->call) {
		struct queued *queued = &recorder->queue[recorder->first];

		if (start_call(recorder, queued) < 0) {
			recorder->call = NULL;
			recorder->counts.n_failed++;
		}
		queued_clear(queued);
		recorder->first = (recorder->first + 1) % MAX_QUEUED;
		recorder->n_queued--;
	}
}

static void on_queued(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_next(arg);
}

/* ------------------------------------------------------------------ telling */

static uint64_t hash_more(uint64_t hash, const char *text)
{
	return text_hash(hash, text, strlen(text));
}

static enum event_verdict ask(struct event_recorder *recorder, const struct event_object *object,
			      const struct event_note *note)
{
	uint64_t hash = hash_more(0, object->kind);
	uint64_t hash_of_object;

	hash = hash_more(hash, event_json_namespace(object));
	hash = hash_more(hash, object->name);
	hash_of_object = hash;
	hash = hash_more(hash, note->reason);
	hash = hash_more(hash, note->note);
	return event_limits_ask(&recorder->limits, hash_of_object, hash, clock_now_ms() + 1);
}

static int put_in_queue(struct event_recorder *recorder, const struct event_object *object,
			const struct event_note *note)
{
	struct queued queued = {};
	int r;

	if (asprintf(&queued.path, "/apis/events.k8s.io/v1/namespaces/%s/events",
		     event_json_namespace(object)) < 0)
		return -ENOMEM;
	r = event_json_new(object, note, recorder->node_name, clock_now_ns(CLOCK_REALTIME),
			   &queued.body);
	if (r < 0) {
		free(queued.path);
		return r;
	}
	recorder->queue[(recorder->first + recorder->n_queued++) % MAX_QUEUED] = queued;
	return 0;
}

void event_recorder_tell(struct event_recorder *recorder, const struct event_object *object,
			 const struct event_note *note)
{
	enum event_verdict verdict;

	if (!recorder->api)
		return;
	verdict = ask(recorder, object, note);
	if (verdict == EVENT_REPEATED) {
		recorder->counts.n_repeated++;
		return;
	}
	if (verdict == EVENT_LIMITED || recorder->n_queued == MAX_QUEUED) {
		recorder->counts.n_limited++;
		return;
	}
	if (put_in_queue(recorder, object, note) < 0) {
		recorder->counts.n_failed++;
		return;
	}
	event_active(recorder->on_queued, EV_TIMEOUT, 0);
}

struct event_counts event_recorder_counts(const struct event_recorder *recorder)
{
	return recorder->counts;
}

/* ------------------------------------------------------------------ life */

static void recorder_freep(struct event_recorder **recorder)
{
	event_recorder_free(*recorder);
}

int event_recorder_new(struct event_base *base, struct api *api, const char *node_name,
		       void (*log)(void *arg, int level, const char *text), void *log_arg,
		       struct event_recorder **ret)
{
	_cleanup_(recorder_freep) struct event_recorder *recorder = calloc(1, sizeof(*recorder));

	if (!recorder)
		return -ENOMEM;
	recorder->node_name = strdup(node_name);
	recorder->on_queued = event_new(base, -1, 0, on_queued, recorder);
	if (!recorder->node_name || !recorder->on_queued)
		return -ENOMEM;
	recorder->api = api;
	recorder->log = log;
	recorder->log_arg = log_arg;
	*ret = TAKE_PTR(recorder);
	return 0;
}

void event_recorder_free(struct event_recorder *recorder)
{
	if (!recorder)
		return;
	api_call_cancel(recorder->call);
	for (size_t i = 0; i < MAX_QUEUED; i++)
		queued_clear(&recorder->queue[i]);
	if (recorder->on_queued)
		event_free(recorder->on_queued);
	free(recorder->node_name);
	free(recorder);
}
