/* SPDX-License-Identifier: Apache-2.0 */
#include "source/yaml.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/json.h"
#include "source/list_kind.h"
#include "source/yaml_tree.h"
#include "util/cleanup.h"

/* Longest kind that is looked at before the document is read. */
#define KIND_MAX_BYTES 64

/**
 * struct yaml_doc - what one cut of the text holds.
 * @list_kind: the kind at its top when that is a list's, else "".
 */
struct yaml_doc {
	const char *text;
	size_t len;
	size_t line;
	char list_kind[KIND_MAX_BYTES];
	const struct parse_events *events;
};

static void json_freep(cJSON **item)
{
	cJSON_Delete(*item);
}

static const char *next_line(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return newline ? newline + 1 : end;
}

static bool is_separator(const char *at, const char *end)
{
	return end - at >= 3 && memcmp(at, "---", 3) == 0 &&
	       (end - at == 3 || isspace((unsigned char)at[3]));
}

/* Blank lines, comments and directives hold no document. */
static bool is_filler(const char *at, const char *end)
{
	if (*at == '%')
		return true;
	while (at < end && isspace((unsigned char)*at) && *at != '\n')
		at++;
	return at == end || *at == '\n' || *at == '#';
}

/* Finds the text up to the next "---" that begins a document. */
static size_t cut_document(const char *text, const char *end, size_t *ret_n_lines)
{
	bool has_content = false;
	const char *at = text;
	size_t n_lines = 0;

	while (at < end) {
		bool is_start = is_separator(at, end);

		if (is_start && has_content)
			break;
		if (is_start || !is_filler(at, end))
			has_content = true;
		at = next_line(at, end);
		n_lines++;
	}
	*ret_n_lines = n_lines;
	return (size_t)(at - text);
}

/*
 * Looks for "kind: SomethingList" at the start of a line: only then can the items be told one by
 * one, since kubectl writes the kind behind them.
 */
static void find_list_kind(struct yaml_doc *doc)
{
	const char *at = doc->text, *end = doc->text + doc->len;
	char kind[KIND_MAX_BYTES];
	size_t n = 0;

	while (at < end && (end - at < 5 || memcmp(at, "kind:", 5) != 0))
		at = next_line(at, end);
	if (at == end)
		return;
	for (at += 5; at < end && (*at == ' ' || *at == '"' || *at == '\''); at++)
		;
	while (at < end && isalnum((unsigned char)*at) && n < sizeof(kind) - 1)
		kind[n++] = *at++;
	kind[n] = '\0';
	if (list_kind_is_list(kind))
		memcpy(doc->list_kind, kind, n + 1);
}

static size_t yaml_line_of(const struct parsed *parsed, const cJSON *node)
{
	return yaml_tree_line(parsed->source, node, parsed->line);
}

static int tell(const struct yaml_doc *doc, const struct yaml_tree *tree, const cJSON *json,
		size_t line, const char *list_kind)
{
	struct parsed parsed = {
		.json = json,
		.list_kind = list_kind,
		.line = line,
		.line_of = yaml_line_of,
		.source = tree,
	};

	return doc->events->object(doc->events->arg, &parsed);
}

static int tell_item(void *arg, const struct yaml_tree *tree, const cJSON *item, size_t line)
{
	const struct yaml_doc *doc = arg;

	return tell(doc, tree, item, line, doc->list_kind);
}

/* Tells a whole document; the items of a List that were not told yet. */
static int tell_document(const struct yaml_doc *doc, const struct yaml_tree *tree,
			 const cJSON *json, size_t line)
{
	const cJSON *kind = cJSON_GetObjectItemCaseSensitive(json, "kind");
	const cJSON *items = cJSON_GetObjectItemCaseSensitive(json, "items"), *item;
	int r;

	if (cJSON_IsNull(json))
		return 0;
	if (!cJSON_IsString(kind) || !list_kind_is_list(kind->valuestring) || !cJSON_IsArray(items))
		return tell(doc, tree, json, line, NULL);
	cJSON_ArrayForEach(item, items) {
		r = tell(doc, tree, item, yaml_tree_line(tree, item, line), kind->valuestring);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_trees(struct yaml_doc *doc, struct yaml_tree *tree)
{
	for (;;) {
		_cleanup_(json_freep) cJSON *json = NULL;
		size_t line = doc->line;
		int r = yaml_tree_next(tree, &json, &line);

		if (r == -EINVAL && tree->error[0])
			return doc->events->error(doc->events->arg, tree->error_line, tree->error);
		if (r < 0 || !json)
			return r;
		r = tell_document(doc, tree, json, line);
		if (r < 0)
			return r;
	}
}

static int parse_yaml(struct yaml_doc *doc)
{
	_cleanup_(yaml_tree_clear) struct yaml_tree tree = {.first_line = doc->line};
	_cleanup_(yaml_parser_delete) yaml_parser_t parser = {};

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)doc->text, doc->len);
	tree.parser = &parser;
	find_list_kind(doc);
	if (doc->list_kind[0]) {
		tree.item = tell_item;
		tree.arg = doc;
	}
	return parse_trees(doc, &tree);
}

static int parse_document(struct yaml_doc *doc)
{
	const char *at = doc->text, *end = doc->text + doc->len;
	size_t line = doc->line;

	for (; at < end && (is_filler(at, end) || is_separator(at, end)); line++)
		at = next_line(at, end);
	if (at < end && *at == '{' && json_is_valid(at, (size_t)(end - at)))
		return json_parse(at, (size_t)(end - at), line, doc->events);
	return parse_yaml(doc);
}

int yaml_parse(const char *text, size_t len, const struct parse_events *events)
{
	const char *end = text + len;
	size_t line = 1, n_lines;

	for (; text < end; line += n_lines) {
		struct yaml_doc doc = {.text = text, .line = line, .events = events};
		int r;

		doc.len = cut_document(text, end, &n_lines);
		text += doc.len;
		r = parse_document(&doc);
		if (r < 0)
			return r;
	}
	return 0;
}
