/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that waits for RCU grace periods, so that nobody else has to: after one, no program that
 * ran when it was asked for still runs, and what those could see may be used for something else.
 *
 * How it waits: an update of an entry of an ARRAY_OF_MAPS calls synchronize_rcu() in the kernel
 * before bpf(2) returns (kernel/bpf/syscall.c, maybe_wait_bpf_programs(), since 5.0).
 * membarrier(MEMBARRIER_CMD_GLOBAL) takes as long (Linux 6.18, 2 CPUs, idle, 100 of each in turn:
 * median 8.0 ms both, 6.8-19.4 against 7.8-16.1), but fails with EINVAL under nohz_full and does
 * nothing at all while one CPU is online.
 */
#ifndef SVCBPF_DATAPATH_GRACE_H
#define SVCBPF_DATAPATH_GRACE_H

#include <stdint.h>

struct grace;

/** grace_new() - start the thread. Return: 0; -ENOMEM; negative errno of bpf(2). */
int grace_new(struct grace **ret);

/** grace_free() - end the thread; waits for a grace period under way. NULL is fine. */
void grace_free(struct grace *grace);

/**
 * grace_request() - what was unlinked until now comes free with number @seq.
 * @seq: larger than all before. Does not block.
 */
void grace_request(struct grace *grace, uint64_t seq);

/** grace_wait() - block until number @seq, which was requested, has passed. */
void grace_wait(struct grace *grace, uint64_t seq);

/** grace_done() - the last number that has passed; makes grace_fd() unreadable until the next. */
uint64_t grace_done(struct grace *grace);

/** grace_fd() - readable when another number has passed; borrowed. */
int grace_fd(const struct grace *grace);

#endif
