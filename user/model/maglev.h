/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maglev hashing: a table in which each entry names a backend, so that nodes which share nothing
 * but the list of backends choose the same one for the same flow, and a backend that comes or goes
 * moves few of the other backends' flows.
 *
 * Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
 * section 3.4: each backend has a permutation of the entries, (offset + i * skip) mod size, and
 * backends take turns. Two things are not as there:
 *
 * A backend whose turn names an entry that is taken loses the turn, where the paper goes on to the
 * next free one. An entry then belongs to whose permutation names it first, whoever else is there:
 * a backend that leaves moves its own entries and no others, and one that comes takes only what it
 * gets. Measured with 16,381 entries, entries moved when one backend leaves as a multiple of what
 * it had: of 100 backends 1.00 against the paper's 2.37, of 1,000 1.00 against 6.5. The price is
 * that shares differ: by a standard deviation of sqrt(backends / (2 * entries)) of the mean, 5.5 %
 * with 100 backends, 2.8 % with 65,521 entries.
 *
 * i is not the round's number but what stands at that place in a shuffled order, one for all
 * backends: without, a backend whose skip is another's came a step behind it at every turn, and
 * 100 backends had shares of 24 % less than the mean.
 *
 * A backend of weight w has w permutations, as if it were w backends.
 *
 * A contract between nodes: the same backends give the same table on every node and in every
 * version, whatever the order in which they are given. Each permutation comes from two hashes of 21
 * bytes: the backend's address (16 bytes, network order, IPv4 as ::ffff:a.b.c.d), its port (network
 * order), its protocol, and the permutation's number (from 0, network order); in each round they
 * take their turns in the order of these bytes. The constants are in maglev.c, and a test has
 * tables made with them.
 */
#ifndef SVCBPF_MODEL_MAGLEV_H
#define SVCBPF_MODEL_MAGLEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"

/* Entries of a table: a prime. */
#define MAGLEV_DEFAULT_SIZE 16381u
#define MAGLEV_MIN_SIZE	    251u
#define MAGLEV_MAX_SIZE	    65521u

/** MAGLEV_NONE - no backend: what all entries are when there is no backend with a weight. */
#define MAGLEV_NONE 0xffffu

/**
 * struct maglev_backend - what is known of a backend.
 * @port: host order.
 * @weight: its share relative to the others'; 0: none.
 * @protocol: IPPROTO_*.
 */
struct maglev_backend {
	uint16_t port;
	uint16_t weight;
	uint8_t protocol;
	struct addr addr;
};

/**
 * maglev_fill() - make a table.
 * @backends: none twice, in any order; at most 65,535.
 * @size: entries of the table, a prime; with more backends than entries some get none.
 * @ret_table: @size indexes of @backends.
 *
 * 1,000 backends and the default size take less than 2 ms.
 * Return: 0; -EINVAL: @size is no prime in the range above, there are too many backends, or all
 * weights together are more than 1,048,576; -ENOMEM.
 */
int maglev_fill(const struct maglev_backend *backends, size_t n_backends, size_t size,
		uint16_t *ret_table);

/** maglev_is_size() - whether a table can have @size entries: a prime within the range above. */
bool maglev_is_size(uint32_t size);

/**
 * maglev_nearest_sizes() - the sizes next to one that cannot be: the same one twice beyond the
 * ends of the range.
 */
void maglev_nearest_sizes(uint32_t size, uint32_t *ret_below, uint32_t *ret_above);

#endif
