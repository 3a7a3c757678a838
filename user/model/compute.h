/* SPDX-License-Identifier: Apache-2.0 */
/* One Service, its slices and this node in; its service ports in both families out. Pure. */
#ifndef SVCBPF_MODEL_COMPUTE_H
#define SVCBPF_MODEL_COMPUTE_H

#include "model/endpoints.h"
#include "model/objects.h"
#include "model/state.h"

/**
 * struct compute_result - what a Service comes to, before conflicts with others are decided.
 * @ports: ordered by key; their strings are references into the pool of the objects.
 * @n_local_ready: R41's count for IPv4 and IPv6; also of a Service without service ports.
 */
struct compute_result {
	struct service_port **ports;
	size_t n_ports;
	uint32_t n_local_ready[2];
};

/**
 * compute_service() - rules R1-R22 and R41.
 * @pool: of the objects' strings.
 * @service: NULL: unknown, so there are no ports.
 * @set: scratch, reusable from call to call.
 * @ret: free with compute_result_fini().
 * Return: 0 or -ENOMEM.
 */
int compute_service(struct strings *pool, const struct k8s_service *service,
		    const struct endpoint_source *source, struct endpoint_set *set,
		    struct compute_result *ret);

/** compute_result_fini() - free what the result still owns; ports taken out are NULL by then. */
void compute_result_fini(struct strings *pool, struct compute_result *result);

/** compute_port_free() - free a service port that compute_service() made; NULL is fine. */
void compute_port_free(struct strings *pool, struct service_port *port);

#endif
