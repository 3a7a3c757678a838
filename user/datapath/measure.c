/* SPDX-License-Identifier: Apache-2.0 */
/* What readers can count of pinned maps, for the agent that holds them open already. */
#include "datapath/internal.h"
#include "datapath/reader.h"

/* A reader that borrows the agent's maps; never closed. */
static struct datapath_reader borrow(const struct datapath *datapath)
{
	return (struct datapath_reader){.pin_dir = datapath->pin_dir, .maps = datapath->maps};
}

int datapath_counters(const struct datapath *datapath, struct datapath_counter *ret)
{
	const struct datapath_reader reader = borrow(datapath);

	return datapath_read_counters(&reader, ret);
}

int datapath_fill(const struct datapath *datapath,
		  void (*fn)(void *arg, const struct datapath_map_fill *fill), void *arg)
{
	const struct datapath_reader reader = borrow(datapath);

	return datapath_read_fill(&reader, fn, arg);
}

bool datapath_flow_numbers(const struct datapath *datapath, struct flow_numbers *ret_numbers)
{
	if (!datapath->collector)
		return false;
	flow_collector_numbers(datapath->collector, ret_numbers);
	return true;
}

const struct svc_meta *datapath_meta(const struct datapath *datapath)
{
	return datapath->maps.meta;
}
