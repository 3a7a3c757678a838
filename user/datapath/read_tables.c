/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, problems, node addresses and fill of the pinned maps. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/convert.h"
#include "datapath/extents.h"
#include "datapath/frontend_table.h"
#include "datapath/reader.h"
#include "svcbpf/counters.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* The collector walks every 30 s, and may take a while. */
#define FLOW_REPORT_MAX_AGE_NS (120 * 1000000000ull)

/** struct addr_walk - datapath_read_node_addresses() under way. */
struct addr_walk {
	int (*fn)(void *arg, const struct addr *addr, bool is_loopback);
	void *arg;
};

static int tell_addr(void *arg, const void *key, const void *value)
{
	const struct addr_walk *walk = arg;
	struct svc_node_addr node_addr;
	struct addr addr;
	uint32_t flags;

	memcpy(&node_addr, key, sizeof(node_addr));
	memcpy(&flags, value, sizeof(flags));
	convert_key_node_addr(&node_addr, &addr);
	return walk->fn(walk->arg, &addr, flags & SVC_NODE_ADDR_F_LOOPBACK);
}

int datapath_read_node_addresses(const struct datapath_reader *reader,
				 int (*fn)(void *arg, const struct addr *addr, bool is_loopback),
				 void *arg)
{
	struct addr_walk walk = {.fn = fn, .arg = arg};

	return maps_for_each(&reader->maps, MAP_NODE_ADDRS, tell_addr, &walk);
}

int datapath_read_counters(const struct datapath_reader *reader, struct datapath_counter *ret)
{
	static const struct datapath_counter names[SVC_N_COUNTERS] = {
#define COUNTER_NAME(id, counter_name, counter_help)                                               \
	[SVC_COUNTER_##id] = {.name = (counter_name), .help = (counter_help)},
		SVC_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
	};
	int n_cpus = libbpf_num_possible_cpus(), cpu, r;
	_free_ uint64_t *values = NULL;
	uint32_t i;

	if (n_cpus < 0)
		return n_cpus;
	values = calloc((size_t)n_cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (i = 0; i < SVC_N_COUNTERS; i++) {
		r = bpf_map_lookup_elem(reader->maps.fds[MAP_COUNTERS], &i, values);
		if (r < 0 && r != -ENOENT)
			return r;
		ret[i] = names[i];
		if (r < 0) /* a map that is older than this counter */
			continue;
		for (cpu = 0; cpu < n_cpus; cpu++)
			ret[i].value += values[cpu];
	}
	return 0;
}

int datapath_read_problem(const struct datapath_reader *reader, uint32_t index,
			  char ret_text[sizeof(struct svc_problem)])
{
	struct svc_problem problem;
	int r;

	r = bpf_map_lookup_elem(reader->maps.fds[MAP_PROBLEMS], &index, &problem);
	if (r < 0)
		return r;
	problem.text[sizeof(problem.text) - 1] = '\0';
	memcpy(ret_text, problem.text, sizeof(problem.text));
	return 0;
}

static int count_entry(void *arg, const void *key, const void *value)
{
	uint64_t *n = arg;

	(void)key;
	(void)value;
	(*n)++;
	return 0;
}

static uint64_t count_slots(const struct maps *maps)
{
	struct svc_service service;
	uint64_t n = 1; /* slot 0 is never free */
	uint32_t i;

	for (i = 1; i < maps->capacities[MAP_SERVICES]; i++)
		n += !reader_slot(maps, i, &service) && service.service_id;
	return n;
}

static uint64_t count_owners(const struct maps *maps)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < maps->capacities[MAP_REV_OWNERS]; i++)
		n += maps_load(maps_at(maps, MAP_REV_OWNERS, i)) != 0;
	return n;
}

static void extents_freep(struct extents **extents)
{
	extents_free(*extents);
}

static int adopt_route(void *arg, const struct frontend_key *key, const struct svc_route *route)
{
	(void)key;
	extents_adopt(arg, svc_list_base(route->list), svc_list_count(route->list));
	return 0;
}

/* Backend entries in blocks that something leads to; blocks that several lead to count once. */
static int count_backends(const struct maps *maps, uint8_t family, uint64_t *ret_n)
{
	bool is_ipv4 = family == SVC_FAMILY_IPV4;
	uint32_t size = maps->capacities[is_ipv4 ? MAP_BACKENDS4 : MAP_BACKENDS6];
	_cleanup_(extents_freep) struct extents *extents = NULL;
	struct svc_service service;
	uint32_t i;
	int r;

	r = extents_new(size, &extents);
	if (r < 0)
		return r;
	for (i = 1; i < maps->capacities[MAP_SERVICES]; i++) {
		if (reader_slot(maps, i, &service) < 0 || service.family != family)
			continue;
		extents_adopt(extents, svc_list_base(service.policy_list),
			      svc_list_count(service.policy_list));
	}
	r = frontend_table_walk(family, &maps->windows[is_ipv4 ? MAP_FRONTENDS4 : MAP_FRONTENDS6],
				adopt_route, extents);
	if (r < 0)
		return r;
	*ret_n = size - extents_n_free(extents);
	return 0;
}

static int count_frontend(void *arg, const struct frontend_key *key, const struct svc_route *route)
{
	(void)key;
	(void)route;
	++*(uint64_t *)arg;
	return 0;
}

static int count_frontends(const struct maps *maps, enum map_id id, uint64_t *ret_n)
{
	return frontend_table_walk(id == MAP_FRONTENDS4 ? ADDR_IPV4 : ADDR_IPV6, &maps->windows[id],
				   count_frontend, ret_n);
}

/* Entries, not buckets. */
static uint64_t max_entries(const struct maps *maps, enum map_id id)
{
	uint64_t n = maps->capacities[id];

	if (id == MAP_FRONTENDS4)
		return n * SVC_BUCKET4_ENTRIES;
	return id == MAP_FRONTENDS6 ? n * SVC_BUCKET6_ENTRIES : n;
}

/* Walking a large table takes long: what the agent's collector has counted will do. */
static bool has_flow_report(const struct maps *maps, enum map_id id)
{
	const uint64_t time_ns = __atomic_load_n(&maps->meta->flows.time_ns, __ATOMIC_ACQUIRE);
	const uint64_t now_ns = clock_now_ns(CLOCK_REALTIME);

	return (id == MAP_FLOWS4 || id == MAP_FLOWS6) && time_ns && now_ns >= time_ns &&
	       now_ns - time_ns < FLOW_REPORT_MAX_AGE_NS;
}

static int count_used(const struct maps *maps, enum map_id id, uint64_t *ret_n)
{
	uint64_t n = 0;
	int r = 0;

	if (id == MAP_SERVICES)
		n = count_slots(maps);
	else if (id == MAP_FRONTENDS4 || id == MAP_FRONTENDS6)
		r = count_frontends(maps, id, &n);
	else if (id == MAP_REV_SLOTS)
		n = count_owners(maps);
	else if (has_flow_report(maps, id))
		n = maps->meta->flows.n_entries[id == MAP_FLOWS6];
	else if (id == MAP_BACKENDS4 || id == MAP_BACKENDS6)
		r = count_backends(maps, id == MAP_BACKENDS4 ? SVC_FAMILY_IPV4 : SVC_FAMILY_IPV6,
				   &n);
	else
		r = maps_for_each(maps, id, count_entry, &n);
	if (r < 0)
		return r;
	*ret_n = n;
	return 0;
}

int datapath_read_fill(const struct datapath_reader *reader,
		       void (*fn)(void *arg, const struct datapath_map_fill *fill), void *arg)
{
	static const enum map_id ids[] = {
		MAP_FRONTENDS4, MAP_FRONTENDS6,	  MAP_SERVICES,	     MAP_BACKENDS4,
		MAP_BACKENDS6,	MAP_SERVICE_INFO, MAP_SOURCE_RANGES, MAP_HEALTH_CHECKS,
		MAP_NODE_ADDRS, MAP_AFFINITY,	  MAP_REV_SLOTS,     MAP_REV_MORE,
		MAP_FLOWS4,	MAP_FLOWS6,	  MAP_DEVICES,
	};
	struct datapath_map_fill fill;
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		if (reader->maps.fds[ids[i]] < 0)
			continue; /* of the packet path, which is not in use */
		fill.name = maps_spec(ids[i])->name;
		fill.n_max = max_entries(&reader->maps, ids[i]);
		r = count_used(&reader->maps, ids[i], &fill.n_used);
		if (r < 0)
			return r;
		fn(arg, &fill);
	}
	return 0;
}
