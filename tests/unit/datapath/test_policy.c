/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the packet path decides by: the slots' types, flags, lists and affinity for every type of
 * frontend, and source ranges in the trie, asked as the programs ask; and the order in which they
 * change.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "fixture.h"
#include "util/cleanup.h"
#include "util/endian.h"

TestSuite(policy, .init = mount_bpffs);

static const uint8_t families[] = {ADDR_IPV4, ADDR_IPV6};
static const uint8_t types[] = {SVC_TYPE_CLUSTER_IP, SVC_TYPE_EXTERNAL_IP, SVC_TYPE_LOAD_BALANCER,
				SVC_TYPE_NODE_PORT};

/* A frontend of each type, three backends, the second of them local. */
static void sample_policy(struct sample *sample, uint8_t family)
{
	uint8_t i;

	sample_init(sample, family == ADDR_IPV4 ? "four" : "six", family, IPPROTO_TCP);
	for (i = 0; i < 3; i++)
		sample_add_frontend(sample, types[i], address(family, 96, i + 1), 80);
	sample_add_frontend(sample, SVC_TYPE_NODE_PORT, (struct addr){}, 30080);
	for (i = 0; i < 3; i++)
		sample->backends[0][i] = (struct backend){
			.addr = address(family, 244, i + 1),
			.port = 8080,
			.flags = i == 1 ? SVC_BACKEND_F_LOCAL : 0,
		};
	sample->port.cluster.n_backends = 3;
	sample->backends[1][0] = sample->backends[0][1];
	sample->port.local.n_backends = 1;
	sample->port.has_endpoints = true;
}

/* 10.7.0.0/16 or fd07::/16, and so on. */
static void add_range(struct sample *sample, uint8_t net)
{
	struct cidr *range = &sample->ranges[sample->port.n_source_ranges++];

	*range = (struct cidr){.addr = address(sample->port.key.family, net, 0), .prefix_len = 16};
}

static void put(struct datapath *datapath, const struct sample *sample)
{
	cr_assert_eq(datapath_put(datapath, &sample->port), 0);
	cr_assert_eq(datapath_commit(datapath, false), 0);
}

/* The record of the frontend of @type, as a program finds it: through the route. */
static struct svc_service service_of(const struct datapath *datapath, const struct sample *sample,
				     uint8_t type, struct svc_route *ret_route)
{
	struct frontend_key key;
	size_t i = 0;

	while (sample->frontends[i].type != type)
		i++;
	convert_frontend(&sample->port.key, &sample->frontends[i], &key);
	*ret_route = frontend_table_find(datapath->shadow.tables[FAMILY_INDEX(key.family)], &key);
	cr_assert_neq(ret_route->slot, 0);
	return service_at(datapath, ret_route->slot);
}

/* Whether a client 10.@net.0.9 or its like is in the ranges of @service_id; choose.h asks so. */
static bool is_in_ranges(const struct datapath *datapath, uint8_t family, uint32_t service_id,
			 uint8_t net)
{
	const struct addr client = address(family, net, 9);
	struct svc_source_range key = {
		.prefixlen = 32 + (family == ADDR_IPV4 ? 32 : 128),
		.service_id = be32_from_host(service_id),
	};
	uint32_t value;

	memcpy(key.addr, client.bytes, sizeof(key.addr));
	return !bpf_map_lookup_elem(datapath->maps.fds[MAP_SOURCE_RANGES], &key, &value);
}

static void expect_slot(const struct datapath *datapath, const struct sample *sample, uint8_t type)
{
	const bool is_local = service_port_is_local(&sample->port, type);
	struct svc_route route;
	const struct svc_service service = service_of(datapath, sample, type, &route);
	const size_t n_policy = service_port_policy_list(&sample->port, type)->n_backends;
	const size_t n_cluster = service_port_cluster_list(&sample->port, type)->n_backends;

	cr_expect_eq(service.type, type);
	cr_expect_eq(service.family, sample->port.key.family);
	cr_expect_eq(service.protocol, IPPROTO_TCP);
	cr_expect_eq(service.service_id, route.service_id);
	cr_expect_eq(service.affinity_s, sample->port.affinity_s);
	cr_expect_eq(!!(service.flags & SVC_F_POLICY_LOCAL), is_local, "type %u", type);
	cr_expect_eq(!!(service.flags & SVC_F_SOURCE_RANGES),
		     type == SVC_TYPE_LOAD_BALANCER && sample->port.n_source_ranges > 0, "type %u",
		     type);
	cr_expect_eq(svc_list_count(service.policy_list), n_policy, "type %u", type);
	cr_expect_eq(svc_list_count(route.list), n_cluster, "type %u", type);
	cr_expect_eq(!!(svc_list_flags(route.list) & SVC_LIST_F_AFFINITY),
		     sample->port.affinity_s > 0);
}

Test(policy, every_type_of_frontend_in_both_families)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct sample sample;
	unsigned int bits;
	size_t f, t;

	for (bits = 0; bits < 16; bits++) {
		for (f = 0; f < ARRAY_SIZE(families); f++) {
			sample_policy(&sample, families[f]);
			sample.port.is_internal_local = bits & 1;
			sample.port.is_external_local = bits & 2;
			sample.port.affinity_s = bits & 4 ? 60 : 0;
			if (bits & 8)
				add_range(&sample, 7);
			put(datapath, &sample);
			for (t = 0; t < ARRAY_SIZE(types); t++)
				expect_slot(datapath, &sample, types[t]);
		}
	}
	datapath_close(datapath);
}

/* Clients outside are dropped (R26), those in the cluster still served (R28). */
Test(policy, local_without_local_backends_drops_outside_only)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct svc_service service;
	struct svc_route route;
	struct sample sample;
	size_t f, t;

	for (f = 0; f < ARRAY_SIZE(families); f++) {
		sample_policy(&sample, families[f]);
		sample.port.is_external_local = true;
		sample.port.local.n_backends = 0;
		put(datapath, &sample);
		for (t = 1; t < ARRAY_SIZE(types); t++) {
			service = service_of(datapath, &sample, types[t], &route);
			cr_expect_eq(service.policy_list, svc_list_pack(0, 0, SVC_LIST_F_DROP));
			cr_expect_eq(svc_list_count(route.list), 3);
		}
	}
	datapath_close(datapath);
}

Test(policy, ranges_are_the_service_ports_own)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct sample samples[2];
	struct svc_route route[2];
	size_t f;

	for (f = 0; f < ARRAY_SIZE(families); f++) {
		sample_policy(&samples[f], families[f]);
		add_range(&samples[f], 7);
		add_range(&samples[f], (uint8_t)(20 + f));
		put(datapath, &samples[f]);
		service_of(datapath, &samples[f], SVC_TYPE_LOAD_BALANCER, &route[f]);
	}
	for (f = 0; f < ARRAY_SIZE(families); f++) {
		cr_expect(is_in_ranges(datapath, families[f], route[f].service_id, 7));
		cr_expect(is_in_ranges(datapath, families[f], route[f].service_id, 20 + f));
		cr_expect_not(is_in_ranges(datapath, families[f], route[f].service_id, 21 - f));
		cr_expect_not(is_in_ranges(datapath, families[f], route[f].service_id, 8));
		cr_expect_not(is_in_ranges(datapath, families[f], 100, 7));
	}
	datapath_close(datapath);
}

/* ------------------------------------------------------------------ the order of changes */

/**
 * struct watcher - checks at each write of a commit.
 * @net: clients of this network must be let in at every moment.  @id: of the service port.
 */
struct watcher {
	struct datapath *datapath;
	const struct sample *sample;
	uint8_t net;
	uint32_t id;
	uint32_t n_checks;
	uint32_t n_flagged;
};

static void watch(void *arg, uint64_t step)
{
	struct watcher *watcher = arg;
	const struct shadow_frontend *frontend = watcher->datapath->shadow.frontends;
	struct svc_service service;

	(void)step;
	watcher->n_checks++;
	for (; frontend; frontend = frontend->hh.next) {
		service = service_at(watcher->datapath, frontend->slot);
		if (!service.policy_list || !(service.flags & SVC_F_SOURCE_RANGES) ||
		    service.family != watcher->sample->port.key.family)
			continue;
		watcher->n_flagged++;
		cr_assert(is_in_ranges(watcher->datapath, watcher->sample->port.key.family,
				       service.service_id, watcher->net));
	}
}

static void put_watched(struct watcher *watcher)
{
	struct datapath *datapath = watcher->datapath;

	datapath->maps.before_write = watch;
	datapath->maps.before_write_arg = watcher;
	put(datapath, watcher->sample);
	datapath->maps.before_write = NULL;
	cr_assert_gt(watcher->n_checks, 0);
}

/* A client that both the old and the new ranges let in, is let in at each step in between. */
Test(policy, who_is_allowed_before_and_after_is_allowed_in_between)
{
	static const struct {
		uint8_t before[3];
		uint8_t after[3];
	} cases[] = {
		{{0}, {7}}, {{7}, {0}}, {{7}, {7, 8}}, {{7, 8}, {7}}, {{8, 7}, {7, 9}},
	};
	struct datapath *datapath = open_sized(128, 1024);
	struct sample sample;
	struct svc_route route;
	uint32_t n_flagged = 0;
	size_t i, f, k;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (f = 0; f < ARRAY_SIZE(families); f++) {
			struct watcher watcher = {datapath, &sample, 7, 0, 0, 0};

			sample_policy(&sample, families[f]);
			for (k = 0; cases[i].before[k]; k++)
				add_range(&sample, cases[i].before[k]);
			put(datapath, &sample);
			drain(datapath);
			sample_policy(&sample, families[f]);
			for (k = 0; cases[i].after[k]; k++)
				add_range(&sample, cases[i].after[k]);
			put_watched(&watcher);
			n_flagged += watcher.n_flagged;
			service_of(datapath, &sample, SVC_TYPE_LOAD_BALANCER, &route);
			for (k = 0; cases[i].after[k]; k++)
				cr_expect(is_in_ranges(datapath, families[f], route.service_id,
						       cases[i].after[k]));
		}
	}
	cr_expect_gt(n_flagged, 8, "%u", n_flagged);
	datapath_close(datapath);
}

/* Whoever read the flag just before it was cleared still finds the ranges. */
Test(policy, ranges_go_after_a_grace_period)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct svc_service service;
	struct sample sample;
	struct svc_route route;
	size_t f;

	for (f = 0; f < ARRAY_SIZE(families); f++) {
		sample_policy(&sample, families[f]);
		add_range(&sample, 7);
		put(datapath, &sample);
		drain(datapath);
		sample.port.n_source_ranges = 0;
		put(datapath, &sample);
		service = service_of(datapath, &sample, SVC_TYPE_LOAD_BALANCER, &route);
		cr_expect_not(service.flags & SVC_F_SOURCE_RANGES);
		cr_expect(is_in_ranges(datapath, families[f], route.service_id, 7));
		drain(datapath);
		cr_expect_not(is_in_ranges(datapath, families[f], route.service_id, 7));
	}
	datapath_close(datapath);
}

/* The id, which the next service port may be given, comes free after its ranges are gone. */
Test(policy, a_service_port_that_goes_takes_its_ranges_along)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct sample sample;
	struct svc_route route;

	sample_policy(&sample, ADDR_IPV4);
	add_range(&sample, 7);
	put(datapath, &sample);
	service_of(datapath, &sample, SVC_TYPE_LOAD_BALANCER, &route);
	cr_assert_eq(datapath_remove(datapath, &sample.port.key), 0);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_expect(is_in_ranges(datapath, ADDR_IPV4, route.service_id, 7));
	drain(datapath);
	cr_expect_not(is_in_ranges(datapath, ADDR_IPV4, route.service_id, 7));
	datapath_close(datapath);
}

/* What a restarted agent finds in force stays so while it has not been told of the Service yet. */
Test(policy, a_restart_changes_nothing)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct sample sample;
	struct svc_route route;

	sample_policy(&sample, ADDR_IPV6);
	add_range(&sample, 7);
	sample.port.is_external_local = true;
	put(datapath, &sample);
	datapath_close(datapath);
	datapath = open_sized(128, 1024);
	expect_slot(datapath, &sample, SVC_TYPE_LOAD_BALANCER);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	expect_slot(datapath, &sample, SVC_TYPE_LOAD_BALANCER);
	put(datapath, &sample);
	cr_expect_eq(datapath_n_written(datapath), 0);
	service_of(datapath, &sample, SVC_TYPE_LOAD_BALANCER, &route);
	cr_expect(is_in_ranges(datapath, ADDR_IPV6, route.service_id, 7));
	datapath_close(datapath);
}
