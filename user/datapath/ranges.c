/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/ranges.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"

static bool is_in(const struct cidr *ranges, size_t n_ranges, const struct cidr *range)
{
	size_t i;

	for (i = 0; i < n_ranges; i++) {
		if (ranges[i].prefix_len == range->prefix_len &&
		    !addr_compare(&ranges[i].addr, &range->addr))
			return true;
	}
	return false;
}

int ranges_add(struct shadow *shadow, struct shadow_port *port, const struct cidr *ranges,
	       size_t n_ranges)
{
	const uint32_t present = 1;
	struct svc_source_range key;
	struct cidr *grown;
	size_t i;
	int r;

	if (!n_ranges)
		return 0;
	grown = reallocarray(port->ranges, port->n_ranges + n_ranges, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	port->ranges = grown;
	for (i = 0; i < n_ranges; i++) {
		if (is_in(port->ranges, port->n_ranges, &ranges[i]))
			continue;
		convert_range(port->id, &ranges[i], &key);
		r = maps_insert(shadow->maps, MAP_SOURCE_RANGES, &key, &present);
		if (r < 0)
			return r;
		port->ranges[port->n_ranges++] = ranges[i];
	}
	return 0;
}

void ranges_trim(struct shadow *shadow, struct shadow_port *port, const struct cidr *ranges,
		 size_t n_ranges)
{
	struct svc_source_range key;
	size_t i = 0;

	while (i < port->n_ranges) {
		convert_range(port->id, &port->ranges[i], &key);
		if (is_in(ranges, n_ranges, &port->ranges[i]) ||
		    maps_delete(shadow->maps, MAP_SOURCE_RANGES, &key) < 0)
			i++;
		else
			port->ranges[i] = port->ranges[--port->n_ranges];
	}
}

void ranges_delete_all(struct shadow *shadow, struct shadow_port *port)
{
	ranges_trim(shadow, port, NULL, 0);
}
