/* SPDX-License-Identifier: Apache-2.0 */
/* The objects a source refused, remembered as long as it goes on refusing them. */
#ifndef SVCBPF_CMD_REJECTS_H
#define SVCBPF_CMD_REJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct reject - one object.
 * @where: "file:line".  @line: "file:line: object: what is wrong".
 * @state: of rejects_settle(), when it was told; 0: not settled yet.
 */
struct reject {
	char *where;
	char *line;
	uint64_t state;
};

/** struct rejects - all of them; zero-initialise, free with rejects_clear(). */
struct rejects {
	struct reject *items;
	size_t n_items;
};

/**
 * rejects_add() - a source has refused an object. Return: 0 or -ENOMEM.
 */
int rejects_add(struct rejects *rejects, const char *where, const char *object, const char *text);

/**
 * rejects_settle() - forget what is no longer so.
 * @state: 0 when nothing is refused at @where now; else a number that changes with the input, after
 *	which everything that is still refused was told anew (manifests_reject_state()).
 */
void rejects_settle(struct rejects *rejects, uint64_t (*state)(void *arg, const char *where),
		    void *arg);

/** rejects_clear() - forget all. */
void rejects_clear(struct rejects *rejects);

#endif
