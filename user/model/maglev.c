/* SPDX-License-Identifier: Apache-2.0 */
#include "model/maglev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define MAX_BACKENDS 65535u
#define MAX_TURNS    (1u << 20)

/* address, port, protocol, number of the permutation */
#define KEY_BYTES 21

/* Part of the contract, as all constants of this file: see maglev.h. */
#define SEED_OFFSET 0x737663627066206full /* "svcbpf o" */
#define SEED_SKIP   0x7376636270662073ull /* "svcbpf s" */
#define SEED_ORDER  0x7376636270662072ull /* "svcbpf r" */

/**
 * struct turn - one of a backend's permutations.
 * @key: what it is hashed and ordered by.
 * @index: of the backend in the caller's array.
 * @offset, @skip: in round r it names entry (offset + skip * order[r]) mod size.
 */
struct turn {
	uint8_t key[KEY_BYTES];
	uint16_t index;
	uint16_t offset;
	uint16_t skip;
};

static void make_key(const struct maglev_backend *backend, uint16_t number, uint8_t key[KEY_BYTES])
{
	addr_to_mapped(&backend->addr, key);
	key[16] = (uint8_t)(backend->port >> 8);
	key[17] = (uint8_t)backend->port;
	key[18] = backend->protocol;
	key[19] = (uint8_t)(number >> 8);
	key[20] = (uint8_t)number;
}

/* The finaliser of splitmix64. */
static uint64_t mix(uint64_t hash)
{
	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9ull;
	hash = (hash ^ hash >> 27) * 0x94d049bb133111ebull;
	return hash ^ hash >> 31;
}

/* FNV-1a over the bytes, and the finaliser; the same on every machine. */
static uint64_t hash_key(const uint8_t key[KEY_BYTES], uint64_t seed)
{
	uint64_t hash = 0xcbf29ce484222325ull ^ seed;

	for (size_t i = 0; i < KEY_BYTES; i++)
		hash = (hash ^ key[i]) * 0x100000001b3ull;
	return mix(hash);
}

/* The numbers below @size, shuffled (Fisher and Yates) by splitmix64. */
static void make_order(uint16_t *order, size_t size)
{
	uint64_t state = SEED_ORDER;

	for (size_t i = 0; i < size; i++)
		order[i] = (uint16_t)i;
	for (size_t i = size - 1; i > 0; i--) {
		uint16_t swap = order[i];
		size_t j;

		state += 0x9e3779b97f4a7c15ull;
		j = (mix(state) >> 32) * (i + 1) >> 32;
		order[i] = order[j];
		order[j] = swap;
	}
}

static int compare_turns(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	return memcmp(x->key, y->key, sizeof(x->key));
}

static void make_turn(const struct maglev_backend *backends, size_t index, uint16_t number,
		      size_t size, struct turn *turn)
{
	make_key(&backends[index], number, turn->key);
	turn->index = (uint16_t)index;
	turn->offset = (uint16_t)(hash_key(turn->key, SEED_OFFSET) % size);
	turn->skip = (uint16_t)(hash_key(turn->key, SEED_SKIP) % (size - 1) + 1);
}

static void make_turns(const struct maglev_backend *backends, size_t n_backends, size_t size,
		       struct turn *turns)
{
	size_t n = 0;

	for (size_t i = 0; i < n_backends; i++) {
		for (uint16_t number = 0; number < backends[i].weight; number++)
			make_turn(backends, i, number, size, &turns[n++]);
	}
	if (n > 1)
		qsort(turns, n, sizeof(*turns), compare_turns);
}

/* Each permutation names every entry once, for the size is a prime: this ends in @size rounds. */
static void take_turns(const struct turn *turns, size_t n_turns, const uint16_t *order, size_t size,
		       uint16_t *table)
{
	size_t n_taken = 0;

	for (size_t round = 0; n_taken < size; round++) {
		for (size_t i = 0; i < n_turns; i++) {
			const struct turn *turn = &turns[i];
			size_t entry = (turn->offset + (size_t)turn->skip * order[round]) % size;

			if (table[entry] != MAGLEV_NONE)
				continue;
			table[entry] = turn->index;
			n_taken++;
		}
	}
}

int maglev_fill(const struct maglev_backend *backends, size_t n_backends, size_t size,
		uint16_t *ret_table)
{
	_free_ struct turn *turns = NULL;
	_free_ uint16_t *order = NULL;
	size_t n_turns = 0;

	if (size < MAGLEV_MIN_SIZE || size > MAGLEV_MAX_SIZE || !maglev_is_size((uint32_t)size) ||
	    n_backends > MAX_BACKENDS)
		return -EINVAL;
	for (size_t i = 0; i < n_backends; i++)
		n_turns += backends[i].weight;
	if (n_turns > MAX_TURNS)
		return -EINVAL;
	turns = calloc(n_turns + 1, sizeof(*turns));
	order = calloc(size, sizeof(*order));
	if (!turns || !order)
		return -ENOMEM;
	make_order(order, size);
	make_turns(backends, n_backends, size, turns);
	for (size_t i = 0; i < size; i++)
		ret_table[i] = MAGLEV_NONE;
	if (n_turns)
		take_turns(turns, n_turns, order, size, ret_table);
	return 0;
}

bool maglev_is_size(uint32_t size)
{
	if (size < MAGLEV_MIN_SIZE || size > MAGLEV_MAX_SIZE)
		return false;
	for (uint32_t divisor = 2; divisor * divisor <= size; divisor++) {
		if (size % divisor == 0)
			return false;
	}
	return true;
}

void maglev_nearest_sizes(uint32_t size, uint32_t *ret_below, uint32_t *ret_above)
{
	uint32_t below = size < MAGLEV_MAX_SIZE ? size : MAGLEV_MAX_SIZE;
	uint32_t above = size > MAGLEV_MIN_SIZE ? size : MAGLEV_MIN_SIZE;

	/* both ends of the range are primes */
	while (below > MAGLEV_MIN_SIZE && !maglev_is_size(below))
		below--;
	while (above < MAGLEV_MAX_SIZE && !maglev_is_size(above))
		above++;
	*ret_below = below < MAGLEV_MIN_SIZE ? MAGLEV_MIN_SIZE : below;
	*ret_above = above > MAGLEV_MAX_SIZE ? MAGLEV_MAX_SIZE : above;
}
