/* SPDX-License-Identifier: Apache-2.0 */
/* The same frontend asked for by two Services: who has it, who is told, what happens next. */
#include "unit/model/build.h"

static struct strings *pool;
static struct model *model;
static char problems[4096];

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

TestSuite(conflicts, .init = setup, .fini = teardown);

static void append_problem(void *arg, const char *service, const char *text)
{
	char *all = arg;

	snprintf(all + strlen(all), sizeof(problems) - strlen(all), "%s: %s\n", service, text);
}

#define EXPECT_PROBLEMS(expected)                                                                  \
	do {                                                                                       \
		problems[0] = '\0';                                                                \
		model_for_each_problem(model, append_problem, problems);                           \
		cr_expect_str_eq(problems, expected);                                              \
	} while (0)

/* A Service with one port 80 and an external IP. */
static struct k8s_service *make_service(const char *name, const char *cluster_ip, int64_t created_s,
					const char *external_ip, uint16_t node_port)
{
	struct k8s_service *service = build_service(pool, name, cluster_ip);

	service->created_s = created_s;
	build_port(pool, service, "http", IPPROTO_TCP, 80, node_port);
	if (external_ip)
		build_external_ip(service, external_ip);
	return service;
}

static void put(struct k8s_service *service)
{
	cr_assert_eq(model_put_service(model, service), 0);
}

static void commit(void)
{
	cr_assert_eq(model_commit(model, NULL), 0);
	cr_expect_not(model_has_changes(model));
}

#define A_WITH	  "default/a:http TCP4 (C10.96.0.1:80 E203.0.113.7:80) cluster[] local[] ready=0\n"
#define A_WITHOUT "default/a:http TCP4 (C10.96.0.1:80) cluster[] local[] ready=0\n"
#define B_WITH	  "default/b:http TCP4 (C10.96.0.2:80 E203.0.113.7:80) cluster[] local[] ready=0\n"
#define B_WITHOUT "default/b:http TCP4 (C10.96.0.2:80) cluster[] local[] ready=0\n"

Test(conflicts, the_older_service_has_the_frontend)
{
	put(make_service("a", "10.96.0.1", 2000, "203.0.113.7", 0));
	put(make_service("b", "10.96.0.2", 1000, "203.0.113.7", 0));
	commit();
	EXPECT_MODEL(model, A_WITHOUT B_WITH);
	EXPECT_PROBLEMS("default/a: ExternalIP 203.0.113.7 port 80/TCP belongs to Service "
			"default/b, which is older\n");
}

Test(conflicts, of_the_same_age_the_first_by_name_has_it)
{
	put(make_service("b", "10.96.0.2", 1000, "203.0.113.7", 0));
	put(make_service("a", "10.96.0.1", 1000, "203.0.113.7", 0));
	commit();
	EXPECT_MODEL(model, A_WITH B_WITHOUT);
	EXPECT_PROBLEMS("default/b: ExternalIP 203.0.113.7 port 80/TCP belongs to Service "
			"default/a, which comes first by name\n");
}

Test(conflicts, namespace_comes_before_name)
{
	struct k8s_service *service = make_service("z", "10.96.0.3", 1000, "203.0.113.7", 0);

	strings_put(pool, service->namespace);
	service->namespace = strings_get(pool, "apps");
	put(make_service("a", "10.96.0.1", 1000, "203.0.113.7", 0));
	put(service);
	commit();
	EXPECT_MODEL(model, "apps/z:http TCP4 (C10.96.0.3:80 E203.0.113.7:80) cluster[] local[] "
			    "ready=0\n" A_WITHOUT);
}

Test(conflicts, without_a_timestamp_one_loses)
{
	put(make_service("a", "10.96.0.1", INT64_MAX, "203.0.113.7", 0));
	put(make_service("b", "10.96.0.2", 1000, "203.0.113.7", 0));
	commit();
	EXPECT_MODEL(model, A_WITHOUT B_WITH);
}

Test(conflicts, an_older_one_that_comes_later_takes_over)
{
	put(make_service("a", "10.96.0.1", 2000, "203.0.113.7", 0));
	commit();
	EXPECT_MODEL(model, A_WITH);
	EXPECT_PROBLEMS("");
	put(make_service("b", "10.96.0.2", 1000, "203.0.113.7", 0));
	commit();
	EXPECT_MODEL(model, A_WITHOUT B_WITH);
}

Test(conflicts, when_the_holder_goes_the_next_has_it)
{
	put(make_service("a", "10.96.0.1", 2000, "203.0.113.7", 0));
	put(make_service("b", "10.96.0.2", 1000, "203.0.113.7", 0));
	commit();
	cr_assert_eq(model_remove_service(model, "default", "b"), 0);
	commit();
	EXPECT_MODEL(model, A_WITH);
	EXPECT_PROBLEMS("");
}

Test(conflicts, when_the_holder_no_longer_asks_the_next_has_it)
{
	put(make_service("a", "10.96.0.1", 2000, "203.0.113.7", 0));
	put(make_service("b", "10.96.0.2", 1000, "203.0.113.7", 0));
	commit();
	put(make_service("b", "10.96.0.2", 1000, NULL, 0));
	commit();
	EXPECT_MODEL(model, A_WITH B_WITHOUT);
	EXPECT_PROBLEMS("");
}

Test(conflicts, a_change_of_age_decides_again)
{
	put(make_service("a", "10.96.0.1", 2000, "203.0.113.7", 0));
	put(make_service("b", "10.96.0.2", 1000, "203.0.113.7", 0));
	commit();
	put(make_service("b", "10.96.0.2", 3000, "203.0.113.7", 0));
	commit();
	EXPECT_MODEL(model, A_WITH B_WITHOUT);
}

Test(conflicts, three_take_their_turns)
{
	put(make_service("a", "10.96.0.1", 3000, "203.0.113.7", 0));
	put(make_service("b", "10.96.0.2", 2000, "203.0.113.7", 0));
	put(make_service("c", "10.96.0.3", 1000, "203.0.113.7", 0));
	commit();
	EXPECT_PROBLEMS("default/b: ExternalIP 203.0.113.7 port 80/TCP belongs to Service "
			"default/c, which is older\n"
			"default/a: ExternalIP 203.0.113.7 port 80/TCP belongs to Service "
			"default/c, which is older\n");
	cr_assert_eq(model_remove_service(model, "default", "c"), 0);
	commit();
	EXPECT_MODEL(model, A_WITHOUT B_WITH);
	cr_assert_eq(model_remove_service(model, "default", "b"), 0);
	commit();
	EXPECT_MODEL(model, A_WITH);
}

Test(conflicts, node_ports_conflict_within_family_and_protocol)
{
	struct k8s_service *udp = build_service(pool, "c", "10.96.0.3");
	struct k8s_service *ipv6 = build_service(pool, "d", "fd00::1");

	build_port(pool, udp, "http", IPPROTO_UDP, 80, 30080);
	build_port(pool, ipv6, "http", IPPROTO_TCP, 80, 30080);
	put(make_service("a", "10.96.0.1", 1000, NULL, 30080));
	put(make_service("b", "10.96.0.2", 2000, NULL, 30080));
	put(udp);
	put(ipv6);
	commit();
	EXPECT_MODEL(
		model,
		"default/a:http TCP4 (C10.96.0.1:80 N:30080) cluster[] local[] ready=0\n" B_WITHOUT
		"default/c:http UDP4 (C10.96.0.3:80 N:30080) cluster[] local[] serving[] "
		"ready=0\n"
		"default/d:http TCP6 (Cfd00::1:80 N:30080) cluster[] local[] ready=0\n");
	EXPECT_PROBLEMS("default/b: NodePort 30080/TCP (IPv4) belongs to Service default/a, which "
			"is older\n");
}

Test(conflicts, different_types_of_frontend_conflict_too)
{
	struct k8s_service *service = make_service("b", "10.96.0.2", 2000, NULL, 0);

	build_ingress(service, "203.0.113.7", true);
	put(make_service("a", "10.96.0.1", 1000, "203.0.113.7", 0));
	put(service);
	commit();
	EXPECT_MODEL(model, A_WITH B_WITHOUT);
	EXPECT_PROBLEMS("default/b: LoadBalancer 203.0.113.7 port 80/TCP belongs to Service "
			"default/a, which is older\n");
}

Test(conflicts, another_port_on_the_same_address_is_none)
{
	struct k8s_service *service = build_service(pool, "b", "10.96.0.2");

	build_port(pool, service, "http", IPPROTO_TCP, 81, 0);
	build_external_ip(service, "203.0.113.7");
	put(make_service("a", "10.96.0.1", 1000, "203.0.113.7", 0));
	put(service);
	commit();
	EXPECT_PROBLEMS("");
}

Test(conflicts, a_service_with_no_frontend_left_is_left_out)
{
	put(make_service("a", "10.96.0.1", 1000, NULL, 0));
	put(make_service("b", "10.96.0.1", 2000, NULL, 0));
	commit();
	EXPECT_MODEL(model, A_WITHOUT);
	cr_assert_eq(model_remove_service(model, "default", "a"), 0);
	commit();
	EXPECT_MODEL(model, "default/b:http TCP4 (C10.96.0.1:80) cluster[] local[] ready=0\n");
}

Test(conflicts, within_one_service_the_type_decides_silently)
{
	struct k8s_service *service = make_service("a", "10.96.0.1", 1000, "203.0.113.7", 0);

	build_ingress(service, "203.0.113.7", true);
	build_ingress(service, "10.96.0.1", true);
	put(service);
	commit();
	EXPECT_MODEL(model, A_WITH);
	EXPECT_PROBLEMS("");
}

Test(conflicts, two_ports_of_one_service_on_one_number_are_told)
{
	struct k8s_service *service = make_service("a", "10.96.0.1", 1000, NULL, 0);

	build_port(pool, service, "extra", IPPROTO_TCP, 80, 0);
	put(service);
	commit();
	EXPECT_MODEL(model, "default/a:extra TCP4 (C10.96.0.1:80) cluster[] local[] ready=0\n");
	EXPECT_PROBLEMS("default/a: ClusterIP 10.96.0.1 port 80/TCP of port \"http\" belongs to "
			"its port \"extra\" already\n");
}

Test(conflicts, services_that_are_not_served_claim_nothing)
{
	struct k8s_service *excluded = make_service("a", "10.96.0.1", 1000, "203.0.113.7", 0);

	excluded->is_excluded = true;
	put(excluded);
	put(make_service("b", "10.96.0.2", 2000, "203.0.113.7", 0));
	commit();
	EXPECT_MODEL(model, B_WITH);
	EXPECT_PROBLEMS("");
}

struct told {
	char text[512];
};

static int log_port(void *arg, const struct service_port *old, const struct service_port *new)
{
	struct told *told = arg;

	snprintf(told->text + strlen(told->text), sizeof(told->text) - strlen(told->text), "%s%s ",
		 !old	? "+"
		 : !new ? "-"
			: "~",
		 (old ? old : new)->key.name);
	return 0;
}

Test(conflicts, only_those_who_gain_or_lose_are_told)
{
	struct told told = {""};
	struct model_events events = {.port = log_port, .arg = &told};

	put(make_service("a", "10.96.0.1", 2000, "203.0.113.7", 0));
	put(make_service("b", "10.96.0.2", 1000, "203.0.113.8", 0));
	put(make_service("c", "10.96.0.3", 1000, "203.0.113.9", 0));
	commit();
	put(make_service("b", "10.96.0.2", 1000, "203.0.113.7", 0));
	cr_assert_eq(model_commit(model, &events), 0);
	cr_expect_str_eq(told.text, "~b ~a ");
	told.text[0] = '\0';
	/* the same again changes nothing, for the loser neither */
	put(make_service("b", "10.96.0.2", 1000, "203.0.113.7", 0));
	cr_assert_eq(model_commit(model, &events), 0);
	cr_expect_str_empty(told.text);
}
