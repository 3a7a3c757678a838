/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many flows the kernel evicted from a full table: it does not say, so they are what was made
 * and is missing.
 *
 *	evicted = made - replaced by the programs - deleted by the agent - more than there were
 *
 * A flow of which only one half was evicted is made whole by its next packets (bpf/lib/mend.h), and
 * is missing only to a walk that finds it without its forward half. What is missing counts as
 * evicted only when the table may have been full since the last walk: an LRU hash gives up no entry
 * as long as a free one is left, those that CPUs keep for themselves aside.
 */
#ifndef SVCBPF_DATAPATH_FLOW_ACCOUNT_H
#define SVCBPF_DATAPATH_FLOW_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct flow_census - what a walk tells.
 * @n_made, @n_replaced: counters of the programs as the walk began: flows made meanwhile and met by
 *	the walk make evictions fewer, never more.
 * @n_flows: forward entries met and left.  @n_expired: deleted.
 * @n_entries: in both directions, of each family.
 */
struct flow_census {
	uint64_t n_made;
	uint64_t n_replaced;
	uint64_t n_flows;
	uint64_t n_expired;
	uint64_t n_entries[2];
};

/**
 * struct flow_account - from walk to walk; zero at first.
 * @room: entries of each family beyond which the kernel may evict.
 * @n_missing: flows unaccounted for, may be negative; @n_evicted: the result, never smaller than
 *	before.
 */
struct flow_account {
	uint64_t room[2];
	struct flow_census last;
	bool has_last;
	int64_t n_missing;
	uint64_t n_evicted;
};

/** flow_account_room() - entries of @capacity that are used before the kernel may evict. */
uint64_t flow_account_room(uint32_t capacity, int n_cpus);

/** flow_account_add() - the next walk; the first one only is the beginning. */
void flow_account_add(struct flow_account *account, const struct flow_census *census);

#endif
