/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071) and what a change does to it (RFC 1624), for tc and XDP alike.
 *
 * Sums are 64 bits wide and folded late; words are taken as they lie in memory, for a ones'
 * complement sum has no byte order. They must begin at even bytes of what is summed.
 */
#ifndef SVCBPF_BPF_SUM_H
#define SVCBPF_BPF_SUM_H

#include <bpf/bpf_helpers.h>

/** sum_diff32() - @sum and what it means that the word @from becomes @to. */
static __always_inline __u64 sum_diff32(__u64 sum, __be32 from, __be32 to)
{
	return sum + (__u32)~from + to;
}

/** sum_diff16() - the same for half a word. */
static __always_inline __u64 sum_diff16(__u64 sum, __u16 from, __u16 to)
{
	return sum + (__u16)~from + to;
}

/** sum_fold32() - in 32 bits, as helpers take it. */
static __always_inline __u32 sum_fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (__u32)sum;
}

/** sum_fold16() - in 16 bits, not complemented. */
static __always_inline __u16 sum_fold16(__u64 sum)
{
	__u32 s = sum_fold32(sum);

	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (__u16)s;
}

/** sum_is_zero() - whether @diff changes no checksum: a difference of equal words is not 0 but -0.
 */
static __always_inline bool sum_is_zero(__u64 diff)
{
	__u32 s = sum_fold32(diff);

	return !s || s == 0xffffffff;
}

/** sum_apply() - the checksum @check after a change that adds @diff to what it covers. */
static __always_inline __u16 sum_apply(__u16 check, __u64 diff)
{
	return (__u16)~sum_fold16((__u16)~check + diff);
}

/** sum_words() - @sum and @n words from @words on; @n is a constant. */
static __always_inline __u64 sum_words(__u64 sum, const __be32 *words, int n)
{
	int i;

#pragma unroll
	for (i = 0; i < n; i++)
		sum += words[i];
	return sum;
}

#endif
