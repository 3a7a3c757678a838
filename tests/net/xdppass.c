/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xdppass DEVICE - attach an XDP program that lets every frame pass, as another product might have
 * done; on a veth it makes this end take what the other end sends back by XDP. Says "ready ID", and
 * stays until it is ended.
 */
#include <linux/bpf.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tool.h"

static int load(void)
{
	static const struct bpf_insn insns[] = {
		{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS},
		{BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = sizeof(insns) / sizeof(insns[0]);
	attr.license = (uintptr_t) "GPL";
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static unsigned int id_of(int program_fd)
{
	struct bpf_prog_info info;
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	memset(&info, 0, sizeof(info));
	attr.info.bpf_fd = (uint32_t)program_fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	return syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) < 0 ? 0 : info.id;
}

int main(int argc, char **argv)
{
	union bpf_attr attr;
	int program_fd = load();

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program_fd;
	attr.link_create.target_ifindex = argc == 2 ? if_nametoindex(argv[1]) : 0;
	attr.link_create.attach_type = BPF_XDP;
	if (program_fd < 0 || syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr)) < 0) {
		fprintf(stderr, "xdppass: %s\n", strerror(errno));
		return 1;
	}
	printf("ready %u\n", id_of(program_fd));
	fflush(stdout);
	pause();
	return 0;
}
