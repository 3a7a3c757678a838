/* SPDX-License-Identifier: Apache-2.0 */
#include "source/known.h"

#include <errno.h>
#include <stdlib.h>

#include "util/strings.h"

#define FIRST_SLOTS 64

void known_clear(struct known *known)
{
	for (size_t i = 0; i < known->n_slots; i++) {
		strings_put(known->pool, known->slots[i].namespace);
		strings_put(known->pool, known->slots[i].name);
	}
	free(known->slots);
	known->slots = NULL;
	known->n_slots = 0;
	known->n_objects = 0;
}

/* Equal strings are the same pointer, so that these are the key. */
static size_t home_of(const struct known *known, const char *namespace, const char *name)
{
	uint64_t hash = (uintptr_t)name * 0x9e3779b97f4a7c15ull;

	hash = (hash ^ hash >> 32 ^ (uintptr_t) namespace) * 0xbf58476d1ce4e5b9ull;
	return (size_t)(hash >> 32) & (known->n_slots - 1);
}

/* The object's slot, or the empty one where it would be; there is always an empty one. */
static struct known_object *slot_of(const struct known *known, const char *namespace,
				    const char *name)
{
	size_t i = home_of(known, namespace, name);

	while (known->slots[i].name &&
	       (known->slots[i].name != name || known->slots[i].namespace != namespace))
		i = (i + 1) & (known->n_slots - 1);
	return &known->slots[i];
}

static int grow(struct known *known)
{
	const struct known old = *known;

	if ((known->n_objects + 1) * 4 <= known->n_slots * 3)
		return 0;
	known->n_slots = old.n_slots ? old.n_slots * 2 : FIRST_SLOTS;
	known->slots = calloc(known->n_slots, sizeof(*known->slots));
	if (!known->slots) {
		*known = old;
		return -ENOMEM;
	}
	for (size_t i = 0; i < old.n_slots; i++) {
		const struct known_object *object = &old.slots[i];

		if (object->name)
			*slot_of(known, object->namespace, object->name) = *object;
	}
	free(old.slots);
	return 0;
}

struct known_object *known_find(const struct known *known, const char *namespace, const char *name)
{
	struct known_object *found = NULL;
	const char *own_namespace, *own_name;

	if (known->n_objects == 0)
		return NULL;
	own_namespace = strings_get(known->pool, namespace);
	own_name = strings_get(known->pool, name);
	if (own_namespace && own_name)
		found = slot_of(known, own_namespace, own_name);
	strings_put(known->pool, own_namespace);
	strings_put(known->pool, own_name);
	return found && found->name ? found : NULL;
}

int known_get(struct known *known, const char *namespace, const char *name,
	      struct known_object **ret)
{
	const char *own_namespace, *own_name;
	struct known_object *object;
	int r = grow(known);

	if (r < 0)
		return r;
	own_namespace = strings_get(known->pool, namespace);
	own_name = strings_get(known->pool, name);
	if (!own_namespace || !own_name) {
		strings_put(known->pool, own_namespace);
		strings_put(known->pool, own_name);
		return -ENOMEM;
	}
	object = slot_of(known, own_namespace, own_name);
	*ret = object;
	if (object->name) {
		strings_put(known->pool, own_namespace);
		strings_put(known->pool, own_name);
		return 0;
	}
	*object = (struct known_object){.namespace = own_namespace, .name = own_name};
	known->n_objects++;
	return 0;
}

/*
 * The objects behind move up as far as they may, so that no gap is left between any object and its
 * home (Knuth, The Art of Computer Programming, volume 3, algorithm 6.4R).
 */
void known_remove(struct known *known, struct known_object *object)
{
	const size_t mask = known->n_slots - 1;
	size_t gap = (size_t)(object - known->slots);

	strings_put(known->pool, object->namespace);
	strings_put(known->pool, object->name);
	known->n_objects--;
	for (size_t i = (gap + 1) & mask; known->slots[i].name; i = (i + 1) & mask) {
		const struct known_object *next = &known->slots[i];
		size_t home = home_of(known, next->namespace, next->name);

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		known->slots[gap] = *next;
		gap = i;
	}
	known->slots[gap] = (struct known_object){};
}

int known_sweep(struct known *known, uint32_t mark,
		int (*fn)(void *arg, const struct known_object *object), void *arg)
{
	size_t i = 0;

	/* what moves into the slot of one that goes is looked at as well */
	while (i < known->n_slots) {
		struct known_object *object = &known->slots[i];
		int r;

		if (!object->name || object->mark == mark) {
			i++;
			continue;
		}
		r = fn(arg, object);
		if (r < 0)
			return r;
		known_remove(known, object);
	}
	return 0;
}
