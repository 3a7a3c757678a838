/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/json_arena.h"
#include "util/cleanup.h"

static struct json_arena *arena;

static void open_arena(void)
{
	cr_assert_eq(json_arena_new(&arena), 0);
}

static void close_arena(void)
{
	json_arena_free(arena);
}

TestSuite(json_arena, .init = open_arena, .fini = close_arena);

static const struct cJSON *parse(const char *text)
{
	return json_arena_parse(arena, text, strlen(text));
}

Test(json_arena, makes_trees)
{
	for (int i = 0; i < 1000; i++) {
		const cJSON *tree = parse("{\"a\":[1,\"zwei\",{\"b\":null}],\"c\":true}");

		cr_assert_not_null(tree);
		cr_assert_str_eq(cJSON_GetArrayItem(cJSON_GetObjectItem(tree, "a"), 1)->valuestring,
				 "zwei");
	}
}

Test(json_arena, refuses_what_is_not_json)
{
	static const char *const texts[] = {"", "{", "{\"a\":}", "nothing", "{} {}", "{}x"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		cr_expect_null(parse(texts[i]), "%s", texts[i]);
	/* and works afterwards */
	cr_expect_not_null(parse("{}"));
}

/* The text needs no end mark. */
Test(json_arena, reads_no_more_than_it_may)
{
	_free_ char *text = malloc(2);

	cr_assert_not_null(text);
	text[0] = '{';
	text[1] = '}';
	cr_expect_not_null(json_arena_parse(arena, text, 2));
	cr_expect_null(json_arena_parse(arena, text, 1));
}

Test(json_arena, grows_and_gives_back)
{
	const size_t n = 200000;
	_free_ char *text = malloc(2 * n + 2);

	cr_assert_not_null(text);
	for (size_t i = 0; i < n; i++)
		memcpy(text + 2 * i, "1,", 2);
	text[0] = '[';
	text[2 * n - 1] = ']';
	text[2 * n] = '\0';
	text[1] = ' ';
	cr_expect_eq(cJSON_GetArraySize(parse(text)), (int)n - 1);
	json_arena_reset(arena);
	cr_expect_not_null(parse("{\"small\":1}"));
}

/* Others use cJSON with malloc() and free(), before, between and after. */
Test(json_arena, others_are_not_touched)
{
	cJSON *before = cJSON_Parse("{\"before\":1}"), *after;
	char *text;

	cr_expect_not_null(parse("{\"a\":1}"));
	after = cJSON_Duplicate(before, 1);
	json_arena_reset(arena);
	cr_expect_not_null(parse("{\"b\":[1,2,3]}"));
	text = cJSON_PrintUnformatted(after);
	cr_expect_str_eq(text, "{\"before\":1}");
	json_arena_free(arena);
	arena = NULL;
	cJSON_free(text);
	cJSON_Delete(before);
	cJSON_Delete(after);
	after = cJSON_Parse("[1]");
	cr_expect_not_null(after);
	cJSON_Delete(after);
}

static void *use_cjson(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		cJSON *tree = cJSON_Parse("{\"a\":[1,2,{\"b\":\"c\"}]}");

		if (!tree)
			return NULL;
		cJSON_Delete(tree);
	}
	return arg;
}

/* Memory of an arena must not get into the hands of another thread. */
Test(json_arena, other_threads_are_not_touched)
{
	pthread_t thread;
	void *ret = NULL;

	cr_assert_eq(pthread_create(&thread, NULL, use_cjson, arena), 0);
	for (int i = 0; i < 20000; i++)
		cr_assert_not_null(parse("{\"a\":[1,2,{\"b\":\"c\"}]}"));
	cr_assert_eq(pthread_join(thread, &ret), 0);
	cr_expect_not_null(ret);
}

Test(json_arena, several_at_once)
{
	struct json_arena *other = NULL;
	const cJSON *a, *b;

	cr_assert_eq(json_arena_new(&other), 0);
	a = parse("{\"a\":\"x\"}");
	b = json_arena_parse(other, "{\"b\":\"y\"}", 9);
	cr_expect_str_eq(cJSON_GetObjectItem(a, "a")->valuestring, "x");
	cr_expect_str_eq(cJSON_GetObjectItem(b, "b")->valuestring, "y");
	json_arena_free(other);
}
