/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/map_window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The kernel rounds values up to 8 bytes. */
static size_t stride_of(size_t value_size_bytes)
{
	return (value_size_bytes + 7) & ~(size_t)7;
}

/* Maps @len_bytes from @first on in place of what is mapped. Return: 0 or negative errno. */
static int map_part(struct map_window *window, size_t first, size_t len_bytes)
{
	void *area;

	map_window_close(window);
	area = mmap(NULL, len_bytes, window->protection, MAP_SHARED, window->fd, (off_t)first);
	if (area == MAP_FAILED)
		return -errno;
	window->area = area;
	window->first = first;
	window->end = first + len_bytes;
	return 0;
}

int map_window_open(int fd, int protection, size_t value_size_bytes, uint32_t n_entries,
		    size_t part_bytes, struct map_window *ret)
{
	struct map_window window = {
		.fd = fd,
		.protection = protection,
		.stride_bytes = stride_of(value_size_bytes),
		.size_bytes = stride_of(value_size_bytes) * n_entries,
		.part_bytes = part_bytes,
	};
	int r = 0;

	if (!part_bytes)
		r = map_part(&window, 0, window.size_bytes);
	if (r < 0)
		return r;
	*ret = window;
	return 0;
}

void map_window_view(void *memory, size_t value_size_bytes, uint32_t n_entries,
		     struct map_window *ret)
{
	*ret = (struct map_window){
		.fd = -1,
		.stride_bytes = stride_of(value_size_bytes),
		.size_bytes = stride_of(value_size_bytes) * n_entries,
		.area = memory,
		.end = stride_of(value_size_bytes) * n_entries,
	};
}

void map_window_close(struct map_window *window)
{
	if (window->area && window->fd >= 0)
		munmap(window->area, window->end - window->first);
	window->area = NULL;
	window->first = window->end = 0;
}

/*
 * A part is followed by one page more, for an entry across its end.
 *
 * mmap(2) of a few pages does not fail before the kernel kills a process for memory. If it does,
 * nothing sensible can be returned for an entry that a commit is in the middle of writing: to die
 * here is what every step of a commit is made for (adopt.h), to go on would not be.
 */
void *map_window_move(struct map_window *window, size_t start)
{
	size_t first = start & ~(window->part_bytes - 1);
	size_t len_bytes = window->part_bytes + (size_t)sysconf(_SC_PAGESIZE);

	if (!window->part_bytes || start + window->stride_bytes > window->size_bytes)
		abort();
	if (len_bytes > window->size_bytes - first)
		len_bytes = window->size_bytes - first;
	if (map_part(window, first, len_bytes) < 0)
		abort();
	return window->area + (start - first);
}
