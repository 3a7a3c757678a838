/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for one cJSON tree at a time, given back as a whole: making and freeing every node by
 * malloc(3) takes longer than the parsing.
 */
#ifndef SVCBPF_SOURCE_JSON_ARENA_H
#define SVCBPF_SOURCE_JSON_ARENA_H

#include <stddef.h>

struct cJSON;
struct json_arena;

/**
 * json_arena_new() - an arena, empty.
 *
 * The first one changes cJSON's hooks, which are global to the process, and they stay so: outside
 * of json_arena_parse() and json_arena_reset(), and in other threads, they are malloc(3) and
 * free(3), so that other users of cJSON see no difference.
 * Return: 0 or -ENOMEM. Free with json_arena_free().
 */
int json_arena_new(struct json_arena **ret);

/** json_arena_free() - free it, and the tree in it; NULL is fine. */
void json_arena_free(struct json_arena *arena);

/**
 * json_arena_parse() - make a tree of a text.
 *
 * The tree lives until the next call of json_arena_parse() or json_arena_reset(); it must not be
 * given to cJSON_Delete(), nor changed.
 * Return: the tree; NULL: not JSON, or more after it, or no memory.
 */
const struct cJSON *json_arena_parse(struct json_arena *arena, const char *text, size_t len);

/** json_arena_reset() - forget the tree; of what it took, no more than a megabyte is kept. */
void json_arena_reset(struct json_arena *arena);

#endif
