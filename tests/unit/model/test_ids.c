/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/ids.h"

struct key {
	uint8_t bytes[20];
};

static struct key make_key(uint32_t n)
{
	struct key key = {{0}};

	memcpy(key.bytes + 3, &n, sizeof(n));
	return key;
}

static int get(struct ids *ids, uint32_t n, uint32_t *ret_id)
{
	struct key key = make_key(n);

	return ids_get(ids, &key, ret_id);
}

static uint32_t find(const struct ids *ids, uint32_t n)
{
	struct key key = make_key(n);

	return ids_find(ids, &key);
}

static void put(struct ids *ids, uint32_t n)
{
	struct key key = make_key(n);

	ids_put(ids, &key);
}

static struct ids *make_ids(uint32_t max, uint32_t next)
{
	struct ids *ids;

	cr_assert_eq(ids_new(max, sizeof(struct key), next, &ids), 0);
	return ids;
}

Test(ids, one_key_has_one_id_until_the_last_reference)
{
	struct ids *ids = make_ids(100, 1);
	uint32_t first, again;

	cr_assert_eq(get(ids, 7, &first), 0);
	cr_assert_eq(get(ids, 7, &again), 0);
	cr_expect_eq(first, 1);
	cr_expect_eq(again, first);
	cr_expect_eq(ids_count(ids), 1);
	put(ids, 7);
	cr_expect_eq(find(ids, 7), first);
	put(ids, 7);
	cr_expect_eq(find(ids, 7), 0);
	cr_expect_eq(ids_count(ids), 0);
	ids_free(ids);
}

Test(ids, a_free_id_is_given_again_as_late_as_possible)
{
	struct ids *ids = make_ids(3, 1);
	uint32_t id;

	for (uint32_t key = 1; key <= 9; key++) {
		cr_assert_eq(get(ids, key, &id), 0);
		cr_expect_eq(id, (key - 1) % 3 + 1);
		put(ids, key);
	}
	ids_free(ids);
}

Test(ids, search_begins_where_it_is_told)
{
	struct ids *ids = make_ids(1000, 998);
	static const uint32_t expected[] = {998, 999, 1000, 1, 2};
	uint32_t id;

	for (uint32_t key = 0; key < 5; key++) {
		cr_expect_eq(ids_next(ids), expected[key]);
		cr_assert_eq(get(ids, key, &id), 0);
		cr_expect_eq(id, expected[key]);
	}
	ids_free(ids);
}

Test(ids, a_start_out_of_range_is_the_first)
{
	struct ids *below = make_ids(10, 0), *above = make_ids(10, 11);

	cr_expect_eq(ids_next(below), 1);
	cr_expect_eq(ids_next(above), 1);
	ids_free(below);
	ids_free(above);
}

Test(ids, are_all_used_before_there_is_no_space)
{
	/* 64 and its neighbours are the edges of a bitmap word */
	static const uint32_t maxima[] = {1, 2, 63, 64, 65, 127, 128, 200};
	uint32_t id;

	for (size_t i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
		struct ids *ids = make_ids(maxima[i], maxima[i] / 2 + 1);

		for (uint32_t key = 0; key < maxima[i]; key++) {
			cr_assert_eq(get(ids, key, &id), 0, "max %u, key %u", maxima[i], key);
			cr_expect(id >= 1 && id <= maxima[i]);
		}
		cr_expect_eq(get(ids, 9999, &id), -ENOSPC);
		cr_expect_eq(find(ids, 9999), 0);
		put(ids, 0);
		cr_expect_eq(get(ids, 9999, &id), 0);
		cr_expect_eq(id, maxima[i] / 2 + 1);
		ids_free(ids);
	}
}

Test(ids, adopted_ones_are_kept_and_never_given_to_others)
{
	struct ids *ids = make_ids(5, 1);
	struct key a = make_key(1), b = make_key(2);
	uint32_t id;

	cr_expect_eq(ids_adopt(ids, &a, 2), 0);
	cr_expect_eq(ids_adopt(ids, &b, 2), -EEXIST, "the id is taken");
	cr_expect_eq(ids_adopt(ids, &a, 3), -EEXIST, "the key is taken");
	cr_expect_eq(ids_adopt(ids, &b, 0), -EEXIST, "0 is no id");
	cr_expect_eq(ids_adopt(ids, &b, 6), -EEXIST, "above the maximum");
	cr_expect_eq(find(ids, 1), 2);
	cr_assert_eq(get(ids, 10, &id), 0);
	cr_expect_eq(id, 1);
	cr_assert_eq(get(ids, 11, &id), 0);
	cr_expect_eq(id, 3);
	ids_free(ids);
}

Test(ids, putting_an_unknown_key_changes_nothing)
{
	struct ids *ids = make_ids(5, 1);
	uint32_t id;

	put(ids, 1);
	cr_assert_eq(get(ids, 1, &id), 0);
	put(ids, 2);
	cr_expect_eq(ids_count(ids), 1);
	cr_expect_eq(find(ids, 1), id);
	ids_free(ids);
	ids_free(NULL);
}

#define N_KEYS 3000

/* Random gets and puts against a plain array. */
Test(ids, stay_stable_and_unique_through_random_use)
{
	static uint32_t expected[N_KEYS], n_refs[N_KEYS], owner[N_KEYS + 1];
	struct ids *ids = make_ids(N_KEYS, 1);
	uint32_t n_used = 0;

	srandom(20261121);
	for (int step = 0; step < 200000; step++) {
		uint32_t key = (uint32_t)random() % N_KEYS;
		/* fill up in the first half, empty in the second */
		bool is_get = random() % 100 < (step < 100000 ? 60 : 40);
		uint32_t id;

		if (is_get) {
			cr_assert_eq(get(ids, key, &id), 0);
			if (n_refs[key]++ == 0) {
				cr_assert_eq(owner[id], 0, "id %u has two owners", id);
				owner[id] = key + 1;
				expected[key] = id;
				n_used++;
			}
			cr_assert_eq(id, expected[key]);
		} else if (n_refs[key] > 0) {
			put(ids, key);
			if (--n_refs[key] == 0) {
				owner[expected[key]] = 0;
				n_used--;
			}
		}
		cr_assert_eq(ids_count(ids), n_used);
		cr_assert_eq(find(ids, key), n_refs[key] ? expected[key] : 0);
	}
	for (uint32_t key = 0; key < N_KEYS; key++)
		cr_expect_eq(find(ids, key), n_refs[key] ? expected[key] : 0);
	ids_free(ids);
}
