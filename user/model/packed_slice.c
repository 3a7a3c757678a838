/* SPDX-License-Identifier: Apache-2.0 */
#include "model/packed_slice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/**
 * struct packed_slice - a slice, its endpoints as columns.
 * @slice: all but its endpoints, which are NULL.
 * @has_hints: the column of hints is there.
 * @columns: node names, hints, addresses, flags.
 */
struct packed_slice {
	struct k8s_slice slice;
	bool has_hints;
	const void *columns[];
};

/** struct columns - where each begins; @hints NULL: no endpoint has any. */
struct columns {
	const char **nodes;
	struct k8s_hints **hints;
	uint8_t *addrs;
	uint8_t *flags;
	size_t addr_bytes;
};

static size_t addr_bytes_of(const struct k8s_slice *slice)
{
	return slice->family == ADDR_IPV4 ? 4 : 16;
}

static size_t size_bytes_of(const struct k8s_slice *slice, bool has_hints)
{
	size_t entry = sizeof(char *) + (has_hints ? sizeof(struct k8s_hints *) : 0) +
		       addr_bytes_of(slice) + sizeof(uint8_t);

	return sizeof(struct packed_slice) + slice->n_endpoints * entry;
}

static struct columns columns_of(const struct packed_slice *packed)
{
	size_t n = packed->slice.n_endpoints;
	struct columns columns = {.addr_bytes = addr_bytes_of(&packed->slice)};

	columns.nodes = (const char **)(uintptr_t)packed->columns;
	if (packed->has_hints)
		columns.hints = (struct k8s_hints **)(columns.nodes + n);
	columns.addrs = (uint8_t *)(columns.nodes + (packed->has_hints ? 2 : 1) * n);
	columns.flags = columns.addrs + columns.addr_bytes * n;
	return columns;
}

static bool has_hints(const struct k8s_slice *slice)
{
	for (size_t i = 0; i < slice->n_endpoints; i++)
		if (slice->endpoints[i].hints)
			return true;
	return false;
}

int packed_slice_new(struct k8s_slice *slice, struct packed_slice **ret)
{
	bool is_hinted = has_hints(slice);
	struct packed_slice *packed = malloc(size_bytes_of(slice, is_hinted));
	struct columns columns;

	if (!packed)
		return -ENOMEM;
	packed->slice = *slice;
	packed->slice.endpoints = NULL;
	packed->has_hints = is_hinted;
	columns = columns_of(packed);
	for (size_t i = 0; i < slice->n_endpoints; i++) {
		const struct k8s_endpoint *endpoint = &slice->endpoints[i];

		columns.nodes[i] = endpoint->node;
		if (columns.hints)
			columns.hints[i] = endpoint->hints;
		memcpy(columns.addrs + i * columns.addr_bytes, endpoint->addr, columns.addr_bytes);
		columns.flags[i] = (uint8_t)endpoint->flags;
	}
	free(slice->endpoints);
	free(slice);
	*ret = packed;
	return 0;
}

void packed_slice_free(struct strings *pool, struct packed_slice *packed)
{
	struct k8s_slice *slice;
	struct columns columns;

	if (!packed)
		return;
	columns = columns_of(packed);
	slice = &packed->slice;
	for (size_t i = 0; i < slice->n_endpoints; i++) {
		strings_put(pool, columns.nodes[i]);
		if (columns.hints)
			k8s_hints_free(pool, columns.hints[i]);
	}
	for (size_t i = 0; i < slice->n_ports; i++)
		strings_put(pool, slice->ports[i].name);
	strings_put(pool, slice->namespace);
	strings_put(pool, slice->name);
	strings_put(pool, slice->service);
	free(slice->ports);
	free(packed);
}

int packed_slice_open(const struct packed_slice *packed, struct k8s_slice *ret)
{
	const struct columns columns = columns_of(packed);
	size_t n = packed->slice.n_endpoints;
	struct k8s_endpoint *endpoints = calloc(n + 1, sizeof(*endpoints));

	if (!endpoints)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		endpoints[i].node = columns.nodes[i];
		endpoints[i].hints = columns.hints ? columns.hints[i] : NULL;
		memcpy(endpoints[i].addr, columns.addrs + i * columns.addr_bytes,
		       columns.addr_bytes);
		endpoints[i].flags = columns.flags[i];
	}
	*ret = packed->slice;
	ret->endpoints = endpoints;
	return 0;
}

void packed_slice_close(struct k8s_slice *slice)
{
	free(slice->endpoints);
	slice->endpoints = NULL;
}
