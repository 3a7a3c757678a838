/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 3,000 random cases with the answers of kube-proxy 1.36.3's own code: JSON in, decoded as the
 * agent does, put into a model, every field of the answer compared.
 */
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdarg.h>
#include <string.h>
#include <zlib.h>

#include "model/compute.h"
#include "model/model.h"
#include "source/decode.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

#define FOLDER	       "tests/fixtures/oracle/" /* tests run from the top of the tree */
#define N_CASES	       3000
#define LINE_MAX_BYTES (1 << 20)
#define MAX_TEXTS      256

/* A set of short texts, sorted before it is compared. */
struct texts {
	char items[MAX_TEXTS][64];
	size_t n;
};

static void add_text(struct texts *texts, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add_text(struct texts *texts, const char *format, ...)
{
	va_list args;

	cr_assert_lt(texts->n, MAX_TEXTS);
	va_start(args, format);
	vsnprintf(texts->items[texts->n++], sizeof(texts->items[0]), format, args);
	va_end(args);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void sort_unique(struct texts *texts)
{
	size_t n = 0;

	qsort(texts->items, texts->n, sizeof(texts->items[0]), compare_texts);
	for (size_t i = 0; i < texts->n; i++) {
		if (n == 0 || strcmp(texts->items[n - 1], texts->items[i]) != 0)
			memmove(texts->items[n++], texts->items[i], sizeof(texts->items[0]));
	}
	texts->n = n;
}

static bool has_text(const struct texts *texts, const char *text)
{
	for (size_t i = 0; i < texts->n; i++) {
		if (strcmp(texts->items[i], text) == 0)
			return true;
	}
	return false;
}

static const cJSON *field(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	cr_assert_not_null(item, "the answer has no field %s", name);
	return item;
}

static void expect_texts(size_t number, const char *what, struct texts *actual, const cJSON *array)
{
	struct texts expected = {.n = 0};
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
		add_text(&expected, "%s", item->valuestring);
	sort_unique(&expected);
	sort_unique(actual);
	cr_expect_eq(actual->n, expected.n, "case %zu: %s has %zu entries, not %zu", number, what,
		     actual->n, expected.n);
	for (size_t i = 0; i < expected.n && i < actual->n; i++)
		cr_expect_str_eq(actual->items[i], expected.items[i], "case %zu: %s", number, what);
}

static void add_backends(struct texts *texts, const struct backend_list *list)
{
	for (size_t i = 0; i < list->n_backends; i++) {
		const struct backend *backend = &list->backends[i];
		bool is_ipv6 = backend->addr.family == ADDR_IPV6;
		char addr[ADDR_TEXT_MAX];

		add_text(texts, "%s%.40s%s:%u", is_ipv6 ? "[" : "",
			 addr_format(&backend->addr, addr), is_ipv6 ? "]" : "", backend->port);
	}
}

static void expect_lists(size_t number, const struct service_port *port, const cJSON *answer)
{
	struct texts cluster = {.n = 0}, local = {.n = 0}, all = {.n = 0};

	add_backends(&cluster, &port->cluster);
	expect_texts(number, "cluster", &cluster, field(answer, "cluster"));
	add_backends(&local, &port->local);
	expect_texts(number, "local", &local, field(answer, "local"));
	add_backends(&all, &port->cluster);
	add_backends(&all, &port->local);
	expect_texts(number, "all", &all, field(answer, "all"));
}

/*
 * The frontends that follow from the answer: an address that stands in several of its lists is
 * served once, by the first.
 */
static void expected_frontends(const cJSON *answer, struct texts *ret)
{
	static const struct {
		const char *field;
		uint8_t type;
	} lists[] = {
		{"externalIPs", SVC_TYPE_EXTERNAL_IP},
		{"lbVIPs", SVC_TYPE_LOAD_BALANCER},
	};
	struct texts seen = {.n = 0};
	int port = field(answer, "svcPort")->valueint;
	int node_port = field(answer, "nodePort")->valueint;
	const cJSON *item;

	add_text(&seen, "%s", field(answer, "clusterIP")->valuestring);
	add_text(ret, "%u %s:%d", SVC_TYPE_CLUSTER_IP, seen.items[0], port);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		cJSON_ArrayForEach(item, field(answer, lists[i].field)) {
			if (has_text(&seen, item->valuestring))
				continue;
			add_text(&seen, "%s", item->valuestring);
			add_text(ret, "%u %.40s:%d", lists[i].type, item->valuestring, port);
		}
	}
	if (node_port != 0)
		add_text(ret, "%u :%d", SVC_TYPE_NODE_PORT, node_port);
}

static void expect_frontends(size_t number, const struct service_port *port, const cJSON *answer)
{
	struct texts actual = {.n = 0}, expected = {.n = 0};

	for (size_t i = 0; i < port->n_frontends; i++) {
		char addr[ADDR_TEXT_MAX];

		add_text(&actual, "%u %.40s:%u", port->frontends[i].type,
			 addr_format(&port->frontends[i].addr, addr), port->frontends[i].port);
	}
	expected_frontends(answer, &expected);
	cr_expect_eq(actual.n, expected.n, "case %zu: %zu frontends, not %zu", number, actual.n,
		     expected.n);
	for (size_t i = 0; i < expected.n; i++)
		cr_expect(has_text(&actual, expected.items[i]), "case %zu: no frontend %s", number,
			  expected.items[i]);
}

static void expect_source_ranges(size_t number, const struct service_port *port,
				 const cJSON *answer)
{
	struct texts actual = {.n = 0};

	for (size_t i = 0; i < port->n_source_ranges; i++) {
		char cidr[ADDR_TEXT_MAX];

		add_text(&actual, "%s", cidr_format(&port->source_ranges[i], cidr));
	}
	expect_texts(number, "sourceRanges", &actual, field(answer, "sourceRanges"));
}

/* What a client outside the cluster gets of each type of frontend; sockets show it of none. */
static void expect_outside(size_t number, const struct service_port *port, const cJSON *answer)
{
	static const uint8_t types[] = {SVC_TYPE_CLUSTER_IP, SVC_TYPE_EXTERNAL_IP,
					SVC_TYPE_LOAD_BALANCER, SVC_TYPE_NODE_PORT};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const char *policy = types[i] == SVC_TYPE_CLUSTER_IP ? "itpLocal" : "etpLocal";
		bool is_local = cJSON_IsTrue(field(answer, policy));
		const struct backend_list *list = service_port_policy_list(port, types[i]);
		struct texts actual = {.n = 0};

		add_backends(&actual, list);
		expect_texts(number, "outside", &actual,
			     field(answer, is_local ? "local" : "cluster"));
		/* R25, R26 */
		cr_expect_eq(service_port_is_drop(port, list),
			     !actual.n && cJSON_IsTrue(field(answer, "hasAny")),
			     "case %zu: type %u: drop", number, types[i]);
	}
}

static void expect_port(size_t number, const struct service_port *port, const cJSON *answer)
{
	const char *affinity = field(answer, "affinity")->valuestring;

	expect_frontends(number, port, answer);
	expect_lists(number, port, answer);
	expect_source_ranges(number, port, answer);
	expect_outside(number, port, answer);
	cr_expect_eq(port->affinity_s != 0, strcmp(affinity, "ClientIP") == 0, "case %zu: affinity",
		     number);
	cr_expect_eq((int)port->affinity_s, field(answer, "affinitySeconds")->valueint,
		     "case %zu: affinitySeconds", number);
	cr_expect_eq(port->is_external_local, cJSON_IsTrue(field(answer, "etpLocal")),
		     "case %zu: etpLocal", number);
	cr_expect_eq(port->is_internal_local, cJSON_IsTrue(field(answer, "itpLocal")),
		     "case %zu: itpLocal", number);
	cr_expect_eq(port->has_endpoints, cJSON_IsTrue(field(answer, "hasAny")), "case %zu: hasAny",
		     number);
	cr_expect_eq(port->health_check_node_port, field(answer, "hcNodePort")->valueint,
		     "case %zu: hcNodePort", number);
}

static const struct service_port *find_port(const struct state *state, uint8_t family,
					    const cJSON *answer)
{
	const char *proto = field(answer, "proto")->valuestring;
	size_t n;
	struct service_port *const *ports = state_ports(state, &n);

	for (size_t i = 0; i < n; i++) {
		const struct service_port_key *key = &ports[i]->key;
		char name[256];

		snprintf(name, sizeof(name), "%s/%s%s%s", key->namespace, key->name,
			 key->port_name[0] ? ":" : "", key->port_name);
		if (key->family == family && strcmp(protocol_name(key->protocol), proto) == 0 &&
		    strcmp(name, field(answer, "port")->valuestring) == 0)
			return ports[i];
	}
	return NULL;
}

static void expect_state(size_t number, const struct state *state, uint8_t family,
			 const cJSON *answer)
{
	const cJSON *ports = field(answer, "ports"), *item;
	size_t n, n_family = 0;
	struct service_port *const *actual = state_ports(state, &n);

	for (size_t i = 0; i < n; i++)
		n_family += actual[i]->key.family == family;
	cr_expect_eq(n_family, (size_t)cJSON_GetArraySize(ports),
		     "case %zu: %zu service ports, not %d", number, n_family,
		     cJSON_GetArraySize(ports));
	cJSON_ArrayForEach(item, ports) {
		const struct service_port *port = find_port(state, family, item);

		cr_expect_not_null(port, "case %zu: no port %s", number,
				   field(item, "port")->valuestring);
		if (port)
			expect_port(number, port, item);
	}
}

#define MAX_SLICES 16

/* One case, decoded: what the model is given. */
struct oracle_case {
	struct k8s_service *service;
	struct k8s_slice *slices[MAX_SLICES];
	size_t n_slices;
	const char *node;
	const char *zone;
	uint8_t family;
};

static void decode_case(size_t number, const cJSON *json, struct strings *pool,
			struct oracle_case *ret)
{
	struct decode_error error;
	const cJSON *item;

	memset(ret, 0, sizeof(*ret));
	cr_assert_eq(decode_service(field(json, "service"), pool, &ret->service, &error), 0,
		     "case %zu: %s", number, error.text);
	cJSON_ArrayForEach(item, field(json, "slices")) {
		cr_assert_lt(ret->n_slices, MAX_SLICES);
		cr_assert_eq(decode_slice(item, pool, &ret->slices[ret->n_slices++], &error), 0,
			     "case %zu: %s", number, error.text);
	}
	ret->node = field(json, "node")->valuestring;
	ret->zone = field(json, "zone")->valuestring;
	ret->family =
		strcmp(field(json, "family")->valuestring, "IPv6") == 0 ? ADDR_IPV6 : ADDR_IPV4;
}

/* R41's count is also asked of Services without service ports, which no state shows. */
static void expect_local_ready(size_t number, const struct oracle_case *c, struct strings *pool,
			       const cJSON *answer)
{
	const char *node = strings_get(pool, c->node), *zone = strings_get(pool, c->zone);
	struct endpoint_source source = {
		.slices = (const struct k8s_slice *const *)c->slices,
		.n_slices = c->n_slices,
		.node_name = node,
		.zone = zone,
	};
	_cleanup_(endpoint_set_fini) struct endpoint_set set = {};
	const cJSON *counts = field(answer, "localReady");
	const cJSON *count = cJSON_GetObjectItemCaseSensitive(counts, "d/svc");
	uint32_t n;

	cr_assert_leq(cJSON_GetArraySize(counts), 1);
	cr_assert_eq(endpoints_count_local_ready(&source, c->family, &set, &n), 0);
	cr_expect_eq(n, count ? (uint32_t)count->valueint : 0, "case %zu: localReady is %u", number,
		     n);
	strings_put(pool, node);
	strings_put(pool, zone);
}

static struct state *run_case(const struct oracle_case *c, struct strings *pool)
{
	struct k8s_node *node = calloc(1, sizeof(*node));
	struct model *model;
	struct state *state;

	if (!node)
		abort();
	cr_assert_eq(model_new(c->node, pool, &model), 0);
	node->name = strings_get(pool, c->node);
	node->zone = c->zone[0] ? strings_get(pool, c->zone) : NULL;
	cr_assert_eq(model_set_node(model, node), 0);
	for (size_t i = 0; i < c->n_slices; i++)
		cr_assert_eq(model_put_slice(model, c->slices[i]), 0);
	cr_assert_eq(model_put_service(model, c->service), 0);
	cr_assert_eq(model_commit(model, NULL), 0);
	cr_assert_eq(model_state(model, &state), 0);
	model_free(model);
	return state;
}

static void expect_case(size_t number, const char *question, const char *expected)
{
	cJSON *json = cJSON_Parse(question), *answer = cJSON_Parse(expected);
	struct oracle_case c;
	struct strings *pool;
	struct state *state;

	cr_assert_not_null(json, "case %zu: no JSON", number);
	cr_assert_not_null(answer, "answer %zu: no JSON", number);
	cr_assert_eq(strings_new(&pool), 0);
	decode_case(number, json, pool, &c);
	expect_local_ready(number, &c, pool, answer);
	state = run_case(&c, pool);
	expect_state(number, state, c.family, answer);
	cr_expect_eq(strings_count(pool), 0, "case %zu: strings left over", number);
	state_free(state);
	strings_free(pool);
	cJSON_Delete(json);
	cJSON_Delete(answer);
}

Test(oracle, all_3000_cases_answered_as_kube_proxy_does)
{
	gzFile cases = gzopen(FOLDER "cases.jsonl.gz", "rb");
	gzFile answers = gzopen(FOLDER "answers.jsonl.gz", "rb");
	char *question = malloc(LINE_MAX_BYTES), *answer = malloc(LINE_MAX_BYTES);
	size_t n = 0;

	cr_assert(cases && answers, "no " FOLDER ": run this from the top of the tree");
	cr_assert(question && answer);
	while (gzgets(cases, question, LINE_MAX_BYTES)) {
		cr_assert_not_null(gzgets(answers, answer, LINE_MAX_BYTES));
		expect_case(++n, question, answer);
	}
	cr_assert_eq(n, N_CASES, "%zu cases, not %d", n, N_CASES);
	gzclose(cases);
	gzclose(answers);
	free(question);
	free(answer);
}
