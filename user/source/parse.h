/* SPDX-License-Identifier: Apache-2.0 */
/* What the two parsers, json.c and yaml.c, make of a text: JSON trees, each with its place. */
#ifndef SVCBPF_SOURCE_PARSE_H
#define SVCBPF_SOURCE_PARSE_H

#include <stddef.h>

struct cJSON;

/** PARSE_MAX_DEPTH - objects and lists within each other; deeper texts are refused. */
#define PARSE_MAX_DEPTH 100

/** PARSE_MAX_TEXT_BYTES - longest text that is read. */
#define PARSE_MAX_TEXT_BYTES (512u << 20)

/**
 * struct parsed - one object of a text; lives until the callback returns.
 * @json: the tree, never NULL.
 * @list_kind: the kind of the list it is an item of, e.g. "ServiceList"; NULL: it stands alone.
 * @line: where it begins, counted from 1.
 * @line_of: where one of its values begins; @line for what is not in the tree.
 * @source: belongs to the parser.
 */
struct parsed {
	const struct cJSON *json;
	const char *list_kind;
	size_t line;
	size_t (*line_of)(const struct parsed *parsed, const struct cJSON *node);
	const void *source;
};

/**
 * struct parse_events - what a parser tells, in the order of the text.
 * @object: a document, or each item of a document that is a List; a negative return ends the
 *	parsing and is returned.
 * @error: the text is broken at @line; what follows up to the next document is lost.
 */
struct parse_events {
	int (*object)(void *arg, const struct parsed *parsed);
	int (*error)(void *arg, size_t line, const char *text);
	void *arg;
};

#endif
