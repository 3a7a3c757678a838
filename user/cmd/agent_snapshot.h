/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the last state of the API is written to --state-dir: after the first complete list, then at
 * most every 30 s when something has changed, every 10 minutes otherwise while the API is there (so
 * that the file says how old its state really is), and at a clean stop.
 *
 * Encoding is done at once, in the event loop: 10,000 Services x 25 endpoints take 18 ms (2.9 MB).
 * The wait until the next grows with that, to keep it below 0.05 % of the time. Writing is done by
 * a thread: no disk can stop the loop.
 */
#ifndef SVCBPF_CMD_AGENT_SNAPSHOT_H
#define SVCBPF_CMD_AGENT_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

struct agent_snapshot;
struct event_base;
struct model;

/**
 * struct agent_snapshot_options - how to make one; all is borrowed and must outlive it.
 * @dir: --state-dir; "": nothing is ever written.
 * @interval_ms: 0: the usual 30 s.
 */
struct agent_snapshot_options {
	struct event_base *base;
	const char *dir;
	const struct model *model;
	uint32_t interval_ms;
};

/**
 * struct agent_snapshot_state - for status and metrics.
 * @saved_s: CLOCK_REALTIME of the state that this agent has written last; 0: none yet.
 * @len_bytes: of that file.
 * @n_written, @n_failed: files since the start.
 * @error: of the last attempt, negative errno; 0: it worked.
 * @encode_us: time the last encoding took.
 */
struct agent_snapshot_state {
	int64_t saved_s;
	uint64_t len_bytes;
	uint64_t n_written;
	uint64_t n_failed;
	int error;
	uint32_t encode_us;
};

/**
 * agent_snapshot_new() - nothing is written yet.
 * Return: 0 (*@ret is NULL with an empty dir); -ENOMEM; errors of eventfd(2). Free with
 * agent_snapshot_free().
 */
int agent_snapshot_new(const struct agent_snapshot_options *options, struct agent_snapshot **ret);

/**
 * agent_snapshot_changed() - the model is complete and as the API says, and differs from before:
 * each time the API has told something, not when a snapshot has, and whether or not the datapath
 * could take it. NULL is fine.
 *
 * Failures are logged: a warning with the first, one line when it works again.
 */
void agent_snapshot_changed(struct agent_snapshot *snapshot);

/** agent_snapshot_contact() - the model is as the API says now; cheap. NULL is fine. */
void agent_snapshot_contact(struct agent_snapshot *snapshot);

/**
 * agent_snapshot_stop() - write what is not written yet; waits 2 s for the disk at most. Call it
 * when the event loop has ended, before the model is freed. NULL is fine.
 */
void agent_snapshot_stop(struct agent_snapshot *snapshot);

/** agent_snapshot_state() - how it is. @ret: all 0 for NULL. */
void agent_snapshot_state(const struct agent_snapshot *snapshot, struct agent_snapshot_state *ret);

/** agent_snapshot_age_s() - how old the written state is; -1: none was written. NULL is fine. */
int64_t agent_snapshot_age_s(const struct agent_snapshot *snapshot);

/** agent_snapshot_free() - waits for nothing: a write under way goes on by itself. NULL is fine. */
void agent_snapshot_free(struct agent_snapshot *snapshot);

#endif
