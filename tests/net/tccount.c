/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tccount DEVICE ingress|egress first|last|pin FOLDER - a tc program of somebody else's.
 *
 * It counts packets in FOLDER/count, and lets every one go on to the next. "first" and "last":
 * attached by TCX before or after the others, as FOLDER/link. "pin": only pinned as FOLDER/program,
 * for `tc filter add … bpf da object-pinned`. Exit 3: the kernel has no TCX.
 */
#include <linux/bpf.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tool.h"

/* Not in the headers of Linux 6.1. */
#define TCX_INGRESS 46
#define TCX_EGRESS  47
#define TCX_BEFORE  (1U << 3)
#define TCX_AFTER   (1U << 4)

static int call(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int make_map(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = 8;
	attr.max_entries = 1;
	return call(BPF_MAP_CREATE, &attr);
}

/* count[0] += 1; return -1, which is "next" for TCX and clsact alike. BPF_K and BPF_IMM are 0. */
static int load(int map_fd)
{
	const struct bpf_insn insns[] = {
		{BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0},
		{BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0},
		{BPF_ALU64 | BPF_ADD, BPF_REG_2, 0, 0, -4},
		{BPF_LD | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd},
		{0, 0, 0, 0, 0},
		{BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem},
		{BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0},
		{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1},
		{BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD},
		{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, -1},
		{BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = sizeof(insns) / sizeof(insns[0]);
	attr.license = (uintptr_t) "GPL";
	return call(BPF_PROG_LOAD, &attr);
}

static int pin(int fd, const char *folder, const char *name)
{
	union bpf_attr attr;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)path;
	attr.bpf_fd = (uint32_t)fd;
	return call(BPF_OBJ_PIN, &attr);
}

static int attach(int program_fd, const char *device, const char *direction, const char *place)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program_fd;
	attr.link_create.target_ifindex = if_nametoindex(device);
	attr.link_create.attach_type = !strcmp(direction, "ingress") ? TCX_INGRESS : TCX_EGRESS;
	attr.link_create.flags = !strcmp(place, "first") ? TCX_BEFORE : TCX_AFTER;
	return call(BPF_LINK_CREATE, &attr);
}

int main(int argc, char **argv)
{
	int map_fd = make_map();
	int program_fd = map_fd < 0 ? -1 : load(map_fd);
	int link_fd;

	if (argc != 5) {
		fprintf(stderr,
			"tccount: usage: tccount DEVICE ingress|egress first|last|pin FOLDER\n");
		return 2;
	}
	if (program_fd < 0 || pin(map_fd, argv[4], "count") < 0) {
		fprintf(stderr, "tccount: %s\n", strerror(errno));
		return 1;
	}
	if (!strcmp(argv[3], "pin"))
		return pin(program_fd, argv[4], "program") < 0;
	link_fd = attach(program_fd, argv[1], argv[2], argv[3]);
	if (link_fd < 0 || pin(link_fd, argv[4], "link") < 0) {
		fprintf(stderr, "tccount: %s: %s\n", argv[1], strerror(errno));
		return errno == EINVAL ? 3 : 1;
	}
	return 0;
}
