/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/nearest.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* Longer words are not compared: nothing of ours has such a name. */
#define MAX_LEN 40

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t min = a < b ? a : b;

	return min < c ? min : c;
}

/* Optimal string alignment, row by row of the usual table. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][MAX_LEN + 1];
	const size_t len_a = strlen(a);
	const size_t len_b = strlen(b);

	if (len_a > MAX_LEN || len_b > MAX_LEN)
		return MAX_LEN;
	for (size_t j = 0; j <= len_b; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= len_a; i++) {
		size_t *row = rows[i % 3];
		const size_t *last = rows[(i + 2) % 3];
		const size_t *before = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= len_b; j++) {
			const size_t change = a[i - 1] == b[j - 1] ? 0 : 1;

			row[j] = min3(row[j - 1] + 1, last[j] + 1, last[j - 1] + change);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return rows[len_a % 3][len_b];
}

void nearest_try(struct nearest *nearest, const char *typed, const char *word)
{
	size_t d = distance(typed, word);

	if (d > 1 && strlen(typed) > 1 && strncmp(word, typed, strlen(typed)) == 0)
		d = 1;
	if (d < nearest->distance && d < strlen(word)) {
		nearest->distance = d;
		nearest->word = word;
	}
}
