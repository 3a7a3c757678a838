/* SPDX-License-Identifier: Apache-2.0 */
#include "source/json_stream.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_HELD_BYTES 16384
/* More than this is given back when a stream begins anew. */
#define KEEP_HELD_BYTES (512u << 10)

/** enum state - what must come next. */
enum state {
	AT_LIST,       /* { */
	AT_FIRST_KEY,  /* a name, or } */
	AT_KEY,	       /* a name */
	IN_KEY,	       /* the rest of it */
	AT_COLON,      /* : */
	AT_VALUE,      /* any value */
	IN_VALUE,      /* the rest of a string, list or object */
	IN_WORD,       /* the rest of a number, true, false or null */
	AT_COMMA,      /* , or } */
	AT_FIRST_ITEM, /* { or ] */
	AT_ITEM,       /* { */
	IN_ITEM,       /* the rest of it */
	AT_ITEM_COMMA, /* , or ] */
	AT_END,	       /* nothing */
	AT_EVENT,      /* { or nothing */
	IN_EVENT,      /* the rest of it */
};

/* Bytes that matter: a table, since nearly all do not. */
#define IS_QUOTE  0x1
#define IS_ESCAPE 0x2
#define IS_OPEN	  0x4
#define IS_CLOSE  0x8

static const uint8_t classes[256] = {
	['"'] = IS_QUOTE, ['\\'] = IS_ESCAPE, ['{'] = IS_OPEN,
	['['] = IS_OPEN,  ['}'] = IS_CLOSE,   [']'] = IS_CLOSE,
};

/** struct piece - the bytes being pushed. @start: where the value that is read begins in them. */
struct piece {
	const char *start;
	const char *at;
	const char *end;
};

static int fail_at(struct json_stream *stream, const struct piece *piece, const char *wanted)
{
	const unsigned char c = (unsigned char)*piece->at;

	snprintf(stream->error, sizeof(stream->error),
		 isprint(c) ? "not JSON: %s is missing before '%c'"
			    : "not JSON: %s is missing before byte 0x%02x",
		 wanted, c);
	return -EPROTO;
}

static int fail_limit(struct json_stream *stream, const char *what, size_t limit)
{
	snprintf(stream->error, sizeof(stream->error), "object %zu: %s %zu", stream->n_objects + 1,
		 what, limit);
	return -EMSGSIZE;
}

void json_stream_init(struct json_stream *stream, enum json_stream_mode mode,
		      const struct json_stream_limits *limits,
		      const struct json_stream_events *events)
{
	if (stream->held_max > KEEP_HELD_BYTES)
		json_stream_clear(stream);
	stream->mode = mode;
	stream->limits = *limits;
	stream->events = *events;
	stream->state = mode == JSON_STREAM_LIST ? AT_LIST : AT_EVENT;
	stream->depth = 0;
	stream->is_in_string = false;
	stream->is_escaped = false;
	stream->held_len = 0;
	stream->has_items = false;
	stream->n_objects = 0;
	stream->error[0] = '\0';
}

void json_stream_clear(struct json_stream *stream)
{
	free(stream->held);
	stream->held = NULL;
	stream->held_len = 0;
	stream->held_max = 0;
}

/* ------------------------------------------------------------------ inside of a value */

/* Goes on in a string up to its end. Return: whether that was there. */
static bool scan_string(struct json_stream *stream, struct piece *piece)
{
	const char *at = piece->at, *end = piece->end;

	if (stream->is_escaped && at < end) {
		stream->is_escaped = false;
		at++;
	}
	for (;;) {
		while (at < end && !(classes[(uint8_t)*at] & (IS_QUOTE | IS_ESCAPE)))
			at++;
		if (at >= end)
			break;
		if (*at == '"') {
			stream->is_in_string = false;
			piece->at = at + 1;
			return true;
		}
		if (++at == end) {
			stream->is_escaped = true;
			break;
		}
		at++;
	}
	piece->at = end;
	return false;
}

/*
 * Goes on in a string, list or object up to its end; that brackets match is the parser's to see.
 * Return: 1: the end was there; 0: more must come; -EMSGSIZE.
 */
static int scan_value(struct json_stream *stream, struct piece *piece)
{
	const uint8_t counts = IS_QUOTE | IS_OPEN | IS_CLOSE;

	while (piece->at < piece->end) {
		uint8_t class;

		if (stream->is_in_string) {
			if (!scan_string(stream, piece))
				return 0;
			if (stream->depth == 0)
				return 1;
		}
		while (piece->at < piece->end && !(classes[(uint8_t)*piece->at] & counts))
			piece->at++;
		if (piece->at == piece->end)
			return 0;
		class = classes[(uint8_t)*piece->at++];
		if (class == IS_QUOTE)
			stream->is_in_string = true;
		else if (class == IS_CLOSE && --stream->depth == 0)
			return 1;
		else if (class == IS_OPEN && ++stream->depth > stream->limits.max_depth)
			return fail_limit(stream, "nested deeper than", stream->limits.max_depth);
	}
	return 0;
}

/* Keeps what the piece has of the value. */
static int hold(struct json_stream *stream, struct piece *piece)
{
	const size_t len = (size_t)(piece->at - piece->start);
	const size_t needed = stream->held_len + len;
	size_t wanted = stream->held_max ? stream->held_max : FIRST_HELD_BYTES;
	char *grown;

	if (needed > stream->limits.max_bytes)
		return fail_limit(stream, "longer than bytes:", stream->limits.max_bytes);
	while (wanted < needed)
		wanted *= 2;
	if (wanted > stream->held_max) {
		grown = realloc(stream->held, wanted);
		if (!grown)
			return -ENOMEM;
		stream->held = grown;
		stream->held_max = wanted;
	}
	memcpy(stream->held + stream->held_len, piece->start, len);
	stream->held_len = needed;
	piece->start = piece->at;
	return 0;
}

/* The whole value: from the piece itself if it all came in it. */
static int take_value(struct json_stream *stream, struct piece *piece, const char **ret_text,
		      size_t *ret_len)
{
	const size_t len = (size_t)(piece->at - piece->start);
	int r;

	if (stream->held_len == 0 && len <= stream->limits.max_bytes) {
		*ret_text = piece->start;
		*ret_len = len;
		return 0;
	}
	r = hold(stream, piece);
	if (r < 0)
		return r;
	*ret_text = stream->held;
	*ret_len = stream->held_len;
	stream->held_len = 0;
	return 0;
}

/* ------------------------------------------------------------------ what is complete */

static int take_key(struct json_stream *stream, struct piece *piece)
{
	const char *text;
	size_t len;
	int r = take_value(stream, piece, &text, &len);

	if (r < 0)
		return r;
	/* a name that is too long is none that counts */
	if (len - 2 >= sizeof(stream->key))
		len = 2;
	memcpy(stream->key, text + 1, len - 2);
	stream->key[len - 2] = '\0';
	stream->state = AT_COLON;
	return 0;
}

static int take_member(struct json_stream *stream, struct piece *piece)
{
	const char *text;
	size_t len;
	int r = take_value(stream, piece, &text, &len);

	if (r < 0)
		return r;
	stream->state = AT_COMMA;
	if (strcmp(stream->key, "items") == 0) {
		/* Go writes a list that was never made as null */
		if (len != 4 || memcmp(text, "null", 4) != 0) {
			snprintf(stream->error, sizeof(stream->error), "items: not a list");
			return -EPROTO;
		}
		stream->has_items = true;
		return 0;
	}
	return stream->events.member
		       ? stream->events.member(stream->events.arg, stream->key, text, len)
		       : 0;
}

static int take_object(struct json_stream *stream, struct piece *piece)
{
	const size_t max_objects = stream->limits.max_objects;
	const char *text;
	size_t len;
	int r = take_value(stream, piece, &text, &len);

	if (r < 0)
		return r;
	if (max_objects && stream->n_objects == max_objects)
		return fail_limit(stream, "more objects than", max_objects);
	stream->n_objects++;
	stream->state = stream->mode == JSON_STREAM_LIST ? AT_ITEM_COMMA : AT_EVENT;
	return stream->events.object(stream->events.arg, text, len);
}

/* Reads on in a value. Return: 0 or negative errno. */
static int go_on(struct json_stream *stream, struct piece *piece)
{
	int r;

	piece->start = piece->at;
	r = scan_value(stream, piece);
	if (r < 0)
		return r;
	if (r == 0)
		return hold(stream, piece);
	switch ((enum state)stream->state) {
	case IN_KEY:
		return take_key(stream, piece);
	case IN_VALUE:
		return take_member(stream, piece);
	default:
		return take_object(stream, piece);
	}
}

static int go_on_word(struct json_stream *stream, struct piece *piece)
{
	piece->start = piece->at;
	while (piece->at < piece->end && *piece->at != ',' && *piece->at != '}' &&
	       !isspace((unsigned char)*piece->at))
		piece->at++;
	return piece->at == piece->end ? hold(stream, piece) : take_member(stream, piece);
}

/* ------------------------------------------------------------------ around the values */

/* Begins a string, list or object. */
static int begin(struct json_stream *stream, struct piece *piece, enum state state)
{
	stream->state = state;
	return go_on(stream, piece);
}

static int begin_member(struct json_stream *stream, struct piece *piece)
{
	const char c = *piece->at;

	if (c == '[' && strcmp(stream->key, "items") == 0) {
		stream->has_items = true;
		stream->state = AT_FIRST_ITEM;
		piece->at++;
		return 0;
	}
	if (c == '{' || c == '[' || c == '"')
		return begin(stream, piece, IN_VALUE);
	if (c == ',' || c == '}' || c == ']' || c == ':')
		return fail_at(stream, piece, "a value");
	stream->state = IN_WORD;
	return go_on_word(stream, piece);
}

/* Takes one byte that must be there: @a, or @b if that is not 0. */
static int take_byte(struct json_stream *stream, struct piece *piece, const char *a, const char *b)
{
	char wanted[16];

	if (*piece->at != *a && (!b || *piece->at != *b)) {
		snprintf(wanted, sizeof(wanted), b ? "'%s' or '%s'" : "'%s'", a, b);
		return fail_at(stream, piece, wanted);
	}
	piece->at++;
	return 0;
}

static int step_punctuation(struct json_stream *stream, struct piece *piece)
{
	const char c = *piece->at;

	switch ((enum state)stream->state) {
	case AT_LIST:
		stream->state = AT_FIRST_KEY;
		return take_byte(stream, piece, "{", NULL);
	case AT_COLON:
		stream->state = AT_VALUE;
		return take_byte(stream, piece, ":", NULL);
	case AT_COMMA:
		stream->state = c == '}' ? AT_END : AT_KEY;
		return take_byte(stream, piece, ",", "}");
	case AT_ITEM_COMMA:
		stream->state = c == ']' ? AT_COMMA : AT_ITEM;
		return take_byte(stream, piece, ",", "]");
	default:
		return fail_at(stream, piece, "the end");
	}
}

/* Reads what begins here, which is no white space. */
static int step(struct json_stream *stream, struct piece *piece)
{
	const char c = *piece->at;

	switch ((enum state)stream->state) {
	case AT_FIRST_KEY:
	case AT_KEY:
		if (c == '"')
			return begin(stream, piece, IN_KEY);
		if (c != '}' || stream->state == AT_KEY)
			return fail_at(stream, piece, "a name");
		stream->state = AT_END;
		piece->at++;
		return 0;
	case AT_VALUE:
		return begin_member(stream, piece);
	case AT_FIRST_ITEM:
	case AT_ITEM:
		if (c == '{')
			return begin(stream, piece, IN_ITEM);
		if (c != ']' || stream->state == AT_ITEM)
			return fail_at(stream, piece, "an object");
		stream->state = AT_COMMA;
		piece->at++;
		return 0;
	case AT_EVENT:
		if (c != '{')
			return fail_at(stream, piece, "an object");
		return begin(stream, piece, IN_EVENT);
	default:
		return step_punctuation(stream, piece);
	}
}

static bool is_inside(const struct json_stream *stream)
{
	return stream->state == IN_KEY || stream->state == IN_VALUE || stream->state == IN_ITEM ||
	       stream->state == IN_EVENT;
}

int json_stream_push(struct json_stream *stream, const char *data, size_t len)
{
	struct piece piece = {.start = data, .at = data, .end = data + len};
	int r = 0;

	while (r == 0 && piece.at < piece.end) {
		if (is_inside(stream))
			r = go_on(stream, &piece);
		else if (stream->state == IN_WORD)
			r = go_on_word(stream, &piece);
		else if (*piece.at == ' ' || *piece.at == '\n' || *piece.at == '\r' ||
			 *piece.at == '\t')
			piece.at++;
		else
			r = step(stream, &piece);
	}
	return r;
}

int json_stream_end(struct json_stream *stream)
{
	if (stream->state == AT_EVENT)
		return 0;
	if (stream->state != AT_END) {
		snprintf(stream->error, sizeof(stream->error), "cut off after %zu whole objects",
			 stream->n_objects);
		return -EPIPE;
	}
	if (!stream->has_items) {
		snprintf(stream->error, sizeof(stream->error), "not a list: it has no items");
		return -EPROTO;
	}
	return 0;
}
