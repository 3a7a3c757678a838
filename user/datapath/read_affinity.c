/* SPDX-License-Identifier: Apache-2.0 */
/* The affinity table, with names and backends instead of ids. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datapath/convert.h"
#include "datapath/reader.h"
#include "util/cleanup.h"

/**
 * struct affinity_walk - datapath_read_affinity() under way.
 * @slots: a slot with affinity for each service id, of @n_ids; 0: none.
 */
struct affinity_walk {
	const struct maps *maps;
	uint32_t *slots;
	uint32_t n_ids;
	uint64_t now_ns;
	int (*fn)(void *arg, const struct datapath_affinity *entry);
	void *arg;
};

static void walk_clear(struct affinity_walk *walk)
{
	free(walk->slots);
}

static int index_slots(struct affinity_walk *walk)
{
	struct svc_service service;
	uint32_t slot;

	walk->n_ids = walk->maps->capacities[MAP_SERVICE_INFO] + 1;
	walk->slots = calloc(walk->n_ids, sizeof(*walk->slots));
	if (!walk->slots)
		return -ENOMEM;
	for (slot = 1; slot < walk->maps->capacities[MAP_SERVICES]; slot++) {
		if (!reader_slot(walk->maps, slot, &service) && service.service_id < walk->n_ids &&
		    service.affinity_s)
			walk->slots[service.service_id] = slot;
	}
	return 0;
}

/* The backend with stable id @id in one of the slot's lists; family ADDR_NONE when in none. */
static void find_backend(const struct maps *maps, const struct svc_service *service, uint32_t id,
			 struct backend *ret_backend)
{
	const uint64_t words[] = {service->cluster_list, service->policy_list};
	uint32_t index, i;
	size_t j;

	*ret_backend = (struct backend){};
	for (j = 0; j < ARRAY_SIZE(words); j++) {
		for (i = 0; i < svc_list_count(words[j]); i++) {
			index = svc_list_base(words[j]) + i;
			if (reader_backend_id(maps, service->family, index) != id)
				continue;
			if (reader_backend(maps, service->family, index, ret_backend) == 0)
				return;
		}
	}
}

static int tell_entry(void *arg, const void *key, const void *value)
{
	const struct affinity_walk *walk = arg;
	struct datapath_affinity entry = {};
	struct svc_affinity_key affinity_key;
	struct svc_service_info info;
	struct svc_service service;
	struct svc_affinity memory;

	memcpy(&affinity_key, key, sizeof(affinity_key));
	memcpy(&memory, value, sizeof(memory));
	if (affinity_key.service_id >= walk->n_ids ||
	    reader_slot(walk->maps, walk->slots[affinity_key.service_id], &service) < 0 ||
	    bpf_map_lookup_elem(walk->maps->fds[MAP_SERVICE_INFO], &affinity_key.service_id, &info))
		return 0; /* of a service port that is gone, or has no affinity any more */
	convert_info_key(&info, &entry.key);
	if (affinity_key.client_kind == SVC_CLIENT_NETNS)
		entry.netns_cookie =
			(uint64_t)affinity_key.client[1] << 32 | affinity_key.client[0];
	find_backend(walk->maps, &service, memory.backend_id, &entry.backend);
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
	struct timespec now;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &now);
	walk.now_ns = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
	r = index_slots(&walk);
	if (r < 0)
		return r;
	return maps_for_each(&reader->maps, MAP_AFFINITY, tell_entry, &walk);
}
