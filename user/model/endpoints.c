/* SPDX-License-Identifier: Apache-2.0 */
#include "model/endpoints.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "svcbpf/abi.h"
#include "util/cleanup.h"

void endpoint_set_fini(struct endpoint_set *set)
{
	free(set->views);
}

/* Whether the slice counts in this family at all (R2, R6). */
static bool slice_counts(const struct k8s_slice *slice, uint8_t family)
{
	return slice->family == family && !slice->is_headless;
}

static int reserve(struct endpoint_set *set, size_t n_more)
{
	size_t capacity = set->capacity ? set->capacity : 64;
	struct endpoint_view *views;

	while (capacity - set->n_views < n_more)
		capacity *= 2;
	if (capacity == set->capacity)
		return 0;
	views = reallocarray(set->views, capacity, sizeof(*views));
	if (!views)
		return -ENOMEM;
	set->views = views;
	set->capacity = capacity;
	return 0;
}

static int compare_places(const struct endpoint_view *x, const struct endpoint_view *y)
{
	int order = memcmp(x->endpoint->addr, y->endpoint->addr, sizeof(x->endpoint->addr));

	return order ? order : (x->port > y->port) - (x->port < y->port);
}

static int compare_views(const void *a, const void *b)
{
	const struct endpoint_view *x = a, *y = b;
	int order = compare_places(x, y);

	return order ? order : (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* Of equal places the last one stays that does not terminate, else the first one (R8). */
static void decide_duplicates(struct endpoint_set *set)
{
	size_t n_kept = 0;

	for (size_t i = 0; i < set->n_views; i++) {
		const struct endpoint_view *view = &set->views[i];

		if (n_kept == 0 || compare_places(&set->views[n_kept - 1], view) != 0)
			set->views[n_kept++] = *view;
		else if (!(view->endpoint->flags & K8S_ENDPOINT_TERMINATING))
			set->views[n_kept - 1] = *view;
	}
	set->n_views = n_kept;
}

static int add_slice(struct endpoint_set *set, const struct k8s_slice *slice, uint16_t port)
{
	int r = reserve(set, slice->n_endpoints);

	if (r < 0)
		return r;
	for (size_t i = 0; i < slice->n_endpoints; i++) {
		set->views[set->n_views] = (struct endpoint_view){
			.endpoint = &slice->endpoints[i],
			.sequence = (uint32_t)set->n_views,
			.port = port,
		};
		set->n_views++;
	}
	return 0;
}

int endpoints_collect(const struct endpoint_source *source, uint8_t family, const char *port_name,
		      uint8_t protocol, struct endpoint_set *set)
{
	set->n_views = 0;
	for (size_t i = 0; i < source->n_slices; i++) {
		const struct k8s_slice *slice = source->slices[i];

		if (!slice_counts(slice, family))
			continue;
		for (size_t j = 0; j < slice->n_ports; j++) {
			const struct k8s_slice_port *port = &slice->ports[j];
			int r;

			if (port->name != port_name || port->protocol != protocol)
				continue;
			r = add_slice(set, slice, port->port);
			if (r < 0)
				return r;
		}
	}
	if (set->n_views > 1)
		qsort(set->views, set->n_views, sizeof(*set->views), compare_views);
	decide_duplicates(set);
	return 0;
}

static bool is_local(const struct endpoint_source *source, const struct k8s_endpoint *endpoint)
{
	return endpoint->node && endpoint->node[0] && endpoint->node == source->node_name;
}

static bool has_node_hint(const struct k8s_endpoint *endpoint, const char *node)
{
	const struct k8s_hints *hints = endpoint->hints;

	for (size_t i = 0; hints && i < hints->n_nodes; i++) {
		if (hints->names[hints->n_zones + i] == node)
			return true;
	}
	return false;
}

static bool has_zone_hint(const struct k8s_endpoint *endpoint, const char *zone)
{
	const struct k8s_hints *hints = endpoint->hints;

	for (size_t i = 0; hints && i < hints->n_zones; i++) {
		if (hints->names[i] == zone)
			return true;
	}
	return false;
}

enum topology_mode { TOPOLOGY_NONE, TOPOLOGY_SAME_NODE, TOPOLOGY_SAME_ZONE };

/* Rule R19. Without ready endpoints nothing has a hint for us. */
static enum topology_mode topology_mode(const struct endpoint_source *source,
					const struct endpoint_set *set)
{
	bool all_have_node_hints = true, all_have_zone_hints = true;
	bool any_for_node = false, any_for_zone = false;

	for (size_t i = 0; i < set->n_views; i++) {
		const struct k8s_endpoint *endpoint = set->views[i].endpoint;

		if (!(endpoint->flags & K8S_ENDPOINT_READY))
			continue;
		if (!endpoint->hints)
			return TOPOLOGY_NONE;
		all_have_node_hints &= endpoint->hints->n_nodes > 0;
		all_have_zone_hints &= endpoint->hints->n_zones > 0;
		any_for_node |= has_node_hint(endpoint, source->node_name);
		any_for_zone |= has_zone_hint(endpoint, source->zone);
	}
	if (all_have_node_hints && any_for_node)
		return TOPOLOGY_SAME_NODE;
	return all_have_zone_hints && any_for_zone ? TOPOLOGY_SAME_ZONE : TOPOLOGY_NONE;
}

static bool is_ready(const struct k8s_endpoint *endpoint)
{
	return endpoint->flags & K8S_ENDPOINT_READY;
}

static bool is_serving_terminating(const struct k8s_endpoint *endpoint)
{
	return (endpoint->flags & K8S_ENDPOINT_SERVING) &&
	       (endpoint->flags & K8S_ENDPOINT_TERMINATING);
}

/* Which endpoints a list takes: all the conditions that are set must hold. */
struct filter {
	bool is_ready;
	bool is_serving;
	bool is_terminating;
	bool is_local;
	enum topology_mode mode;
};

static bool passes(const struct endpoint_source *source, const struct k8s_endpoint *endpoint,
		   const struct filter *filter)
{
	uint32_t wanted = (filter->is_ready ? K8S_ENDPOINT_READY : 0) |
			  (filter->is_serving ? K8S_ENDPOINT_SERVING : 0) |
			  (filter->is_terminating ? K8S_ENDPOINT_TERMINATING : 0);

	if ((endpoint->flags & wanted) != wanted)
		return false;
	if (filter->is_local && !is_local(source, endpoint))
		return false;
	switch (filter->mode) {
	case TOPOLOGY_SAME_NODE:
		return has_node_hint(endpoint, source->node_name);
	case TOPOLOGY_SAME_ZONE:
		return has_zone_hint(endpoint, source->zone);
	case TOPOLOGY_NONE:
		break;
	}
	return true;
}

static struct backend make_backend(const struct endpoint_source *source,
				   const struct endpoint_view *view, uint8_t family)
{
	const struct k8s_endpoint *endpoint = view->endpoint;
	struct backend backend = {.addr.family = family, .port = view->port};

	memcpy(backend.addr.bytes, endpoint->addr, sizeof(backend.addr.bytes));
	if (is_local(source, endpoint))
		backend.flags |= SVC_BACKEND_F_LOCAL;
	if (!is_ready(endpoint) && is_serving_terminating(endpoint))
		backend.flags |= SVC_BACKEND_F_TERMINATING;
	return backend;
}

/* Makes a list of the endpoints that pass; a list nothing passes into owns no memory. */
static int select_backends(const struct endpoint_source *source, const struct endpoint_set *set,
			   uint8_t family, const struct filter *filter, struct backend_list *ret)
{
	struct backend *backends;
	size_t n = 0;

	for (size_t i = 0; i < set->n_views; i++)
		n += passes(source, set->views[i].endpoint, filter);
	if (n == 0)
		return 0;
	backends = malloc(n * sizeof(*backends));
	if (!backends)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < set->n_views; i++) {
		if (passes(source, set->views[i].endpoint, filter))
			backends[n++] = make_backend(source, &set->views[i], family);
	}
	ret->backends = backends;
	ret->n_backends = n;
	return 0;
}

/* Tries the filters one after the other until one gives a backend. */
static int select_first(const struct endpoint_source *source, const struct endpoint_set *set,
			uint8_t family, const struct filter filters[2], struct backend_list *ret)
{
	int r = select_backends(source, set, family, &filters[0], ret);

	if (r < 0 || ret->n_backends > 0)
		return r;
	return select_backends(source, set, family, &filters[1], ret);
}

/*
 * Rule R22. The Cluster list, when in use, is empty exactly when this is false: topology never
 * empties it.
 */
static bool any_usable(const struct endpoint_set *set)
{
	for (size_t i = 0; i < set->n_views; i++) {
		const struct k8s_endpoint *endpoint = set->views[i].endpoint;

		if (is_ready(endpoint) || is_serving_terminating(endpoint))
			return true;
	}
	return false;
}

int endpoints_categorise(const struct endpoint_source *source, const struct endpoint_set *set,
			 bool uses_cluster, bool uses_local, struct service_port *port)
{
	const struct filter cluster[2] = {
		{.is_ready = true, .mode = topology_mode(source, set)},
		{.is_serving = true, .is_terminating = true},
	};
	static const struct filter local[2] = {
		{.is_ready = true, .is_local = true},
		{.is_serving = true, .is_terminating = true, .is_local = true},
	};
	static const struct filter serving = {.is_serving = true};
	uint8_t family = port->key.family;
	int r = 0;

	if (uses_cluster)
		r = select_first(source, set, family, cluster, &port->cluster);
	if (r == 0 && uses_local)
		r = select_first(source, set, family, local, &port->local);
	if (r == 0 && port->key.protocol == IPPROTO_UDP)
		r = select_backends(source, set, family, &serving, &port->serving);
	port->has_endpoints = any_usable(set);
	return r;
}

/* Whether the port with this name and protocol stands in no earlier place of the slices. */
static bool is_first_occurrence(const struct endpoint_source *source, uint8_t family,
				const struct k8s_slice_port *port)
{
	for (size_t i = 0; i < source->n_slices; i++) {
		const struct k8s_slice *slice = source->slices[i];

		if (!slice_counts(slice, family))
			continue;
		for (size_t j = 0; j < slice->n_ports; j++) {
			if (slice->ports[j].name == port->name &&
			    slice->ports[j].protocol == port->protocol)
				return &slice->ports[j] == port;
		}
	}
	return false;
}

static bool any_local_ready(const struct endpoint_source *source, uint8_t family)
{
	for (size_t i = 0; i < source->n_slices; i++) {
		const struct k8s_slice *slice = source->slices[i];

		if (!slice_counts(slice, family))
			continue;
		for (size_t j = 0; j < slice->n_endpoints; j++) {
			if (is_ready(&slice->endpoints[j]) &&
			    is_local(source, &slice->endpoints[j]))
				return true;
		}
	}
	return false;
}

/* Addresses seen so far, pointers into the slices. */
struct addr_set {
	const uint8_t **addrs;
	size_t n;
	size_t capacity;
};

static void addr_set_fini(struct addr_set *set)
{
	free(set->addrs);
}

static int add_local_ready(struct addr_set *addrs, const struct endpoint_source *source,
			   const struct endpoint_set *set)
{
	for (size_t i = 0; i < set->n_views; i++) {
		const struct k8s_endpoint *endpoint = set->views[i].endpoint;

		if (!is_ready(endpoint) || !is_local(source, endpoint))
			continue;
		if (addrs->n == addrs->capacity) {
			size_t capacity = addrs->capacity ? addrs->capacity * 2 : 64;
			void *grown = reallocarray(addrs->addrs, capacity, sizeof(*addrs->addrs));

			if (!grown)
				return -ENOMEM;
			addrs->addrs = grown;
			addrs->capacity = capacity;
		}
		addrs->addrs[addrs->n++] = endpoint->addr;
	}
	return 0;
}

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b, 16);
}

static uint32_t count_distinct(struct addr_set *addrs)
{
	uint32_t n = 0;

	if (addrs->n > 1)
		qsort(addrs->addrs, addrs->n, sizeof(*addrs->addrs), compare_addrs);
	for (size_t i = 0; i < addrs->n; i++)
		n += i == 0 || compare_addrs(&addrs->addrs[i - 1], &addrs->addrs[i]) != 0;
	return n;
}

int endpoints_count_local_ready(const struct endpoint_source *source, uint8_t family,
				struct endpoint_set *set, uint32_t *ret_n)
{
	_cleanup_(addr_set_fini) struct addr_set addrs = {};

	/* most Services have no endpoint here: spare them the sorting below */
	if (!any_local_ready(source, family)) {
		*ret_n = 0;
		return 0;
	}
	for (size_t i = 0; i < source->n_slices; i++) {
		const struct k8s_slice *slice = source->slices[i];

		for (size_t j = 0; slice_counts(slice, family) && j < slice->n_ports; j++) {
			const struct k8s_slice_port *port = &slice->ports[j];
			int r;

			if (!is_first_occurrence(source, family, port))
				continue;
			r = endpoints_collect(source, family, port->name, port->protocol, set);
			if (r == 0)
				r = add_local_ready(&addrs, source, set);
			if (r < 0)
				return r;
		}
	}
	*ret_n = count_distinct(&addrs);
	return 0;
}
