/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of YAML texts and what decoding them gives. */
#ifndef TESTS_UNIT_SOURCE_DECODING_H
#define TESTS_UNIT_SOURCE_DECODING_H

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/decode.h"
#include "source/yaml.h"
#include "util/cleanup.h"

/** struct decoding_case - @expected: the object as text, or "error: " and the error. */
struct decoding_case {
	const char *yaml;
	const char *expected;
};

static int decoding_keep(void *arg, const struct parsed *parsed)
{
	*(cJSON **)arg = cJSON_Duplicate(parsed->json, 1);
	return 0;
}

static int decoding_error(void *arg, size_t line, const char *text)
{
	(void)arg;
	cr_assert_fail("%zu: %s", line, text);
	return 0;
}

/* The tree of a YAML text. */
static inline cJSON *decoding_tree(const char *yaml)
{
	cJSON *tree = NULL;
	const struct parse_events events = {
		.object = decoding_keep,
		.error = decoding_error,
		.arg = &tree,
	};

	cr_assert_eq(yaml_parse(yaml, strlen(yaml), &events), 0);
	cr_assert_not_null(tree);
	return tree;
}

/* Appends to a text of 1024 bytes. */
__attribute__((format(printf, 2, 3))) static inline void decoding_add(char *text,
								      const char *format, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + len, 1024 - len, format, args);
	va_end(args);
}

/**
 * decoding_run() - go through a table.
 * @head: put before each case's YAML.
 * @decode: decodes @tree and writes the object to @text (1024 bytes, empty).
 */
static inline void decoding_run(const struct decoding_case *cases, size_t n, const char *head,
				int (*decode)(const cJSON *tree, char *text,
					      struct decode_error *error))
{
	for (size_t i = 0; i < n; i++) {
		struct decode_error error = {};
		char yaml[2048], text[1024] = "";
		cJSON *tree;
		int r;

		snprintf(yaml, sizeof(yaml), "%s%s", head, cases[i].yaml);
		tree = decoding_tree(yaml);
		r = decode(tree, text, &error);
		if (r < 0) {
			cr_expect_eq(r, -EINVAL);
			snprintf(text, sizeof(text), "error: %s", error.text);
		}
		cr_expect_str_eq(text, cases[i].expected, "%s\ngives   %s\nand not %s", yaml, text,
				 cases[i].expected);
		cJSON_Delete(tree);
	}
}

#endif
