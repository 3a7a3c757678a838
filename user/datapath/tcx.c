/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/tcx.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

#define LINK_TYPE_TCX 11

/* More programs are on no device: BPF_MPROG_MAX. */
#define MAX_PROGRAMS 64

/* No device has this number. */
#define NO_IFINDEX 0x7fffffff

/** struct query - union bpf_attr.query since Linux 6.6. */
struct query {
	uint32_t target_ifindex;
	uint32_t attach_type;
	uint32_t query_flags;
	uint32_t attach_flags;
	uint64_t prog_ids;
	uint32_t count;
	uint32_t pad;
	uint64_t prog_attach_flags;
	uint64_t link_ids;
	uint64_t link_attach_flags;
	uint64_t revision;
};

int tcx_create(int program_fd, uint32_t ifindex, uint32_t attach_type)
{
	return bpf_link_create(program_fd, (int)ifindex, (enum bpf_attach_type)attach_type, NULL);
}

/* bpf_link_info.tcx lies where netns does, with the same shape: a number, then the attach type. */
int tcx_read(int fd, struct tcx_link *ret)
{
	struct bpf_link_info info = {};
	uint32_t len_bytes = sizeof(info);
	int r = bpf_obj_get_info_by_fd(fd, &info, &len_bytes);

	if (r < 0)
		return r;
	if (info.type != LINK_TYPE_TCX)
		return -EPROTO;
	*ret = (struct tcx_link){
		.id = info.id,
		.program_id = info.prog_id,
		.ifindex = info.netns.netns_ino,
		.attach_type = info.netns.attach_type,
	};
	return 0;
}

bool tcx_is_on(const struct tcx_link *link, uint32_t ifindex, uint32_t attach_type)
{
	uint32_t program_ids[MAX_PROGRAMS], link_ids[MAX_PROGRAMS];
	struct query query = {
		.target_ifindex = ifindex,
		.attach_type = attach_type,
		.prog_ids = (uintptr_t)program_ids,
		.link_ids = (uintptr_t)link_ids,
		.count = MAX_PROGRAMS,
	};

	if (link->ifindex != ifindex || link->attach_type != attach_type)
		return false;
	if (syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof(query)) < 0)
		return false;
	for (uint32_t i = 0; i < query.count && i < MAX_PROGRAMS; i++)
		if (link_ids[i] == link->id)
			return true;
	return false;
}

/* return -1 (TCX_NEXT) */
bool tcx_is_supported(void)
{
	static const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	_close_ int program_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "svc_probe", "Dual BSD/GPL",
					       program, ARRAY_SIZE(program), NULL);
	_close_ int fd = -1;

	if (program_fd < 0)
		return false;
	fd = tcx_create(program_fd, NO_IFINDEX, TCX_ATTACH_INGRESS);
	return fd == -ENODEV || fd >= 0;
}
