/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the answers: lists and events. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/json_arena.h"
#include "source/json_peek.h"
#include "source/parse.h"
#include "source/reflector_private.h"
#include "source/text_hash.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/one_line.h"

/* An object in etcd has 1.5 MB at most. */
#define MAX_OBJECT_BYTES   (8u << 20)
#define MAX_OBJECTS	   (1u << 20)
#define NAME_BYTES	   254
#define KEEP_TRIMMED_BYTES (512u << 10)
#define GONE		   410
#define INITIAL_EVENTS_END "k8s.io/initial-events-end"

static int stop(struct reflector *reflector, enum reflector_stop why, int error)
{
	reflector->stop = why;
	return error;
}

__attribute__((format(printf, 2, 3))) static int garbage(struct reflector *reflector,
							 const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reflector->error, sizeof(reflector->error), format, args);
	va_end(args);
	return stop(reflector, STOP_GARBAGE, -EPROTO);
}

/* ------------------------------------------------------------------ small texts */

static const char *string_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

static bool is_text(const struct json_text *text, const char *wanted)
{
	return text->at && text->len == strlen(wanted) && memcmp(text->at, wanted, text->len) == 0;
}

/* Copies a string if it fits and is not empty. Return: whether it did. */
static bool copy_text(const struct json_text *text, char *buf, size_t size)
{
	if (!text->at || text->len == 0 || text->len >= size)
		return false;
	memcpy(buf, text->at, text->len);
	buf[text->len] = '\0';
	return true;
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

/* Whether version @a is of an earlier state than @b; both are numbers, without zeros in front. */
static bool is_older(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);

	return a_len != b_len ? a_len < b_len : strcmp(a, b) < 0;
}

/* ------------------------------------------------------------------ objects */

/* What is known of an object's state: a resourceVersion alone may come twice if etcd was wiped. */
static uint64_t version_of(const struct json_peek *peek)
{
	uint64_t hash;

	if (!peek->uid.at || !peek->resource_version.at)
		return 0;
	hash = text_hash(0, peek->uid.at, peek->uid.len);
	return text_hash(hash, peek->resource_version.at, peek->resource_version.len) | 1;
}

/** struct key - an object's name. */
struct key {
	char namespace[NAME_BYTES];
	char name[NAME_BYTES];
};

static int key_of(struct reflector *reflector, const struct json_peek *peek, struct key *ret)
{
	if (!copy_text(&peek->name, ret->name, sizeof(ret->name)))
		return garbage(reflector, "an object without a name");
	if (!copy_text(&peek->namespace, ret->namespace, sizeof(ret->namespace)))
		snprintf(ret->namespace, sizeof(ret->namespace), "%s",
			 reflector->resource->is_cluster_scoped ? "" : "default");
	return 0;
}

/* Copies a text without the members that are not needed. Return: its length, or negative errno. */
static ssize_t trim(struct reflector *reflector, const char *text, size_t len)
{
	if (len > reflector->trimmed_max) {
		char *grown = realloc(reflector->trimmed, len * 2);

		if (!grown)
			return -ENOMEM;
		reflector->trimmed = grown;
		reflector->trimmed_max = len * 2;
	}
	memcpy(reflector->trimmed, text, len);
	for (const char *const *key = reflector->resource->trim; *key; key++)
		len = json_trim(reflector->trimmed, len, *key);
	return (ssize_t)len;
}

static const cJSON *parse(struct reflector *reflector, const char *text, size_t len)
{
	ssize_t trimmed = trim(reflector, text, len);

	if (trimmed < 0)
		return NULL;
	return json_arena_parse(reflector->options.arena, reflector->trimmed, (size_t)trimmed);
}

/* Gives an object to the receiver. @text: the object, or an event that has it as "object". */
static int put(struct reflector *reflector, struct known_object *known, const char *text,
	       size_t len)
{
	const cJSON *tree = parse(reflector, text, len);
	const cJSON *object = tree;
	int r;

	if (reflector->request == REQUEST_WATCH_LIST || reflector->request == REQUEST_WATCH)
		object = cJSON_GetObjectItemCaseSensitive(tree, "object");
	if (!cJSON_IsObject(object)) {
		json_arena_reset(reflector->options.arena);
		return garbage(reflector, "%s%s%s: not JSON", known->namespace,
			       *known->namespace ? "/" : "", known->name);
	}
	r = reflector->events.put(reflector->events.arg, known->namespace, known->name, object);
	json_arena_reset(reflector->options.arena);
	if (r < 0)
		return stop(reflector, STOP_RECEIVER, r);
	known->is_told |= r == 0;
	return 0;
}

/* An object that is there: tells it if it is not known as it is. */
static int tell(struct reflector *reflector, const struct json_peek *peek, const char *text,
		size_t len)
{
	const uint64_t version = version_of(peek);
	struct known_object *known;
	struct key key;
	int r;

	if (reflector->is_listing && ++reflector->n_list_objects > MAX_OBJECTS)
		return garbage(reflector, "more than %u objects", MAX_OBJECTS);
	r = key_of(reflector, peek, &key);
	if (r < 0)
		return r;
	r = known_get(&reflector->known, key.namespace, key.name, &known);
	if (r < 0)
		return stop(reflector, STOP_RECEIVER, r);
	known->mark = reflector->mark;
	if (version && known->version == version)
		return 0;
	r = put(reflector, known, text, len);
	if (r == 0)
		known->version = version;
	return r;
}

static int tell_removed(struct reflector *reflector, const struct known_object *known)
{
	return reflector->events.remove(reflector->events.arg, known->namespace, known->name,
					known->is_told);
}

static int tell_deleted(struct reflector *reflector, const struct json_peek *peek)
{
	struct known_object *known;
	struct key key;
	int r = key_of(reflector, peek, &key);

	if (r < 0)
		return r;
	known = known_find(&reflector->known, key.namespace, key.name);
	if (!known)
		return 0;
	r = tell_removed(reflector, known);
	if (r < 0)
		return stop(reflector, STOP_RECEIVER, r);
	known_remove(&reflector->known, known);
	return 0;
}

static int sweep_one(void *arg, const struct known_object *known)
{
	return tell_removed(arg, known);
}

int reflector_sweep(struct reflector *reflector)
{
	return known_sweep(&reflector->known, reflector->mark, sweep_one, reflector);
}

/* ------------------------------------------------------------------ lists */

static int read_list_metadata(struct reflector *reflector, const char *text, size_t len)
{
	const cJSON *metadata = json_arena_parse(reflector->options.arena, text, len);
	const char *next = string_of(metadata, "continue");
	int n = snprintf(reflector->list_version, sizeof(reflector->list_version), "%s",
			 string_of(metadata, "resourceVersion"));

	if (n < 0 || (size_t)n >= sizeof(reflector->list_version))
		return garbage(reflector, "a resourceVersion of %d bytes", n);
	free(reflector->list_continue);
	reflector->list_continue = *next ? strdup(next) : NULL;
	if (*next && !reflector->list_continue)
		return stop(reflector, STOP_RECEIVER, -ENOMEM);
	json_arena_reset(reflector->options.arena);
	return 0;
}

static int read_list_member(void *arg, const char *key, const char *text, size_t len)
{
	struct reflector *reflector = arg;
	const char *kind = reflector->resource->list_kind;

	if (strcmp(key, "metadata") == 0)
		return read_list_metadata(reflector, text, len);
	if (strcmp(key, "kind") != 0)
		return 0;
	if (len != strlen(kind) + 2 || memcmp(text + 1, kind, len - 2) != 0)
		return garbage(reflector, "%.*s in place of a %s", len < 64 ? (int)len : 64, text,
			       kind);
	reflector->is_list_kind_right = true;
	return 0;
}

/* What was not changed since our version must be known as it is, or it has another history. */
static void compare(struct reflector *reflector, const struct json_peek *peek)
{
	const struct known_object *known;
	char version[REFLECTOR_VERSION_MAX];
	struct key key;

	if (!copy_text(&peek->resource_version, version, sizeof(version)) ||
	    is_older(reflector->version, version) || key_of(reflector, peek, &key) < 0)
		return;
	known = known_find(&reflector->known, key.namespace, key.name);
	if (!known || known->version != version_of(peek))
		reflector->is_diverged = true;
}

static int read_item(void *arg, const char *text, size_t len)
{
	struct reflector *reflector = arg;
	struct json_peek peek;

	if (json_peek_object(text, len, &peek) < 0)
		return garbage(reflector, "an item that is no object with metadata");
	if (reflector->request != REQUEST_PROBE)
		return tell(reflector, &peek, text, len);
	compare(reflector, &peek);
	return 0;
}

/* ------------------------------------------------------------------ events */

static int read_error(struct reflector *reflector, const cJSON *status)
{
	const cJSON *code = cJSON_GetObjectItemCaseSensitive(status, "code");

	snprintf(reflector->error, sizeof(reflector->error), "%s", string_of(status, "message"));
	one_line_make(reflector->error, ' ');
	reflector->stop_code = cJSON_IsNumber(code) ? code->valueint : 0;
	return stop(reflector, reflector->stop_code == GONE ? STOP_GONE : STOP_STATUS, -EREMOTEIO);
}

/* While a list runs, only the bookmark at its end counts: any other says what was sent only. */
static int read_bookmark(struct reflector *reflector, const cJSON *object)
{
	const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	const cJSON *annotations = cJSON_GetObjectItemCaseSensitive(metadata, "annotations");
	const char *version = string_of(metadata, "resourceVersion");
	int r;

	if (!*version || strlen(version) >= sizeof(reflector->version))
		return 0;
	if (!reflector->is_listing) {
		snprintf(reflector->version, sizeof(reflector->version), "%s", version);
		return 0;
	}
	if (strcmp(string_of(annotations, INITIAL_EVENTS_END), "true") != 0)
		return 0;
	r = reflector_end_list(reflector, version);
	return r < 0 ? stop(reflector, STOP_RECEIVER, r) : 0;
}

/* BOOKMARK and ERROR: they are small and rare. */
static int read_notice(struct reflector *reflector, bool is_error, const char *text, size_t len)
{
	const cJSON *event = json_arena_parse(reflector->options.arena, text, len);
	const cJSON *object = cJSON_GetObjectItemCaseSensitive(event, "object");
	int r;

	if (!cJSON_IsObject(object))
		r = garbage(reflector, "an event that is not JSON");
	else if (is_error)
		r = read_error(reflector, object);
	else
		r = read_bookmark(reflector, object);
	json_arena_reset(reflector->options.arena);
	return r;
}

static int read_change(struct reflector *reflector, const struct json_peek *peek, const char *text,
		       size_t len)
{
	int r;

	if (is_text(&peek->type, "DELETED"))
		r = tell_deleted(reflector, peek);
	else if (is_text(&peek->type, "ADDED") || is_text(&peek->type, "MODIFIED"))
		r = tell(reflector, peek, text, len);
	else
		return garbage(reflector, "an event of type \"%.*s\"",
			       peek->type.len < 32 ? (int)peek->type.len : 32, peek->type.at);
	if (r < 0)
		return r;
	/* the first events of a list come in any order: none of their versions is that of all */
	if (reflector->is_listing)
		return 0;
	reflector->n_events++;
	copy_text(&peek->resource_version, reflector->version, sizeof(reflector->version));
	return 0;
}

static int read_event(void *arg, const char *text, size_t len)
{
	struct reflector *reflector = arg;
	struct json_peek peek;
	bool is_error;

	if (json_peek_event(text, len, &peek) < 0)
		return garbage(reflector, "not an event: %.*s", len < 64 ? (int)len : 64, text);
	is_error = is_text(&peek.type, "ERROR");
	if (is_error || is_text(&peek.type, "BOOKMARK"))
		return read_notice(reflector, is_error, text, len);
	return read_change(reflector, &peek, text, len);
}

/* ------------------------------------------------------------------ streams */

static bool is_list_request(const struct reflector *reflector)
{
	return reflector->request == REQUEST_PROBE || reflector->request == REQUEST_PAGE;
}

void reflector_begin_read(struct reflector *reflector)
{
	const struct json_stream_limits limits = {
		.max_bytes = MAX_OBJECT_BYTES,
		.max_depth = PARSE_MAX_DEPTH,
		.max_objects = is_list_request(reflector) ? MAX_OBJECTS : 0,
	};
	const struct json_stream_events list_events = {read_list_member, read_item, reflector};
	const struct json_stream_events watch_events = {NULL, read_event, reflector};

	if (is_list_request(reflector))
		json_stream_init(&reflector->stream, JSON_STREAM_LIST, &limits, &list_events);
	else
		json_stream_init(&reflector->stream, JSON_STREAM_WATCH, &limits, &watch_events);
	if (reflector->trimmed_max > KEEP_TRIMMED_BYTES) {
		free(reflector->trimmed);
		reflector->trimmed = NULL;
		reflector->trimmed_max = 0;
	}
	reflector->stop = STOP_NONE;
	reflector->list_version[0] = '\0';
	reflector->is_list_kind_right = false;
	reflector->is_diverged = false;
	reflector->has_event = false;
}

int reflector_read(void *arg, const char *data, size_t len)
{
	struct reflector *reflector = arg;
	const uint64_t now_ms = clock_now_ms();
	const size_t n_listed = reflector->n_list_objects;
	int r;

	/* a probe brings nothing new: it counts once the watch after it works */
	if (reflector->request != REQUEST_PROBE)
		reflector->contact_ms = now_ms;
	r = json_stream_push(&reflector->stream, data, len);
	if (reflector->n_list_objects != n_listed)
		reflector->progress_ms = now_ms;
	if (r < 0 && reflector->stop == STOP_NONE)
		return *reflector->stream.error ? garbage(reflector, "%s", reflector->stream.error)
						: stop(reflector, STOP_RECEIVER, r);
	if (r == 0 && !is_list_request(reflector))
		reflector_has_event(reflector);
	return r;
}

int reflector_end_read(struct reflector *reflector)
{
	int r = json_stream_end(&reflector->stream);

	if (r < 0)
		snprintf(reflector->error, sizeof(reflector->error), "%s", reflector->stream.error);
	if (r < 0 || !is_list_request(reflector))
		return r;
	if (!reflector->is_list_kind_right)
		return garbage(reflector, "not a %s", reflector->resource->list_kind);
	if (!*reflector->list_version)
		return garbage(reflector, "a list without resourceVersion");
	if (!is_number(reflector->list_version) ||
	    is_older(reflector->list_version, reflector->version))
		reflector->is_diverged = true;
	return 0;
}
