/* SPDX-License-Identifier: Apache-2.0 */
/* From slices to the backends of a service port: rules R2, R6-R9, R19-R22, R39, R41. Pure. */
#ifndef SVCBPF_MODEL_ENDPOINTS_H
#define SVCBPF_MODEL_ENDPOINTS_H

#include "model/objects.h"
#include "model/state.h"

/**
 * struct endpoint_source - a Service's slices and the node they are seen from; all borrowed.
 * @slices: ordered by name, since the order decides between two endpoints with the same address
 *	and port (R8).
 * @node_name, @zone: interned in the same pool as the slices' strings; @zone "" for none.
 */
struct endpoint_source {
	const struct k8s_slice *const *slices;
	size_t n_slices;
	const char *node_name;
	const char *zone;
};

/** struct endpoint_view - one endpoint with one of its slice's ports. */
struct endpoint_view {
	const struct k8s_endpoint *endpoint;
	uint32_t sequence; /* order of appearance */
	uint16_t port;
};

/** struct endpoint_set - views, ordered by address and port, each once; reusable, starts as {0}. */
struct endpoint_set {
	struct endpoint_view *views;
	size_t n_views;
	size_t capacity;
};

/** endpoint_set_fini() - free what the set owns. */
void endpoint_set_fini(struct endpoint_set *set);

/**
 * endpoints_collect() - the endpoints of a service port, duplicates decided (R8).
 * @port_name: interned in the same pool.
 * @set: filled in, what it held is forgotten.
 * Return: 0 or -ENOMEM.
 */
int endpoints_collect(const struct endpoint_source *source, uint8_t family, const char *port_name,
		      uint8_t protocol, struct endpoint_set *set);

/**
 * endpoints_categorise() - CategorizeEndpoints of kube-proxy: the lists of a service port.
 * @uses_cluster, @uses_local: R17.
 * @port: cluster, local, has_endpoints and (for UDP) serving are filled in; must be empty before,
 *	key is read; on failure it owns what was made so far.
 * Return: 0 or -ENOMEM.
 */
int endpoints_categorise(const struct endpoint_source *source, const struct endpoint_set *set,
			 bool uses_cluster, bool uses_local, struct service_port *port);

/**
 * endpoints_count_local_ready() - distinct IPs of local ready endpoints over all slice ports (R41).
 * @set: scratch.
 * Return: 0 or -ENOMEM.
 */
int endpoints_count_local_ready(const struct endpoint_source *source, uint8_t family,
				struct endpoint_set *set, uint32_t *ret_n);

#endif
