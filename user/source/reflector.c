/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests, one at a time, and what they depend on. Their course:
 *
 *	start -> list -> watch -> watch ...		a watch that ends in its time
 *	any failure -> wait -> probe -> watch		our version is of the server's past
 *				     -> list -> watch	it is not, or there is none
 *
 * The probe lists one item. It is cheap enough to be repeated every few seconds by every node, so
 * that the agent is back soon after the server. And it is what makes a watch safe to go on with:
 * a server whose state was lost or restored accepts a version of its former life, and then says
 * nothing, or only half. A probe that sees an older version than ours, or an object that was not
 * changed since but is not known as it is, leads to a list.
 */
#include "source/reflector.h"

#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "source/api.h"
#include "source/reflector_private.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/strings.h"

#define PROBE_TIMEOUT_S 15
#define LIST_TIMEOUT_S	600
#define LIST_SILENCE_S	60
#define WATCH_SILENCE_S 90 /* bookmarks come every minute */
#define WATCH_MIN_S	300
#define WATCH_SPREAD_S	300
#define WATCH_GRACE_S	30 /* to end by itself */

void reflector_log(const struct reflector *reflector, int level, const char *format, ...)
{
	char text[REFLECTOR_ERROR_MAX + 128];
	va_list args;

	if (!reflector->options.log)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	reflector->options.log(reflector->options.log_arg, level, text);
}

void reflector_set_timer(struct reflector *reflector, uint64_t delay_ms)
{
	const struct timeval delay = {
		.tv_sec = (time_t)(delay_ms / 1000),
		.tv_usec = (suseconds_t)(delay_ms % 1000 * 1000),
	};

	event_add(reflector->timer, &delay);
}

/* ------------------------------------------------------------------ small parts */

bool reflector_is_watching(const struct reflector *reflector)
{
	return !reflector->is_listing &&
	       (reflector->request == REQUEST_WATCH || reflector->request == REQUEST_WATCH_LIST);
}

/* It works: whatever fails next is something new. */
static void set_healthy(struct reflector *reflector)
{
	backoff_reset(&reflector->backoff);
	reflector->error[0] = '\0';
	if (!reflector->is_lost_told)
		return;
	reflector->is_lost_told = false;
	reflector_log(reflector, LOG_LEVEL_INFO, "%s: in step with the API server again",
		      reflector->resource->name);
}

void reflector_has_event(struct reflector *reflector)
{
	if (!reflector_is_watching(reflector) || reflector->has_event)
		return;
	reflector->has_event = true;
	reflector->n_gone = 0;
	set_healthy(reflector);
}

/* ------------------------------------------------------------------ lists */

void reflector_list(struct reflector *reflector)
{
	reflector->mark++;
	reflector->n_list_objects = 0;
	reflector->is_listing = true;
	reflector->n_lists++;
	free(TAKE_PTR(reflector->list_continue));
	reflector->events.begun(reflector->events.arg);
	reflector_ask(reflector, reflector->has_watch_list ? REQUEST_WATCH_LIST : REQUEST_PAGE);
}

static void start_watching(struct reflector *reflector)
{
	reflector->state = KUBERNETES_WATCHING;
	reflector->n_watches++;
	reflector_set_timer(reflector, reflector->options.times.healthy);
}

int reflector_end_list(struct reflector *reflector, const char *version)
{
	int r = reflector_sweep(reflector);

	if (r < 0) {
		snprintf(reflector->error, sizeof(reflector->error), "%s", strerror(-r));
		return r;
	}
	snprintf(reflector->version, sizeof(reflector->version), "%s", version);
	reflector->is_listing = false;
	reflector->is_synced = true;
	reflector->needs_list = false;
	reflector->has_pages = true;
	reflector->n_cut_lists = 0;
	set_healthy(reflector);
	/* the request goes on as a watch */
	if (reflector->request == REQUEST_WATCH_LIST)
		start_watching(reflector);
	reflector->events.listed(reflector->events.arg);
	return 0;
}

/* ------------------------------------------------------------------ requests */

static int call(struct reflector *reflector)
{
	const struct http_events events = {
		.body = reflector_read, .done = reflector_done, .arg = reflector};
	_free_ char *path = reflector_path(reflector);
	struct api_params params = {.path = path, .is_fresh = reflector->is_fresh};

	if (!path)
		return -ENOMEM;
	switch (reflector->request) {
	case REQUEST_PROBE:
		params.timeout_s = PROBE_TIMEOUT_S;
		params.silence_s = PROBE_TIMEOUT_S;
		break;
	case REQUEST_PAGE:
		params.timeout_s = LIST_TIMEOUT_S;
		params.silence_s = LIST_SILENCE_S;
		break;
	default:
		params.timeout_s = reflector->watch_timeout_s + WATCH_GRACE_S;
		params.silence_s = WATCH_SILENCE_S;
		break;
	}
	return api_call_start(reflector->options.api, &params, &events, &reflector->call);
}

void reflector_ask(struct reflector *reflector, enum reflector_request request)
{
	int r;

	reflector->request = request;
	reflector->watch_timeout_s = WATCH_MIN_S + arc4random_uniform(WATCH_SPREAD_S + 1);
	reflector->started_ms = clock_now_ms();
	reflector->progress_ms = reflector->started_ms;
	reflector_begin_read(reflector);
	if (request == REQUEST_WATCH) {
		start_watching(reflector);
	} else if (request != REQUEST_PROBE) {
		reflector->state = KUBERNETES_LISTING;
		if (request == REQUEST_WATCH_LIST)
			reflector_set_timer(reflector, reflector->options.times.stall);
	}
	r = call(reflector);
	if (r < 0)
		reflector_fail_text(reflector, "no request can be made: %s", strerror(-r));
}

/* A server that does not know WatchList sends a watch, and no end of the list. */
static void check_stall(struct reflector *reflector)
{
	const uint64_t silent_ms = clock_now_ms() - reflector->progress_ms;
	const uint64_t stall_ms = reflector->options.times.stall;

	if (silent_ms < stall_ms) {
		reflector_set_timer(reflector, stall_ms - silent_ms);
		return;
	}
	api_call_cancel(TAKE_PTR(reflector->call));
	reflector->is_fresh = true;
	if (++reflector->n_cut_lists >= REFLECTOR_MAX_CUT_LISTS)
		reflector->has_watch_list = false;
	reflector_fail_text(reflector, "the list has no end");
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct reflector *reflector = arg;

	(void)fd;
	(void)what;
	switch (reflector->state) {
	case KUBERNETES_WAITING:
		reflector_ask(reflector, REQUEST_PROBE);
		break;
	case KUBERNETES_LISTING:
		check_stall(reflector);
		break;
	case KUBERNETES_WATCHING:
		reflector->n_gone = 0;
		if (reflector->contact_ms < reflector->started_ms)
			reflector->contact_ms = reflector->started_ms;
		set_healthy(reflector);
		break;
	}
}

/* ------------------------------------------------------------------ from outside */

int reflector_new(const struct reflector_options *options, const struct reflector_events *events,
		  struct reflector **ret)
{
	struct reflector *reflector = calloc(1, sizeof(*reflector));

	if (!reflector)
		return -ENOMEM;
	reflector->options = *options;
	reflector->resource = options->resource;
	reflector->events = *events;
	reflector->known.pool = options->pool;
	reflector->has_watch_list = true;
	reflector->has_pages = true;
	reflector->timer = evtimer_new(options->base, on_timer, reflector);
	if (!reflector->timer) {
		reflector_free(reflector);
		return -ENOMEM;
	}
	*ret = reflector;
	return 0;
}

void reflector_free(struct reflector *reflector)
{
	if (!reflector)
		return;
	api_call_cancel(reflector->call);
	if (reflector->timer)
		event_free(reflector->timer);
	json_stream_clear(&reflector->stream);
	known_clear(&reflector->known);
	free(reflector->list_continue);
	free(reflector->trimmed);
	free(reflector);
}

void reflector_start(struct reflector *reflector)
{
	/* who asks for it again may know that the old connection is dead */
	reflector->is_fresh |= reflector->call != NULL;
	api_call_cancel(TAKE_PTR(reflector->call));
	event_del(reflector->timer);
	reflector_list(reflector);
}

int reflector_remember(struct reflector *reflector, const char *namespace, const char *name)
{
	struct known_object *known;
	int r = known_get(&reflector->known, namespace, name, &known);

	if (r < 0)
		return r;
	known->version = 0;
	known->is_told = true;
	return 0;
}

bool reflector_knows(const struct reflector *reflector, const char *namespace, const char *name)
{
	return known_find(&reflector->known, namespace, name) != NULL;
}

void reflector_forget(struct reflector *reflector, const char *namespace, const char *name)
{
	struct known_object *known = known_find(&reflector->known, namespace, name);

	if (known)
		known_remove(&reflector->known, known);
}

void reflector_watch(const struct reflector *reflector, struct kubernetes_watch *ret)
{
	*ret = (struct kubernetes_watch){
		.name = reflector->resource->name,
		.state = reflector->state,
		.is_synced = reflector->is_synced,
		.resource_version = reflector->version,
		.n_objects = reflector->known.n_objects,
		.contact_ms = reflector->contact_ms,
		.n_lists = reflector->n_lists,
		.n_watches = reflector->n_watches,
		.n_events = reflector->n_events,
		.n_failures = reflector->n_failures,
		.last_error = reflector->error,
		.is_refused = reflector->is_refused,
	};
}
