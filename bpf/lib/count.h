/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SVCBPF_BPF_COUNT_H
#define SVCBPF_BPF_COUNT_H

#include "lib/maps.h"

/** count() - add one to a counter of this CPU. Return: its new value, on this CPU. */
static __always_inline __u64 count(enum svc_counter counter)
{
	__u32 index = counter;
	__u64 *value = bpf_map_lookup_elem(&counters, &index);

	return value ? ++*value : 0;
}

#endif
