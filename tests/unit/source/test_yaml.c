/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes' YAML rules. The table was answered by sigs.k8s.io/yaml 1.4.0, kubectl's converter. */
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/yaml.h"
#include "util/cleanup.h"

/** struct result - objects as JSON text with their line, errors as "error LINE: TEXT", one a line.
 */
struct result {
	char text[8192];
	int n_objects;
	int n_errors;
};

static void append(struct result *result, const char *text)
{
	strncat(result->text, text, sizeof(result->text) - strlen(result->text) - 1);
}

static int add_object(void *arg, const struct parsed *parsed)
{
	struct result *result = arg;
	_free_ char *json = cJSON_PrintUnformatted(parsed->json);
	char place[64];

	snprintf(place, sizeof(place), "%zu%s%s ", parsed->line, parsed->list_kind ? " " : "",
		 parsed->list_kind ? parsed->list_kind : "");
	append(result, place);
	append(result, json);
	append(result, "\n");
	result->n_objects++;
	return 0;
}

static int add_error(void *arg, size_t line, const char *text)
{
	struct result *result = arg;
	char place[64];

	snprintf(place, sizeof(place), "error %zu: ", line);
	append(result, place);
	append(result, text);
	append(result, "\n");
	result->n_errors++;
	return 0;
}

static void parse(struct result *result, const char *text)
{
	const struct parse_events events = {
		.object = add_object,
		.error = add_error,
		.arg = result,
	};

	*result = (struct result){};
	cr_assert_eq(yaml_parse(text, strlen(text), &events), 0);
}

Test(yaml, scalars_mean_what_kubectl_makes_of_them)
{
	static const struct {
		const char *yaml;
		const char *json;
	} cases[] = {
		{"yes", "true"},
		{"on", "true"},
		{"y", "true"},
		{"Y", "true"},
		{"TRUE", "true"},
		{"NO", "false"},
		{"off", "false"},
		{"n", "false"},
		{"tRue", "\"tRue\""},
		{"oFf", "\"oFf\""},
		{"010", "8"},
		{"0o10", "8"},
		{"0_10", "8"},
		{"0x1F", "31"},
		{"-0x10", "-16"},
		{"0b11", "3"},
		{"0b12", "\"0b12\""},
		{"1_000", "1000"},
		{"+5", "5"},
		{"09", "9"},
		{"1e3", "1000"},
		{"1E+2", "100"},
		{"1.10", "1.1"},
		{"1.", "1"},
		{".5", "0.5"},
		{"-.5", "-0.5"},
		{"1_0.5", "10.5"},
		{"1e", "\"1e\""},
		{"1e999", "\"1e999\""},
		{"0x", "\"0x\""},
		{"0x1.8p1", "\"0x1.8p1\""},
		{"+", "\"+\""},
		{".", "\".\""},
		{"~", "null"},
		{"", "null"},
		{"null", "null"},
		{"Null", "null"},
		{"nULL", "\"nULL\""},
		{"2024-01-01", "\"2024-01-01\""},
		{"2001-12-14t21:59:43.10-05:00", "\"2001-12-14t21:59:43.10-05:00\""},
		{"12:30", "\"12:30\""},
		{"10.96.0.10", "\"10.96.0.10\""},
		{"fd00::1", "\"fd00::1\""},
		{"'1'", "\"1\""},
		{"\"on\"", "\"on\""},
		{"|\n  a\n  b", "\"a\\nb\""},
		{"!!str 1", "\"1\""},
		{"!!int '1'", "1"},
		{"!!float 3", "3"},
		{"!foo 3", "\"3\""},
		{"! 4", "\"4\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char yaml[128], json[128];
		struct result result;

		snprintf(yaml, sizeof(yaml), "v: %s", cases[i].yaml);
		snprintf(json, sizeof(json), "1 {\"v\":%s}\n", cases[i].json);
		parse(&result, yaml);
		cr_expect_str_eq(result.text, json, "%s gives %s", yaml, result.text);
	}
}

Test(yaml, structures_mean_what_kubectl_makes_of_them)
{
	static const struct {
		const char *yaml;
		const char *expected;
	} cases[] = {
		/* names are text in JSON */
		{"1: a\n0x10: b\ntrue: c\non: d\n1.5: e\n1e20: f\n.inf: g",
		 "1 {\"1\":\"a\",\"16\":\"b\",\"true\":\"d\",\"1.5\":\"e\",\"1e+20\":\"f\","
		 "\".inf\":\"g\"}\n"},
		{"y: 1", "1 {\"true\":1}\n"},
		/* the last of two equal names wins */
		{"a: 1\nb: 2\na: 3", "1 {\"b\":2,\"a\":3}\n"},
		/* merge keys: what comes later counts, the first of a list before the others */
		{"x: &x {a: 2, b: 3}\nm:\n  <<: *x\n  a: 1",
		 "1 {\"x\":{\"a\":2,\"b\":3},\"m\":{\"b\":3,\"a\":1}}\n"},
		{"x: &x {a: 2, b: 3}\nm:\n  a: 1\n  <<: *x",
		 "1 {\"x\":{\"a\":2,\"b\":3},\"m\":{\"a\":2,\"b\":3}}\n"},
		{"x: &x {a: 2}\nz: &z {a: 3}\nm:\n  <<: [*x, *z]",
		 "1 {\"x\":{\"a\":2},\"z\":{\"a\":3},\"m\":{\"a\":2}}\n"},
		{"\"<<\": {a: 1}", "1 {\"<<\":{\"a\":1}}\n"},
		/* aliases copy; a name may be given again */
		{"a: &p [1, 2]\nb: *p\nc: &p 3\nd: *p",
		 "1 {\"a\":[1,2],\"b\":[1,2],\"c\":3,\"d\":3}\n"},
		{"&k key: 1\nv: *k", "1 {\"key\":1,\"v\":\"key\"}\n"},
		{"- 1\n- [a, {b: c}]", "1 [1,[\"a\",{\"b\":\"c\"}]]\n"},
		/* documents, with what may stand around them */
		{"", ""},
		{"# nothing\n---\n---\n# still nothing\n", ""},
		{"a: 1\n---\nb: 2\n", "1 {\"a\":1}\n3 {\"b\":2}\n"},
		{"%YAML 1.1\n---\na: 1\n...\n---\nb: 2\n...\n", "3 {\"a\":1}\n6 {\"b\":2}\n"},
		{"--- {a: 1}\n--- # comment\nb: 2", "1 {\"a\":1}\n3 {\"b\":2}\n"},
		{"a: |\n  ---\n  b\n", "1 {\"a\":\"---\\nb\\n\"}\n"},
		/* JSON among YAML */
		{"# c\n---\n{\n\t\"a\": [1,\n\t2]}\n---\nb: 2", "3 {\"a\":[1,2]}\n7 {\"b\":2}\n"},
		{"{a: 1}", "1 {\"a\":1}\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct result result;

		parse(&result, cases[i].yaml);
		cr_expect_str_eq(result.text, cases[i].expected, "%s gives %s", cases[i].yaml,
				 result.text);
	}
}

Test(yaml, broken_documents_say_where_and_do_not_touch_the_others)
{
	static const struct {
		const char *yaml;
		const char *expected;
	} cases[] = {
		{"a: .inf",
		 "error 1: column 4: not YAML: infinity and NaN have no place in JSON\n"},
		{"a: 1\nb: [.nan]",
		 "error 2: column 5: not YAML: infinity and NaN have no place in JSON\n"},
		{"a: !!int x", "error 1: column 4: not YAML: the value does not fit its tag\n"},
		{"a: *b", "error 1: column 4: not YAML: no anchor is named \"b\"\n"},
		{"a: &a [*a]", "error 1: column 8: not YAML: anchor \"a\" contains itself\n"},
		{"<<: 1",
		 "error 1: column 5: not YAML: \"<<\" needs a mapping or a list of them\n"},
		{"<<: [{a: 1}, 2]",
		 "error 1: column 5: not YAML: \"<<\" needs a mapping or a list of them\n"},
		{"~: 1", "error 1: column 1: not YAML: a name is missing before ':'\n"},
		{"? [a]\n: 1", "error 1: column 3: not YAML: a name must be text\n"},
		{"a: \"x\\0y\"", "error 1: column 4: not YAML: a NUL character\n"},
		{"a: 1\n---\nb: 2\n  c: 3\n---\nd: 4",
		 "1 {\"a\":1}\n"
		 "error 4: column 4: not YAML: mapping values are not allowed in this context\n"
		 "6 {\"d\":4}\n"},
		{"a:\n\tb: 1\n",
		 "error 2: column 1: not YAML: found character that cannot start any token "
		 "(while scanning for the next token that begins at line 2)\n"},
		{"a: \"x\n---\nb: 1",
		 "error 2: column 1: not YAML: found unexpected end of stream (while scanning a "
		 "quoted scalar that begins at line 1)\n3 {\"b\":1}\n"},
		{"{a: 1, }}", "1 {\"a\":1}\nerror 1: column 9: not YAML: did not find expected "
			      "<document start>\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct result result;

		parse(&result, cases[i].yaml);
		cr_expect_str_eq(result.text, cases[i].expected, "%s gives %s", cases[i].yaml,
				 result.text);
	}
}

Test(yaml, items_of_lists_are_told_one_by_one)
{
	static const struct {
		const char *yaml;
		const char *expected;
	} cases[] = {
		{"apiVersion: v1\nkind: List\nitems:\n- kind: A\n- kind: B\n",
		 "4 List {\"kind\":\"A\"}\n5 List {\"kind\":\"B\"}\n"},
		/* as kubectl writes it, the kind comes last */
		{"apiVersion: v1\nitems:\n- a: 1\n-   b: 2\nkind: 'ServiceList'\nmetadata: {}\n",
		 "3 ServiceList {\"a\":1}\n4 ServiceList {\"b\":2}\n"},
		{"{kind: List, items: [{a: 1}, {b: 2}]}", "1 List {\"a\":1}\n1 List {\"b\":2}\n"},
		{"{\"kind\": \"List\",\n\"items\": [{\"a\": 1},\n{\"b\": 2}]}",
		 "2 List {\"a\":1}\n3 List {\"b\":2}\n"},
		{"kind: List\nitems: &l\n- &a {a: 1}\n- *a\n",
		 "3 List {\"a\":1}\n4 List {\"a\":1}\n"},
		{"kind: List\nitems: null\n", "1 {\"kind\":\"List\",\"items\":null}\n"},
		{"kind: Listing\nitems:\n- a: 1\n",
		 "1 {\"kind\":\"Listing\",\"items\":[{\"a\":1}]}\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct result result;

		parse(&result, cases[i].yaml);
		cr_expect_str_eq(result.text, cases[i].expected, "%s gives %s", cases[i].yaml,
				 result.text);
	}
}

static int find_line(void *arg, const struct parsed *parsed)
{
	const cJSON *spec = cJSON_GetObjectItemCaseSensitive(parsed->json, "spec");
	const cJSON *ports = cJSON_GetObjectItemCaseSensitive(spec, "ports");
	size_t *lines = arg;

	lines[0] = parsed->line_of(parsed, spec);
	lines[1] = parsed->line_of(parsed, cJSON_GetArrayItem(ports, 1));
	lines[2] = parsed->line_of(parsed, NULL);
	return 0;
}

Test(yaml, each_value_knows_its_line)
{
	static const char *const texts[] = {
		"# one\nkind: A\nspec:\n  x: 1\n  ports:\n  - port: 1\n  - port: 2\n",
		"{\n\"kind\": \"A\",\n\n\"spec\": {\n\"ports\":\n[{\"port\": 1},\n{\"port\": 2}]}}",
	};
	static const size_t expected[][3] = {{4, 7, 2}, {4, 7, 1}};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		size_t lines[3] = {0};
		const struct parse_events events = {.object = find_line, .arg = lines};

		cr_assert_eq(yaml_parse(texts[i], strlen(texts[i]), &events), 0);
		for (size_t j = 0; j < 3; j++)
			cr_expect_eq(lines[j], expected[i][j], "%zu.%zu: %zu", i, j, lines[j]);
	}
}

/* Lists in lists; the last is empty. @text: room for 2 * levels + 4. */
static void write_nested(char *text, size_t levels)
{
	char *at = stpcpy(text, "a: ");

	memset(at, '[', levels);
	memset(at + levels, ']', levels);
	at[2 * levels] = '\0';
}

Test(yaml, depth_is_limited)
{
	static char flood[1000001];
	char text[2 * PARSE_MAX_DEPTH + 4];
	struct result result;

	write_nested(text, PARSE_MAX_DEPTH - 1);
	parse(&result, text);
	cr_expect_eq(result.n_objects, 1);
	write_nested(text, PARSE_MAX_DEPTH);
	parse(&result, text);
	cr_expect_eq(result.n_objects, 0);
	cr_expect_not_null(strstr(result.text, "nested too deeply"));
	memset(flood, '[', sizeof(flood) - 1);
	parse(&result, flood);
	cr_expect_not_null(strstr(result.text, "nested too deeply"));
}

/* Each alias stands for a list around the one before: together they are deeper than allowed. */
Test(yaml, aliases_do_not_hide_depth)
{
	char text[8192], *at = stpcpy(text, "a0: &a0 [x]\n");
	struct result result;

	for (int i = 1; i <= PARSE_MAX_DEPTH; i++)
		at += sprintf(at, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	parse(&result, text);
	cr_expect_eq(result.n_objects, 0);
	cr_expect_not_null(strstr(result.text, "nested too deeply"));
}

Test(yaml, an_alias_bomb_is_stopped)
{
	char text[1024], *at = stpcpy(text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	struct result result;

	for (int i = 1; i < 10; i++) {
		at += sprintf(at, "a%d: &a%d [", i, i);
		for (int j = 0; j < 10; j++)
			at += sprintf(at, "*a%d, ", i - 1);
		at = stpcpy(at, "]\n");
	}
	parse(&result, text);
	cr_expect_eq(result.n_objects, 0);
	cr_expect_not_null(strstr(result.text, "aliases stand for more than 1000000 values"));
}

/* n values besides the mapping and its list. */
static char *many_values(size_t n)
{
	char *text = malloc(n * 2 + 16), *at = text;

	cr_assert_not_null(text);
	at = stpcpy(at, "a: [");
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, "1,");
	stpcpy(at, "]");
	return text;
}

Test(yaml, values_are_limited)
{
	_free_ char *most = many_values(YAML_MAX_NODES - 2),
		    *more = many_values(YAML_MAX_NODES - 1);
	struct result result;

	parse(&result, most);
	cr_expect_eq(result.n_objects, 1);
	parse(&result, more);
	cr_expect_eq(result.n_objects, 0);
	cr_expect_not_null(strstr(result.text, "more than 1000000 values in one object"));
}

Test(yaml, many_names_are_compared_quickly)
{
	_free_ char *text = malloc(4000000);
	char *at = text;
	struct result result;

	cr_assert_not_null(text);
	for (int i = 0; i < 200000; i++)
		at += sprintf(at, "n%d: %d\n", i % 100000, i);
	parse(&result, text);
	cr_expect_eq(result.n_objects, 1);
	cr_expect_not_null(strstr(result.text, "{\"n0\":100000,\"n1\":100001,"));
}

Test(yaml, a_callback_can_end_it)
{
	static const char text[] = "a: 1\n---\nb: 2";
	struct result result = {};
	const struct parse_events events = {
		.object = add_object, .error = add_error, .arg = &result};
	const struct parse_events failing = {.object = find_line, .arg = (size_t[3]){0}};

	cr_expect_eq(yaml_parse(text, 4, &events), 0);
	cr_expect_str_eq(result.text, "1 {\"a\":1}\n", "only the given length is read");
	cr_expect_eq(yaml_parse(text, sizeof(text) - 1, &failing), 0);
}
