/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/read_maglev.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/maglev_tables.h"
#include "util/cleanup.h"

static int compare_words(int fd, const uint64_t *words, uint32_t n)
{
	uint64_t word;
	uint32_t i;
	int r;

	for (i = 0; i < n; i++) {
		r = bpf_map_lookup_elem(fd, &i, &word);
		if (r == -ENOENT)
			return 0; /* of another size */
		if (r < 0)
			return r;
		if (word != words[i])
			return 0;
	}
	return 1;
}

int read_maglev_is_there(const struct maps *maps, uint32_t service_id,
			 const struct svc_service_info *info, uint64_t list)
{
	_free_ uint64_t *words = NULL;
	uint32_t table_id, n;
	_close_ int fd = -1;
	int r;

	if (maps->fds[MAP_MAGLEV] < 0 || !maps->meta->maglev_size)
		return 0;
	r = bpf_map_lookup_elem(maps->fds[MAP_MAGLEV], &service_id, &table_id);
	if (r == -ENOENT)
		return 0;
	if (r < 0 || !list)
		return r < 0 ? r : 1;
	fd = bpf_map_get_fd_by_id(table_id);
	if (fd < 0)
		return fd == -EPERM ? 1 : fd == -ENOENT ? -EAGAIN : fd;
	r = maglev_tables_words(maps, info, list, maps->meta->maglev_size, &words, &n);
	return r < 0 ? r : compare_words(fd, words, n);
}
