/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/json_peek.h"
#include "util/cleanup.h"

struct peek_case {
	const char *text;
	const char *expected;
};

static void print_text(FILE *out, const char *name, const struct json_text *text)
{
	if (text->at)
		fprintf(out, "%s=%.*s ", name, (int)text->len, text->at);
}

/* What is seen, as text; "-" for nothing. */
static void show(bool is_event, const char *text, char *buf, size_t size)
{
	size_t len = strlen(text);
	_free_ char *copy = malloc(len + 1); /* without an end mark */
	struct json_peek peek = {};
	FILE *out = fmemopen(buf, size, "w");
	int r;

	cr_assert(copy && out);
	buf[0] = '\0';
	mempcpy(copy, text, len);
	r = is_event ? json_peek_event(copy, len, &peek) : json_peek_object(copy, len, &peek);
	if (r < 0)
		fputs("-", out);
	print_text(out, "type", &peek.type);
	print_text(out, "ns", &peek.namespace);
	print_text(out, "name", &peek.name);
	print_text(out, "uid", &peek.uid);
	print_text(out, "rv", &peek.resource_version);
	fclose(out);
}

#define META                                                                                       \
	"\"metadata\":{\"name\":\"n\",\"labels\":{\"name\":\"x\",\"uid\":\"y\"},\"uid\":\"u\","    \
	"\"managedFields\":[{\"name\":\"\\\"}\"}],\"resourceVersion\":\"7\",\"namespace\":\"s\"}"

Test(json_peek, objects)
{
	static const struct peek_case cases[] = {
		{"{" META "}", "ns=s name=n uid=u rv=7 "},
		{" { \"kind\" : \"x\" , " META " , \"spec\" : {} }", "ns=s name=n uid=u rv=7 "},
		{"{\"spec\":{\"metadata\":{\"name\":\"no\"}}," META "}", "ns=s name=n uid=u rv=7 "},
		/* what follows is not looked at */
		{"{" META ",garbage", "ns=s name=n uid=u rv=7 "},
		{"{\"metadata\":{}}", ""},
		{"{\"metadata\":{\"name\":null,\"uid\":7,\"namespace\":{}}}", ""},
		{"{\"metadata\":{\"name\":\"a\\u0062\",\"uid\":\"u\"}}", "uid=u "},
		{"{\"metadata\":{\"name\":\"\"}}", "name= "},
		{"{}", "-"},
		{"{\"metadata\":null}", "-"},
		{"{\"metadata\":[]}", "-"},
		{"{\"metadata\":{\"name\":\"n\"", "-"},
		{"{\"metadata\":{\"name\":\"n\",}}", "-"},
		{"{\"metadata\":", "-"},
		{"[]", "-"},
		{"", "-"},
		{"x", "-"},
	};
	char seen[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		show(false, cases[i].text, seen, sizeof(seen));
		cr_expect_str_eq(seen, cases[i].expected, "%s: %s", cases[i].text, seen);
	}
}

Test(json_peek, events)
{
	static const struct peek_case cases[] = {
		{"{\"type\":\"ADDED\",\"object\":{\"kind\":\"x\"," META ",\"spec\":{}}}",
		 "type=ADDED ns=s name=n uid=u rv=7 "},
		{"{\"object\":{" META ",\"spec\":{\"a\":[1]}},\"type\":\"DELETED\"}",
		 "type=DELETED ns=s name=n uid=u rv=7 "},
		{"{\"type\":\"ERROR\",\"object\":{\"metadata\":{},\"code\":410}}", "type=ERROR "},
		{"{\"type\":\"ADDED\",\"object\":{}}", "-"},
		{"{\"type\":\"ADDED\",\"object\":null}", "-"},
		{"{\"type\":\"ADDED\"}", "-"},
		{"{\"type\":7,\"object\":{" META "}}", "-"},
		{"{\"object\":{" META "}}", "-"},
		{"{\"object\":{" META ",}", "-"},
		{"{" META "}", "-"},
	};
	char seen[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		show(true, cases[i].text, seen, sizeof(seen));
		cr_expect_str_eq(seen, cases[i].expected, "%s: %s", cases[i].text, seen);
	}
}

Test(json_trim, cuts_members_away)
{
	static const struct peek_case cases[] = {
		{"{}", "{}"},
		{"{\"x\":1}", "{}"},
		{"{\"x\":1,\"a\":2}", "{\"a\":2}"},
		{"{\"a\":2,\"x\":{\"b\":[1,{\"c\":\"}]\\\"\"}]}}", "{\"a\":2}"},
		{"{\"a\":2,\"x\":[[],[]],\"b\":3}", "{\"a\":2,\"b\":3}"},
		{"{\"a\":2 , \"x\": \"1,2}\" , \"b\":3}", "{\"a\":2 , \"b\":3}"},
		{"{\"x\":1,\"x\":2}", "{}"},
		{"{\"x\":1,\"x\":2,\"a\":3}", "{\"a\":3}"},
		{"[{\"x\":1},{\"a\":{\"x\":null}},{\"b\":1,\"x\":true}]",
		 "[{},{\"a\":{}},{\"b\":1}]"},
		/* in strings, and in names that end alike, it is none */
		{"{\"a\":\"\\\"x\\\":1\"}", "{\"a\":\"\\\"x\\\":1\"}"},
		{"{\"a\":\",\\\"x\\\":\"}", "{\"a\":\",\\\"x\\\":\"}"},
		{"{\"a\\\"x\":1}", "{\"a\\\"x\":1}"},
		{"{\"xx\":1,\"ax\":2}", "{\"xx\":1,\"ax\":2}"},
		{"{\"a\":\"x\",\"b\":[\"x\"]}", "{\"a\":\"x\",\"b\":[\"x\"]}"},
		/* what is no JSON */
		{"{\"x\":", "{"},
		{"{\"x\":[1,\"a", "{"},
		{"{\"x\":\"\\", "{"},
		{"\"x\":", ""},
		{"\"x\":,", ""},
		{"", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = strlen(cases[i].text);
		_free_ char *text = malloc(len + 1);

		cr_assert_not_null(text);
		memcpy(text, cases[i].text, len);
		len = json_trim(text, len, "\"x\":");
		cr_expect(len == strlen(cases[i].expected) &&
				  memcmp(text, cases[i].expected, len) == 0,
			  "%s: %.*s", cases[i].text, (int)len, text);
	}
}
