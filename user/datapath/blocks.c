/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/blocks.h"

#include <errno.h>
#include <string.h>

#include "util/cleanup.h"

/** struct image - an entry of a block to be: what is written at one index. */
struct image {
	uint32_t id;
	const struct backend *backend;
};

static uint64_t block_key(uint8_t family, uint64_t word)
{
	return (uint64_t)family << 32 | svc_list_base(word);
}

static uint8_t block_family(const struct shadow_block *block)
{
	return (uint8_t)(block->key >> 32);
}

static struct shadow_block *find_block(const struct shadow *shadow, uint8_t family, uint64_t word)
{
	uint64_t key = block_key(family, word);
	struct shadow_block *block;

	if (!svc_list_count(word))
		return NULL;
	HASH_FIND(hh, shadow->blocks, &key, sizeof(key), block);
	return block;
}

static uint64_t *id_at(const struct shadow *shadow, uint8_t family, uint32_t index)
{
	return maps_at(shadow->maps,
		       family == SVC_FAMILY_IPV4 ? MAP_BACKEND_IDS4 : MAP_BACKEND_IDS6, index);
}

static void read_entry(const struct shadow *shadow, uint8_t family, uint32_t index,
		       struct backend *ret_backend)
{
	if (family == SVC_FAMILY_IPV4)
		convert_entry4(maps_at(shadow->maps, MAP_BACKENDS4, index), ret_backend);
	else
		convert_entry6(maps_at(shadow->maps, MAP_BACKENDS6, index), ret_backend);
}

static void write_entry(const struct shadow *shadow, uint8_t family, uint32_t index,
			const struct image *image)
{
	*id_at(shadow, family, index) = image->id;
	if (family == SVC_FAMILY_IPV4)
		convert_backend4(image->backend, maps_at(shadow->maps, MAP_BACKENDS4, index));
	else
		convert_backend6(image->backend, maps_at(shadow->maps, MAP_BACKENDS6, index));
}

static int compare_ids(const void *a, const void *b)
{
	const struct image *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* Whether the block of @word holds just @image, which is sorted by id. */
static bool holds_image(const struct shadow *shadow, uint8_t family, uint64_t word,
			const struct image *image, size_t n)
{
	const struct shadow_block *block = find_block(shadow, family, word);
	uint32_t base = svc_list_base(word);
	struct backend entry;
	size_t i;

	if (!block || !block->n_refs || svc_list_count(word) != n)
		return false;
	for (i = 0; i < n; i++) {
		read_entry(shadow, family, base + (uint32_t)i, &entry);
		if ((uint32_t)*id_at(shadow, family, base + (uint32_t)i) != image[i].id ||
		    entry.flags != image[i].backend->flags)
			return false;
	}
	return true;
}

/* Fills in @image with the ids the backends have, sorted. Return: false when one has none. */
static bool find_image(const struct shadow *shadow, uint8_t protocol,
		       const struct backend_list *list, struct image *image)
{
	struct backend_key key;
	size_t i;

	for (i = 0; i < list->n_backends; i++) {
		convert_backend_key(&list->backends[i], protocol, &key);
		image[i].backend = &list->backends[i];
		image[i].id = ids_find(shadow_backend_ids(shadow, &key), &key);
		if (!image[i].id)
			return false;
	}
	qsort(image, list->n_backends, sizeof(*image), compare_ids);
	return true;
}

static void put_ids(struct shadow *shadow, uint8_t protocol, const struct backend_list *list,
		    size_t n)
{
	struct backend_key key;
	size_t i;

	for (i = 0; i < n; i++) {
		convert_backend_key(&list->backends[i], protocol, &key);
		ids_put(shadow_backend_ids(shadow, &key), &key);
	}
}

/* Fills in @image with an id and a reference for each backend, sorted. */
static int get_image(struct shadow *shadow, uint8_t protocol, const struct backend_list *list,
		     struct image *image)
{
	struct backend_key key;
	size_t i;
	int r;

	for (i = 0; i < list->n_backends; i++) {
		convert_backend_key(&list->backends[i], protocol, &key);
		image[i].backend = &list->backends[i];
		r = ids_get(shadow_backend_ids(shadow, &key), &key, &image[i].id);
		if (r < 0) {
			put_ids(shadow, protocol, list, i);
			return r;
		}
	}
	qsort(image, list->n_backends, sizeof(*image), compare_ids);
	return 0;
}

/* Adds a block of @count entries at a free place. */
static int add_block(struct shadow *shadow, uint8_t family, uint8_t protocol, uint32_t count,
		     struct shadow_block **ret)
{
	struct extents *space = shadow->space[FAMILY_INDEX(family)];
	struct shadow_block *block = calloc(1, sizeof(*block));
	uint32_t base;
	int r;

	if (!block)
		return -ENOMEM;
	r = extents_alloc(space, count, &base);
	if (r < 0) {
		free(block);
		return r;
	}
	block->key = (uint64_t)family << 32 | base;
	block->count = count;
	block->n_refs = 1;
	block->protocol = protocol;
	HASH_ADD(hh, shadow->blocks, key, sizeof(block->key), block);
	if (!TABLE_HAS(block)) {
		extents_release(space, base, count);
		free(block);
		return -ENOMEM;
	}
	*ret = block;
	return 0;
}

static void drop_block(struct shadow *shadow, struct shadow_block *block)
{
	extents_release(shadow->space[FAMILY_INDEX(block_family(block))], (uint32_t)block->key,
			block->count);
	HASH_DEL(shadow->blocks, block);
	free(block);
}

int blocks_write(struct shadow *shadow, const struct svc_service_info *info,
		 const struct backend_list *list, bool is_drop, uint64_t current,
		 uint64_t *ret_word)
{
	_free_ struct image *image = calloc(list->n_backends + 1, sizeof(*image));
	uint32_t count = (uint32_t)list->n_backends, base, i;
	struct shadow_block *block;
	int r;

	if (!image)
		return -ENOMEM;
	if (!count) {
		*ret_word = svc_list_pack(0, 0, is_drop ? SVC_LIST_F_DROP : 0);
		return 0;
	}
	if (find_image(shadow, info->protocol, list, image) &&
	    holds_image(shadow, info->family, current, image, count)) {
		blocks_ref(shadow, info->family, current);
		*ret_word = current;
		return 0;
	}
	r = add_block(shadow, info->family, info->protocol, count, &block);
	if (r < 0)
		return r;
	r = get_image(shadow, info->protocol, list, image);
	if (r < 0) {
		drop_block(shadow, block);
		return r;
	}
	base = (uint32_t)block->key;
	maps_will_write(shadow->maps);
	for (i = 0; i < count; i++)
		write_entry(shadow, info->family, base + i, &image[i]);
	*ret_word = svc_list_pack(base, count, 0);
	return 0;
}

void blocks_cancel(struct shadow *shadow, uint8_t family, uint64_t word)
{
	struct shadow_block *block = find_block(shadow, family, word);

	if (block && !--block->n_refs)
		blocks_free(shadow, block);
}

/* Takes over the ids of a block that is in the kernel. */
static int adopt_ids(struct shadow *shadow, const struct shadow_block *block)
{
	uint8_t family = block_family(block);
	uint32_t base = (uint32_t)block->key, i, id, found;
	struct backend_key key;
	struct backend entry;
	int r;

	for (i = 0; i < block->count; i++) {
		read_entry(shadow, family, base + i, &entry);
		convert_backend_key(&entry, block->protocol, &key);
		id = (uint32_t)*id_at(shadow, family, base + i);
		found = ids_find(shadow_backend_ids(shadow, &key), &key);
		if (found && found != id)
			return -EUCLEAN;
		r = found ? ids_get(shadow_backend_ids(shadow, &key), &key, &found)
			  : ids_adopt(shadow_backend_ids(shadow, &key), &key, id);
		if (r < 0)
			return r == -EEXIST ? -EUCLEAN : r;
	}
	return 0;
}

int blocks_adopt(struct shadow *shadow, const struct svc_service *service, uint64_t word)
{
	struct shadow_block *block = find_block(shadow, service->family, word);
	struct extents *space = shadow->space[FAMILY_INDEX(service->family)];

	if (!svc_list_count(word))
		return 0;
	if (block) {
		block->n_refs++;
		return block->count == svc_list_count(word) ? 0 : -EUCLEAN;
	}
	if (extents_adopt(space, svc_list_base(word), svc_list_count(word)) < 0)
		return -EUCLEAN;
	block = calloc(1, sizeof(*block));
	if (!block)
		return -ENOMEM;
	block->key = block_key(service->family, word);
	block->count = svc_list_count(word);
	block->protocol = service->protocol;
	block->n_refs = 1;
	HASH_ADD(hh, shadow->blocks, key, sizeof(block->key), block);
	if (!TABLE_HAS(block)) {
		free(block);
		return -ENOMEM;
	}
	return adopt_ids(shadow, block);
}

void blocks_ref(struct shadow *shadow, uint8_t family, uint64_t word)
{
	struct shadow_block *block = find_block(shadow, family, word);

	if (block)
		block->n_refs++;
}

void blocks_unref(struct shadow *shadow, uint8_t family, uint64_t word)
{
	struct shadow_block *block = find_block(shadow, family, word);

	if (block && !--block->n_refs)
		shadow_add_garbage(shadow, &(struct shadow_garbage){.block = block});
}

void blocks_free(struct shadow *shadow, struct shadow_block *block)
{
	uint32_t base = (uint32_t)block->key, i;
	struct backend_key key;
	struct backend entry;

	for (i = 0; i < block->count; i++) {
		read_entry(shadow, block_family(block), base + i, &entry);
		convert_backend_key(&entry, block->protocol, &key);
		ids_put(shadow_backend_ids(shadow, &key), &key);
	}
	drop_block(shadow, block);
}
