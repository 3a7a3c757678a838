/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/agent_snapshot_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "source/snapshot.h"
#include "util/cleanup.h"

#define NS_PER_MS 1000000
#define NS_PER_S  1000000000

/**
 * struct snapshot_writer_job - belongs to both threads until one is done with it.
 * @is_left: set by the first of the two that is done; the second frees the job.
 */
struct snapshot_writer_job {
	char *dir;
	void *data;
	size_t len;
	int event_fd;
	int result;
	bool is_left;
	pthread_t thread;
};

static void job_free(struct snapshot_writer_job *job)
{
	cleanup_close(&job->event_fd);
	free(job->dir);
	free(job->data);
	free(job);
}

static void job_freep(struct snapshot_writer_job **job)
{
	if (*job)
		job_free(*job);
}

/* One of the two needs the job no longer. */
static void job_leave(struct snapshot_writer_job *job)
{
	if (__atomic_exchange_n(&job->is_left, true, __ATOMIC_ACQ_REL))
		job_free(job);
}

static void *run(void *arg)
{
	struct snapshot_writer_job *job = arg;
	const uint64_t one = 1;

	job->result = snapshot_write(job->dir, job->data, job->len);
	if (write(job->event_fd, &one, sizeof(one)) < 0)
		job->result = -errno; /* cannot be: the counter is never full */
	job_leave(job);
	return NULL;
}

/* Signals are for the main thread. */
static int start_thread(struct snapshot_writer_job *job)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&job->thread, NULL, run, job);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

int snapshot_writer_start(const char *dir, void *data, size_t len, int event_fd,
			  struct snapshot_writer_job **ret)
{
	_cleanup_(job_freep) struct snapshot_writer_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job) {
		free(data);
		return -ENOMEM;
	}
	job->data = data;
	job->len = len;
	job->event_fd = fcntl(event_fd, F_DUPFD_CLOEXEC, 0);
	if (job->event_fd < 0)
		return -errno;
	job->dir = strdup(dir);
	if (!job->dir)
		return -ENOMEM;
	r = start_thread(job);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(job);
	return 0;
}

int snapshot_writer_finish(struct snapshot_writer_job *job, int timeout_ms)
{
	struct timespec until;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * NS_PER_MS;
	if (until.tv_nsec >= NS_PER_S) {
		until.tv_sec++;
		until.tv_nsec -= NS_PER_S;
	}
	r = -pthread_clockjoin_np(job->thread, NULL, CLOCK_MONOTONIC, &until);
	if (r < 0)
		pthread_detach(job->thread);
	else
		r = job->result;
	job_leave(job);
	return r;
}
