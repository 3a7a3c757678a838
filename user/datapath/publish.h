/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that readers see: a slot's words, the filters, the frontends. Their order within a
 * commit is commit.c's.
 */
#ifndef SVCBPF_DATAPATH_PUBLISH_H
#define SVCBPF_DATAPATH_PUBLISH_H

#include "datapath/shadow.h"

/**
 * publish_slot() - make the frontend's slot, and its route when it is inserted, lead to these lists
 * of @port, its owner.
 * @port: what is wanted.  @lists: words of blocks_write().
 * @has_table: a Maglev table for the list of its external frontends is there.
 *
 * Writes only words that differ; blocks that nothing leads to any more become garbage.
 */
void publish_slot(struct shadow *shadow, struct shadow_frontend *frontend,
		  const struct service_port *port, const uint64_t lists[N_LISTS], bool has_table);

/**
 * publish_insert() - set the filter bits of a frontend, whose slot is complete, and insert it.
 * Return: 0; -E2BIG: the hash is full; -ENOMEM.
 */
int publish_insert(struct shadow *shadow, struct shadow_frontend *frontend);

/**
 * publish_delete() - delete an orphan from the kernel, if it is there, and forget it; its slot and
 * what that led to become garbage, and filter bits that nobody needs any more are cleared.
 * Return: 0; negative errno of bpf(2): nothing happened.
 */
int publish_delete(struct shadow *shadow, struct shadow_frontend *frontend);

/** publish_filter_adopt() - count a user of the filter bits of @key, which are set if need be. */
void publish_filter_adopt(struct shadow *shadow, const struct frontend_key *key);

/** publish_address_bit() - add a user of an address's bit in addr_filter, or take one away. */
void publish_address_bit(struct shadow *shadow, const struct addr *addr, bool is_user);

/** publish_clear_stray_bits() - clear filter bits without users. */
void publish_clear_stray_bits(struct shadow *shadow);

#endif
