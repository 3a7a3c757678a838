/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts a stream of JSON, in whatever pieces it comes, into the objects that count: the items of a
 * list, or the events of a watch. Holds one object at a time, and none that came in one piece.
 */
#ifndef SVCBPF_SOURCE_JSON_STREAM_H
#define SVCBPF_SOURCE_JSON_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** enum json_stream_mode - what comes. */
enum json_stream_mode {
	JSON_STREAM_LIST,  /* one object, of whose member "items" the elements count */
	JSON_STREAM_WATCH, /* object after object */
};

/**
 * struct json_stream_limits - what is refused. @max_bytes: of one object.  @max_depth: objects and
 * lists within each other, in one object.  @max_objects: in one stream; 0: any number.
 */
struct json_stream_limits {
	size_t max_bytes;
	size_t max_depth;
	size_t max_objects;
};

/**
 * struct json_stream_events - what the stream tells; a negative return ends json_stream_push() and
 * is returned by it.
 * @member: of the list, each member but "items": its name, and its value as it stands there. May be
 *	NULL.
 * @object: an item or event: balanced, no more is known. The text is borrowed for the call.
 */
struct json_stream_events {
	int (*member)(void *arg, const char *key, const char *text, size_t len);
	int (*object)(void *arg, const char *text, size_t len);
	void *arg;
};

/** JSON_STREAM_KEY_MAX - bytes for the name of a list's member, NUL included. */
#define JSON_STREAM_KEY_MAX 64

/**
 * struct json_stream - a stream; zero but for what json_stream_init() sets.
 * @state: what must come next, of the outermost value.
 * @depth, @is_in_string, @is_escaped: where we are within the value that is read.
 * @held: what came of that value in earlier pieces.
 * @key: the member of the list that is read.
 * @has_items: "items" was seen, and was a list or null.
 * @error: one line; "" for none.
 */
struct json_stream {
	enum json_stream_mode mode;
	struct json_stream_limits limits;
	struct json_stream_events events;
	int state;
	size_t depth;
	bool is_in_string;
	bool is_escaped;
	char *held;
	size_t held_len;
	size_t held_max;
	char key[JSON_STREAM_KEY_MAX];
	bool has_items;
	size_t n_objects;
	char error[128];
};

/** json_stream_init() - begin a stream; one that ended is begun anew. @events: copied. */
void json_stream_init(struct json_stream *stream, enum json_stream_mode mode,
		      const struct json_stream_limits *limits,
		      const struct json_stream_events *events);

/** json_stream_clear() - free what it holds; it may be begun again. */
void json_stream_clear(struct json_stream *stream);

/**
 * json_stream_push() - some bytes more.
 * Return: 0; -EPROTO: not what was expected; -EMSGSIZE: a limit; both with @stream->error;
 * -ENOMEM; what a callback returned. After a failure the stream must be begun anew.
 */
int json_stream_push(struct json_stream *stream, const char *data, size_t len);

/**
 * json_stream_end() - no more comes.
 * Return: 0; -EPIPE: it was cut in the middle; -EPROTO: a "list" without items; both with
 * @stream->error.
 */
int json_stream_end(struct json_stream *stream);

#endif
