/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries lie densely in one array; an open-addressing table of indices finds them by key. Half a
 * million backend ids cost some 20 MB this way, against 55 MB with a hash handle in each entry.
 */
#include "model/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIN_CAPACITY 64u

struct entry {
	uint32_t id;
	uint32_t n_refs;
	uint8_t key[];
};

/*
 * @used: bit i: id i is taken.  @entries: @n of @capacity, @stride_bytes apart.
 * @table: index into @entries plus one, 0 for empty; its size is @mask + 1, a power of two and at
 * least twice @n, so that it is never more than half full.
 */
struct ids {
	uint32_t max;
	uint32_t next;
	size_t key_size_bytes;
	size_t stride_bytes;
	uint64_t *used;
	uint8_t *entries;
	uint32_t *table;
	uint32_t n;
	uint32_t capacity;
	uint32_t mask;
};

static struct entry *entry_at(const struct ids *ids, uint32_t index)
{
	return (struct entry *)(ids->entries + index * ids->stride_bytes);
}

/* FNV-1a by words, with a last mix because the low bits choose the place. */
static uint32_t hash_key(const struct ids *ids, const void *key)
{
	const uint8_t *p = key;
	uint64_t hash = 0xcbf29ce484222325ull;
	uint64_t word;

	for (size_t left = ids->key_size_bytes; left > 0;) {
		size_t n = left < sizeof(word) ? left : sizeof(word);

		word = 0;
		memcpy(&word, p, n);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 32;
		p += n;
		left -= n;
	}
	return (uint32_t)(hash ^ hash >> 17);
}

/* The place in the table where @key is, or the empty one where it would go. */
static uint32_t find_place(const struct ids *ids, const void *key)
{
	uint32_t place = hash_key(ids, key) & ids->mask;

	while (ids->table[place] &&
	       memcmp(entry_at(ids, ids->table[place] - 1)->key, key, ids->key_size_bytes) != 0)
		place = (place + 1) & ids->mask;
	return place;
}

static struct entry *find_entry(const struct ids *ids, const void *key)
{
	uint32_t index;

	if (ids->n == 0)
		return NULL;
	index = ids->table[find_place(ids, key)];
	return index ? entry_at(ids, index - 1) : NULL;
}

int ids_new(uint32_t max, size_t key_size_bytes, uint32_t next, struct ids **ret)
{
	struct ids *ids = calloc(1, sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	ids->used = calloc((size_t)max / 64 + 1, sizeof(*ids->used));
	if (!ids->used) {
		free(ids);
		return -ENOMEM;
	}
	ids->max = max;
	ids->next = next >= 1 && next <= max ? next : 1;
	ids->key_size_bytes = key_size_bytes;
	ids->stride_bytes = (sizeof(struct entry) + key_size_bytes + 3) & ~(size_t)3;
	*ret = ids;
	return 0;
}

void ids_free(struct ids *ids)
{
	if (!ids)
		return;
	free(ids->used);
	free(ids->entries);
	free(ids->table);
	free(ids);
}

/* By a quarter: doubled, a large set would be half air. */
static int grow_entries(struct ids *ids)
{
	uint32_t capacity = ids->capacity + ids->capacity / 4 + MIN_CAPACITY;
	uint8_t *entries = realloc(ids->entries, capacity * ids->stride_bytes);

	if (!entries)
		return -ENOMEM;
	ids->entries = entries;
	ids->capacity = capacity;
	return 0;
}

static int grow_table(struct ids *ids)
{
	uint32_t size = ids->table ? (ids->mask + 1) * 2 : MIN_CAPACITY;
	uint32_t *table = calloc(size, sizeof(*table));

	if (!table)
		return -ENOMEM;
	free(ids->table);
	ids->table = table;
	ids->mask = size - 1;
	for (uint32_t i = 0; i < ids->n; i++)
		ids->table[find_place(ids, entry_at(ids, i)->key)] = i + 1;
	return 0;
}

/* Room for one entry more. */
static int reserve(struct ids *ids)
{
	if (ids->n == ids->capacity && grow_entries(ids) < 0)
		return -ENOMEM;
	if (!ids->table || (uint64_t)ids->n * 2 >= ids->mask)
		return grow_table(ids);
	return 0;
}

static int add_entry(struct ids *ids, const void *key, uint32_t id)
{
	struct entry *entry;
	int r = reserve(ids);

	if (r < 0)
		return r;
	ids->table[find_place(ids, key)] = ids->n + 1;
	entry = entry_at(ids, ids->n++);
	entry->id = id;
	entry->n_refs = 1;
	memcpy(entry->key, key, ids->key_size_bytes);
	ids->used[id / 64] |= 1ull << id % 64;
	return 0;
}

int ids_adopt(struct ids *ids, const void *key, uint32_t id)
{
	if (id == 0 || id > ids->max || ids->used[id / 64] >> id % 64 & 1)
		return -EEXIST;
	if (find_entry(ids, key))
		return -EEXIST;
	return add_entry(ids, key, id);
}

/* The first free id in @from to @to, 0 when there is none. */
static uint32_t find_free(const struct ids *ids, uint32_t from, uint32_t to)
{
	uint64_t id = from;

	while (id <= to) {
		uint64_t free_bits = ~ids->used[id / 64] & ~0ull << id % 64;

		if (free_bits) {
			id = id / 64 * 64 + (uint64_t)__builtin_ctzll(free_bits);
			return id <= to ? (uint32_t)id : 0;
		}
		id = (id / 64 + 1) * 64;
	}
	return 0;
}

int ids_get(struct ids *ids, const void *key, uint32_t *ret_id)
{
	struct entry *entry = find_entry(ids, key);
	uint32_t id;
	int r;

	if (entry) {
		entry->n_refs++;
		*ret_id = entry->id;
		return 0;
	}
	id = find_free(ids, ids->next, ids->max);
	if (id == 0)
		id = find_free(ids, 1, ids->next - 1);
	if (id == 0)
		return -ENOSPC;
	r = add_entry(ids, key, id);
	if (r < 0)
		return r;
	ids->next = id < ids->max ? id + 1 : 1;
	*ret_id = id;
	return 0;
}

uint32_t ids_find(const struct ids *ids, const void *key)
{
	const struct entry *entry = find_entry(ids, key);

	return entry ? entry->id : 0;
}

/* Empties a place and moves up what was pushed behind it, so that every search still ends right. */
static void empty_place(struct ids *ids, uint32_t place)
{
	uint32_t next = place;

	for (;;) {
		uint32_t home;

		next = (next + 1) & ids->mask;
		if (!ids->table[next])
			break;
		home = hash_key(ids, entry_at(ids, ids->table[next] - 1)->key) & ids->mask;
		if (((next - home) & ids->mask) < ((next - place) & ids->mask))
			continue;
		ids->table[place] = ids->table[next];
		place = next;
	}
	ids->table[place] = 0;
}

void ids_put(struct ids *ids, const void *key)
{
	struct entry *entry = find_entry(ids, key);
	uint32_t place, index;

	if (!entry || --entry->n_refs > 0)
		return;
	ids->used[entry->id / 64] &= ~(1ull << entry->id % 64);
	place = find_place(ids, key);
	index = ids->table[place] - 1;
	empty_place(ids, place);
	ids->n--;
	if (index == ids->n)
		return;
	/* the last entry fills the gap */
	ids->table[find_place(ids, entry_at(ids, ids->n)->key)] = index + 1;
	memcpy(entry, entry_at(ids, ids->n), ids->stride_bytes);
}

uint32_t ids_next(const struct ids *ids)
{
	return ids->next;
}

uint32_t ids_count(const struct ids *ids)
{
	return ids->n;
}
