/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/sweeper.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "svcbpf/counters.h"
#include "util/capability.h"
#include "util/cleanup.h"
#include "util/table.h"

/** struct waiting - a service port that waits for the next sweep; its list is owned. */
struct waiting {
	struct stale_udp_service service;
	UT_hash_handle hh;
};

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
	struct waiting *waiting;
	bool is_started;
	uint64_t seq;
	struct stale_udp_result result;
	uint64_t n_sweeps;
};

static void waiting_clear(struct waiting **table)
{
	struct waiting *entry, *next;

	HASH_ITER(hh, *table, entry, next) {
		HASH_DEL(*table, entry);
		free(entry->service.serving.backends);
		free(entry);
	}
}

/* Whether a socket may have found its slot taken: a sum over CPUs that only grows. */
static bool has_overflow(const struct sweeper *sweeper)
{
	const uint32_t index = SVC_COUNTER_REV_OVERFLOW;
	int n_cpus = libbpf_num_possible_cpus(), i;
	_free_ uint64_t *values = NULL;

	if (!sweeper->has_slots || n_cpus < 1)
		return true;
	values = calloc((size_t)n_cpus, sizeof(*values));
	if (!values || bpf_map_lookup_elem(sweeper->maps->fds[MAP_COUNTERS], &index, values))
		return true;
	for (i = 0; i < n_cpus; i++) {
		if (values[i])
			return true;
	}
	return false;
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

static int sweep(struct sweeper *sweeper, const struct waiting *table, uint64_t seq,
		 struct stale_udp_result *ret_result)
{
	struct stale_udp_maps maps = {
		.rev_storage_fd = sweeper->maps->fds[MAP_REV_STORAGE],
		.has_overflow = has_overflow(sweeper),
	};
	_free_ struct stale_udp_service *services =
		calloc(HASH_COUNT(table) + 1, sizeof(*services));
	_cleanup_(rev_view_close) struct rev_view view = {};
	const struct waiting *entry;
	size_t n = 0;
	int r;

	if (!services)
		return -ENOMEM;
	for (entry = table; entry; entry = entry->hh.next)
		services[n++] = entry->service;
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
	_cleanup_(waiting_clear) struct waiting *table = TAKE_PTR(sweeper->waiting);
	struct stale_udp_result result = {};
	const uint64_t seq = sweeper->seq;
	int r;

	sweeper->is_started = false;
	pthread_mutex_unlock(&sweeper->mutex);
	r = sweep(sweeper, table, seq, &result);
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
	waiting_clear(&sweeper->waiting);
	pthread_cond_signal(&sweeper->changed);
	pthread_mutex_unlock(&sweeper->mutex);
	if (sweeper->has_thread)
		pthread_join(sweeper->thread, NULL);
	pthread_cond_destroy(&sweeper->changed);
	pthread_mutex_destroy(&sweeper->mutex);
	free(sweeper);
}

static int copy_list(const struct backend_list *list, struct backend_list *ret)
{
	struct backend *copy = calloc(list->n_backends + 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (list->n_backends)
		memcpy(copy, list->backends, list->n_backends * sizeof(*copy));
	*ret = (struct backend_list){.backends = copy, .n_backends = list->n_backends};
	return 0;
}

/* The entry of @service_id, a new one if need be. Called with the mutex held. */
static struct waiting *get_entry(struct sweeper *sweeper, uint32_t service_id)
{
	struct waiting *entry;

	HASH_FIND(hh, sweeper->waiting, &service_id, sizeof(service_id), entry);
	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->service.service_id = service_id;
	HASH_ADD_KEYPTR(hh, sweeper->waiting, &entry->service.service_id, sizeof(service_id),
			entry);
	if (!TABLE_HAS(entry)) {
		free(entry);
		return NULL;
	}
	return entry;
}

int sweeper_add(struct sweeper *sweeper, uint32_t service_id, const struct backend_list *serving)
{
	struct backend_list copy;
	struct waiting *entry;
	int r;

	r = copy_list(serving, &copy);
	if (r < 0)
		return r;
	pthread_mutex_lock(&sweeper->mutex);
	sweeper->is_started = false;
	entry = get_entry(sweeper, service_id);
	if (entry) {
		free(entry->service.serving.backends);
		entry->service.serving = copy;
	}
	pthread_mutex_unlock(&sweeper->mutex);
	if (!entry)
		free(copy.backends);
	return entry ? 0 : -ENOMEM;
}

int sweeper_start(struct sweeper *sweeper, uint64_t seq)
{
	int r = 0;

	pthread_mutex_lock(&sweeper->mutex);
	if (sweeper->waiting) {
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
