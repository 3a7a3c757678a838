/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/foreign_programs.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "util/cleanup.h"

#define MAX_PROGRAMS 64 /* as many as the kernel lets be attached to a cgroup */

static const struct {
	const char *name;
	enum bpf_attach_type type;
} hooks[] = {
	{"connect4", BPF_CGROUP_INET4_CONNECT},
	{"connect6", BPF_CGROUP_INET6_CONNECT},
	{"sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
	{"sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
};

/* A program may go while it is looked at; then it has no name. */
static void read_name(struct foreign_program *program)
{
	struct bpf_prog_info info = {};
	__u32 len_bytes = sizeof(info);
	_close_ int fd = bpf_prog_get_fd_by_id(program->id);

	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len_bytes) == 0)
		snprintf(program->name, sizeof(program->name), "%s", info.name);
}

int foreign_programs_read(const char *cgroup,
			  void (*fn)(void *arg, const struct foreign_program *program), void *arg)
{
	_close_ int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		__u32 ids[MAX_PROGRAMS] = {};
		__u32 n = ARRAY_SIZE(ids);
		__u32 flags = 0;
		int r = bpf_prog_query(fd, hooks[i].type, 0, &flags, ids, &n);

		if (r < 0)
			return r;
		for (__u32 k = 0; k < n; k++) {
			struct foreign_program program = {
				.hook = hooks[i].name,
				.id = ids[k],
				.is_exclusive = !(flags & BPF_F_ALLOW_MULTI),
			};

			read_name(&program);
			fn(arg, &program);
		}
	}
	return 0;
}
