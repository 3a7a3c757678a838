/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of interned, reference-counted strings: equal strings are the same pointer. */
#ifndef SVCBPF_UTIL_STRINGS_H
#define SVCBPF_UTIL_STRINGS_H

#include <stddef.h>

struct strings;

/** strings_new() - an empty pool. Return: 0 or -ENOMEM. Free with strings_free(). */
int strings_new(struct strings **ret);

/** strings_free() - free the pool and all its strings; NULL is fine. */
void strings_free(struct strings *pool);

/**
 * strings_get() - the pool's copy of @text, with one reference more; NULL text gives NULL.
 *
 * Give it back with strings_put(). Return: the string; NULL without memory.
 */
const char *strings_get(struct strings *pool, const char *text);

/**
 * strings_ref() - one reference more to @text, a pointer strings_get() gave; NULL is fine.
 *
 * Cannot fail and costs no look-up. Return: @text.
 */
const char *strings_ref(const char *text);

/** strings_count() - how many different strings are held. */
size_t strings_count(const struct strings *pool);

/** strings_put() - give one reference back; NULL is fine. @text: a pointer strings_get() gave. */
void strings_put(struct strings *pool, const char *text);

#endif
