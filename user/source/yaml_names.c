/* SPDX-License-Identifier: Apache-2.0 */
#include "source/yaml_names.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* Up to here comparing each name with each is faster than sorting. */
#define SMALL_MAPPING 24

/** struct member - a member and its place. */
struct member {
	cJSON *item;
	size_t index;
};

void yaml_names_add(struct cJSON *object, char *key, struct cJSON *value)
{
	/* cJSON's own function would copy the name */
	value->string = key;
	cJSON_AddItemToArray(object, value);
}

static void move_members(cJSON *object, cJSON *from)
{
	while (from->child)
		cJSON_AddItemToArray(object, cJSON_DetachItemViaPointer(from, from->child));
}

int yaml_names_merge(struct cJSON *object, struct cJSON *value)
{
	const cJSON *item;

	if (!value)
		return -EINVAL;
	if (cJSON_IsObject(value)) {
		move_members(object, value);
		return 0;
	}
	if (!cJSON_IsArray(value))
		return -EINVAL;
	cJSON_ArrayForEach(item, value) {
		if (!cJSON_IsObject(item))
			return -EINVAL;
	}
	/* backwards: what comes last counts; cJSON's first child knows the last one */
	while (value->child) {
		cJSON *last = cJSON_DetachItemViaPointer(value, value->child->prev);

		move_members(object, last);
		cJSON_Delete(last);
	}
	return 0;
}

static bool is_repeated_later(const cJSON *item)
{
	for (const cJSON *later = item->next; later; later = later->next) {
		if (strcmp(item->string, later->string) == 0)
			return true;
	}
	return false;
}

static void remove_repeated_small(cJSON *object)
{
	cJSON *next;

	for (cJSON *item = object->child; item; item = next) {
		next = item->next;
		if (is_repeated_later(item))
			cJSON_Delete(cJSON_DetachItemViaPointer(object, item));
	}
}

static int compare_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int r = strcmp(x->item->string, y->item->string);

	if (r != 0)
		return r;
	return x->index < y->index ? -1 : x->index > y->index;
}

int yaml_names_remove_repeated(struct cJSON *object)
{
	size_t n = (size_t)cJSON_GetArraySize(object), i = 0;
	_free_ struct member *members = NULL;
	cJSON *item;

	if (n <= SMALL_MAPPING) {
		remove_repeated_small(object);
		return 0;
	}
	members = calloc(n, sizeof(*members));
	if (!members)
		return -ENOMEM;
	cJSON_ArrayForEach(item, object) {
		members[i] = (struct member){.item = item, .index = i};
		i++;
	}
	qsort(members, n, sizeof(*members), compare_members);
	for (i = 0; i + 1 < n; i++) {
		if (strcmp(members[i].item->string, members[i + 1].item->string) == 0)
			cJSON_Delete(cJSON_DetachItemViaPointer(object, members[i].item));
	}
	return 0;
}
