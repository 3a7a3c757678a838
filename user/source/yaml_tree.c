/* SPDX-License-Identifier: Apache-2.0 */
#include "source/yaml_tree.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/grow.h"
#include "source/yaml.h"
#include "source/yaml_names.h"
#include "source/yaml_scalar.h"
#include "util/cleanup.h"

/** struct yaml_line - where a node begins. */
struct yaml_line {
	const cJSON *node;
	size_t line;
};

static int build_value(struct yaml_tree *tree, const yaml_event_t *event, int depth, cJSON **ret);

static void json_freep(cJSON **item)
{
	cJSON_Delete(*item);
}

static size_t line_of_event(const struct yaml_tree *tree, const yaml_event_t *event)
{
	return tree->first_line + event->start_mark.line;
}

static int fail_at(struct yaml_tree *tree, const yaml_mark_t *mark, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail_at(struct yaml_tree *tree, const yaml_mark_t *mark, const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tree->error_line = tree->first_line + mark->line;
	snprintf(tree->error, sizeof(tree->error), "column %zu: not YAML: %s", mark->column + 1,
		 text);
	return -EINVAL;
}

static int fail_parser(struct yaml_tree *tree)
{
	const yaml_parser_t *parser = tree->parser;
	yaml_mark_t mark = parser->problem_mark;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	/* the reader knows no mark of its own */
	if (parser->error == YAML_READER_ERROR)
		mark = parser->mark;
	if (parser->context)
		return fail_at(tree, &mark, "%s (%s that begins at line %zu)", parser->problem,
			       parser->context, tree->first_line + parser->context_mark.line);
	return fail_at(tree, &mark, "%s", parser->problem ? parser->problem : "unreadable");
}

static int next_event(struct yaml_tree *tree, yaml_event_t *event)
{
	return yaml_parser_parse(tree->parser, event) ? 0 : fail_parser(tree);
}

/* Remembers where a node begins, and counts it. */
static int add_node(struct yaml_tree *tree, const cJSON *node, const yaml_event_t *event)
{
	struct yaml_line *lines;

	if (++tree->n_nodes > YAML_MAX_NODES)
		return fail_at(tree, &event->start_mark, "more than %d values in one object",
			       YAML_MAX_NODES);
	lines = grow_array(tree->lines, tree->n_lines, &tree->max_lines, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	tree->lines = lines;
	lines[tree->n_lines++] =
		(struct yaml_line){.node = node, .line = line_of_event(tree, event)};
	return 0;
}

/* The same for all nodes of a copy: they stand where the alias does. */
static int add_copy(struct yaml_tree *tree, const cJSON *node, const yaml_event_t *event)
{
	const cJSON *child;
	int r = add_node(tree, node, event);

	cJSON_ArrayForEach(child, node) {
		if (r < 0)
			return r;
		r = add_copy(tree, child, event);
	}
	return r;
}

static const char *anchor_name(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return (const char *)event->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return (const char *)event->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return (const char *)event->data.mapping_start.anchor;
	case YAML_ALIAS_EVENT:
		return (const char *)event->data.alias.anchor;
	default:
		return NULL;
	}
}

/* Says what is wrong with an anchor or alias. */
static int fail_anchor(struct yaml_tree *tree, const yaml_event_t *event, int error)
{
	const yaml_mark_t *mark = &event->start_mark;

	switch (error) {
	case -ENOENT:
		return fail_at(tree, mark, "no anchor is named \"%.64s\"", anchor_name(event));
	case -ELOOP:
		return fail_at(tree, mark, "anchor \"%.64s\" contains itself", anchor_name(event));
	case -EOVERFLOW:
		return fail_at(tree, mark, "nested too deeply");
	case -E2BIG:
		return fail_at(tree, mark, "aliases stand for more than %d values", YAML_MAX_NODES);
	default:
		return error;
	}
}

static int end_anchor(struct yaml_tree *tree, const yaml_event_t *event, const cJSON *node)
{
	int r = yaml_anchors_end(&tree->anchors, anchor_name(event), node);

	return r < 0 ? fail_anchor(tree, event, r) : 0;
}

static int build_alias(struct yaml_tree *tree, const yaml_event_t *event, int depth, cJSON **ret)
{
	_cleanup_(json_freep) cJSON *copy = NULL;
	int r = yaml_anchors_copy(&tree->anchors, anchor_name(event), PARSE_MAX_DEPTH - 1 - depth,
				  &copy);

	if (r < 0)
		return fail_anchor(tree, event, r);
	r = add_copy(tree, copy, event);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(copy);
	return 0;
}

static int build_scalar(struct yaml_tree *tree, const yaml_event_t *event, cJSON **ret)
{
	const char *text = (const char *)event->data.scalar.value, *error = NULL;
	_cleanup_(json_freep) cJSON *item = NULL;
	int r;

	if (strlen(text) != event->data.scalar.length)
		return fail_at(tree, &event->start_mark, "a NUL character");
	r = yaml_scalar(text, (const char *)event->data.scalar.tag,
			event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE, &item, &error);
	if (r == -EINVAL)
		return fail_at(tree, &event->start_mark, "%s", error);
	if (r < 0)
		return r;
	r = add_node(tree, item, event);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(item);
	return 0;
}

static int build_sequence(struct yaml_tree *tree, const yaml_event_t *start, int depth, cJSON **ret)
{
	_cleanup_(json_freep) cJSON *array = cJSON_CreateArray();
	int r = array ? add_node(tree, array, start) : -ENOMEM;

	while (r >= 0) {
		_cleanup_(yaml_event_delete) yaml_event_t event = {};
		cJSON *item;

		r = next_event(tree, &event);
		if (r < 0)
			break;
		if (event.type == YAML_SEQUENCE_END_EVENT) {
			*ret = TAKE_PTR(array);
			return 0;
		}
		r = build_value(tree, &event, depth + 1, &item);
		if (r == 0)
			cJSON_AddItemToArray(array, item);
	}
	return r;
}

/* Tells the elements of the root's "items" one by one; what stays of them is an empty list. */
static int stream_items(struct yaml_tree *tree, const yaml_event_t *start, cJSON **ret)
{
	for (;;) {
		_cleanup_(yaml_event_delete) yaml_event_t event = {};
		_cleanup_(json_freep) cJSON *item = NULL;
		int r;

		tree->n_lines = 0;
		tree->n_nodes = 0;
		r = next_event(tree, &event);
		if (r < 0)
			return r;
		if (event.type == YAML_SEQUENCE_END_EVENT)
			break;
		r = build_value(tree, &event, 2, &item);
		if (r < 0)
			return r;
		r = tree->item(tree->arg, tree, item, line_of_event(tree, &event));
		if (r < 0)
			return r;
	}
	*ret = cJSON_CreateArray();
	return *ret ? add_node(tree, *ret, start) : -ENOMEM;
}

static int key_of_alias(struct yaml_tree *tree, const yaml_event_t *event, char **ret)
{
	_cleanup_(json_freep) cJSON *copy = NULL;
	int r = yaml_anchors_copy(&tree->anchors, anchor_name(event), PARSE_MAX_DEPTH, &copy);

	if (r < 0)
		return fail_anchor(tree, event, r);
	if (!cJSON_IsString(copy))
		return fail_at(tree, &event->start_mark, "a name must be text");
	*ret = strdup(copy->valuestring);
	return *ret ? 0 : -ENOMEM;
}

/* Reads the name of a pair; NULL stands for the merge key "<<". */
static int build_key(struct yaml_tree *tree, const yaml_event_t *event, char **ret)
{
	const char *text = (const char *)event->data.scalar.value, *error = NULL;
	bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	const char *tag = (const char *)event->data.scalar.tag;
	_cleanup_(json_freep) cJSON *node = NULL;
	int r;

	if (event->type == YAML_ALIAS_EVENT)
		return key_of_alias(tree, event, ret);
	if (event->type != YAML_SCALAR_EVENT)
		return fail_at(tree, &event->start_mark, "a name must be text");
	if (is_plain && !tag && strcmp(text, "<<") == 0) {
		*ret = NULL;
		return 0;
	}
	if (strlen(text) != event->data.scalar.length)
		return fail_at(tree, &event->start_mark, "a NUL character");
	r = yaml_scalar_key(text, tag, is_plain, ret, &error);
	if (r == -EINVAL)
		return fail_at(tree, &event->start_mark, "%s", error);
	if (r < 0 || !event->data.scalar.anchor)
		return r;
	node = cJSON_CreateString(*ret);
	r = node ? yaml_anchors_begin(&tree->anchors, anchor_name(event)) : -ENOMEM;
	if (r == 0)
		r = end_anchor(tree, event, node);
	if (r < 0) {
		free(*ret);
		*ret = NULL;
	}
	return r;
}

/* Reads one pair of a mapping, whose name is in @event. */
static int build_pair(struct yaml_tree *tree, const yaml_event_t *event, int depth, cJSON *object)
{
	_cleanup_(yaml_event_delete) yaml_event_t next = {};
	_cleanup_(json_freep) cJSON *value = NULL;
	_free_ char *key = NULL;
	int r = build_key(tree, event, &key);

	if (r < 0)
		return r;
	r = next_event(tree, &next);
	if (r < 0)
		return r;
	if (depth == 0 && tree->item && key && strcmp(key, "items") == 0 &&
	    next.type == YAML_SEQUENCE_START_EVENT)
		r = stream_items(tree, &next, &value);
	else
		r = build_value(tree, &next, depth + 1, &value);
	if (r < 0)
		return r;
	if (key) {
		yaml_names_add(object, TAKE_PTR(key), TAKE_PTR(value));
		return 0;
	}
	if (yaml_names_merge(object, value) < 0)
		return fail_at(tree, &next.start_mark, "\"<<\" needs a mapping or a list of them");
	return 0;
}

static int build_mapping(struct yaml_tree *tree, const yaml_event_t *start, int depth, cJSON **ret)
{
	_cleanup_(json_freep) cJSON *object = cJSON_CreateObject();
	int r = object ? add_node(tree, object, start) : -ENOMEM;

	while (r >= 0) {
		_cleanup_(yaml_event_delete) yaml_event_t event = {};

		r = next_event(tree, &event);
		if (r < 0)
			return r;
		if (event.type == YAML_MAPPING_END_EVENT) {
			r = yaml_names_remove_repeated(object);
			if (r < 0)
				return r;
			*ret = TAKE_PTR(object);
			return 0;
		}
		r = build_pair(tree, &event, depth, object);
	}
	return r;
}

static int build_plain_value(struct yaml_tree *tree, const yaml_event_t *event, int depth,
			     cJSON **ret)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return build_scalar(tree, event, ret);
	case YAML_ALIAS_EVENT:
		return build_alias(tree, event, depth, ret);
	case YAML_SEQUENCE_START_EVENT:
		return build_sequence(tree, event, depth, ret);
	case YAML_MAPPING_START_EVENT:
		return build_mapping(tree, event, depth, ret);
	default:
		return fail_at(tree, &event->start_mark, "a value is missing");
	}
}

/* @ret: untouched on failure. */
static int build_value(struct yaml_tree *tree, const yaml_event_t *event, int depth, cJSON **ret)
{
	const char *anchor = event->type == YAML_ALIAS_EVENT ? NULL : anchor_name(event);
	_cleanup_(json_freep) cJSON *value = NULL;
	int r;

	if (depth >= PARSE_MAX_DEPTH &&
	    (event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT))
		return fail_at(tree, &event->start_mark, "nested too deeply");
	if (anchor) {
		r = yaml_anchors_begin(&tree->anchors, anchor);
		if (r < 0)
			return r;
	}
	r = build_plain_value(tree, event, depth, &value);
	if (r == 0 && anchor)
		r = end_anchor(tree, event, value);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(value);
	return 0;
}

/* Skips to the start of a document. Return: 1; 0 at the end of the text; negative errno. */
static int find_document(struct yaml_tree *tree)
{
	for (;;) {
		_cleanup_(yaml_event_delete) yaml_event_t event = {};
		int r = next_event(tree, &event);

		if (r < 0)
			return r;
		if (event.type == YAML_STREAM_END_EVENT || event.type == YAML_NO_EVENT)
			return 0;
		if (event.type == YAML_DOCUMENT_START_EVENT)
			return 1;
	}
}

int yaml_tree_next(struct yaml_tree *tree, struct cJSON **ret, size_t *ret_line)
{
	_cleanup_(yaml_event_delete) yaml_event_t event = {};
	int r;

	yaml_anchors_clear(&tree->anchors);
	tree->n_lines = 0;
	tree->n_nodes = 0;
	r = find_document(tree);
	if (r < 0)
		return r;
	if (r == 0) {
		*ret = NULL;
		return 0;
	}
	r = next_event(tree, &event);
	if (r < 0)
		return r;
	*ret_line = line_of_event(tree, &event);
	return build_value(tree, &event, 0, ret);
}

size_t yaml_tree_line(const struct yaml_tree *tree, const struct cJSON *node, size_t other)
{
	for (size_t i = 0; i < tree->n_lines; i++) {
		if (tree->lines[i].node == node)
			return tree->lines[i].line;
	}
	return other;
}

void yaml_tree_clear(struct yaml_tree *tree)
{
	yaml_anchors_clear(&tree->anchors);
	free(tree->lines);
	tree->lines = NULL;
	tree->n_lines = 0;
	tree->max_lines = 0;
}
