/* SPDX-License-Identifier: Apache-2.0 */
/* EndpointSlices, Endpoints and Nodes: defaults, what is ignored, what is refused. */
#include "unit/source/decoding.h"

#include "source/decode_endpoints.h"

static struct strings *pool;

static void setup(void)
{
	cr_assert_eq(strings_new(&pool), 0);
}

static void teardown(void)
{
	cr_expect_eq(strings_count(pool), 0);
	strings_free(pool);
}

TestSuite(decode_slice, .init = setup, .fini = teardown);
TestSuite(decode_endpoints, .init = setup, .fini = teardown);
TestSuite(decode_node, .init = setup, .fini = teardown);

static void describe_endpoint(const struct k8s_endpoint *endpoint, uint8_t family, char *text)
{
	struct addr addr = {.family = family};
	char buf[ADDR_TEXT_MAX];

	memcpy(addr.bytes, endpoint->addr, sizeof(addr.bytes));
	decoding_add(text, " %s %s%s%s", addr_format(&addr, buf),
		     endpoint->flags & K8S_ENDPOINT_READY ? "R" : "-",
		     endpoint->flags & K8S_ENDPOINT_SERVING ? "S" : "-",
		     endpoint->flags & K8S_ENDPOINT_TERMINATING ? "T" : "-");
	if (endpoint->node)
		decoding_add(text, " @%s", endpoint->node);
	for (int i = 0; endpoint->hints && i < endpoint->hints->n_zones; i++)
		decoding_add(text, " zone=%s", endpoint->hints->names[i]);
	for (int i = 0; endpoint->hints && i < endpoint->hints->n_nodes; i++)
		decoding_add(text, " node=%s",
			     endpoint->hints->names[endpoint->hints->n_zones + i]);
}

static void describe_slice(const struct k8s_slice *slice, char *text)
{
	decoding_add(text, "%s/%s of %s%s IPv%u", slice->namespace, slice->name,
		     slice->service ? slice->service : "none",
		     slice->is_headless ? " headless" : "", slice->family);
	if (slice->last_change_ns)
		decoding_add(text, " changed=%lld", (long long)slice->last_change_ns);
	for (size_t i = 0; i < slice->n_ports; i++)
		decoding_add(text, " %s:%u/%s", slice->ports[i].name, slice->ports[i].port,
			     protocol_name(slice->ports[i].protocol));
	for (size_t i = 0; i < slice->n_endpoints; i++)
		describe_endpoint(&slice->endpoints[i], slice->family, text);
}

static int decode_and_describe_slice(const cJSON *tree, char *text, struct decode_error *error)
{
	struct k8s_slice *slice;
	int r = decode_slice(tree, pool, &slice, error);

	if (r < 0)
		return r;
	describe_slice(slice, text);
	k8s_slice_free(pool, slice);
	return 0;
}

#define SLICE "metadata: {name: s, labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\n"

Test(decode_slice, metadata)
{
	static const struct decoding_case cases[] = {
		{"metadata: {name: s-IPv4.0, namespace: d}\naddressType: IPv4",
		 "d/s-IPv4.0 of none IPv4"},
		{"metadata: {name: s, labels: {kubernetes.io/service-name: ''}}\naddressType: IPv6",
		 "default/s of none IPv6"},
		{"metadata: {name: s, labels: {kubernetes.io/service-name: w, "
		 "service.kubernetes.io/headless: ''}}\naddressType: FQDN\nendpoints: [{addresses: "
		 "[a.example]}]",
		 "default/s of w headless IPv0"},
		{"metadata: {name: s, annotations: {endpoints.kubernetes.io/"
		 "last-change-trigger-time: '2026-11-21T19:42:37.123456789Z'}}\naddressType: IPv4",
		 "default/s of none IPv4 changed=1795290157123456789"},
		{"metadata: {name: s, annotations: {endpoints.kubernetes.io/"
		 "last-change-trigger-time: soon}}\naddressType: IPv4",
		 "default/s of none IPv4"},
		{"metadata: {name: s}\naddressType: IPv4\nendpoints: null\nports: null",
		 "default/s of none IPv4"},
		{"metadata: {name: s}", "error: addressType: missing: IPv4 or IPv6"},
		{"metadata: {name: s}\naddressType: ''",
		 "error: addressType: missing: IPv4 or IPv6"},
		{"metadata: {name: s}\naddressType: ipv4",
		 "error: addressType: \"ipv4\" is not one of IPv4, IPv6, FQDN"},
		{"metadata: {name: a/b}\naddressType: IPv4",
		 "error: metadata.name: \"a/b\" is not a name"},
		{"addressType: IPv4", "error: metadata.name: missing"},
		{"metadata: {name: s, labels: {kubernetes.io/service-name: 1}}",
		 "error: metadata.labels.kubernetes.io/service-name: must be a string, but is the "
		 "number 1"},
	};

	decoding_run(cases, ARRAY_SIZE(cases), "", decode_and_describe_slice);
}

Test(decode_slice, ports)
{
	static const struct decoding_case cases[] = {
		{"[{port: 80}]", "default/s of web IPv4 :80/TCP"},
		{"[{name: '', port: 80, protocol: UDP}, {name: http, port: 1}]",
		 "default/s of web IPv4 :80/UDP http:1/TCP"},
		/* R7: what kube-proxy cannot match is left out */
		{"[{name: null, port: 1}, {name: a, port: null}, {name: b, port: 0}, {name: c}]",
		 "default/s of web IPv4"},
		{"[{name: a, port: 65536}]", "error: ports[0].port: 65536 is not a port (0-65535)"},
		{"[{name: a, port: x}]",
		 "error: ports[0].port: must be a port number, but is the string \"x\""},
		{"[{name: a, port: 1, protocol: HTTP}]",
		 "error: ports[0].protocol: \"HTTP\" is not TCP, UDP or SCTP"},
		{"[{name: A, port: 1}]",
		 "error: ports[0].name: \"A\" is not a DNS label (at most 63 of a-z, 0-9 and '-', "
		 "not '-' at an end)"},
		{"[1]", "error: ports[0]: must be an object, but is the number 1"},
		{"x", "error: ports: must be a list, but is the string \"x\""},
	};

	decoding_run(cases, ARRAY_SIZE(cases), SLICE "ports: ", decode_and_describe_slice);
}

Test(decode_slice, endpoints)
{
	static const struct decoding_case cases[] = {
		{"[]", "default/s of web IPv4"},
		/* R9: nil means ready, serving, not terminating */
		{"[{addresses: [10.0.0.1]}, {addresses: [10.0.0.2], conditions: {}}, {addresses: "
		 "[10.0.0.3], conditions: {ready: null}}]",
		 "default/s of web IPv4 10.0.0.1 RS- 10.0.0.2 RS- 10.0.0.3 RS-"},
		{"[{addresses: [10.0.0.1], conditions: {ready: false, serving: true, terminating: "
		 "true}}, {addresses: [10.0.0.2], conditions: {serving: false}}]",
		 "default/s of web IPv4 10.0.0.1 -ST 10.0.0.2 R--"},
		/* R6: only the first address; R10: leading zeros */
		{"[{addresses: [10.0.0.01, x]}]", "default/s of web IPv4 10.0.0.1 RS-"},
		{"[{addresses: [10.0.0.1], nodeName: n1, zone: ignored, hints: {forZones: [{name: "
		 "a}, {name: b}], forNodes: [{name: n1}]}}]",
		 "default/s of web IPv4 10.0.0.1 RS- @n1 zone=a zone=b node=n1"},
		{"[{addresses: [10.0.0.1], hints: {forZones: null}}]",
		 "default/s of web IPv4 10.0.0.1 RS-"},
		{"[{addresses: []}]",
		 "error: endpoints[0].addresses: missing: an endpoint needs an address"},
		{"[{addresses: [10.0.0.1]}, {addresses: ['fd00::1']}]",
		 "error: endpoints[1].addresses[0]: \"fd00::1\" is not an IPv4 address"},
		{"[{addresses: [10.0.0]}]",
		 "error: endpoints[0].addresses[0]: \"10.0.0\" is not an IPv4 address"},
		{"[{addresses: 10.0.0.1}]",
		 "error: endpoints[0].addresses: must be a list, but is the string \"10.0.0.1\""},
		{"[10.0.0.1]",
		 "error: endpoints[0]: must be an object, but is the string \"10.0.0.1\""},
		{"[{addresses: [10.0.0.1], conditions: {ready: 'yes'}}]",
		 "error: endpoints[0].conditions.ready: must be true or false, but is the string "
		 "\"yes\""},
		{"[{addresses: [10.0.0.1], nodeName: 1}]",
		 "error: endpoints[0].nodeName: must be a string, but is the number 1"},
		{"[{addresses: [10.0.0.1], hints: {forZones: [a]}}]",
		 "error: endpoints[0].hints.forZones[0]: must be an object, but is the string "
		 "\"a\""},
		{"[{addresses: [10.0.0.1], hints: {forZones: [{name: a}], forNodes: [{name: 1}]}}]",
		 "error: endpoints[0].hints.forNodes[0].name: must be a string, but is the number "
		 "1"},
	};

	decoding_run(cases, ARRAY_SIZE(cases), SLICE "endpoints: ", decode_and_describe_slice);
}

Test(decode_slice, IPv6_addresses)
{
	static const struct decoding_case cases[] = {
		{"[{addresses: ['fd01::0:4']}]", "default/s of none IPv6 fd01::4 RS-"},
		{"[{addresses: ['::ffff:10.0.0.1']}]",
		 "error: endpoints[0].addresses[0]: \"::ffff:10.0.0.1\" is not an IPv6 address"},
	};

	decoding_run(
		cases, ARRAY_SIZE(cases),
		"metadata: {name: s}\naddressType: IPv6\nendpoints: ", decode_and_describe_slice);
}

static int decode_and_describe_mirror(const cJSON *tree, char *text, struct decode_error *error)
{
	struct mirror *mirror;
	int r = decode_endpoints(tree, pool, &mirror, error);

	if (r < 0)
		return r;
	decoding_add(text, "%s%zu slices", mirror->is_skipped ? "skipped " : "", mirror->n_slices);
	for (size_t i = 0; i < mirror->n_slices; i++) {
		decoding_add(text, "; ");
		describe_slice(mirror->slices[i], text);
	}
	mirror_free(pool, mirror);
	return 0;
}

Test(decode_endpoints, become_slices_as_the_control_plane_makes_them)
{
	static const struct decoding_case cases[] = {
		{"metadata: {name: web}", "0 slices"},
		{"metadata: {name: web}\nsubsets: null", "0 slices"},
		{"metadata: {name: web, namespace: d}\nsubsets: [{addresses: [{ip: 10.0.0.1, "
		 "nodeName: n1}, {ip: 10.0.0.2}], ports: [{port: 80}]}]",
		 "1 slices; d/web/0 of web IPv4 :80/TCP 10.0.0.1 RS- @n1 10.0.0.2 RS-"},
		{"metadata: {name: web}\nsubsets: [{addresses: [{ip: 10.0.0.1}], "
		 "notReadyAddresses: [{ip: 10.0.0.2}], ports: [{name: a, port: 1, protocol: UDP}, "
		 "{name: b, port: 2}]}]",
		 "1 slices; default/web/0 of web IPv4 a:1/UDP b:2/TCP 10.0.0.1 RS- 10.0.0.2 -S-"},
		/* both families, and two subsets */
		{"metadata: {name: web}\nsubsets: [{addresses: [{ip: 10.0.0.1}, {ip: 'fd00::1'}, "
		 "{ip: 10.0.0.2}], ports: [{port: 1}]}, {addresses: [{ip: 10.0.0.3}], ports: "
		 "[{port: 2}]}, {ports: [{port: 3}]}]",
		 "3 slices; default/web/0 of web IPv4 :1/TCP 10.0.0.1 RS- 10.0.0.2 RS-; "
		 "default/web/1 of web IPv6 :1/TCP fd00::1 RS-; default/web/2 of web IPv4 :2/TCP "
		 "10.0.0.3 RS-"},
		{"metadata: {name: w, labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}}",
		 "skipped 0 slices"},
		{"metadata: {name: w, labels: {endpointslice.kubernetes.io/skip-mirror: 'false'}}",
		 "0 slices"},
		{"metadata: {name: w, annotations: {control-plane.alpha.kubernetes.io/leader: "
		 "''}}",
		 "skipped 0 slices"},
		{"subsets: []", "error: metadata.name: missing"},
		{"metadata: {name: w}\nsubsets: [{addresses: [{ip: 10.0.0}]}]",
		 "error: subsets[0].addresses[0].ip: \"10.0.0\" is not an IP address"},
		{"metadata: {name: w}\nsubsets: [{notReadyAddresses: [{}]}]",
		 "error: subsets[0].notReadyAddresses[0].ip: missing"},
		{"metadata: {name: w}\nsubsets: [{addresses: [{ip: 10.0.0.1}], ports: [{name: "
		 "a}]}]",
		 "error: subsets[0].ports[0].port: missing"},
		{"metadata: {name: w}\nsubsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: "
		 "0}]}]",
		 "error: subsets[0].ports[0].port: 0 is not a port (1-65535)"},
		{"metadata: {name: w}\nsubsets: [{addresses: {ip: 10.0.0.1}}]",
		 "error: subsets[0].addresses: must be a list, but is an object"},
		{"metadata: {name: w}\nsubsets: [1]",
		 "error: subsets[0]: must be an object, but is the number 1"},
	};

	decoding_run(cases, ARRAY_SIZE(cases), "", decode_and_describe_mirror);
}

/* A subset with @n ready addresses and one that is not. */
static struct mirror *decode_many(int n)
{
	_free_ char *yaml = malloc((size_t)n * 32 + 256);
	struct decode_error error;
	struct mirror *mirror;
	char *at = yaml;
	cJSON *tree;

	cr_assert_not_null(yaml);
	at = stpcpy(at, "metadata: {name: web}\nsubsets:\n- ports: [{port: 1}]\n  "
			"notReadyAddresses: [{ip: 10.9.9.9}]\n  addresses:\n");
	for (int i = 0; i < n; i++)
		at += sprintf(at, "  - ip: 10.0.%d.%d\n", i / 250, i % 250);
	tree = decoding_tree(yaml);
	cr_assert_eq(decode_endpoints(tree, pool, &mirror, &error), 0);
	cJSON_Delete(tree);
	return mirror;
}

Test(decode_endpoints, a_subset_is_cut_at_1000_addresses)
{
	struct mirror *mirror = decode_many(ENDPOINTS_MAX_ADDRESSES - 1);

	cr_expect_eq(mirror->slices[0]->n_endpoints, ENDPOINTS_MAX_ADDRESSES);
	cr_expect_eq(mirror->n_left_out, 0);
	mirror_free(pool, mirror);
	mirror = decode_many(ENDPOINTS_MAX_ADDRESSES + 2);
	cr_expect_eq(mirror->slices[0]->n_endpoints, ENDPOINTS_MAX_ADDRESSES);
	cr_expect_eq(mirror->n_left_out, 3);
	mirror_free(pool, mirror);
}

static int decode_and_describe_node(const cJSON *tree, char *text, struct decode_error *error)
{
	struct k8s_node *node;
	char buf[ADDR_TEXT_MAX];
	int r = decode_node(tree, pool, &node, error);

	if (r < 0)
		return r;
	decoding_add(text, "%s%s", node->name, node->is_deleting ? " deleting" : "");
	if (node->zone)
		decoding_add(text, " zone=%s", node->zone);
	for (size_t i = 0; i < node->n_addresses; i++)
		decoding_add(text, " %s", addr_format(&node->addresses[i], buf));
	k8s_node_free(pool, node);
	return 0;
}

Test(decode_node, all_there_is)
{
	static const struct decoding_case cases[] = {
		{"metadata: {name: n1}", "n1"},
		{"metadata: {name: n1.example, labels: {topology.kubernetes.io/zone: a}}",
		 "n1.example zone=a"},
		{"metadata: {name: n1, labels: {topology.kubernetes.io/zone: ''}}", "n1 zone="},
		{"metadata: {name: n1}\nstatus: {addresses: [{type: ExternalIP, address: "
		 "192.0.2.1}, {type: Hostname, address: n1}, {type: InternalIP, address: "
		 "10.0.0.1}, {type: InternalIP, address: x}, {type: InternalIP, address: "
		 "'fd00::1'}]}",
		 "n1 10.0.0.1 fd00::1 192.0.2.1"},
		{"metadata: {name: n1, deletionTimestamp: 2026-11-21T19:42:37Z}", "n1 deleting"},
		{"metadata: {name: n1}\nspec: {taints: [{key: other}, {key: "
		 "ToBeDeletedByClusterAutoscaler, effect: NoSchedule}]}",
		 "n1 deleting"},
		{"metadata: {}", "error: metadata.name: missing"},
		{"metadata: {name: n1}\nspec: {taints: [1]}",
		 "error: spec.taints[0]: must be an object, but is the number 1"},
		{"metadata: {name: n1}\nstatus: {addresses: [{type: 1}]}",
		 "error: status.addresses[0].type: must be a string, but is the number 1"},
		{"metadata: {name: n1}\nstatus: {addresses: [x]}",
		 "error: status.addresses[0]: must be an object, but is the string \"x\""},
	};

	decoding_run(cases, ARRAY_SIZE(cases), "", decode_and_describe_node);
}
