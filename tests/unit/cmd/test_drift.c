/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "cmd/drift.h"
#include "states.h"

/* All lines, in order. */
struct lines {
	char text[4096];
	size_t n;
};

static int collect(void *arg, const struct drift *drift)
{
	struct lines *lines = arg;
	char line[1024];
	size_t len = strlen(lines->text);

	lines->n++;
	snprintf(lines->text + len, sizeof(lines->text) - len, "%s\n",
		 drift_format(drift, line, sizeof(line)));
	return 0;
}

/* Compare, expect these lines, and free both. */
static void expect_drift(struct state *kernel, struct state *plan, const char *service,
			 const char *expected)
{
	struct lines lines = {};

	state_sort(kernel);
	state_sort(plan);
	cr_assert_eq(drift_find(kernel, plan, service, collect, &lines), 0);
	cr_expect_str_eq(lines.text, expected, "got:\n%s", lines.text);
	state_free(kernel);
	state_free(plan);
}

static struct service_port *web(struct state *state)
{
	struct service_port *port = states_port("default", "web", "http", IPPROTO_TCP, ADDR_IPV4);

	states_frontend(port, SVC_TYPE_CLUSTER_IP, "10.96.0.10", 80);
	states_add(state, port);
	return port;
}

Test(drift, equal_states)
{
	expect_drift(states_rich(), states_rich(), NULL, "");
}

Test(drift, service_ports)
{
	struct state *kernel = states_new();
	struct state *plan = states_new();
	struct service_port *port = states_port("default", "dns", "", IPPROTO_UDP, ADDR_IPV6);

	states_frontend(port, SVC_TYPE_CLUSTER_IP, "fd00::2", 53);
	states_add(kernel, port);
	web(plan);
	expect_drift(kernel, plan, NULL,
		     "+ default/dns IPv6 UDP service port only in the kernel\n"
		     "- default/web:http IPv4 TCP service port missing in the kernel\n");
}

Test(drift, a_service_port_without_frontends_is_nowhere)
{
	struct state *plan = states_new();

	states_add(plan, states_port("default", "web", "http", IPPROTO_TCP, ADDR_IPV4));
	expect_drift(states_new(), plan, NULL, "");
}

Test(drift, one_service_only)
{
	struct state *plan = states_new();

	web(plan);
	expect_drift(states_new(), plan, "default/web2", "");
	plan = states_new();
	web(plan);
	expect_drift(states_new(), plan, "default/web",
		     "- default/web:http IPv4 TCP service port missing in the kernel\n");
}

Test(drift, frontends)
{
	struct state *kernel = states_new();
	struct state *plan = states_new();
	struct service_port *in_kernel = web(kernel);
	struct service_port *planned = web(plan);

	states_frontend(in_kernel, SVC_TYPE_EXTERNAL_IP, "198.51.100.7", 80);
	states_frontend(in_kernel, SVC_TYPE_LOAD_BALANCER, "203.0.113.9", 80);
	states_frontend(planned, SVC_TYPE_LOAD_BALANCER, "203.0.113.9", 80);
	states_frontend(planned, SVC_TYPE_NODE_PORT, NULL, 30080);
	expect_drift(
		kernel, plan, NULL,
		"+ default/web:http IPv4 TCP frontend ExternalIP 198.51.100.7:80 only in the "
		"kernel\n"
		"- default/web:http IPv4 TCP frontend NodePort *:30080 missing in the kernel\n");
}

Test(drift, backends)
{
	struct state *kernel = states_new();
	struct state *plan = states_new();
	struct service_port *in_kernel = web(kernel);
	struct service_port *planned = web(plan);

	states_backend(&in_kernel->cluster, "10.0.0.1", 80, 0);
	states_backend(&in_kernel->cluster, "10.0.0.3", 80, SVC_BACKEND_F_TERMINATING);
	states_backend(&planned->cluster, "10.0.0.2", 80, 0);
	states_backend(&planned->cluster, "10.0.0.3", 80, SVC_BACKEND_F_LOCAL);
	/* what no frontend leads to does not count */
	states_backend(&planned->local, "10.0.0.9", 80, 0);
	expect_drift(
		kernel, plan, NULL,
		"+ default/web:http IPv4 TCP backend 10.0.0.1:80 only in the kernel\n"
		"- default/web:http IPv4 TCP backend 10.0.0.2:80 missing in the kernel\n"
		"~ default/web:http IPv4 TCP backend 10.0.0.3:80: 'terminating' in the kernel, "
		"'local ready' planned\n");
}

Test(drift, local_backends_count_when_a_frontend_uses_them)
{
	struct state *kernel = states_new();
	struct state *plan = states_new();
	struct service_port *ports[] = {web(kernel), web(plan)};

	for (size_t i = 0; i < 2; i++) {
		states_frontend(ports[i], SVC_TYPE_NODE_PORT, NULL, 30080);
		states_backend(&ports[i]->cluster, "10.0.0.1", 80, 0);
		ports[i]->is_external_local = true;
		ports[i]->has_endpoints = true;
	}
	states_backend(&ports[1]->local, "10.0.0.1", 80, SVC_BACKEND_F_LOCAL);
	expect_drift(
		kernel, plan, NULL,
		"- default/web:http IPv4 TCP local backend 10.0.0.1:80 missing in the kernel\n");
}

Test(drift, reject_and_drop)
{
	struct state *kernel = states_new();
	struct state *plan = states_new();

	web(kernel);
	web(plan)->has_endpoints = true;
	expect_drift(kernel, plan, NULL,
		     "~ default/web:http IPv4 TCP answer without backends: 'reject' in the kernel, "
		     "'drop' planned\n");
}

Test(drift, rules)
{
	struct state *kernel = states_new();
	struct state *plan = states_new();
	struct service_port *in_kernel = web(kernel);
	struct service_port *planned = web(plan);

	states_frontend(in_kernel, SVC_TYPE_LOAD_BALANCER, "203.0.113.9", 80);
	states_frontend(planned, SVC_TYPE_LOAD_BALANCER, "203.0.113.9", 80);
	states_backend(&in_kernel->cluster, "10.0.0.1", 80, 0);
	states_backend(&planned->cluster, "10.0.0.1", 80, 0);
	states_source_range(in_kernel, "192.0.2.0/24");
	states_source_range(in_kernel, "198.51.100.0/24");
	states_source_range(planned, "192.0.2.0/25");
	states_source_range(planned, "198.51.100.0/24");
	planned->is_external_local = true;
	planned->affinity_s = 10800;
	planned->is_maglev = true;
	expect_drift(
		kernel, plan, NULL,
		"~ default/web:http IPv4 TCP policy LoadBalancer: 'Cluster' in the kernel, "
		"'Local' planned\n"
		"~ default/web:http IPv4 TCP affinity: '0 s' in the kernel, '10800 s' planned\n"
		"~ default/web:http IPv4 TCP algorithm: 'random' in the kernel, 'maglev' planned\n"
		"- default/web:http IPv4 TCP source range 192.0.2.0/25 missing in the kernel\n"
		"+ default/web:http IPv4 TCP source range 192.0.2.0/24 only in the kernel\n");
}

Test(drift, health_checks_node_and_zone)
{
	struct state *kernel = NULL;
	struct state *plan = states_new();

	cr_assert_eq(state_new("n2", "", &kernel), 0);
	states_add_health(kernel, "web", 31000, 1);
	states_add_health(kernel, "api", 31001, 1);
	states_add_health(plan, "web", 31000, 2);
	states_add_health(plan, "new", 31002, 0);
	expect_drift(kernel, plan, NULL,
		     "~ the node name: 'n2' in the kernel, 'n1' planned\n"
		     "~ the zone: '' in the kernel, 'a' planned\n"
		     "+ default/api health check only in the kernel\n"
		     "- default/new health check missing in the kernel\n"
		     "~ default/web health check: 'port 31000, 1 local endpoints' in the kernel, "
		     "'port 31000, 2 local endpoints' planned\n");
}

static int fail(void *arg, const struct drift *drift)
{
	(void)arg;
	(void)drift;
	return -EPIPE;
}

Test(drift, a_negative_return_ends)
{
	struct state *kernel = states_new();
	struct state *plan = states_new();

	web(plan);
	state_sort(kernel);
	state_sort(plan);
	cr_expect_eq(drift_find(kernel, plan, NULL, fail, NULL), -EPIPE);
	state_free(kernel);
	state_free(plan);
}
