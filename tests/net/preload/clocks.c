/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clocks.so - for LD_PRELOAD: this process sees CLOCK_REALTIME and CLOCK_BOOTTIME ahead of what
 * they are, as if somebody had set the clock or the host had slept. The kernel, and so timers,
 * sleeps and the times of files, know nothing of it; CLOCK_MONOTONIC stays as it is.
 *
 * TEST_CLOCKS names a file of two signed 64-bit numbers in this machine's order: seconds that
 * CLOCK_REALTIME is ahead, and CLOCK_BOOTTIME. It may be written to while the process runs.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead_s;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("TEST_CLOCKS");
	const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, 2 * sizeof(*ahead_s), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		ahead_s = map;
}

/* These take the places of the C library's, whose names for parameters begin with underscores. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	const long r = syscall(SYS_clock_gettime, clock, ret);

	if (r < 0 || !ahead_s)
		return (int)r;
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		ret->tv_sec += ahead_s[0];
	else if (clock == CLOCK_BOOTTIME)
		ret->tv_sec += ahead_s[1];
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec now = {};

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now = {};

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	ret->tv_sec = now.tv_sec;
	ret->tv_usec = now.tv_nsec / 1000;
	return 0;
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
