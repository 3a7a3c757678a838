/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "unit/model/build.h"

static struct strings *pool;
static struct model *model;

/* What model_commit() told, one word each: "+web:http4", "~…", "-…", "h31000=2". */
struct told {
	char text[1024];
	int n;
	int fail_at; /* the call that fails; 0: none */
};

static struct told told;

static int count_call(struct told *log)
{
	return ++log->n == log->fail_at ? -EIO : 0;
}

static int log_port(void *arg, const struct service_port *old, const struct service_port *new)
{
	const struct service_port_key *key = old ? &old->key : &new->key;
	struct told *log = arg;
	int r = count_call(log);

	if (r == 0)
		snprintf(log->text + strlen(log->text), sizeof(log->text) - strlen(log->text),
			 "%s%s:%s%u ",
			 !old	? "+"
			 : !new ? "-"
				: "~",
			 key->name, key->port_name, key->family);
	return r;
}

static int log_health(void *arg, const struct health_check *check)
{
	struct told *log = arg;
	int r = count_call(log);

	if (r == 0)
		snprintf(log->text + strlen(log->text), sizeof(log->text) - strlen(log->text),
			 "h:%s:%u=%u ", check->name, check->node_port, check->n_local_endpoints);
	return r;
}

static const struct model_events events = {
	.port = log_port,
	.health = log_health,
	.arg = &told,
};

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

TestSuite(model, .init = setup, .fini = teardown);

#define EXPECT_TOLD(expected)                                                                      \
	do {                                                                                       \
		memset(&told, 0, sizeof(told));                                                    \
		cr_assert_eq(model_commit(model, &events), 0);                                     \
		cr_expect_str_eq(told.text, expected);                                             \
	} while (0)

static void put_service(const char *name, const char *cluster_ips)
{
	cr_assert_eq(model_put_service(model, build_http_service(pool, name, cluster_ips)), 0);
}

static void put_slice(const char *name, const char *service, const char *addr, const char *node)
{
	cr_assert_eq(model_put_slice(model, build_http_slice(pool, name, service, addr, node)), 0);
}

Test(model, nothing_is_told_of_nothing)
{
	cr_expect_not(model_has_changes(model));
	EXPECT_TOLD("");
	EXPECT_MODEL(model, "");
}

Test(model, service_and_slice_may_come_in_any_order)
{
	static const char expected[] = "default/web:http TCP4 (C10.96.0.1:80) "
				       "cluster[10.0.0.1:8080+] local[] any ready=1\n";

	put_slice("web-1", "web", "10.0.0.1", "n1");
	cr_expect_not(model_has_changes(model), "a slice alone serves nobody");
	EXPECT_TOLD("");
	put_service("web", "10.96.0.1");
	EXPECT_TOLD("+web:http4 ");
	EXPECT_MODEL(model, expected);
	cr_assert_eq(model_remove_service(model, "default", "web"), 0);
	EXPECT_TOLD("-web:http4 ");
	EXPECT_MODEL(model, "");
	put_service("web", "10.96.0.1");
	EXPECT_TOLD("+web:http4 ");
	EXPECT_MODEL(model, expected);
}

Test(model, only_differences_are_told)
{
	put_service("a", "10.96.0.1");
	put_service("b", "10.96.0.2,fd00::2");
	EXPECT_TOLD("+a:http4 +b:http4 +b:http6 ");
	EXPECT_TOLD("");
	put_service("b", "10.96.0.2,fd00::2");
	cr_expect(model_has_changes(model));
	EXPECT_TOLD("");
	put_slice("b-1", "b", "fd00::1:1", "n2");
	EXPECT_TOLD("~b:http6 ");
	put_slice("b-1", "b", "fd00::1:1", "n2");
	EXPECT_TOLD("");
	put_slice("b-1", "b", "fd00::1:1", "n1");
	EXPECT_TOLD("~b:http6 ");
	cr_assert_eq(model_remove_slice(model, "default", "b-1"), 0);
	EXPECT_TOLD("~b:http6 ");
	put_service("b", "10.96.0.2");
	EXPECT_TOLD("-b:http6 ");
}

/* As in a manifest without clusterIP; two of them, since the second one once freed what the first
 * had. */
Test(model, ports_without_any_frontend_are_left_out)
{
	struct k8s_service *service = build_http_service(pool, "web", "10.96.0.1");

	service->is_unallocated = true;
	build_port(pool, service, "more", IPPROTO_TCP, 81, 0);
	cr_assert_eq(model_put_service(model, service), 0);
	EXPECT_TOLD("");
	EXPECT_MODEL(model, "");
	put_service("web", "10.96.0.1");
	EXPECT_TOLD("+web:http4 ");
}

Test(model, a_change_that_is_taken_back_is_not_told)
{
	put_service("web", "10.96.0.1");
	EXPECT_TOLD("+web:http4 ");
	put_slice("web-1", "web", "10.0.0.1", "n1");
	cr_assert_eq(model_remove_slice(model, "default", "web-1"), 0);
	EXPECT_TOLD("");
	cr_assert_eq(model_remove_service(model, "default", "web"), 0);
	put_service("web", "10.96.0.1");
	EXPECT_TOLD("");
}

Test(model, several_slices_are_one_service)
{
	put_service("web", "10.96.0.1,fd00::1");
	put_slice("web-2", "web", "10.0.0.2", "n2");
	put_slice("web-1", "web", "10.0.0.1", "n1");
	put_slice("web-6", "web", "fd01::1", "n1");
	EXPECT_TOLD("+web:http4 +web:http6 ");
	EXPECT_MODEL(model,
		     "default/web:http TCP4 (C10.96.0.1:80) cluster[10.0.0.1:8080+ "
		     "10.0.0.2:8080] local[] any ready=1\n"
		     "default/web:http TCP6 (Cfd00::1:80) cluster[fd01::1:8080+] local[] any "
		     "ready=1\n");
}

Test(model, slice_names_decide_between_duplicates)
{
	/* R8: the later slice by name wins, whatever the order they came in */
	put_service("web", "10.96.0.1");
	put_slice("web-2", "web", "10.0.0.1", "n1");
	put_slice("web-1", "web", "10.0.0.1", "n2");
	cr_assert_eq(model_commit(model, NULL), 0);
	EXPECT_MODEL(model, "default/web:http TCP4 (C10.96.0.1:80) cluster[10.0.0.1:8080+] local[] "
			    "any ready=1\n");
}

Test(model, a_slice_can_move_to_another_service)
{
	put_service("a", "10.96.0.1");
	put_service("b", "10.96.0.2");
	put_slice("s", "a", "10.0.0.1", "n1");
	EXPECT_TOLD("+a:http4 +b:http4 ");
	put_slice("s", "b", "10.0.0.1", "n1");
	EXPECT_TOLD("~a:http4 ~b:http4 ");
	EXPECT_MODEL(model,
		     "default/a:http TCP4 (C10.96.0.1:80) cluster[] local[] ready=0\n"
		     "default/b:http TCP4 (C10.96.0.2:80) cluster[10.0.0.1:8080+] local[] any "
		     "ready=1\n");
}

static void put_ignored_slice(const char *service, bool is_headless, uint8_t family)
{
	struct k8s_slice *slice = build_slice(pool, "s", service, family);

	slice->is_headless = is_headless;
	build_slice_port(pool, slice, "http", IPPROTO_TCP, 8080);
	build_endpoint(pool, slice, "10.0.0.1", "n1", READY);
	cr_assert_eq(model_put_slice(model, slice), 0);
}

Test(model, slices_that_do_not_count_are_known_and_ignored)
{
	put_service("web", "10.96.0.1");
	put_slice("s", "web", "10.0.0.1", "n1");
	EXPECT_TOLD("+web:http4 ");
	put_ignored_slice(NULL, false, ADDR_IPV4);
	EXPECT_TOLD("~web:http4 ");
	put_ignored_slice("", false, ADDR_IPV4);
	put_ignored_slice("web", true, ADDR_IPV4);
	put_ignored_slice("web", false, ADDR_NONE);
	EXPECT_TOLD("");
	put_slice("s", "web", "10.0.0.1", "n1");
	EXPECT_TOLD("~web:http4 ");
	put_ignored_slice("web", true, ADDR_IPV4);
	cr_expect_eq(model_remove_slice(model, "default", "s"), 0);
	cr_expect_eq(model_remove_slice(model, "default", "s"), -ENOENT);
}

Test(model, objects_that_went_leave_nothing_behind)
{
	size_t n_strings = strings_count(pool);

	put_slice("web-1", "web", "10.0.0.1", "n1");
	cr_assert_eq(model_remove_slice(model, "default", "web-1"), 0);
	cr_expect_eq(strings_count(pool), n_strings, "a slice without Service");
	put_slice("web-1", "web", "10.0.0.1", "n1");
	put_service("web", "10.96.0.1");
	cr_assert_eq(model_commit(model, NULL), 0);
	cr_assert_eq(model_remove_slice(model, "default", "web-1"), 0);
	cr_assert_eq(model_remove_service(model, "default", "web"), 0);
	cr_assert_eq(model_commit(model, NULL), 0);
	cr_assert_eq(model_commit(model, NULL), 0);
	cr_expect_eq(strings_count(pool), n_strings, "a Service with its slice");
}

/* Rule R17: which lists a Service uses. @is_external: it has a NodePort. */
static const struct {
	const char *expected;
	bool is_internal_local;
	bool is_external_local;
	bool is_external;
} policies[] = {
	{"(C10.96.0.1:80) cluster[10.0.0.1:8080+ 10.0.0.2:8080] local[] any", false, false, false},
	{"(C10.96.0.1:80) cluster[] local[10.0.0.1:8080+] iTP any", true, false, false},
	{"(C10.96.0.1:80 N:30080) cluster[10.0.0.1:8080+ 10.0.0.2:8080] local[10.0.0.1:8080+] iTP "
	 "any",
	 true, false, true},
	{"(C10.96.0.1:80 N:30080) cluster[10.0.0.1:8080+ 10.0.0.2:8080] local[10.0.0.1:8080+] eTP "
	 "any",
	 false, true, true},
	{"(C10.96.0.1:80 N:30080) cluster[10.0.0.1:8080+ 10.0.0.2:8080] local[10.0.0.1:8080+] iTP "
	 "eTP any",
	 true, true, true},
	/* type NodePort, but no NodePort: the external policy counts and has nothing to serve */
	{"(C10.96.0.1:80) cluster[10.0.0.1:8080+ 10.0.0.2:8080] local[] eTP any", false, true,
	 false},
};

Test(model, lists_in_use_follow_policies_and_frontends)
{
	put_slice("web-1", "web", "10.0.0.1", "n1");
	put_slice("web-2", "web", "10.0.0.2", "n2");
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		struct k8s_service *service = build_service(pool, "web", "10.96.0.1");
		char expected[256];

		service->type = K8S_NODE_PORT;
		service->is_internal_local = policies[i].is_internal_local;
		service->is_external_local = policies[i].is_external_local;
		build_port(pool, service, "http", IPPROTO_TCP, 80,
			   policies[i].is_external ? 30080 : 0);
		cr_assert_eq(model_put_service(model, service), 0);
		cr_assert_eq(model_commit(model, NULL), 0);
		snprintf(expected, sizeof(expected), "default/web:http TCP4 %s ready=1\n",
			 policies[i].expected);
		EXPECT_MODEL(model, expected);
	}
}

Test(model, an_external_ip_equal_to_the_cluster_ip_makes_it_external)
{
	struct k8s_service *service = build_service(pool, "web", "10.96.0.1");

	/* as kube-proxy, which then uses the Cluster list too */
	service->is_internal_local = true;
	build_external_ip(service, "10.96.0.1");
	build_port(pool, service, "http", IPPROTO_TCP, 80, 0);
	put_slice("web-2", "web", "10.0.0.2", "n2");
	cr_assert_eq(model_put_service(model, service), 0);
	cr_assert_eq(model_commit(model, NULL), 0);
	EXPECT_MODEL(model, "default/web:http TCP4 (C10.96.0.1:80) cluster[10.0.0.2:8080] local[] "
			    "iTP any ready=0\n");
}

Test(model, removing_the_unknown_is_enoent)
{
	cr_expect_eq(model_remove_service(model, "default", "web"), -ENOENT);
	cr_expect_eq(model_remove_slice(model, "default", "web-1"), -ENOENT);
	put_slice("web-1", "web", "10.0.0.1", "n1");
	cr_expect_eq(model_remove_service(model, "default", "web"), -ENOENT,
		     "only its slice is there");
	put_service("web", "10.96.0.1");
	cr_expect_eq(model_remove_service(model, "other", "web"), -ENOENT);
	cr_expect_eq(model_remove_service(model, "default", "web"), 0);
	cr_expect_eq(model_remove_service(model, "default", "web"), -ENOENT);
}

Test(node_name, is_trimmed_and_lower_case)
{
	cr_assert_eq(strings_new(&pool), 0);
	cr_assert_eq(model_new(" \tNode-1.Example\n", pool, &model), 0);
	cr_expect_str_eq(model_node_name(model), "node-1.example");
	teardown();
}

Test(node_name, when_empty_makes_no_endpoint_local)
{
	cr_assert_eq(strings_new(&pool), 0);
	cr_assert_eq(model_new("", pool, &model), 0);
	put_service("web", "10.96.0.1");
	put_slice("web-1", "web", "10.0.0.1", "");
	cr_assert_eq(model_commit(model, NULL), 0);
	EXPECT_MODEL(model, "default/web:http TCP4 (C10.96.0.1:80) cluster[10.0.0.1:8080] local[] "
			    "any ready=0\n");
	teardown();
}

static void put_hinted_slice(const char *name, const char *service)
{
	struct k8s_slice *slice = build_slice(pool, name, service, ADDR_IPV4);

	build_slice_port(pool, slice, "http", IPPROTO_TCP, 8080);
	build_endpoint(pool, slice, "10.0.0.1", "n1", READY)->hints = build_hints(pool, "a", NULL);
	build_endpoint(pool, slice, "10.0.0.2", "n2", READY)->hints = build_hints(pool, "b", NULL);
	cr_assert_eq(model_put_slice(model, slice), 0);
}

Test(model, a_change_of_zone_touches_services_with_hints_only)
{
	put_service("plain", "10.96.0.1");
	put_slice("plain-1", "plain", "10.0.0.1", "n1");
	EXPECT_TOLD("+plain:http4 ");
	cr_expect_str_empty(model_zone(model));
	cr_assert_eq(model_set_node(model, build_node(pool, "a")), 0);
	cr_expect_str_eq(model_zone(model), "a");
	cr_expect_not(model_has_changes(model));
	put_service("hinted", "10.96.0.2");
	put_hinted_slice("hinted-1", "hinted");
	EXPECT_TOLD("+hinted:http4 ");
	cr_assert_eq(model_set_node(model, build_node(pool, "a")), 0);
	cr_expect_not(model_has_changes(model), "the zone is the same");
	cr_assert_eq(model_set_node(model, build_node(pool, "b")), 0);
	EXPECT_TOLD("~hinted:http4 ");
	cr_assert_eq(model_set_node(model, NULL), 0);
	EXPECT_TOLD("~hinted:http4 ");
	EXPECT_MODEL(model,
		     "default/hinted:http TCP4 (C10.96.0.2:80) cluster[10.0.0.1:8080+ "
		     "10.0.0.2:8080] local[] any ready=1\n"
		     "default/plain:http TCP4 (C10.96.0.1:80) cluster[10.0.0.1:8080+] local[] "
		     "any ready=1\n");
}

static void put_load_balancer(const char *cluster_ips, uint16_t health_check_node_port)
{
	struct k8s_service *service = build_service(pool, "lb", cluster_ips);

	build_port(pool, service, "http", IPPROTO_TCP, 80, 30080);
	service->type = K8S_LOAD_BALANCER;
	service->is_external_local = true;
	service->health_check_node_port = health_check_node_port;
	cr_assert_eq(model_put_service(model, service), 0);
}

Test(model, health_checks_are_told_as_they_come_change_and_go)
{
	put_load_balancer("10.96.0.1,fd00::1", 31000);
	EXPECT_TOLD("+lb:http4 +lb:http6 h:lb:31000=0 ");
	put_slice("lb-6", "lb", "fd01::1", "n1");
	EXPECT_TOLD("~lb:http6 h:lb:31000=1 ");
	put_slice("lb-4", "lb", "10.0.0.1", "n1");
	EXPECT_TOLD("~lb:http4 ");
	put_load_balancer("10.96.0.1,fd00::1", 31001);
	EXPECT_TOLD("h:lb:31001=1 ");
	EXPECT_MODEL(model, "default/lb:http TCP4 (C10.96.0.1:80 N:30080) cluster[10.0.0.1:8080+] "
			    "local[10.0.0.1:8080+] eTP any health=31001 ready=1\n"
			    "default/lb:http TCP6 (Cfd00::1:80 N:30080) cluster[fd01::1:8080+] "
			    "local[fd01::1:8080+] eTP any health=31001 ready=1\n"
			    "health default/lb 31001: 1\n");
	put_slice("lb-6b", "lb", "fd01::2", "n1");
	EXPECT_TOLD("~lb:http6 h:lb:31001=2 ");
	put_load_balancer("10.96.0.1,fd00::1", 0);
	EXPECT_TOLD("h:lb:0=0 ");
	put_load_balancer("10.96.0.1,fd00::1", 31000);
	EXPECT_TOLD("h:lb:31000=2 ");
	cr_assert_eq(model_remove_service(model, "default", "lb"), 0);
	EXPECT_TOLD("-lb:http4 -lb:http6 h:lb:0=0 ");
}

/* Commits with the given call failing, then again; what was told in both is @expected. */
static void expect_told_in_two(int fail_at, const char *expected)
{
	char both[2 * sizeof(told.text)];
	int len;

	told = (struct told){.fail_at = fail_at};
	cr_assert_eq(model_commit(model, &events), -EIO);
	cr_expect_eq(told.n, fail_at, "nothing is told after the failure");
	cr_expect(model_has_changes(model));
	len = snprintf(both, sizeof(both), "%s", told.text);
	told = (struct told){.n = 0};
	cr_assert_eq(model_commit(model, &events), 0);
	snprintf(both + len, sizeof(both) - (size_t)len, "%s", told.text);
	cr_expect_str_eq(both, expected, "failure %d", fail_at);
	cr_expect_not(model_has_changes(model));
}

Test(model, commit_that_fails_tells_the_rest_again)
{
	/* six calls in all: each of them fails once */
	for (int fail_at = 1; fail_at <= 6; fail_at++) {
		put_service("a", "10.96.0.2,fd00::2");
		put_load_balancer("10.96.0.1,fd00::1", 31000);
		put_service("z", "10.96.0.3");
		expect_told_in_two(fail_at, "+a:http4 +a:http6 +lb:http4 +lb:http6 h:lb:31000=0 "
					    "+z:http4 ");
		cr_assert_eq(model_remove_service(model, "default", "a"), 0);
		cr_assert_eq(model_remove_service(model, "default", "lb"), 0);
		cr_assert_eq(model_remove_service(model, "default", "z"), 0);
		expect_told_in_two(fail_at,
				   "-a:http4 -a:http6 -lb:http4 -lb:http6 h:lb:0=0 -z:http4 ");
		EXPECT_MODEL(model, "");
	}
}

static int return_positive(void *arg, const struct service_port *old,
			   const struct service_port *new)
{
	(void)old;
	(void)new;
	++*(int *)arg;
	return 1;
}

Test(model, positive_returns_are_no_failure)
{
	int n = 0;
	struct model_events positive = {.port = return_positive, .arg = &n};

	put_load_balancer("10.96.0.1,fd00::1", 31000);
	cr_expect_eq(model_commit(model, &positive), 0);
	cr_expect_eq(n, 2);
	cr_expect_not(model_has_changes(model));
}

static const struct service_port *remembered_old, *remembered_new;

static int remember(void *arg, const struct service_port *old, const struct service_port *new)
{
	(void)arg;
	remembered_old = old;
	remembered_new = new;
	return 0;
}

Test(model, told_ports_stay_readable_until_the_next_commit)
{
	struct model_events remembering = {.port = remember};

	put_service("web", "10.96.0.1");
	cr_assert_eq(model_commit(model, &remembering), 0);
	put_slice("web-1", "web", "10.0.0.1", "n1");
	cr_assert_eq(model_commit(model, &remembering), 0);
	cr_expect_str_eq(remembered_old->key.name, "web");
	cr_expect_eq(remembered_old->cluster.n_backends, 0);
	cr_expect_eq(remembered_new->cluster.n_backends, 1);
	cr_assert_eq(model_remove_service(model, "default", "web"), 0);
	cr_assert_eq(model_remove_slice(model, "default", "web-1"), 0);
	cr_assert_eq(model_commit(model, &remembering), 0);
	cr_expect_null(remembered_new);
	cr_expect_str_eq(remembered_old->key.namespace, "default");
	cr_expect_str_eq(remembered_old->key.port_name, "http");
	cr_expect_eq(remembered_old->cluster.backends[0].port, 8080);
}

static void put_udp_service(void)
{
	struct k8s_service *service = build_service(pool, "dns", "10.96.0.10");

	build_port(pool, service, "dns", IPPROTO_UDP, 53, 0);
	service->is_internal_local = true;
	cr_assert_eq(model_put_service(model, service), 0);
}

static void put_udp_slice(uint32_t flags)
{
	struct k8s_slice *slice = build_slice(pool, "dns-1", "dns", ADDR_IPV4);

	build_slice_port(pool, slice, "dns", IPPROTO_UDP, 53);
	build_endpoint(pool, slice, "10.0.0.1", "n1", READY);
	build_endpoint(pool, slice, "10.0.0.2", "n2", flags);
	cr_assert_eq(model_put_slice(model, slice), 0);
}

Test(model, a_change_of_serving_udp_endpoints_alone_is_told)
{
	put_udp_service();
	put_udp_slice(K8S_ENDPOINT_SERVING);
	EXPECT_TOLD("+dns:dns4 ");
	EXPECT_MODEL(model, "default/dns:dns UDP4 (C10.96.0.10:53) cluster[] local[10.0.0.1:53+] "
			    "serving[10.0.0.1:53+ 10.0.0.2:53] iTP any ready=1\n");
	put_udp_slice(NOT_READY);
	EXPECT_TOLD("~dns:dns4 ");
}

Test(model, can_be_freed_with_changes_pending)
{
	put_service("web", "10.96.0.1");
	put_service("same", "10.96.0.1");
	put_slice("web-1", "web", "10.0.0.1", "n1");
	put_slice("lone-1", "lone", "10.0.0.1", "n1");
	cr_assert_eq(model_commit(model, NULL), 0);
	put_slice("web-1", "web", "10.0.0.2", "n1");
	cr_assert_eq(model_remove_service(model, "default", "same"), 0);
	model_free(NULL);
}
