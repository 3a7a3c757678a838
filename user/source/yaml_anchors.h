/* SPDX-License-Identifier: Apache-2.0 */
/* The named nodes of a YAML document (&name), and the copies that stand for them (*name). */
#ifndef SVCBPF_SOURCE_YAML_ANCHORS_H
#define SVCBPF_SOURCE_YAML_ANCHORS_H

#include <stddef.h>

struct cJSON;
struct yaml_anchor;

/**
 * struct yaml_anchors - the names of one document; zero it at first.
 * @n_copied: values that anchors and aliases copied, at most YAML_MAX_NODES.
 */
struct yaml_anchors {
	struct yaml_anchor *table;
	size_t n_copied;
};

/**
 * yaml_anchors_begin() - declare a name before its node is read, so that a node which contains
 * itself is seen. A name may be declared again. Return: 0 or -ENOMEM.
 */
int yaml_anchors_begin(struct yaml_anchors *anchors, const char *name);

/**
 * yaml_anchors_end() - the node of a declared name has been read; it is copied.
 * Return: 0; -E2BIG: too many values are copied; -ENOMEM.
 */
int yaml_anchors_end(struct yaml_anchors *anchors, const char *name, const struct cJSON *node);

/**
 * yaml_anchors_copy() - a copy of a named node.
 * @max_height: levels that may be below it.
 * @ret: owned by the caller.
 * Return: 0; -ENOENT: no such name; -ELOOP: it is being read; -EOVERFLOW: it is higher than
 * @max_height; -E2BIG: too many values are copied; -ENOMEM.
 */
int yaml_anchors_copy(struct yaml_anchors *anchors, const char *name, int max_height,
		      struct cJSON **ret);

/** yaml_anchors_clear() - forget all. */
void yaml_anchors_clear(struct yaml_anchors *anchors);

#endif
