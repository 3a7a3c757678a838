/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "datapath/extents.h"

Test(extents, gives_out_all_and_no_more)
{
	struct extents *extents;
	uint32_t base;

	cr_assert_eq(extents_new(100, &extents), 0);
	cr_assert_eq(extents_alloc(extents, 60, &base), 0);
	cr_assert_eq(base, 0);
	cr_assert_eq(extents_alloc(extents, 41, &base), -ENOSPC);
	cr_assert_eq(extents_alloc(extents, 40, &base), 0);
	cr_assert_eq(base, 60);
	cr_assert_eq(extents_n_free(extents), 0);
	cr_assert_eq(extents_alloc(extents, 1, &base), -ENOSPC);
	cr_assert_eq(extents_alloc(extents, 0, &base), -ENOSPC);
	extents_free(extents);
}

Test(extents, neighbours_given_back_are_one_run_again)
{
	struct extents *extents;
	uint32_t base, i;

	cr_assert_eq(extents_new(256, &extents), 0);
	for (i = 0; i < 8; i++)
		cr_assert_eq(extents_alloc(extents, 32, &base), 0);
	extents_release(extents, 32, 32);
	extents_release(extents, 96, 32);
	cr_assert_eq(extents_alloc(extents, 64, &base), -ENOSPC, "64 free, not side by side");
	extents_release(extents, 64, 32);
	cr_assert_eq(extents_alloc(extents, 96, &base), 0);
	cr_assert_eq(base, 32);
	extents_free(extents);
}

Test(extents, adopts_what_is_free_only)
{
	struct extents *extents;
	uint32_t base;

	cr_assert_eq(extents_new(200, &extents), 0);
	cr_assert_eq(extents_adopt(extents, 10, 130), 0);
	cr_assert_eq(extents_adopt(extents, 139, 1), -EEXIST);
	cr_assert_eq(extents_adopt(extents, 0, 11), -EEXIST);
	cr_assert_eq(extents_adopt(extents, 190, 11), -ERANGE);
	cr_assert_eq(extents_adopt(extents, UINT32_MAX, 2), -ERANGE);
	cr_assert_eq(extents_adopt(extents, 5, 0), 0);
	cr_assert_eq(extents_n_free(extents), 70, "what failed took nothing");
	cr_assert(extents_is_used(extents, 139));
	cr_assert_not(extents_is_used(extents, 140));
	cr_assert(extents_is_used(extents, 200), "beyond the end");
	cr_assert_eq(extents_alloc(extents, 11, &base), 0);
	cr_assert_eq(base, 140);
	cr_assert_eq(extents_alloc(extents, 10, &base), 0);
	cr_assert_eq(base, 0);
	extents_free(extents);
}

/* Against the simplest model there is: an array of flags. */
Test(extents, agrees_with_a_plain_array)
{
	enum { SIZE = 777, ROUNDS = 20000 };
	static bool used[SIZE];
	static struct {
		uint32_t base, count;
	} held[SIZE];
	uint32_t n_held = 0, n_free = SIZE, base, count, i, j, longest, run;
	uint64_t seed = 88172645463325252ull;
	struct extents *extents;
	int r;

	cr_assert_eq(extents_new(SIZE, &extents), 0);
	for (i = 0; i < ROUNDS; i++) {
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		if (n_held && seed >> 40 & 1) {
			j = (uint32_t)(seed >> 8) % n_held;
			extents_release(extents, held[j].base, held[j].count);
			memset(&used[held[j].base], 0, held[j].count);
			n_free += held[j].count;
			held[j] = held[--n_held];
			continue;
		}
		count = 1 + (uint32_t)(seed >> 8) % (seed >> 50 & 1 ? 200 : 8);
		for (j = longest = run = 0; j < SIZE; j++) {
			run = used[j] ? 0 : run + 1;
			longest = run > longest ? run : longest;
		}
		r = extents_alloc(extents, count, &base);
		cr_assert_eq(r, longest >= count ? 0 : -ENOSPC);
		if (r < 0)
			continue;
		for (j = base; j < base + count; j++) {
			cr_assert(j < SIZE && !used[j]);
			used[j] = true;
		}
		n_free -= count;
		held[n_held].base = base;
		held[n_held++].count = count;
		cr_assert_eq(extents_n_free(extents), n_free);
	}
	cr_assert_gt(n_held, 0);
	extents_free(extents);
}

Test(extents, allocation_from_a_place_goes_round)
{
	struct extents *extents;
	uint32_t index, i;

	cr_assert_eq(extents_new(130, &extents), 0);
	cr_assert_eq(extents_adopt(extents, 0, 1), 0);
	for (i = 0; i < 129; i++) {
		cr_assert_eq(extents_alloc_from(extents, 100 + i, &index), 0);
		cr_assert_eq(index, i < 30 ? 100 + i : i - 29, "%u", i);
	}
	cr_assert_eq(extents_alloc_from(extents, 5, &index), -ENOSPC);
	extents_release(extents, 7, 1);
	cr_assert_eq(extents_alloc_from(extents, UINT32_MAX, &index), 0);
	cr_assert_eq(index, 7);
	cr_assert_eq(extents_n_free(extents), 0);
	extents_free(extents);
}
