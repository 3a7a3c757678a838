/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SVCBPF_BPF_COUNT_H
#define SVCBPF_BPF_COUNT_H

#include "lib/maps.h"

/** count() - add one to a counter of this CPU. */
static __always_inline void count(enum svc_counter counter)
{
	__u32 index = counter;
	__u64 *value = bpf_map_lookup_elem(&counters, &index);

	if (value)
		*value += 1;
}

#endif
