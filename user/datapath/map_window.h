/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look into a mapped BPF array at a time: the kernel counts every page of a mapping as resident
 * from the moment of mmap(2), so that an agent which maps all its arrays is charged for all their
 * memory. A window maps the part that is looked at and moves when another one is.
 */
#ifndef SVCBPF_DATAPATH_MAP_WINDOW_H
#define SVCBPF_DATAPATH_MAP_WINDOW_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct map_window - an array and the part of it that is mapped.
 * @fd: of the BPF map, borrowed.  @protection: PROT_*.
 * @stride_bytes: from one entry to the next.  @size_bytes: of the array.
 * @part_bytes: length of a part, a power of two; 0: always the whole array.
 * @area: where bytes @first to @end of the array are mapped; NULL: nothing is.
 */
struct map_window {
	int fd;
	int protection;
	size_t stride_bytes;
	size_t size_bytes;
	size_t part_bytes;
	uint8_t *area;
	size_t first;
	size_t end;
};

/**
 * map_window_open() - for the array @fd of @n_entries values of @value_size_bytes.
 * @part_bytes: how much to map at a time, a power of two not below a page; 0: map the whole array
 *	once, for readers in several threads or of everything.
 * Source: Linux kernel/bpf/arraymap.c, array_map_mmap() and array_map_alloc().
 * Return: 0 or negative errno of mmap(2). Close with map_window_close().
 */
int map_window_open(int fd, int protection, size_t value_size_bytes, uint32_t n_entries,
		    size_t part_bytes, struct map_window *ret);

/** map_window_view() - the same over ordinary memory, borrowed; needs no closing. */
void map_window_view(void *memory, size_t value_size_bytes, uint32_t n_entries,
		     struct map_window *ret);

/** map_window_close() - unmap; fine with what was never opened, all zero. */
void map_window_close(struct map_window *window);

/** map_window_move() - the slow half of map_window_at(). */
void *map_window_move(struct map_window *window, size_t start);

/**
 * map_window_at() - entry @index, which must be below the number of entries. Valid until the next
 * call for the same window; for good when the whole array is mapped.
 */
static inline void *map_window_at(struct map_window *window, uint32_t index)
{
	size_t start = window->stride_bytes * index;

	if (start >= window->first && start + window->stride_bytes <= window->end)
		return window->area + (start - window->first);
	return map_window_move(window, start);
}

#endif
