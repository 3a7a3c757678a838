/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/agent_clock.h"

#include <time.h>

#include "util/clock.h"

/* Source: clock_gettime(2): only CLOCK_BOOTTIME and CLOCK_REALTIME go on while the host sleeps. */
void agent_clock_begin(struct agent_clock *clock)
{
	const int64_t monotonic_ns = (int64_t)clock_now_ns(CLOCK_MONOTONIC);

	clock->realtime_ahead_ns = (int64_t)clock_now_ns(CLOCK_REALTIME) - monotonic_ns;
	clock->boottime_ahead_ns = (int64_t)clock_now_ns(CLOCK_BOOTTIME) - monotonic_ns;
}

static int64_t if_large(int64_t ns)
{
	return ns > -AGENT_CLOCK_MIN_NS && ns < AGENT_CLOCK_MIN_NS ? 0 : ns;
}

struct agent_clock_jump agent_clock_look(struct agent_clock *clock)
{
	const struct agent_clock before = *clock;
	int64_t slept_ns;

	agent_clock_begin(clock);
	slept_ns = clock->boottime_ahead_ns - before.boottime_ahead_ns;
	return (struct agent_clock_jump){
		.set_ns = if_large(clock->realtime_ahead_ns - before.realtime_ahead_ns - slept_ns),
		.slept_ns = if_large(slept_ns),
	};
}
