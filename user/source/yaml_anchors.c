/* SPDX-License-Identifier: Apache-2.0 */
#include "source/yaml_anchors.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/yaml.h"
#include "util/table.h"

/**
 * struct yaml_anchor - a named node.
 * @node: a copy of it; NULL while it is being read.
 * @n_nodes, @height: values in it, and levels below it.
 */
struct yaml_anchor {
	char *name;
	cJSON *node;
	size_t n_nodes;
	int height;
	UT_hash_handle hh;
};

static struct yaml_anchor *find(const struct yaml_anchors *anchors, const char *name)
{
	struct yaml_anchor *anchor;

	HASH_FIND_STR(anchors->table, name, anchor);
	return anchor;
}

int yaml_anchors_begin(struct yaml_anchors *anchors, const char *name)
{
	struct yaml_anchor *anchor = find(anchors, name);

	if (anchor) {
		cJSON_Delete(anchor->node);
		anchor->node = NULL;
		return 0;
	}
	anchor = calloc(1, sizeof(*anchor));
	if (!anchor)
		return -ENOMEM;
	anchor->name = strdup(name);
	if (anchor->name)
		HASH_ADD_KEYPTR(hh, anchors->table, anchor->name, strlen(anchor->name), anchor);
	if (!TABLE_HAS(anchor)) {
		free(anchor->name);
		free(anchor);
		return -ENOMEM;
	}
	return 0;
}

static void measure(const cJSON *node, size_t *n_nodes, int *height)
{
	const cJSON *child;
	int tallest = -1;

	(*n_nodes)++;
	cJSON_ArrayForEach(child, node) {
		int below = 0;

		measure(child, n_nodes, &below);
		if (below > tallest)
			tallest = below;
	}
	*height = tallest + 1;
}

/* Copies within the budget of the whole document. */
static int copy(struct yaml_anchors *anchors, const cJSON *node, size_t n_nodes, cJSON **ret)
{
	cJSON *duplicate;

	anchors->n_copied += n_nodes;
	if (anchors->n_copied > YAML_MAX_NODES)
		return -E2BIG;
	duplicate = cJSON_Duplicate(node, 1);
	if (!duplicate)
		return -ENOMEM;
	*ret = duplicate;
	return 0;
}

int yaml_anchors_end(struct yaml_anchors *anchors, const char *name, const struct cJSON *node)
{
	struct yaml_anchor *anchor = find(anchors, name);

	/* declared again within its own node: the inner one counts */
	if (!anchor || anchor->node)
		return 0;
	anchor->n_nodes = 0;
	measure(node, &anchor->n_nodes, &anchor->height);
	return copy(anchors, node, anchor->n_nodes, &anchor->node);
}

int yaml_anchors_copy(struct yaml_anchors *anchors, const char *name, int max_height,
		      struct cJSON **ret)
{
	const struct yaml_anchor *anchor = find(anchors, name);

	if (!anchor)
		return -ENOENT;
	if (!anchor->node)
		return -ELOOP;
	if (anchor->height > max_height)
		return -EOVERFLOW;
	return copy(anchors, anchor->node, anchor->n_nodes, ret);
}

void yaml_anchors_clear(struct yaml_anchors *anchors)
{
	struct yaml_anchor *anchor, *next;

	HASH_ITER(hh, anchors->table, anchor, next) {
		HASH_DEL(anchors->table, anchor);
		cJSON_Delete(anchor->node);
		free(anchor->name);
		free(anchor);
	}
	anchors->n_copied = 0;
}
