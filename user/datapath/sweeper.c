/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/sweeper.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "datapath/counter.h"
#include "datapath/serving_lists.h"
#include "svcbpf/counters.h"
#include "util/capability.h"
#include "util/cleanup.h"

/**
 * struct sweeper - @mutex guards what is below it; @changed tells the thread to look.
 * @has_thread: @thread is to be joined.  @is_running: it will look at @waiting again.
 * @is_started: what waits is complete and shall be swept after grace period @seq.
 * @is_ending: the thread shall end.
 */
struct sweeper {
	struct grace *grace;
	const struct maps *maps;
	bool has_slots;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool is_running;
	bool is_ending;
	struct serving_lists waiting;
	bool is_started;
	uint64_t seq;
	struct stale_udp_result result;
	uint64_t n_sweeps;
};

/* Whether a socket may have found its slot taken. */
static bool has_overflow(const struct sweeper *sweeper)
{
	uint64_t n;

	return !sweeper->has_slots ||
	       counter_read(sweeper->maps, SVC_COUNTER_REV_OVERFLOW, &n) < 0 || n;
}

/**
 * struct rev_view - the slots and their owners, mapped for one sweep; in whole, as this is another
 * thread than the agent's.
 */
struct rev_view {
	struct map_window owners;
	struct map_window slots;
};

static void rev_view_close(struct rev_view *view)
{
	map_window_close(&view->owners);
	map_window_close(&view->slots);
}

static int rev_view_open(const struct sweeper *sweeper, struct rev_view *view,
			 struct stale_udp_maps *ret_maps)
{
	const int *fds = sweeper->maps->fds;
	int r;

	r = map_window_open(fds[MAP_REV_OWNERS], PROT_READ, sizeof(uint64_t), SVC_REV_SLOTS, 0,
			    &view->owners);
	if (!r)
		r = map_window_open(fds[MAP_REV_SLOTS], PROT_READ, sizeof(struct svc_rev),
				    SVC_REV_SLOTS, 0, &view->slots);
	if (r < 0)
		return r;
	ret_maps->rev_owners = map_window_at(&view->owners, 0);
	ret_maps->rev_slots = map_window_at(&view->slots, 0);
	return 0;
}

static int sweep(struct sweeper *sweeper, const struct serving_lists *lists, uint64_t seq,
		 struct stale_udp_result *ret_result)
{
	struct stale_udp_maps maps = {
		.rev_storage_fd = sweeper->maps->fds[MAP_REV_STORAGE],
		.has_overflow = has_overflow(sweeper),
	};
	_cleanup_(rev_view_close) struct rev_view view = {};
	_free_ struct stale_udp_service *services = NULL;
	size_t n;
	int r;

	r = serving_lists_array(lists, &services, &n);
	if (r < 0)
		return r;
	grace_wait(sweeper->grace, seq);
	r = sweeper->has_slots ? rev_view_open(sweeper, &view, &maps) : 0;
	if (r < 0)
		return r;
	return stale_udp_sweep(&maps, services, n, ret_result);
}

static void add_result(struct sweeper *sweeper, int r, const struct stale_udp_result *result)
{
	struct stale_udp_result *total = &sweeper->result;

	sweeper->n_sweeps++;
	total->n_destroyed += result->n_destroyed;
	total->n_failed += result->n_failed;
	total->last_error = r < 0 ? r : result->last_error;
	total->n_namespaces = result->n_namespaces;
	total->n_unreachable = result->n_unreachable;
	total->is_own_only = result->is_own_only;
}

/* Sweep what waits. Called with the mutex held, gives it up meanwhile. */
static int sweep_waiting(struct sweeper *sweeper)
{
	_cleanup_(serving_lists_clear) struct serving_lists lists = sweeper->waiting;
	struct stale_udp_result result = {};
	const uint64_t seq = sweeper->seq;
	int r;

	sweeper->waiting = (struct serving_lists){};
	sweeper->is_started = false;
	pthread_mutex_unlock(&sweeper->mutex);
	r = sweep(sweeper, &lists, seq, &result);
	pthread_mutex_lock(&sweeper->mutex);
	add_result(sweeper, r, &result);
	return r;
}

/*
 * This thread alone goes into other network namespaces: it keeps what that takes when the main
 * thread gives it up. A failure leaves it with more than it needs, not with less.
 */
static void keep_capabilities(void)
{
	static const int kept[] = {CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_NET_ADMIN, CAP_BPF,
				   CAP_PERFMON};

	(void)capability_keep(kept, ARRAY_SIZE(kept));
}

static void *run(void *arg)
{
	struct sweeper *sweeper = arg;
	int r = 0;

	pthread_setname_np(pthread_self(), "svcbpf-sweeper");
	keep_capabilities();
	pthread_mutex_lock(&sweeper->mutex);
	/* -ENOTRECOVERABLE: this thread is in a foreign namespace; another one takes over. */
	while (!sweeper->is_ending && r != -ENOTRECOVERABLE) {
		if (sweeper->is_started)
			r = sweep_waiting(sweeper);
		else
			pthread_cond_wait(&sweeper->changed, &sweeper->mutex);
	}
	sweeper->is_running = false;
	pthread_mutex_unlock(&sweeper->mutex);
	return NULL;
}

/* Signals are for the main thread. Called with the mutex held, or before anybody else has it. */
static int start_thread(struct sweeper *sweeper)
{
	sigset_t all, old;
	int r;

	if (sweeper->has_thread)
		pthread_join(sweeper->thread, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&sweeper->thread, NULL, run, sweeper);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	sweeper->has_thread = sweeper->is_running = !r;
	return r;
}

int sweeper_new(struct grace *grace, const struct maps *maps, bool has_slots, struct sweeper **ret)
{
	struct sweeper *sweeper = calloc(1, sizeof(*sweeper));
	int r;

	if (!sweeper)
		return -ENOMEM;
	sweeper->grace = grace;
	sweeper->maps = maps;
	sweeper->has_slots = has_slots;
	pthread_mutex_init(&sweeper->mutex, NULL);
	pthread_cond_init(&sweeper->changed, NULL);
	r = start_thread(sweeper);
	if (r < 0) {
		sweeper_free(sweeper);
		return r;
	}
	*ret = sweeper;
	return 0;
}

void sweeper_free(struct sweeper *sweeper)
{
	if (!sweeper)
		return;
	pthread_mutex_lock(&sweeper->mutex);
	sweeper->is_started = false;
	sweeper->is_ending = true;
	serving_lists_clear(&sweeper->waiting);
	pthread_cond_signal(&sweeper->changed);
	pthread_mutex_unlock(&sweeper->mutex);
	if (sweeper->has_thread)
		pthread_join(sweeper->thread, NULL);
	pthread_cond_destroy(&sweeper->changed);
	pthread_mutex_destroy(&sweeper->mutex);
	free(sweeper);
}

int sweeper_add(struct sweeper *sweeper, uint32_t service_id, const struct backend_list *serving)
{
	int r;

	pthread_mutex_lock(&sweeper->mutex);
	sweeper->is_started = false;
	r = serving_lists_put(&sweeper->waiting, service_id, serving);
	pthread_mutex_unlock(&sweeper->mutex);
	return r;
}

int sweeper_start(struct sweeper *sweeper, uint64_t seq)
{
	int r = 0;

	pthread_mutex_lock(&sweeper->mutex);
	if (sweeper->waiting.table) {
		sweeper->seq = seq;
		sweeper->is_started = true;
		pthread_cond_signal(&sweeper->changed);
		if (!sweeper->is_running)
			r = start_thread(sweeper);
	}
	pthread_mutex_unlock(&sweeper->mutex);
	return r;
}

uint64_t sweeper_result(struct sweeper *sweeper, struct stale_udp_result *ret_result)
{
	uint64_t n_sweeps;

	pthread_mutex_lock(&sweeper->mutex);
	*ret_result = sweeper->result;
	n_sweeps = sweeper->n_sweeps;
	pthread_mutex_unlock(&sweeper->mutex);
	return n_sweeps;
}
