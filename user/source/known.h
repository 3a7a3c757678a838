/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of one resource that were told, without their content: enough to see what a new list
 * changes. 32 bytes and their share of empty slots for each, since there may be many.
 */
#ifndef SVCBPF_SOURCE_KNOWN_H
#define SVCBPF_SOURCE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strings;

/**
 * struct known_object - one.
 * @namespace, @name: of the pool, one reference each; @name NULL: the slot is empty.
 * @version: says which state of it is known; 0: none.
 * @mark: of the list that it was in last.
 * @is_told: the receiver has it.
 */
struct known_object {
	const char *namespace;
	const char *name;
	uint64_t version;
	uint32_t mark;
	bool is_told;
};

/** struct known - the table: open addressing. @n_slots: a power of two, or 0. */
struct known {
	struct strings *pool;
	struct known_object *slots;
	size_t n_slots;
	size_t n_objects;
};

/** known_clear() - forget all. */
void known_clear(struct known *known);

/** known_find() - an object; NULL: not there. Good until the table is changed. */
struct known_object *known_find(const struct known *known, const char *namespace, const char *name);

/** known_get() - find an object or add it, with version and mark 0. Return: 0 or -ENOMEM. */
int known_get(struct known *known, const char *namespace, const char *name,
	      struct known_object **ret);

/** known_remove() - forget one. @object: of this table. */
void known_remove(struct known *known, struct known_object *object);

/**
 * known_sweep() - forget all that have another mark than @mark.
 * @fn: told of each before; a negative return ends the sweep, leaves it there and is returned.
 * Return: 0, or what @fn returned.
 */
int known_sweep(struct known *known, uint32_t mark,
		int (*fn)(void *arg, const struct known_object *object), void *arg);

#endif
