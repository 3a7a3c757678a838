/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an API server sends, as a list and as a watch. The first bytes of an input say in pieces of
 * which length the rest comes; the objects must be those of the same text in one piece. Each is
 * then looked at, cut down, parsed and decoded, as by the reflectors.
 */
#include <cjson/cJSON.h>

#include "fuzz.h"
#include "source/decode.h"
#include "source/decode_endpoints.h"
#include "source/json.h"
#include "source/json_arena.h"
#include "source/json_peek.h"
#include "source/json_stream.h"
#include "source/text_hash.h"
#include "util/cleanup.h"
#include "util/strings.h"

#define N_LENGTHS 4

static const struct json_stream_limits limits = {
	.max_bytes = 4096,
	.max_depth = 100,
	.max_objects = 64,
};

static const char *const trimmed_names[] = {"managedFields", "targetRef", "images"};

/**
 * struct reading - one reading of a stream.
 * @arena: NULL: the objects are not looked at.
 * @hash: of all that was told.
 */
struct reading {
	enum json_stream_mode mode;
	struct json_arena *arena;
	struct strings *pool;
	uint64_t hash;
};

static void json_freep(cJSON **item)
{
	cJSON_Delete(*item);
}

/* ------------------------------------------------------------------ trimming */

static bool is_trimmed(const cJSON *node)
{
	for (size_t i = 0; i < ARRAY_SIZE(trimmed_names); i++)
		if (node->string && strcmp(node->string, trimmed_names[i]) == 0)
			return true;
	return false;
}

/* What json_trim() does, on a tree. */
static void remove_trimmed(cJSON *parent)
{
	cJSON *next;

	for (cJSON *node = parent->child; node; node = next) {
		next = node->next;
		if (is_trimmed(node))
			cJSON_Delete(cJSON_DetachItemViaPointer(parent, node));
		else
			remove_trimmed(node);
	}
}

/* Whether two texts are the same but for what is trimmed; also when the first is no good JSON. */
static bool is_same(const char *before, size_t before_len, const char *after, size_t after_len)
{
	_cleanup_(json_freep) cJSON *a = cJSON_ParseWithLength(before, before_len);
	_cleanup_(json_freep) cJSON *b = cJSON_ParseWithLength(after, after_len);

	if (!a || !json_is_valid(before, before_len))
		return true;
	if (!b)
		return false;
	remove_trimmed(a);
	remove_trimmed(b);
	return text_hash_json(a) == text_hash_json(b);
}

/* Return: the new length. */
static size_t trim(char *text, size_t len)
{
	_free_ char *before = fuzz_copy(text, len);
	const size_t before_len = len;

	for (size_t i = 0; i < ARRAY_SIZE(trimmed_names); i++) {
		char key[32];

		snprintf(key, sizeof(key), "\"%s\":", trimmed_names[i]);
		len = json_trim(text, len, key);
		fuzz_assert(len <= before_len);
	}
	fuzz_assert(is_same(before, before_len, text, len));
	return len;
}

/* ------------------------------------------------------------------ objects */

/* A failure must say why, in one line. */
static void check_error(int r, const struct decode_error *error)
{
	fuzz_assert(r == 0 || (*error->text && !strchr(error->text, '\n')));
}

static void decode(const cJSON *object, struct strings *pool)
{
	struct k8s_service *service = NULL;
	struct k8s_slice *slice = NULL;
	struct k8s_node *node = NULL;
	struct mirror *mirror = NULL;
	struct decode_error error = {};

	check_error(decode_service(object, pool, &service, &error), &error);
	check_error(decode_slice(object, pool, &slice, &error), &error);
	check_error(decode_node(object, pool, &node, &error), &error);
	check_error(decode_endpoints(object, pool, &mirror, &error), &error);
	k8s_service_free(pool, service);
	k8s_slice_free(pool, slice);
	k8s_node_free(pool, node);
	mirror_free(pool, mirror);
	fuzz_assert(strings_count(pool) == 0);
}

/* What was found must lie in the text. */
static void check_peek(const struct json_peek *peek, const char *text, size_t len)
{
	const struct json_text *const found[] = {
		&peek->type, &peek->name, &peek->namespace, &peek->uid, &peek->resource_version,
	};

	for (size_t i = 0; i < ARRAY_SIZE(found); i++)
		if (found[i]->at)
			fuzz_assert(found[i]->at > text && found[i]->at[-1] == '"' &&
				    found[i]->at + found[i]->len < text + len &&
				    found[i]->at[found[i]->len] == '"');
}

static int read_object(void *arg, const char *text, size_t len)
{
	struct reading *reading = arg;
	const bool is_watch = reading->mode == JSON_STREAM_WATCH;
	_free_ char *copy = fuzz_copy(text, len);
	const cJSON *object;
	struct json_peek peek;

	reading->hash = text_hash(reading->hash, text, len);
	if (!reading->arena)
		return 0;
	if ((is_watch ? json_peek_event : json_peek_object)(copy, len, &peek) == 0)
		check_peek(&peek, copy, len);
	len = trim(copy, len);
	object = json_arena_parse(reading->arena, copy, len);
	if (is_watch)
		object = cJSON_GetObjectItemCaseSensitive(object, "object");
	if (object)
		decode(object, reading->pool);
	json_arena_reset(reading->arena);
	return 0;
}

static int read_member(void *arg, const char *key, const char *text, size_t len)
{
	struct reading *reading = arg;

	reading->hash = text_hash(reading->hash, key, strlen(key));
	reading->hash = text_hash(reading->hash, text, len);
	if (reading->arena)
		json_arena_parse(reading->arena, text, len);
	return 0;
}

/* ------------------------------------------------------------------ streams */

/* @lengths: of the pieces, in turn; NULL: one piece. Return: what the stream says. */
static int read_stream(struct reading *reading, const char *text, size_t len,
		       const uint8_t *lengths)
{
	const struct json_stream_events events = {read_member, read_object, reading};
	struct json_stream stream = {};
	int r = 0;

	json_stream_init(&stream, reading->mode, &limits, &events);
	for (size_t at = 0, i = 0; r == 0 && at < len; i++) {
		const size_t wanted = lengths ? lengths[i % N_LENGTHS] + 1u : len;
		const size_t n = wanted < len - at ? wanted : len - at;
		_free_ char *piece = fuzz_copy(text + at, n);

		r = json_stream_push(&stream, piece, n);
		at += n;
	}
	if (r == 0)
		r = json_stream_end(&stream);
	fuzz_assert(r == 0 || *stream.error);
	json_stream_clear(&stream);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const enum json_stream_mode modes[] = {JSON_STREAM_LIST, JSON_STREAM_WATCH};
	struct json_arena *arena;
	struct strings *pool;

	if (size < N_LENGTHS)
		return 0;
	fuzz_assert(json_arena_new(&arena) == 0);
	fuzz_assert(strings_new(&pool) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct reading whole = {.mode = modes[i], .arena = arena, .pool = pool};
		struct reading pieces = {.mode = modes[i]};
		const char *text = (const char *)data + N_LENGTHS;
		const int r = read_stream(&whole, text, size - N_LENGTHS, NULL);

		fuzz_assert(read_stream(&pieces, text, size - N_LENGTHS, data) == r);
		fuzz_assert(pieces.hash == whole.hash);
	}
	strings_free(pool);
	json_arena_free(arena);
	return 0;
}
