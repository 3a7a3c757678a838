/* SPDX-License-Identifier: Apache-2.0 */
/* JSON texts: strictness, lists, lines, limits. */
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/json.h"
#include "util/cleanup.h"

static char told[8192];
static int n_objects;

static int add_object(void *arg, const struct parsed *parsed)
{
	_free_ char *json = cJSON_PrintUnformatted(parsed->json);
	size_t len = strlen(told);

	snprintf(told + len, sizeof(told) - len, "%zu%s%s %s\n", parsed->line,
		 parsed->list_kind ? " " : "", parsed->list_kind ? parsed->list_kind : "", json);
	return ++n_objects == (arg ? *(int *)arg : 0) ? -EINTR : 0;
}

static int add_error(void *arg, size_t line, const char *text)
{
	size_t len = strlen(told);

	(void)arg;
	snprintf(told + len, sizeof(told) - len, "error %zu: %s\n", line, text);
	return 0;
}

static void parse(const char *text)
{
	const struct parse_events events = {.object = add_object, .error = add_error};

	told[0] = '\0';
	n_objects = 0;
	cr_assert_eq(json_parse(text, strlen(text), 1, &events), 0);
}

Test(json, values_lists_and_errors)
{
	static const struct {
		const char *json;
		const char *expected;
	} cases[] = {
		{"", ""},
		{" \n", ""},
		{"{}", "1 {}\n"},
		{"{\"a\":1}\n\n{\"b\":[true,false,null,-0.5e+3,\"\\u00e4\\n\"]}",
		 "1 {\"a\":1}\n3 {\"b\":[true,false,null,-500,\"\xc3\xa4\\n\"]}\n"},
		{"{\"kind\":\"List\",\"items\":[{\"a\":1},\n{\"b\":2}]}",
		 "1 List {\"a\":1}\n2 List {\"b\":2}\n"},
		/* as kubectl writes it, the kind comes last */
		{"{\n\"items\":[\n{\"a\":1}],\"kind\":\"PodList\"}", "3 PodList {\"a\":1}\n"},
		{"{\"items\":[1],\"kind\":\"List\",\"items\":[2]}", "1 List 2\n"},
		{"{\"kind\":\"List\",\"items\":[]}", ""},
		{"{\"kind\":\"List\",\"items\":null}", "1 {\"kind\":\"List\",\"items\":null}\n"},
		{"{\"kind\":7,\"items\":[1]}", "1 {\"kind\":7,\"items\":[1]}\n"},
		{"{\"a\":1}\n}", "1 {\"a\":1}\nerror 2: column 1: not JSON: no number\n"},
		{"{\"a\":\n  tru}", "error 2: column 3: not JSON: not a value\n"},
		{"{\"a\" 1}", "error 1: column 6: not JSON: ':' is missing after the name\n"},
		{"{a:1}", "error 1: column 2: not JSON: a name in double quotes is missing\n"},
		{"{\"a\":1,}", "error 1: column 8: not JSON: a name in double quotes is missing\n"},
		{"[1 2]", "error 1: column 4: not JSON: ',' or ']' is missing\n"},
		{"{\"a\":1", "error 1: column 7: not JSON: the text ends too early\n"},
		{"{\"a\":\"b", "error 1: column 8: not JSON: the text ends too early\n"},
		{"\"\\x\"", "error 1: column 3: not JSON: no escape sequence\n"},
		{"\"\\u12g4\"", "error 1: column 6: not JSON: \\u needs four hexadecimal digits\n"},
		{"\"a\nb\"", "error 1: column 3: not JSON: a control character in a string\n"},
		{"01", "error 1: column 2: not JSON: a number must not begin with 0\n"},
		{"1. ", "error 1: column 3: not JSON: digits must follow the point\n"},
		{"1e ", "error 1: column 3: not JSON: an exponent needs digits\n"},
		{"\"\\ud800\"",
		 "error 1: not JSON: half a surrogate pair, or a number of over 60 digits\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		parse(cases[i].json);
		cr_expect_str_eq(told, cases[i].expected, "%s gives %s", cases[i].json, told);
	}
}

Test(json, validity)
{
	cr_expect(json_is_valid("{\"a\": 1} []", 11));
	cr_expect_not(json_is_valid("", 0));
	cr_expect_not(json_is_valid("{a: 1}", 6));
	cr_expect_not(json_is_valid("{\"a\": 1}x", 9));
}

Test(json, a_callback_can_end_it)
{
	static const char text[] = "{\"kind\":\"List\",\"items\":[1,2,3,4]}";
	int last = 2;
	const struct parse_events events = {.object = add_object, .arg = &last};

	told[0] = '\0';
	cr_expect_eq(json_parse(text, sizeof(text) - 1, 1, &events), -EINTR);
	cr_expect_str_eq(told, "1 List 1\n1 List 2\n");
}

Test(json, depth_is_limited)
{
	char text[2 * PARSE_MAX_DEPTH + 3];
	_free_ char *flood = calloc(1, 1000001);

	memset(text, '[', PARSE_MAX_DEPTH);
	memset(text + PARSE_MAX_DEPTH, ']', PARSE_MAX_DEPTH);
	text[2 * PARSE_MAX_DEPTH] = '\0';
	parse(text);
	cr_expect_eq(n_objects, 1);
	memset(text, '[', PARSE_MAX_DEPTH + 1);
	memset(text + PARSE_MAX_DEPTH + 1, ']', PARSE_MAX_DEPTH + 1);
	text[2 * PARSE_MAX_DEPTH + 2] = '\0';
	parse(text);
	cr_expect_eq(n_objects, 0);
	cr_expect_not_null(strstr(told, "nested too deeply"));
	cr_assert_not_null(flood);
	memset(flood, '[', 1000000);
	parse(flood);
	cr_expect_not_null(strstr(told, "nested too deeply"));
}
