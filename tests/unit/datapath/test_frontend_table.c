/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/frontend_table.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "svcbpf/hash.h"
#include "util/cleanup.h"
#include "util/endian.h"

/* More than SVC_FRONTEND_MAX_PROBES: a table can refuse before its last entry is used. */
#define N_BUCKETS 256u
#define SEED	  0x5eedull

static struct frontend_key key_of(uint8_t family, uint32_t n)
{
	struct frontend_key key = {.family = family};

	key.key.addr[family == ADDR_IPV4 ? 0 : 3] = be32_from_host(0x0a600000 + n / 4);
	key.key.port = be16_from_host((uint16_t)(80 + n % 4));
	key.key.protocol = IPPROTO_TCP;
	return key;
}

static struct map_window window;

static struct frontend_table *table_new(uint8_t family, void **ret_buckets)
{
	struct frontend_table *table = NULL;

	/* Both kinds of bucket are one cache line. */
	*ret_buckets = aligned_alloc(64, N_BUCKETS * sizeof(struct svc_bucket4));
	cr_assert_not_null(*ret_buckets);
	memset(*ret_buckets, 0, N_BUCKETS * sizeof(struct svc_bucket4));
	map_window_view(*ret_buckets, sizeof(struct svc_bucket4), N_BUCKETS, &window);
	cr_assert_eq(frontend_table_new(family, &window, SEED, &table), 0);
	return table;
}

static int put(struct frontend_table *table, const struct frontend_key *key, uint32_t slot)
{
	const struct svc_route route = {.list = ~(uint64_t)slot, .slot = slot, .service_id = slot};

	return frontend_table_put(table, key, &route);
}

/* The slot of a whole route; 0 when there is none. */
static uint32_t find(const struct frontend_table *table, const struct frontend_key *key)
{
	struct svc_route route = frontend_table_find(table, key);

	cr_assert_eq(route.service_id, route.slot);
	cr_assert_eq(route.list, route.slot ? ~(uint64_t)route.slot : 0);
	return route.slot;
}

static const uint8_t families[] = {ADDR_IPV4, ADDR_IPV6};

static uint32_t entries_of(uint8_t family)
{
	return N_BUCKETS * (family == ADDR_IPV4 ? SVC_BUCKET4_ENTRIES : SVC_BUCKET6_ENTRIES);
}

Test(frontend_table, holds_what_was_put_and_nothing_else)
{
	uint32_t i, f;

	for (f = 0; f < ARRAY_SIZE(families); f++) {
		_free_ void *buckets = NULL;
		struct frontend_table *table = table_new(families[f], &buckets);
		struct frontend_key key;

		for (i = 0; i < 64; i++) {
			key = key_of(families[f], i);
			cr_assert_eq(put(table, &key, 100 + i), 0);
		}
		cr_expect_eq(frontend_table_count(table), 64);
		for (i = 0; i < 128; i++) {
			key = key_of(families[f], i);
			cr_expect_eq(find(table, &key), i < 64 ? 100 + i : 0);
		}
		frontend_table_free(table);
	}
}

Test(frontend_table, route_is_replaced_in_place)
{
	_free_ void *buckets = NULL;
	struct frontend_table *table = table_new(ADDR_IPV6, &buckets);
	struct frontend_key key = key_of(ADDR_IPV6, 1);

	put(table, &key, 1);
	put(table, &key, 2);
	cr_expect_eq(find(table, &key), 2);
	cr_expect_eq(frontend_table_count(table), 1);
	frontend_table_free(table);
}

/* Fill it until something does not fit, then empty it: everything must be as at first. */
Test(frontend_table, full_table_refuses_and_empties_without_a_trace)
{
	uint32_t f, i, n;

	for (f = 0; f < ARRAY_SIZE(families); f++) {
		_free_ void *buckets = NULL;
		struct frontend_table *table = table_new(families[f], &buckets);
		uint32_t capacity = entries_of(families[f]), overflow = 0;
		struct frontend_key key;

		for (n = 0; n <= capacity; n++) {
			key = key_of(families[f], n);
			if (put(table, &key, 1 + n) < 0)
				break;
		}
		cr_expect_gt(n, capacity * 3 / 4, "all probes together fill most of a table");
		cr_expect_eq(put(table, &key, 1), -ENOSPC);
		for (i = 0; i < n; i++) {
			key = key_of(families[f], i);
			cr_expect_eq(find(table, &key), 1 + i);
			frontend_table_remove(table, &key);
			cr_expect_eq(find(table, &key), 0);
		}
		cr_expect_eq(frontend_table_count(table), 0);
		for (i = 0; i < N_BUCKETS; i++)
			overflow += families[f] == ADDR_IPV4
					    ? ((struct svc_bucket4 *)buckets)[i].n_overflow
					    : ((struct svc_bucket6 *)buckets)[i].n_overflow;
		cr_expect_eq(overflow, 0);
		frontend_table_free(table);
	}
}

Test(frontend_table, cleared_entry_rests_until_the_grace_period)
{
	_free_ void *buckets = NULL;
	struct frontend_table *table = table_new(ADDR_IPV4, &buckets);
	struct svc_bucket4 *bucket;
	struct frontend_key key = key_of(ADDR_IPV4, 0), other;
	struct svc_route before[SVC_BUCKET4_ENTRIES];
	uint32_t i, n;
	uint64_t word;

	put(table, &key, 7);
	memcpy(&word, &(struct svc_frontend4){key.key.addr[0], key.key.port, IPPROTO_TCP, 0},
	       sizeof(word));
	bucket = &((struct svc_bucket4 *)buckets)[svc_hash4(word, SEED) & (N_BUCKETS - 1)];
	frontend_table_remove(table, &key);
	memcpy(before, bucket->routes, sizeof(before));
	for (i = 1, n = 0; n < 20; i++, n++) {
		other = key_of(ADDR_IPV4, i);
		put(table, &other, 1000 + i);
	}
	cr_expect_eq(bucket->routes[0].slot, before[0].slot,
		     "a reader may still load the old route");
	put(table, &key, 8);
	cr_expect_eq(bucket->routes[0].slot, before[0].slot);
	frontend_table_remove(table, &key);
	frontend_table_settle(table);
	put(table, &key, 9);
	cr_expect_eq(bucket->routes[0].slot, 9);
	frontend_table_free(table);
}

Test(frontend_table, adopts_what_a_killed_agent_left)
{
	_free_ void *buckets = NULL;
	struct frontend_table *table = table_new(ADDR_IPV4, &buckets), *next = NULL;
	struct frontend_key key;
	uint32_t i, n;

	for (n = 0; n < entries_of(ADDR_IPV4) * 3 / 4; n++) {
		key = key_of(ADDR_IPV4, n);
		if (put(table, &key, 1 + n) < 0)
			break;
	}
	/* Killed between counting an overflow and publishing the key. */
	((struct svc_bucket4 *)buckets)[3].n_overflow += 2;
	frontend_table_free(table);
	cr_assert_eq(frontend_table_new(ADDR_IPV4, &window, SEED, &next), 0);
	cr_expect_eq(frontend_table_count(next), n);
	for (i = 0; i < n; i++) {
		key = key_of(ADDR_IPV4, i);
		cr_expect_eq(find(next, &key), 1 + i);
		frontend_table_remove(next, &key);
	}
	for (i = 0; i < N_BUCKETS; i++)
		cr_expect_eq(((struct svc_bucket4 *)buckets)[i].n_overflow, 0);
	frontend_table_free(next);
}

/* Against an array as the model: random puts, removals and settlings. */
Test(frontend_table, random_operations_match_an_array)
{
	static uint32_t model[N_BUCKETS * SVC_BUCKET4_ENTRIES];
	uint32_t f, step, seed = 1;

	for (f = 0; f < ARRAY_SIZE(families); f++) {
		_free_ void *buckets = NULL;
		struct frontend_table *table = table_new(families[f], &buckets);
		uint32_t limit = entries_of(families[f]) * 15 / 16, n = 0;

		memset(model, 0, sizeof(model));
		for (step = 1; step < 50000; step++) {
			uint32_t i = (seed = seed * 1664525 + 1013904223) >> 8;
			struct frontend_key key = key_of(families[f], i %= limit);

			if (seed >> 31 && !put(table, &key, step)) {
				n += !model[i];
				model[i] = step;
			} else if (!(seed >> 31)) {
				n -= !!model[i];
				frontend_table_remove(table, &key);
				model[i] = 0;
			}
			if (step % 16 == 0)
				frontend_table_settle(table);
			i = step % limit;
			key = key_of(families[f], i);
			cr_assert_eq(find(table, &key), model[i]);
		}
		cr_expect_eq(frontend_table_count(table), n);
		frontend_table_free(table);
	}
}
