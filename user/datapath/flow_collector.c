/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/flow_collector.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datapath/counter.h"
#include "datapath/flow_account.h"
#include "datapath/ip_forwarding.h"
#include "datapath/serving_lists.h"
#include "svcbpf/counters.h"
#include "util/capability.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull

/*
 * After a batch of entries the thread rests this many times as long as that took, at least and at
 * most so long: a twentieth of a CPU, and a walk that ends.
 */
#define REST_FACTOR 19
#define REST_MIN_NS (1 * NS_PER_MS)
#define REST_MAX_NS (100 * NS_PER_MS)

/**
 * struct flow_collector - @mutex guards what is below it; @changed tells the thread to look.
 * @batch_ns: CLOCK_MONOTONIC when the batch under way began.  What stands from here to @mutex is
 *	the thread's own.
 * @n_exhausted_first: that counter as the thread began.
 * @n_expired_early: deleted by walks that did not come to their end.
 * @report: what svc_meta.flows has.
 * @unchecked: service ports that a walk which failed was to look through.
 * @checks: service ports for the next walk, once grace period @seq has passed if @is_started.
 */
struct flow_collector {
	struct flow_collector_options options;
	pthread_t thread;
	bool has_thread;
	uint64_t batch_ns;
	uint64_t n_exhausted_first;
	uint64_t n_expired_early;
	struct flow_account account;
	struct svc_flow_report report;
	struct serving_lists unchecked;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool is_ending;
	bool is_started;
	uint64_t seq;
	struct serving_lists checks;
	struct flow_numbers numbers;
};

/* Rest until @until_ns of CLOCK_MONOTONIC, or until there is news. Called with the mutex held. */
static void wait_until(struct flow_collector *collector, uint64_t until_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / NS_PER_S),
		.tv_nsec = (long)(until_ns % NS_PER_S),
	};

	pthread_cond_timedwait(&collector->changed, &collector->mutex, &until);
}

/* Between two batches. Return: 0; -ECANCELED: the thread shall end. */
static int rest(void *arg)
{
	struct flow_collector *collector = arg;
	const uint64_t now_ns = clock_now_ns(CLOCK_MONOTONIC);
	uint64_t rest_ns = (now_ns - collector->batch_ns) * REST_FACTOR;
	bool is_ending;

	if (rest_ns < REST_MIN_NS)
		rest_ns = REST_MIN_NS;
	if (rest_ns > REST_MAX_NS)
		rest_ns = REST_MAX_NS;
	pthread_mutex_lock(&collector->mutex);
	while (!collector->is_ending && clock_now_ns(CLOCK_MONOTONIC) < now_ns + rest_ns)
		wait_until(collector, now_ns + rest_ns);
	is_ending = collector->is_ending;
	pthread_mutex_unlock(&collector->mutex);
	collector->batch_ns = clock_now_ns(CLOCK_MONOTONIC);
	return is_ending ? -ECANCELED : 0;
}

/* ------------------------------------------------------------------ what a walk tells */

/* A counter that cannot be read is as it was. */
static uint64_t read_counter(const struct flow_collector *collector, uint32_t index, uint64_t old)
{
	uint64_t value = old;

	return counter_read(collector->options.maps, index, &value) < 0 ? old : value;
}

static struct flow_census take_counters(const struct flow_collector *collector)
{
	const struct flow_census *last = &collector->account.last;

	return (struct flow_census){
		.n_made = read_counter(collector, SVC_COUNTER_FLOW_NEW, last->n_made),
		.n_replaced = read_counter(collector, SVC_COUNTER_FLOW_REPLACED, 0) +
			      read_counter(collector, SVC_COUNTER_SNAT_RECLAIM, 0),
	};
}

static uint64_t count_flows(const struct flow_pass_result *result)
{
	const uint64_t *n = &result->n_flows[0][0][0];
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < sizeof(result->n_flows) / sizeof(*n); i++)
		sum += n[i];
	return sum;
}

/* Only this thread writes svc_meta.flows; each field alone is whole for readers. */
static void publish_report(const struct flow_collector *collector)
{
	struct svc_flow_report *to = &collector->options.maps->meta->flows;
	const struct svc_flow_report *from = &collector->report;

	to->n_entries[0] = from->n_entries[0];
	to->n_entries[1] = from->n_entries[1];
	to->n_expired = from->n_expired;
	to->n_evicted = from->n_evicted;
	to->n_snat_exhausted = from->n_snat_exhausted;
	to->evicted_ns = from->evicted_ns;
	to->snat_exhausted_ns = from->snat_exhausted_ns;
	to->forwarding = from->forwarding;
	__atomic_store_n(&to->time_ns, from->time_ns, __ATOMIC_RELEASE);
}

static void update_report(struct flow_collector *collector, const struct flow_pass_result *result)
{
	struct svc_flow_report *report = &collector->report;
	const uint64_t now_ns = clock_now_ns(CLOCK_REALTIME);
	const uint64_t n_exhausted =
		read_counter(collector, SVC_COUNTER_SNAT_FAILED,
			     collector->n_exhausted_first + report->n_snat_exhausted) -
		collector->n_exhausted_first;

	if (n_exhausted > report->n_snat_exhausted)
		report->snat_exhausted_ns = now_ns;
	if (collector->account.n_evicted > report->n_evicted)
		report->evicted_ns = now_ns;
	report->n_entries[0] = result->n_entries[0];
	report->n_entries[1] = result->n_entries[1];
	report->n_expired += result->n_expired;
	report->n_evicted = collector->account.n_evicted;
	report->n_snat_exhausted = n_exhausted;
	report->forwarding = ip_forwarding_off();
	report->time_ns = now_ns;
	publish_report(collector);
}

static void keep_result(struct flow_collector *collector, struct flow_census *census,
			struct flow_pass_result *result)
{
	struct flow_numbers *numbers = &collector->numbers;

	result->n_expired += collector->n_expired_early;
	collector->n_expired_early = 0;
	census->n_flows = count_flows(result);
	census->n_expired = result->n_expired;
	memcpy(census->n_entries, result->n_entries, sizeof(census->n_entries));
	flow_account_add(&collector->account, census);
	update_report(collector, result);
	pthread_mutex_lock(&collector->mutex);
	numbers->n_walks++;
	numbers->now = *result;
	numbers->n_expired = collector->report.n_expired;
	numbers->n_evicted = collector->report.n_evicted;
	pthread_mutex_unlock(&collector->mutex);
}

/* ------------------------------------------------------------------ the thread */

/* @lists: what to check with this walk. Return: as flow_pass_run(). */
static int walk(struct flow_collector *collector, const struct serving_lists *lists)
{
	struct flow_census census = take_counters(collector);
	_free_ struct stale_udp_service *services = NULL;
	struct flow_pass pass = {
		.maps = collector->options.maps,
		.timeouts_s = collector->options.timeouts_s,
		.pause = rest,
		.arg = collector,
	};
	struct flow_pass_result result;
	int r;

	r = serving_lists_array(lists, &services, &pass.n_services);
	if (r < 0)
		return r;
	pass.services = services;
	collector->batch_ns = clock_now_ns(CLOCK_MONOTONIC);
	r = flow_pass_run(&pass, &result);
	if (r < 0)
		collector->n_expired_early += result.n_expired;
	else
		keep_result(collector, &census, &result);
	return r;
}

/* Called with the mutex held, gives it up meanwhile. Return: as flow_pass_run(). */
static int walk_unlocked(struct flow_collector *collector)
{
	_cleanup_(serving_lists_clear) struct serving_lists lists = {};
	const uint64_t seq = collector->seq;
	int r;

	if (collector->is_started) {
		lists = collector->checks;
		collector->checks = (struct serving_lists){};
		collector->is_started = false;
	}
	pthread_mutex_unlock(&collector->mutex);
	if (lists.table)
		grace_wait(collector->options.grace, seq);
	serving_lists_move(&lists, &collector->unchecked);
	r = walk(collector, &lists);
	if (r < 0)
		serving_lists_move(&collector->unchecked, &lists);
	pthread_mutex_lock(&collector->mutex);
	return r;
}

/* Maps are read and written by file descriptor, which takes CAP_BPF alone, or what stands for it.
 */
static void keep_capabilities(void)
{
	const int kept = capability_has(CAP_BPF) ? CAP_BPF : CAP_SYS_ADMIN;

	(void)capability_keep(&kept, 1);
}

static void *run(void *arg)
{
	struct flow_collector *collector = arg;
	const uint64_t interval_ns = collector->options.interval_ms * NS_PER_MS;
	uint64_t next_ns = 0, now_ns;

	pthread_setname_np(pthread_self(), "svcbpf-flows");
	keep_capabilities();
	pthread_mutex_lock(&collector->mutex);
	while (!collector->is_ending) {
		now_ns = clock_now_ns(CLOCK_MONOTONIC);
		if (now_ns < next_ns && !collector->is_started) {
			wait_until(collector, next_ns);
			continue;
		}
		next_ns = now_ns + interval_ns;
		(void)walk_unlocked(collector); /* the next one makes up for it */
	}
	pthread_mutex_unlock(&collector->mutex);
	return NULL;
}

/* Signals are for the main thread. */
static int start_thread(struct flow_collector *collector)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&collector->thread, NULL, run, collector);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	collector->has_thread = !r;
	return r;
}

static void init_locks(struct flow_collector *collector)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&collector->mutex, NULL);
	pthread_cond_init(&collector->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static void init_numbers(struct flow_collector *collector)
{
	static const enum map_id ids[] = {MAP_FLOWS4, MAP_FLOWS6};
	const struct maps *maps = collector->options.maps;
	const int n_cpus = libbpf_num_possible_cpus();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		collector->numbers.capacities[i] = maps->capacities[ids[i]];
		collector->account.room[i] = flow_account_room(maps->capacities[ids[i]], n_cpus);
	}
	collector->n_exhausted_first = read_counter(collector, SVC_COUNTER_SNAT_FAILED, 0);
	memcpy(collector->report.timeouts_s, collector->options.timeouts_s,
	       sizeof(collector->report.timeouts_s));
	maps->meta->flows = collector->report;
}

int flow_collector_new(const struct flow_collector_options *options, struct flow_collector **ret)
{
	struct flow_collector *collector = calloc(1, sizeof(*collector));
	int r;

	if (!collector)
		return -ENOMEM;
	collector->options = *options;
	init_locks(collector);
	init_numbers(collector);
	r = start_thread(collector);
	if (r < 0) {
		flow_collector_free(collector);
		return r;
	}
	*ret = collector;
	return 0;
}

void flow_collector_free(struct flow_collector *collector)
{
	if (!collector)
		return;
	pthread_mutex_lock(&collector->mutex);
	collector->is_ending = true;
	pthread_cond_signal(&collector->changed);
	pthread_mutex_unlock(&collector->mutex);
	if (collector->has_thread)
		pthread_join(collector->thread, NULL);
	serving_lists_clear(&collector->checks);
	serving_lists_clear(&collector->unchecked);
	pthread_cond_destroy(&collector->changed);
	pthread_mutex_destroy(&collector->mutex);
	free(collector);
}

int flow_collector_check(struct flow_collector *collector, uint32_t service_id,
			 const struct backend_list *serving)
{
	int r;

	pthread_mutex_lock(&collector->mutex);
	collector->is_started = false;
	r = serving_lists_put(&collector->checks, service_id, serving);
	pthread_mutex_unlock(&collector->mutex);
	return r;
}

void flow_collector_start(struct flow_collector *collector, uint64_t seq)
{
	pthread_mutex_lock(&collector->mutex);
	if (collector->checks.table) {
		collector->seq = seq;
		collector->is_started = true;
		pthread_cond_signal(&collector->changed);
	}
	pthread_mutex_unlock(&collector->mutex);
}

void flow_collector_numbers(struct flow_collector *collector, struct flow_numbers *ret_numbers)
{
	pthread_mutex_lock(&collector->mutex);
	*ret_numbers = collector->numbers;
	pthread_mutex_unlock(&collector->mutex);
}
