/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer, or that there was none, leads to. */
#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "source/api.h"
#include "source/reflector_private.h"
#include "source/status_text.h"
#include "util/clock.h"
#include "util/log.h"

#define EARLY_S 5 /* before its time: not by itself */

/* ------------------------------------------------------------------ failures */

/*
 * The longest wait: short for what costs the server nothing, so that the agent is back in step
 * seconds after the API is.
 */
static uint64_t cap_ms(const struct reflector *reflector, long status)
{
	const struct reflector_times *times = &reflector->options.times;
	const bool is_away = status == 502 || status == 503 || status == 504;
	const bool is_garbage = reflector->stop == STOP_GARBAGE || reflector->stop == STOP_RECEIVER;
	const bool is_list = reflector->request == REQUEST_PAGE || reflector->is_listing;

	if (status == 429 || is_garbage || reflector->n_gone > 1 ||
	    (is_list && status >= 500 && !is_away))
		return times->long_cap;
	return times->short_cap;
}

/* A watch that broke is no news before the next try has failed as well. */
static void log_failure(struct reflector *reflector, bool is_news)
{
	const char *what = reflector->is_synced ? "the last state stays" : "nothing is known yet";
	int level = LOG_LEVEL_DEBUG;

	if (is_news && !reflector->is_lost_told &&
	    !(reflector->is_refused && reflector->options.is_hasty)) {
		level = LOG_LEVEL_WARN;
		reflector->is_lost_told = true;
	}
	reflector_log(reflector, level, "%s: %s: %s, trying again", reflector->resource->name,
		      reflector->error, what);
}

/* @reflector->error says what; waits, then probes. */
void reflector_fail(struct reflector *reflector, long status, int64_t retry_after_s)
{
	const bool is_first =
		reflector_is_watching(reflector) && reflector->backoff.n_failures == 0;
	const uint64_t cap = cap_ms(reflector, status);

	reflector->n_failures++;
	reflector->state = KUBERNETES_WAITING;
	if (reflector->is_listing)
		reflector->needs_list = true;
	reflector->is_listing = false;
	reflector_set_timer(reflector, backoff_next_ms(&reflector->backoff, cap, retry_after_s));
	log_failure(reflector, !is_first);
	reflector->events.failed(reflector->events.arg, status);
}

void reflector_fail_text(struct reflector *reflector, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reflector->error, sizeof(reflector->error), format, args);
	va_end(args);
	reflector_fail(reflector, 0, -1);
}

/* ------------------------------------------------------------------ answers */

/* The server cannot list by events, or not now: list by pages. */
static void start_pages(struct reflector *reflector, const char *why)
{
	reflector_log(reflector, LOG_LEVEL_DEBUG, "%s: no WatchList (%s): listing by pages",
		      reflector->resource->name, why);
	reflector_list(reflector);
}

/* The server has forgotten our version: it is there, so ask at once, but not over and over. */
static void list_anew(struct reflector *reflector)
{
	reflector->needs_list = true;
	if (++reflector->n_gone > 1) {
		reflector->backoff.n_failures = reflector->n_gone - 1;
		reflector_fail(reflector, 0, -1);
		return;
	}
	backoff_reset(&reflector->backoff);
	reflector_log(reflector, LOG_LEVEL_DEBUG, "%s: %s: listing all again",
		      reflector->resource->name, reflector->error);
	reflector_list(reflector);
}

static void end_page(struct reflector *reflector)
{
	if (reflector->list_continue) {
		reflector_ask(reflector, REQUEST_PAGE);
		return;
	}
	if (reflector_end_list(reflector, reflector->list_version) < 0) {
		reflector->stop = STOP_RECEIVER;
		reflector_fail(reflector, 0, -1);
		return;
	}
	reflector_ask(reflector, REQUEST_WATCH);
}

static void end_probe(struct reflector *reflector)
{
	const bool is_diverged = *reflector->version && reflector->is_diverged;

	if (is_diverged)
		reflector_log(reflector, LOG_LEVEL_INFO,
			      "%s: the API server's state is not the one that was watched before: "
			      "listing all again",
			      reflector->resource->name);
	if (is_diverged || reflector->needs_list || !*reflector->version)
		reflector_list(reflector);
	else
		reflector_ask(reflector, REQUEST_WATCH);
}

static void end_watch(struct reflector *reflector)
{
	const uint64_t lasted_ms = clock_now_ms() - reflector->started_ms;

	if (lasted_ms < (reflector->watch_timeout_s - EARLY_S) * 1000ull)
		reflector_fail_text(reflector, "the server ended the watch before its time");
	else
		/* one that was silent may be of a version that is still to come */
		reflector_ask(reflector, reflector->has_event ? REQUEST_WATCH : REQUEST_PROBE);
}

static void end_watch_list(struct reflector *reflector)
{
	if (!reflector->is_listing) {
		end_watch(reflector);
		return;
	}
	if (++reflector->n_cut_lists >= REFLECTOR_MAX_CUT_LISTS) {
		reflector->has_watch_list = false;
		start_pages(reflector, "it ends too early");
		return;
	}
	reflector_fail_text(reflector, "the server ended the list before its end");
}

static void end_answer(struct reflector *reflector)
{
	if (reflector_end_read(reflector) < 0) {
		reflector->needs_list |= reflector->stop == STOP_GARBAGE;
		reflector_fail(reflector, 0, -1);
		return;
	}
	switch (reflector->request) {
	case REQUEST_PROBE:
		end_probe(reflector);
		break;
	case REQUEST_PAGE:
		end_page(reflector);
		break;
	case REQUEST_WATCH_LIST:
		end_watch_list(reflector);
		break;
	case REQUEST_WATCH:
		end_watch(reflector);
		break;
	}
}

/* An answer that says no. @reflector->error says more. */
static void end_refused(struct reflector *reflector, long status, int64_t retry_after_s)
{
	const bool is_bad =
		status == 400 || status == 405 || status == 406 || status == 422 || status == 501;
	const bool has_selector =
		reflector->resource->field_selector && !reflector->is_field_selector_off;

	if (status == 410) {
		/* a continue token has expired: all in one piece then */
		if (reflector->request == REQUEST_PAGE)
			reflector->has_pages = false;
		list_anew(reflector);
	} else if (status == 400 && has_selector &&
		   reflector->resource->is_field_selector_optional) {
		reflector->is_field_selector_off = true;
		reflector_list(reflector);
	} else if (is_bad && reflector->request == REQUEST_WATCH_LIST && reflector->is_listing) {
		reflector->has_watch_list = false;
		start_pages(reflector, reflector->error);
	} else {
		if (status == 400 && reflector->request == REQUEST_PAGE)
			reflector->has_pages = false;
		reflector_fail(reflector, status, retry_after_s);
	}
}

/* An ERROR event: a status within an answer that began well. */
static void end_with_status(struct reflector *reflector)
{
	const long code = reflector->stop_code;
	const bool is_passing = code == 401 || code == 403 || code == 429 || code == 503;

	/* with an old etcd (3.4.23): 500, the feature RequestWatchProgress is disabled */
	if (reflector->is_listing && !is_passing) {
		reflector->has_watch_list = false;
		start_pages(reflector, reflector->error);
		return;
	}
	reflector_fail(reflector, code, -1);
}

/* The reader ended the request. */
static void end_stopped(struct reflector *reflector, int error)
{
	switch (reflector->stop) {
	case STOP_GONE:
		list_anew(reflector);
		break;
	case STOP_STATUS:
		end_with_status(reflector);
		break;
	case STOP_RECEIVER:
		snprintf(reflector->error, sizeof(reflector->error), "%s", strerror(-error));
		/* fall through */
	default:
		reflector->needs_list = true;
		reflector_fail(reflector, 0, -1);
		break;
	}
}

/* Another try may do better where the transport or the server has failed, but not here. */
static bool is_refusal(const struct http_result *result)
{
	if (result->error < 0)
		return result->error == -EKEYREJECTED || result->error == -ENOKEY ||
		       result->error == -EINVAL;
	return result->status == 401 || result->status == 403;
}

void reflector_done(void *arg, const struct http_result *result)
{
	struct reflector *reflector = arg;
	const long class = result->status / 100;
	char text[REFLECTOR_ERROR_MAX - 32];

	reflector->call = NULL;
	event_del(reflector->timer);
	reflector->is_refused = reflector->stop == STOP_NONE && is_refusal(result);
	if (reflector->stop != STOP_NONE) {
		end_stopped(reflector, result->error);
	} else if (result->error < 0) {
		reflector->is_fresh = true;
		reflector_fail_text(reflector, "%s",
				    *result->text ? result->text : strerror(-result->error));
	} else if (class == 2) {
		reflector->is_fresh = false;
		end_answer(reflector);
	} else {
		reflector->is_fresh = false;
		status_text_format(result->text, text, sizeof(text));
		snprintf(reflector->error, sizeof(reflector->error), "HTTP %ld: %s", result->status,
			 text);
		end_refused(reflector, result->status, result->retry_after_s);
	}
}
