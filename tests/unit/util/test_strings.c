/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "util/strings.h"

static struct strings *pool;

static void setup(void)
{
	cr_assert_eq(strings_new(&pool), 0);
}

static void teardown(void)
{
	strings_free(pool);
}

TestSuite(strings, .init = setup, .fini = teardown);

Test(strings, equal_texts_are_one_pointer)
{
	char text[] = "node-1";
	const char *a = strings_get(pool, text), *b;

	text[5] = '2';
	cr_expect_str_eq(a, "node-1", "the pool keeps its own copy");
	b = strings_get(pool, "node-1");
	cr_expect_eq(a, b);
	cr_expect_neq(a, strings_get(pool, text));
	cr_expect_eq(strings_count(pool), 2);
}

Test(strings, live_until_the_last_reference)
{
	const char *text = strings_get(pool, "default");

	strings_get(pool, "default");
	cr_expect_eq(strings_ref(text), text);
	strings_put(pool, text);
	strings_put(pool, text);
	cr_expect_eq(strings_count(pool), 1);
	cr_expect_str_eq(text, "default");
	strings_put(pool, text);
	cr_expect_eq(strings_count(pool), 0);
}

Test(strings, null_and_empty_are_different)
{
	const char *empty = strings_get(pool, "");

	cr_expect_null(strings_get(pool, NULL));
	cr_expect_null(strings_ref(NULL));
	strings_put(pool, NULL);
	cr_expect_str_empty(empty);
	cr_expect_eq(strings_count(pool), 1);
}

Test(strings, a_prefix_is_another_string)
{
	cr_expect_neq(strings_get(pool, "web"), strings_get(pool, "web-2"));
	cr_expect_neq(strings_get(pool, "web"), strings_get(pool, "we"));
}

Test(strings, many_can_come_and_go)
{
	static const char *kept[10000];
	char text[32];

	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "pod-%d", i);
		kept[i] = strings_get(pool, text);
	}
	cr_expect_eq(strings_count(pool), 10000);
	for (int i = 0; i < 10000; i += 2)
		strings_put(pool, kept[i]);
	cr_expect_eq(strings_count(pool), 5000);
	for (int i = 1; i < 10000; i += 2) {
		snprintf(text, sizeof(text), "pod-%d", i);
		cr_expect_eq(strings_get(pool, text), kept[i]);
	}
}

Test(strings, free_of_null_is_fine, .init = NULL, .fini = NULL)
{
	strings_free(NULL);
}
