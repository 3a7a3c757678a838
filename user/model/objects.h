/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes objects as far as the Service rules need them: plain data, made by user/source.
 *
 * Strings are interned in one struct strings pool, which the model and the sources share; an
 * object holds one reference for each of its strings. Optional API fields have their defaults
 * filled in (rules R9, R18).
 */
#ifndef SVCBPF_MODEL_OBJECTS_H
#define SVCBPF_MODEL_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"
#include "util/strings.h"

enum k8s_service_type {
	K8S_CLUSTER_IP,
	K8S_NODE_PORT,
	K8S_LOAD_BALANCER,
	K8S_EXTERNAL_NAME,
};

/** enum k8s_algorithm - annotation svcbpf.io/algorithm of a Service. */
enum k8s_algorithm {
	K8S_ALGORITHM_DEFAULT, /* absent: what the node's option says */
	K8S_ALGORITHM_RANDOM,
	K8S_ALGORITHM_MAGLEV,
	K8S_ALGORITHM_BAD, /* anything else: the default, and a problem */
};

/**
 * struct k8s_service_port - an entry of spec.ports.
 * @name: "" when absent.  @protocol: IPPROTO_*.  @port, @node_port: host order; 0: none.
 *
 * spec.ports[].targetPort is not here: endpoints bring their port with them (R7).
 */
struct k8s_service_port {
	const char *name;
	uint8_t protocol;
	uint16_t port;
	uint16_t node_port;
};

/**
 * struct k8s_ingress - an entry of status.loadBalancer.ingress that has an ip.
 * @is_vip: ipMode is absent or "VIP" (R12).
 */
struct k8s_ingress {
	struct addr addr;
	bool is_vip;
};

/**
 * struct k8s_service - a Service.
 * @created_s: metadata.creationTimestamp, seconds since the epoch; INT64_MAX when absent, so that a
 *	Service that never came from an API server loses a conflict against one that did.
 * @is_excluded: has the label service.kubernetes.io/service-proxy-name (R1), whatever its value.
 * @is_headless: spec.clusterIP is "None" or empty (R4).
 * @is_unallocated: a manifest that no API server has completed: spec.clusterIP is not there at all.
 *	It has the families of @families, and no ClusterIP in them.
 * @cluster_ip: spec.clusterIP; family ADDR_NONE when it is no address.
 * @cluster_ips, @families: spec.clusterIPs and spec.ipFamilies, side by side; an entry that is no
 *	address has family ADDR_NONE.
 * @external_ips: spec.externalIPs; an entry that is no address has family ADDR_NONE: it is not
 *	served, but kube-proxy's rule R15 asks only whether the list is empty.
 * @affinity_s: 0 without ClientIP affinity, else the timeout in seconds (R18; default 10800).
 */
struct k8s_service {
	const char *namespace;
	const char *name;
	int64_t created_s;
	enum k8s_service_type type;
	enum k8s_algorithm algorithm;
	bool is_excluded;
	bool is_headless;
	bool is_unallocated;
	bool is_external_local; /* spec.externalTrafficPolicy: Local */
	bool is_internal_local; /* spec.internalTrafficPolicy: Local */
	uint16_t health_check_node_port;
	uint32_t affinity_s;
	struct addr cluster_ip;
	struct addr *cluster_ips;
	size_t n_cluster_ips;
	uint8_t *families; /* ADDR_IPV4 or ADDR_IPV6 */
	size_t n_families;
	struct addr *external_ips;
	size_t n_external_ips;
	struct k8s_ingress *ingress;
	size_t n_ingress;
	struct cidr *source_ranges;
	size_t n_source_ranges;
	struct k8s_service_port *ports;
	size_t n_ports;
};

/* struct k8s_endpoint.flags, defaults of rule R9 applied */
#define K8S_ENDPOINT_READY	 0x1u
#define K8S_ENDPOINT_SERVING	 0x2u
#define K8S_ENDPOINT_TERMINATING 0x4u

/** struct k8s_hints - hints.forZones and hints.forNodes; one allocation, n_zones + n_nodes names.
 */
struct k8s_hints {
	uint16_t n_zones;
	uint16_t n_nodes;
	const char *names[]; /* zones first */
};

/**
 * struct k8s_endpoint - an endpoint of a slice; only addresses[0] counts (R6).
 * @addr: network order, of the slice's family, as struct addr.bytes.
 * @node: nodeName, NULL when absent.
 * @hints: owned, NULL when there are none.
 */
struct k8s_endpoint {
	uint8_t addr[16];
	const char *node;
	struct k8s_hints *hints;
	uint32_t flags;
};

/** struct k8s_slice_port - a port of a slice; those without name or port are left out (R7). */
struct k8s_slice_port {
	const char *name;
	uint8_t protocol;
	uint16_t port;
};

/**
 * struct k8s_slice - an EndpointSlice.
 * @service: label kubernetes.io/service-name; NULL when absent: the slice is ignored (R2).
 * @is_headless: has the label service.kubernetes.io/headless: ignored (R2).
 * @family: of addressType; ADDR_NONE for FQDN: ignored (R6).
 * @last_change_ns: annotation endpoints.kubernetes.io/last-change-trigger-time, CLOCK_REALTIME; 0:
 * none.
 */
struct k8s_slice {
	const char *namespace;
	const char *name;
	const char *service;
	bool is_headless;
	uint8_t family;
	int64_t last_change_ns;
	struct k8s_slice_port *ports;
	size_t n_ports;
	struct k8s_endpoint *endpoints;
	size_t n_endpoints;
};

/**
 * struct k8s_node - this node.
 * @zone: label topology.kubernetes.io/zone; NULL when absent.
 * @addresses: status.addresses of type InternalIP, then ExternalIP, in order.
 */
struct k8s_node {
	const char *name;
	const char *zone;
	struct addr *addresses;
	size_t n_addresses;
	bool is_deleting; /* deletionTimestamp or the taint ToBeDeletedByClusterAutoscaler (R45) */
};

/** k8s_service_free() - free a Service and give its strings back; NULL and half-built are fine. */
void k8s_service_free(struct strings *pool, struct k8s_service *service);

/** k8s_hints_free() - free hints and give their names back; NULL is fine. */
void k8s_hints_free(struct strings *pool, struct k8s_hints *hints);

/** k8s_slice_free() - the same for a slice. */
void k8s_slice_free(struct strings *pool, struct k8s_slice *slice);

/** k8s_node_free() - the same for a node. */
void k8s_node_free(struct strings *pool, struct k8s_node *node);

#endif
