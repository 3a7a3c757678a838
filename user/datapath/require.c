/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/require.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "datapath/error.h"
#include "datapath/stale_udp.h"
#include "datapath/tcx.h"
#include "svcbpf/abi.h"
#include "util/capability.h"
#include "util/cleanup.h"

#define MIN_MAJOR 5
#define MIN_MINOR 10

#define FUNC_SET_RETVAL 187

int require_kernel(const char *release, struct datapath_error *ret_error)
{
	unsigned long major_number, minor_number = 0;
	struct utsname name;
	char *end;

	if (!release) {
		uname(&name);
		release = name.release;
	}
	major_number = strtoul(release, &end, 10);
	if (*end == '.')
		minor_number = strtoul(end + 1, NULL, 10);
	if (major_number > MIN_MAJOR || (major_number == MIN_MAJOR && minor_number >= MIN_MINOR))
		return 0;
	return error_set(ret_error, -EOPNOTSUPP,
			 "kernel %s is too old: svcbpf needs Linux %d.%d or newer", release,
			 MIN_MAJOR, MIN_MINOR);
}

/*
 * Whether bpf(2) is refused before the kernel looks at it: a seccomp filter cannot see what is
 * asked for. The kernel itself knows no such command and says EINVAL.
 */
static bool is_bpf_filtered(void)
{
	union bpf_attr attr = {};

	return syscall(SYS_bpf, -1, &attr, sizeof(attr)) < 0 && (errno == EPERM || errno == ENOSYS);
}

int require_capabilities(bool is_loading, struct datapath_error *ret_error)
{
	const bool is_admin = capability_has(CAP_SYS_ADMIN); /* stands for the two of BPF */
	const struct {
		const char *name;
		bool is_missing;
	} all[] = {
		{"CAP_BPF", !is_admin && !capability_has(CAP_BPF)},
		{"CAP_NET_ADMIN", !capability_has(CAP_NET_ADMIN)},
		{"CAP_PERFMON", is_loading && !is_admin && !capability_has(CAP_PERFMON)},
	};
	char names[64] = "";
	size_t n_missing = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const size_t len = strlen(names);

		if (!all[i].is_missing)
			continue;
		snprintf(names + len, sizeof(names) - len, "%s%s", n_missing ? ", " : "",
			 all[i].name);
		n_missing++;
	}
	if (n_missing)
		return error_set(ret_error, -EPERM,
				 "missing capability: %s; run as root or grant %s", names,
				 n_missing == 1 ? "it" : "them");
	if (is_bpf_filtered())
		return error_set(ret_error, -EPERM,
				 "bpf(2) is refused although CAP_BPF is there: a seccomp filter "
				 "forbids it; in a pod give it the seccompProfile Unconfined");
	return 0;
}

bool require_has_btf(void)
{
	return !access("/sys/kernel/btf/vmlinux", R_OK);
}

static bool does_load(const struct bpf_insn *program, size_t n_insns)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
	_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "svc_probe", "Dual BSD/GPL",
				       program, n_insns, &opts);

	return fd >= 0;
}

/* *(u64 *)(r10 - 8) = 0; cmpxchg(r10 - 8, 0, 0); return 1; since 5.12 */
static bool has_cmpxchg(void)
{
	static const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1},
		{.code = BPF_STX | BPF_MEM | BPF_DW,
		 .dst_reg = BPF_REG_10,
		 .src_reg = BPF_REG_0,
		 .off = -8},
		{.code = BPF_STX | BPF_ATOMIC | BPF_DW,
		 .dst_reg = BPF_REG_10,
		 .src_reg = BPF_REG_1,
		 .off = -8,
		 .imm = BPF_CMPXCHG},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return does_load(program, ARRAY_SIZE(program));
}

/* bpf_set_retval(-ECONNREFUSED); return 0; since 5.18 */
static bool has_set_retval(void)
{
	static const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = -ECONNREFUSED},
		{.code = BPF_JMP | BPF_CALL, .imm = FUNC_SET_RETVAL},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return does_load(program, ARRAY_SIZE(program));
}

uint64_t require_netns_cookie(void)
{
	_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t len_bytes = sizeof(cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len_bytes))
		return 0;
	return cookie;
}

uint64_t require_netns_inode(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) < 0 ? 0 : st.st_ino;
}

uint32_t require_probe_features(void)
{
	uint32_t features = 0;

	if (has_cmpxchg())
		features |= SVC_FEATURE_CMPXCHG;
	if (has_set_retval())
		features |= SVC_FEATURE_SET_RETVAL;
	if (require_netns_cookie())
		features |= SVC_FEATURE_NETNS_COOKIE;
	if (stale_udp_is_supported())
		features |= SVC_FEATURE_SOCK_DESTROY;
	if (capability_has(CAP_SYS_ADMIN))
		features |= SVC_FEATURE_NETNS_ENTER;
	if (tcx_is_supported())
		features |= SVC_FEATURE_TCX;
	return features;
}
