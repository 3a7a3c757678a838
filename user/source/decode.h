/* SPDX-License-Identifier: Apache-2.0 */
/* From a JSON tree to the objects of the model: the only place that knows the API's field names. */
#ifndef SVCBPF_SOURCE_DECODE_H
#define SVCBPF_SOURCE_DECODE_H

#include "model/objects.h"

struct cJSON;

/**
 * struct decode_error - why an object was refused.
 * @node: the value at fault, borrowed from the tree; NULL when the object as a whole is.
 * @text: one line: field path, what is wrong, what was found, e.g.
 *	"spec.ports[1].port: 70000 is not a port (1-65535)".
 */
struct decode_error {
	const struct cJSON *node;
	char text[256];
};

/**
 * decode_service() - read a Service (v1).
 * @json: the object, borrowed.  @pool: strings are interned here.
 * @ret_error: filled in on -EINVAL.
 *
 * Refuses what an API server would refuse and the datapath cannot serve (missing name, port 0);
 * follows kube-proxy for the rest: a bad externalIP, ingress ip or source range is left out (R10).
 * Return: 0; -EINVAL; -ENOMEM. Free with k8s_service_free().
 */
int decode_service(const struct cJSON *json, struct strings *pool, struct k8s_service **ret,
		   struct decode_error *ret_error);

/** decode_slice() - read an EndpointSlice (discovery.k8s.io/v1); otherwise as decode_service(). */
int decode_slice(const struct cJSON *json, struct strings *pool, struct k8s_slice **ret,
		 struct decode_error *ret_error);

/** decode_node() - read a Node (v1); otherwise as decode_service(). */
int decode_node(const struct cJSON *json, struct strings *pool, struct k8s_node **ret,
		struct decode_error *ret_error);

#endif
