/* SPDX-License-Identifier: Apache-2.0 */
/* Services: defaults, what kube-proxy ignores, what an API server refuses. */
#include "unit/source/decoding.h"

#include <netinet/in.h>

static struct strings *pool;

static void setup(void)
{
	cr_assert_eq(strings_new(&pool), 0);
}

/* A decoder that failed must not have kept a string either. */
static void teardown(void)
{
	cr_expect_eq(strings_count(pool), 0);
	strings_free(pool);
}

TestSuite(decode_service, .init = setup, .fini = teardown);

static const char *family_name(uint8_t family)
{
	return family == ADDR_IPV4 ? "4" : family == ADDR_IPV6 ? "6" : "none";
}

static void add_addr(char *text, const char *what, const struct addr *addr)
{
	char buf[ADDR_TEXT_MAX];

	decoding_add(text, " %s=%s", what,
		     addr->family == ADDR_NONE ? "none" : addr_format(addr, buf));
}

static void describe_addresses(const struct k8s_service *s, char *text)
{
	char buf[ADDR_TEXT_MAX];

	for (size_t i = 0; i < s->n_cluster_ips; i++)
		add_addr(text, "ip", &s->cluster_ips[i]);
	for (size_t i = 0; i < s->n_families; i++)
		decoding_add(text, " family=%s", family_name(s->families[i]));
	for (size_t i = 0; i < s->n_external_ips; i++)
		add_addr(text, "external", &s->external_ips[i]);
	for (size_t i = 0; i < s->n_ingress; i++)
		add_addr(text, s->ingress[i].is_vip ? "vip" : "proxy", &s->ingress[i].addr);
	for (size_t i = 0; i < s->n_source_ranges; i++)
		decoding_add(text, " range=%s", cidr_format(&s->source_ranges[i], buf));
}

/* All that is not the default. */
static void describe(const struct k8s_service *s, char *text)
{
	static const char *const types[] = {"ClusterIP", "NodePort", "LoadBalancer",
					    "ExternalName"};

	decoding_add(text, "%s/%s %s", s->namespace, s->name, types[s->type]);
	if (s->created_s != INT64_MAX)
		decoding_add(text, " created=%lld", (long long)s->created_s);
	decoding_add(text, "%s%s%s%s", s->is_excluded ? " excluded" : "",
		     s->is_unallocated ? " unallocated"
		     : s->is_headless  ? " headless"
				       : "",
		     s->is_external_local ? " etp" : "", s->is_internal_local ? " itp" : "");
	if (s->health_check_node_port)
		decoding_add(text, " health=%u", s->health_check_node_port);
	if (s->algorithm)
		decoding_add(text, " %s",
			     (const char *const[]){"", "random", "maglev", "bad"}[s->algorithm]);
	if (s->affinity_s)
		decoding_add(text, " affinity=%u", s->affinity_s);
	describe_addresses(s, text);
	for (size_t i = 0; i < s->n_ports; i++)
		decoding_add(text, " %s:%u/%s:%u", s->ports[i].name, s->ports[i].port,
			     protocol_name(s->ports[i].protocol), s->ports[i].node_port);
}

static int decode(const cJSON *tree, char *text, struct decode_error *error)
{
	struct k8s_service *service;
	int r = decode_service(tree, pool, &service, error);

	if (r < 0)
		return r;
	describe(service, text);
	k8s_service_free(pool, service);
	return 0;
}

static void run(const struct decoding_case *cases, size_t n, const char *head)
{
	decoding_run(cases, n, head, decode);
}

#define NAMED "metadata: {name: web}\n"
#define SPEC  NAMED "spec:\n  clusterIP: 10.96.0.1\n  ports: [{port: 80}]\n"

Test(decode_service, metadata)
{
	static const struct decoding_case cases[] = {
		{"metadata: {name: web}", "default/web ClusterIP unallocated family=4"},
		{"metadata: {name: web, namespace: null, labels: null, creationTimestamp: null}",
		 "default/web ClusterIP unallocated family=4"},
		{"metadata: {name: 1web-2, namespace: a-1}",
		 "a-1/1web-2 ClusterIP unallocated family=4"},
		{"metadata: {name: w, creationTimestamp: 2026-11-21T19:42:37Z}",
		 "default/w ClusterIP created=1795290157 unallocated family=4"},
		{"metadata: {name: w, creationTimestamp: 2026-11-21T20:42:37.5+01:00}",
		 "default/w ClusterIP created=1795290157 unallocated family=4"},
		{"metadata: {name: w, labels: {service.kubernetes.io/service-proxy-name: ''}}",
		 "default/w ClusterIP excluded unallocated family=4"},
		{"metadata: {name: w, labels: {service.kubernetes.io/service-proxy-name: x}}",
		 "default/w ClusterIP excluded unallocated family=4"},
		{"metadata: {name: w, labels: {service.kubernetes.io/service-proxy-name: null}}",
		 "default/w ClusterIP excluded unallocated family=4"},
		{"metadata: {name: w, annotations: {svcbpf.io/algorithm: maglev}}",
		 "default/w ClusterIP unallocated maglev family=4"},
		{"metadata: {name: w, annotations: {svcbpf.io/algorithm: random}}",
		 "default/w ClusterIP unallocated random family=4"},
		{"metadata: {name: w, annotations: {svcbpf.io/algorithm: Maglev}}",
		 "default/w ClusterIP unallocated bad family=4"},
		{"metadata: {name: w, annotations: {svcbpf.io/algorithm: null, b: maglev}}",
		 "default/w ClusterIP unallocated bad family=4"},
		{"metadata: {name: w, annotations: {svcbpf.io/algorithm: 5}}",
		 "error: metadata.annotations.svcbpf.io/algorithm: must be a string, but is the "
		 "number 5"},
		{"metadata: {name: w}\nspec: null\nstatus: null",
		 "default/w ClusterIP unallocated family=4"},
		{"kind: Service", "error: metadata.name: missing"},
		{"metadata: {name: ''}", "error: metadata.name: missing"},
		{"metadata: [w]", "error: metadata: must be an object, but is a list"},
		{"metadata: {name: 5}",
		 "error: metadata.name: must be a string, but is the number 5"},
		{"metadata: {name: Web}", "error: metadata.name: \"Web\" is not a DNS label (at "
					  "most 63 of a-z, 0-9 and '-', not '-' at an end)"},
		{"metadata: {name: w, namespace: a.b}",
		 "error: metadata.namespace: \"a.b\" is not a DNS label (at most 63 of a-z, 0-9 "
		 "and '-', not '-' at an end)"},
		{"metadata: {name: -w}", "error: metadata.name: \"-w\" is not a DNS label (at most "
					 "63 of a-z, 0-9 and '-', not '-' at an end)"},
		{"metadata: {name: \"a\\nb\"}",
		 "error: metadata.name: \"a?b\" is not a DNS label (at most 63 of a-z, 0-9 and "
		 "'-', not '-' at an end)"},
		{"metadata: {name: w, creationTimestamp: yesterday}",
		 "error: metadata.creationTimestamp: \"yesterday\" is not a time like "
		 "2026-11-21T19:42:37Z"},
		{"metadata: {name: w, labels: x}",
		 "error: metadata.labels: must be an object, but is the string \"x\""},
		{"metadata: {name: w, labels: {service.kubernetes.io/service-proxy-name: 5}}",
		 "error: metadata.labels.service.kubernetes.io/service-proxy-name: must be a "
		 "string, but is the number 5"},
		{"metadata: {name: w}\nspec: 1",
		 "error: spec: must be an object, but is the number 1"},
		{"[1]", "error: must be an object, but is a list"},
	};

	run(cases, ARRAY_SIZE(cases), "");
}

Test(decode_service, a_name_has_at_most_63_characters)
{
	static const struct decoding_case cases[] = {
		{"metadata: {name: a23456789-123456789-123456789-123456789-123456789-123456789-12}",
		 "default/a23456789-123456789-123456789-123456789-123456789-123456789-12 "
		 "ClusterIP unallocated family=4"},
		{"metadata: {name: a23456789-123456789-123456789-123456789-123456789-123456789-123"
		 "4}",
		 "error: metadata.name: \"a23456789-123456789-123456789-123456789-123456789-"
		 "123456789-1234\" is not a DNS label (at most 63 of a-z, 0-9 and '-', not '-' at "
		 "an end)"},
	};

	run(cases, ARRAY_SIZE(cases), "");
}

Test(decode_service, types_and_policies)
{
	static const struct decoding_case cases[] = {
		{"", "default/web ClusterIP ip=10.96.0.1 family=4 :80/TCP:0"},
		{"  type: NodePort", "default/web NodePort ip=10.96.0.1 family=4 :80/TCP:0"},
		{"  type: ExternalName\n  externalName: a.example",
		 "default/web ExternalName ip=10.96.0.1 family=4 :80/TCP:0"},
		{"  type: LoadBalancer\n  externalTrafficPolicy: Local\n  healthCheckNodePort: "
		 "31000\n  internalTrafficPolicy: Local",
		 "default/web LoadBalancer etp itp health=31000 ip=10.96.0.1 family=4 :80/TCP:0"},
		{"  externalTrafficPolicy: Cluster\n  internalTrafficPolicy: Cluster",
		 "default/web ClusterIP ip=10.96.0.1 family=4 :80/TCP:0"},
		{"  type: nodePort", "error: spec.type: \"nodePort\" is not one of ClusterIP, "
				     "NodePort, LoadBalancer, ExternalName"},
		{"  externalTrafficPolicy: local",
		 "error: spec.externalTrafficPolicy: \"local\" is not one of Cluster, Local"},
		{"  internalTrafficPolicy: [Local]",
		 "error: spec.internalTrafficPolicy: must be a string, but is a list"},
		{"  healthCheckNodePort: 65536",
		 "error: spec.healthCheckNodePort: 65536 is not a port (0-65535)"},
		{"  sessionAffinity: ClientIP",
		 "default/web ClusterIP affinity=10800 ip=10.96.0.1 family=4 :80/TCP:0"},
		{"  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: "
		 "{timeoutSeconds: 86400}}",
		 "default/web ClusterIP affinity=86400 ip=10.96.0.1 family=4 :80/TCP:0"},
		{"  sessionAffinity: None\n  sessionAffinityConfig: {clientIP: {timeoutSeconds: "
		 "5}}",
		 "default/web ClusterIP ip=10.96.0.1 family=4 :80/TCP:0"},
		{"  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: "
		 "{timeoutSeconds: 86401}}",
		 "error: spec.sessionAffinityConfig.clientIP.timeoutSeconds: 86401 is not a whole "
		 "number from 1 to 86400"},
		{"  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: "
		 "{timeoutSeconds: 0}}",
		 "error: spec.sessionAffinityConfig.clientIP.timeoutSeconds: 0 is not a whole "
		 "number from 1 to 86400"},
		{"  sessionAffinity: Cookie",
		 "error: spec.sessionAffinity: \"Cookie\" is not one of None, ClientIP"},
	};

	run(cases, ARRAY_SIZE(cases), SPEC);
}

Test(decode_service, cluster_ips_and_families)
{
	static const struct decoding_case cases[] = {
		{"clusterIP: None}", "default/web ClusterIP headless"},
		{"clusterIP: None, clusterIPs: [None], ipFamilies: [IPv4]}",
		 "default/web ClusterIP headless ip=none family=4"},
		{"clusterIP: ''}", "default/web ClusterIP headless"},
		{"ipFamilies: [IPv6]}", "default/web ClusterIP unallocated family=6"},
		{"ipFamilyPolicy: PreferDualStack}",
		 "default/web ClusterIP unallocated family=4 family=6"},
		{"clusterIP: 'fd00::10', ports: [{port: 1}]}",
		 "default/web ClusterIP ip=fd00::10 family=6 :1/TCP:0"},
		{"clusterIP: 010.096.0.01, ports: [{port: 1}]}",
		 "default/web ClusterIP ip=10.96.0.1 family=4 :1/TCP:0"},
		{"clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], ports: [{port: 1}]}",
		 "default/web ClusterIP ip=10.0.0.1 ip=fd00::1 family=4 family=6 :1/TCP:0"},
		{"clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv4, IPv6], ports: "
		 "[{port: 1}]}",
		 "default/web ClusterIP ip=10.0.0.1 family=4 family=6 :1/TCP:0"},
		/* an empty list is one, and not absent (R5) */
		{"clusterIP: 10.0.0.1, ipFamilies: [], ports: [{port: 1}]}",
		 "default/web ClusterIP ip=10.0.0.1 :1/TCP:0"},
		{"clusterIP: 10.0.0, ports: [{port: 1}]}",
		 "error: spec.clusterIP: \"10.0.0\" is not an IP address"},
		{"clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, x]}",
		 "error: spec.clusterIPs[1]: \"x\" is not an IP address"},
		{"clusterIP: 10.0.0.1, clusterIPs: [10.0.0.2]}",
		 "error: spec.clusterIPs: the first must be the same as spec.clusterIP"},
		{"clusterIPs: [10.0.0.2]}",
		 "error: spec.clusterIPs: the first must be the same as spec.clusterIP"},
		{"clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1', 10.0.0.2]}",
		 "error: spec.clusterIPs: more than 2 addresses"},
		{"clusterIP: 10.0.0.1, ipFamilies: [IPv5]}",
		 "error: spec.ipFamilies[0]: \"IPv5\" is not IPv4 or IPv6"},
		{"clusterIP: 10.0.0.1, ipFamilies: [IPv6]}",
		 "error: spec.ipFamilies[0]: IPv6, but spec.clusterIPs[0] is of the other"},
		{"clusterIP: 10.0.0.1, ipFamilies: [IPv4, IPv6, IPv4]}",
		 "error: spec.ipFamilies: more than 2 families"},
		{"clusterIP: 10.0.0.1, ipFamilies: [null]}",
		 "error: spec.ipFamilies[0]: must be a string, but is null"},
	};

	run(cases, ARRAY_SIZE(cases), NAMED "spec: {");
}

Test(decode_service, ports)
{
	static const struct decoding_case cases[] = {
		{"[{port: 80, targetPort: http, protocol: null, name: null, nodePort: null}]",
		 "default/web ClusterIP ip=10.0.0.1 family=4 :80/TCP:0"},
		{"[{name: a, port: 1, protocol: UDP}, {name: b, port: 65535, nodePort: 30000}, "
		 "{name: c, port: 1, protocol: SCTP, nodePort: 65535}]",
		 "default/web ClusterIP ip=10.0.0.1 family=4 a:1/UDP:0 b:65535/TCP:30000 "
		 "c:1/SCTP:65535"},
		{"[{name: a, port: 53}, {name: b, port: 53, protocol: UDP}]",
		 "default/web ClusterIP ip=10.0.0.1 family=4 a:53/TCP:0 b:53/UDP:0"},
		{"[{name: a, port: 1, nodePort: 30000}, {name: b, port: 1, protocol: UDP, "
		 "nodePort: 30000}]",
		 "default/web ClusterIP ip=10.0.0.1 family=4 a:1/TCP:30000 b:1/UDP:30000"},
		{"null", "error: spec.ports: missing: a Service needs at least one port"},
		{"[]", "error: spec.ports: missing: a Service needs at least one port"},
		{"{port: 80}", "error: spec.ports: must be a list, but is an object"},
		{"[80]", "error: spec.ports[0]: must be an object, but is the number 80"},
		{"[{port: null}]", "error: spec.ports[0].port: missing"},
		{"[{port: 0}]", "error: spec.ports[0].port: 0 is not a port (1-65535)"},
		{"[{name: a, port: 1}, {name: b, port: 70000}]",
		 "error: spec.ports[1].port: 70000 is not a port (1-65535)"},
		{"[{port: 80.5}]", "error: spec.ports[0].port: 80.5 is not a port (1-65535)"},
		{"[{port: -1}]", "error: spec.ports[0].port: -1 is not a port (1-65535)"},
		{"[{port: '80'}]",
		 "error: spec.ports[0].port: must be a port number, but is the string \"80\""},
		{"[{port: true}]", "error: spec.ports[0].port: must be a port number, but is true"},
		{"[{port: 1, nodePort: 65536}]",
		 "error: spec.ports[0].nodePort: 65536 is not a port (0-65535)"},
		{"[{port: 1, targetPort: 65536}]",
		 "error: spec.ports[0].targetPort: 65536 is not a port (0-65535)"},
		{"[{port: 1, targetPort: {}}]",
		 "error: spec.ports[0].targetPort: must be a port number, but is an object"},
		{"[{port: 1, protocol: tcp}]",
		 "error: spec.ports[0].protocol: \"tcp\" is not TCP, UDP or SCTP"},
		{"[{port: 1, name: HTTP}]",
		 "error: spec.ports[0].name: \"HTTP\" is not a DNS label (at most 63 of a-z, 0-9 "
		 "and '-', not '-' at an end)"},
		{"[{name: a, port: 1}, {port: 2}]",
		 "error: spec.ports[1].name: missing: with more than one port each needs a name"},
		{"[{name: a, port: 1}, {name: b, port: 2}, {name: a, port: 3}]",
		 "error: spec.ports[2]: the same name as of an earlier port"},
		{"[{name: a, port: 1}, {name: b, port: 1}]",
		 "error: spec.ports[1]: the same port and protocol as of an earlier port"},
		{"[{name: a, port: 1, nodePort: 30000}, {name: b, port: 2, nodePort: 30000}]",
		 "error: spec.ports[1]: the same nodePort and protocol as of an earlier port"},
	};

	run(cases, ARRAY_SIZE(cases), NAMED "spec:\n  clusterIP: 10.0.0.1\n  ports: ");
}

Test(decode_service, what_kube_proxy_ignores_is_left_out)
{
	static const struct decoding_case cases[] = {
		{"  externalIPs: [192.0.2.1, bogus, '', 'fd00::7', 192.0.2.02]",
		 "default/web ClusterIP ip=10.96.0.1 family=4 external=192.0.2.1 external=none "
		 "external=none external=fd00::7 external=192.0.2.2 :80/TCP:0"},
		{"  loadBalancerSourceRanges: [' 10.0.0.0/8 ', x, 0.0.0.0/0, 'fd00::/8']",
		 "default/web ClusterIP ip=10.96.0.1 family=4 range=10.0.0.0/8 range=0.0.0.0/0 "
		 "range=fd00::/8 :80/TCP:0"},
		{"status: {loadBalancer: {ingress: [{hostname: a.example}, {ip: 192.0.2.9}, {ip: "
		 "'fd00::9', ipMode: VIP}, {ip: 192.0.2.8, ipMode: Proxy}, {ip: bogus}]}}",
		 "default/web ClusterIP ip=10.96.0.1 family=4 vip=192.0.2.9 vip=fd00::9 "
		 "proxy=192.0.2.8 :80/TCP:0"},
		{"  externalIPs: [5]",
		 "error: spec.externalIPs[0]: must be a string, but is the number 5"},
		{"  loadBalancerSourceRanges: 10.0.0.0/8",
		 "error: spec.loadBalancerSourceRanges: must be a list, but is the string "
		 "\"10.0.0.0/8\""},
		{"status: {loadBalancer: {ingress: [192.0.2.9]}}",
		 "error: status.loadBalancer.ingress[0]: must be an object, but is the string "
		 "\"192.0.2.9\""},
		{"status: {loadBalancer: {ingress: [{ip: 5}]}}",
		 "error: status.loadBalancer.ingress[0].ip: must be a string, but is the number "
		 "5"},
	};

	run(cases, ARRAY_SIZE(cases), SPEC);
}

/* More ports than names in 16 bits would need a slow comparison of each with each. */
Test(decode_service, thousands_of_ports)
{
	_free_ char *yaml = malloc(4000000);
	char *at = yaml;
	struct k8s_service *service;
	struct decode_error error;
	cJSON *tree;

	cr_assert_not_null(yaml);
	at = stpcpy(at, SPEC "  ports:\n");
	for (int i = 1; i <= 65535; i++)
		at += sprintf(at, "  - {name: p%d, port: %d, protocol: UDP}\n", i, i);
	tree = decoding_tree(yaml);
	cr_assert_eq(decode_service(tree, pool, &service, &error), 0);
	cr_expect_eq(service->n_ports, 65535);
	k8s_service_free(pool, service);
	cJSON_Delete(tree);
}

Test(decode_service, the_value_at_fault_is_named)
{
	cJSON *tree = decoding_tree(SPEC "  type: X\n");
	cJSON *spec = cJSON_GetObjectItemCaseSensitive(tree, "spec");
	struct k8s_service *service;
	struct decode_error error;

	cr_expect_eq(decode_service(tree, pool, &service, &error), -EINVAL);
	cr_expect_eq(error.node, cJSON_GetObjectItemCaseSensitive(spec, "type"));
	cJSON_DeleteItemFromObjectCaseSensitive(spec, "type");
	cJSON_DeleteItemFromObjectCaseSensitive(spec, "ports");
	cr_expect_eq(decode_service(tree, pool, &service, &error), -EINVAL);
	cr_expect_eq(error.node, spec, "what is missing is missing in spec");
	cJSON_Delete(tree);
}
