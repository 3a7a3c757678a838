/* SPDX-License-Identifier: Apache-2.0 */
#include "model/endpoints.h"
#include "unit/model/build.h"

static struct strings *pool;
static struct k8s_slice *slices[3];
static struct endpoint_source source;
static struct endpoint_set set;

static void setup(void)
{
	cr_assert_eq(strings_new(&pool), 0);
	for (size_t i = 0; i < ARRAY_SIZE(slices); i++) {
		slices[i] = build_slice(pool, "s", "web", ADDR_IPV4);
		build_slice_port(pool, slices[i], "http", IPPROTO_TCP, 8080);
	}
	source = (struct endpoint_source){
		.slices = (const struct k8s_slice *const *)slices,
		.n_slices = ARRAY_SIZE(slices),
		.node_name = strings_get(pool, "here"),
		.zone = strings_get(pool, ""),
	};
}

static void teardown(void)
{
	endpoint_set_fini(&set);
	for (size_t i = 0; i < ARRAY_SIZE(slices); i++)
		k8s_slice_free(pool, slices[i]);
	strings_free(pool);
}

TestSuite(endpoints, .init = setup, .fini = teardown);
TestSuite(local_ready, .init = setup, .fini = teardown);

/* Collected as "address:port", "r" for ready, "t" for terminating, "+" for local. */
static void expect_collected(uint8_t family, const char *name, uint8_t protocol,
			     const char *expected)
{
	const char *interned = strings_get(pool, name);
	char text[1024] = "";

	cr_assert_eq(endpoints_collect(&source, family, interned, protocol, &set), 0);
	for (size_t i = 0; i < set.n_views; i++) {
		const struct endpoint_view *view = &set.views[i];
		struct addr addr = {.family = family};
		char buf[ADDR_TEXT_MAX];

		memcpy(addr.bytes, view->endpoint->addr, sizeof(addr.bytes));
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s:%u%s%s%s",
			 i ? " " : "", addr_format(&addr, buf), view->port,
			 view->endpoint->flags & K8S_ENDPOINT_READY ? "r" : "",
			 view->endpoint->flags & K8S_ENDPOINT_TERMINATING ? "t" : "",
			 view->endpoint->node == source.node_name ? "+" : "");
	}
	cr_expect_str_eq(text, expected);
}

static void add(size_t slice, const char *addr, const char *node, uint32_t flags)
{
	build_endpoint(pool, slices[slice], addr, node, flags);
}

Test(endpoints, come_ordered_by_address_then_port)
{
	build_slice_port(pool, slices[1], "http", IPPROTO_TCP, 80);
	add(0, "10.0.0.9", NULL, READY);
	add(1, "10.0.0.1", NULL, READY);
	add(1, "9.255.0.1", NULL, READY);
	add(2, "10.0.0.2", "here", READY);
	expect_collected(ADDR_IPV4, "http", IPPROTO_TCP,
			 "9.255.0.1:80r 9.255.0.1:8080r 10.0.0.1:80r 10.0.0.1:8080r "
			 "10.0.0.2:8080r+ 10.0.0.9:8080r");
}

Test(endpoints, belong_to_a_port_by_name_and_protocol)
{
	build_slice_port(pool, slices[0], "http", IPPROTO_UDP, 53);
	build_slice_port(pool, slices[0], "", IPPROTO_TCP, 81);
	add(0, "10.0.0.1", NULL, READY);
	expect_collected(ADDR_IPV4, "http", IPPROTO_TCP, "10.0.0.1:8080r");
	expect_collected(ADDR_IPV4, "http", IPPROTO_UDP, "10.0.0.1:53r");
	expect_collected(ADDR_IPV4, "", IPPROTO_TCP, "10.0.0.1:81r");
	expect_collected(ADDR_IPV4, "other", IPPROTO_TCP, "");
}

Test(endpoints, of_the_other_family_or_a_headless_slice_do_not_count)
{
	slices[0]->family = ADDR_IPV6;
	slices[1]->is_headless = true;
	slices[2]->family = ADDR_NONE;
	add(0, "fd00::1", NULL, READY);
	add(1, "10.0.0.1", NULL, READY);
	add(2, "10.0.0.2", NULL, READY);
	expect_collected(ADDR_IPV4, "http", IPPROTO_TCP, "");
	expect_collected(ADDR_IPV6, "http", IPPROTO_TCP, "fd00::1:8080r");
}

/* Rule R8, @flags in order of appearance; @winner: whose flags are kept. */
static const struct {
	uint32_t flags[3];
	size_t winner;
} duplicates[] = {
	{{READY, NOT_READY, READY}, 2},
	{{READY, READY, NOT_READY}, 2},
	{{READY, TERMINATING, TERMINATING}, 0},
	{{NOT_READY, READY, TERMINATING}, 1},
	{{TERMINATING, READY, NOT_READY}, 2},
	{{TERMINATING, NOT_READY, TERMINATING}, 1},
	{{TERMINATING, K8S_ENDPOINT_TERMINATING, TERMINATING}, 0},
	{{TERMINATING, TERMINATING, READY}, 2},
	{{READY, READY | K8S_ENDPOINT_TERMINATING, TERMINATING}, 0},
};

Test(endpoints, the_later_of_two_wins_unless_it_terminates)
{
	for (size_t i = 0; i < ARRAY_SIZE(duplicates); i++) {
		for (size_t j = 0; j < 3; j++)
			add(j, "10.0.0.1", NULL, duplicates[i].flags[j]);
		cr_assert_eq(endpoints_collect(&source, ADDR_IPV4, strings_get(pool, "http"),
					       IPPROTO_TCP, &set),
			     0);
		cr_assert_eq(set.n_views, 1);
		cr_expect_eq(set.views[0].endpoint, &slices[duplicates[i].winner]->endpoints[0],
			     "row %zu", i);
		for (size_t j = 0; j < 3; j++)
			slices[j]->n_endpoints = 0;
	}
}

Test(endpoints, duplicates_within_one_slice_are_decided_too)
{
	add(0, "10.0.0.1", NULL, READY);
	add(0, "10.0.0.2", NULL, READY);
	add(0, "10.0.0.1", "here", NOT_READY);
	add(0, "10.0.0.2", "here", TERMINATING);
	expect_collected(ADDR_IPV4, "http", IPPROTO_TCP, "10.0.0.1:8080+ 10.0.0.2:8080r");
}

Test(endpoints, same_address_with_another_port_is_no_duplicate)
{
	slices[1]->ports[0].port = 8081;
	add(0, "10.0.0.1", NULL, READY);
	add(1, "10.0.0.1", NULL, READY);
	expect_collected(ADDR_IPV4, "http", IPPROTO_TCP, "10.0.0.1:8080r 10.0.0.1:8081r");
}

static struct service_port categorise(uint8_t protocol)
{
	struct service_port port = {.key = {.protocol = protocol, .family = ADDR_IPV4}};

	slices[0]->ports[0].protocol = protocol;
	cr_assert_eq(
		endpoints_collect(&source, ADDR_IPV4, strings_get(pool, "http"), protocol, &set),
		0);
	cr_assert_eq(endpoints_categorise(&source, &set, true, true, &port), 0);
	return port;
}

Test(endpoints, backends_say_local_and_terminating)
{
	struct service_port port;

	add(0, "10.0.0.1", "here", TERMINATING);
	add(0, "10.0.0.2", "there", TERMINATING);
	add(0, "10.0.0.3", NULL, TERMINATING);
	port = categorise(IPPROTO_TCP);
	cr_assert_eq(port.cluster.n_backends, 3);
	cr_expect_eq(port.cluster.backends[0].flags,
		     SVC_BACKEND_F_LOCAL | SVC_BACKEND_F_TERMINATING);
	cr_expect_eq(port.cluster.backends[1].flags, SVC_BACKEND_F_TERMINATING);
	cr_expect_eq(port.cluster.backends[2].flags, SVC_BACKEND_F_TERMINATING);
	cr_assert_eq(port.local.n_backends, 1);
	cr_expect_eq(port.local.backends[0].port, 8080);
	service_port_free_lists(&port);
}

Test(endpoints, all_that_serve_are_kept_for_udp_only)
{
	struct service_port port;

	add(0, "10.0.0.1", "there", READY);
	add(0, "10.0.0.2", "there", K8S_ENDPOINT_SERVING);
	add(0, "10.0.0.3", "there", TERMINATING);
	add(0, "10.0.0.4", "there", K8S_ENDPOINT_READY);
	port = categorise(IPPROTO_UDP);
	cr_assert_eq(port.serving.n_backends, 3);
	cr_expect_eq(port.serving.backends[2].addr.bytes[3], 3);
	cr_expect_eq(port.cluster.n_backends, 2, "ready ones: .1 and .4");
	service_port_free_lists(&port);
	port = categorise(IPPROTO_TCP);
	cr_expect_eq(port.serving.n_backends, 0);
	cr_expect_null(port.serving.backends);
	service_port_free_lists(&port);
}

static uint32_t count_local_ready(uint8_t family)
{
	uint32_t n = 99;

	cr_assert_eq(endpoints_count_local_ready(&source, family, &set, &n), 0);
	return n;
}

Test(local_ready, counts_distinct_ips_over_all_ports)
{
	build_slice_port(pool, slices[0], "https", IPPROTO_TCP, 8443);
	build_slice_port(pool, slices[0], "dns", IPPROTO_UDP, 53);
	add(0, "10.0.0.1", "here", READY);
	add(1, "10.0.0.1", "here", READY);
	add(1, "10.0.0.2", "here", READY);
	cr_expect_eq(count_local_ready(ADDR_IPV4), 2);
	cr_expect_eq(count_local_ready(ADDR_IPV6), 0);
}

Test(local_ready, neither_remote_nor_terminating_ones_count)
{
	add(0, "10.0.0.1", "there", READY);
	add(0, "10.0.0.2", NULL, READY);
	add(0, "10.0.0.3", "here", TERMINATING);
	add(0, "10.0.0.4", "here", NOT_READY);
	cr_expect_eq(count_local_ready(ADDR_IPV4), 0);
	add(0, "10.0.0.5", "here", READY);
	cr_expect_eq(count_local_ready(ADDR_IPV4), 1);
}

Test(local_ready, duplicates_are_decided_before_counting)
{
	add(0, "10.0.0.1", "here", READY);
	add(1, "10.0.0.1", "there", READY);
	cr_expect_eq(count_local_ready(ADDR_IPV4), 0, "the later one is not here");
	slices[2]->ports[0].port = 9090;
	add(2, "10.0.0.1", "here", READY);
	cr_expect_eq(count_local_ready(ADDR_IPV4), 1, "with another port it is no duplicate");
}

Test(local_ready, slices_without_ports_do_not_count)
{
	slices[0]->n_ports = 0;
	add(0, "10.0.0.1", "here", READY);
	cr_expect_eq(count_local_ready(ADDR_IPV4), 0);
	slices[0]->n_ports = 1;
}

Test(local_ready, many_are_counted)
{
	char addr[32];

	for (int i = 0; i < 300; i++) {
		snprintf(addr, sizeof(addr), "10.0.%d.%d", i / 100, i % 100);
		add(i % 3, addr, "here", READY);
	}
	cr_expect_eq(count_local_ready(ADDR_IPV4), 300);
}
