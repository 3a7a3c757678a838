/* SPDX-License-Identifier: Apache-2.0 */
#include "model/frontends.h"
#include "unit/model/build.h"

static struct strings *pool;
static struct k8s_service *service;

static void setup(void)
{
	cr_assert_eq(strings_new(&pool), 0);
	service = build_service(pool, "web", "10.96.0.1,fd00::1");
}

static void teardown(void)
{
	k8s_service_free(pool, service);
	cr_expect_eq(strings_count(pool), 0, "strings left over");
	strings_free(pool);
}

TestSuite(frontends, .init = setup, .fini = teardown);

static void expect_frontends(uint8_t family, const struct k8s_service_port *port,
			     const char *expected)
{
	_free_ struct frontend *frontends = NULL;
	char text[1024] = "";
	size_t n;

	cr_assert_eq(frontends_of_port(service, family, port, &frontends, &n), 0);
	for (size_t i = 0; i < n; i++) {
		char addr[ADDR_TEXT_MAX];

		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u %s %u",
			 i ? ", " : "", frontends[i].type, addr_format(&frontends[i].addr, addr),
			 frontends[i].port);
	}
	cr_expect_str_eq(text, expected);
}

Test(frontends, service_with_proxy_name_label_is_not_ours)
{
	cr_expect(frontends_is_served(service, ADDR_IPV4, NULL));
	service->is_excluded = true;
	cr_expect_not(frontends_is_served(service, ADDR_IPV4, NULL));
	cr_expect_not(frontends_is_served(service, ADDR_IPV6, NULL));
}

Test(frontends, headless_and_external_name_are_not_served)
{
	service->is_headless = true;
	cr_expect_not(frontends_is_served(service, ADDR_IPV4, NULL));
	service->is_headless = false;
	service->type = K8S_EXTERNAL_NAME;
	cr_expect_not(frontends_is_served(service, ADDR_IPV4, NULL));
}

Test(frontends, cluster_ip_is_the_one_beside_its_family)
{
	struct addr addr;

	cr_expect(frontends_is_served(service, ADDR_IPV4, &addr));
	cr_expect_eq(addr_compare(&addr, &service->cluster_ips[0]), 0);
	cr_expect(frontends_is_served(service, ADDR_IPV6, &addr));
	cr_expect_eq(addr_compare(&addr, &service->cluster_ips[1]), 0);
	service->n_families = 1;
	cr_expect_not(frontends_is_served(service, ADDR_IPV6, &addr), "only IPv4 is asked for");
	service->n_families = 2;
	service->n_cluster_ips = 1;
	cr_expect_not(frontends_is_served(service, ADDR_IPV6, &addr), "there is no second address");
	service->cluster_ips[0].family = ADDR_NONE;
	cr_expect_not(frontends_is_served(service, ADDR_IPV4, &addr), "it is no address");
}

Test(frontends, without_families_cluster_ip_decides)
{
	service->n_families = 0;
	cr_expect(frontends_is_served(service, ADDR_IPV4, NULL));
	cr_expect_not(frontends_is_served(service, ADDR_IPV6, NULL));
	service->cluster_ip = build_addr("fd00::1");
	cr_expect_not(frontends_is_served(service, ADDR_IPV4, NULL));
	cr_expect(frontends_is_served(service, ADDR_IPV6, NULL));
}

Test(frontends, are_all_addresses_of_the_family)
{
	build_port(pool, service, "http", IPPROTO_TCP, 80, 30080);
	build_external_ip(service, "203.0.113.7");
	build_external_ip(service, "2001:db8::7");
	build_external_ip(service, "203.0.113.6");
	build_ingress(service, "198.51.100.9", true);
	build_ingress(service, "198.51.100.8", false);
	build_ingress(service, "2001:db8::9", true);
	expect_frontends(ADDR_IPV4, service->ports,
			 "1 10.96.0.1 80, 2 203.0.113.6 80, 2 203.0.113.7 80, 3 198.51.100.9 80, "
			 "4  30080");
	expect_frontends(ADDR_IPV6, service->ports,
			 "1 fd00::1 80, 2 2001:db8::7 80, 3 2001:db8::9 80, 4  30080");
}

Test(frontends, same_address_twice_is_one_of_the_first_type)
{
	build_port(pool, service, "http", IPPROTO_TCP, 80, 80);
	build_external_ip(service, "203.0.113.7");
	build_external_ip(service, "10.96.0.1");
	build_external_ip(service, "203.0.113.7");
	build_ingress(service, "203.0.113.7", true);
	build_ingress(service, "198.51.100.9", true);
	expect_frontends(ADDR_IPV4, service->ports,
			 "1 10.96.0.1 80, 2 203.0.113.7 80, 3 198.51.100.9 80, 4  80");
}

Test(frontends, of_two_ports_with_one_name_and_protocol_the_later_counts)
{
	_free_ const struct k8s_service_port **ports = NULL;
	size_t n;

	build_port(pool, service, "b", IPPROTO_TCP, 1, 0);
	build_port(pool, service, "a", IPPROTO_UDP, 2, 0);
	build_port(pool, service, "b", IPPROTO_TCP, 3, 0);
	build_port(pool, service, "a", IPPROTO_TCP, 4, 0);
	build_port(pool, service, "b", IPPROTO_TCP, 5, 0);
	cr_assert_eq(frontends_order_ports(service, &ports, &n), 0);
	cr_assert_eq(n, 3);
	cr_expect_eq(ports[0]->port, 4, "a/TCP");
	cr_expect_eq(ports[1]->port, 2, "a/UDP");
	cr_expect_eq(ports[2]->port, 5, "b/TCP");
}

Test(frontends, of_a_service_without_ports_are_none)
{
	_free_ const struct k8s_service_port **ports = NULL;
	size_t n;

	cr_assert_eq(frontends_order_ports(service, &ports, &n), 0);
	cr_expect_eq(n, 0);
}

static const struct {
	const char *external_ip;
	enum k8s_service_type type;
	bool is_asked;
	bool is_local;
} external_policies[] = {
	{NULL, K8S_CLUSTER_IP, true, false},
	{"203.0.113.7", K8S_CLUSTER_IP, true, true},
	{"2001:db8::7", K8S_CLUSTER_IP, true, true},
	{"203.0.113.7", K8S_CLUSTER_IP, false, false},
	{NULL, K8S_NODE_PORT, true, true},
	{NULL, K8S_NODE_PORT, false, false},
	{NULL, K8S_LOAD_BALANCER, true, true},
	{NULL, K8S_LOAD_BALANCER, false, false},
	{"203.0.113.7", K8S_EXTERNAL_NAME, true, false},
};

Test(frontends, external_policy_needs_something_external)
{
	for (size_t i = 0; i < ARRAY_SIZE(external_policies); i++) {
		service->type = external_policies[i].type;
		service->is_external_local = external_policies[i].is_asked;
		service->n_external_ips = 0;
		if (external_policies[i].external_ip)
			build_external_ip(service, external_policies[i].external_ip);
		cr_expect_eq(frontends_is_external_local(service), external_policies[i].is_local,
			     "row %zu", i);
	}
}

Test(frontends, an_external_ip_that_is_no_address_counts_for_the_policy_only)
{
	build_port(pool, service, "http", IPPROTO_TCP, 80, 0);
	build_external_ip(service, "203.0.113.7");
	service->external_ips[0].family = ADDR_NONE;
	service->is_external_local = true;
	cr_expect(frontends_is_external_local(service));
	cr_expect_not(frontends_is_externally_accessible(service, ADDR_IPV4, service->ports));
	expect_frontends(ADDR_IPV4, service->ports, "1 10.96.0.1 80");
}

Test(frontends, health_check_is_for_load_balancers_with_local_policy)
{
	service->health_check_node_port = 31000;
	service->is_external_local = true;
	service->type = K8S_NODE_PORT;
	cr_expect_eq(frontends_health_check_port(service), 0);
	service->type = K8S_LOAD_BALANCER;
	cr_expect_eq(frontends_health_check_port(service), 31000);
	service->is_external_local = false;
	cr_expect_eq(frontends_health_check_port(service), 0);
}

static void expect_ranges(uint8_t family, const char *expected)
{
	_free_ struct cidr *ranges = NULL;
	char text[512] = "";
	size_t n;

	cr_assert_eq(frontends_source_ranges(service, family, &ranges, &n), 0);
	for (size_t i = 0; i < n; i++) {
		char cidr[ADDR_TEXT_MAX];

		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 cidr_format(&ranges[i], cidr));
	}
	cr_expect_str_eq(text, expected);
}

Test(frontends, source_ranges_are_those_of_the_family)
{
	expect_ranges(ADDR_IPV4, "");
	build_source_range(service, "203.0.113.0/24");
	expect_ranges(ADDR_IPV6, "");
	build_source_range(service, "10.0.0.0/8");
	build_source_range(service, "10.0.0.0/7");
	build_source_range(service, "2001:db8::/32");
	expect_ranges(ADDR_IPV4, "10.0.0.0/7 10.0.0.0/8 203.0.113.0/24");
	expect_ranges(ADDR_IPV6, "2001:db8::/32");
}

Test(frontends, a_range_of_everything_empties_the_list_of_its_family)
{
	build_source_range(service, "10.0.0.0/8");
	build_source_range(service, "1.2.3.4/0");
	build_source_range(service, "192.0.2.0/24");
	build_source_range(service, "2001:db8::/32");
	expect_ranges(ADDR_IPV4, "");
	expect_ranges(ADDR_IPV6, "2001:db8::/32");
}
