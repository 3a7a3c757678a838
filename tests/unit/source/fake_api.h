/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An API client that talks to a script in place of a server: it takes the place of api.c in the
 * test's program. Answers are texts, or recordings of a real API server (tests/fixtures/streams).
 */
#ifndef TESTS_UNIT_SOURCE_FAKE_API_H
#define TESTS_UNIT_SOURCE_FAKE_API_H

#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "source/api.h"
#include "util/cleanup.h"

#define FAKE_MAX_CALLS 64

/**
 * struct fake_answer - what a call gets.
 * @path: a part that the call's path must have; NULL: any.
 * @recording: without ".h1"; its status, Retry-After and body count. Cut ones end in -EPIPE.
 * @status, @body: in place of a recording; status 0 is 200.
 * @error: how the call ends, after the body; 0: well.
 * @is_open: the call does not end.
 */
struct fake_answer {
	const char *path;
	const char *recording;
	long status;
	const char *body;
	int64_t retry_after_s;
	int error;
	bool is_open;
};

struct api_call {
	struct api *api;
	struct http_events events;
	struct event *event;
	char *path;
	struct api_params params;
	size_t index;
};

/**
 * struct api - the client. @answers: to the calls in turn; those after the last stay open. With
 * @is_by_path an answer is taken by the first call whose path has its @path.
 * @chunk: bytes of the body handed over at once; 0: all.
 * @calls: that are open now.
 */
struct api {
	struct event_base *base;
	const struct fake_answer *answers;
	size_t n_answers;
	size_t n_servers; /* 0: one */
	bool is_by_path;
	bool is_used[FAKE_MAX_CALLS];
	size_t chunk;
	size_t n_calls;
	size_t n_answered;
	struct api_call *calls[FAKE_MAX_CALLS];
	void (*called)(void *arg, const struct api_params *params);
	void *arg;
};

/** struct fake_text - a body. */
struct fake_text {
	char *at;
	size_t len;
	long status;
	int64_t retry_after_s;
	bool is_cut;
};

static inline void fake_text_free(struct fake_text *text)
{
	free(text->at);
}

static void fake_read_file(const char *name, char **ret, size_t *ret_len)
{
	char path[256];
	_fclose_ FILE *file = NULL;
	long len;

	snprintf(path, sizeof(path), "tests/fixtures/streams/%s.h1", name);
	file = fopen(path, "r");
	cr_assert_not_null(file, "%s: %m", path);
	cr_assert_eq(fseek(file, 0, SEEK_END), 0);
	len = ftell(file);
	rewind(file);
	*ret = malloc((size_t)len + 1);
	cr_assert_not_null(*ret);
	*ret_len = fread(*ret, 1, (size_t)len, file);
	(*ret)[*ret_len] = '\0';
	cr_assert_eq(*ret_len, (size_t)len);
}

/* Takes the framing of "Transfer-Encoding: chunked" out of a body, in place. */
static void fake_unchunk(struct fake_text *text)
{
	char *from = text->at, *end = text->at + text->len, *to = text->at;
	size_t size = 1;

	while (size > 0 && from < end) {
		char *line_end;

		size = strtoul(from, &line_end, 16);
		from = line_end + 2;
		if (size > (size_t)(end - from))
			size = (size_t)(end - from);
		memmove(to, from, size);
		to += size;
		from += size + 2;
	}
	text->is_cut = size > 0;
	text->len = (size_t)(to - text->at);
}

static void fake_read_recording(const char *name, struct fake_text *ret)
{
	_free_ char *raw = NULL;
	const char *body, *retry_after;
	size_t len;

	fake_read_file(name, &raw, &len);
	body = strstr(raw, "\r\n\r\n") + 4;
	retry_after = strstr(raw, "\r\nRetry-After: ");
	*ret = (struct fake_text){
		.len = len - (size_t)(body - raw),
		.status = strtol(raw + strlen("HTTP/1.1 "), NULL, 10),
		.retry_after_s = -1,
	};
	if (retry_after && retry_after < body)
		ret->retry_after_s = strtol(retry_after + strlen("\r\nRetry-After: "), NULL, 10);
	ret->at = malloc(ret->len + 1);
	cr_assert_not_null(ret->at);
	memcpy(ret->at, body, ret->len);
	ret->at[ret->len] = '\0';
	if (memmem(raw, (size_t)(body - raw), "chunked", 7))
		fake_unchunk(ret);
}

static void fake_read_answer(const struct fake_answer *answer, struct fake_text *ret)
{
	if (answer->recording) {
		fake_read_recording(answer->recording, ret);
		return;
	}
	*ret = (struct fake_text){
		.at = strdup(answer->body ? answer->body : ""),
		.status = answer->status ? answer->status : 200,
		.retry_after_s = answer->retry_after_s ? answer->retry_after_s : -1,
	};
	cr_assert_not_null(ret->at);
	ret->len = strlen(ret->at);
}

static void fake_forget(struct api_call *call)
{
	call->api->calls[call->index] = NULL;
	event_free(call->event);
	free(call->path);
	free(call);
}

/* Ends a call as the client would. */
static void fake_end(struct api_call *call, int error, const struct fake_text *text)
{
	const struct http_events events = call->events;
	const struct http_result result = {
		.error = error,
		.status = text->status,
		.retry_after_s = text->retry_after_s,
		.text = error			  ? "the transport failed"
			: text->status / 100 == 2 ? ""
						  : text->at,
	};

	fake_forget(call);
	events.done(events.arg, &result);
}

static int fake_send(struct api_call *call, const struct fake_text *text)
{
	size_t chunk = call->api->chunk ? call->api->chunk : text->len;

	for (size_t at = 0; at < text->len; at += chunk) {
		size_t len = text->len - at < chunk ? text->len - at : chunk;
		/* a copy, so that a sanitizer sees who reads more than this piece */
		_free_ char *piece = malloc(len);
		int r;

		cr_assert_not_null(piece);
		memcpy(piece, text->at + at, len);
		r = call->events.body(call->events.arg, piece, len);
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct fake_answer *fake_choose(struct api *api, const struct api_call *call)
{
	for (size_t i = 0; api->is_by_path && i < api->n_answers; i++) {
		if (api->is_used[i] || !strstr(call->path, api->answers[i].path))
			continue;
		api->is_used[i] = true;
		return &api->answers[i];
	}
	if (api->is_by_path || api->n_answered >= api->n_answers)
		return NULL;
	return &api->answers[api->n_answered];
}

static void fake_on_call(evutil_socket_t fd, short what, void *arg)
{
	_cleanup_(fake_text_free) struct fake_text text = {};
	struct api_call *call = arg;
	struct api *api = call->api;
	const struct fake_answer *answer = fake_choose(api, call);
	int error = 0;

	(void)fd;
	(void)what;
	if (!answer)
		return;
	api->n_answered++;
	if (answer->path)
		cr_expect_not_null(strstr(call->path, answer->path), "answer %zu: %s is not in %s",
				   api->n_answered, answer->path, call->path);
	fake_read_answer(answer, &text);
	if (text.status / 100 == 2)
		error = fake_send(call, &text);
	if (error == 0 && answer->is_open)
		return;
	if (error == 0)
		error = text.is_cut ? -EPIPE : answer->error;
	fake_end(call, error, &text);
}

int api_call_start(struct api *api, const struct api_params *params,
		   const struct http_events *events, struct api_call **ret)
{
	struct api_call *call = calloc(1, sizeof(*call));

	cr_assert_not_null(call);
	call->api = api;
	call->events = *events;
	call->params = *params;
	call->path = strdup(params->path);
	call->event = evtimer_new(api->base, fake_on_call, call);
	cr_assert(call->path && call->event);
	while (api->calls[call->index])
		cr_assert_lt(++call->index, (size_t)FAKE_MAX_CALLS);
	api->calls[call->index] = call;
	api->n_calls++;
	event_active(call->event, EV_TIMEOUT, 0);
	if (api->called)
		api->called(api->arg, params);
	*ret = call;
	return 0;
}

void api_call_cancel(struct api_call *call)
{
	if (call)
		fake_forget(call);
}

size_t api_n_servers(const struct api *api)
{
	return api->n_servers ? api->n_servers : 1;
}

const char *api_server(const struct api *api)
{
	(void)api;
	return "https://192.0.2.1:6443";
}

/* An open call; fails the test when there is none. */
static inline struct api_call *fake_open_call(const struct api *api, const char *path)
{
	for (size_t i = 0; i < FAKE_MAX_CALLS; i++) {
		if (api->calls[i] && strstr(api->calls[i]->path, path))
			return api->calls[i];
	}
	cr_assert_fail("no call for %s is open", path);
	return NULL;
}

/* Sends text to an open call. Return: what its body() returned. */
static inline int fake_push(const struct api *api, const char *path, const char *body)
{
	struct api_call *call = fake_open_call(api, path);

	return call->events.body(call->events.arg, body, strlen(body));
}

/* Turns the loop once, and waits a moment. */
static void fake_turn(const struct api *api)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	event_base_loop(api->base, EVLOOP_NONBLOCK);
	nanosleep(&moment, NULL);
}

/* Runs the loop until @is_done, for 20 seconds at least. */
static inline void fake_run(const struct api *api, bool (*is_done)(void *arg), void *arg)
{
	for (int i = 0; i < 20000 && !is_done(arg); i++)
		fake_turn(api);
	cr_assert(is_done(arg), "nothing more happens");
}

/* Runs the loop for so long at least. */
static inline void fake_run_ms(const struct api *api, unsigned ms)
{
	for (unsigned i = 0; i < ms; i++)
		fake_turn(api);
}

#endif
