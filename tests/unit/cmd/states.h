/* SPDX-License-Identifier: Apache-2.0 */
/* Short ways to make the states that the tests print and compare. */
#ifndef SVCBPF_TESTS_UNIT_CMD_STATES_H
#define SVCBPF_TESTS_UNIT_CMD_STATES_H

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/state.h"
#include "svcbpf/abi.h"

/** states_port() - a service port without frontends and backends; to be given to state_add(). */
static inline struct service_port *states_port(const char *namespace, const char *name,
					       const char *port_name, uint8_t protocol,
					       uint8_t family)
{
	struct service_port *port = calloc(1, sizeof(*port));

	cr_assert(port);
	port->key = (struct service_port_key){
		.namespace = strdup(namespace),
		.name = strdup(name),
		.port_name = strdup(port_name),
		.protocol = protocol,
		.family = family,
	};
	cr_assert(port->key.namespace && port->key.name && port->key.port_name);
	return port;
}

/** states_frontend() - add a frontend. @addr: NULL for a NodePort. Keep the order of types. */
static inline void states_frontend(struct service_port *port, uint8_t type, const char *addr,
				   uint16_t number)
{
	struct frontend *frontend;

	port->frontends = reallocarray(port->frontends, port->n_frontends + 1, sizeof(*frontend));
	cr_assert(port->frontends);
	frontend = &port->frontends[port->n_frontends++];
	*frontend = (struct frontend){.type = type, .port = number};
	if (addr)
		cr_assert_eq(addr_parse(addr, &frontend->addr), 0);
}

/** states_backend() - add a backend at the end of a list. @flags: SVC_BACKEND_F_*. */
static inline void states_backend(struct backend_list *list, const char *addr, uint16_t number,
				  uint8_t flags)
{
	struct backend *backend;

	list->backends = reallocarray(list->backends, list->n_backends + 1, sizeof(*backend));
	cr_assert(list->backends);
	backend = &list->backends[list->n_backends++];
	*backend = (struct backend){.port = number, .flags = flags};
	cr_assert_eq(addr_parse(addr, &backend->addr), 0);
}

/** states_source_range() - add a source range. */
static inline void states_source_range(struct service_port *port, const char *cidr)
{
	port->source_ranges = reallocarray(port->source_ranges, port->n_source_ranges + 1,
					   sizeof(*port->source_ranges));
	cr_assert(port->source_ranges);
	cr_assert_eq(cidr_parse(cidr, &port->source_ranges[port->n_source_ranges++]), 0);
}

/** states_new() - a state of node n1 in zone a; sorted by states_sorted(). */
static inline struct state *states_new(void)
{
	struct state *state = NULL;

	cr_assert_eq(state_new("n1", "a", &state), 0);
	return state;
}

/** states_add() - state_add(), which must succeed. */
static inline void states_add(struct state *state, struct service_port *port)
{
	cr_assert_eq(state_add(state, port), 0);
}

/** states_add_health() - add a health check. */
static inline void states_add_health(struct state *state, const char *name, uint16_t node_port,
				     uint32_t n_local_endpoints)
{
	const struct health_check check = {"default", name, node_port, n_local_endpoints};

	cr_assert_eq(state_add_health_check(state, &check), 0);
}

/**
 * states_rich() - one of everything: all types and families, policy Local, affinity, source ranges,
 * terminating backends, none at all for both reasons.
 */
static inline struct state *states_rich(void)
{
	struct state *state = states_new();
	struct service_port *port = states_port("default", "web", "http", IPPROTO_TCP, ADDR_IPV4);

	states_frontend(port, SVC_TYPE_CLUSTER_IP, "10.96.0.10", 80);
	states_frontend(port, SVC_TYPE_EXTERNAL_IP, "198.51.100.7", 80);
	states_frontend(port, SVC_TYPE_LOAD_BALANCER, "203.0.113.9", 80);
	states_frontend(port, SVC_TYPE_NODE_PORT, NULL, 30080);
	states_backend(&port->cluster, "10.244.1.7", 8080, SVC_BACKEND_F_LOCAL);
	states_backend(&port->cluster, "10.244.2.9", 8080, SVC_BACKEND_F_TERMINATING);
	states_backend(&port->local, "10.244.1.7", 8080, SVC_BACKEND_F_LOCAL);
	port->is_external_local = true;
	port->has_endpoints = true;
	port->affinity_s = 10800;
	states_source_range(port, "192.0.2.0/24");
	states_add(state, port);

	port = states_port("default", "web", "http", IPPROTO_TCP, ADDR_IPV6);
	states_frontend(port, SVC_TYPE_CLUSTER_IP, "fd00:10:96::a", 80);
	states_frontend(port, SVC_TYPE_NODE_PORT, NULL, 30080);
	for (int i = 1; i <= 5; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "fd00:10:244::%d", i);
		states_backend(&port->cluster, addr, 8080, 0);
	}
	port->has_endpoints = true;
	states_add(state, port);

	port = states_port("kube-system", "dns", "", IPPROTO_UDP, ADDR_IPV4);
	states_frontend(port, SVC_TYPE_CLUSTER_IP, "10.96.0.2", 53);
	states_add(state, port);

	port = states_port("kube-system", "dns", "sctp", IPPROTO_SCTP, ADDR_IPV4);
	states_frontend(port, SVC_TYPE_CLUSTER_IP, "10.96.0.2", 53);
	port->is_internal_local = true;
	port->has_endpoints = true;
	states_add(state, port);

	states_add_health(state, "web", 31000, 1);
	states_add_health(state, "api", 31001, 0);
	state_sort(state);
	return state;
}

#endif
