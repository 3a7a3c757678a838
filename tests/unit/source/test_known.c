/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "source/known.h"
#include "util/strings.h"

#define N_OBJECTS 5000

static struct known known;

static void open_known(void)
{
	cr_assert_eq(strings_new(&known.pool), 0);
}

static void close_known(void)
{
	known_clear(&known);
	cr_expect_eq(strings_count(known.pool), 0, "strings are left");
	strings_free(known.pool);
}

TestSuite(known, .init = open_known, .fini = close_known);

static struct known_object *get(const char *namespace, const char *name)
{
	struct known_object *object = NULL;

	cr_assert_eq(known_get(&known, namespace, name, &object), 0);
	return object;
}

static const char *name_of(int i, char buf[16])
{
	snprintf(buf, 16, "n%d", i);
	return buf;
}

Test(known, an_object_is_lean)
{
	cr_expect_eq(sizeof(struct known_object), 32);
}

Test(known, finds_what_was_added)
{
	cr_expect_null(known_find(&known, "a", "x"));
	get("a", "x")->version = 1;
	get("b", "x")->version = 2;
	get("x", "a")->version = 3;
	cr_expect_eq(known_find(&known, "a", "x")->version, 1);
	cr_expect_eq(known_find(&known, "b", "x")->version, 2);
	cr_expect_eq(known_find(&known, "x", "a")->version, 3);
	cr_expect_null(known_find(&known, "a", "a"));
	cr_expect_eq(known.n_objects, 3);
}

/* Numbers that are the same in each run. */
static int next_number(unsigned *random)
{
	*random = *random * 1103515245 + 12345;
	return (int)(*random >> 8);
}

/* Against a plain array: objects come and go at random. */
Test(known, many_come_and_go)
{
	static bool is_there[N_OBJECTS];
	unsigned random = 1;
	size_t n = 0;
	char name[16];

	for (int round = 0; round < 20 * N_OBJECTS; round++) {
		int i = next_number(&random) % N_OBJECTS;
		struct known_object *object = known_find(&known, "ns", name_of(i, name));

		cr_assert_eq(object != NULL, is_there[i]);
		if (object) {
			cr_assert_eq(object->version, (uint64_t)i);
			known_remove(&known, object);
		} else {
			get("ns", name)->version = (uint64_t)i;
		}
		n = is_there[i] ? n - 1 : n + 1;
		is_there[i] = !is_there[i];
		cr_assert_eq(known.n_objects, n);
	}
	for (int i = 0; i < N_OBJECTS; i++)
		cr_assert_eq(known_find(&known, "ns", name_of(i, name)) != NULL, is_there[i]);
}

static int count(void *arg, const struct known_object *object)
{
	size_t *n = arg;

	cr_expect_neq(object->mark, 2);
	if (*n == 0)
		return -EIO;
	--*n;
	return 0;
}

Test(known, sweeps_what_has_another_mark)
{
	size_t n = 1000;
	char name[16];

	for (int i = 0; i < N_OBJECTS; i++)
		get("ns", name_of(i, name))->mark = i % 3 ? 2 : 1;
	/* the receiver fails: what is left is swept by the next */
	cr_expect_eq(known_sweep(&known, 2, count, &n), -EIO);
	cr_expect_eq(known.n_objects, N_OBJECTS - 1000);
	n = N_OBJECTS;
	cr_expect_eq(known_sweep(&known, 2, count, &n), 0);
	cr_expect_eq(N_OBJECTS - n, (N_OBJECTS + 2) / 3 - 1000);
	for (int i = 0; i < N_OBJECTS; i++)
		cr_assert_eq(known_find(&known, "ns", name_of(i, name)) != NULL, i % 3 != 0);
}
