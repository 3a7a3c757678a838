/* SPDX-License-Identifier: Apache-2.0 */
/* Short ways to make Kubernetes objects, and service ports as text, for the tests of the model. */
#ifndef SVCBPF_TESTS_UNIT_MODEL_BUILD_H
#define SVCBPF_TESTS_UNIT_MODEL_BUILD_H

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "model/objects.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

#define READY	    (K8S_ENDPOINT_READY | K8S_ENDPOINT_SERVING)
#define TERMINATING (K8S_ENDPOINT_SERVING | K8S_ENDPOINT_TERMINATING)
#define NOT_READY   0u

#define BUILD_MAX_HINTS 16

static inline struct addr build_addr(const char *text)
{
	struct addr addr = {.family = ADDR_NONE};

	cr_assert_eq(addr_parse(text, &addr), 0, "%s is no address", text);
	return addr;
}

/* gcc 12's analyzer forgets arrays that objects own; ASan watches for leaks in the tests */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"

/* @p, which is not NULL: said so that the static analyzers believe it. */
static inline void *build_must(void *p)
{
	cr_assert_not_null(p);
	if (!p)
		abort();
	return p;
}

/* The array with one zeroed element more, whose place is @n. */
static inline void *build_grow(void *array, size_t n, size_t size_bytes)
{
	char *grown = build_must(reallocarray(array, n + 1, size_bytes));

	memset(grown + n * size_bytes, 0, size_bytes);
	return grown;
}

/* A Service of type ClusterIP. @cluster_ips: separated by commas. */
static inline struct k8s_service *build_service(struct strings *pool, const char *name,
						const char *cluster_ips)
{
	struct k8s_service *service = build_must(calloc(1, sizeof(*service)));
	_free_ char *copy = build_must(strdup(cluster_ips));
	char *rest = copy, *text;

	service->namespace = strings_get(pool, "default");
	service->name = strings_get(pool, name);
	service->created_s = INT64_MAX;
	while ((text = strsep(&rest, ","))) {
		size_t n = service->n_cluster_ips++;

		service->cluster_ips =
			build_grow(service->cluster_ips, n, sizeof(*service->cluster_ips));
		service->families = build_grow(service->families, n, sizeof(*service->families));
		service->cluster_ips[n] = build_addr(text);
		service->families[n] = service->cluster_ips[n].family;
	}
	service->n_families = service->n_cluster_ips;
	if (service->cluster_ips)
		service->cluster_ip = service->cluster_ips[0];
	return service;
}

static inline void build_port(struct strings *pool, struct k8s_service *service, const char *name,
			      uint8_t protocol, uint16_t port, uint16_t node_port)
{
	size_t n = service->n_ports++;

	service->ports = build_grow(service->ports, n, sizeof(*service->ports));
	service->ports[n] = (struct k8s_service_port){
		.name = strings_get(pool, name),
		.protocol = protocol,
		.port = port,
		.node_port = node_port,
	};
}

static inline void build_external_ip(struct k8s_service *service, const char *text)
{
	size_t n = service->n_external_ips++;

	service->external_ips =
		build_grow(service->external_ips, n, sizeof(*service->external_ips));
	service->external_ips[n] = build_addr(text);
}

static inline void build_ingress(struct k8s_service *service, const char *text, bool is_vip)
{
	size_t n = service->n_ingress++;

	service->ingress = build_grow(service->ingress, n, sizeof(*service->ingress));
	service->ingress[n] = (struct k8s_ingress){.addr = build_addr(text), .is_vip = is_vip};
}

static inline void build_source_range(struct k8s_service *service, const char *text)
{
	size_t n = service->n_source_ranges++;

	service->source_ranges =
		build_grow(service->source_ranges, n, sizeof(*service->source_ranges));
	cr_assert_eq(cidr_parse(text, &service->source_ranges[n]), 0, "%s is no CIDR", text);
}

static inline struct k8s_slice *build_slice(struct strings *pool, const char *name,
					    const char *service, uint8_t family)
{
	struct k8s_slice *slice = build_must(calloc(1, sizeof(*slice)));

	slice->namespace = strings_get(pool, "default");
	slice->name = strings_get(pool, name);
	slice->service = strings_get(pool, service);
	slice->family = family;
	return slice;
}

static inline void build_slice_port(struct strings *pool, struct k8s_slice *slice, const char *name,
				    uint8_t protocol, uint16_t port)
{
	size_t n = slice->n_ports++;

	slice->ports = build_grow(slice->ports, n, sizeof(*slice->ports));
	slice->ports[n] = (struct k8s_slice_port){
		.name = strings_get(pool, name),
		.protocol = protocol,
		.port = port,
	};
}

/* @zones, @nodes: names separated by commas, NULL for none. */
static inline struct k8s_hints *build_hints(struct strings *pool, const char *zones,
					    const char *nodes)
{
	const char *lists[] = {zones, nodes};
	struct k8s_hints *hints =
		build_must(calloc(1, sizeof(*hints) + BUILD_MAX_HINTS * sizeof(hints->names[0])));
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		_free_ char *copy = lists[i] ? strdup(lists[i]) : NULL;
		char *rest = copy, *text;

		while (rest && (text = strsep(&rest, ","))) {
			cr_assert_lt(n, BUILD_MAX_HINTS);
			hints->names[n++] = strings_get(pool, text);
			hints->n_zones += i == 0;
			hints->n_nodes += i == 1;
		}
	}
	return hints;
}

static inline struct k8s_endpoint *build_endpoint(struct strings *pool, struct k8s_slice *slice,
						  const char *addr, const char *node,
						  uint32_t flags)
{
	size_t n = slice->n_endpoints++;
	struct addr parsed = build_addr(addr);

	slice->endpoints = build_grow(slice->endpoints, n, sizeof(*slice->endpoints));
	memcpy(slice->endpoints[n].addr, parsed.bytes, sizeof(parsed.bytes));
	slice->endpoints[n].node = strings_get(pool, node);
	slice->endpoints[n].flags = flags;
	return &slice->endpoints[n];
}

/* A Service with the port http, 80/TCP. */
static inline struct k8s_service *build_http_service(struct strings *pool, const char *name,
						     const char *cluster_ips)
{
	struct k8s_service *service = build_service(pool, name, cluster_ips);

	build_port(pool, service, "http", IPPROTO_TCP, 80, 0);
	return service;
}

/* A slice with the port http, 8080/TCP, and one ready endpoint. */
static inline struct k8s_slice *build_http_slice(struct strings *pool, const char *name,
						 const char *service, const char *addr,
						 const char *node)
{
	struct k8s_slice *slice = build_slice(pool, name, service, build_addr(addr).family);

	build_slice_port(pool, slice, "http", IPPROTO_TCP, 8080);
	build_endpoint(pool, slice, addr, node, READY);
	return slice;
}

static inline struct k8s_node *build_node(struct strings *pool, const char *zone)
{
	struct k8s_node *node = build_must(calloc(1, sizeof(*node)));

	node->name = strings_get(pool, "n1");
	node->zone = strings_get(pool, zone);
	return node;
}

/* "10.0.0.1:80 10.0.0.2:80": "+" marks a local backend, "~" a terminating one. */
static inline void describe_list(FILE *out, const char *what, const struct backend_list *list)
{
	fprintf(out, " %s[", what);
	for (size_t i = 0; i < list->n_backends; i++) {
		const struct backend *backend = &list->backends[i];
		char addr[ADDR_TEXT_MAX];

		fprintf(out, "%s%s:%u%s%s", i ? " " : "", addr_format(&backend->addr, addr),
			backend->port, backend->flags & SVC_BACKEND_F_LOCAL ? "+" : "",
			backend->flags & SVC_BACKEND_F_TERMINATING ? "~" : "");
	}
	fprintf(out, "]");
}

static inline void describe_port(FILE *out, const struct service_port *port)
{
	char text[ADDR_TEXT_MAX];

	fprintf(out, "%s/%s:%s %s%u (", port->key.namespace, port->key.name, port->key.port_name,
		protocol_name(port->key.protocol), port->key.family);
	for (size_t i = 0; i < port->n_frontends; i++)
		fprintf(out, "%s%c%s:%u", i ? " " : "", "?CELN"[port->frontends[i].type],
			addr_format(&port->frontends[i].addr, text), port -> frontends[i].port);
	fprintf(out, ")");
	describe_list(out, "cluster", &port->cluster);
	describe_list(out, "local", &port->local);
	if (port->key.protocol == IPPROTO_UDP)
		describe_list(out, "serving", &port->serving);
	for (size_t i = 0; i < port->n_source_ranges; i++)
		fprintf(out, " from=%s", cidr_format(&port->source_ranges[i], text));
	fprintf(out, "%s%s%s", port->is_internal_local ? " iTP" : "",
		port->is_external_local ? " eTP" : "", port->has_endpoints ? " any" : "");
	if (port->is_maglev)
		fprintf(out, " maglev");
	if (port->affinity_s)
		fprintf(out, " affinity=%u", port->affinity_s);
	if (port->health_check_node_port)
		fprintf(out, " health=%u", port->health_check_node_port);
	fprintf(out, " ready=%u\n", port->n_local_ready);
}

/* All service ports and health checks, one a line; free(3) it. */
static inline char *describe_state(const struct state *state)
{
	size_t n, len;
	char *text = NULL;
	FILE *out = build_must(open_memstream(&text, &len));
	struct service_port *const *ports = state_ports(state, &n);
	const struct health_check *checks;

	for (size_t i = 0; i < n; i++)
		describe_port(out, ports[i]);
	checks = state_health_checks(state, &n);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "health %s/%s %u: %u\n", checks[i].namespace, checks[i].name,
			checks[i].node_port, checks[i].n_local_endpoints);
	fclose(out);
	return text;
}

/* The model's state as text; free(3) it. */
static inline char *describe_model(const struct model *model)
{
	struct state *state;
	char *text;

	cr_assert_eq(model_state(model, &state), 0);
	text = describe_state(state);
	state_free(state);
	return text;
}

#define EXPECT_MODEL(model, expected)                                                              \
	do {                                                                                       \
		_free_ char *text_ = describe_model(model);                                        \
		cr_expect_str_eq(text_, expected);                                                 \
	} while (0)

#endif
