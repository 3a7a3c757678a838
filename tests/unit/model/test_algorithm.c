/* SPDX-License-Identifier: Apache-2.0 */
/* Which service ports are Maglev's: option, annotation, and whether it has an effect. */
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
	strings_free(pool);
}

TestSuite(algorithm, .init = setup, .fini = teardown);

static void append_problem(void *arg, const char *service, const char *text)
{
	char *all = arg;

	snprintf(all + strlen(all), 1024 - strlen(all), "%s: %s\n", service, text);
}

/* A NodePort Service with one backend on another node. */
static struct k8s_service *make_service(const char *name, enum k8s_algorithm algorithm,
					uint16_t node_port)
{
	char slice[32], cluster_ip[32], addr[32];
	struct k8s_service *service;

	snprintf(slice, sizeof(slice), "%s-1", name);
	snprintf(cluster_ip, sizeof(cluster_ip), "10.96.0.%d", name[0]);
	snprintf(addr, sizeof(addr), "10.244.0.%d", name[0]);
	service = build_service(pool, name, cluster_ip);
	service->type = K8S_NODE_PORT;
	service->algorithm = algorithm;
	build_port(pool, service, "http", IPPROTO_TCP, 80, node_port);
	cr_assert_eq(model_put_slice(model, build_http_slice(pool, slice, name, addr, "n2")), 0);
	return service;
}

static void put(struct k8s_service *service)
{
	cr_assert_eq(model_put_service(model, service), 0);
}

/* The names of the Services that are Maglev's, in order. */
static void expect_maglev(const char *expected)
{
	struct service_port *const *ports;
	struct state *state;
	char text[256] = "";
	size_t n;

	cr_assert_eq(model_commit(model, NULL), 0);
	cr_assert_eq(model_state(model, &state), 0);
	ports = state_ports(state, &n);
	for (size_t i = 0; i < n; i++) {
		if (ports[i]->is_maglev)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 *text ? " " : "", ports[i]->key.name);
	}
	cr_expect_str_eq(text, expected);
	state_free(state);
}

static void expect_problems(const char *expected)
{
	char text[1024] = "";

	model_for_each_problem(model, append_problem, text);
	cr_expect_str_eq(text, expected);
}

Test(algorithm, annotation_wins_over_the_option)
{
	put(make_service("a", K8S_ALGORITHM_DEFAULT, 30001));
	put(make_service("b", K8S_ALGORITHM_RANDOM, 30002));
	put(make_service("c", K8S_ALGORITHM_MAGLEV, 30003));
	expect_maglev("c");
	model_set_algorithm(model, MODEL_ALGORITHM_MAGLEV);
	expect_maglev("a c");
	model_set_algorithm(model, MODEL_ALGORITHM_NONE);
	expect_maglev("");
	model_set_algorithm(model, MODEL_ALGORITHM_RANDOM);
	expect_maglev("c");
	expect_problems("");
}

Test(algorithm, bad_annotation_is_a_problem_and_the_option_holds)
{
	put(make_service("a", K8S_ALGORITHM_BAD, 30001));
	expect_maglev("");
	expect_problems("default/a: annotation svcbpf.io/algorithm is neither \"random\" nor "
			"\"maglev\": random is used\n");
	model_set_algorithm(model, MODEL_ALGORITHM_MAGLEV);
	expect_maglev("a");
	expect_problems("default/a: annotation svcbpf.io/algorithm is neither \"random\" nor "
			"\"maglev\": maglev is used\n");
	put(make_service("a", K8S_ALGORITHM_DEFAULT, 30001));
	expect_maglev("a");
	expect_problems("");
}

/* What has none is the same with and without, and differs from nothing in the kernel. */
Test(algorithm, only_where_it_has_an_effect)
{
	struct k8s_service *service;

	model_set_algorithm(model, MODEL_ALGORITHM_MAGLEV);
	service = make_service("a", K8S_ALGORITHM_MAGLEV, 0);
	service->type = K8S_CLUSTER_IP;
	put(service);
	put(make_service("b", K8S_ALGORITHM_MAGLEV, 30002));
	cr_assert_eq(model_remove_slice(model, "default", "b-1"), 0);
	service = make_service("c", K8S_ALGORITHM_MAGLEV, 30003);
	service->is_external_local = true;
	put(service);
	service = make_service("d", K8S_ALGORITHM_MAGLEV, 0);
	service->type = K8S_CLUSTER_IP;
	build_external_ip(service, "203.0.113.1");
	put(service);
	service = make_service("e", K8S_ALGORITHM_MAGLEV, 0);
	service->type = K8S_LOAD_BALANCER;
	build_ingress(service, "203.0.113.2", true);
	put(service);
	expect_maglev("d e");
}

/* A frontend that another Service has is not this one's. */
Test(algorithm, not_without_the_frontend)
{
	struct k8s_service *service = make_service("b", K8S_ALGORITHM_MAGLEV, 0);

	service->type = K8S_CLUSTER_IP;
	build_external_ip(service, "203.0.113.1");
	service->created_s = 2000;
	put(service);
	expect_maglev("b");
	service = make_service("a", K8S_ALGORITHM_RANDOM, 0);
	service->type = K8S_CLUSTER_IP;
	build_external_ip(service, "203.0.113.1");
	service->created_s = 1000;
	put(service);
	expect_maglev("");
	cr_assert_eq(model_remove_service(model, "default", "a"), 0);
	expect_maglev("b");
}

static int count_change(void *arg, const struct service_port *old, const struct service_port *new)
{
	(void)old;
	(void)new;
	++*(int *)arg;
	return 0;
}

Test(algorithm, a_change_is_told_and_nothing_else_is)
{
	int n = 0;
	const struct model_events events = {.port = count_change, .arg = &n};

	put(make_service("a", K8S_ALGORITHM_DEFAULT, 30001));
	put(make_service("b", K8S_ALGORITHM_RANDOM, 30002));
	cr_assert_eq(model_commit(model, &events), 0);
	cr_expect_eq(n, 2);
	model_set_algorithm(model, MODEL_ALGORITHM_MAGLEV);
	cr_assert_eq(model_commit(model, &events), 0);
	cr_expect_eq(n, 3);
	model_set_algorithm(model, MODEL_ALGORITHM_MAGLEV);
	cr_expect_not(model_has_changes(model));
}
