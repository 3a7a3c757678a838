/* SPDX-License-Identifier: Apache-2.0 */
/* metadata, which all objects share. */
#ifndef SVCBPF_SOURCE_META_H
#define SVCBPF_SOURCE_META_H

#include "source/field.h"

enum meta_name {
	META_NAME_LABEL,   /* a DNS label: Services */
	META_NAME_SEGMENT, /* what fits into a URL: all others */
};

/**
 * struct meta - an object's metadata; texts are borrowed from the tree.
 * @namespace: "default" when absent.
 * @created_s: creationTimestamp, seconds since the epoch; INT64_MAX when absent.
 *
 * Not to be copied: labels and annotations point into it.
 */
struct meta {
	struct field metadata;
	struct field labels;
	struct field annotations;
	const char *namespace;
	const char *name;
	int64_t created_s;
};

/**
 * meta_decode() - read metadata.
 * @root: the object.  @kind: which names are good.
 * Return: 0; -EINVAL with the error of @root filled in.
 */
int meta_decode(const struct field *root, enum meta_name kind, struct meta *ret);

/** meta_label() - @ret: a label's value, borrowed; NULL when absent. Return: 0 or -EINVAL. */
int meta_label(const struct meta *meta, const char *key, const char **ret);

/** meta_annotation() - the same for an annotation. */
int meta_annotation(const struct meta *meta, const char *key, const char **ret);

/** intern() - @text in the pool; NULL stays NULL. Return: 0 or -ENOMEM. */
int intern(struct strings *pool, const char *text, const char **ret);

#endif
