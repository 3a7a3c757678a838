/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/state.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

static const uint8_t all_types[] = {
	SVC_TYPE_CLUSTER_IP,
	SVC_TYPE_EXTERNAL_IP,
	SVC_TYPE_LOAD_BALANCER,
	SVC_TYPE_NODE_PORT,
};

static int compare_numbers(unsigned int a, unsigned int b)
{
	return (a > b) - (a < b);
}

int service_port_key_compare(const struct service_port_key *a, const struct service_port_key *b)
{
	int order = strcmp(a->namespace, b->namespace);

	if (order == 0)
		order = strcmp(a->name, b->name);
	if (order == 0)
		order = strcmp(a->port_name, b->port_name);
	if (order == 0)
		order = compare_numbers(a->protocol, b->protocol);
	if (order == 0)
		order = compare_numbers(a->family, b->family);
	return order;
}

int frontend_compare(const struct frontend *a, const struct frontend *b)
{
	int order = compare_numbers(a->type, b->type);

	if (order == 0)
		order = addr_compare(&a->addr, &b->addr);
	if (order == 0)
		order = compare_numbers(a->port, b->port);
	return order;
}

void service_port_free_lists(struct service_port *port)
{
	free(port->frontends);
	free(port->cluster.backends);
	free(port->local.backends);
	free(port->serving.backends);
	free(port->source_ranges);
}

void service_port_free(struct service_port *port)
{
	if (!port)
		return;
	free((char *)port->key.namespace);
	free((char *)port->key.name);
	free((char *)port->key.port_name);
	service_port_free_lists(port);
	free(port);
}

static void service_port_freep(struct service_port **port)
{
	service_port_free(*port);
}

/* A copy of an array; NULL of an empty one. Sets *@is_failed without memory. */
static void *copy_array(const void *array, size_t n, size_t size_bytes, bool *is_failed)
{
	void *copy;

	if (n == 0)
		return NULL;
	copy = malloc(n * size_bytes);
	if (copy)
		memcpy(copy, array, n * size_bytes);
	else
		*is_failed = true;
	return copy;
}

static int copy_key(const struct service_port_key *key, struct service_port_key *ret)
{
	ret->protocol = key->protocol;
	ret->family = key->family;
	ret->namespace = strdup(key->namespace);
	ret->name = strdup(key->name);
	ret->port_name = strdup(key->port_name);
	return ret->namespace && ret->name && ret->port_name ? 0 : -ENOMEM;
}

int backend_list_copy(const struct backend_list *list, struct backend_list *ret_copy)
{
	bool is_failed = false;
	struct backend *backends =
		copy_array(list->backends, list->n_backends, sizeof(*list->backends), &is_failed);

	if (is_failed)
		return -ENOMEM;
	*ret_copy = (struct backend_list){.backends = backends, .n_backends = list->n_backends};
	return 0;
}

int service_port_copy(const struct service_port *port, struct service_port **ret)
{
	_cleanup_(service_port_freep) struct service_port *copy = malloc(sizeof(*copy));
	bool is_failed = false;

	if (!copy)
		return -ENOMEM;
	*copy = *port;
	copy->key = (struct service_port_key){};
	copy->cluster = copy->local = copy->serving = (struct backend_list){};
	copy->frontends = copy_array(port->frontends, port->n_frontends, sizeof(*port->frontends),
				     &is_failed);
	copy->source_ranges = copy_array(port->source_ranges, port->n_source_ranges,
					 sizeof(*port->source_ranges), &is_failed);
	if (is_failed || copy_key(&port->key, &copy->key) < 0 ||
	    backend_list_copy(&port->cluster, &copy->cluster) < 0 ||
	    backend_list_copy(&port->local, &copy->local) < 0 ||
	    backend_list_copy(&port->serving, &copy->serving) < 0)
		return -ENOMEM;
	*ret = TAKE_PTR(copy);
	return 0;
}

bool service_port_is_local(const struct service_port *port, uint8_t type)
{
	return type == SVC_TYPE_CLUSTER_IP ? port->is_internal_local : port->is_external_local;
}

const struct backend_list *service_port_policy_list(const struct service_port *port, uint8_t type)
{
	return service_port_is_local(port, type) ? &port->local : &port->cluster;
}

const struct backend_list *service_port_cluster_list(const struct service_port *port, uint8_t type)
{
	return type == SVC_TYPE_CLUSTER_IP ? service_port_policy_list(port, type) : &port->cluster;
}

bool service_port_is_drop(const struct service_port *port, const struct backend_list *list)
{
	return list->n_backends == 0 && port->has_endpoints;
}

bool service_port_takes_maglev(const struct service_port *port)
{
	const struct backend_list *list = port->is_external_local ? &port->local : &port->cluster;

	for (size_t i = 0; i < port->n_frontends; i++) {
		if (port->frontends[i].type != SVC_TYPE_CLUSTER_IP)
			return list->n_backends > 0;
	}
	return false;
}

bool backend_list_equal(const struct backend_list *a, const struct backend_list *b)
{
	if (a->n_backends != b->n_backends)
		return false;
	for (size_t i = 0; i < a->n_backends; i++) {
		const struct backend *x = &a->backends[i], *y = &b->backends[i];

		if (x->port != y->port || x->flags != y->flags ||
		    addr_compare(&x->addr, &y->addr) != 0)
			return false;
	}
	return true;
}

static bool has_frontend(const struct service_port *port, uint8_t type)
{
	for (size_t i = 0; i < port->n_frontends; i++) {
		if (port->frontends[i].type == type)
			return true;
	}
	return false;
}

static bool frontends_equal(const struct service_port *a, const struct service_port *b)
{
	if (a->n_frontends != b->n_frontends)
		return false;
	for (size_t i = 0; i < a->n_frontends; i++) {
		if (frontend_compare(&a->frontends[i], &b->frontends[i]) != 0)
			return false;
	}
	return true;
}

static bool ranges_equal(const struct service_port *a, const struct service_port *b)
{
	if (a->n_source_ranges != b->n_source_ranges)
		return false;
	for (size_t i = 0; i < a->n_source_ranges; i++) {
		const struct cidr *x = &a->source_ranges[i], *y = &b->source_ranges[i];

		if (x->prefix_len != y->prefix_len || addr_compare(&x->addr, &y->addr) != 0)
			return false;
	}
	return true;
}

/* Whether what stands behind frontends of @type is the same in both. */
static bool type_equal(const struct service_port *a, const struct service_port *b, uint8_t type)
{
	const struct backend_list *policy_a = service_port_policy_list(a, type);
	const struct backend_list *policy_b = service_port_policy_list(b, type);
	const struct backend_list *cluster_a = service_port_cluster_list(a, type);
	const struct backend_list *cluster_b = service_port_cluster_list(b, type);

	return service_port_is_local(a, type) == service_port_is_local(b, type) &&
	       backend_list_equal(policy_a, policy_b) && backend_list_equal(cluster_a, cluster_b) &&
	       service_port_is_drop(a, policy_a) == service_port_is_drop(b, policy_b) &&
	       service_port_is_drop(a, cluster_a) == service_port_is_drop(b, cluster_b);
}

bool service_port_equal(const struct service_port *a, const struct service_port *b)
{
	if (service_port_key_compare(&a->key, &b->key) != 0 || a->affinity_s != b->affinity_s ||
	    a->is_maglev != b->is_maglev || !frontends_equal(a, b))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(all_types); i++) {
		if (has_frontend(a, all_types[i]) && !type_equal(a, b, all_types[i]))
			return false;
	}
	return !has_frontend(a, SVC_TYPE_LOAD_BALANCER) || ranges_equal(a, b);
}
