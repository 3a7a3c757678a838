/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that is set, and a host that sleeps. */
#include <criterion/criterion.h>
#include <errno.h>
#include <time.h>

#include "cmd/agent_clock.h"
#include "util/cleanup.h"

#define NS_PER_S INT64_C(1000000000)

/* What the three clocks say, in seconds. */
static int64_t monotonic_s, realtime_s, boottime_s;

/* Takes the place of the C library's, whose names for these begin with underscores. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	switch (clock) {
	case CLOCK_MONOTONIC:
		ret->tv_sec = monotonic_s;
		break;
	case CLOCK_REALTIME:
		ret->tv_sec = realtime_s;
		break;
	case CLOCK_BOOTTIME:
		ret->tv_sec = boottime_s;
		break;
	default:
		errno = EINVAL;
		return -1;
	}
	ret->tv_nsec = 0;
	return 0;
}

/** struct jump_case - how far each clock goes on between two looks, and what that means. */
struct jump_case {
	int64_t monotonic_s;
	int64_t realtime_s;
	int64_t boottime_s;
	int64_t set_s;
	int64_t slept_s;
};

static const struct jump_case cases[] = {
	{10, 10, 10, 0, 0},
	{0, 0, 0, 0, 0},
	{10, 14, 10, 0, 0},			   /* trimmed, or a busy machine */
	{10, 6, 10, 0, 0},			   /* the same backwards */
	{10, 3610, 10, 3600, 0},		   /* set forward */
	{10, -86390, 10, -86400, 0},		   /* set back */
	{10, 10 - 1790000000, 10, -1790000000, 0}, /* to 1970 */
	{10, 10 + 2000000000, 10, 2000000000, 0},  /* to 2090 */
	{10, 7210, 7210, 0, 7200},		   /* asleep */
	{10, 12, 12, 0, 0},			   /* a nap */
	{10, 10, 7210, -7200, 7200},		   /* asleep, and set back to when that began */
	{10, 10810, 7210, 3600, 7200},		   /* asleep, and set forward */
	{100000, 100000, 100000, 0, 0},		   /* nobody looked for long */
};

Test(agent_clock, tells_a_set_clock_from_a_sleep)
{
	struct agent_clock clock;

	monotonic_s = 1000;
	boottime_s = 1500;
	realtime_s = 1790000000;
	agent_clock_begin(&clock);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct agent_clock_jump jump;

		monotonic_s += cases[i].monotonic_s;
		realtime_s += cases[i].realtime_s;
		boottime_s += cases[i].boottime_s;
		jump = agent_clock_look(&clock);
		cr_expect_eq(jump.set_ns, cases[i].set_s * NS_PER_S, "case %zu: set %lld", i,
			     (long long)jump.set_ns);
		cr_expect_eq(jump.slept_ns, cases[i].slept_s * NS_PER_S, "case %zu: slept %lld", i,
			     (long long)jump.slept_ns);
		/* it is told once */
		jump = agent_clock_look(&clock);
		cr_expect_eq(jump.set_ns, 0);
		cr_expect_eq(jump.slept_ns, 0);
		realtime_s = 1790000000 + monotonic_s;
		agent_clock_begin(&clock);
	}
}
