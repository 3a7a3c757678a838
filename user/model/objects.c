/* SPDX-License-Identifier: Apache-2.0 */
#include "model/objects.h"

#include <stdlib.h>

void k8s_service_free(struct strings *pool, struct k8s_service *service)
{
	if (!service)
		return;
	for (size_t i = 0; service->ports && i < service->n_ports; i++)
		strings_put(pool, service->ports[i].name);
	strings_put(pool, service->namespace);
	strings_put(pool, service->name);
	free(service->cluster_ips);
	free(service->families);
	free(service->external_ips);
	free(service->ingress);
	free(service->source_ranges);
	free(service->ports);
	free(service);
}

void k8s_hints_free(struct strings *pool, struct k8s_hints *hints)
{
	if (!hints)
		return;
	for (size_t i = 0; i < (size_t)hints->n_zones + hints->n_nodes; i++)
		strings_put(pool, hints->names[i]);
	free(hints);
}

void k8s_slice_free(struct strings *pool, struct k8s_slice *slice)
{
	if (!slice)
		return;
	for (size_t i = 0; slice->ports && i < slice->n_ports; i++)
		strings_put(pool, slice->ports[i].name);
	for (size_t i = 0; slice->endpoints && i < slice->n_endpoints; i++) {
		strings_put(pool, slice->endpoints[i].node);
		k8s_hints_free(pool, slice->endpoints[i].hints);
	}
	strings_put(pool, slice->namespace);
	strings_put(pool, slice->name);
	strings_put(pool, slice->service);
	free(slice->ports);
	free(slice->endpoints);
	free(slice);
}

void k8s_node_free(struct strings *pool, struct k8s_node *node)
{
	if (!node)
		return;
	strings_put(pool, node->name);
	strings_put(pool, node->zone);
	free(node->addresses);
	free(node);
}
