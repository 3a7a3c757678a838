/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/flows.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/convert.h"
#include "datapath/reader.h"
#include "util/cleanup.h"

/**
 * struct flow_reading - datapath_read_flows() under way.
 * @family: whose table is read.
 * @infos: names by service id, of @n_infos; those that are not there are all zero.
 * @flows: found so far, of @n_allocated.
 */
struct flow_reading {
	const struct maps *maps;
	const struct datapath_flow_filter *filter;
	const uint32_t *timeouts_s;
	uint32_t now_s;
	uint8_t family;
	struct svc_service_info *infos;
	uint32_t n_infos;
	struct datapath_flow *flows;
	size_t n_flows;
	size_t n_allocated;
};

static void reading_clear(struct flow_reading *reading)
{
	free(reading->infos);
	free(reading->flows);
}

bool datapath_has_flows(const struct datapath_reader *reader)
{
	return reader->maps.fds[MAP_FLOWS4] >= 0 && reader->maps.fds[MAP_FLOWS6] >= 0;
}

static int note_info(void *arg, const void *key, const void *value)
{
	struct flow_reading *reading = arg;
	uint32_t id;

	memcpy(&id, key, sizeof(id));
	if (id < reading->n_infos)
		memcpy(&reading->infos[id], value, sizeof(reading->infos[id]));
	return 0;
}

/* Pages that no service id needs are never touched. */
static int read_names(struct flow_reading *reading)
{
	reading->n_infos = reading->maps->capacities[MAP_SERVICE_INFO] + 1;
	reading->infos = calloc(reading->n_infos, sizeof(*reading->infos));
	if (!reading->infos)
		return -ENOMEM;
	return maps_for_each(reading->maps, MAP_SERVICE_INFO, note_info, reading);
}

static void name_flow(const struct flow_reading *reading, uint32_t service_id,
		      struct datapath_flow *flow)
{
	if (service_id < reading->n_infos && *reading->infos[service_id].name)
		convert_info_key(&reading->infos[service_id], &flow->service);
	else
		flow->service = (struct service_port_key){.name = "",
							  .port_name = "",
							  .protocol = flow->protocol,
							  .family = flow->client.addr.family};
}

static bool is_stale(const struct flow_reading *reading, const struct flow_entry *entry)
{
	const uint32_t index = flow_backend_index(entry);
	uint32_t generation;

	if (entry->protocol != IPPROTO_UDP || reading->maps->fds[MAP_UDP_GENERATIONS] < 0)
		return false;
	generation = __atomic_load_n((uint32_t *)maps_at(reading->maps, MAP_UDP_GENERATIONS, index),
				     __ATOMIC_RELAXED);
	return (uint16_t)generation != entry->info.generation;
}

/* All that one entry tells of its flow. */
static void fill_flow(const struct flow_reading *reading, const struct flow_entry *entry,
		      struct datapath_flow *ret_flow)
{
	const bool is_forward = entry->direction == SVC_FLOW_FORWARD;
	const struct svc_flow_info *info = &entry->info;

	*ret_flow = (struct datapath_flow){
		.client = is_forward ? entry->src : entry->to_dst,
		.frontend = is_forward ? entry->dst : entry->to_src,
		.backend = is_forward ? entry->to_dst : entry->src,
		.source = is_forward ? entry->to_src : entry->dst,
		.protocol = entry->protocol,
		.state = info->state,
		.flags = info->flags,
		.has_forward = is_forward,
		.has_reply = !is_forward,
		.is_over = flow_is_idle(info, reading->timeouts_s, reading->now_s),
		.is_stale = is_stale(reading, entry),
		.age_s = reading->now_s > info->created_s ? reading->now_s - info->created_s : 0,
		.idle_s = flow_idle_s(info, reading->now_s),
		.timeout_s = info->state < SVC_N_FLOW_STATES ? reading->timeouts_s[info->state] : 0,
	};
	ret_flow->client_idle_s = ret_flow->backend_idle_s = ret_flow->idle_s;
	name_flow(reading, info->service_id, ret_flow);
}

/* @flow was filled in from its forward entry; this is the other. */
static void add_reply(const struct flow_reading *reading, const struct svc_flow_info *info,
		      struct datapath_flow *flow)
{
	const uint32_t idle_s = flow_idle_s(info, reading->now_s);

	flow->has_reply = true;
	flow->backend_idle_s = idle_s;
	if (idle_s < flow->idle_s)
		flow->idle_s = idle_s;
	flow->is_over = flow->is_over && flow_is_idle(info, reading->timeouts_s, reading->now_s);
}

static bool is_service(const char *service, const struct service_port_key *key)
{
	size_t len_bytes;

	if (!service)
		return true;
	if (!key->namespace)
		return false;
	len_bytes = strlen(key->namespace);
	return !strncmp(service, key->namespace, len_bytes) && service[len_bytes] == '/' &&
	       !strcmp(service + len_bytes + 1, key->name);
}

static bool is_endpoint(const struct cidr *cidr, uint16_t port, const struct flow_endpoint *end)
{
	return (cidr->addr.family == ADDR_NONE || cidr_contains(cidr, &end->addr)) &&
	       (!port || port == end->port);
}

static bool is_wanted(const struct datapath_flow_filter *filter, const struct datapath_flow *flow)
{
	return (!filter->protocol || filter->protocol == flow->protocol) &&
	       (!filter->state || filter->state == flow->state) &&
	       is_endpoint(&filter->client, filter->client_port, &flow->client) &&
	       is_endpoint(&filter->backend, filter->backend_port, &flow->backend) &&
	       is_service(filter->service, &flow->service);
}

static int keep_flow(struct flow_reading *reading, const struct datapath_flow *flow)
{
	size_t n = reading->n_allocated ? 2 * reading->n_allocated : 256;
	struct datapath_flow *grown;

	if (reading->n_flows == reading->n_allocated) {
		grown = reallocarray(reading->flows, n, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		reading->flows = grown;
		reading->n_allocated = n;
	}
	reading->flows[reading->n_flows++] = *flow;
	return 0;
}

/* A reply entry tells of a flow only when its forward entry is not there: that tells of both. */
static int read_entry(struct flow_reading *reading, const void *key, const void *value)
{
	const int fd = reading->maps->fds[flow_map(reading->family)];
	struct datapath_flow flow;
	struct flow_entry entry;
	struct svc_flow_info info;
	union flow_key partner;
	union flow_value other;
	bool has_other;

	flow_entry_read(reading->family, key, value, &entry);
	fill_flow(reading, &entry, &flow);
	if (!is_wanted(reading->filter, &flow))
		return 0;
	flow_partner(reading->family, key, value, &partner);
	has_other = !bpf_map_lookup_elem(fd, &partner, &other);
	if (has_other && entry.direction == SVC_FLOW_REPLY)
		return 0;
	if (has_other) {
		info = flow_info(&other);
		add_reply(reading, &info, &flow);
	}
	return keep_flow(reading, &flow);
}

static int read_one(void *arg, const void *key, const void *value)
{
	return read_entry(arg, key, value);
}

static int compare_ends(const struct flow_endpoint *a, const struct flow_endpoint *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	return order ? order : (a->port > b->port) - (a->port < b->port);
}

/* Those without a Service come last. */
static int compare_services(const struct service_port_key *a, const struct service_port_key *b)
{
	int order;

	if (!a->namespace || !b->namespace)
		return !a->namespace - !b->namespace;
	order = strcmp(a->namespace, b->namespace);
	if (!order)
		order = strcmp(a->name, b->name);
	return order ? order : strcmp(a->port_name, b->port_name);
}

static int compare_flows(const void *left, const void *right)
{
	const struct datapath_flow *a = left, *b = right;
	int order = compare_services(&a->service, &b->service);

	if (!order)
		order = compare_ends(&a->client, &b->client);
	if (!order)
		order = compare_ends(&a->frontend, &b->frontend);
	if (!order)
		order = (a->protocol > b->protocol) - (a->protocol < b->protocol);
	return order ? order : compare_ends(&a->backend, &b->backend);
}

static int tell_flows(struct flow_reading *reading,
		      int (*fn)(void *arg, const struct datapath_flow *flow), void *arg)
{
	size_t i;
	int r = 0;

	if (reading->n_flows)
		qsort(reading->flows, reading->n_flows, sizeof(*reading->flows), compare_flows);
	for (i = 0; !r && i < reading->n_flows; i++)
		r = fn(arg, &reading->flows[i]);
	return r;
}

int datapath_read_flows(const struct datapath_reader *reader,
			const struct datapath_flow_filter *filter,
			int (*fn)(void *arg, const struct datapath_flow *flow), void *arg)
{
	static const uint8_t families[] = {SVC_FAMILY_IPV4, SVC_FAMILY_IPV6};
	_cleanup_(reading_clear) struct flow_reading reading = {
		.maps = &reader->maps,
		.filter = filter,
		.timeouts_s = reader->maps.meta->flows.timeouts_s,
		.now_s = flow_now_s(),
	};
	size_t i;
	int r;

	if (!datapath_has_flows(reader))
		return -ENOENT;
	r = read_names(&reading);
	for (i = 0; !r && i < ARRAY_SIZE(families); i++) {
		reading.family = families[i];
		r = maps_for_each(&reader->maps, flow_map(families[i]), read_one, &reading);
	}
	return r ? r : tell_flows(&reading, fn, arg);
}
