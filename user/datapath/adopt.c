/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/adopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/blocks.h"
#include "datapath/health.h"
#include "datapath/maglev_tables.h"
#include "datapath/publish.h"
#include "util/cleanup.h"
#include "util/endian.h"

/**
 * struct adoption - adopt_read() under way.
 * @by_id: service port of each service id, of @n_ids.
 */
struct adoption {
	struct shadow *shadow;
	struct shadow_port **by_id;
	uint32_t n_ids;
};

static int adopt_info(void *arg, const void *key, const void *value)
{
	struct adoption *adoption = arg;
	struct shadow *shadow = adoption->shadow;
	struct svc_service_info info;
	uint32_t id;
	int r;

	memcpy(&id, key, sizeof(id));
	memcpy(&info, value, sizeof(info));
	r = shadow_adopt_port(shadow, &info, id);
	if (r < 0)
		return r;
	adoption->by_id[id] = shadow_find_port(shadow, &info);
	return 0;
}

/* What the frontend's lists are to its service port; after a cut-off sync frontends may differ. */
static void adopt_lists(struct shadow_port *port, const struct svc_service *service, uint64_t list)
{
	bool is_local = service->flags & SVC_F_POLICY_LOCAL;

	port->lists[is_local ? LIST_LOCAL : LIST_CLUSTER] = service->policy_list;
	if (service->type != SVC_TYPE_CLUSTER_IP)
		port->lists[LIST_CLUSTER] = list & ~((uint64_t)SVC_LIST_F_AFFINITY << 48);
	if (service->flags & SVC_F_SOURCE_RANGES)
		port->has_ranges = true;
	if (service->flags & SVC_F_MAGLEV)
		port->table_list = service->policy_list;
}

static int adopt_frontend(void *arg, const struct frontend_key *key, const struct svc_route *route)
{
	struct adoption *adoption = arg;
	struct shadow *shadow = adoption->shadow;
	const struct svc_service *service;
	struct shadow_frontend *frontend;
	struct shadow_port *owner = NULL;
	int r;

	if (!route->slot || route->slot >= shadow->maps->capacities[MAP_SERVICES])
		return -EUCLEAN;
	r = shadow_add_frontend(shadow, key, route->slot, &frontend);
	if (r < 0)
		return r;
	service = shadow_service(shadow, route->slot);
	frontend->is_inserted = true;
	frontend->list = route->list;
	frontend->type = service->type;
	publish_filter_adopt(shadow, key);
	if (service->service_id < adoption->n_ids)
		owner = adoption->by_id[service->service_id];
	if (owner) {
		shadow_give_frontend(shadow, frontend, owner);
		adopt_lists(owner, service, route->list);
	}
	if (service->service_id && service->family != key->family)
		return -EUCLEAN;
	r = blocks_adopt(shadow, service, service->policy_list);
	if (!r)
		r = blocks_adopt(shadow, service, route->list);
	return r;
}

static int adopt_range(void *arg, const void *key, const void *value)
{
	struct adoption *adoption = arg;
	struct svc_source_range range;
	struct shadow_port *port;
	struct cidr *grown;
	uint32_t id;

	(void)value;
	memcpy(&range, key, sizeof(range));
	id = be32_to_host(range.service_id);
	port = id < adoption->n_ids ? adoption->by_id[id] : NULL;
	if (!port)
		return 0; /* adopt_settle() deletes it */
	grown = reallocarray(port->ranges, port->n_ranges + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	port->ranges = grown;
	convert_key_range(&range, port->family, &grown[port->n_ranges++]);
	return 0;
}

static int adopt_health(void *arg, const void *key, const void *value)
{
	struct adoption *adoption = arg;
	struct svc_health_key health_key;
	struct svc_health health;

	memcpy(&health_key, key, sizeof(health_key));
	memcpy(&health, value, sizeof(health));
	return health_adopt(adoption->shadow, &health_key, &health);
}

static int adopt_node_addr(void *arg, const void *key, const void *value)
{
	struct adoption *adoption = arg;
	struct shadow *shadow = adoption->shadow;
	struct shadow_node_addr *entry = calloc(1, sizeof(*entry));
	struct addr addr;

	(void)value;
	if (!entry)
		return -ENOMEM;
	memcpy(&entry->key, key, sizeof(entry->key));
	HASH_ADD(hh, shadow->node_addrs, key, sizeof(entry->key), entry);
	if (!TABLE_HAS(entry)) {
		free(entry);
		return -ENOMEM;
	}
	convert_key_node_addr(&entry->key, &addr);
	publish_address_bit(shadow, &addr, true);
	return 0;
}

int adopt_read(struct shadow *shadow)
{
	static const struct {
		enum map_id map;
		int (*fn)(void *arg, const void *key, const void *value);
	} steps[] = {
		{MAP_SOURCE_RANGES, adopt_range},
		{MAP_HEALTH_CHECKS, adopt_health},
		{MAP_NODE_ADDRS, adopt_node_addr},
	};
	_free_ struct shadow_port **by_id = NULL;
	struct adoption adoption = {.shadow = shadow};
	size_t i;
	int r;

	adoption.n_ids = shadow->maps->capacities[MAP_SERVICE_INFO] + 1;
	adoption.by_id = by_id = calloc(adoption.n_ids, sizeof(struct shadow_port *));
	if (!by_id)
		return -ENOMEM;
	r = maps_for_each(shadow->maps, MAP_SERVICE_INFO, adopt_info, &adoption);
	if (!r)
		r = frontend_table_walk(ADDR_IPV4, &shadow->maps->windows[MAP_FRONTENDS4],
					adopt_frontend, &adoption);
	if (!r)
		r = frontend_table_walk(ADDR_IPV6, &shadow->maps->windows[MAP_FRONTENDS6],
					adopt_frontend, &adoption);
	for (i = 0; !r && i < ARRAY_SIZE(steps); i++)
		r = maps_for_each(shadow->maps, steps[i].map, steps[i].fn, &adoption);
	return r < 0 ? r : maglev_tables_adopt(shadow);
}

/** struct strays - keys of source_ranges without a service port. @keys: owned. */
struct strays {
	const struct shadow *shadow;
	struct svc_source_range *keys;
	size_t n;
	size_t room;
	uint64_t *has_id; /* bitmap of service ids in use */
};

static void strays_clear(struct strays *strays)
{
	free(strays->keys);
	free(strays->has_id);
}

static int note_stray(void *arg, const void *key, const void *value)
{
	struct strays *strays = arg;
	struct svc_source_range range;
	struct svc_source_range *grown;
	uint32_t id;

	(void)value;
	memcpy(&range, key, sizeof(range));
	id = be32_to_host(range.service_id);
	if (id <= strays->shadow->maps->capacities[MAP_SERVICE_INFO] &&
	    strays->has_id[id / 64] >> id % 64 & 1)
		return 0;
	if (strays->n == strays->room) {
		strays->room = strays->room * 2 + 16;
		grown = reallocarray(strays->keys, strays->room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		strays->keys = grown;
	}
	strays->keys[strays->n++] = range;
	return 0;
}

static int settle_ranges(struct shadow *shadow)
{
	_cleanup_(strays_clear) struct strays strays = {.shadow = shadow};
	const struct shadow_port *port;
	size_t i;
	int r;

	strays.has_id =
		calloc(shadow->maps->capacities[MAP_SERVICE_INFO] / 64 + 1, sizeof(*strays.has_id));
	if (!strays.has_id)
		return -ENOMEM;
	for (port = shadow->ports; port; port = port->hh.next)
		strays.has_id[port->id / 64] |= 1ull << port->id % 64;
	r = maps_for_each(shadow->maps, MAP_SOURCE_RANGES, note_stray, &strays);
	for (i = 0; !r && i < strays.n; i++)
		r = maps_delete(shadow->maps, MAP_SOURCE_RANGES, &strays.keys[i]);
	return r;
}

static void settle_slots(struct shadow *shadow)
{
	const struct svc_service empty = {};
	struct svc_service *service;
	uint32_t slot;

	for (slot = 1; slot < shadow->maps->capacities[MAP_SERVICES]; slot++) {
		service = shadow_service(shadow, slot);
		if (extents_is_used(shadow->slots, slot) || !memcmp(service, &empty, sizeof(empty)))
			continue;
		maps_will_write(shadow->maps);
		*service = empty;
	}
}

int adopt_settle(struct shadow *shadow)
{
	settle_slots(shadow);
	publish_clear_stray_bits(shadow);
	return settle_ranges(shadow);
}
