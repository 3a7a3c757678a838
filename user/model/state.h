/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node's datapath should hold, or does hold: the one shape that the model computes, the
 * datapath writes and reads back, and plan, dump and verify print and compare.
 */
#ifndef SVCBPF_MODEL_STATE_H
#define SVCBPF_MODEL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"

/**
 * struct service_port_key - what makes a service port in one family (rule R7).
 * @namespace, @name, @port_name: NUL-terminated, borrowed or owned as the holder says.
 * @protocol: IPPROTO_*.  @family: ADDR_IPV4 or ADDR_IPV6.
 */
struct service_port_key {
	const char *namespace;
	const char *name;
	const char *port_name;
	uint8_t protocol;
	uint8_t family;
};

/** service_port_key_compare() - order by namespace, name, port name, protocol, family. */
int service_port_key_compare(const struct service_port_key *a, const struct service_port_key *b);

/**
 * struct frontend - an address that leads to a service port.
 * @addr: family ADDR_NONE for a NodePort: every node address.
 * @port: host order.
 * @type: SVC_TYPE_* of svcbpf/abi.h.
 */
struct frontend {
	struct addr addr;
	uint8_t type;
	uint16_t port;
};

/* struct backend.flags: SVC_BACKEND_F_LOCAL, SVC_BACKEND_F_TERMINATING of svcbpf/abi.h */

/** struct backend - where traffic goes. @port: host order. */
struct backend {
	struct addr addr;
	uint8_t flags;
	uint16_t port;
};

/** struct backend_list - backends in the order of addr_compare(), then port; no duplicates. */
struct backend_list {
	struct backend *backends;
	size_t n_backends;
};

/**
 * struct service_port - a service port in one family, as this node serves it.
 * @key: its strings are owned by whoever owns the service_port.
 * @frontends: those it really has (conflicts decided), in the order type, address, port.
 * @cluster: the Cluster list (R20); empty when not used (R17).
 * @local: the Local list (R21); empty when not used (R17).
 * @serving: for UDP only: every serving endpoint anywhere, policy and topology ignored (R39).
 * @is_internal_local, @is_external_local: the two policies, as rule R15 defines them.
 * @has_endpoints: hasAnyEndpoints (R22).
 * @is_maglev: clients outside the cluster are given backends by a Maglev table (maglev.h), else at
 *	random; set only where it has an effect: see service_port_takes_maglev().
 * @affinity_s: 0: none.
 * @source_ranges: of this family (R14), sorted; empty: all may come.
 * @health_check_node_port: 0: none.
 * @n_local_ready: rule R41's count, of the whole Service in this family.
 */
struct service_port {
	struct service_port_key key;
	struct frontend *frontends;
	size_t n_frontends;
	struct backend_list cluster;
	struct backend_list local;
	struct backend_list serving;
	bool is_internal_local;
	bool is_external_local;
	bool has_endpoints;
	bool is_maglev;
	uint16_t health_check_node_port;
	uint32_t affinity_s;
	uint32_t n_local_ready;
	struct cidr *source_ranges;
	size_t n_source_ranges;
};

/** service_port_free() - free a service port that owns its strings by malloc(3); NULL is fine. */
void service_port_free(struct service_port *port);

/** service_port_free_lists() - free all a service port owns but itself and its strings. */
void service_port_free_lists(struct service_port *port);

/**
 * service_port_copy() - a copy that owns its strings; free with service_port_free().
 * Return: 0 or -ENOMEM.
 */
int service_port_copy(const struct service_port *port, struct service_port **ret);

/** frontend_compare() - order by type, address, port. Return: <0, 0, >0 as memcmp(3). */
int frontend_compare(const struct frontend *a, const struct frontend *b);

/** backend_list_copy() - a copy; free(3) its backends. Return: 0 or -ENOMEM. */
int backend_list_copy(const struct backend_list *list, struct backend_list *ret_copy);

/** backend_list_equal() - whether both hold the same backends with the same flags. */
bool backend_list_equal(const struct backend_list *a, const struct backend_list *b);

/**
 * service_port_policy_list() - the list a frontend of @type uses for clients outside (R24).
 * Return: borrowed from @port.
 */
const struct backend_list *service_port_policy_list(const struct service_port *port, uint8_t type);

/**
 * service_port_cluster_list() - the list sockets of this host use for a frontend of @type: as
 * service_port_policy_list() for ClusterIP, the Cluster list for the others (R28).
 */
const struct backend_list *service_port_cluster_list(const struct service_port *port, uint8_t type);

/** service_port_is_local() - whether the policy that applies to frontends of @type is Local. */
bool service_port_is_local(const struct service_port *port, uint8_t type);

/**
 * service_port_takes_maglev() - whether a Maglev table would have an effect: there is a frontend
 * other than a ClusterIP, and a backend behind it.
 */
bool service_port_takes_maglev(const struct service_port *port);

/**
 * service_port_is_drop() - with an empty list: drop (R26) rather than reject (R25).
 * @list: one of the port's lists.
 */
bool service_port_is_drop(const struct service_port *port, const struct backend_list *list);

/**
 * service_port_equal() - whether both program the datapath alike: the same frontends, and behind
 * each type of frontend the same policy and backends. What no frontend leads to is not compared,
 * and neither are serving and what health checks tell (health_check_node_port, n_local_ready).
 */
bool service_port_equal(const struct service_port *a, const struct service_port *b);

/**
 * struct health_check - what the health check of a Service answers (R40, R41).
 * @node_port: healthCheckNodePort; 0: no longer there.
 * @n_local_endpoints: distinct IPs of local ready endpoints; with two families the larger count,
 *	since the same pods stand behind both.
 */
struct health_check {
	const char *namespace;
	const char *name;
	uint16_t node_port;
	uint32_t n_local_endpoints;
};

/** struct state - a whole node's service ports, sorted by key when state_sort() has run. */
struct state;

/** state_new() - an empty state. @node, @zone: copied; zone may be NULL. Return: 0 or -ENOMEM. */
int state_new(const char *node, const char *zone, struct state **ret);

/** state_free() - free it and all it owns; NULL is fine. */
void state_free(struct state *state);

/** state_node() - the node's name, borrowed. */
const char *state_node(const struct state *state);

/** state_zone() - the node's zone, borrowed; "" for none. */
const char *state_zone(const struct state *state);

/** state_add() - take over @port (made with malloc(3), strings too), also on failure. Return: 0 or
 * -ENOMEM. */
int state_add(struct state *state, struct service_port *port);

/** state_add_health_check() - copy one in. Return: 0 or -ENOMEM. */
int state_add_health_check(struct state *state, const struct health_check *check);

/** state_sort() - sort service ports by key and health checks by Service; call before reading. */
void state_sort(struct state *state);

/** state_ports() - the service ports, borrowed. */
struct service_port *const *state_ports(const struct state *state, size_t *ret_n);

/** state_health_checks() - the health checks, borrowed. */
const struct health_check *state_health_checks(const struct state *state, size_t *ret_n);

/**
 * state_diff() - what differs between two sorted states.
 * @fn: called for each service port that is in one only (the other is NULL) or differs; a negative
 *	return ends the walk.
 * Return: 0 or what @fn returned.
 */
int state_diff(const struct state *old, const struct state *new,
	       int (*fn)(void *arg, const struct service_port *old, const struct service_port *new),
	       void *arg);

#endif
