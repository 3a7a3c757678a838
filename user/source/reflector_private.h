/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the reflector share: reflector.c asks, _path.c writes the question, _read.c
 * reads the answer, and _answer.c decides what comes next.
 */
#ifndef SVCBPF_SOURCE_REFLECTOR_PRIVATE_H
#define SVCBPF_SOURCE_REFLECTOR_PRIVATE_H

#include "source/backoff.h"
#include "source/json_stream.h"
#include "source/known.h"
#include "source/reflector.h"

struct api_call;
struct event;

/** REFLECTOR_VERSION_MAX - bytes for a resourceVersion, NUL included; etcd's has 20 at most. */
#define REFLECTOR_VERSION_MAX 64

/** REFLECTOR_ERROR_MAX - bytes for the last error, NUL included. */
#define REFLECTOR_ERROR_MAX 512

/** REFLECTOR_MAX_CUT_LISTS - lists by events may end early so often before that is given up. */
#define REFLECTOR_MAX_CUT_LISTS 2

/** enum reflector_request - what is asked of the server. */
enum reflector_request {
	REQUEST_PROBE,	    /* one item: whether the server answers, and our state is of its past */
	REQUEST_PAGE,	    /* some or all items */
	REQUEST_WATCH_LIST, /* all items as events, then a watch */
	REQUEST_WATCH,
};

/** enum reflector_stop - why the reader ended a request. */
enum reflector_stop {
	STOP_NONE,
	STOP_GONE,     /* the server has forgotten what we ask for */
	STOP_STATUS,   /* an ERROR event with another status, in stop_code */
	STOP_GARBAGE,  /* no JSON, or too much of it */
	STOP_RECEIVER, /* a callback failed */
};

/**
 * struct reflector - one.
 * @known: what was told, by name; @mark: of the list that runs or ran last.
 * @version: what is known; "" before the first list.
 * @list_version, @list_continue, @is_list_kind_right: of the page that is read.
 * @n_list_objects: in the list so far.
 * @stream: the answer.
 * @request: what runs, or ran last; @call: NULL when nothing runs.
 * @is_fresh: a transport failed: use a new connection.
 * @needs_list: a watch could not go on from @version.
 * @has_watch_list, @has_pages: the server can do so, as far as is known.
 * @is_field_selector_off: the server does not know the field.
 * @is_listing: between the begin of a list and its end.
 * @is_diverged: what a list or probe got is not of the history of @version.
 * @n_gone: how often in a row the server had forgotten our version.
 * @n_cut_lists: how often a list by events ended in the middle.
 * @stop, @stop_code: why the reader ended the request.
 * @started_ms, @progress_ms: when the request began, and told something last.
 * @watch_timeout_s: when it ends by itself.
 * @has_event: the watch told anything.
 * @is_lost_told: the operator was told that something is wrong.
 * @is_refused: as in struct kubernetes_watch.
 * @trimmed: room to cut an object in.
 */
struct reflector {
	struct reflector_options options;
	const struct reflector_resource *resource;
	struct reflector_events events;
	struct known known;
	uint32_t mark;
	char version[REFLECTOR_VERSION_MAX];
	char list_version[REFLECTOR_VERSION_MAX];
	char *list_continue;
	bool is_list_kind_right;
	size_t n_list_objects;
	struct json_stream stream;
	struct api_call *call;
	enum reflector_request request;
	struct event *timer;
	struct backoff backoff;
	enum kubernetes_watch_state state;
	bool is_synced;
	bool is_fresh;
	bool needs_list;
	bool has_watch_list;
	bool has_pages;
	bool is_field_selector_off;
	bool is_listing;
	bool is_diverged;
	bool has_event;
	bool is_lost_told;
	bool is_refused;
	unsigned n_gone;
	unsigned n_cut_lists;
	enum reflector_stop stop;
	long stop_code;
	uint64_t started_ms;
	uint64_t progress_ms;
	uint64_t contact_ms;
	uint32_t watch_timeout_s;
	uint64_t n_lists;
	uint64_t n_watches;
	uint64_t n_events;
	uint64_t n_failures;
	char error[REFLECTOR_ERROR_MAX];
	char *trimmed;
	size_t trimmed_max;
};

/** reflector_set_timer() - when reflector.c looks again; replaces what was set before. */
void reflector_set_timer(struct reflector *reflector, uint64_t delay_ms);

/** reflector_log() - tell the operator. @level: enum log_level. */
void reflector_log(const struct reflector *reflector, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** reflector_is_watching() - the request is a watch, or has become one. */
bool reflector_is_watching(const struct reflector *reflector);

/** reflector_ask() - begin a request; none may run. */
void reflector_ask(struct reflector *reflector, enum reflector_request request);

/** reflector_list() - list everything; no request may run. */
void reflector_list(struct reflector *reflector);

/**
 * reflector_fail() - it went wrong: wait, then probe. @reflector->error says what.
 * @status: HTTP's; 0: there was no answer.  @retry_after_s: -1: the server said nothing.
 */
void reflector_fail(struct reflector *reflector, long status, int64_t retry_after_s);

/** reflector_fail_text() - the same with an error text, and without an answer. */
void reflector_fail_text(struct reflector *reflector, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

struct http_result;

/** reflector_done() - the request has ended: struct http_events.done. */
void reflector_done(void *arg, const struct http_result *result);

/** reflector_path() - the path and query of @reflector->request. Return: owned; NULL: no memory. */
char *reflector_path(const struct reflector *reflector);

/** reflector_begin_read() - make ready for the answer of @reflector->request. */
void reflector_begin_read(struct reflector *reflector);

/**
 * reflector_read() - some bytes of the answer: struct http_events.body.
 * Return: 0; negative: end the request; @reflector->stop and error say why.
 */
int reflector_read(void *arg, const char *data, size_t len);

/**
 * reflector_end_read() - the answer is complete.
 * Return: 0; -EPIPE, -EPROTO: it is not; @reflector->error says more.
 */
int reflector_end_read(struct reflector *reflector);

/**
 * reflector_end_list() - the list is complete: tell what is gone.
 * @version: of the list; not empty.
 * Return: 0; what a callback returned: then the list has not ended.
 */
int reflector_end_list(struct reflector *reflector, const char *version);

/** reflector_sweep() - tell what was not in the list that ends. Return: 0, or the callback's. */
int reflector_sweep(struct reflector *reflector);

/** reflector_has_event() - a watch told something. */
void reflector_has_event(struct reflector *reflector);

#endif
