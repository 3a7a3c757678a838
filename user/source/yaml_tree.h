/* SPDX-License-Identifier: Apache-2.0 */
/* Builds JSON trees from libyaml's events: anchors, aliases, merge keys, lines, limits. */
#ifndef SVCBPF_SOURCE_YAML_TREE_H
#define SVCBPF_SOURCE_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "source/yaml_anchors.h"

struct cJSON;
struct yaml_line;

/**
 * struct yaml_tree - the trees of one text; zero it, set the fields of the first group.
 * @parser: libyaml's, with its input set, borrowed.
 * @first_line: line of the text's first one.
 * @item: takes the items of the root's "items", one at a time, instead of the tree; may be NULL.
 *	@tree: for yaml_tree_line().  @line: where the item begins. A negative return ends all.
 *
 * @error_line, @error: on -EINVAL with @error not empty: the text is broken.
 */
struct yaml_tree {
	yaml_parser_t *parser;
	size_t first_line;
	int (*item)(void *arg, const struct yaml_tree *tree, const struct cJSON *item, size_t line);
	void *arg;

	size_t error_line;
	char error[192];

	/* its own */
	struct yaml_anchors anchors;
	struct yaml_line *lines;
	size_t n_lines;
	size_t max_lines;
	size_t n_nodes;
};

/**
 * yaml_tree_next() - build the tree of the next document.
 * @ret: owned by the caller; NULL at the end of the text.
 * @ret_line: where it begins.
 * Return: 0; -EINVAL, see @tree->error; -ENOMEM; what @tree->item returned.
 */
int yaml_tree_next(struct yaml_tree *tree, struct cJSON **ret, size_t *ret_line);

/** yaml_tree_line() - where a node of the latest tree or item begins; @other when unknown. */
size_t yaml_tree_line(const struct yaml_tree *tree, const struct cJSON *node, size_t other);

/** yaml_tree_clear() - free what it holds. */
void yaml_tree_clear(struct yaml_tree *tree);

#endif
