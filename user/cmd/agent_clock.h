/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices that somebody has set this host's clock, or that the host was asleep.
 *
 * All that waits, expires or is limited here goes by CLOCK_MONOTONIC, in the BPF programs too, so
 * neither can make it hang or hurry: session affinity, flows, retries and health do not age while
 * the host sleeps, as with the kernel's conntrack. CLOCK_REALTIME only says when something was: in
 * the log, in `svcbpf status`, in metrics, Events and the snapshot. But connections to the API
 * server seldom outlive a sleep, and are not heard to be dead for 90 s.
 */
#ifndef SVCBPF_CMD_AGENT_CLOCK_H
#define SVCBPF_CMD_AGENT_CLOCK_H

#include <stdint.h>

/** AGENT_CLOCK_MIN_NS - what is less is the clock being trimmed, or a busy machine. */
#define AGENT_CLOCK_MIN_NS 5000000000ll

/** struct agent_clock - how far the clocks were apart at the last look. */
struct agent_clock {
	int64_t realtime_ahead_ns;
	int64_t boottime_ahead_ns;
};

/**
 * struct agent_clock_jump - what has happened since the last look; 0: nothing.
 * @set_ns: the clock was set forward, or back (negative).
 * @slept_ns: the host was suspended for so long.
 */
struct agent_clock_jump {
	int64_t set_ns;
	int64_t slept_ns;
};

/** agent_clock_begin() - the first look. */
void agent_clock_begin(struct agent_clock *clock);

/** agent_clock_look() - another one. */
struct agent_clock_jump agent_clock_look(struct agent_clock *clock);

#endif
