/* SPDX-License-Identifier: Apache-2.0 */
/* The affinity table, with names and backends instead of ids. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datapath/convert.h"
#include "datapath/frontend_table.h"
#include "datapath/reader.h"
#include "util/cleanup.h"
#include "util/clock.h"

/**
 * struct affinity_walk - datapath_read_affinity() under way.
 * @routes: of a frontend with affinity for each service id, of @n_ids; slot 0: none.
 */
struct affinity_walk {
	const struct maps *maps;
	struct svc_route *routes;
	uint32_t n_ids;
	uint64_t now_ns;
	int (*fn)(void *arg, const struct datapath_affinity *entry);
	void *arg;
};

static void walk_clear(struct affinity_walk *walk)
{
	free(walk->routes);
}

static int note_route(void *arg, const struct frontend_key *key, const struct svc_route *route)
{
	struct affinity_walk *walk = arg;

	(void)key;
	if (svc_list_flags(route->list) & SVC_LIST_F_AFFINITY && route->service_id < walk->n_ids)
		walk->routes[route->service_id] = *route;
	return 0;
}

static int index_routes(struct affinity_walk *walk)
{
	int r;

	walk->n_ids = walk->maps->capacities[MAP_SERVICE_INFO] + 1;
	walk->routes = calloc(walk->n_ids, sizeof(*walk->routes));
	if (!walk->routes)
		return -ENOMEM;
	r = frontend_table_walk(ADDR_IPV4, &walk->maps->windows[MAP_FRONTENDS4], note_route, walk);
	if (r < 0)
		return r;
	return frontend_table_walk(ADDR_IPV6, &walk->maps->windows[MAP_FRONTENDS6], note_route,
				   walk);
}

/* The backend with stable id @id in @list; family ADDR_NONE when it is not there. */
static void find_backend(const struct maps *maps, uint8_t family, uint64_t list, uint32_t id,
			 struct backend *ret_backend)
{
	uint32_t index, i;

	*ret_backend = (struct backend){};
	for (i = 0; i < svc_list_count(list); i++) {
		index = svc_list_base(list) + i;
		if (reader_backend_id(maps, family, index) == id &&
		    !reader_backend(maps, family, index, ret_backend))
			return;
	}
}

static void read_client(const struct svc_affinity_key *key, struct datapath_affinity *entry)
{
	if (key->client_kind == SVC_CLIENT_NETNS) {
		entry->netns_cookie = (uint64_t)key->client[1] << 32 | key->client[0];
		return;
	}
	entry->client.family = (uint8_t)key->client_kind; /* the same numbers */
	memcpy(entry->client.bytes, key->client, key->client_kind == SVC_CLIENT_IPV4 ? 4 : 16);
}

static int tell_entry(void *arg, const void *key, const void *value)
{
	const struct affinity_walk *walk = arg;
	struct datapath_affinity entry = {};
	struct svc_affinity_key affinity_key;
	struct svc_service_info info;
	const struct svc_route *route;
	struct svc_service service;
	struct svc_affinity memory;

	memcpy(&affinity_key, key, sizeof(affinity_key));
	memcpy(&memory, value, sizeof(memory));
	if (affinity_key.service_id >= walk->n_ids)
		return 0;
	route = &walk->routes[affinity_key.service_id];
	if (reader_slot(walk->maps, route->slot, &service) < 0 ||
	    bpf_map_lookup_elem(walk->maps->fds[MAP_SERVICE_INFO], &affinity_key.service_id, &info))
		return 0; /* of a service port that is gone, or has no affinity any more */
	convert_info_key(&info, &entry.key);
	read_client(&affinity_key, &entry);
	find_backend(walk->maps, service.family, route->list, memory.backend_id, &entry.backend);
	if (walk->now_ns > memory.last_ns)
		entry.age_ms = (walk->now_ns - memory.last_ns) / 1000000;
	entry.timeout_s = service.affinity_s;
	return walk->fn(walk->arg, &entry);
}

int datapath_read_affinity(const struct datapath_reader *reader,
			   int (*fn)(void *arg, const struct datapath_affinity *entry), void *arg)
{
	_cleanup_(walk_clear) struct affinity_walk walk = {
		.maps = &reader->maps, .fn = fn, .arg = arg};
	int r;

	walk.now_ns = clock_now_ns(CLOCK_MONOTONIC);
	r = index_routes(&walk);
	if (r < 0)
		return r;
	return maps_for_each(&reader->maps, MAP_AFFINITY, tell_entry, &walk);
}
