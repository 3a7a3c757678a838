/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading struct __sk_buff, the context of tc programs. */
#ifndef SVCBPF_BPF_SKB_H
#define SVCBPF_BPF_SKB_H

#include <bpf/bpf_helpers.h>

#include "lib/context.h"

/** skb_load64() - context_load64() of struct __sk_buff. */
#define skb_load64(skb, field) context_load64(skb, struct __sk_buff, field)

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
