/* SPDX-License-Identifier: Apache-2.0 */
#include "source/json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/grow.h"
#include "source/json_scan.h"
#include "source/list_kind.h"
#include "util/cleanup.h"

/** struct span - a part of a text. */
struct span {
	const char *at;
	size_t len;
};

/**
 * struct json_doc - one value of the text, before its tree is made.
 * @kind: the string of its member "kind", with quotes; @kind.at NULL when there is none.
 * @items: the elements of its member "items"; NULL when that is no array.
 */
struct json_doc {
	struct span kind;
	struct span *items;
	size_t n_items;
	size_t max_items;
	bool has_items;
	bool is_out_of_memory;
};

static void json_doc_free(struct json_doc *doc)
{
	free(doc->items);
}

static size_t count_lines(const char *from, const char *to)
{
	size_t n = 0;

	while (from < to && (from = memchr(from, '\n', (size_t)(to - from)))) {
		from++;
		n++;
	}
	return n;
}

/* Finds @node in a tree, counting values in the order of the text. */
static bool find_node(const cJSON *tree, const cJSON *node, size_t *count)
{
	const cJSON *child;

	(*count)++;
	if (tree == node)
		return true;
	cJSON_ArrayForEach(child, tree) {
		if (find_node(child, node, count))
			return true;
	}
	return false;
}

static size_t json_line_of(const struct parsed *parsed, const cJSON *node)
{
	const struct span *span = parsed->source;
	struct json_scan scan = {.at = span->at, .end = span->at + span->len};

	if (!node || !find_node(parsed->json, node, &scan.wanted))
		return parsed->line;
	json_scan_value(&scan, 0);
	return parsed->line + (scan.found ? count_lines(span->at, scan.found) : 0);
}

static bool add_item(void *arg, struct json_scan *scan, const char *key, size_t key_len)
{
	struct json_doc *doc = arg;
	struct span *items = grow_array(doc->items, doc->n_items, &doc->max_items, sizeof(*items));
	const char *at;

	(void)key;
	(void)key_len;
	if (!items) {
		doc->is_out_of_memory = true;
		return false;
	}
	doc->items = items;
	json_scan_space(scan);
	at = scan->at;
	if (!json_scan_value(scan, 2))
		return false;
	items[doc->n_items++] = (struct span){at, (size_t)(scan->at - at)};
	return true;
}

/* Looks at a member of the document: "kind" and "items" are remembered, the last of each. */
static bool add_member(void *arg, struct json_scan *scan, const char *key, size_t key_len)
{
	static const char kind[] = "\"kind\"", items[] = "\"items\"";
	struct json_doc *doc = arg;
	bool has_more = json_scan_space(scan);
	const char *at = scan->at;

	if (key_len == sizeof(items) - 1 && memcmp(key, items, key_len) == 0) {
		doc->n_items = 0;
		doc->has_items = has_more && *at == '[';
		if (doc->has_items)
			return json_scan_each(scan, 1, add_item, doc);
	}
	if (!json_scan_value(scan, 1))
		return false;
	if (key_len == sizeof(kind) - 1 && memcmp(key, kind, key_len) == 0)
		doc->kind = (struct span){*at == '"' ? at : NULL, (size_t)(scan->at - at)};
	return true;
}

static bool scan_doc(struct json_scan *scan, struct json_doc *doc)
{
	if (*scan->at == '{')
		return json_scan_each(scan, 0, add_member, doc);
	return json_scan_value(scan, 0);
}

/* Makes the tree of a span, which was scanned and is good, and tells it. */
static int tell_span(const struct span *span, const char *list_kind, size_t line,
		     const struct parse_events *events)
{
	struct parsed parsed = {
		.list_kind = list_kind,
		.line = line,
		.line_of = json_line_of,
		.source = span,
	};
	cJSON *tree = cJSON_ParseWithLength(span->at, span->len);
	int r;

	/* the scanner is as strict as RFC 8259; cJSON refuses a little more */
	if (!tree)
		return events->error(
			events->arg, line,
			"not JSON: half a surrogate pair, or a number of over 60 digits");
	parsed.json = tree;
	r = events->object(events->arg, &parsed);
	cJSON_Delete(tree);
	return r;
}

static int tell_items(const struct json_doc *doc, const char *list_kind, const char *text,
		      size_t line, const struct parse_events *events)
{
	const char *at = text;

	for (size_t i = 0; i < doc->n_items; i++) {
		int r;

		line += count_lines(at, doc->items[i].at);
		at = doc->items[i].at;
		r = tell_span(&doc->items[i], list_kind, line, events);
		if (r < 0)
			return r;
	}
	return 0;
}

static int tell_doc(const struct json_doc *doc, const struct span *span, size_t line,
		    const struct parse_events *events)
{
	_free_ char *kind = NULL;

	if (doc->kind.at && doc->has_items) {
		/* the quotes go; a kind with escapes in it is none that counts */
		kind = strndup(doc->kind.at + 1, doc->kind.len - 2);
		if (!kind)
			return -ENOMEM;
		if (list_kind_is_list(kind))
			return tell_items(doc, kind, span->at, line, events);
	}
	return tell_span(span, NULL, line, events);
}

static int tell_error(const struct json_scan *scan, const char *text, size_t first_line,
		      const struct parse_events *events)
{
	const char *line_start = memrchr(text, '\n', (size_t)(scan->at - text));
	char error[128];

	snprintf(error, sizeof(error), "column %zu: not JSON: %s",
		 (size_t)(scan->at - (line_start ? line_start + 1 : text)) + 1, scan->error);
	return events->error(events->arg, first_line + count_lines(text, scan->at), error);
}

int json_parse(const char *text, size_t len, size_t first_line, const struct parse_events *events)
{
	struct json_scan scan = {.at = text, .end = text + len};
	const char *counted = text;
	size_t line = first_line;

	while (json_scan_space(&scan)) {
		_cleanup_(json_doc_free) struct json_doc doc = {};
		struct span span = {.at = scan.at};
		int r;

		if (!scan_doc(&scan, &doc))
			return doc.is_out_of_memory ? -ENOMEM
						    : tell_error(&scan, text, first_line, events);
		span.len = (size_t)(scan.at - span.at);
		line += count_lines(counted, span.at);
		counted = span.at;
		r = tell_doc(&doc, &span, line, events);
		if (r < 0)
			return r;
	}
	return 0;
}

bool json_is_valid(const char *text, size_t len)
{
	struct json_scan scan = {.at = text, .end = text + len};
	size_t n = 0;

	for (; json_scan_space(&scan); n++) {
		if (!json_scan_value(&scan, 0))
			return false;
	}
	return n > 0;
}
