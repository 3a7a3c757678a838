/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Helpers that older kernels lack, each with its next best: decided at load time by CO-RE. */
#ifndef SVCBPF_BPF_COMPAT_H
#define SVCBPF_BPF_COMPAT_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#ifndef ECONNREFUSED
#define ECONNREFUSED 111
#endif
#ifndef ENOENT
#define ENOENT 2
#endif

/* Flavour of the kernel's enum, so that the vmlinux.h of any kernel will do. */
enum bpf_func_id___new {
	BPF_FUNC_ktime_get_coarse_ns___new = 160,
	BPF_FUNC_set_retval___new = 187,
};

/**
 * clock_ns() - CLOCK_MONOTONIC in ns, a few ms old at most where that is cheaper.
 *
 * bpf_ktime_get_coarse_ns() (5.11) costs 3-6 ns, bpf_ktime_get_ns() 33.
 */
static __always_inline __u64 clock_ns(void)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id___new, BPF_FUNC_ktime_get_coarse_ns___new))
		return bpf_ktime_get_coarse_ns();
	return bpf_ktime_get_ns();
}

/** verdict_refuse() - what a sock_addr program returns so that the caller sees @error (5.18; EPERM
 * before). */
static __always_inline int verdict_refuse(int error)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id___new, BPF_FUNC_set_retval___new))
		bpf_set_retval(-error);
	return 0;
}

#endif
