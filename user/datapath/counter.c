/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/counter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"

int counter_read(const struct maps *maps, uint32_t index, uint64_t *ret_value)
{
	const int n_cpus = libbpf_num_possible_cpus();
	_free_ uint64_t *values = NULL;
	uint64_t sum = 0;
	int i, r;

	if (n_cpus < 0)
		return n_cpus;
	values = calloc((size_t)n_cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	r = bpf_map_lookup_elem(maps->fds[MAP_COUNTERS], &index, values);
	if (r < 0)
		return r;
	for (i = 0; i < n_cpus; i++)
		sum += values[i];
	*ret_value = sum;
	return 0;
}
