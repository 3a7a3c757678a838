/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of a frontend table: an open hash table in a mapped array, one cache line a bucket,
 * which the programs read at any moment (layout and rules: svcbpf/abi.h).
 */
#ifndef SVCBPF_DATAPATH_FRONTEND_TABLE_H
#define SVCBPF_DATAPATH_FRONTEND_TABLE_H

#include "datapath/convert.h"
#include "datapath/map_window.h"

struct frontend_table;

/**
 * frontend_table_new() - take charge of a table, whatever is in it.
 * @family: ADDR_IPV4 or ADDR_IPV6.
 * @buckets: the array, of a power of two of buckets; borrowed.
 * @seed: svc_config.hash_seed of the programs that read it.
 *
 * Overflow counts that a killed agent left too high are put right.
 * Return: 0 or -ENOMEM. Free with frontend_table_free().
 */
int frontend_table_new(uint8_t family, struct map_window *buckets, uint64_t seed,
		       struct frontend_table **ret);

/** frontend_table_free() - the mapping stays; NULL is fine. */
void frontend_table_free(struct frontend_table *table);

/**
 * frontend_table_put() - add a frontend, or give one that is there another route.
 * @route: its slot is not 0, and complete in services before this call.
 *
 * Readers see the old list (or no frontend) until one store shows them the new one.
 * Return: 0; -ENOSPC when the SVC_FRONTEND_MAX_PROBES buckets behind its hash have no entry free.
 */
int frontend_table_put(struct frontend_table *table, const struct frontend_key *key,
		       const struct svc_route *route);

/**
 * frontend_table_remove() - delete a frontend; one that is not there is fine. Its entry is not used
 * again before frontend_table_settle().
 */
void frontend_table_remove(struct frontend_table *table, const struct frontend_key *key);

/** frontend_table_settle() - a grace period has passed since all removals so far. */
void frontend_table_settle(struct frontend_table *table);

/** frontend_table_find() - the frontend's route; all zero when it is not there. */
struct svc_route frontend_table_find(const struct frontend_table *table,
				     const struct frontend_key *key);

/** frontend_table_count() - how many frontends there are. */
uint32_t frontend_table_count(const struct frontend_table *table);

/**
 * frontend_table_walk() - call @fn for each frontend of a mapped table; a negative return ends it.
 * @family, @buckets: as for frontend_table_new(); also of a table that another process writes.
 * Return: 0 or what @fn returned.
 */
int frontend_table_walk(uint8_t family, struct map_window *buckets,
			int (*fn)(void *arg, const struct frontend_key *key,
				  const struct svc_route *route),
			void *arg);

#endif
