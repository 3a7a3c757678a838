/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of JSON, cut anywhere. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/json_stream.h"
#include "util/cleanup.h"

/** struct heard - what a stream told: "key=value;" and "[object]". */
struct heard {
	char text[8192];
	int fail_with;
};

__attribute__((format(printf, 2, 3))) static void add(struct heard *heard, const char *format, ...)
{
	size_t len = strlen(heard->text);
	va_list args;

	va_start(args, format);
	vsnprintf(heard->text + len, sizeof(heard->text) - len, format, args);
	va_end(args);
}

static int on_member(void *arg, const char *key, const char *text, size_t len)
{
	add(arg, "%s=%.*s;", key, (int)len, text);
	return 0;
}

static int on_object(void *arg, const char *text, size_t len)
{
	struct heard *heard = arg;

	add(heard, "[%.*s]", (int)len, text);
	return heard->fail_with;
}

static const struct json_stream_limits limits = {
	.max_bytes = 1000, .max_depth = 5, .max_objects = 4};

/* Pushes a text in pieces: up to @first, then of @size bytes. Return: of the first that fails. */
static int push(struct json_stream *stream, const char *text, size_t first, size_t size)
{
	size_t len = strlen(text), at = 0;
	int r = 0;

	while (r == 0 && at < len) {
		size_t piece_len = at == 0 && first ? first : size;
		_free_ char *piece = NULL;

		if (piece_len > len - at)
			piece_len = len - at;
		/* a copy, so that a sanitizer sees a read beyond its end */
		piece = malloc(piece_len);
		cr_assert_not_null(piece);
		memcpy(piece, text + at, piece_len);
		r = json_stream_push(stream, piece, piece_len);
		at += piece_len;
	}
	return r < 0 ? r : json_stream_end(stream);
}

static int read_pieces(enum json_stream_mode mode, const char *text, size_t first, size_t size,
		       struct heard *ret)
{
	const struct json_stream_events events = {on_member, on_object, ret};
	struct json_stream stream = {};
	int r;

	ret->text[0] = '\0';
	json_stream_init(&stream, mode, &limits, &events);
	r = push(&stream, text, first, size);
	if (r < 0)
		add(ret, "!%s", stream.error);
	json_stream_clear(&stream);
	return r;
}

/* Reads it whole, byte by byte, and cut in two at every byte: always the same. */
static void expect(enum json_stream_mode mode, const char *text, int r, const char *expected)
{
	size_t len = strlen(text);
	struct heard heard = {};

	for (size_t first = 1; first <= len; first++) {
		cr_expect_eq(read_pieces(mode, text, first, len, &heard), r, "%s", text);
		cr_expect_str_eq(heard.text, expected, "%s cut at %zu: %s", text, first,
				 heard.text);
	}
	for (size_t size = 1; size < 8; size++) {
		cr_expect_eq(read_pieces(mode, text, 0, size, &heard), r, "%s", text);
		cr_expect_str_eq(heard.text, expected, "%s in %zu: %s", text, size, heard.text);
	}
}

struct stream_case {
	const char *text;
	int r;
	const char *expected;
};

Test(json_stream, lists)
{
	static const struct stream_case cases[] = {
		{"{\"items\":[]}", 0, ""},
		{"{\"items\":null}", 0, ""},
		{" {\n\t\"items\" : [ ] }\r\n", 0, ""},
		{"{\"kind\":\"L\",\"metadata\":{\"a\":[{}]},\"items\":[{},{\"b\":1}],\"z\":-1.5e3}",
		 0, "kind=\"L\";metadata={\"a\":[{}]};[{}][{\"b\":1}]z=-1.5e3;"},
		{"{\"a\":true,\"b\":null , \"c\":[1,2],\"items\":[{ \"x\" : \"y\" } , {}]}", 0,
		 "a=true;b=null;c=[1,2];[{ \"x\" : \"y\" }][{}]"},
		/* brackets and quotes in strings, and backslashes before quotes */
		{"{\"items\":[{\"a\":\"}]{[\\\"\\\\\"},{\"\\\"\":\"\\\\\\\\\"}]}", 0,
		 "[{\"a\":\"}]{[\\\"\\\\\"}][{\"\\\"\":\"\\\\\\\\\"}]"},
		{"{\"k\\\"}\":\"\\\"\",\"items\":[]}", 0, "k\\\"}=\"\\\"\";"},
		{"{\"items\":[{\"u\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\\u00e4\"}]}", 0,
		 "[{\"u\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\\u00e4\"}]"},
		{"{\"metadata\":{\"items\":[1]},\"items\":[{\"items\":[{}]}]}", 0,
		 "metadata={\"items\":[1]};[{\"items\":[{}]}]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect(JSON_STREAM_LIST, cases[i].text, cases[i].r, cases[i].expected);
}

Test(json_stream, what_is_no_list)
{
	static const struct stream_case cases[] = {
		{"", -EPIPE, "!cut off after 0 whole objects"},
		{"{\"items\":[{},{", -EPIPE, "[{}]!cut off after 1 whole objects"},
		{"{\"items\":[{}]", -EPIPE, "[{}]!cut off after 1 whole objects"},
		{"{\"a\":1", -EPIPE, "!cut off after 0 whole objects"},
		{"{}", -EPROTO, "!not a list: it has no items"},
		{"{\"kind\":\"Status\"}", -EPROTO, "kind=\"Status\";!not a list: it has no items"},
		{"{\"items\":{}}", -EPROTO, "!items: not a list"},
		{"{\"items\":\"\"}", -EPROTO, "!items: not a list"},
		{"{\"items\":7}", -EPROTO, "!items: not a list"},
		{"[]", -EPROTO, "!not JSON: '{' is missing before '['"},
		{"<html>", -EPROTO, "!not JSON: '{' is missing before '<'"},
		{"\x1f\x8b", -EPROTO, "!not JSON: '{' is missing before byte 0x1f"},
		{"{\"items\":[1]}", -EPROTO, "!not JSON: an object is missing before '1'"},
		{"{\"items\":[{},]}", -EPROTO, "[{}]!not JSON: an object is missing before ']'"},
		{"{\"items\":[,]}", -EPROTO, "!not JSON: an object is missing before ','"},
		{"{\"items\":[{}{}]}", -EPROTO, "[{}]!not JSON: ',' or ']' is missing before '{'"},
		{"{\"items\":[]]", -EPROTO, "!not JSON: ',' or '}' is missing before ']'"},
		{"{\"items\":[]}}", -EPROTO, "!not JSON: the end is missing before '}'"},
		{"{\"items\":[],}", -EPROTO, "!not JSON: a name is missing before '}'"},
		{"{,\"items\":[]}", -EPROTO, "!not JSON: a name is missing before ','"},
		{"{\"a\":,\"items\":[]}", -EPROTO, "!not JSON: a value is missing before ','"},
		{"{\"a\"}", -EPROTO, "!not JSON: ':' is missing before '}'"},
		{"{a:1}", -EPROTO, "!not JSON: a name is missing before 'a'"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect(JSON_STREAM_LIST, cases[i].text, cases[i].r, cases[i].expected);
}

Test(json_stream, watches)
{
	static const struct stream_case cases[] = {
		{"\n", 0, ""},
		{"{\"a\":1}\n{\"b\":\"}\"}\n", 0, "[{\"a\":1}][{\"b\":\"}\"}]"},
		{"{}{}\r\n\t {}", 0, "[{}][{}][{}]"},
		{"{}\n{\"a\":", -EPIPE, "[{}]!cut off after 1 whole objects"},
		{"{}garbage", -EPROTO, "[{}]!not JSON: an object is missing before 'g'"},
		{"[{}]", -EPROTO, "!not JSON: an object is missing before '['"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect(JSON_STREAM_WATCH, cases[i].text, cases[i].r, cases[i].expected);
}

/* An object of @len bytes. */
static void make_object(char *buf, size_t len)
{
	snprintf(buf, len + 1, "{\"a\":\"%0*d\"}", (int)len - 8, 0);
}

Test(json_stream, an_object_may_have_so_many_bytes)
{
	static const size_t sizes[] = {1, 64, 2000};
	struct heard heard = {};
	char text[1002];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		make_object(text, 1000);
		cr_expect_eq(read_pieces(JSON_STREAM_WATCH, text, 0, sizes[i], &heard), 0);
		cr_expect_eq(strlen(heard.text), 1002);
		make_object(text, 1001);
		cr_expect_eq(read_pieces(JSON_STREAM_WATCH, text, 0, sizes[i], &heard), -EMSGSIZE);
		cr_expect_str_eq(heard.text, "!object 1: longer than bytes: 1000");
	}
}

Test(json_stream, an_object_may_be_so_deep)
{
	expect(JSON_STREAM_WATCH, "{\"a\":[{\"b\":[{}]}]}", 0, "[{\"a\":[{\"b\":[{}]}]}]");
	expect(JSON_STREAM_WATCH, "{}{\"a\":[{\"b\":[[[", -EMSGSIZE,
	       "[{}]!object 2: nested deeper than 5");
}

Test(json_stream, so_many_objects)
{
	expect(JSON_STREAM_LIST, "{\"items\":[{},{},{},{}]}", 0, "[{}][{}][{}][{}]");
	expect(JSON_STREAM_LIST, "{\"items\":[{},{},{},{},{}]}", -EMSGSIZE,
	       "[{}][{}][{}][{}]!object 5: more objects than 4");
}

Test(json_stream, a_name_that_is_too_long_is_none)
{
	char text[256], name[128];
	struct heard heard = {};

	memset(name, 'n', sizeof(name));
	for (size_t len = JSON_STREAM_KEY_MAX - 1; len <= JSON_STREAM_KEY_MAX + 1; len++) {
		snprintf(text, sizeof(text), "{\"%.*s\":1,\"items\":[]}", (int)len, name);
		cr_expect_eq(read_pieces(JSON_STREAM_LIST, text, 0, 3, &heard), 0);
		cr_expect_eq(heard.text[0], len < JSON_STREAM_KEY_MAX ? 'n' : '=');
	}
}

Test(json_stream, the_receiver_may_end_it)
{
	struct heard heard = {.fail_with = -ECANCELED};

	cr_expect_eq(read_pieces(JSON_STREAM_WATCH, "{}{}{}", 0, 6, &heard), -ECANCELED);
	cr_expect_str_eq(heard.text, "[{}]!");
}

/* Memory is that of one object, and is not kept when that was large. */
Test(json_stream, does_not_grow_with_the_list)
{
	const struct json_stream_limits large = {.max_bytes = 8u << 20, .max_depth = 5};
	struct heard heard = {};
	const struct json_stream_events events = {NULL, on_object, &heard};
	struct json_stream stream = {};
	_free_ char *object = malloc((2u << 20) + 1);

	cr_assert_not_null(object);
	make_object(object, 5000);
	json_stream_init(&stream, JSON_STREAM_WATCH, &large, &events);
	for (int i = 0; i < 1000; i++) {
		cr_assert_eq(json_stream_push(&stream, object, 3000), 0);
		cr_assert_eq(json_stream_push(&stream, object + 3000, 2000), 0);
	}
	cr_expect_eq(stream.n_objects, 1000);
	cr_expect_leq(stream.held_max, 16384);
	make_object(object, 2u << 20);
	cr_assert_eq(json_stream_push(&stream, object, 1u << 20), 0);
	cr_assert_eq(json_stream_push(&stream, object + (1u << 20), 1u << 20), 0);
	json_stream_init(&stream, JSON_STREAM_WATCH, &large, &events);
	cr_expect_eq(stream.held_max, 0);
	json_stream_clear(&stream);
}
