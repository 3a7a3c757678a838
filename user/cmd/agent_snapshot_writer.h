/* SPDX-License-Identifier: Apache-2.0 */
/* One write of a snapshot, in a thread; private to user/cmd/agent_snapshot*.c. */
#ifndef SVCBPF_CMD_AGENT_SNAPSHOT_WRITER_H
#define SVCBPF_CMD_AGENT_SNAPSHOT_WRITER_H

#include <stddef.h>

struct snapshot_writer_job;

/**
 * snapshot_writer_start() - begin to write @data to @dir.
 * @dir: copied.  @data: of malloc(3), taken over, also on failure.
 * @event_fd: an eventfd that is written to at the end; borrowed for the call.
 * Return: 0; -ENOMEM; negative errno of dup(2) and pthread_create(3).
 */
int snapshot_writer_start(const char *dir, void *data, size_t len, int event_fd,
			  struct snapshot_writer_job **ret);

/**
 * snapshot_writer_finish() - wait for the end and free the job.
 * @timeout_ms: for how long at most; after that the write goes on without anybody knowing.
 * Return: what snapshot_write() returned; -ETIMEDOUT.
 */
int snapshot_writer_finish(struct snapshot_writer_job *job, int timeout_ms);

#endif
