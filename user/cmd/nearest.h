/* SPDX-License-Identifier: Apache-2.0 */
/* How far a mistyped word is from a known one. */
#ifndef SVCBPF_CMD_NEAREST_H
#define SVCBPF_CMD_NEAREST_H

#include <stddef.h>

/**
 * struct nearest - the best of the words looked at so far; zero-initialise but @distance.
 * @word: borrowed; NULL while none is near enough.
 */
struct nearest {
	const char *word;
	size_t distance;
};

/** NEAREST_INIT - nothing looked at yet; more than two slips make it another word. */
#define NEAREST_INIT                                                                               \
	{                                                                                          \
		.word = NULL, .distance = 3                                                        \
	}

/**
 * nearest_try() - keep @word when it is nearer to @typed than the best so far.
 *
 * Counts letters added, left out, changed or swapped with the next one; a word of which @typed is
 * the beginning counts as one slip.
 */
void nearest_try(struct nearest *nearest, const char *typed, const char *word);

#endif
