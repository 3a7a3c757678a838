/* SPDX-License-Identifier: Apache-2.0 */
#include "source/json_arena.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define FIRST_BLOCK_BYTES (64u << 10)
/* A block larger than this does not outlive its tree. */
#define KEEP_BLOCK_BYTES (1u << 20)

/** struct block - memory. @len: of @bytes.  @used: given away. */
struct block {
	struct block *next;
	size_t len;
	size_t used;
	alignas(max_align_t) char bytes[];
};

/** struct json_arena - @blocks: the newest, which is the largest, first. */
struct json_arena {
	struct block *blocks;
};

/*
 * The arena that cJSON's functions take from now, in this thread. cJSON passes its hooks no
 * argument, so this cannot be but global; it is set only while json_arena_parse() runs.
 */
static _Thread_local struct json_arena *active;

static void *block_take(struct block *block, size_t size)
{
	const size_t align = alignof(max_align_t);
	void *taken;

	size = (size + align - 1) / align * align;
	if (!block || size > block->len - block->used)
		return NULL;
	taken = block->bytes + block->used;
	block->used += size;
	return taken;
}

static void *arena_take(struct json_arena *arena, size_t size)
{
	void *taken = block_take(arena->blocks, size);
	size_t len = arena->blocks ? arena->blocks->len * 2 : FIRST_BLOCK_BYTES;
	struct block *block;

	if (taken)
		return taken;
	while (len < size + alignof(max_align_t))
		len *= 2;
	block = malloc(sizeof(*block) + len);
	if (!block)
		return NULL;
	block->next = arena->blocks;
	block->len = len;
	block->used = 0;
	arena->blocks = block;
	return block_take(block, size);
}

static bool arena_has(const struct json_arena *arena, const void *at)
{
	for (const struct block *block = arena->blocks; block; block = block->next) {
		if ((uintptr_t)at >= (uintptr_t)block->bytes &&
		    (uintptr_t)at < (uintptr_t)block->bytes + block->len)
			return true;
	}
	return false;
}

static void *hook_malloc(size_t size)
{
	return active ? arena_take(active, size) : malloc(size);
}

static void hook_free(void *at)
{
	if (!active || !arena_has(active, at))
		free(at);
}

int json_arena_new(struct json_arena **ret)
{
	cJSON_Hooks hooks = {.malloc_fn = hook_malloc, .free_fn = hook_free};
	struct json_arena *arena = calloc(1, sizeof(*arena));

	if (!arena)
		return -ENOMEM;
	cJSON_InitHooks(&hooks);
	*ret = arena;
	return 0;
}

/* Frees all blocks but the first, and that as well if it is larger than @keep bytes. */
static void drop_blocks(struct json_arena *arena, size_t keep)
{
	struct block *kept = NULL;

	while (arena->blocks) {
		struct block *block = arena->blocks;

		arena->blocks = block->next;
		if (!kept && block->len <= keep)
			kept = block;
		else
			free(block);
	}
	if (kept) {
		kept->next = NULL;
		kept->used = 0;
	}
	arena->blocks = kept;
}

void json_arena_free(struct json_arena *arena)
{
	if (!arena)
		return;
	drop_blocks(arena, 0);
	free(arena);
}

const struct cJSON *json_arena_parse(struct json_arena *arena, const char *text, size_t len)
{
	const struct cJSON *tree;
	const char *end = NULL;

	json_arena_reset(arena);
	active = arena;
	tree = cJSON_ParseWithLengthOpts(text, len, &end, false);
	active = NULL;
	return tree && end == text + len ? tree : NULL;
}

void json_arena_reset(struct json_arena *arena)
{
	drop_blocks(arena, KEEP_BLOCK_BYTES);
}
