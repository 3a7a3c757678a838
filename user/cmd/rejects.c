/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/rejects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

static void reject_free(struct reject *reject)
{
	free(reject->where);
	free(reject->line);
}

int rejects_add(struct rejects *rejects, const char *where, const char *object, const char *text)
{
	_free_ char *copy = strdup(where);
	_free_ char *line = NULL;
	struct reject *grown;

	if (!copy)
		return -ENOMEM;
	if (asprintf(&line, "%s: %s%s%s", where, object, *object ? ": " : "", text) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	grown = reallocarray(rejects->items, rejects->n_items + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	rejects->items = grown;
	grown[rejects->n_items++] = (struct reject){TAKE_PTR(copy), TAKE_PTR(line), 0};
	return 0;
}

void rejects_settle(struct rejects *rejects, uint64_t (*state)(void *arg, const char *where),
		    void *arg)
{
	size_t n_kept = 0;

	for (size_t i = 0; i < rejects->n_items; i++) {
		struct reject *reject = &rejects->items[i];
		const uint64_t now = state(arg, reject->where);

		if (!now || (reject->state && reject->state != now)) {
			reject_free(reject);
			continue;
		}
		reject->state = now;
		rejects->items[n_kept++] = *reject;
	}
	rejects->n_items = n_kept;
}

void rejects_clear(struct rejects *rejects)
{
	for (size_t i = 0; i < rejects->n_items; i++)
		reject_free(&rejects->items[i]);
	free(rejects->items);
	*rejects = (struct rejects){};
}
