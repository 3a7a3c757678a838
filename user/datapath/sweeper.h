/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the sweeps of stale_udp.h in a thread of their own, each after the grace period that ends
 * the last translation to a backend that has left.
 *
 * The thread begins with sweeper_new() and keeps the capabilities its maker has then, as far as it
 * needs them: whoever makes it may give them up after that.
 */
#ifndef SVCBPF_DATAPATH_SWEEPER_H
#define SVCBPF_DATAPATH_SWEEPER_H

#include "datapath/grace.h"
#include "datapath/maps.h"
#include "datapath/stale_udp.h"

struct sweeper;

/**
 * sweeper_new() - start the thread; nothing to do yet.
 * @grace, @maps: borrowed, must outlive it.  @has_slots: the programs use rev_slots.
 * Return: 0; -ENOMEM; negative errno of pthread_create(3).
 */
int sweeper_new(struct grace *grace, const struct maps *maps, bool has_slots, struct sweeper **ret);

/** sweeper_free() - give up what waits, wait for the sweep under way. NULL is fine. */
void sweeper_free(struct sweeper *sweeper);

/**
 * sweeper_add() - a UDP service port whose serving endpoints changed.
 * @serving: copied; replaces what waits for the same service id.
 * Return: 0 or -ENOMEM.
 */
int sweeper_add(struct sweeper *sweeper, uint32_t service_id, const struct backend_list *serving);

/**
 * sweeper_start() - sweep what was added, once grace period @seq has passed. Does not block.
 * Return: 0; negative errno of pthread_create(3): tried again with the next call.
 */
int sweeper_start(struct sweeper *sweeper, uint64_t seq);

/**
 * sweeper_result() - totals of all sweeps so far, and the last one's namespaces.
 * Return: how many sweeps there were.
 */
uint64_t sweeper_result(struct sweeper *sweeper, struct stale_udp_result *ret_result);

#endif
