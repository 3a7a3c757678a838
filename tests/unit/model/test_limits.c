/* SPDX-License-Identifier: Apache-2.0 */
/* What is more or longer than can be served: said, and left out or kept as it was. */
#include "unit/model/build.h"

static struct strings *pool;
static struct model *model;

static void setup(void)
{
	cr_assert_eq(strings_new(&pool), 0);
	cr_assert_eq(model_new("n1", pool, &model), 0);
}

static void teardown(void)
{
	model_free(model);
	cr_expect_eq(strings_count(pool), 0, "%zu strings left over", strings_count(pool));
	strings_free(pool);
}

TestSuite(limits, .init = setup, .fini = teardown);

/* What the last commit told: "+web:http ", "~web:http ", "-web:http ". */
static char told[512];

static int log_port(void *arg, const struct service_port *old, const struct service_port *new)
{
	const struct service_port_key *key = old ? &old->key : &new->key;

	(void)arg;
	snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s%s:%s ",
		 !old	? "+"
		 : !new ? "-"
			: "~",
		 key->name, key->port_name);
	return 0;
}

#define EXPECT_TOLD(expected)                                                                      \
	do {                                                                                       \
		const struct model_events events_ = {.port = log_port};                            \
                                                                                                   \
		told[0] = '\0';                                                                    \
		cr_assert_eq(model_commit(model, &events_), 0);                                    \
		cr_expect_str_eq(told, expected);                                                  \
	} while (0)

static void put_service(const char *name, const char *cluster_ips)
{
	cr_assert_eq(model_put_service(model, build_http_service(pool, name, cluster_ips)), 0);
}

static void append_problem(void *arg, const char *service, const char *text)
{
	char *all = arg;

	snprintf(all + strlen(all), 1024 - strlen(all), "%s: %s\n", service, text);
}

#define EXPECT_PROBLEMS(expected)                                                                  \
	do {                                                                                       \
		char text_[1024] = "";                                                             \
		model_for_each_problem(model, append_problem, text_);                              \
		cr_expect_str_eq(text_, expected);                                                 \
	} while (0)

static void put_big_slice(uint32_t n)
{
	struct k8s_slice *slice = build_slice(pool, "web-1", "web", ADDR_IPV4);

	build_slice_port(pool, slice, "http", IPPROTO_TCP, 8080);
	slice->endpoints = build_must(calloc(n, sizeof(*slice->endpoints)));
	slice->n_endpoints = n;
	for (uint32_t i = 0; i < n; i++)
		slice->endpoints[i] = (struct k8s_endpoint){
			.addr = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i},
			.flags = READY,
		};
	cr_assert_eq(model_put_slice(model, slice), 0);
}

static size_t count_backends(void)
{
	struct state *state;
	size_t n_ports, n = 0;
	struct service_port *const *ports;

	cr_assert_eq(model_state(model, &state), 0);
	ports = state_ports(state, &n_ports);
	for (size_t i = 0; i < n_ports; i++)
		n += ports[i]->cluster.n_backends;
	state_free(state);
	return n;
}

Test(limits, up_to_65535_backends_are_served)
{
	put_service("web", "10.96.0.1");
	put_big_slice(SVC_LIST_MAX_BACKENDS);
	EXPECT_TOLD("+web:http ");
	cr_expect_eq(count_backends(), 65535);
	EXPECT_PROBLEMS("");
}

Test(limits, with_more_backends_a_port_keeps_its_last_good_ones)
{
	put_service("other", "10.96.0.2");
	put_service("web", "10.96.0.1");
	cr_assert_eq(
		model_put_slice(model, build_http_slice(pool, "web-1", "web", "10.0.0.1", "n1")),
		0);
	EXPECT_TOLD("+other:http +web:http ");
	put_big_slice(SVC_LIST_MAX_BACKENDS + 1);
	EXPECT_TOLD("");
	cr_expect_eq(count_backends(), 1);
	EXPECT_PROBLEMS(
		"default/web: port \"http\" (IPv4): 65536 backends, at most 65535: keeps its "
		"last good backends\n");
	put_big_slice(3);
	EXPECT_TOLD("~web:http ");
	cr_expect_eq(count_backends(), 3);
	EXPECT_PROBLEMS("");
}

Test(limits, with_more_backends_from_the_start_a_port_is_left_out)
{
	put_service("other", "10.96.0.2");
	put_service("web", "10.96.0.1");
	put_big_slice(SVC_LIST_MAX_BACKENDS + 1);
	EXPECT_TOLD("+other:http ");
	EXPECT_PROBLEMS("default/web: port \"http\" (IPv4): 65536 backends, at most 65535: left "
			"out\n");
	put_big_slice(2);
	EXPECT_TOLD("+web:http ");
	EXPECT_PROBLEMS("");
}

/* 63 and 64 bytes */
#define NAME_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME_64 NAME_63 "a"

Test(limits, names_up_to_63_bytes_are_served)
{
	put_service(NAME_63, "10.96.0.1");
	EXPECT_TOLD("+" NAME_63 ":http ");
	EXPECT_PROBLEMS("");
	put_service(NAME_64, "10.96.0.2");
	EXPECT_TOLD("");
	EXPECT_PROBLEMS("default/" NAME_64 ": name \"" NAME_64
			"...\" has 64 bytes, at most 63: left out\n");
	cr_assert_eq(model_remove_service(model, "default", NAME_64), 0);
	EXPECT_TOLD("");
	EXPECT_PROBLEMS("");
}

Test(limits, a_port_with_a_long_name_is_left_out_alone)
{
	struct k8s_service *service = build_service(pool, "web", "10.96.0.1");

	build_port(pool, service, NAME_64, IPPROTO_TCP, 80, 0);
	build_port(pool, service, NAME_63, IPPROTO_TCP, 81, 0);
	cr_assert_eq(model_put_service(model, service), 0);
	EXPECT_TOLD("+web:" NAME_63 " ");
	EXPECT_PROBLEMS("default/web: port name \"" NAME_64
			"...\" has 64 bytes, at most 63: left out\n");
}

Test(limits, services_that_are_not_served_are_no_problem)
{
	struct k8s_service *service = build_service(pool, NAME_64, "10.96.0.1");

	service->is_headless = true;
	build_port(pool, service, "http", IPPROTO_TCP, 80, 0);
	cr_assert_eq(model_put_service(model, service), 0);
	EXPECT_TOLD("");
	EXPECT_PROBLEMS("");
}
