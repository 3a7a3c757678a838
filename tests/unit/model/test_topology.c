/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cases of kube-proxy's own TestCategorizeEndpoints (rule R23), each through slices and
 * endpoints_categorise(). The one with its feature gate off is left out: it is on in 1.36.
 */
#include "model/endpoints.h"
#include "unit/model/build.h"

#define MAX_ENDPOINTS 4

/* struct topology_case.flags */
#define INTERNAL_LOCAL 0x1u
#define EXTERNAL_LOCAL 0x2u
#define NODE_PORT      0x4u

struct topology_endpoint {
	const char *addr;
	const char *zones;
	const char *nodes;
	uint32_t flags;
	bool is_local;
};

/*
 * @cluster, @local: last bytes of the addresses, NULL when the list is not in use.
 */
struct topology_case {
	const char *name;
	const char *node;
	const char *zone;
	struct topology_endpoint endpoints[MAX_ENDPOINTS];
	const char *cluster;
	const char *local;
	uint32_t flags;
	bool has_any;
};

static const struct topology_case cases[] = {
	{"zone hints for all and one for ours",
	 "",
	 "zone-a",
	 {{"10.1.2.3", "zone-a", NULL, READY, false},
	  {"10.1.2.4", "zone-b", NULL, READY, false},
	  {"10.1.2.5", "zone-c", NULL, READY, false},
	  {"10.1.2.6", "zone-a", NULL, READY, false}},
	 "3 6",
	 NULL,
	 0,
	 true},
	{"eTP Local: topology ignored for local endpoints",
	 "",
	 "zone-a",
	 {{"10.1.2.3", "zone-a", NULL, READY, true},
	  {"10.1.2.4", "zone-b", NULL, READY, true},
	  {"10.1.2.5", "zone-c", NULL, READY, false},
	  {"10.1.2.6", "zone-a", NULL, READY, false}},
	 "3 6",
	 "3 4",
	 EXTERNAL_LOCAL | NODE_PORT,
	 true},
	{"iTP Local: topology ignored for local endpoints",
	 "",
	 "zone-a",
	 {{"10.1.2.3", "zone-a", NULL, READY, true},
	  {"10.1.2.4", "zone-b", NULL, READY, true},
	  {"10.1.2.5", "zone-c", NULL, READY, false},
	  {"10.1.2.6", "zone-a", NULL, READY, false}},
	 "3 6",
	 "3 4",
	 INTERNAL_LOCAL | NODE_PORT,
	 true},
	{"empty node labels",
	 "",
	 "",
	 {{"10.1.2.3", "zone-a", NULL, READY, false}},
	 "3",
	 NULL,
	 0,
	 true},
	{"node without zone, endpoint hinted for no name",
	 "",
	 "",
	 {{"10.1.2.3", "", NULL, READY, false}, {"10.1.2.4", "zone-a", NULL, READY, false}},
	 "3",
	 NULL,
	 0,
	 true},
	{"node in another zone",
	 "",
	 "zone-b",
	 {{"10.1.2.3", "zone-a", NULL, READY, false}},
	 "3",
	 NULL,
	 0,
	 true},
	{"unready endpoint",
	 "",
	 "zone-a",
	 {{"10.1.2.3", "zone-a", NULL, READY, false},
	  {"10.1.2.4", "zone-b", NULL, READY, false},
	  {"10.1.2.5", "zone-c", NULL, READY, false},
	  {"10.1.2.6", "zone-a", NULL, NOT_READY, false}},
	 "3",
	 NULL,
	 0,
	 true},
	{"only unready endpoints in our zone",
	 "",
	 "zone-a",
	 {{"10.1.2.3", "zone-a", NULL, NOT_READY, false},
	  {"10.1.2.4", "zone-b", NULL, READY, false},
	  {"10.1.2.5", "zone-c", NULL, READY, false},
	  {"10.1.2.6", "zone-a", NULL, NOT_READY, false}},
	 "4 5",
	 NULL,
	 0,
	 true},
	{"a missing hint ends topology",
	 "",
	 "zone-a",
	 {{"10.1.2.3", "zone-a", NULL, READY, false},
	  {"10.1.2.4", "zone-b", NULL, READY, false},
	  {"10.1.2.5", NULL, NULL, READY, false},
	  {"10.1.2.6", "zone-a", NULL, READY, false}},
	 "3 4 5 6",
	 NULL,
	 0,
	 true},
	{"an unready endpoint without hint does not",
	 "",
	 "zone-a",
	 {{"10.1.2.3", "zone-a", NULL, READY, false},
	  {"10.1.2.4", "zone-b", NULL, READY, false},
	  {"10.1.2.5", NULL, NULL, NOT_READY, false}},
	 "3",
	 NULL,
	 0,
	 true},
	{"several hints for an endpoint",
	 "",
	 "zone-c",
	 {{"10.1.2.3", "zone-a,zone-b,zone-c", NULL, READY, false},
	  {"10.1.2.4", "zone-b,zone-c", NULL, READY, false},
	  {"10.1.2.5", "zone-b,zone-d", NULL, READY, false},
	  {"10.1.2.6", "zone-c", NULL, READY, false}},
	 "3 4 6",
	 NULL,
	 0,
	 true},
	{"same node available",
	 "node-1",
	 "zone-a",
	 {{"10.1.2.3", "zone-a", "node-1", READY, false},
	  {"10.1.2.4", "zone-b", "node-2", READY, false},
	  {"10.1.2.5", "zone-c", "node-3", READY, false},
	  {"10.1.2.6", "zone-a", "node-4", READY, false}},
	 "3",
	 NULL,
	 0,
	 true},
	{"same node with several hints",
	 "node-4",
	 "zone-a",
	 {{"10.1.2.3", "zone-a", "node-1,node-4", READY, false},
	  {"10.1.2.4", "zone-b", "node-2", READY, false}},
	 "3",
	 NULL,
	 0,
	 true},
	{"a node's name is no zone",
	 "zone-b",
	 "zone-a",
	 {{"10.1.2.3", "zone-a", "node-1", READY, false},
	  {"10.1.2.4", "zone-b", "node-2", READY, false}},
	 "3",
	 NULL,
	 0,
	 true},
	{"same node ignored when endpoints are unhinted",
	 "node-1",
	 "zone-a",
	 {{"10.1.2.3", "zone-a", "node-1", READY, false},
	  {"10.1.2.4", NULL, NULL, READY, false},
	  {"10.1.2.5", "zone-c", "node-3", READY, false},
	  {"10.1.2.6", "zone-a", "node-4", READY, false}},
	 "3 4 5 6",
	 NULL,
	 0,
	 true},
	{"same node falls back to same zone",
	 "node-0",
	 "zone-a",
	 {{"10.1.2.3", "zone-a", "node-1", READY, false},
	  {"10.1.2.4", "zone-b", "node-2", READY, false},
	  {"10.1.2.5", "zone-c", "node-3", READY, false},
	  {"10.1.2.6", "zone-a", "node-4", READY, false}},
	 "3 6",
	 NULL,
	 0,
	 true},
	{"node hints missing for one, zone hints for all",
	 "node-1",
	 "zone-a",
	 {{"10.1.2.3", "zone-b", "node-1", READY, false},
	  {"10.1.2.4", "zone-a", NULL, READY, false}},
	 "4",
	 NULL,
	 0,
	 true},
	{"topology and localness in conflict",
	 "",
	 "zone-a",
	 {{"10.0.0.0", "zone-a", NULL, READY, true},
	  {"10.0.0.1", "zone-b", NULL, READY, true},
	  {"10.0.0.2", "zone-a", NULL, READY, false},
	  {"10.0.0.3", "zone-b", NULL, READY, false}},
	 "0 2",
	 "0 1",
	 EXTERNAL_LOCAL | NODE_PORT,
	 true},
	{"iTP Local without endpoints", "", "", {{NULL}}, NULL, "", INTERNAL_LOCAL, false},
	{"iTP Local, all remote",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, READY, false}, {"10.0.0.1", NULL, NULL, READY, false}},
	 NULL,
	 "",
	 INTERNAL_LOCAL,
	 true},
	{"iTP Local, all local",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, READY, true}, {"10.0.0.1", NULL, NULL, READY, true}},
	 NULL,
	 "0 1",
	 INTERNAL_LOCAL,
	 true},
	{"iTP Local, some local",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, READY, true}, {"10.0.0.1", NULL, NULL, READY, false}},
	 NULL,
	 "0",
	 INTERNAL_LOCAL,
	 true},
	{"Cluster, none ready",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, NOT_READY, false}, {"10.0.0.1", NULL, NULL, NOT_READY, false}},
	 "",
	 NULL,
	 0,
	 false},
	{"Cluster, some ready",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, NOT_READY, false}, {"10.0.0.1", NULL, NULL, READY, false}},
	 "1",
	 NULL,
	 0,
	 true},
	{"Cluster, all terminating",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, TERMINATING, true},
	  {"10.0.0.1", NULL, NULL, TERMINATING, false}},
	 "0 1",
	 NULL,
	 0,
	 true},
	{"Cluster, terminating ones ignore topology",
	 "",
	 "zone-a",
	 {{"10.0.0.0", "zone-a", NULL, TERMINATING, false},
	  {"10.0.0.1", "zone-b", NULL, TERMINATING, false}},
	 "0 1",
	 NULL,
	 0,
	 true},
	{"iTP Local, eTP Cluster, some local",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, READY, true}, {"10.0.0.1", NULL, NULL, READY, false}},
	 "0 1",
	 "0",
	 INTERNAL_LOCAL | NODE_PORT,
	 true},
	{"iTP Cluster, eTP Local, some local",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, READY, true}, {"10.0.0.1", NULL, NULL, READY, false}},
	 "0 1",
	 "0",
	 EXTERNAL_LOCAL | NODE_PORT,
	 true},
	{"both Local, some local",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, READY, true}, {"10.0.0.1", NULL, NULL, READY, false}},
	 "0 1",
	 "0",
	 INTERNAL_LOCAL | EXTERNAL_LOCAL | NODE_PORT,
	 true},
	{"both Local, all remote",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, READY, false}, {"10.0.0.1", NULL, NULL, READY, false}},
	 "0 1",
	 "",
	 INTERNAL_LOCAL | EXTERNAL_LOCAL | NODE_PORT,
	 true},
	{"both Local, all remote and terminating",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, TERMINATING, false},
	  {"10.0.0.1", NULL, NULL, TERMINATING, false}},
	 "0 1",
	 "",
	 INTERNAL_LOCAL | EXTERNAL_LOCAL | NODE_PORT,
	 true},
	{"iTP Cluster, eTP Local, with terminating ones",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, READY, false},
	  {"10.0.0.1", NULL, NULL, NOT_READY, true},
	  {"10.0.0.2", NULL, NULL, TERMINATING, true},
	  {"10.0.0.3", NULL, NULL, TERMINATING, false}},
	 "0",
	 "2",
	 EXTERNAL_LOCAL | NODE_PORT,
	 true},
	{"iTP Local, only a remote terminating one",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, TERMINATING, false}},
	 NULL,
	 "",
	 INTERNAL_LOCAL,
	 true},
	{"iTP Local, only a remote unready one",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, NOT_READY, false}},
	 NULL,
	 "",
	 INTERNAL_LOCAL,
	 false},
	{"eTP ignored when nothing is external",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, READY, false}, {"10.0.0.1", NULL, NULL, READY, true}},
	 "0 1",
	 NULL,
	 EXTERNAL_LOCAL,
	 true},
	{"no Cluster list for internal iTP Local",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, READY, false}, {"10.0.0.1", NULL, NULL, READY, true}},
	 NULL,
	 "1",
	 INTERNAL_LOCAL,
	 true},
	{"no endpoints at all", "", "", {{NULL}}, "", NULL, 0, false},
	{"not ready, not serving, not terminating",
	 "",
	 "zone-a",
	 {{"10.0.0.0", NULL, NULL, NOT_READY, false}},
	 "",
	 NULL,
	 0,
	 false},
	{"serving but not terminating is not used",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, K8S_ENDPOINT_SERVING, false}},
	 "",
	 NULL,
	 0,
	 false},
	{"terminating but not serving is not used",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, K8S_ENDPOINT_TERMINATING, false}},
	 "",
	 NULL,
	 0,
	 false},
	{"ready and terminating counts as ready",
	 "",
	 "",
	 {{"10.0.0.0", NULL, NULL, READY | K8S_ENDPOINT_TERMINATING, false},
	  {"10.0.0.1", NULL, NULL, TERMINATING, false}},
	 "0",
	 NULL,
	 0,
	 true},
};

static struct k8s_slice *make_slice(struct strings *pool, const struct topology_case *c,
				    const char *node)
{
	struct k8s_slice *slice = build_slice(pool, "s", "web", ADDR_IPV4);

	build_slice_port(pool, slice, "http", IPPROTO_TCP, 80);
	for (size_t i = 0; i < MAX_ENDPOINTS && c->endpoints[i].addr; i++) {
		const struct topology_endpoint *from = &c->endpoints[i];
		struct k8s_endpoint *endpoint = build_endpoint(
			pool, slice, from->addr, from->is_local ? node : "elsewhere", from->flags);

		if (from->zones || from->nodes)
			endpoint->hints = build_hints(pool, from->zones, from->nodes);
	}
	return slice;
}

/* Last bytes of the addresses; "" for an empty list. */
static void expect_list(const char *name, const char *what, const struct backend_list *list,
			const char *expected)
{
	char text[64] = "";

	for (size_t i = 0; i < list->n_backends; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u", i ? " " : "",
			 list->backends[i].addr.bytes[3]);
	cr_expect_str_eq(text, expected ? expected : "", "%s: %s is [%s], not [%s]", name, what,
			 text, expected ? expected : "");
}

static void run_case(const struct topology_case *c)
{
	const char *node = c->node[0] ? c->node : "here";
	bool is_external = c->flags & NODE_PORT, is_internal_local = c->flags & INTERNAL_LOCAL;
	bool uses_local = is_internal_local || (c->flags & EXTERNAL_LOCAL && is_external);
	_cleanup_(endpoint_set_fini) struct endpoint_set set = {};
	struct service_port port = {.key = {.protocol = IPPROTO_TCP, .family = ADDR_IPV4}};
	struct endpoint_source source;
	struct k8s_slice *slice;
	struct strings *pool;

	cr_assert_eq(strings_new(&pool), 0);
	slice = make_slice(pool, c, node);
	source = (struct endpoint_source){
		.slices = (const struct k8s_slice *const *)&slice,
		.n_slices = 1,
		.node_name = strings_get(pool, node),
		.zone = strings_get(pool, c->zone),
	};
	cr_assert_eq(
		endpoints_collect(&source, ADDR_IPV4, strings_get(pool, "http"), IPPROTO_TCP, &set),
		0);
	cr_assert_eq(endpoints_categorise(&source, &set, !is_internal_local || is_external,
					  uses_local, &port),
		     0);
	expect_list(c->name, "cluster", &port.cluster, c->cluster);
	expect_list(c->name, "local", &port.local, c->local);
	cr_expect_eq(port.has_endpoints, c->has_any, "%s: has_endpoints", c->name);
	service_port_free_lists(&port);
	k8s_slice_free(pool, slice);
	strings_free(pool);
}

Test(topology, categorises_as_kube_proxy_does)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(&cases[i]);
}
