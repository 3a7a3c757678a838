/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/extents.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"

#define WORD_BITS 64u

/**
 * struct extents - the bitmap.
 * @n_words: of @used; bits beyond @size are set for good.
 * @lowest: no entry below it is free.
 */
struct extents {
	uint32_t size;
	uint32_t n_free;
	uint32_t n_words;
	uint32_t lowest;
	uint64_t used[];
};

int extents_new(uint32_t size, struct extents **ret)
{
	uint32_t n_words = (uint32_t)(((uint64_t)size + WORD_BITS - 1) / WORD_BITS);
	struct extents *extents;

	extents = calloc(1, sizeof(*extents) + n_words * sizeof(uint64_t));
	if (!extents)
		return -ENOMEM;
	extents->size = size;
	extents->n_free = size;
	extents->n_words = n_words;
	if (size % WORD_BITS)
		extents->used[n_words - 1] = ~0ull << (size % WORD_BITS);
	*ret = extents;
	return 0;
}

void extents_free(struct extents *extents)
{
	free(extents);
}

/* The first entry from @from on that is used (@is_used) or free; @limit when there is none below.
 */
static uint32_t find_next(const struct extents *extents, uint32_t from, uint32_t limit,
			  bool is_used)
{
	uint64_t flip = is_used ? 0 : ~0ull, word;
	uint32_t i = from / WORD_BITS, found;

	if (from >= limit)
		return limit;
	word = (extents->used[i] ^ flip) & ~0ull << (from % WORD_BITS);
	while (!word) {
		if ((uint64_t)++i * WORD_BITS >= limit)
			return limit;
		word = extents->used[i] ^ flip;
	}
	found = i * WORD_BITS + (uint32_t)__builtin_ctzll(word);
	return found < limit ? found : limit;
}

/* Sets or clears the bits of @count entries from @base on, a word at a time. */
static void mark(struct extents *extents, uint32_t base, uint32_t count, bool is_used)
{
	while (count) {
		uint32_t shift = base % WORD_BITS, n = WORD_BITS - shift;
		uint64_t mask;

		if (n > count)
			n = count;
		mask = (n == WORD_BITS ? ~0ull : (1ull << n) - 1) << shift;
		if (is_used)
			extents->used[base / WORD_BITS] |= mask;
		else
			extents->used[base / WORD_BITS] &= ~mask;
		base += n;
		count -= n;
	}
}

int extents_adopt(struct extents *extents, uint32_t base, uint32_t count)
{
	if (base > extents->size || count > extents->size - base)
		return -ERANGE;
	if (!count)
		return 0;
	if (find_next(extents, base, base + count, true) < base + count)
		return -EEXIST;
	mark(extents, base, count, true);
	extents->n_free -= count;
	return 0;
}

int extents_alloc(struct extents *extents, uint32_t count, uint32_t *ret_base)
{
	uint32_t start, end, size = extents->size;

	if (!count || count > extents->n_free)
		return -ENOSPC;
	start = find_next(extents, extents->lowest, size, false);
	extents->lowest = start;
	while (count <= size - start) {
		end = find_next(extents, start, start + count, true);
		if (end == start + count) {
			mark(extents, start, count, true);
			extents->n_free -= count;
			*ret_base = start;
			return 0;
		}
		start = find_next(extents, end, size, false);
	}
	return -ENOSPC;
}

int extents_alloc_from(struct extents *extents, uint32_t from, uint32_t *ret_index)
{
	uint32_t index = find_next(extents, from, extents->size, false);

	if (index >= extents->size)
		index = find_next(extents, 0, extents->size, false);
	if (index >= extents->size)
		return -ENOSPC;
	mark(extents, index, 1, true);
	extents->n_free--;
	*ret_index = index;
	return 0;
}

void extents_release(struct extents *extents, uint32_t base, uint32_t count)
{
	mark(extents, base, count, false);
	extents->n_free += count;
	if (base < extents->lowest)
		extents->lowest = base;
}

bool extents_is_used(const struct extents *extents, uint32_t index)
{
	if (index >= extents->size)
		return true;
	return extents->used[index / WORD_BITS] >> (index % WORD_BITS) & 1;
}

uint32_t extents_n_free(const struct extents *extents)
{
	return extents->n_free;
}
