/* SPDX-License-Identifier: Apache-2.0 */
/* The time as one number. */
#ifndef SVCBPF_UTIL_CLOCK_H
#define SVCBPF_UTIL_CLOCK_H

#include <stdint.h>
#include <time.h>

/** clock_now_ns() - nanoseconds of @clock: CLOCK_MONOTONIC, or CLOCK_REALTIME since the epoch. */
static inline uint64_t clock_now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/** clock_now_ms() - milliseconds of CLOCK_MONOTONIC. */
static inline uint64_t clock_now_ms(void)
{
	return clock_now_ns(CLOCK_MONOTONIC) / 1000000u;
}

#endif
