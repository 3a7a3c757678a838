/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/maglev.h"

#define SIZE	     MAGLEV_DEFAULT_SIZE
#define MAX_BACKENDS 1000

static uint16_t table[MAGLEV_MAX_SIZE], other[MAGLEV_MAX_SIZE];
static struct maglev_backend backends[MAX_BACKENDS];
static uint32_t shares[MAX_BACKENDS];

/* 10.244.x.y:8080/TCP, each of weight 1 */
static void make_backends(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct addr addr = {ADDR_IPV4, {10, 244, (uint8_t)(i / 250), (uint8_t)(i % 250)}};

		backends[i] = (struct maglev_backend){8080, 1, IPPROTO_TCP, addr};
	}
}

static void fill(size_t n, size_t size, uint16_t *ret_table)
{
	cr_assert_eq(maglev_fill(backends, n, size, ret_table), 0);
}

static void count_shares(size_t n, size_t size)
{
	memset(shares, 0, sizeof(shares));
	for (size_t i = 0; i < size; i++) {
		cr_assert_lt(table[i], n);
		shares[table[i]]++;
	}
}

/* How far the shares of @n backends are from the mean, as multiples of it. */
static void measure_shares(size_t n, double *ret_deviation, double *ret_worst)
{
	double mean = (double)SIZE / (double)n, sum = 0;

	*ret_worst = 0;
	for (size_t i = 0; i < n; i++) {
		double off = fabs(shares[i] / mean - 1);

		sum += off * off;
		*ret_worst = fmax(*ret_worst, off);
	}
	*ret_deviation = sqrt(sum / (double)n);
}

/* As maglev.h says: a standard deviation of sqrt(n / 2M); none beyond five of them. */
Test(maglev, shares_are_within_bounds)
{
	static const size_t counts[] = {1, 2, 3, 10, 100, 163, 1000};
	double deviation, worst, expected;

	make_backends(MAX_BACKENDS);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		expected = sqrt((double)counts[i] / (2.0 * SIZE));
		fill(counts[i], SIZE, table);
		count_shares(counts[i], SIZE);
		measure_shares(counts[i], &deviation, &worst);
		printf("%zu backends: shares deviate by %.1f %%, %.1f %% at worst\n", counts[i],
		       100 * deviation, 100 * worst);
		cr_expect_leq(deviation, 1.2 * expected, "%zu backends", counts[i]);
		cr_expect_leq(worst, 5 * expected, "%zu backends", counts[i]);
	}
}

/* Entries that lead elsewhere when backends[@gone] of @n leaves: none that was not its own. */
static uint32_t count_moved(size_t n, size_t gone)
{
	uint32_t n_moved = 0;

	backends[gone].weight = 0;
	fill(n, SIZE, other);
	backends[gone].weight = 1;
	for (size_t i = 0; i < SIZE; i++) {
		cr_assert_neq(other[i], gone);
		cr_assert(other[i] == table[i] || table[i] == gone);
		n_moved += other[i] != table[i];
	}
	return n_moved;
}

/* The ideal moves 1 % of all. The same tables the other way round: one that comes to 99. */
Test(maglev, few_flows_move_when_a_backend_of_100_leaves)
{
	const double ideal = SIZE / 100.0;
	uint32_t worst = 0, sum = 0;

	make_backends(100);
	fill(100, SIZE, table);
	for (size_t gone = 0; gone < 100; gone++) {
		uint32_t n_moved = count_moved(100, gone);

		sum += n_moved;
		worst = n_moved > worst ? n_moved : worst;
	}
	printf("1 of 100 backends leaves: %.3f x the ideal on average, %.3f x at worst\n",
	       sum / 100.0 / ideal, worst / ideal);
	cr_expect_leq(sum / 100.0, 1.001 * ideal);
	cr_expect_lt(worst, 1.2 * ideal);
}

Test(maglev, order_of_backends_does_not_matter)
{
	static struct maglev_backend sorted[200];
	unsigned int seed = 1;

	make_backends(200);
	fill(200, SIZE, table);
	memcpy(sorted, backends, sizeof(sorted));
	for (size_t i = 199; i > 0; i--) {
		size_t j = (size_t)rand_r(&seed) % (i + 1);
		struct maglev_backend swap = backends[i];

		backends[i] = backends[j];
		backends[j] = swap;
	}
	fill(200, SIZE, other);
	for (size_t i = 0; i < SIZE; i++)
		cr_assert_eq(addr_compare(&sorted[table[i]].addr, &backends[other[i]].addr), 0);
}

Test(maglev, weights_are_shares)
{
	static const uint16_t weights[] = {1, 2, 0, 3, 1, 300};
	const uint32_t sum = 307;

	make_backends(6);
	for (size_t i = 0; i < 6; i++)
		backends[i].weight = weights[i];
	fill(6, SIZE, table);
	count_shares(6, SIZE);
	for (size_t i = 0; i < 6; i++) {
		const double ideal = (double)SIZE * weights[i] / sum;

		cr_expect_leq(fabs(shares[i] - ideal), 3 * sqrt(ideal), "weight %u: %u of %.0f",
			      weights[i], shares[i], ideal);
	}
}

/* A flow is the same for a TCP and a UDP Service, but their tables are not. */
Test(maglev, address_port_and_protocol_all_count)
{
	size_t n_same[4] = {};

	make_backends(50);
	fill(50, SIZE, table);
	for (int change = 0; change < 4; change++) {
		make_backends(50);
		for (size_t i = 0; i < 50; i++) {
			backends[i].addr.bytes[0] = change == 1 ? 11 : 10;
			backends[i].port = change == 2 ? 8081 : 8080;
			backends[i].protocol = change == 3 ? IPPROTO_UDP : IPPROTO_TCP;
		}
		fill(50, SIZE, other);
		for (size_t i = 0; i < SIZE; i++)
			n_same[change] += table[i] == other[i];
	}
	cr_expect_eq(n_same[0], SIZE);
	for (int change = 1; change < 4; change++)
		cr_expect_lt(n_same[change], SIZE / 25, "%zu the same", n_same[change]);
}

static uint64_t hash_table(size_t size)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ table[i]) * 0x100000001b3ull;
	return hash;
}

/*
 * The contract with nodes that run another version: these numbers never change. They were checked
 * against an implementation of maglev.h's text in another language.
 */
Test(maglev, table_is_the_same_in_every_version)
{
	static const uint8_t address6[16] = {0xfd, 0x00, [15] = 1};

	make_backends(3);
	fill(3, 251, table);
	cr_expect_eq(hash_table(251), 0x4478d2aab3f4b0c9ull, "%#llx",
		     (unsigned long long)hash_table(251));
	make_backends(100);
	for (size_t i = 0; i < 100; i++) {
		backends[i].protocol = IPPROTO_UDP;
		backends[i].weight = (uint16_t)(i % 4);
		if (i % 2)
			continue;
		backends[i].addr.family = ADDR_IPV6;
		memcpy(backends[i].addr.bytes, address6, sizeof(address6));
		backends[i].addr.bytes[14] = (uint8_t)i;
	}
	fill(100, SIZE, table);
	cr_expect_eq(hash_table(SIZE), 0x5b3557d79ea530b3ull, "%#llx",
		     (unsigned long long)hash_table(SIZE));
}

Test(maglev, nobody_and_too_many)
{
	make_backends(300);
	backends[0].weight = 0;
	fill(0, 251, table);
	cr_expect_eq(table[0], MAGLEV_NONE);
	fill(1, 251, table);
	cr_expect_eq(table[250], MAGLEV_NONE);
	fill(300, 251, table);
	count_shares(300, 251);
	cr_expect_eq(shares[0], 0);
	for (size_t i = 1; i < 300; i++)
		cr_expect_leq(shares[i], 4, "%zu: %u", i, shares[i]);
	cr_expect_eq(maglev_fill(backends, 65536, 251, table), -EINVAL);
	cr_expect_eq(maglev_fill(backends, 10, 252, table), -EINVAL);
	for (size_t i = 0; i < 300; i++)
		backends[i].weight = 4096;
	cr_expect_eq(maglev_fill(backends, 257, 251, table), -EINVAL);
}

Test(maglev, sizes_are_primes_in_a_range)
{
	static const struct {
		uint32_t size;
		uint32_t below;
		uint32_t above;
	} cases[] = {
		{0, 251, 251},
		{250, 251, 251},
		{251, 251, 251},
		{252, 251, 257},
		{16380, 16369, 16381},
		{16381, 16381, 16381},
		{16384, 16381, 16411},
		{65520, 65519, 65521},
		{65522, 65521, 65521},
		{65537, 65521, 65521},
		{UINT32_MAX, 65521, 65521},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t below, above;

		maglev_nearest_sizes(cases[i].size, &below, &above);
		cr_expect_eq(below, cases[i].below, "%u: %u", cases[i].size, below);
		cr_expect_eq(above, cases[i].above, "%u: %u", cases[i].size, above);
		cr_expect_eq(maglev_is_size(cases[i].size),
			     cases[i].size == below && cases[i].size == above);
	}
}

static double cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* The bound is generous: sanitizers, and a busy machine. */
Test(maglev, a_thousand_backends_take_milliseconds)
{
	double start_ms;

	make_backends(1000);
	start_ms = cpu_ms();
	for (int i = 0; i < 10; i++)
		fill(1000, SIZE, table);
	printf("a table of 1,000 backends: %.2f ms\n", (cpu_ms() - start_ms) / 10);
	cr_expect_lt((cpu_ms() - start_ms) / 10, 50);
}
