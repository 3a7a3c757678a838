/* SPDX-License-Identifier: Apache-2.0 */
#include "model/compute.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/frontends.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

static const uint8_t families[2] = {ADDR_IPV4, ADDR_IPV6};

void compute_port_free(struct strings *pool, struct service_port *port)
{
	if (!port)
		return;
	strings_put(pool, port->key.namespace);
	strings_put(pool, port->key.name);
	strings_put(pool, port->key.port_name);
	service_port_free_lists(port);
	free(port);
}

void compute_result_fini(struct strings *pool, struct compute_result *result)
{
	for (size_t i = 0; i < result->n_ports; i++)
		compute_port_free(pool, result->ports[i]);
	free(result->ports);
	*result = (struct compute_result){};
}

/* All of a service port but its backends. */
static int fill_in_attributes(const struct k8s_service *service,
			      const struct k8s_service_port *from, struct service_port *port)
{
	port->is_internal_local = service->is_internal_local;
	port->is_external_local = frontends_is_external_local(service);
	port->health_check_node_port = frontends_health_check_port(service);
	port->affinity_s = service->affinity_s;
	if (frontends_of_port(service, port->key.family, from, &port->frontends,
			      &port->n_frontends) < 0)
		return -ENOMEM;
	return frontends_source_ranges(service, port->key.family, &port->source_ranges,
				       &port->n_source_ranges);
}

/* Fills in *@port, which owns what was made so far also on failure. */
static int fill_in(const struct k8s_service *service, const struct k8s_service_port *from,
		   const struct endpoint_source *source, struct endpoint_set *set,
		   struct service_port *port)
{
	bool is_external;
	int r = fill_in_attributes(service, from, port);

	if (r < 0)
		return r;
	r = endpoints_collect(source, port->key.family, from->name, from->protocol, set);
	if (r < 0)
		return r;
	is_external = frontends_is_externally_accessible(service, port->key.family, from);
	return endpoints_categorise(
		source, set, !port->is_internal_local || is_external,
		port->is_internal_local || (port->is_external_local && is_external), port);
}

static struct service_port *port_new(const struct k8s_service *service,
				     const struct k8s_service_port *from, uint8_t family)
{
	struct service_port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->key = (struct service_port_key){
		.namespace = strings_ref(service->namespace),
		.name = strings_ref(service->name),
		.port_name = strings_ref(from->name),
		.protocol = from->protocol,
		.family = family,
	};
	return port;
}

static int add_ports(const struct k8s_service *service, const struct endpoint_source *source,
		     struct endpoint_set *set, struct compute_result *result)
{
	_free_ const struct k8s_service_port **ports = NULL;
	size_t n;
	int r = frontends_order_ports(service, &ports, &n);

	if (r < 0)
		return r;
	result->ports = calloc(2 * n + 1, sizeof(*result->ports));
	if (!result->ports)
		return -ENOMEM;
	for (size_t i = 0; i < 2 * n; i++) {
		uint8_t family = families[i % 2];
		struct service_port *port;

		if (!frontends_is_served(service, family, NULL))
			continue;
		port = port_new(service, ports[i / 2], family);
		if (!port)
			return -ENOMEM;
		result->ports[result->n_ports++] = port;
		port->n_local_ready = result->n_local_ready[i % 2];
		r = fill_in(service, ports[i / 2], source, set, port);
		if (r < 0)
			return r;
	}
	return 0;
}

int compute_service(struct strings *pool, const struct k8s_service *service,
		    const struct endpoint_source *source, struct endpoint_set *set,
		    struct compute_result *ret)
{
	struct compute_result result = {};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++)
		r = endpoints_count_local_ready(source, families[i], set, &result.n_local_ready[i]);
	if (r == 0 && service)
		r = add_ports(service, source, set, &result);
	if (r < 0) {
		compute_result_fini(pool, &result);
		return r;
	}
	ret->ports = result.ports;
	ret->n_ports = result.n_ports;
	memcpy(ret->n_local_ready, result.n_local_ready, sizeof(ret->n_local_ready));
	return 0;
}
