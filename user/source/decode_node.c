/* SPDX-License-Identifier: Apache-2.0 */
/* Node (v1): its zone, its addresses, and whether it is on its way out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/decode.h"
#include "source/meta.h"

#define LABEL_ZONE	"topology.kubernetes.io/zone"
#define TAINT_AUTOSCALE "ToBeDeletedByClusterAutoscaler"

/* Appends the addresses of one type that are addresses (rule R10). */
static int add_addresses(const struct field *array, const char *want, struct k8s_node *node)
{
	for (struct field item = field_first(array); item.node; item = field_next(&item)) {
		const char *type, *text;
		int r;

		r = field_check_object(&item);
		if (r < 0)
			return r;
		r = field_string(&item, "type", &type);
		if (r < 0)
			return r;
		r = field_string(&item, "address", &text);
		if (r < 0)
			return r;
		if (!type || !text || strcmp(type, want) != 0)
			continue;
		if (addr_parse(text, &node->addresses[node->n_addresses]) == 0)
			node->n_addresses++;
	}
	return 0;
}

static int decode_addresses(const struct field *root, struct k8s_node *node)
{
	struct field status, array;
	int r;

	r = field_object(root, "status", &status);
	if (r < 0)
		return r;
	r = field_array(&status, "addresses", &array);
	if (r < 0 || field_count(&array) == 0)
		return r;
	node->addresses = calloc(field_count(&array), sizeof(*node->addresses));
	if (!node->addresses)
		return -ENOMEM;
	r = add_addresses(&array, "InternalIP", node);
	return r < 0 ? r : add_addresses(&array, "ExternalIP", node);
}

static int decode_is_deleting(const struct field *root, const struct meta *meta, bool *ret)
{
	struct field spec, taints;
	const char *text;
	int r;

	r = field_string(&meta->metadata, "deletionTimestamp", &text);
	if (r < 0)
		return r;
	*ret = text != NULL;
	r = field_object(root, "spec", &spec);
	if (r < 0)
		return r;
	r = field_array(&spec, "taints", &taints);
	if (r < 0)
		return r;
	for (struct field item = field_first(&taints); item.node; item = field_next(&item)) {
		r = field_check_object(&item);
		if (r < 0)
			return r;
		r = field_string(&item, "key", &text);
		if (r < 0)
			return r;
		if (text && strcmp(text, TAINT_AUTOSCALE) == 0)
			*ret = true;
	}
	return 0;
}

static int node_fill(const struct field *root, struct strings *pool, struct k8s_node *node)
{
	struct meta meta;
	const char *zone;
	int r;

	r = meta_decode(root, META_NAME_SEGMENT, &meta);
	if (r < 0)
		return r;
	r = meta_label(&meta, LABEL_ZONE, &zone);
	if (r < 0)
		return r;
	r = decode_is_deleting(root, &meta, &node->is_deleting);
	if (r < 0)
		return r;
	r = intern(pool, meta.name, &node->name);
	if (r < 0)
		return r;
	r = intern(pool, zone, &node->zone);
	return r < 0 ? r : decode_addresses(root, node);
}

int decode_node(const struct cJSON *json, struct strings *pool, struct k8s_node **ret,
		struct decode_error *ret_error)
{
	struct field root = field_root(json, ret_error);
	struct k8s_node *node = calloc(1, sizeof(*node));
	int r;

	if (!node)
		return -ENOMEM;
	r = node_fill(&root, pool, node);
	if (r < 0) {
		k8s_node_free(pool, node);
		return r;
	}
	*ret = node;
	return 0;
}
