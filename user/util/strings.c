/* SPDX-License-Identifier: Apache-2.0 */
#include "util/strings.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/table.h"

struct interned {
	UT_hash_handle hh;
	uint32_t n_refs;
	char text[];
};

struct strings {
	struct interned *table;
};

static struct interned *interned_of(const char *text)
{
	return (struct interned *)((uintptr_t)text - offsetof(struct interned, text));
}

int strings_new(struct strings **ret)
{
	struct strings *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	*ret = pool;
	return 0;
}

void strings_free(struct strings *pool)
{
	struct interned *string, *next;

	if (!pool)
		return;
	HASH_ITER(hh, pool->table, string, next) {
		HASH_DEL(pool->table, string);
		free(string);
	}
	free(pool);
}

static struct interned *interned_new(struct strings *pool, const char *text, size_t len)
{
	_free_ struct interned *string = malloc(sizeof(*string) + len + 1);

	if (!string)
		return NULL;
	string->n_refs = 1;
	memcpy(string->text, text, len + 1);
	HASH_ADD_KEYPTR(hh, pool->table, string->text, len, string);
	return TABLE_HAS(string) ? TAKE_PTR(string) : NULL;
}

/* gcc 12's analyzer does not see that the table holds what interned_new() made */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
const char *strings_get(struct strings *pool, const char *text)
{
	struct interned *string;
	size_t len;

	if (!text)
		return NULL;
	len = strlen(text);
	HASH_FIND(hh, pool->table, text, len, string);
	if (string) {
		string->n_refs++;
		return string->text;
	}
	string = interned_new(pool, text, len);
	return string ? string->text : NULL;
}
#pragma GCC diagnostic pop

const char *strings_ref(const char *text)
{
	if (text)
		interned_of(text)->n_refs++;
	return text;
}

size_t strings_count(const struct strings *pool)
{
	return HASH_COUNT(pool->table);
}

void strings_put(struct strings *pool, const char *text)
{
	struct interned *string;

	if (!text)
		return;
	string = interned_of(text);
	if (--string->n_refs > 0)
		return;
	HASH_DEL(pool->table, string);
	free(string);
}
