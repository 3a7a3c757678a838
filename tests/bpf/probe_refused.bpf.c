// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A program that no verifier lets pass, to see what is said of it. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

/** reads_beyond - the first byte of a packet that may have none. */
SEC("tc")
int reads_beyond(struct __sk_buff *skb)
{
	return *(__u8 *)(long)skb->data;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
