/* SPDX-License-Identifier: Apache-2.0 */
#include "model/frontends.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "svcbpf/abi.h"
#include "util/cleanup.h"

static bool has_family(const struct k8s_service *service, uint8_t family)
{
	for (size_t i = 0; i < service->n_families; i++) {
		if (service->families[i] == family)
			return true;
	}
	return false;
}

bool frontends_is_served(const struct k8s_service *service, uint8_t family,
			 struct addr *ret_cluster_ip)
{
	const struct addr *cluster_ip = NULL;

	if (service->is_excluded || service->is_headless || service->type == K8S_EXTERNAL_NAME)
		return false;
	if (service->is_unallocated) {
		if (ret_cluster_ip)
			*ret_cluster_ip = (struct addr){.family = ADDR_NONE};
		return has_family(service, family);
	}
	if (service->n_families == 0)
		cluster_ip = &service->cluster_ip;
	for (size_t i = 0; !cluster_ip && i < service->n_families; i++) {
		if (service->families[i] == family && i < service->n_cluster_ips)
			cluster_ip = &service->cluster_ips[i];
	}
	if (!cluster_ip || cluster_ip->family != family)
		return false;
	if (ret_cluster_ip)
		*ret_cluster_ip = *cluster_ip;
	return true;
}

bool frontends_is_external_local(const struct k8s_service *service)
{
	switch (service->type) {
	case K8S_NODE_PORT:
	case K8S_LOAD_BALANCER:
		return service->is_external_local;
	case K8S_CLUSTER_IP:
		return service->is_external_local && service->n_external_ips > 0;
	case K8S_EXTERNAL_NAME:
		break;
	}
	return false;
}

bool frontends_is_externally_accessible(const struct k8s_service *service, uint8_t family,
					const struct k8s_service_port *port)
{
	if (port->node_port != 0)
		return true;
	for (size_t i = 0; i < service->n_external_ips; i++) {
		if (service->external_ips[i].family == family)
			return true;
	}
	for (size_t i = 0; i < service->n_ingress; i++) {
		if (service->ingress[i].is_vip && service->ingress[i].addr.family == family)
			return true;
	}
	return false;
}

uint16_t frontends_health_check_port(const struct k8s_service *service)
{
	if (service->type != K8S_LOAD_BALANCER || !frontends_is_external_local(service))
		return 0;
	return service->health_check_node_port;
}

/* By name and protocol; pointers into one array tell which comes first in the Service. */
static int compare_ports(const void *a, const void *b)
{
	const struct k8s_service_port *x = *(const struct k8s_service_port *const *)a;
	const struct k8s_service_port *y = *(const struct k8s_service_port *const *)b;
	int order = strcmp(x->name, y->name);

	if (order == 0)
		order = (x->protocol > y->protocol) - (x->protocol < y->protocol);
	return order ? order : (x > y) - (x < y);
}

int frontends_order_ports(const struct k8s_service *service,
			  const struct k8s_service_port ***ret_ports, size_t *ret_n)
{
	const struct k8s_service_port **ports;
	size_t n = 0;

	ports = calloc(service->n_ports ? service->n_ports : 1, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	for (size_t i = 0; i < service->n_ports; i++)
		ports[i] = &service->ports[i];
	qsort(ports, service->n_ports, sizeof(*ports), compare_ports);
	for (size_t i = 0; i < service->n_ports; i++) {
		if (n > 0 && strcmp(ports[n - 1]->name, ports[i]->name) == 0 &&
		    ports[n - 1]->protocol == ports[i]->protocol)
			n--;
		ports[n++] = ports[i];
	}
	*ret_ports = ports;
	*ret_n = n;
	return 0;
}

/* By address and port, then by the preference among types. */
static int compare_by_key(const void *a, const void *b)
{
	const struct frontend *x = a, *y = b;
	int order = addr_compare(&x->addr, &y->addr);

	if (order == 0)
		order = (x->port > y->port) - (x->port < y->port);
	return order ? order : (x->type > y->type) - (x->type < y->type);
}

static int compare_by_type(const void *a, const void *b)
{
	return frontend_compare(a, b);
}

/* Drops all but the first of each address and port, then sorts by type. */
static size_t tidy(struct frontend *frontends, size_t n)
{
	size_t n_kept = 0;

	if (n > 1)
		qsort(frontends, n, sizeof(*frontends), compare_by_key);
	for (size_t i = 0; i < n; i++) {
		const struct frontend *last = n_kept > 0 ? &frontends[n_kept - 1] : NULL;

		if (!last || last->port != frontends[i].port ||
		    addr_compare(&last->addr, &frontends[i].addr) != 0)
			frontends[n_kept++] = frontends[i];
	}
	if (n_kept > 1)
		qsort(frontends, n_kept, sizeof(*frontends), compare_by_type);
	return n_kept;
}

int frontends_of_port(const struct k8s_service *service, uint8_t family,
		      const struct k8s_service_port *port, struct frontend **ret_frontends,
		      size_t *ret_n)
{
	size_t max = 2 + service->n_external_ips + service->n_ingress;
	struct frontend *frontends = calloc(max, sizeof(*frontends));
	size_t n = 0;

	if (!frontends)
		return -ENOMEM;
	frontends[n] = (struct frontend){.type = SVC_TYPE_CLUSTER_IP, .port = port->port};
	if (frontends_is_served(service, family, &frontends[n].addr) &&
	    frontends[n].addr.family == family)
		n++;
	for (size_t i = 0; i < service->n_external_ips; i++) {
		if (service->external_ips[i].family == family)
			frontends[n++] = (struct frontend){.addr = service->external_ips[i],
							   .type = SVC_TYPE_EXTERNAL_IP,
							   .port = port->port};
	}
	for (size_t i = 0; i < service->n_ingress; i++) {
		if (service->ingress[i].is_vip && service->ingress[i].addr.family == family)
			frontends[n++] = (struct frontend){.addr = service->ingress[i].addr,
							   .type = SVC_TYPE_LOAD_BALANCER,
							   .port = port->port};
	}
	if (port->node_port != 0)
		frontends[n++] =
			(struct frontend){.type = SVC_TYPE_NODE_PORT, .port = port->node_port};
	*ret_n = tidy(frontends, n);
	*ret_frontends = frontends;
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct cidr *x = a, *y = b;
	int order = addr_compare(&x->addr, &y->addr);

	return order ? order : (x->prefix_len > y->prefix_len) - (x->prefix_len < y->prefix_len);
}

int frontends_source_ranges(const struct k8s_service *service, uint8_t family,
			    struct cidr **ret_ranges, size_t *ret_n)
{
	struct cidr *ranges = NULL;
	size_t n = 0;

	for (size_t i = 0; i < service->n_source_ranges; i++) {
		if (service->source_ranges[i].addr.family != family)
			continue;
		if (service->source_ranges[i].prefix_len == 0) {
			n = 0;
			break;
		}
		n++;
	}
	if (n > 0) {
		ranges = calloc(n, sizeof(*ranges));
		if (!ranges)
			return -ENOMEM;
		n = 0;
		for (size_t i = 0; i < service->n_source_ranges; i++) {
			if (service->source_ranges[i].addr.family == family)
				ranges[n++] = service->source_ranges[i];
		}
		qsort(ranges, n, sizeof(*ranges), compare_ranges);
	}
	*ret_ranges = ranges;
	*ret_n = n;
	return 0;
}
