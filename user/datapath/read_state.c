/* SPDX-License-Identifier: Apache-2.0 */
/* The whole state as the kernel holds it, put together from the pinned maps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datapath/convert.h"
#include "datapath/frontend_table.h"
#include "datapath/read_maglev.h"
#include "datapath/reader.h"
#include "datapath/selftest.h"
#include "datapath/shadow.h"
#include "util/cleanup.h"
#include "util/endian.h"

#define MAX_TRIES     10
#define MAX_WAITS     250
#define WAIT_NS	      20000000l
#define LEAST_ENTRIES 4

/**
 * struct entry - a service port that is being put together.
 * @port: owned until it is given to the state.
 * @has_list: which lists are read.  @has_ranges: source ranges are in force.
 * @table_list: the list that its Maglev table must fit; 0: no slot says that there is one.
 */
struct entry {
	struct service_port *port;
	bool has_list[N_LISTS];
	bool has_ranges;
	uint64_t table_list;
};

/**
 * struct picture - one try.
 * @entries: by service id, of @n_entries.
 * @is_thorough: Maglev tables are compared with the lists.
 */
struct picture {
	const struct maps *maps;
	struct state *state;
	struct entry *entries;
	uint32_t n_entries;
	bool is_thorough;
};

static void picture_clear(struct picture *picture)
{
	uint32_t i;

	for (i = 0; i < picture->n_entries; i++)
		service_port_free(picture->entries[i].port);
	free(picture->entries);
	state_free(picture->state);
}

/* @array of @n with room for one element more; room grows at powers of two. NULL without memory. */
static void *grow(void *array, size_t n, size_t size_bytes)
{
	if (n & (n - 1) || (n && n < LEAST_ENTRIES))
		return array;
	return reallocarray(array, n ? 2 * n : LEAST_ENTRIES, size_bytes);
}

static int read_info(void *arg, const void *key, const void *value)
{
	struct picture *picture = arg;
	struct svc_service_info info;
	struct service_port bare = {};
	uint32_t id;

	memcpy(&id, key, sizeof(id));
	memcpy(&info, value, sizeof(info));
	if (id >= picture->n_entries || picture->entries[id].port)
		return -EAGAIN;
	if (!strcmp(info.namespace, SELFTEST_NAMESPACE))
		return 0;
	convert_info_key(&info, &bare.key);
	return service_port_copy(&bare, &picture->entries[id].port);
}

static int compare_backends(const void *a, const void *b)
{
	const struct backend *x = a, *y = b;
	int order = addr_compare(&x->addr, &y->addr);

	return order ? order : (x->port > y->port) - (x->port < y->port);
}

static int read_list(const struct maps *maps, uint8_t family, uint64_t word,
		     struct backend_list *ret_list)
{
	uint32_t count = svc_list_count(word), i;
	_free_ struct backend *backends = NULL;
	int r;

	if (!count)
		return 0;
	backends = calloc(count, sizeof(*backends));
	if (!backends)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		r = reader_backend(maps, family, svc_list_base(word) + i, &backends[i]);
		if (r < 0)
			return r;
	}
	qsort(backends, count, sizeof(*backends), compare_backends);
	*ret_list = (struct backend_list){.backends = TAKE_PTR(backends), .n_backends = count};
	return 0;
}

static int add_list(const struct maps *maps, struct entry *entry, int which, uint64_t word)
{
	struct service_port *port = entry->port;

	if (svc_list_count(word) || svc_list_flags(word) & SVC_LIST_F_DROP)
		port->has_endpoints = true;
	if (entry->has_list[which])
		return 0;
	entry->has_list[which] = true;
	return read_list(maps, port->key.family, word,
			 which == LIST_LOCAL ? &port->local : &port->cluster);
}

static int add_slot(const struct maps *maps, struct entry *entry, const struct svc_service *service,
		    uint64_t list)
{
	bool is_local = service->flags & SVC_F_POLICY_LOCAL;
	struct service_port *port = entry->port;
	int r;

	port->affinity_s = service->affinity_s;
	if (service->flags & SVC_F_SOURCE_RANGES)
		entry->has_ranges = true;
	if (service->flags & SVC_F_MAGLEV)
		entry->table_list = service->policy_list;
	if (service->type == SVC_TYPE_CLUSTER_IP)
		port->is_internal_local = is_local;
	else
		port->is_external_local = is_local;
	if (service->type == SVC_TYPE_CLUSTER_IP)
		return add_list(maps, entry, is_local ? LIST_LOCAL : LIST_CLUSTER, list);
	r = add_list(maps, entry, is_local ? LIST_LOCAL : LIST_CLUSTER, service->policy_list);
	return r < 0 ? r : add_list(maps, entry, LIST_CLUSTER, list);
}

static int read_frontend(void *arg, const struct frontend_key *key, const struct svc_route *route)
{
	struct picture *picture = arg;
	struct frontend frontend, *grown;
	struct svc_service service;
	struct entry *entry;
	int r;

	r = reader_slot(picture->maps, route->slot, &service);
	if (r < 0)
		return r;
	if (service.service_id >= picture->n_entries)
		return -EAGAIN;
	entry = &picture->entries[service.service_id];
	if (!entry->port)
		return service.flags & SVC_F_SELFTEST ? 0 : -EAGAIN;
	convert_key_frontend(key, &frontend);
	frontend.type = service.type;
	grown = grow(entry->port->frontends, entry->port->n_frontends, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	entry->port->frontends = grown;
	grown[entry->port->n_frontends++] = frontend;
	return add_slot(picture->maps, entry, &service, route->list);
}

/* Ranges of a service port that has none in force are about to be deleted. */
static int read_range(void *arg, const void *key, const void *value)
{
	struct picture *picture = arg;
	struct svc_source_range range;
	struct entry *entry;
	struct cidr *grown;
	uint32_t id;

	(void)value;
	memcpy(&range, key, sizeof(range));
	id = be32_to_host(range.service_id);
	entry = id < picture->n_entries ? &picture->entries[id] : NULL;
	if (!entry || !entry->has_ranges)
		return 0;
	grown = grow(entry->port->source_ranges, entry->port->n_source_ranges, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	entry->port->source_ranges = grown;
	convert_key_range(&range, entry->port->key.family, &grown[entry->port->n_source_ranges++]);
	return 0;
}

static int read_health(void *arg, const void *key, const void *value)
{
	struct picture *picture = arg;
	struct svc_health_key health_key;
	struct svc_health health;
	struct health_check check;

	memcpy(&health_key, key, sizeof(health_key));
	memcpy(&health, value, sizeof(health));
	check = (struct health_check){
		.namespace = health_key.namespace,
		.name = health_key.name,
		.node_port = health.node_port,
		.n_local_endpoints = health.local_endpoints,
	};
	return state_add_health_check(picture->state, &check);
}

static int compare_frontends(const void *a, const void *b)
{
	return frontend_compare(a, b);
}

static int compare_ranges(const void *a, const void *b)
{
	const struct cidr *x = a, *y = b;
	int order = addr_compare(&x->addr, &y->addr);

	return order ? order : x->prefix_len - y->prefix_len;
}

/* A flag without a table that fits is as good as none: programs choose at random then. */
static int read_table(const struct picture *picture, uint32_t id)
{
	const struct entry *entry = &picture->entries[id];
	const struct svc_service_info info = {
		.family = entry->port->key.family,
		.protocol = entry->port->key.protocol,
	};
	int r;

	if (!entry->table_list)
		return 0;
	r = read_maglev_is_there(picture->maps, id, &info,
				 picture->is_thorough ? entry->table_list : 0);
	if (r < 0)
		return r;
	entry->port->is_maglev = r;
	return 0;
}

/* Gives the finished service ports to the state. */
static int finish(struct picture *picture)
{
	struct service_port *port;
	uint32_t i;
	int r;

	for (i = 0; i < picture->n_entries; i++) {
		if (!picture->entries[i].port)
			continue;
		r = read_table(picture, i);
		if (r < 0)
			return r;
		port = TAKE_PTR(picture->entries[i].port);
		if (port->n_frontends)
			qsort(port->frontends, port->n_frontends, sizeof(*port->frontends),
			      compare_frontends);
		if (port->n_source_ranges)
			qsort(port->source_ranges, port->n_source_ranges,
			      sizeof(*port->source_ranges), compare_ranges);
		r = state_add(picture->state, port);
		if (r < 0)
			return r;
	}
	state_sort(picture->state);
	return 0;
}

static int read_maps(struct picture *picture)
{
	const struct maps *maps = picture->maps;
	int r;

	r = maps_for_each(maps, MAP_SERVICE_INFO, read_info, picture);
	if (!r)
		r = frontend_table_walk(ADDR_IPV4, &maps->windows[MAP_FRONTENDS4], read_frontend,
					picture);
	if (!r)
		r = frontend_table_walk(ADDR_IPV6, &maps->windows[MAP_FRONTENDS6], read_frontend,
					picture);
	if (!r)
		r = maps_for_each(maps, MAP_SOURCE_RANGES, read_range, picture);
	if (!r)
		r = maps_for_each(maps, MAP_HEALTH_CHECKS, read_health, picture);
	return r;
}

/* One try. Return: 0; -EAGAIN when what was read cannot be one state; other negative errno. */
static int take_picture(const struct datapath_reader *reader, struct state **ret)
{
	const struct maps *maps = &reader->maps;
	_cleanup_(picture_clear) struct picture picture = {
		.maps = maps,
		.is_thorough = reader->is_thorough,
	};
	int r;

	r = state_new(maps->meta->node, maps->meta->zone, &picture.state);
	if (r < 0)
		return r;
	picture.entries = calloc(maps->capacities[MAP_SERVICE_INFO] + 1, sizeof(struct entry));
	if (!picture.entries)
		return -ENOMEM;
	picture.n_entries = maps->capacities[MAP_SERVICE_INFO] + 1;
	r = read_maps(&picture);
	if (!r)
		r = finish(&picture);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(picture.state);
	return 0;
}

/* Waits until no sync is being written, unless its writer died in it. Return: sync_open. */
static uint64_t wait_until_closed(const struct datapath_reader *reader)
{
	const struct timespec wait = {.tv_nsec = WAIT_NS};
	const struct svc_meta *meta = reader->maps.meta;
	uint64_t open;
	int i;

	for (i = 0; i < MAX_WAITS; i++) {
		open = __atomic_load_n(&meta->sync_open, __ATOMIC_ACQUIRE);
		if (!(open & 1) || !datapath_reader_is_running(reader))
			break;
		nanosleep(&wait, NULL); /* a map's content cannot be polled */
	}
	return open;
}

int datapath_read_state(const struct datapath_reader *reader, struct state **ret)
{
	const struct svc_meta *meta = reader->maps.meta;
	struct state *state = NULL;
	uint64_t open;
	int i, r = -EAGAIN;

	for (i = 0; i < MAX_TRIES; i++) {
		open = wait_until_closed(reader);
		r = take_picture(reader, &state);
		if (r < 0 && r != -EAGAIN)
			return r;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!r && __atomic_load_n(&meta->sync_open, __ATOMIC_ACQUIRE) == open) {
			*ret = state;
			return 0;
		}
		if (!r)
			state_free(state);
		r = -EAGAIN;
	}
	return r;
}
