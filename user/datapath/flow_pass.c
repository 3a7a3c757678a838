/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/flow_pass.h"

#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "datapath/flow_entry.h"
#include "datapath/generations.h"
#include "util/cleanup.h"

/**
 * struct walking - flow_pass_run() under way.
 * @family: whose table is walked, @fd.
 * @generations: udp_generations, mapped in whole; not open without @pass->services.
 */
struct walking {
	const struct flow_pass *pass;
	struct flow_pass_result *result;
	struct map_window generations;
	uint8_t family;
	int fd;
	uint32_t now_s;
};

static void walking_close(struct walking *walking)
{
	map_window_close(&walking->generations);
}

static int protocol_index(uint8_t protocol)
{
	if (protocol == IPPROTO_TCP)
		return FLOW_TCP;
	return protocol == IPPROTO_UDP ? FLOW_UDP : FLOW_SCTP;
}

static void count_entry(struct walking *walking, const void *key, const struct svc_flow_info *info)
{
	const int family = walking->family == SVC_FAMILY_IPV6;
	const int protocol = protocol_index(flow_protocol(walking->family, key));

	walking->result->n_entries[family]++;
	if (flow_direction(walking->family, key) == SVC_FLOW_FORWARD)
		walking->result->n_flows[family][protocol]
					[info->state < SVC_N_FLOW_STATES ? info->state : 0]++;
}

/* ------------------------------------------------------------------ what has timed out */

/* Whether an entry is there, and has not timed out by itself. */
static bool is_live(const struct walking *walking, const void *key, struct svc_flow_info *ret_info)
{
	union flow_value value;

	if (bpf_map_lookup_elem(walking->fd, key, &value))
		return false;
	*ret_info = flow_info(&value);
	return !flow_is_idle(ret_info, walking->pass->timeouts_s, flow_now_s());
}

/*
 * The forward entry goes first: as long as there is one, the client's packets need the other to be
 * answered. What was gone already, as this entry's partner came first, is deleted in vain.
 */
static void delete_flow(struct walking *walking, const void *forward, const void *reply)
{
	const bool had_forward = !bpf_map_delete_elem(walking->fd, forward);
	const bool had_reply = !bpf_map_delete_elem(walking->fd, reply);

	if (had_forward)
		walking->result->n_expired++;
	else if (had_reply)
		walking->result->n_orphans++;
}

/* @key has been idle for too long by itself. Return: whether its flow lives on. */
static bool expire(struct walking *walking, const void *key, const void *value)
{
	const bool is_forward = flow_direction(walking->family, key) == SVC_FLOW_FORWARD;
	struct svc_flow_info info;
	union flow_key partner;

	flow_partner(walking->family, key, value, &partner);
	if (is_live(walking, &partner, &info) || is_live(walking, key, &info))
		return true;
	delete_flow(walking, is_forward ? key : &partner, is_forward ? &partner : key);
	return false;
}

/* ------------------------------------------------------------------ UDP backends that have left */

static int compare_service(const void *id, const void *service)
{
	const uint32_t a = *(const uint32_t *)id;
	const uint32_t b = ((const struct stale_udp_service *)service)->service_id;

	return (a > b) - (a < b);
}

static int compare_backend(const void *end, const void *backend)
{
	const struct flow_endpoint *a = end;
	const struct backend *b = backend;
	const int order = addr_compare(&a->addr, &b->addr);

	return order ? order : (a->port > b->port) - (a->port < b->port);
}

static bool has_left(const struct flow_pass *pass, const struct flow_entry *entry)
{
	const struct stale_udp_service *service;

	service = bsearch(&entry->info.service_id, pass->services, pass->n_services,
			  sizeof(*service), compare_service);
	return service && service->serving.n_backends &&
	       !bsearch(&entry->to_dst, service->serving.backends, service->serving.n_backends,
			sizeof(*service->serving.backends), compare_backend);
}

/* Flows of an older generation are known to be stale; one step makes all of this one so. */
static void check_udp(struct walking *walking, const void *key, const void *value)
{
	struct flow_entry entry;
	uint32_t *generation;

	if (!walking->pass->n_services || flow_protocol(walking->family, key) != IPPROTO_UDP ||
	    flow_direction(walking->family, key) != SVC_FLOW_FORWARD)
		return;
	flow_entry_read(walking->family, key, value, &entry);
	if (!has_left(walking->pass, &entry))
		return;
	generation = map_window_at(&walking->generations, flow_backend_index(&entry));
	if ((uint16_t)__atomic_load_n(generation, __ATOMIC_RELAXED) != entry.info.generation)
		return;
	generations_step(generation);
	walking->result->n_stale++;
}

/* ------------------------------------------------------------------ the walk */

static int walk_batch(void *arg, const void *keys, const void *values, uint32_t n)
{
	struct walking *walking = arg;
	const struct map_spec *spec = maps_spec(flow_map(walking->family));
	const uint8_t *key = keys, *value = values;
	struct svc_flow_info info;
	uint32_t i;

	walking->now_s = flow_now_s();
	for (i = 0; i < n; i++, key += spec->key_size_bytes, value += spec->value_size_bytes) {
		info = flow_info(value);
		if (flow_is_idle(&info, walking->pass->timeouts_s, walking->now_s) &&
		    !expire(walking, key, value))
			continue;
		count_entry(walking, key, &info);
		check_udp(walking, key, value);
	}
	return walking->pass->pause ? walking->pass->pause(walking->pass->arg) : 0;
}

int flow_pass_run(const struct flow_pass *pass, struct flow_pass_result *ret_result)
{
	static const uint8_t families[] = {SVC_FAMILY_IPV4, SVC_FAMILY_IPV6};
	_cleanup_(walking_close) struct walking walking = {.pass = pass, .result = ret_result};
	size_t i;
	int r = 0;

	*ret_result = (struct flow_pass_result){};
	if (pass->n_services)
		r = map_window_open(pass->maps->fds[MAP_UDP_GENERATIONS], PROT_READ | PROT_WRITE,
				    sizeof(uint32_t), SVC_GENERATIONS, 0, &walking.generations);
	for (i = 0; !r && i < ARRAY_SIZE(families); i++) {
		walking.family = families[i];
		walking.fd = pass->maps->fds[flow_map(families[i])];
		r = maps_for_each_batch(pass->maps, flow_map(families[i]), walk_batch, &walking);
	}
	return r;
}
