/* SPDX-License-Identifier: Apache-2.0 */
#include "source/grow.h"

#include <stdlib.h>

#define FIRST_MAX 8

void *grow_array(void *array, size_t n, size_t *max, size_t size_bytes)
{
	size_t wanted = *max ? *max * 2 : FIRST_MAX;
	void *grown;

	if (n < *max)
		return array;
	grown = reallocarray(array, wanted, size_bytes);
	if (grown)
		*max = wanted;
	return grown;
}
