/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays that grow by doubling. */
#ifndef SVCBPF_SOURCE_GROW_H
#define SVCBPF_SOURCE_GROW_H

#include <stddef.h>

/**
 * grow_array() - make room for one element more.
 * @array: of malloc(3), or NULL.  @n: elements in it.  @max: room in it, updated.
 * @size_bytes: of an element.
 * Return: the array, which may have moved; NULL without memory, then all is as it was.
 */
void *grow_array(void *array, size_t n, size_t *max, size_t size_bytes);

#endif
