/* SPDX-License-Identifier: Apache-2.0 */
/* How many flows must have been evicted. */
#include <criterion/criterion.h>

#include "datapath/flow_account.h"

#define CAPACITY 10000u
#define ROOM	 9000u

static struct flow_account begin(uint64_t n_flows)
{
	struct flow_account account = {.room = {ROOM, ROOM}};
	const struct flow_census census = {
		.n_made = 70000,
		.n_replaced = 50,
		.n_flows = n_flows,
		.n_entries = {2 * n_flows, 0},
	};

	flow_account_add(&account, &census);
	return account;
}

/* The next walk: @made more flows made, @replaced, @expired, and @n_flows there now. */
static void add(struct flow_account *account, uint64_t made, uint64_t replaced, uint64_t expired,
		uint64_t n_flows)
{
	struct flow_census census = account->last;

	census.n_made += made;
	census.n_replaced += replaced;
	census.n_expired = expired;
	census.n_flows = n_flows;
	census.n_entries[0] = 2 * n_flows;
	flow_account_add(account, &census);
}

Test(flow_account, what_was_there_before_is_not_counted)
{
	struct flow_account account = begin(4000);

	cr_assert_eq(account.n_evicted, 0);
	add(&account, 100, 0, 100, 4000);
	cr_assert_eq(account.n_evicted, 0);
}

Test(flow_account, a_full_table_evicts)
{
	struct flow_account account = begin(4500);

	add(&account, 1000, 0, 0, 4900);
	cr_assert_eq(account.n_evicted, 600);
	add(&account, 1000, 0, 300, 4900);
	cr_assert_eq(account.n_evicted, 1300);
	add(&account, 0, 0, 4900, 0);
	cr_assert_eq(account.n_evicted, 1300);
}

Test(flow_account, flows_that_programs_replaced_are_not_evicted)
{
	struct flow_account account = begin(4500);

	add(&account, 1000, 600, 0, 4900);
	cr_assert_eq(account.n_evicted, 0);
}

/* A client that uses its port again: made anew, and the old one not counted by anybody. */
Test(flow_account, a_table_with_room_evicts_nothing)
{
	struct flow_account account = begin(1000);

	for (int i = 0; i < 100; i++)
		add(&account, 3000, 0, 100, 1000);
	cr_assert_eq(account.n_evicted, 0);
	/* and what was missing then is not held against a full table later */
	add(&account, 3600, 0, 0, 4600);
	cr_assert_eq(account.n_evicted, 0);
	add(&account, 500, 0, 0, 4600);
	cr_assert_eq(account.n_evicted, 500);
}

/* Flows made while the walk was under way are met by it, and told by the counter only next time. */
Test(flow_account, flows_made_during_a_walk_are_no_evictions_later)
{
	struct flow_account account = begin(4600);

	for (int i = 0; i < 10; i++) {
		add(&account, 0, 0, 0, 4700);
		add(&account, 100, 0, 100, 4600);
	}
	cr_assert_eq(account.n_evicted, 0);
}

Test(flow_account, is_never_negative_and_never_smaller_than_before)
{
	struct flow_account account = begin(4600);
	uint64_t before;

	add(&account, 100, 0, 0, 4600);
	before = account.n_evicted;
	cr_assert_eq(before, 100);
	add(&account, 0, 0, 0, 4900);
	cr_assert_eq(account.n_evicted, before);
	add(&account, 300, 0, 0, 4900);
	cr_assert_eq(account.n_evicted, before);
	account = begin(4600);
	add(&account, 0, 0, 0, 4900);
	cr_assert_eq(account.n_evicted, 0);
}

Test(flow_account, either_family_may_be_the_full_one)
{
	struct flow_account account = {.room = {ROOM, ROOM}};
	struct flow_census census = {.n_flows = 4600, .n_entries = {0, 9200}};

	flow_account_add(&account, &census);
	census.n_made = 100;
	flow_account_add(&account, &census);
	cr_assert_eq(account.n_evicted, 100);
}

Test(flow_account, cpus_keep_entries_for_themselves)
{
	cr_assert_lt(flow_account_room(CAPACITY, 2), CAPACITY);
	cr_assert_gt(flow_account_room(CAPACITY, 2), CAPACITY * 9 / 10);
	cr_assert_eq(flow_account_room(1024, 256), 0, "too small to tell");
	cr_assert_eq(flow_account_room(CAPACITY, -1), flow_account_room(CAPACITY, 1));
}
