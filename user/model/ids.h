/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stable ids: a number from 1 to a maximum for each key of fixed size, kept as long as the key is
 * in use and given to another key as late as possible (the search goes on behind the last one).
 */
#ifndef SVCBPF_MODEL_IDS_H
#define SVCBPF_MODEL_IDS_H

#include <stddef.h>
#include <stdint.h>

struct ids;

/**
 * ids_new() - an empty set.
 * @max: largest id.  @key_size_bytes: size of every key.  @next: where the search begins (1 to
 * max). Return: 0 or -ENOMEM.
 */
int ids_new(uint32_t max, size_t key_size_bytes, uint32_t next, struct ids **ret);

/** ids_free() - free the set; NULL is fine. */
void ids_free(struct ids *ids);

/** ids_adopt() - @key has @id already. Return: 0; -EEXIST when the key or the id is taken; -ENOMEM.
 */
int ids_adopt(struct ids *ids, const void *key, uint32_t id);

/** ids_get() - the key's id with one reference more, a new one if need be. Return: 0; -ENOSPC;
 * -ENOMEM. */
int ids_get(struct ids *ids, const void *key, uint32_t *ret_id);

/** ids_find() - the key's id, without a reference. Return: the id; 0 when it has none. */
uint32_t ids_find(const struct ids *ids, const void *key);

/** ids_put() - give one reference back; the id is free after the last. */
void ids_put(struct ids *ids, const void *key);

/** ids_next() - where the search goes on, to be kept across restarts. */
uint32_t ids_next(const struct ids *ids);

/** ids_count() - how many ids are in use. */
uint32_t ids_count(const struct ids *ids);

#endif
