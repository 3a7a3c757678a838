/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/flow_account.h"

/*
 * Entries a CPU may hold back: Linux kernel/bpf/bpf_lru_list.c, LOCAL_FREE_TARGET free ones, and as
 * many pending. Smaller maps hold back less since 6.16, which does no harm here.
 */
#define KEPT_BY_CPU (2 * 128u)

uint64_t flow_account_room(uint32_t capacity, int n_cpus)
{
	const uint64_t kept = (uint64_t)(n_cpus > 0 ? n_cpus : 1) * KEPT_BY_CPU;

	return capacity > kept ? capacity - kept : 0;
}

/* Each flow has two entries, and was made in either family. */
static bool may_have_been_full(const struct flow_account *account, uint64_t n_made)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (account->last.n_entries[i] + 2 * n_made >= account->room[i])
			return true;
	}
	return false;
}

void flow_account_add(struct flow_account *account, const struct flow_census *census)
{
	const struct flow_census *last = &account->last;
	const uint64_t n_made = census->n_made - last->n_made;
	const int64_t n_evicted = (int64_t)account->n_evicted;

	if (account->has_last) {
		account->n_missing += (int64_t)(n_made - (census->n_replaced - last->n_replaced)) -
				      (int64_t)census->n_expired -
				      ((int64_t)census->n_flows - (int64_t)last->n_flows);
		if (!may_have_been_full(account, n_made) && account->n_missing > n_evicted)
			account->n_missing = n_evicted;
		if (account->n_missing > n_evicted)
			account->n_evicted = (uint64_t)account->n_missing;
	}
	account->last = *census;
	account->has_last = true;
}
