/* SPDX-License-Identifier: Apache-2.0 */
/* One counter of the programs. */
#ifndef SVCBPF_DATAPATH_COUNTER_H
#define SVCBPF_DATAPATH_COUNTER_H

#include "datapath/maps.h"

/**
 * counter_read() - a counter, summed over CPUs. From any thread.
 * @index: SVC_COUNTER_*.
 * Return: 0; -ENOMEM; negative errno of bpf(2).
 */
int counter_read(const struct maps *maps, uint32_t index, uint64_t *ret_value);

#endif
