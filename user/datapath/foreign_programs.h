/* SPDX-License-Identifier: Apache-2.0 */
/* BPF programs of others at a cgroup, where ours go too. */
#ifndef SVCBPF_DATAPATH_FOREIGN_PROGRAMS_H
#define SVCBPF_DATAPATH_FOREIGN_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct foreign_program - a program that sees connect(2) or sendmsg(2) of sockets.
 * @hook: "connect4" and so on.
 * @name: as the kernel has it, 15 characters at most; "" when it cannot be asked.
 * @is_exclusive: it was attached so that no other can be (without BPF_F_ALLOW_MULTI).
 */
struct foreign_program {
	const char *hook;
	char name[16];
	uint32_t id;
	bool is_exclusive;
};

/**
 * foreign_programs_read() - call @fn for each program attached to this very cgroup.
 * @cgroup: path of a folder of a cgroup v2 hierarchy.
 *
 * Needs CAP_NET_ADMIN, and CAP_BPF for the names.
 * Return: 0; -EPERM; negative errno of open(2) and bpf(2).
 */
int foreign_programs_read(const char *cgroup,
			  void (*fn)(void *arg, const struct foreign_program *program), void *arg);

#endif
