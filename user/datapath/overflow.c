/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/overflow.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "overflow.skel.h"
#include "util/cleanup.h"

static void skeleton_freep(struct overflow_bpf **skeleton)
{
	overflow_bpf__destroy(*skeleton);
}

static void link_freep(struct bpf_link **link)
{
	bpf_link__destroy(*link);
}

/* A read gives as many whole records as fit, as seq_file does. */
static int read_records(int iter_fd, int (*fn)(void *arg, const struct svc_rev_record *record),
			void *arg)
{
	struct svc_rev_record records[64];

	for (;;) {
		ssize_t n = read(iter_fd, records, sizeof(records));

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if ((size_t)n % sizeof(records[0]))
			return -EBADMSG;
		for (size_t i = 0; i < (size_t)n / sizeof(records[0]); i++) {
			int r = fn(arg, &records[i]);

			if (r < 0)
				return r;
		}
	}
}

int overflow_for_each(int rev_storage_fd, int (*fn)(void *arg, const struct svc_rev_record *record),
		      void *arg)
{
	_cleanup_(skeleton_freep) struct overflow_bpf *skeleton = overflow_bpf__open_and_load();
	_cleanup_(link_freep) struct bpf_link *link = NULL;
	_close_ int iter_fd = -1;
	union bpf_iter_link_info map = {.map.map_fd = (uint32_t)rev_storage_fd};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &map, .link_info_len = sizeof(map));

	if (!skeleton)
		return -errno;
	link = bpf_program__attach_iter(skeleton->progs.write_one, &opts);
	if (!link)
		return -errno;
	iter_fd = bpf_iter_create(bpf_link__fd(link));
	return iter_fd < 0 ? -errno : read_records(iter_fd, fn, arg);
}
