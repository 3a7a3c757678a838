/* SPDX-License-Identifier: Apache-2.0 */
/* A frontend of the state as the JSON object of cli.md. */
#include <netinet/in.h>

#include "cmd/print.h"
#include "svcbpf/abi.h"

const char *print_endpoint(const struct addr *addr, uint16_t port, char buf[PRINT_ENDPOINT_MAX])
{
	char text[ADDR_TEXT_MAX];

	if (addr->family == ADDR_NONE)
		snprintf(buf, PRINT_ENDPOINT_MAX, "*:%u", port);
	else
		snprintf(buf, PRINT_ENDPOINT_MAX, addr->family == ADDR_IPV6 ? "[%s]:%u" : "%s:%u",
			 addr_format(addr, text), port);
	return buf;
}

const char *print_family_name(uint8_t family)
{
	return family == ADDR_IPV6 ? "IPv6" : "IPv4";
}

const char *print_type_name(uint8_t type)
{
	switch (type) {
	case SVC_TYPE_CLUSTER_IP:
		return "ClusterIP";
	case SVC_TYPE_EXTERNAL_IP:
		return "ExternalIP";
	case SVC_TYPE_LOAD_BALANCER:
		return "LoadBalancer";
	case SVC_TYPE_NODE_PORT:
		return "NodePort";
	default:
		return "?";
	}
}

cJSON *print_backend_json(const struct backend *backend)
{
	cJSON *object = cJSON_CreateObject();
	char text[ADDR_TEXT_MAX];
	const bool is_local = backend->flags & SVC_BACKEND_F_LOCAL;
	const bool is_terminating = backend->flags & SVC_BACKEND_F_TERMINATING;

	if (cJSON_AddStringToObject(object, "address", addr_format(&backend->addr, text)) &&
	    cJSON_AddNumberToObject(object, "port", backend->port) &&
	    cJSON_AddBoolToObject(object, "local", is_local) &&
	    cJSON_AddStringToObject(object, "state", is_terminating ? "terminating" : "ready"))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static bool add_backends(cJSON *object, const char *key, const struct backend_list *list)
{
	cJSON *array = cJSON_AddArrayToObject(object, key);

	for (size_t i = 0; array && i < list->n_backends; i++) {
		cJSON *backend = print_backend_json(&list->backends[i]);

		if (!backend)
			return false;
		cJSON_AddItemToArray(array, backend);
	}
	return array;
}

/* They are applied to LoadBalancer frontends only (R31). */
static bool add_source_ranges(cJSON *object, const struct service_port *port, uint8_t type)
{
	cJSON *array = cJSON_AddArrayToObject(object, "sourceRanges");
	char text[ADDR_TEXT_MAX];

	if (type != SVC_TYPE_LOAD_BALANCER)
		return array;
	for (size_t i = 0; array && i < port->n_source_ranges; i++) {
		cJSON *range = cJSON_CreateString(cidr_format(&port->source_ranges[i], text));

		if (!range)
			return false;
		cJSON_AddItemToArray(array, range);
	}
	return array;
}

static bool add_identity(cJSON *object, const struct service_port *port,
			 const struct frontend *frontend)
{
	const struct service_port_key *key = &port->key;
	char service[512];
	char text[ADDR_TEXT_MAX];

	snprintf(service, sizeof(service), "%s/%s", key->namespace, key->name);
	return cJSON_AddStringToObject(object, "service", service) &&
	       cJSON_AddStringToObject(object, "portName", key->port_name) &&
	       cJSON_AddStringToObject(object, "family", print_family_name(key->family)) &&
	       cJSON_AddStringToObject(object, "protocol", protocol_name(key->protocol)) &&
	       cJSON_AddStringToObject(object, "type", print_type_name(frontend->type)) &&
	       (frontend->addr.family == ADDR_NONE
			? cJSON_AddNullToObject(object, "address")
			: cJSON_AddStringToObject(object, "address",
						  addr_format(&frontend->addr, text))) &&
	       cJSON_AddNumberToObject(object, "port", frontend->port);
}

static bool add_no_backends(cJSON *object, const struct service_port *port,
			    const struct backend_list *list)
{
	if (list->n_backends)
		return cJSON_AddNullToObject(object, "noBackends");
	return cJSON_AddStringToObject(object, "noBackends",
				       service_port_is_drop(port, list) ? "drop" : "reject");
}

/* A Maglev table is for clients outside the cluster, who do not come to ClusterIPs. */
static const char *algorithm_name(const struct service_port *port, uint8_t type)
{
	return port->is_maglev && type != SVC_TYPE_CLUSTER_IP ? "maglev" : "random";
}

static bool add_rules(cJSON *object, const struct service_port *port,
		      const struct frontend *frontend)
{
	const struct backend_list *list = service_port_policy_list(port, frontend->type);
	bool is_local = service_port_is_local(port, frontend->type);

	if (!cJSON_AddStringToObject(object, "policy", is_local ? "Local" : "Cluster") ||
	    !cJSON_AddStringToObject(object, "algorithm", algorithm_name(port, frontend->type)) ||
	    !cJSON_AddNumberToObject(object, "affinitySeconds", port->affinity_s) ||
	    !add_source_ranges(object, port, frontend->type) ||
	    !add_no_backends(object, port, list) || !add_backends(object, "backends", list))
		return false;
	if (!is_local || frontend->type == SVC_TYPE_CLUSTER_IP)
		return true;
	return add_backends(object, "clusterBackends",
			    service_port_cluster_list(port, frontend->type));
}

cJSON *print_frontend_json(const struct service_port *port, const struct frontend *frontend)
{
	cJSON *object = cJSON_CreateObject();

	if (object && add_identity(object, port, frontend) && add_rules(object, port, frontend))
		return object;
	cJSON_Delete(object);
	return NULL;
}
