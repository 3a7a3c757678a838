/* SPDX-License-Identifier: Apache-2.0 */
/* What others see while the agent writes: programs (here a thread with the same look-ups), dump. */
#include <bpf/bpf.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "datapath/reader.h"
#include "fixture.h"
#include "svcbpf/counters.h"
#include "svcbpf/hash.h"
#include "util/endian.h"

TestSuite(readers, .init = mount_bpffs);

#define N_STEADY      8
#define N_PASSING     40
#define N_COMMITS     300
#define N_COMMITS_MAX 30000
#define N_DUMPS	      10

/**
 * struct watch - what the reading thread looks at and what it has seen.
 * @slots, @misses, @mixed, @foreign: looked up, not found, a list of two generations, a list of
 *	another Service.
 */
struct watch {
	const struct maps *maps;
	bool is_ending;
	uint64_t slots;
	uint64_t misses;
	uint64_t mixed;
	uint64_t foreign;
};

static void check_list(struct watch *watch, const uint64_t *word, uint8_t service)
{
	const struct svc_backend4 *backend;
	struct svc_backend4 backends[24];
	uint64_t before = maps_load(word);
	bool is_mixed = false, is_foreign = false;
	uint8_t bytes[24][4];
	uint32_t i, n = svc_list_count(before);

	for (i = 0; i < n && i < 24; i++) {
		backend = maps_at(watch->maps, MAP_BACKENDS4, svc_list_base(before) + i);
		backends[i] = *backend;
		memcpy(bytes[i], &backends[i].addr, sizeof(bytes[i]));
		is_mixed |= bytes[i][1] != bytes[0][1];
		is_foreign |= bytes[i][2] != service;
	}
	/* a thread is no RCU reader: a block may be used again once its word has changed */
	if (maps_load(word) != before)
		return;
	watch->mixed += is_mixed;
	watch->foreign += is_foreign || n == 0;
}

/* As lookup_frontend4() of bpf/lib/lookup.h; the list word, NULL when it finds nothing. */
static const uint64_t *look_up(const struct maps *maps, uint64_t key)
{
	const struct svc_bucket4 *bucket;
	uint32_t mask = maps->capacities[MAP_FRONTENDS4] - 1, i;
	uint32_t index = svc_hash4(key, maps->meta->hash_seed) & mask;
	int probe;

	for (probe = 0; probe < SVC_FRONTEND_MAX_PROBES; probe++) {
		bucket = maps_at(maps, MAP_FRONTENDS4, index);
		for (i = 0; i < SVC_BUCKET4_ENTRIES; i++)
			if (__atomic_load_n(&bucket->keys[i], __ATOMIC_ACQUIRE) == key)
				return (const uint64_t *)&bucket->routes[i].list;
		if (!__atomic_load_n(&bucket->n_overflow, __ATOMIC_ACQUIRE))
			return NULL;
		index = (index + 1) & mask;
	}
	return NULL;
}

static void *read_on(void *arg)
{
	struct watch *watch = arg;
	struct svc_frontend4 key = {.protocol = IPPROTO_TCP};
	struct addr addr;
	const uint64_t *list;
	uint64_t word;
	uint8_t i = 0;

	key.port = be16_from_host(80);
	while (!__atomic_load_n(&watch->is_ending, __ATOMIC_RELAXED)) {
		i = i % N_STEADY + 1;
		addr = address(ADDR_IPV4, 96, i);
		memcpy(&key.addr, addr.bytes, sizeof(key.addr));
		memcpy(&word, &key, sizeof(word));
		watch->slots++;
		list = look_up(watch->maps, word);
		if (!list)
			watch->misses++;
		else
			check_list(watch, list, i);
	}
	return NULL;
}

/* The steady Service @index in its @generation-th form, of 1 to 20 backends. */
static void make_steady(struct sample *sample, uint8_t index, uint32_t generation)
{
	char name[16];
	size_t i;

	snprintf(name, sizeof(name), "steady-%d", index);
	sample_simple(sample, name, index, 0, 1 + (generation * 7 + index) % 20);
	for (i = 0; i < sample->port.cluster.n_backends; i++)
		sample->backends[0][i].addr =
			address4(10, (uint8_t)generation, index, (uint8_t)(i + 1));
}

static void commit_generation(struct datapath *datapath, struct sample *samples,
			      uint32_t generation)
{
	struct sample *passing;
	char name[16];
	uint8_t i;

	for (i = 0; i < N_STEADY; i++) {
		make_steady(&samples[i], (uint8_t)(i + 1), generation);
		cr_assert_eq(datapath_put(datapath, &samples[i].port), 0);
	}
	for (i = 0; i < N_PASSING; i++) {
		passing = &samples[N_STEADY + i];
		snprintf(name, sizeof(name), "passing-%d", i);
		sample_simple(passing, name, (uint8_t)(100 + i), 200, 1 + i % 20);
		passing->is_there = (generation + i) % 3 > 0;
		if (passing->is_there)
			cr_assert_eq(datapath_put(datapath, &passing->port), 0);
		else
			cr_assert_eq(datapath_remove(datapath, &passing->port.key), 0);
	}
	cr_assert_eq(datapath_commit(datapath, generation == 0), 0);
}

Test(readers, never_miss_and_never_mix, .timeout = 120)
{
	/* a small table: what is deleted is soon used again, in the same buckets */
	struct datapath *datapath = open_sized(64, 1024);
	static struct sample samples[N_STEADY + N_PASSING];
	struct datapath_reader *reader;
	struct watch watch = {};
	uint32_t generation;
	pthread_t thread;

	commit_generation(datapath, samples, 0);
	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, NULL), 0);
	watch.maps = &reader->maps;
	cr_assert_eq(pthread_create(&thread, NULL, read_on, &watch), 0);
	for (generation = 1; generation < N_COMMITS; generation++) {
		commit_generation(datapath, samples, generation);
		datapath_grace_done(datapath);
	}
	__atomic_store_n(&watch.is_ending, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	cr_assert_gt(watch.slots, N_COMMITS);
	cr_assert_eq(watch.misses, 0, "%lu of %lu", watch.misses, watch.slots);
	cr_assert_eq(watch.mixed, 0, "%lu of %lu", watch.mixed, watch.slots);
	cr_assert_eq(watch.foreign, 0, "%lu of %lu", watch.foreign, watch.slots);
	datapath_reader_close(reader);
	datapath_close(datapath);
}

/** struct dumps - a thread that reads the whole state over and over. */
struct dumps {
	bool is_ending;
	uint64_t n_read;
	uint64_t n_again;
	uint64_t n_mixed;
};

/* All steady Services of one picture are of one generation. */
static void check_picture(struct dumps *dumps, const struct state *state)
{
	struct service_port *const *ports;
	int generation = -1;
	size_t n, i;

	ports = state_ports(state, &n);
	for (i = 0; i < n; i++) {
		if (strncmp(ports[i]->key.name, "steady-", 7) != 0)
			continue;
		if (generation < 0)
			generation = ports[i]->cluster.backends[0].addr.bytes[1];
		dumps->n_mixed += ports[i]->cluster.backends[0].addr.bytes[1] != generation;
	}
}

static void *dump_on(void *arg)
{
	struct datapath_reader *reader;
	struct dumps *dumps = arg;
	struct state *state;
	int r;

	if (datapath_reader_open(PIN_DIR, &reader, NULL))
		return NULL;
	while (!__atomic_load_n(&dumps->is_ending, __ATOMIC_RELAXED)) {
		r = datapath_read_state(reader, &state);
		if (r < 0) {
			dumps->n_again += r == -EAGAIN;
			continue;
		}
		__atomic_fetch_add(&dumps->n_read, 1, __ATOMIC_RELAXED);
		check_picture(dumps, state);
		state_free(state);
	}
	datapath_reader_close(reader);
	return NULL;
}

Test(readers, a_dump_is_one_state, .timeout = 120)
{
	struct datapath *datapath = open_sized(64, 1024);
	static struct sample samples[N_STEADY + N_PASSING];
	const struct timespec pause = {.tv_nsec = 2000000};
	struct dumps dumps = {};
	uint32_t generation;
	pthread_t thread;

	commit_generation(datapath, samples, 0);
	cr_assert_eq(pthread_create(&thread, NULL, dump_on, &dumps), 0);
	/* A slow build reads few states while this writes: the number of commits follows the
	 * reader. */
	for (generation = 1; generation < N_COMMITS ||
			     (__atomic_load_n(&dumps.n_read, __ATOMIC_RELAXED) <= N_DUMPS &&
			      generation < N_COMMITS_MAX);
	     generation++) {
		commit_generation(datapath, samples, generation % N_COMMITS);
		nanosleep(&pause, NULL);
	}
	__atomic_store_n(&dumps.is_ending, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	cr_assert_gt(dumps.n_read, N_DUMPS);
	cr_assert_eq(dumps.n_mixed, 0);
	datapath_close(datapath);
}

/** struct fills - what datapath_read_fill() told of the maps looked at. */
struct fills {
	uint64_t services;
	uint64_t frontends4;
	uint64_t backends4;
	uint64_t n_maps;
};

static void note_fill(void *arg, const struct datapath_map_fill *fill)
{
	struct fills *fills = arg;

	fills->n_maps++;
	if (!strcmp(fill->name, "services"))
		fills->services = fill->n_used;
	if (!strcmp(fill->name, "frontends4"))
		fills->frontends4 = fill->n_used;
	if (!strcmp(fill->name, "backends4"))
		fills->backends4 = fill->n_used;
	cr_assert_leq(fill->n_used, fill->n_max);
}

Test(readers, fill_counts_what_is_in_use)
{
	struct datapath *datapath = open_sized(64, 1024);
	struct datapath_counter counters[SVC_N_COUNTERS];
	struct datapath_reader *reader;
	struct fills fills = {};
	struct sample sample;

	sample_simple(&sample, "web", 1, 244, 7);
	sample_add_frontend(&sample, SVC_TYPE_EXTERNAL_IP, address4(192, 0, 2, 1), 80);
	datapath_put(datapath, &sample.port);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, NULL), 0);
	cr_assert_eq(datapath_read_fill(reader, note_fill, &fills), 0);
	cr_assert_eq(fills.services, 3, "slot 0 and two frontends");
	cr_assert_eq(fills.frontends4, 2);
	cr_assert_eq(fills.backends4, 7, "both frontends lead to one block");
	cr_assert_eq(datapath_read_counters(reader, counters), 0);
	cr_assert_str_eq(counters[SVC_COUNTER_CONNECT].name, "connect_translated");
	cr_assert_eq(counters[SVC_COUNTER_CONNECT].value, 0);
	datapath_reader_close(reader);
	datapath_close(datapath);
}

Test(readers, problems_are_kept_for_status)
{
	const char *const lines[] = {"default/a: one", "default/b: two"};
	struct datapath *datapath = open_sized(64, 1024);
	char text[sizeof(struct svc_problem)];
	struct datapath_reader *reader;

	cr_assert_eq(datapath_set_problems(datapath, lines, 2), 0);
	datapath_close(datapath);
	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, NULL), 0);
	cr_assert_eq(datapath_reader_meta(reader)->n_problems, 2);
	cr_assert_eq(datapath_read_problem(reader, 1, text), 0);
	cr_assert_str_eq(text, "default/b: two");
	datapath_reader_close(reader);
}

static int note_affinity(void *arg, const struct datapath_affinity *entry)
{
	struct datapath_affinity *ret = arg;

	cr_assert_str_eq(entry->key.name, "web");
	*ret = *entry;
	return 0;
}

Test(readers, affinity_has_names_and_backends)
{
	struct svc_affinity_key key = {.client_kind = SVC_CLIENT_NETNS, .client = {7, 1}};
	struct datapath *datapath = open_sized(64, 1024);
	struct datapath_affinity found = {};
	struct datapath_reader *reader;
	struct svc_affinity memory = {};
	struct sample sample;

	sample_simple(&sample, "web", 1, 244, 3);
	sample.port.affinity_s = 60;
	datapath_put(datapath, &sample.port);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	key.service_id = datapath->shadow.ports->id;
	memory.backend_id = id4_at(datapath, 1);
	memory.last_ns = 1;
	cr_assert_eq(bpf_map_update_elem(datapath->maps.fds[MAP_AFFINITY], &key, &memory, 0), 0);
	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, NULL), 0);
	cr_assert_eq(datapath_read_affinity(reader, note_affinity, &found), 0);
	cr_assert_eq(found.netns_cookie, 1ull << 32 | 7);
	cr_assert_eq(found.timeout_s, 60);
	cr_assert_eq(found.backend.addr.family, ADDR_IPV4);
	cr_assert_eq(found.backend.port, 8080);
	cr_assert_gt(found.age_ms, 0);
	cr_assert_eq(found.client.family, ADDR_NONE);
	/* the same Service, and a client the packet path knows by its address */
	cr_assert_eq(bpf_map_delete_elem(datapath->maps.fds[MAP_AFFINITY], &key), 0);
	key.client_kind = SVC_CLIENT_IPV4;
	memset(key.client, 0, sizeof(key.client));
	memcpy(key.client, (uint8_t[]){192, 0, 2, 1}, 4);
	cr_assert_eq(bpf_map_update_elem(datapath->maps.fds[MAP_AFFINITY], &key, &memory, 0), 0);
	cr_assert_eq(datapath_read_affinity(reader, note_affinity, &found), 0);
	cr_assert_eq(found.netns_cookie, 0);
	cr_assert_eq(found.client.family, ADDR_IPV4);
	cr_assert_eq(memcmp(found.client.bytes, (uint8_t[]){192, 0, 2, 1}, 4), 0);
	datapath_reader_close(reader);
	datapath_close(datapath);
}
