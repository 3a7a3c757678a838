/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a test and what came of them. */
#ifndef TESTS_UNIT_HTTP_ASKING_H
#define TESTS_UNIT_HTTP_ASKING_H

#include <criterion/criterion.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "http/http_client.h"

/**
 * struct asking - one request (or call) and what was told about it.
 * @base: its loop ends when done() was called, and after each body() if @stops_at_body.
 * @body_returns: what body() gives back.
 */
struct asking {
	struct event_base *base;
	bool stops_at_body;
	int body_returns;
	size_t n_done;
	int error;
	long status;
	int64_t retry_after_s;
	char text[HTTP_ERROR_TEXT_MAX];
	char body[8192];
	size_t body_len;
};

static inline int asking_body(void *arg, const char *data, size_t len)
{
	struct asking *asking = arg;

	cr_assert_eq(asking->n_done, 0);
	for (size_t i = 0; i < len; i++) {
		if (asking->body_len < sizeof(asking->body) - 1)
			asking->body[asking->body_len] = data[i];
		asking->body_len++;
	}
	if (asking->stops_at_body)
		event_base_loopbreak(asking->base);
	return asking->body_returns;
}

static inline void asking_done(void *arg, const struct http_result *result)
{
	struct asking *asking = arg;

	asking->n_done++;
	asking->error = result->error;
	asking->status = result->status;
	asking->retry_after_s = result->retry_after_s;
	cr_assert_not_null(result->text);
	snprintf(asking->text, sizeof(asking->text), "%s", result->text);
	event_base_loopbreak(asking->base);
}

/** asking_events() - for http_request_start() and api_call_start(). */
static inline struct http_events asking_events(struct asking *asking)
{
	return (struct http_events){.body = asking_body, .done = asking_done, .arg = asking};
}

/** asking_wait() - run the loop until done() was called; fails after 20 seconds. */
static inline void asking_wait(struct asking *asking)
{
	const struct timeval limit = {.tv_sec = 20};

	event_base_loopexit(asking->base, &limit);
	while (!asking->n_done && !event_base_got_exit(asking->base))
		event_base_dispatch(asking->base);
	cr_assert_eq(asking->n_done, 1, "the request did not end");
}

/** run_for_ms() - let the loop run so long. */
static inline void run_for_ms(struct event_base *base, int ms)
{
	const struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_base_loopexit(base, &limit);
	event_base_dispatch(base);
}

#endif
