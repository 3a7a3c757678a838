/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/serving_lists.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/table.h"

/** struct serving_list - of one service port; its list is owned. */
struct serving_list {
	struct stale_udp_service service;
	UT_hash_handle hh;
};

static int copy_list(const struct backend_list *list, struct backend_list *ret)
{
	struct backend *copy = calloc(list->n_backends + 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (list->n_backends)
		memcpy(copy, list->backends, list->n_backends * sizeof(*copy));
	*ret = (struct backend_list){.backends = copy, .n_backends = list->n_backends};
	return 0;
}

/* The entry of @service_id, a new one if need be; NULL without memory. */
static struct serving_list *get_entry(struct serving_lists *lists, uint32_t service_id)
{
	struct serving_list *entry;

	HASH_FIND(hh, lists->table, &service_id, sizeof(service_id), entry);
	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->service.service_id = service_id;
	HASH_ADD_KEYPTR(hh, lists->table, &entry->service.service_id, sizeof(service_id), entry);
	if (!TABLE_HAS(entry)) {
		free(entry);
		return NULL;
	}
	return entry;
}

int serving_lists_put(struct serving_lists *lists, uint32_t service_id,
		      const struct backend_list *serving)
{
	struct serving_list *entry;
	struct backend_list copy;
	int r;

	r = copy_list(serving, &copy);
	if (r < 0)
		return r;
	entry = get_entry(lists, service_id);
	if (!entry) {
		free(copy.backends);
		return -ENOMEM;
	}
	free(entry->service.serving.backends);
	entry->service.serving = copy;
	return 0;
}

static int compare_ids(const void *left, const void *right)
{
	const struct stale_udp_service *a = left, *b = right;

	return (a->service_id > b->service_id) - (a->service_id < b->service_id);
}

static void free_entry(struct serving_list *entry)
{
	free(entry->service.serving.backends);
	free(entry);
}

void serving_lists_move(struct serving_lists *to, struct serving_lists *from)
{
	struct serving_list *entry, *next, *found;

	HASH_ITER(hh, from->table, entry, next) {
		HASH_DEL(from->table, entry);
		HASH_FIND(hh, to->table, &entry->service.service_id, sizeof(uint32_t), found);
		if (!found)
			HASH_ADD_KEYPTR(hh, to->table, &entry->service.service_id, sizeof(uint32_t),
					entry);
		if (found || !TABLE_HAS(entry))
			free_entry(entry);
	}
}

int serving_lists_array(const struct serving_lists *lists, struct stale_udp_service **ret,
			size_t *ret_n)
{
	struct stale_udp_service *array = calloc(HASH_COUNT(lists->table) + 1, sizeof(*array));
	const struct serving_list *entry;
	size_t n = 0;

	if (!array)
		return -ENOMEM;
	for (entry = lists->table; entry; entry = entry->hh.next)
		array[n++] = entry->service;
	qsort(array, n, sizeof(*array), compare_ids);
	*ret = array;
	*ret_n = n;
	return 0;
}

void serving_lists_clear(struct serving_lists *lists)
{
	struct serving_list *entry, *next;

	HASH_ITER(hh, lists->table, entry, next) {
		HASH_DEL(lists->table, entry);
		free_entry(entry);
	}
}
