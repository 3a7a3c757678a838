/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "model/state.h"
#include "unit/model/build.h"

static struct service_port *make_port(const char *name, const char *port_name, uint8_t protocol,
				      uint8_t family)
{
	struct service_port *port = build_must(calloc(1, sizeof(*port)));

	port->key = (struct service_port_key){
		.namespace = strdup("default"),
		.name = strdup(name),
		.port_name = strdup(port_name),
		.protocol = protocol,
		.family = family,
	};
	return port;
}

static void add_frontend(struct service_port *port, uint8_t type, const char *addr)
{
	size_t n = port->n_frontends++;

	port->frontends = build_grow(port->frontends, n, sizeof(*port->frontends));
	port->frontends[n].type = type;
	port->frontends[n].port = 80;
	if (addr)
		port->frontends[n].addr = build_addr(addr);
}

static void add_backend(struct backend_list *list, const char *addr)
{
	size_t n = list->n_backends++;

	list->backends = build_grow(list->backends, n, sizeof(*list->backends));
	list->backends[n].addr = build_addr(addr);
	list->backends[n].port = 8080;
}

static struct state *make_state(void)
{
	struct state *state;

	cr_assert_eq(state_new("n1", NULL, &state), 0);
	return state;
}

Test(state, knows_node_and_zone)
{
	struct state *state;

	cr_assert_eq(state_new("n1", "a", &state), 0);
	cr_expect_str_eq(state_node(state), "n1");
	cr_expect_str_eq(state_zone(state), "a");
	state_free(state);
	state = make_state();
	cr_expect_str_empty(state_zone(state));
	state_free(state);
	state_free(NULL);
}

Test(state, sorts_ports_by_key_and_checks_by_service)
{
	static const struct health_check checks[] = {
		{"b", "a", 1, 1}, {"a", "b", 2, 2}, {"a", "a", 3, 3}};
	struct state *state = make_state();
	const struct health_check *sorted;
	struct service_port *const *ports;
	size_t n;

	for (int i = 39; i >= 0; i--) {
		char name[16];

		snprintf(name, sizeof(name), "s%d", i / 8);
		cr_assert_eq(state_add(state, make_port(name, i & 1 ? "a" : "b",
							i & 2 ? IPPROTO_TCP : IPPROTO_UDP,
							i & 4 ? ADDR_IPV4 : ADDR_IPV6)),
			     0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		cr_assert_eq(state_add_health_check(state, &checks[i]), 0);
	state_sort(state);
	ports = state_ports(state, &n);
	cr_assert_eq(n, 40);
	for (size_t i = 1; i < n; i++)
		cr_expect_lt(service_port_key_compare(&ports[i - 1]->key, &ports[i]->key), 0);
	sorted = state_health_checks(state, &n);
	cr_assert_eq(n, 3);
	cr_expect_eq(sorted[0].node_port, 3);
	cr_expect_eq(sorted[1].node_port, 2);
	cr_expect_eq(sorted[2].n_local_endpoints, 1);
	state_free(state);
}

struct diff_log {
	char text[256];
	int fail_at;
	int n;
};

static int log_diff(void *arg, const struct service_port *old, const struct service_port *new)
{
	struct diff_log *log = arg;
	const char *sign = !old ? "+" : !new ? "-" : "~";

	snprintf(log->text + strlen(log->text), sizeof(log->text) - strlen(log->text), "%s%s ",
		 sign, (old ? old : new)->key.name);
	return ++log->n == log->fail_at ? -EIO : 0;
}

static void add_named(struct state *state, const char *name, uint32_t affinity_s)
{
	struct service_port *port = make_port(name, "", IPPROTO_TCP, ADDR_IPV4);

	port->affinity_s = affinity_s;
	cr_assert_eq(state_add(state, port), 0);
}

Test(state, diff_tells_only_what_differs)
{
	struct state *old = make_state(), *new = make_state();
	struct diff_log log = {.fail_at = 0};

	add_named(old, "a", 0);
	add_named(old, "b", 0);
	add_named(old, "c", 0);
	add_named(old, "d", 0);
	add_named(new, "b", 0);
	add_named(new, "c", 60);
	add_named(new, "e", 0);
	state_sort(old);
	state_sort(new);
	cr_expect_eq(state_diff(old, new, log_diff, &log), 0);
	cr_expect_str_eq(log.text, "-a ~c -d +e ");
	log = (struct diff_log){.fail_at = 2};
	cr_expect_eq(state_diff(old, new, log_diff, &log), -EIO);
	cr_expect_str_eq(log.text, "-a ~c ");
	log = (struct diff_log){.fail_at = 0};
	cr_expect_eq(state_diff(old, old, log_diff, &log), 0);
	cr_expect_str_empty(log.text);
	state_free(old);
	state_free(new);
}

Test(service_port, copy_owns_everything)
{
	struct service_port *port = make_port("web", "http", IPPROTO_UDP, ADDR_IPV4), *copy;
	_free_ char *before = NULL, *after = NULL;
	size_t len;
	FILE *out;

	add_frontend(port, SVC_TYPE_CLUSTER_IP, "10.96.0.1");
	add_backend(&port->cluster, "10.0.0.1");
	add_backend(&port->local, "10.0.0.2");
	add_backend(&port->serving, "10.0.0.3");
	port->source_ranges = build_grow(NULL, 0, sizeof(*port->source_ranges));
	cr_assert_eq(cidr_parse("10.0.0.0/8", port->source_ranges), 0);
	port->n_source_ranges = 1;
	port->affinity_s = 5;
	port->is_maglev = true;
	port->n_local_ready = 6;
	cr_assert_eq(service_port_copy(port, &copy), 0);
	out = build_must(open_memstream(&before, &len));
	describe_port(out, port);
	fclose(out);
	service_port_free(port);
	out = build_must(open_memstream(&after, &len));
	describe_port(out, copy);
	fclose(out);
	cr_expect_str_eq(after, before);
	service_port_free(copy);
	service_port_free(NULL);
}

static const struct {
	bool is_internal_local;
	bool is_external_local;
	uint8_t type;
	const char *policy;
	const char *cluster;
} policies[] = {
	{false, false, SVC_TYPE_CLUSTER_IP, "cluster", "cluster"},
	{true, false, SVC_TYPE_CLUSTER_IP, "local", "local"},
	{false, true, SVC_TYPE_CLUSTER_IP, "cluster", "cluster"},
	{true, false, SVC_TYPE_NODE_PORT, "cluster", "cluster"},
	{false, true, SVC_TYPE_NODE_PORT, "local", "cluster"},
	{false, true, SVC_TYPE_LOAD_BALANCER, "local", "cluster"},
	{false, true, SVC_TYPE_EXTERNAL_IP, "local", "cluster"},
	{true, true, SVC_TYPE_EXTERNAL_IP, "local", "cluster"},
};

Test(service_port, lists_follow_policy_and_type)
{
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		struct service_port port = {
			.is_internal_local = policies[i].is_internal_local,
			.is_external_local = policies[i].is_external_local,
		};
		bool is_local = strcmp(policies[i].policy, "local") == 0;
		bool is_cluster_local = strcmp(policies[i].cluster, "local") == 0;

		cr_expect_eq(service_port_is_local(&port, policies[i].type), is_local, "row %zu",
			     i);
		cr_expect_eq(service_port_policy_list(&port, policies[i].type),
			     is_local ? &port.local : &port.cluster, "row %zu", i);
		cr_expect_eq(service_port_cluster_list(&port, policies[i].type),
			     is_cluster_local ? &port.local : &port.cluster, "row %zu", i);
	}
}

Test(service_port, empty_list_drops_when_endpoints_are_elsewhere)
{
	struct service_port port = {.has_endpoints = false};

	cr_expect_not(service_port_is_drop(&port, &port.local));
	port.has_endpoints = true;
	cr_expect(service_port_is_drop(&port, &port.local));
	add_backend(&port.local, "10.0.0.1");
	cr_expect_not(service_port_is_drop(&port, &port.local));
	service_port_free_lists(&port);
}

/* What is done to one of two equal ports, and whether they are still equal then. */
static void change_frontend(struct service_port *port)
{
	port->frontends[0].port = 81;
}

static void change_type(struct service_port *port)
{
	port->frontends[0].type = SVC_TYPE_EXTERNAL_IP;
}

static void change_cluster(struct service_port *port)
{
	port->cluster.backends[0].port = 81;
}

static void change_flags(struct service_port *port)
{
	port->cluster.backends[0].flags = SVC_BACKEND_F_TERMINATING;
}

static void change_unused_local(struct service_port *port)
{
	add_backend(&port->local, "10.0.0.9");
}

static void change_serving(struct service_port *port)
{
	add_backend(&port->serving, "10.0.0.9");
}

static void change_affinity(struct service_port *port)
{
	port->affinity_s = 1;
}

static void change_algorithm(struct service_port *port)
{
	port->is_maglev = true;
}

static void change_internal_policy(struct service_port *port)
{
	port->is_internal_local = true;
}

static void change_unused_policy(struct service_port *port)
{
	port->is_external_local = true;
}

static void change_has_endpoints(struct service_port *port)
{
	port->has_endpoints = true;
}

static void change_unused_range(struct service_port *port)
{
	port->source_ranges = build_grow(NULL, 0, sizeof(*port->source_ranges));
	port->n_source_ranges = 1;
}

static void change_health(struct service_port *port)
{
	port->health_check_node_port = 1;
	port->n_local_ready = 1;
}

static const struct {
	const char *name;
	void (*change)(struct service_port *port);
	bool is_equal;
} changes[] = {
	{"frontend", change_frontend, false},
	{"type", change_type, false},
	{"cluster", change_cluster, false},
	{"flags", change_flags, false},
	{"local list that no frontend uses", change_unused_local, true},
	{"serving", change_serving, true},
	{"affinity", change_affinity, false},
	{"algorithm", change_algorithm, false},
	{"internal policy", change_internal_policy, false},
	{"external policy without external frontend", change_unused_policy, true},
	{"has_endpoints with backends", change_has_endpoints, true},
	{"source range without LoadBalancer frontend", change_unused_range, true},
	{"health", change_health, true},
};

static struct service_port *make_simple_port(uint8_t type)
{
	struct service_port *port = make_port("web", "http", IPPROTO_TCP, ADDR_IPV4);

	add_frontend(port, type, "10.96.0.1");
	add_backend(&port->cluster, "10.0.0.1");
	return port;
}

Test(service_port, equal_means_the_datapath_cannot_tell_them_apart)
{
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct service_port *a = make_simple_port(SVC_TYPE_CLUSTER_IP);
		struct service_port *b = make_simple_port(SVC_TYPE_CLUSTER_IP);

		cr_expect(service_port_equal(a, b));
		changes[i].change(b);
		cr_expect_eq(service_port_equal(a, b), changes[i].is_equal, "%s", changes[i].name);
		cr_expect_eq(service_port_equal(b, a), changes[i].is_equal, "%s", changes[i].name);
		service_port_free(a);
		service_port_free(b);
	}
}

Test(service_port, a_load_balancer_differs_by_ranges_and_external_policy)
{
	struct service_port *a = make_simple_port(SVC_TYPE_LOAD_BALANCER);
	struct service_port *b = make_simple_port(SVC_TYPE_LOAD_BALANCER);

	change_unused_range(b);
	cr_expect_not(service_port_equal(a, b));
	b->n_source_ranges = 0;
	cr_expect(service_port_equal(a, b));
	change_unused_policy(b);
	cr_expect_not(service_port_equal(a, b));
	change_unused_policy(a);
	cr_expect(service_port_equal(a, b));
	change_has_endpoints(b);
	cr_expect_not(service_port_equal(a, b), "the empty Local list drops here, rejects there");
	service_port_free(a);
	service_port_free(b);
}
