/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/frontend_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "svcbpf/hash.h"
#include "util/cleanup.h"

/**
 * struct frontend_table - a table and what its readers need not know.
 * @buckets: borrowed; a pointer into it is used up before the next one is taken.
 * @n_entries: of a bucket.
 * @resting: one byte an entry: cleared, but a reader may still be looking at it.
 * @has_resting: some entry is.
 */
struct frontend_table {
	uint8_t family;
	uint32_t n_entries;
	uint32_t mask;
	uint64_t seed;
	uint32_t count;
	bool has_resting;
	struct map_window *buckets;
	bool *resting;
};

static void cleanup_frontend_table(struct frontend_table **table)
{
	frontend_table_free(*table);
}

/* struct place - an entry of the table. */
struct place {
	uint32_t bucket;
	uint32_t entry;
};

static struct svc_bucket4 *bucket4_at(const struct frontend_table *table, uint32_t bucket)
{
	return map_window_at(table->buckets, bucket);
}

static struct svc_bucket6 *bucket6_at(const struct frontend_table *table, uint32_t bucket)
{
	return map_window_at(table->buckets, bucket);
}

/* The functions up to resting_of() are all that knows how the two families' buckets differ. */

static uint64_t word4(const struct frontend_key *key)
{
	struct svc_frontend4 frontend;
	uint64_t word;

	convert_to_frontend4(key, &frontend);
	memcpy(&word, &frontend, sizeof(word));
	return word;
}

static uint32_t tail6(const struct frontend_key *key)
{
	uint32_t tail;

	memcpy(&tail, &key->key.port, sizeof(tail));
	return tail;
}

static uint32_t home_of(const struct frontend_table *table, const struct frontend_key *key)
{
	uint32_t hash = table->family == ADDR_IPV4
				? svc_hash4(word4(key), table->seed)
				: svc_hash6(key->key.addr, tail6(key), table->seed);

	return hash & table->mask;
}

static bool is_free(const struct frontend_table *table, struct place place)
{
	if (table->family == ADDR_IPV4)
		return !bucket4_at(table, place.bucket)->keys[place.entry];
	return !bucket6_at(table, place.bucket)->tails[place.entry];
}

static void read_key(const struct frontend_table *table, struct place place,
		     struct frontend_key *ret_key)
{
	struct frontend_key key = {.family = table->family};
	const struct svc_bucket6 *bucket6;
	struct svc_frontend4 frontend;

	if (table->family == ADDR_IPV4) {
		memcpy(&frontend, &bucket4_at(table, place.bucket)->keys[place.entry],
		       sizeof(frontend));
		convert_frontend4(&frontend, ret_key);
		return;
	}
	bucket6 = bucket6_at(table, place.bucket);
	memcpy(key.key.addr, bucket6->addrs[place.entry], sizeof(key.key.addr));
	memcpy(&key.key.port, &bucket6->tails[place.entry], sizeof(uint32_t));
	*ret_key = key;
}

static struct svc_route *route_of(const struct frontend_table *table, struct place place)
{
	if (table->family == ADDR_IPV4)
		return &bucket4_at(table, place.bucket)->routes[place.entry];
	return &bucket6_at(table, place.bucket)->routes[place.entry];
}

/* write_route() - the list last: it is what sends a connect to the backends of another Service. */
static void write_route(struct svc_route *route, const struct svc_route *wanted)
{
	__atomic_store_n(&route->slot, wanted->slot, __ATOMIC_RELAXED);
	__atomic_store_n(&route->service_id, wanted->service_id, __ATOMIC_RELAXED);
	__atomic_store_n(&route->list, wanted->list, __ATOMIC_RELEASE);
}

/* read_route() - a copy, word by word as programs read it. */
static struct svc_route read_route(const struct svc_route *route)
{
	return (struct svc_route){
		.list = __atomic_load_n(&route->list, __ATOMIC_ACQUIRE),
		.slot = __atomic_load_n(&route->slot, __ATOMIC_RELAXED),
		.service_id = __atomic_load_n(&route->service_id, __ATOMIC_RELAXED),
	};
}

static uint32_t *overflow_of(const struct frontend_table *table, uint32_t bucket)
{
	if (table->family == ADDR_IPV4)
		return &bucket4_at(table, bucket)->n_overflow;
	return &bucket6_at(table, bucket)->n_overflow;
}

/* publish() - show readers the entry, all of which is written; @key NULL clears it. */
static void publish(const struct frontend_table *table, struct place place,
		    const struct frontend_key *key)
{
	if (table->family == ADDR_IPV4) {
		__atomic_store_n(&bucket4_at(table, place.bucket)->keys[place.entry],
				 key ? word4(key) : 0, __ATOMIC_RELEASE);
		return;
	}

	struct svc_bucket6 *bucket = bucket6_at(table, place.bucket);

	if (key)
		memcpy(bucket->addrs[place.entry], key->key.addr, sizeof(key->key.addr));
	__atomic_store_n(&bucket->tails[place.entry], key ? tail6(key) : 0, __ATOMIC_RELEASE);
}

static bool *resting_of(const struct frontend_table *table, struct place place)
{
	return &table->resting[(size_t)place.bucket * table->n_entries + place.entry];
}

static bool is_key(const struct frontend_table *table, struct place place,
		   const struct frontend_key *key)
{
	struct frontend_key found;

	if (is_free(table, place))
		return false;
	read_key(table, place, &found);
	return !memcmp(&found.key, &key->key, sizeof(found.key));
}

/* add_overflow() - count an entry in @last, whose home is @home, in all buckets it passed. */
static void add_overflow(const struct frontend_table *table, uint32_t home, uint32_t last,
			 int amount)
{
	uint32_t bucket, *n;

	for (bucket = home; bucket != last; bucket = (bucket + 1) & table->mask) {
		n = overflow_of(table, bucket);
		__atomic_store_n(n, *n + (uint32_t)amount, __ATOMIC_RELEASE);
	}
}

static bool find_place(const struct frontend_table *table, const struct frontend_key *key,
		       struct place *ret_place)
{
	struct place place = {.bucket = home_of(table, key)};
	int probe;

	for (probe = 0; probe < SVC_FRONTEND_MAX_PROBES; probe++) {
		for (place.entry = 0; place.entry < table->n_entries; place.entry++) {
			if (!is_key(table, place, key))
				continue;
			*ret_place = place;
			return true;
		}
		if (!*overflow_of(table, place.bucket))
			return false;
		place.bucket = (place.bucket + 1) & table->mask;
	}
	return false;
}

static bool find_room(const struct frontend_table *table, const struct frontend_key *key,
		      struct place *ret_place)
{
	struct place place = {.bucket = home_of(table, key)};
	int probe;

	for (probe = 0; probe < SVC_FRONTEND_MAX_PROBES; probe++) {
		for (place.entry = 0; place.entry < table->n_entries; place.entry++) {
			if (!is_free(table, place) || *resting_of(table, place))
				continue;
			*ret_place = place;
			return true;
		}
		place.bucket = (place.bucket + 1) & table->mask;
	}
	return false;
}

/* adopt() - count what is there; overflow counts are made again from nothing but the entries. */
static int adopt(struct frontend_table *table)
{
	_free_ uint32_t *overflow = calloc((size_t)table->mask + 1, sizeof(*overflow));
	struct frontend_key key;
	struct place place;
	uint32_t bucket;

	if (!overflow)
		return -ENOMEM;
	for (place.bucket = 0; place.bucket <= table->mask; place.bucket++) {
		for (place.entry = 0; place.entry < table->n_entries; place.entry++) {
			if (is_free(table, place))
				continue;
			table->count++;
			read_key(table, place, &key);
			for (bucket = home_of(table, &key); bucket != place.bucket;
			     bucket = (bucket + 1) & table->mask)
				overflow[bucket]++;
		}
	}
	for (bucket = 0; bucket <= table->mask; bucket++)
		if (*overflow_of(table, bucket) != overflow[bucket])
			__atomic_store_n(overflow_of(table, bucket), overflow[bucket],
					 __ATOMIC_RELEASE);
	return 0;
}

static struct frontend_table view_of(uint8_t family, struct map_window *buckets)
{
	struct frontend_table table = {.family = family, .buckets = buckets};

	table.mask = (uint32_t)(buckets->size_bytes / buckets->stride_bytes) - 1;
	table.n_entries = family == ADDR_IPV4 ? SVC_BUCKET4_ENTRIES : SVC_BUCKET6_ENTRIES;
	return table;
}

int frontend_table_new(uint8_t family, struct map_window *buckets, uint64_t seed,
		       struct frontend_table **ret)
{
	_cleanup_(cleanup_frontend_table) struct frontend_table *table = calloc(1, sizeof(*table));
	int r;

	if (!table)
		return -ENOMEM;
	*table = view_of(family, buckets);
	table->seed = seed;
	table->resting =
		calloc(((size_t)table->mask + 1) * table->n_entries, sizeof(*table->resting));
	if (!table->resting)
		return -ENOMEM;
	r = adopt(table);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(table);
	return 0;
}

void frontend_table_free(struct frontend_table *table)
{
	if (!table)
		return;
	free(table->resting);
	free(table);
}

int frontend_table_put(struct frontend_table *table, const struct frontend_key *key,
		       const struct svc_route *route)
{
	struct place place;

	if (find_place(table, key, &place)) {
		write_route(route_of(table, place), route);
		return 0;
	}
	if (!find_room(table, key, &place))
		return -ENOSPC;
	add_overflow(table, home_of(table, key), place.bucket, 1);
	write_route(route_of(table, place), route);
	publish(table, place, key);
	table->count++;
	return 0;
}

void frontend_table_remove(struct frontend_table *table, const struct frontend_key *key)
{
	struct place place;

	if (!find_place(table, key, &place))
		return;
	publish(table, place, NULL);
	add_overflow(table, home_of(table, key), place.bucket, -1);
	*resting_of(table, place) = true;
	table->has_resting = true;
	table->count--;
}

void frontend_table_settle(struct frontend_table *table)
{
	if (!table->has_resting)
		return;
	memset(table->resting, 0,
	       ((size_t)table->mask + 1) * table->n_entries * sizeof(*table->resting));
	table->has_resting = false;
}

struct svc_route frontend_table_find(const struct frontend_table *table,
				     const struct frontend_key *key)
{
	struct place place;

	return find_place(table, key, &place) ? read_route(route_of(table, place))
					      : (struct svc_route){};
}

uint32_t frontend_table_count(const struct frontend_table *table)
{
	return table->count;
}

int frontend_table_walk(uint8_t family, struct map_window *buckets,
			int (*fn)(void *arg, const struct frontend_key *key,
				  const struct svc_route *route),
			void *arg)
{
	const struct frontend_table table = view_of(family, buckets);
	struct frontend_key key;
	struct svc_route route;
	struct place place;
	int r;

	for (place.bucket = 0; place.bucket <= table.mask; place.bucket++) {
		for (place.entry = 0; place.entry < table.n_entries; place.entry++) {
			if (is_free(&table, place))
				continue;
			read_key(&table, place, &key);
			route = read_route(route_of(&table, place));
			r = fn(arg, &key, &route);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
