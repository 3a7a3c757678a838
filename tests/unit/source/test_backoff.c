/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "source/backoff.h"

#define ROUNDS 2000

/** struct range - the shortest and longest of many. */
struct range {
	uint64_t min;
	uint64_t max;
};

/* The wait after the failure number @n, many times. */
static struct range waits(uint32_t n, uint64_t cap_ms, int64_t retry_after_s)
{
	struct range range = {.min = UINT64_MAX};

	for (int i = 0; i < ROUNDS; i++) {
		struct backoff backoff = {.n_failures = n - 1};
		uint64_t wait = backoff_next_ms(&backoff, cap_ms, retry_after_s);

		range.min = wait < range.min ? wait : range.min;
		range.max = wait > range.max ? wait : range.max;
	}
	return range;
}

/* Full jitter: from nothing up to the limit, which doubles. */
Test(backoff, doubles_up_to_the_cap)
{
	static const uint64_t limits[] = {800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};

	for (uint32_t n = 1; n <= 8; n++) {
		struct range range = waits(n, BACKOFF_CAP_MS, -1);

		cr_expect_leq(range.max, limits[n - 1], "failure %u: %lu", n, range.max);
		cr_expect_geq(range.max, limits[n - 1] * 9 / 10, "failure %u: %lu", n, range.max);
		cr_expect_leq(range.min, limits[n - 1] / 10, "failure %u: %lu", n, range.min);
	}
	cr_expect_leq(waits(UINT32_MAX, BACKOFF_CAP_MS, -1).max, 30000);
	cr_expect_leq(waits(9, 2500, -1).max, 2500);
	cr_expect_leq(waits(1, 20, -1).max, 20);
}

Test(backoff, does_what_the_server_asks)
{
	struct range range = waits(9, 1000, 7);

	cr_expect_geq(range.min, 7000);
	cr_expect_leq(range.max, 7000 + BACKOFF_BASE_MS);
	cr_expect_gt(range.max, 7000 + BACKOFF_BASE_MS / 2);
	cr_expect_leq(waits(1, 1000, 0).max, BACKOFF_BASE_MS);
	cr_expect_leq(waits(1, 1000, INT64_MAX).max,
		      BACKOFF_RETRY_AFTER_MAX_S * 1000 + BACKOFF_BASE_MS);
}

Test(backoff, begins_anew_after_a_success)
{
	struct backoff backoff = {};

	for (int i = 0; i < 10; i++)
		backoff_next_ms(&backoff, BACKOFF_CAP_MS, -1);
	backoff_reset(&backoff);
	cr_expect_leq(backoff_next_ms(&backoff, BACKOFF_CAP_MS, -1), BACKOFF_BASE_MS);
}
