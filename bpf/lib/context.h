/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading the context of a program. */
#ifndef SVCBPF_BPF_CONTEXT_H
#define SVCBPF_BPF_CONTEXT_H

#include <bpf/bpf_helpers.h>

/**
 * context_load64() - a field of 32 bits of a context of type @type.
 *
 * clang 14 merges branches into "r1 = ctx; r1 += offset", which every verifier refuses
 * ("dereference of modified ctx ptr"): loads of the context are spelled out. As 64 bits, for data
 * and data_end become pointers.
 */
#define context_load64(ctx, type, field)                                                           \
	({                                                                                         \
		__u64 value_;                                                                      \
		asm volatile("%[value] = *(u32 *)(%[base] + %[offset])"                            \
			     : [value] "=r"(value_)                                                \
			     : [base] "r"(ctx), [offset] "i"(offsetof(type, field)));              \
		value_;                                                                            \
	})

#endif
