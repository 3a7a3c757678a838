/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/shadow.h"

#include <errno.h>
#include <string.h>

#include "datapath/blocks.h"
#include "datapath/generations.h"
#include "datapath/ranges.h"
#include "util/cleanup.h"
#include "utlist.h"

static uint32_t min_capacity(const struct maps *maps, enum map_id a, enum map_id b)
{
	return maps->capacities[a] < maps->capacities[b] ? maps->capacities[a]
							 : maps->capacities[b];
}

/* Twice as many backend ids as entries that can hold one, so that an id is reused late. */
static int init_ids(struct shadow *shadow)
{
	const struct maps *maps = shadow->maps;
	int r;

	shadow->next_service_id = maps->meta->next_service_id;
	r = extents_new(maps->capacities[MAP_SERVICE_INFO] + 1, &shadow->service_ids);
	if (!r)
		r = extents_adopt(shadow->service_ids, 0, 1); /* id 0 means none */
	if (!r)
		r = ids_new(maps->capacities[MAP_BACKENDS4] * 2, BACKEND_KEY4_BYTES,
			    maps->meta->next_backend_id4, &shadow->backend_ids[0]);
	if (!r)
		r = ids_new(maps->capacities[MAP_BACKENDS6] * 2, BACKEND_KEY6_BYTES,
			    maps->meta->next_backend_id6, &shadow->backend_ids[1]);
	return r;
}

int shadow_init(struct shadow *shadow, struct maps *maps)
{
	int r;

	memset(shadow, 0, sizeof(*shadow));
	shadow->maps = maps;
	shadow->n_addr_refs = calloc(SVC_ADDR_FILTER_WORDS, 64 * sizeof(*shadow->n_addr_refs));
	shadow->n_port_refs = calloc(SVC_PORT_FILTER_WORDS, 64 * sizeof(*shadow->n_port_refs));
	if (!shadow->n_addr_refs || !shadow->n_port_refs)
		return -ENOMEM;
	r = init_ids(shadow);
	if (!r)
		r = extents_new(maps->capacities[MAP_SERVICES], &shadow->slots);
	if (!r)
		r = extents_new(min_capacity(maps, MAP_BACKENDS4, MAP_BACKEND_IDS4),
				&shadow->space[0]);
	if (!r)
		r = extents_new(min_capacity(maps, MAP_BACKENDS6, MAP_BACKEND_IDS6),
				&shadow->space[1]);
	if (!r)
		r = extents_adopt(shadow->slots, 0, 1); /* slot 0 means none */
	if (!r)
		r = frontend_table_new(ADDR_IPV4, &maps->windows[MAP_FRONTENDS4],
				       maps->meta->hash_seed, &shadow->tables[0]);
	if (!r)
		r = frontend_table_new(ADDR_IPV6, &maps->windows[MAP_FRONTENDS6],
				       maps->meta->hash_seed, &shadow->tables[1]);
	return r;
}

static void free_port(struct shadow_port *port)
{
	free(port->ranges);
	free(port->serving.backends);
	free(port);
}

void shadow_clear(struct shadow *shadow)
{
	struct shadow_frontend *frontend, *next_frontend;
	struct shadow_node_addr *addr, *next_addr;
	struct shadow_health *health, *next_health;
	struct shadow_block *block, *next_block;
	struct shadow_port *port, *next_port;

	HASH_ITER(hh, shadow->frontends, frontend, next_frontend) {
		HASH_DEL(shadow->frontends, frontend);
		free(frontend);
	}
	HASH_ITER(hh, shadow->ports, port, next_port) {
		HASH_DEL(shadow->ports, port);
		free_port(port);
	}
	HASH_ITER(hh, shadow->blocks, block, next_block) {
		HASH_DEL(shadow->blocks, block);
		free(block);
	}
	HASH_ITER(hh, shadow->health, health, next_health) {
		HASH_DEL(shadow->health, health);
		free(health);
	}
	HASH_ITER(hh, shadow->node_addrs, addr, next_addr) {
		HASH_DEL(shadow->node_addrs, addr);
		free(addr);
	}
	extents_free(shadow->service_ids);
	ids_free(shadow->backend_ids[0]);
	ids_free(shadow->backend_ids[1]);
	extents_free(shadow->slots);
	extents_free(shadow->space[0]);
	extents_free(shadow->space[1]);
	frontend_table_free(shadow->tables[0]);
	frontend_table_free(shadow->tables[1]);
	free(shadow->n_addr_refs);
	free(shadow->n_port_refs);
	free(shadow->dropped_tables);
	free(shadow->garbage);
	memset(shadow, 0, sizeof(*shadow));
}

/** struct port_key - struct svc_service_info without what pads its names. */
struct port_key {
	char bytes[sizeof(struct svc_service_info)];
	size_t len_bytes;
};

static void pack_name(struct port_key *key, const char (*name)[64])
{
	size_t len_bytes = strnlen(*name, sizeof(*name) - 1);

	memcpy(key->bytes + key->len_bytes, *name, len_bytes);
	key->len_bytes += len_bytes;
	key->bytes[key->len_bytes++] = '\0';
}

static struct port_key pack_key(const struct svc_service_info *info)
{
	struct port_key key = {.bytes = {(char)info->family, (char)info->protocol}, .len_bytes = 2};

	pack_name(&key, &info->namespace);
	pack_name(&key, &info->name);
	pack_name(&key, &info->port_name);
	return key;
}

/* Copies one of the names; returns what follows it in the key. */
static const char *unpack_name(char (*ret)[64], const char *text)
{
	size_t size_bytes = strlen(text) + 1;

	memcpy(*ret, text, size_bytes);
	return text + size_bytes;
}

void shadow_port_info(const struct shadow_port *port, struct svc_service_info *ret_info)
{
	struct svc_service_info info = {.family = port->family, .protocol = port->protocol};
	const char *text = port->key + 2;

	text = unpack_name(&info.namespace, text);
	text = unpack_name(&info.name, text);
	unpack_name(&info.port_name, text);
	*ret_info = info;
}

struct shadow_port *shadow_find_port(const struct shadow *shadow,
				     const struct svc_service_info *info)
{
	struct port_key key = pack_key(info);
	struct shadow_port *port;

	HASH_FIND(hh, shadow->ports, key.bytes, key.len_bytes, port);
	return port;
}

static int add_port(struct shadow *shadow, const struct svc_service_info *info, uint32_t id,
		    struct shadow_port **ret)
{
	struct port_key key = pack_key(info);
	struct shadow_port *port = calloc(1, sizeof(*port) + key.len_bytes);

	if (!port)
		return -ENOMEM;
	port->family = info->family;
	port->protocol = info->protocol;
	port->id = id;
	memcpy(port->key, key.bytes, key.len_bytes);
	HASH_ADD_KEYPTR(hh, shadow->ports, port->key, key.len_bytes, port);
	if (!TABLE_HAS(port)) {
		free(port);
		return -ENOMEM;
	}
	*ret = port;
	return 0;
}

int shadow_get_port(struct shadow *shadow, const struct svc_service_info *info,
		    struct shadow_port **ret)
{
	struct shadow_port *port = shadow_find_port(shadow, info);
	uint32_t id;
	int r;

	if (port) {
		port->is_dead = false;
		*ret = port;
		return 0;
	}
	r = extents_alloc_from(shadow->service_ids, shadow->next_service_id, &id);
	if (r < 0)
		return r;
	r = add_port(shadow, info, id, ret);
	if (r < 0)
		extents_release(shadow->service_ids, id, 1);
	else
		shadow->next_service_id = id + 1;
	return r;
}

int shadow_adopt_port(struct shadow *shadow, const struct svc_service_info *info, uint32_t id)
{
	struct shadow_port *port;
	int r;

	if (shadow_find_port(shadow, info) || extents_adopt(shadow->service_ids, id, 1) < 0)
		return -EUCLEAN;
	r = add_port(shadow, info, id, &port);
	if (r < 0)
		return r;
	port->has_info = true;
	port->is_adopted = true;
	return 0;
}

void shadow_drop_port(struct shadow *shadow, struct shadow_port *port)
{
	extents_release(shadow->service_ids, port->id, 1);
	HASH_DEL(shadow->ports, port);
	free_port(port);
}

struct shadow_frontend *shadow_find_frontend(const struct shadow *shadow,
					     const struct frontend_key *key)
{
	struct shadow_frontend *frontend;

	HASH_FIND(hh, shadow->frontends, key, sizeof(*key), frontend);
	return frontend;
}

int shadow_add_frontend(struct shadow *shadow, const struct frontend_key *key, uint32_t slot,
			struct shadow_frontend **ret)
{
	struct shadow_frontend *frontend = calloc(1, sizeof(*frontend));
	int r;

	if (!frontend)
		return -ENOMEM;
	if (slot)
		r = extents_adopt(shadow->slots, slot, 1) < 0 ? -EUCLEAN : 0;
	else
		r = extents_alloc(shadow->slots, 1, &slot);
	if (r < 0) {
		free(frontend);
		return r;
	}
	frontend->key = *key;
	frontend->slot = slot;
	HASH_ADD(hh, shadow->frontends, key, sizeof(frontend->key), frontend);
	if (!TABLE_HAS(frontend)) {
		extents_release(shadow->slots, slot, 1);
		free(frontend);
		return -ENOMEM;
	}
	DL_APPEND(shadow->orphans, frontend);
	*ret = frontend;
	return 0;
}

void shadow_give_frontend(struct shadow *shadow, struct shadow_frontend *frontend,
			  struct shadow_port *owner)
{
	struct shadow_frontend **from =
		frontend->owner ? &frontend->owner->frontends : &shadow->orphans;
	struct shadow_frontend **to = owner ? &owner->frontends : &shadow->orphans;

	DL_DELETE(*from, frontend);
	DL_APPEND(*to, frontend);
	frontend->owner = owner;
}

void shadow_drop_frontend(struct shadow *shadow, struct shadow_frontend *frontend)
{
	struct shadow_frontend **list =
		frontend->owner ? &frontend->owner->frontends : &shadow->orphans;

	DL_DELETE(*list, frontend);
	HASH_DEL(shadow->frontends, frontend);
	free(frontend);
}

void shadow_kill_port(struct shadow *shadow, struct shadow_port *port)
{
	port->is_dead = true;
	port->dead_seq = shadow->seq;
	shadow_add_garbage(shadow, &(struct shadow_garbage){.dead = port});
}

struct svc_service *shadow_service(const struct shadow *shadow, uint32_t slot)
{
	return maps_at(shadow->maps, MAP_SERVICES, slot);
}

/* Doubles the ring; its entries move to the front. */
static int grow_garbage(struct shadow *shadow)
{
	size_t capacity = shadow->garbage_capacity ? shadow->garbage_capacity * 2 : 64, i;
	struct shadow_garbage *ring = calloc(capacity, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	for (i = 0; i < shadow->n_garbage; i++)
		ring[i] = shadow->garbage[(shadow->garbage_head + i) % shadow->garbage_capacity];
	free(shadow->garbage);
	shadow->garbage = ring;
	shadow->garbage_head = 0;
	shadow->garbage_capacity = capacity;
	return 0;
}

void shadow_add_garbage(struct shadow *shadow, const struct shadow_garbage *garbage)
{
	struct shadow_garbage *entry;

	if (shadow->n_garbage == shadow->garbage_capacity && grow_garbage(shadow) < 0) {
		if (garbage->generation)
			generations_collect(shadow->maps, garbage->generation - 1);
		return;
	}
	entry = &shadow->garbage[(shadow->garbage_head + shadow->n_garbage++) %
				 shadow->garbage_capacity];
	*entry = *garbage;
	entry->seq = shadow->seq;
}

bool shadow_has_garbage(const struct shadow *shadow, uint64_t seq)
{
	size_t last = shadow->garbage_head + shadow->n_garbage - 1;

	return shadow->n_garbage && shadow->garbage[last % shadow->garbage_capacity].seq == seq;
}

/* A slot is all zero while it is free, so that its next user finds no list in it. */
static void free_slot(struct shadow *shadow, uint32_t slot)
{
	maps_will_write(shadow->maps);
	memset(shadow_service(shadow, slot), 0, sizeof(struct svc_service));
	extents_release(shadow->slots, slot, 1);
}

static void collect_one(struct shadow *shadow, const struct shadow_garbage *garbage)
{
	if (garbage->block)
		blocks_free(shadow, garbage->block);
	if (garbage->slot)
		free_slot(shadow, garbage->slot);
	if (garbage->generation)
		generations_collect(shadow->maps, garbage->generation - 1);
	if (garbage->rangeless && !garbage->rangeless->has_ranges)
		ranges_delete_all(shadow, garbage->rangeless);
	if (garbage->dead && garbage->dead->is_dead && garbage->dead->dead_seq == garbage->seq) {
		ranges_delete_all(shadow, garbage->dead);
		shadow_drop_port(shadow, garbage->dead);
	}
}

size_t shadow_collect(struct shadow *shadow, uint64_t seq)
{
	size_t n = 0;

	while (shadow->n_garbage && shadow->garbage[shadow->garbage_head].seq <= seq) {
		collect_one(shadow, &shadow->garbage[shadow->garbage_head]);
		shadow->garbage_head = (shadow->garbage_head + 1) % shadow->garbage_capacity;
		shadow->n_garbage--;
		n++;
	}
	return n;
}
