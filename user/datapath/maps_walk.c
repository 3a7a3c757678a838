/* SPDX-License-Identifier: Apache-2.0 */
/* Reading all entries of a hash or a trie. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/maps.h"
#include "util/cleanup.h"

#define BATCH_ENTRIES 1024u

/**
 * struct walk - a walk in progress.
 * @keys, @values: buffers, owned, of @n_entries entries.
 * @n_left: entries after which the walk is given up.
 */
struct walk {
	int fd;
	const struct map_spec *spec;
	uint8_t *keys;
	uint8_t *values;
	uint32_t n_entries;
	uint64_t n_left;
	int (*fn)(void *arg, const void *keys, const void *values, uint32_t n);
	void *arg;
};

static void walk_clear(struct walk *walk)
{
	free(walk->keys);
	free(walk->values);
}

static int walk_resize(struct walk *walk, uint32_t n_entries)
{
	void *keys = calloc(n_entries, walk->spec->key_size_bytes);
	void *values = calloc(n_entries, walk->spec->value_size_bytes);

	walk_clear(walk);
	walk->keys = keys;
	walk->values = values;
	walk->n_entries = n_entries;
	return keys && values ? 0 : -ENOMEM;
}

static int walk_tell(struct walk *walk, uint32_t n)
{
	if (walk->n_left < n)
		return -EAGAIN;
	walk->n_left -= n;
	return n ? walk->fn(walk->arg, walk->keys, walk->values, n) : 0;
}

/* A batch ends at a whole bucket; -ENOSPC says that one bucket is larger than the buffer. */
static int walk_batches(struct walk *walk)
{
	uint32_t position = 0, n;
	bool is_first = true;
	int r, told;

	do {
		n = walk->n_entries;
		r = bpf_map_lookup_batch(walk->fd, is_first ? NULL : &position, &position,
					 walk->keys, walk->values, &n, NULL);
		if (r == -ENOSPC) {
			r = walk_resize(walk, walk->n_entries * 2);
			if (r < 0)
				return r;
			continue;
		}
		if (r < 0 && r != -ENOENT)
			return r;
		told = walk_tell(walk, n);
		if (told < 0)
			return told;
		is_first = false;
	} while (r != -ENOENT);
	return 0;
}

/* Tries have no batches before 5.13. An entry that vanishes meanwhile is stepped over. */
static int walk_keys(struct walk *walk)
{
	void *next = walk->keys + walk->spec->key_size_bytes;
	void *key = NULL;
	int r, told;

	while (!(r = bpf_map_get_next_key(walk->fd, key, next))) {
		if (!walk->n_left)
			return -EAGAIN;
		key = walk->keys;
		memcpy(key, next, walk->spec->key_size_bytes);
		told = walk_tell(walk, bpf_map_lookup_elem(walk->fd, key, walk->values) ? 0 : 1);
		if (told < 0)
			return told;
	}
	return r == -ENOENT ? 0 : r;
}

/* The kernel's own number for a map type without batches; not in errno.h. */
#define KERNEL_ENOTSUPP 524

int maps_for_each_batch(const struct maps *maps, enum map_id id,
			int (*fn)(void *arg, const void *keys, const void *values, uint32_t n),
			void *arg)
{
	_cleanup_(walk_clear) struct walk walk = {
		.fd = maps->fds[id],
		.spec = maps_spec(id),
		.n_left = 2ull * maps->capacities[id] + 64,
		.fn = fn,
		.arg = arg,
	};
	int r;

	r = walk_resize(&walk, BATCH_ENTRIES);
	if (r < 0)
		return r;
	if (walk.spec->type == BPF_MAP_TYPE_LPM_TRIE)
		return walk_keys(&walk);
	r = walk_batches(&walk);
	return r == -KERNEL_ENOTSUPP ? walk_keys(&walk) : r;
}

/** struct each - maps_for_each() under way. */
struct each {
	const struct map_spec *spec;
	int (*fn)(void *arg, const void *key, const void *value);
	void *arg;
};

static int tell_each(void *arg, const void *keys, const void *values, uint32_t n)
{
	const struct each *each = arg;
	const uint8_t *key = keys, *value = values;
	uint32_t i;
	int r;

	for (i = 0; i < n; i++) {
		r = each->fn(each->arg, key + (size_t)i * each->spec->key_size_bytes,
			     value + (size_t)i * each->spec->value_size_bytes);
		if (r < 0)
			return r;
	}
	return 0;
}

int maps_for_each(const struct maps *maps, enum map_id id,
		  int (*fn)(void *arg, const void *key, const void *value), void *arg)
{
	struct each each = {.spec = maps_spec(id), .fn = fn, .arg = arg};

	return maps_for_each_batch(maps, id, tell_each, &each);
}
