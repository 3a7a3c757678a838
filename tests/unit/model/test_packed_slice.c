/* SPDX-License-Identifier: Apache-2.0 */
#include "model/packed_slice.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static struct strings *pool;

static void init(void)
{
	cr_assert_eq(strings_new(&pool), 0);
}

static void fini(void)
{
	cr_expect_eq(strings_count(pool), 0, "every string was given back");
	strings_free(pool);
}

TestSuite(packed_slice, .init = init, .fini = fini);

static struct k8s_hints *hints_of(const char *zone)
{
	struct k8s_hints *hints = calloc(1, sizeof(*hints) + sizeof(hints->names[0]));

	cr_assert_not_null(hints);
	hints->n_zones = 1;
	hints->names[0] = strings_get(pool, zone);
	return hints;
}

/* @n endpoints; every third with a node, the last with hints when @is_hinted. */
static struct k8s_slice *slice_of(uint8_t family, size_t n, bool is_hinted)
{
	struct k8s_slice *slice = calloc(1, sizeof(*slice));
	size_t i;

	cr_assert_not_null(slice);
	*slice = (struct k8s_slice){
		.namespace = strings_get(pool, "default"),
		.name = strings_get(pool, "web-abcde"),
		.service = strings_get(pool, "web"),
		.family = family,
		.last_change_ns = 1234567890123L,
		.ports = calloc(1, sizeof(*slice->ports)),
		.n_ports = 1,
		.endpoints = calloc(n + 1, sizeof(*slice->endpoints)),
		.n_endpoints = n,
	};
	slice->ports[0] = (struct k8s_slice_port){strings_get(pool, "http"), IPPROTO_TCP, 8080};
	for (i = 0; i < n; i++) {
		memset(slice->endpoints[i].addr, (int)i + 1, family == ADDR_IPV4 ? 4 : 16);
		slice->endpoints[i].node = i % 3 ? NULL : strings_get(pool, "node-1");
		slice->endpoints[i].flags = (uint32_t)i % 8;
	}
	if (is_hinted)
		slice->endpoints[n - 1].hints = hints_of("zone-a");
	return slice;
}

static void assert_kept(uint8_t family, size_t n, bool is_hinted)
{
	struct k8s_slice *expected = slice_of(family, n, is_hinted), found;
	struct packed_slice *packed;
	size_t i;

	cr_assert_eq(packed_slice_new(slice_of(family, n, is_hinted), &packed), 0);
	cr_assert_eq(packed_slice_open(packed, &found), 0);
	cr_expect_eq(found.namespace, expected->namespace);
	cr_expect_eq(found.name, expected->name);
	cr_expect_eq(found.service, expected->service);
	cr_expect_eq(found.family, family);
	cr_expect_eq(found.last_change_ns, expected->last_change_ns);
	cr_assert_eq(found.n_ports, 1);
	cr_expect_eq(found.ports[0].name, expected->ports[0].name);
	cr_expect_eq(found.ports[0].port, 8080);
	cr_assert_eq(found.n_endpoints, n);
	for (i = 0; i < n; i++) {
		const struct k8s_endpoint *a = &found.endpoints[i], *b = &expected->endpoints[i];

		cr_expect_eq(memcmp(a->addr, b->addr, sizeof(a->addr)), 0);
		cr_expect_eq(a->node, b->node);
		cr_expect_eq(a->flags, b->flags);
		cr_assert_eq(!a->hints, !b->hints);
		if (a->hints)
			cr_expect_eq(a->hints->names[0], b->hints->names[0]);
	}
	packed_slice_close(&found);
	packed_slice_free(pool, packed);
	k8s_slice_free(pool, expected);
}

Test(packed_slice, opens_as_it_was)
{
	static const uint8_t families[] = {ADDR_IPV4, ADDR_IPV6};
	size_t i, n;

	for (i = 0; i < 2; i++)
		for (n = 0; n < 12; n++) {
			assert_kept(families[i], n, false);
			if (n)
				assert_kept(families[i], n, true);
		}
}

Test(packed_slice, null_is_fine)
{
	struct k8s_slice none = {};

	packed_slice_free(pool, NULL);
	packed_slice_close(&none);
}
