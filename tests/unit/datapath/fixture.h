/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests that need real maps: a bpffs in a private mount namespace, which goes with the test,
 * and random states.
 */
#ifndef SVCBPF_TESTS_FIXTURE_H
#define SVCBPF_TESTS_FIXTURE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "datapath/internal.h"
#include "model/state.h"

#define PIN_DIR "/sys/fs/bpf/svcbpf-test"

#define unused __attribute__((unused))

/* Nothing of what is mounted here is seen outside, and the kernel drops it with the process. */
static unused void mount_bpffs(void)
{
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL))
		cr_skip_test("needs root and a bpffs: %s", strerror(errno));
}

static unused struct datapath *open_sized(uint32_t max_services, uint32_t max_backends)
{
	const struct datapath_options options = {
		.pin_dir = PIN_DIR,
		.max_services = max_services,
		.max_backends = max_backends,
		.node = "n1",
		.version = "test",
	};
	struct datapath *datapath = NULL;
	struct datapath_error error = {};
	int r = datapath_open_unloaded(&options, &datapath, &error);

	cr_assert_eq(r, 0, "open: %s", error.text);
	return datapath;
}

/* Waits for all that was deleted and takes it back. */
static unused void drain(struct datapath *datapath)
{
	grace_wait(datapath->grace, datapath->seq);
	datapath_grace_done(datapath);
}

/* ------------------------------------------------------------------ service ports */

#define MAX_LIST 70000

/** struct sample - a service port with room for what it points to. */
struct sample {
	struct service_port port;
	char name[32];
	struct frontend frontends[24];
	struct backend backends[3][24];
	struct cidr ranges[4];
	bool is_there;
};

static unused struct addr address4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct addr){.family = ADDR_IPV4, .bytes = {a, b, c, d}};
}

static unused struct addr address(uint8_t family, uint8_t net, uint8_t host)
{
	if (family == ADDR_IPV4)
		return address4(10, net, 0, host);
	return (struct addr){.family = ADDR_IPV6, .bytes = {0xfd, net, [15] = host}};
}

static unused void sample_init(struct sample *sample, const char *name, uint8_t family,
			       uint8_t protocol)
{
	memset(sample, 0, sizeof(*sample));
	snprintf(sample->name, sizeof(sample->name), "%s", name);
	sample->is_there = true;
	sample->port.key = (struct service_port_key){
		.namespace = "default",
		.name = sample->name,
		.port_name = "p",
		.protocol = protocol,
		.family = family,
	};
	sample->port.frontends = sample->frontends;
	sample->port.cluster.backends = sample->backends[0];
	sample->port.local.backends = sample->backends[1];
	sample->port.serving.backends = sample->backends[2];
	sample->port.source_ranges = sample->ranges;
}

static unused void sample_add_frontend(struct sample *sample, uint8_t type, struct addr addr,
				       uint16_t port)
{
	sample->frontends[sample->port.n_frontends++] =
		(struct frontend){.addr = addr, .type = type, .port = port};
}

/* A ClusterIP of its own and @n backends 10.@net.0.1 and on, port 8080. */
static unused void sample_simple(struct sample *sample, const char *name, uint8_t host, uint8_t net,
				 size_t n)
{
	size_t i;

	sample_init(sample, name, ADDR_IPV4, IPPROTO_TCP);
	sample_add_frontend(sample, SVC_TYPE_CLUSTER_IP, address(ADDR_IPV4, 96, host), 80);
	for (i = 0; i < n; i++)
		sample->backends[0][i] = (struct backend){
			.addr = address(ADDR_IPV4, net, (uint8_t)(i + 1)),
			.port = 8080,
		};
	sample->port.cluster.n_backends = n;
	sample->port.has_endpoints = n > 0;
}

/* ------------------------------------------------------------------ random states */

#define N_SAMPLES 14
#define N_KEYS	  10

/* xorshift64: the same states in every run. */
static unused uint32_t draw(uint64_t *seed, uint32_t n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 32) % n;
}

static unused uint8_t sample_family(size_t index)
{
	return index % 3 == 2 ? ADDR_IPV6 : ADDR_IPV4;
}

static unused uint8_t sample_protocol(size_t index)
{
	return index % 2 ? IPPROTO_UDP : IPPROTO_TCP;
}

/* About a third of 24 backends, in order. */
static unused size_t draw_list(uint64_t *seed, uint8_t family, struct backend *ret)
{
	uint32_t odds = draw(seed, 4);
	size_t n = 0;
	uint8_t i;

	for (i = 1; i <= 24; i++) {
		if (draw(seed, 4) >= odds)
			continue;
		ret[n++] = (struct backend){
			.addr = address(family, 244, i),
			.port = 8080,
			.flags = (uint8_t)(draw(seed, 8) ? 0 : draw(seed, 4)),
		};
	}
	return n;
}

/* A service port of the family and protocol of @samples[index]; any other now and then. */
static unused size_t draw_owner(uint64_t *seed, size_t index)
{
	size_t owner = index;
	int i;

	for (i = 0; i < 8; i++) {
		owner = draw(seed, N_SAMPLES);
		if (sample_family(owner) == sample_family(index) &&
		    sample_protocol(owner) == sample_protocol(index))
			break;
	}
	return owner;
}

/* Gives each key of the family and protocol of @samples[index] to at most one service port. */
static unused void draw_frontends(uint64_t *seed, struct sample *samples, size_t index)
{
	static const uint8_t types[] = {SVC_TYPE_CLUSTER_IP, SVC_TYPE_EXTERNAL_IP,
					SVC_TYPE_LOAD_BALANCER};
	uint8_t family = sample_family(index), protocol = sample_protocol(index), i;
	size_t owner;

	for (i = 0; i < N_KEYS; i++) {
		owner = draw_owner(seed, index);
		if (!samples[owner].is_there || sample_family(owner) != family ||
		    sample_protocol(owner) != protocol)
			continue;
		if (i < 3)
			sample_add_frontend(&samples[owner], SVC_TYPE_NODE_PORT, (struct addr){},
					    (uint16_t)(30000 + i));
		else
			sample_add_frontend(&samples[owner], types[draw(seed, 3)],
					    address(family, 96, i), 80);
	}
}

static unused int compare_frontends(const void *a, const void *b)
{
	return frontend_compare(a, b);
}

static unused void draw_sample(uint64_t *seed, struct sample *sample, size_t index)
{
	struct service_port *port = &sample->port;
	char name[32];
	uint32_t i;

	snprintf(name, sizeof(name), "service-%zu", index);
	sample_init(sample, name, sample_family(index), sample_protocol(index));
	sample->is_there = draw(seed, 4) > 0;
	port->is_internal_local = draw(seed, 3) == 0;
	port->is_external_local = draw(seed, 3) == 0;
	port->cluster.n_backends = draw_list(seed, port->key.family, sample->backends[0]);
	port->local.n_backends = draw_list(seed, port->key.family, sample->backends[1]);
	if (port->key.protocol == IPPROTO_UDP)
		port->serving.n_backends = draw_list(seed, port->key.family, sample->backends[2]);
	port->has_endpoints = port->cluster.n_backends || port->local.n_backends || draw(seed, 2);
	port->n_source_ranges = draw(seed, 4);
	for (i = 0; i < port->n_source_ranges; i++)
		sample->ranges[i] = (struct cidr){
			.addr = address(port->key.family, (uint8_t)(1 + i * 50 + draw(seed, 3)), 0),
			.prefix_len = 16,
		};
}

static unused void draw_samples(uint64_t *seed, struct sample samples[N_SAMPLES])
{
	size_t i;

	for (i = 0; i < N_SAMPLES; i++)
		draw_sample(seed, &samples[i], i);
	/* one of each combination of family and protocol */
	draw_frontends(seed, samples, 0);
	draw_frontends(seed, samples, 1);
	draw_frontends(seed, samples, 2);
	draw_frontends(seed, samples, 5);
	for (i = 0; i < N_SAMPLES; i++) {
		qsort(samples[i].frontends, samples[i].port.n_frontends,
		      sizeof(samples[i].frontends[0]), compare_frontends);
		if (samples[i].port.n_frontends && draw(seed, 2))
			samples[i].port.affinity_s = 100 + draw(seed, 2);
	}
}

/* Stages what @samples has, and the removal of what it has not. */
static unused void stage_samples(struct datapath *datapath, const struct sample *samples, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (samples[i].is_there)
			cr_assert_eq(datapath_put(datapath, &samples[i].port), 0);
		else
			cr_assert_eq(datapath_remove(datapath, &samples[i].port.key), 0);
	}
}

/* ------------------------------------------------------------------ comparing */

static unused int tell_difference(void *arg, const struct service_port *old,
				  const struct service_port *new)
{
	const struct service_port *any = old ? old : new;
	int *n = arg;

	(*n)++;
	fprintf(stderr, "%s: %s\n", any->key.name,
		!old   ? "not in the kernel"
		: !new ? "only in the kernel"
		       : "differs");
	return 0;
}

static unused struct state *state_of(const struct sample *samples, size_t n)
{
	struct service_port *copy;
	struct state *state;
	size_t i;

	cr_assert_eq(state_new("n1", "", &state), 0);
	for (i = 0; i < n; i++) {
		if (!samples[i].is_there)
			continue;
		cr_assert_eq(service_port_copy(&samples[i].port, &copy), 0);
		cr_assert_eq(state_add(state, copy), 0);
	}
	state_sort(state);
	return state;
}

/* How many service ports the kernel holds otherwise than @samples has them. */
static unused int count_differences(const struct sample *samples, size_t n)
{
	struct state *expected = state_of(samples, n), *found;
	struct datapath_reader *reader;
	struct datapath_error error = {};
	int n_different = 0;

	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, &error), 0, "%s", error.text);
	cr_assert_eq(datapath_read_state(reader, &found), 0);
	state_diff(found, expected, tell_difference, &n_different);
	state_free(found);
	state_free(expected);
	datapath_reader_close(reader);
	return n_different;
}

/** struct usage - what is in use of everything that can run out. */
struct usage {
	uint32_t slots;
	uint32_t space[N_FAMILIES];
	uint32_t service_ids;
	uint32_t backend_ids;
	uint32_t frontends[N_FAMILIES];
	uint32_t filter_bits;
	uint32_t info;
	uint32_t ranges;
};

/* A slot's record as it is now. */
static unused struct svc_service service_at(const struct datapath *datapath, uint32_t slot)
{
	const struct svc_service *service = maps_at(&datapath->maps, MAP_SERVICES, slot);

	return *service;
}

/* The list word of the frontend that leads to @slot. */
static unused uint64_t list_of(const struct datapath *datapath, uint32_t slot)
{
	const struct shadow_frontend *frontend = datapath->shadow.frontends;

	while (frontend && frontend->slot != slot)
		frontend = frontend->hh.next;
	cr_assert_not_null(frontend);
	return frontend_table_find(datapath->shadow.tables[FAMILY_INDEX(frontend->key.family)],
				   &frontend->key)
		.list;
}

/* The stable id at @index of backend_ids4. */
static unused uint32_t id4_at(const struct datapath *datapath, uint32_t index)
{
	return (uint32_t)maps_load(maps_at(&datapath->maps, MAP_BACKEND_IDS4, index));
}

/* Bits that are set in both filters. */
static unused uint32_t count_filter_bits(const struct maps *maps)
{
	uint32_t n = 0, i;

	for (i = 0; i < SVC_ADDR_FILTER_WORDS; i++)
		n += (uint32_t)__builtin_popcountll(maps->addr_filter[i]);
	for (i = 0; i < SVC_PORT_FILTER_WORDS; i++)
		n += (uint32_t)__builtin_popcountll(maps->nodeport_filter[i]);
	return n;
}

static unused int count_one(void *arg, const void *key, const void *value)
{
	uint32_t *n = arg;

	(void)key;
	(void)value;
	(*n)++;
	return 0;
}

static unused struct usage usage_of(const struct datapath *datapath)
{
	const struct shadow *shadow = &datapath->shadow;
	struct usage usage = {
		.slots = datapath->maps.capacities[MAP_SERVICES] - extents_n_free(shadow->slots),
		.space = {extents_n_free(shadow->space[0]), extents_n_free(shadow->space[1])},
		.service_ids = datapath->maps.capacities[MAP_SERVICE_INFO] -
			       extents_n_free(shadow->service_ids),
		.backend_ids =
			ids_count(shadow->backend_ids[0]) + ids_count(shadow->backend_ids[1]),
	};

	usage.filter_bits = count_filter_bits(&datapath->maps);
	usage.frontends[0] = frontend_table_count(shadow->tables[0]);
	usage.frontends[1] = frontend_table_count(shadow->tables[1]);
	maps_for_each(&datapath->maps, MAP_SERVICE_INFO, count_one, &usage.info);
	maps_for_each(&datapath->maps, MAP_SOURCE_RANGES, count_one, &usage.ranges);
	return usage;
}

static unused void assert_same_usage(const struct usage *a, const struct usage *b)
{
	cr_assert_eq(a->slots, b->slots, "slots %u %u", a->slots, b->slots);
	cr_assert_eq(a->space[0], b->space[0], "free4 %u %u", a->space[0], b->space[0]);
	cr_assert_eq(a->space[1], b->space[1], "free6 %u %u", a->space[1], b->space[1]);
	cr_assert_eq(a->service_ids, b->service_ids);
	cr_assert_eq(a->backend_ids, b->backend_ids, "backend ids %u %u", a->backend_ids,
		     b->backend_ids);
	cr_assert_eq(a->frontends[0], b->frontends[0]);
	cr_assert_eq(a->frontends[1], b->frontends[1]);
	cr_assert_eq(a->filter_bits, b->filter_bits, "filter bits %u %u", a->filter_bits,
		     b->filter_bits);
	cr_assert_eq(a->info, b->info);
	cr_assert_eq(a->ranges, b->ranges, "ranges %u %u", a->ranges, b->ranges);
}

#endif
