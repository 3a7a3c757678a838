/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks over the flow table in a thread of its own, every 30 seconds: flow_pass.h says what that
 * does. Measured (Linux 6.18, 2 CPUs, busy): 262,144 entries take 84 ms of CPU time, 0.3 % of one;
 * when all of them have timed out at once, 660 ms. While it walks, the thread takes a twentieth of
 * a CPU.
 *
 * The thread begins with flow_collector_new() and keeps the capabilities its maker has then, as far
 * as it needs them.
 */
#ifndef SVCBPF_DATAPATH_FLOW_COLLECTOR_H
#define SVCBPF_DATAPATH_FLOW_COLLECTOR_H

#include "datapath/flow_pass.h"
#include "datapath/grace.h"

struct flow_collector;

/** FLOW_COLLECTOR_INTERVAL_MS - from the beginning of a walk to that of the next. */
#define FLOW_COLLECTOR_INTERVAL_MS 30000u

/**
 * struct flow_collector_options - how to collect.
 * @grace, @maps: borrowed, must outlive it.
 * @timeouts_s: as in struct svc_packet_config.
 * @interval_ms: FLOW_COLLECTOR_INTERVAL_MS, but in tests.
 */
struct flow_collector_options {
	struct grace *grace;
	const struct maps *maps;
	uint32_t timeouts_s[SVC_N_FLOW_STATES];
	uint32_t interval_ms;
};

/**
 * struct flow_numbers - what the collector knows.
 * @n_walks: made to their end; the rest is of the last one, or all zero.
 * @now: of the last walk.
 * @capacities: of flows4 and flows6, entries.
 * @n_expired: flows deleted since the start.
 * @n_evicted: flows lost as the table was full, since the first walk: a lower bound.
 */
struct flow_numbers {
	uint64_t n_walks;
	struct flow_pass_result now;
	uint64_t capacities[2];
	uint64_t n_expired;
	uint64_t n_evicted;
};

/**
 * flow_collector_new() - start the thread; its first walk begins at once.
 *
 * Also stores what `svcbpf status` shows: svc_meta.flows, whose only writer it is.
 * Return: 0; -ENOMEM; negative errno of pthread_create(3).
 */
int flow_collector_new(const struct flow_collector_options *options, struct flow_collector **ret);

/** flow_collector_free() - end the thread, a walk under way too. NULL is fine. */
void flow_collector_free(struct flow_collector *collector);

/**
 * flow_collector_check() - with the next flow_collector_start() look for UDP flows of a service
 * port whose backend is not in @serving.
 * @serving: sorted, copied; counts instead of what was given for the same service id before.
 * Return: 0 or -ENOMEM.
 */
int flow_collector_check(struct flow_collector *collector, uint32_t service_id,
			 const struct backend_list *serving);

/** flow_collector_start() - walk once grace period @seq has passed, if there is something to check.
 */
void flow_collector_start(struct flow_collector *collector, uint64_t seq);

/** flow_collector_numbers() - a copy of what is known now. */
void flow_collector_numbers(struct flow_collector *collector, struct flow_numbers *ret_numbers);

#endif
