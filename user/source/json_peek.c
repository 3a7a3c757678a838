/* SPDX-License-Identifier: Apache-2.0 */
#include "source/json_peek.h"

#include <errno.h>
#include <string.h>

#include "source/json_scan.h"
#include "util/cleanup.h"

/** struct look - a walk. @has_metadata: it was seen, and read to its end. */
struct look {
	struct json_peek *peek;
	bool has_metadata;
};

static bool is_key(const char *key, size_t key_len, const char *wanted)
{
	return key_len == strlen(wanted) + 2 && memcmp(key + 1, wanted, key_len - 2) == 0;
}

/* Skips a value, and remembers what is in it if it is a string. */
static bool read_string(struct json_scan *scan, int depth, struct json_text *ret)
{
	const char *start;
	size_t len;

	json_scan_space(scan);
	start = scan->at;
	if (!json_scan_value(scan, depth))
		return false;
	len = (size_t)(scan->at - start);
	if (*start == '"' && !memchr(start, '\\', len))
		*ret = (struct json_text){start + 1, len - 2};
	return true;
}

static bool metadata_member(void *arg, struct json_scan *scan, const char *key, size_t key_len)
{
	struct look *look = arg;
	const struct {
		const char *key;
		struct json_text *text;
	} wanted[] = {
		{"name", &look->peek->name},
		{"namespace", &look->peek->namespace},
		{"uid", &look->peek->uid},
		{"resourceVersion", &look->peek->resource_version},
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (is_key(key, key_len, wanted[i].key))
			return read_string(scan, 2, wanted[i].text);
	}
	return json_scan_value(scan, 2);
}

/* Ends the walk after the metadata. */
static bool object_member(void *arg, struct json_scan *scan, const char *key, size_t key_len)
{
	struct look *look = arg;

	if (!is_key(key, key_len, "metadata"))
		return json_scan_value(scan, 1);
	if (json_scan_space(scan) && *scan->at == '{')
		look->has_metadata = json_scan_each(scan, 1, metadata_member, look);
	return false;
}

/* Ends the walk when the type and the object's metadata were seen. */
static bool event_member(void *arg, struct json_scan *scan, const char *key, size_t key_len)
{
	struct look *look = arg;

	if (is_key(key, key_len, "type"))
		return read_string(scan, 1, &look->peek->type) && !look->has_metadata;
	if (is_key(key, key_len, "object") && json_scan_space(scan) && *scan->at == '{') {
		struct json_scan inner = *scan;

		json_scan_each(&inner, 0, object_member, look);
		if (!look->has_metadata || look->peek->type.at)
			return false;
	}
	return json_scan_value(scan, 1);
}

static int walk(const char *text, size_t len,
		bool (*fn)(void *arg, struct json_scan *scan, const char *key, size_t key_len),
		struct json_peek *ret)
{
	struct json_scan scan = {.at = text, .end = text + len};
	struct json_peek peek = {};
	struct look look = {.peek = &peek};

	if (!json_scan_space(&scan) || *scan.at != '{')
		return -EPROTO;
	json_scan_each(&scan, 0, fn, &look);
	if (!look.has_metadata)
		return -EPROTO;
	*ret = peek;
	return 0;
}

int json_peek_object(const char *text, size_t len, struct json_peek *ret)
{
	return walk(text, len, object_member, ret);
}

int json_peek_event(const char *text, size_t len, struct json_peek *ret)
{
	struct json_peek peek;
	int r = walk(text, len, event_member, &peek);

	if (r == 0 && !peek.type.at)
		r = -EPROTO;
	if (r == 0)
		*ret = peek;
	return r;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Where a string ends whose first quote is at @at: at its last one, or at @end. */
static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++) {
		if (*at == '\\' && ++at == end)
			return end;
	}
	return at;
}

/*
 * Where a value ends that begins at @at: only brackets and strings are looked at, so that this is
 * fast. @end when it does not.
 */
static const char *skip_value(const char *at, const char *end)
{
	size_t depth = 0;

	for (; at < end; at++) {
		if (*at == '"') {
			at = skip_string(at, end);
			if (at == end)
				return end;
		} else if (*at == '{' || *at == '[') {
			depth++;
		} else if (depth == 0 && (*at == ',' || *at == '}' || *at == ']')) {
			return at;
		} else if (*at == '}' || *at == ']') {
			depth--;
		}
	}
	return end;
}

/*
 * In a string a quote has a backslash before it, so that the key with its quotes and colon can only
 * be a name; one that ends in it has the backslash before the first quote.
 */
static const char *find_member(const char *at, const char *start, const char *end, const char *key)
{
	for (;;) {
		at = memmem(at, (size_t)(end - at), key, strlen(key));
		if (!at || at == start || at[-1] != '\\')
			return at;
		at++;
	}
}

size_t json_trim(char *text, size_t len, const char *key)
{
	const char *end = text + len, *from = text, *at;
	char *to = text;

	while ((at = find_member(from, text, end, key))) {
		const char *next = skip_value(at + strlen(key), end);
		size_t n;

		/* the comma before goes with it; the first member takes the one behind */
		while (at > from && is_space(at[-1]))
			at--;
		if (at > from && at[-1] == ',')
			at--;
		else if (next < end && *next == ',')
			next++;
		n = (size_t)(at - from);
		memmove(to, from, n);
		to += n;
		from = next;
	}
	memmove(to, from, (size_t)(end - from));
	return (size_t)(to - text) + (size_t)(end - from);
}
