/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/publish.h"

#include <errno.h>
#include <string.h>

#include "datapath/blocks.h"
#include "datapath/selftest.h"
#include "svcbpf/hash.h"
#include "util/endian.h"

#define SLOT_WORDS (sizeof(struct svc_service) / sizeof(uint64_t))

static void describe_slot(const struct shadow_frontend *frontend, const struct service_port *port,
			  const uint64_t lists[N_LISTS], bool has_table, struct svc_service *ret)
{
	bool is_local = service_port_is_local(port, frontend->type);

	*ret = (struct svc_service){
		.policy_list = lists[is_local ? LIST_LOCAL : LIST_CLUSTER],
		.service_id = frontend->owner->id,
		.affinity_s = port->affinity_s,
		.type = frontend->type,
		.flags = is_local ? SVC_F_POLICY_LOCAL : 0,
		.family = port->key.family,
		.protocol = port->key.protocol,
	};
	/* For LoadBalancer IPs only: NodePorts and external IPs take all clients (R31). */
	if (port->n_source_ranges && frontend->type == SVC_TYPE_LOAD_BALANCER)
		ret->flags |= SVC_F_SOURCE_RANGES;
	if (!strcmp(port->key.namespace, SELFTEST_NAMESPACE))
		ret->flags |= SVC_F_SELFTEST;
	if (has_table && frontend->type != SVC_TYPE_CLUSTER_IP)
		ret->flags |= SVC_F_MAGLEV;
}

/* The list word for sockets of this host. */
static uint64_t describe_list(const struct svc_service *service, const uint64_t lists[N_LISTS])
{
	uint64_t list =
		service->type == SVC_TYPE_CLUSTER_IP ? service->policy_list : lists[LIST_CLUSTER];

	return service->affinity_s ? list | (uint64_t)SVC_LIST_F_AFFINITY << 48 : list;
}

static void write_slot(struct shadow *shadow, uint32_t slot, const struct svc_service *new)
{
	struct svc_service *service = shadow_service(shadow, slot);
	const struct svc_service old = *service;
	uint64_t *words = (uint64_t *)service, wanted[SLOT_WORDS];
	size_t i;

	blocks_ref(shadow, new->family, new->policy_list);
	/* The list is the first word: it comes last, when id and flags are there. */
	memcpy(wanted, new, sizeof(wanted));
	for (i = SLOT_WORDS; i-- > 0;)
		maps_store(shadow->maps, &words[i], wanted[i]);
	blocks_unref(shadow, new->family, old.policy_list);
}

static struct svc_route route_of(const struct shadow_frontend *frontend)
{
	return (struct svc_route){
		.list = frontend->list,
		.slot = frontend->slot,
		.service_id = frontend->owner->id,
	};
}

static struct frontend_table *table_of(const struct shadow *shadow,
				       const struct shadow_frontend *frontend)
{
	return shadow->tables[FAMILY_INDEX(frontend->key.family)];
}

/* Gives the frontend @list, in the kernel too when it is there. */
static void write_route(struct shadow *shadow, struct shadow_frontend *frontend, uint64_t list)
{
	struct frontend_table *table = table_of(shadow, frontend);
	uint64_t old = frontend->list;
	struct svc_route route, found;

	frontend->list = list;
	blocks_ref(shadow, frontend->key.family, list);
	if (frontend->is_inserted) {
		route = route_of(frontend);
		found = frontend_table_find(table, &frontend->key);
		if (memcmp(&route, &found, sizeof(route)) != 0) {
			maps_will_write(shadow->maps);
			frontend_table_put(table, &frontend->key, &route);
		}
	}
	blocks_unref(shadow, frontend->key.family, old);
}

void publish_slot(struct shadow *shadow, struct shadow_frontend *frontend,
		  const struct service_port *port, const uint64_t lists[N_LISTS], bool has_table)
{
	struct svc_service new;

	describe_slot(frontend, port, lists, has_table, &new);
	write_slot(shadow, frontend->slot, &new);
	write_route(shadow, frontend, describe_list(&new, lists));
}

static void set_bit(struct shadow *shadow, uint64_t *filter, uint32_t bit)
{
	maps_store(shadow->maps, &filter[bit / 64], filter[bit / 64] | 1ull << bit % 64);
}

static void clear_bit(struct shadow *shadow, uint64_t *filter, uint32_t bit)
{
	maps_store(shadow->maps, &filter[bit / 64], filter[bit / 64] & ~(1ull << bit % 64));
}

/* The bit of a frontend, in which filter, and who counts its users. */
static uint32_t filter_bit(const struct shadow *shadow, const struct frontend_key *key,
			   uint64_t **ret_filter, uint8_t **ret_n_refs)
{
	uint32_t bit;

	if (key->key.scope == SVC_SCOPE_NODEPORT) {
		bit = be16_to_host(key->key.port);
		*ret_filter = shadow->maps->nodeport_filter;
		*ret_n_refs = &shadow->n_port_refs[bit];
		return bit;
	}
	bit = key->family == SVC_FAMILY_IPV4 ? svc_filter_bit4(key->key.addr[0])
					     : svc_filter_bit6(key->key.addr);
	*ret_filter = shadow->maps->addr_filter;
	*ret_n_refs = &shadow->n_addr_refs[bit];
	return bit;
}

static void count_user(struct shadow *shadow, const struct frontend_key *key, bool is_user)
{
	uint64_t *filter;
	uint8_t *n_refs;
	uint32_t bit;

	bit = filter_bit(shadow, key, &filter, &n_refs);
	if (*n_refs == FILTER_REFS_MANY)
		return;
	if (is_user && !(*n_refs)++)
		set_bit(shadow, filter, bit);
	else if (!is_user && !--*n_refs)
		clear_bit(shadow, filter, bit);
}

void publish_filter_adopt(struct shadow *shadow, const struct frontend_key *key)
{
	count_user(shadow, key, true);
}

void publish_address_bit(struct shadow *shadow, const struct addr *addr, bool is_user)
{
	struct frontend_key key = {.family = addr->family};

	memcpy(key.key.addr, addr->bytes, sizeof(key.key.addr));
	count_user(shadow, &key, is_user);
}

void publish_clear_stray_bits(struct shadow *shadow)
{
	struct maps *maps = shadow->maps;
	uint32_t bit;

	for (bit = 0; bit < SVC_ADDR_FILTER_WORDS * 64; bit++)
		if (!shadow->n_addr_refs[bit])
			clear_bit(shadow, maps->addr_filter, bit);
	for (bit = 0; bit < SVC_PORT_FILTER_WORDS * 64; bit++)
		if (!shadow->n_port_refs[bit])
			clear_bit(shadow, maps->nodeport_filter, bit);
}

static int change_kernel(struct shadow *shadow, const struct shadow_frontend *frontend,
			 bool is_insert)
{
	struct frontend_table *table = table_of(shadow, frontend);
	struct svc_route route;

	maps_will_write(shadow->maps);
	if (is_insert) {
		route = route_of(frontend);
		return frontend_table_put(table, &frontend->key, &route);
	}
	frontend_table_remove(table, &frontend->key);
	return 0;
}

int publish_insert(struct shadow *shadow, struct shadow_frontend *frontend)
{
	int r;

	count_user(shadow, &frontend->key, true);
	r = change_kernel(shadow, frontend, true);
	if (r < 0) {
		count_user(shadow, &frontend->key, false);
		return r;
	}
	frontend->is_inserted = true;
	return 0;
}

int publish_delete(struct shadow *shadow, struct shadow_frontend *frontend)
{
	const struct svc_service *service = shadow_service(shadow, frontend->slot);
	int r;

	if (frontend->is_inserted) {
		r = change_kernel(shadow, frontend, false);
		if (r < 0)
			return r;
		count_user(shadow, &frontend->key, false);
	}
	blocks_unref(shadow, service->family, service->policy_list);
	blocks_unref(shadow, frontend->key.family, frontend->list);
	shadow_add_garbage(shadow, &(struct shadow_garbage){.slot = frontend->slot});
	shadow_drop_frontend(shadow, frontend);
	return 0;
}
