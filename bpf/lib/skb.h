/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading struct __sk_buff, the context of tc programs. */
#ifndef SVCBPF_BPF_SKB_H
#define SVCBPF_BPF_SKB_H

#include <bpf/bpf_helpers.h>

/*
 * clang 14 merges branches into "r1 = ctx; r1 += offset", which every verifier refuses
 * ("dereference of modified ctx ptr"): loads of the context are spelled out. As 64 bits, for data
 * and data_end become pointers.
 */
#define skb_load64(skb, field)                                                                     \
	({                                                                                         \
		__u64 value_;                                                                      \
		asm volatile("%[value] = *(u32 *)(%[base] + %[offset])"                            \
			     : [value] "=r"(value_)                                                \
			     : [base] "r"(skb), [offset] "i"(offsetof(struct __sk_buff, field)));  \
		value_;                                                                            \
	})

/** skb_load() - a field of 32 bits of struct __sk_buff. */
#define skb_load(skb, field) ((__u32)skb_load64(skb, field))

/** skb_data() - the first byte of the link layer header; anew after each helper that may move it.
 */
static __always_inline void *skb_data(const struct __sk_buff *skb)
{
	return (void *)skb_load64(skb, data);
}

/** skb_data_end() - behind the last byte that is linear. */
static __always_inline void *skb_data_end(const struct __sk_buff *skb)
{
	return (void *)skb_load64(skb, data_end);
}

#endif
