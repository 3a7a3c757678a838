/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/grace.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <time.h>

#include "util/capability.h"
#include "util/cleanup.h"

#define RETRY_S 1

/**
 * struct grace - @mutex guards what is below it; @changed tells every change of that.
 * @outer_fd: the ARRAY_OF_MAPS.  @inner_fd: what is stored in it, again and again.
 */
struct grace {
	int outer_fd;
	int inner_fd;
	int event_fd;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	uint64_t requested;
	uint64_t done;
	bool is_ending;
};

static int synchronize(const struct grace *grace)
{
	const uint32_t index = 0;

	return bpf_map_update_elem(grace->outer_fd, &index, &grace->inner_fd, BPF_ANY);
}

/* The update of an existing array entry cannot fail; should it, it is tried again every second. */
static void pause_until_retry(struct grace *grace)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RETRY_S;
	pthread_cond_timedwait(&grace->changed, &grace->mutex, &until);
}

/* bpf(2) is all it calls. A failure leaves it with more than it needs, not with less. */
static void keep_capabilities(void)
{
	const int kept = capability_has(CAP_BPF) ? CAP_BPF : CAP_SYS_ADMIN;

	(void)capability_keep(&kept, 1);
}

static void *run(void *arg)
{
	struct grace *grace = arg;
	const uint64_t one = 1;
	uint64_t seq;
	int r;

	pthread_setname_np(pthread_self(), "svcbpf-grace");
	keep_capabilities();
	pthread_mutex_lock(&grace->mutex);
	while (!grace->is_ending) {
		if (grace->done == grace->requested) {
			pthread_cond_wait(&grace->changed, &grace->mutex);
			continue;
		}
		seq = grace->requested;
		pthread_mutex_unlock(&grace->mutex);
		r = synchronize(grace);
		pthread_mutex_lock(&grace->mutex);
		if (r < 0) {
			pause_until_retry(grace);
			continue;
		}
		grace->done = seq;
		pthread_cond_broadcast(&grace->changed);
		if (write(grace->event_fd, &one, sizeof(one)) < 0)
			continue; /* the counter is at its end: readable anyway */
	}
	pthread_mutex_unlock(&grace->mutex);
	return NULL;
}

static int make_maps(struct grace *grace)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);

	grace->inner_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "grace_inner", sizeof(uint32_t),
					 sizeof(uint32_t), 1, NULL);
	if (grace->inner_fd < 0)
		return grace->inner_fd;
	opts.inner_map_fd = (uint32_t)grace->inner_fd;
	grace->outer_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "grace", sizeof(uint32_t),
					 sizeof(uint32_t), 1, &opts);
	if (grace->outer_fd < 0)
		return grace->outer_fd;
	grace->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return grace->event_fd < 0 ? -errno : 0;
}

/* Signals are for the main thread. */
static int start_thread(struct grace *grace)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&grace->thread, NULL, run, grace);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	grace->has_thread = !r;
	return r;
}

int grace_new(struct grace **ret)
{
	struct grace *grace = calloc(1, sizeof(*grace));
	pthread_condattr_t attr;
	int r;

	if (!grace)
		return -ENOMEM;
	grace->outer_fd = grace->inner_fd = grace->event_fd = -1;
	pthread_mutex_init(&grace->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&grace->changed, &attr);
	pthread_condattr_destroy(&attr);
	r = make_maps(grace);
	if (!r)
		r = start_thread(grace);
	if (r < 0) {
		grace_free(grace);
		return r;
	}
	*ret = grace;
	return 0;
}

void grace_free(struct grace *grace)
{
	if (!grace)
		return;
	if (grace->has_thread) {
		pthread_mutex_lock(&grace->mutex);
		grace->is_ending = true;
		pthread_cond_broadcast(&grace->changed);
		pthread_mutex_unlock(&grace->mutex);
		pthread_join(grace->thread, NULL);
	}
	pthread_cond_destroy(&grace->changed);
	pthread_mutex_destroy(&grace->mutex);
	cleanup_close(&grace->outer_fd);
	cleanup_close(&grace->inner_fd);
	cleanup_close(&grace->event_fd);
	free(grace);
}

void grace_request(struct grace *grace, uint64_t seq)
{
	pthread_mutex_lock(&grace->mutex);
	grace->requested = seq;
	pthread_cond_broadcast(&grace->changed);
	pthread_mutex_unlock(&grace->mutex);
}

void grace_wait(struct grace *grace, uint64_t seq)
{
	pthread_mutex_lock(&grace->mutex);
	while (grace->done < seq && !grace->is_ending)
		pthread_cond_wait(&grace->changed, &grace->mutex);
	pthread_mutex_unlock(&grace->mutex);
}

uint64_t grace_done(struct grace *grace)
{
	uint64_t done, n_events;

	pthread_mutex_lock(&grace->mutex);
	if (read(grace->event_fd, &n_events, sizeof(n_events)) < 0)
		n_events = 0; /* nothing new: not an error */
	done = grace->done;
	pthread_mutex_unlock(&grace->mutex);
	return done;
}

int grace_fd(const struct grace *grace)
{
	return grace->event_fd;
}
