/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model_commit(): first all claims of changed Services are made, which may touch other Services,
 * then each touched Service is computed and settled, and the differences are told (tell.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "model/frontends.h"
#include "model/model_private.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

static const uint8_t families[2] = {ADDR_IPV4, ADDR_IPV6};

static bool name_fits(const char *name)
{
	return strlen(name) <= FRONTENDS_NAME_MAX;
}

/* The Service as far as it can be served at all: NULL when its name does not fit into the maps. */
static const struct k8s_service *servable(const struct service_entry *entry)
{
	const struct k8s_service *service = entry->service;

	if (!service || !name_fits(service->namespace) || !name_fits(service->name))
		return NULL;
	return service;
}

struct request_array {
	struct claim_request *requests;
	size_t n;
};

static void request_array_fini(struct request_array *array)
{
	free(array->requests);
}

static int add_requests(struct request_array *array, const struct k8s_service *service,
			uint8_t family, const struct k8s_service_port *port)
{
	_free_ struct frontend *frontends = NULL;
	struct claim_request *requests;
	size_t n;
	int r = frontends_of_port(service, family, port, &frontends, &n);

	/* realloc(3) frees what is to have no size */
	if (r < 0 || n == 0)
		return r;
	requests = reallocarray(array->requests, array->n + n, sizeof(*requests));
	if (!requests)
		return -ENOMEM;
	array->requests = requests;
	for (size_t i = 0; i < n; i++)
		array->requests[array->n++] = (struct claim_request){
			.frontend = frontends[i],
			.port_name = port->name,
			.family = family,
			.protocol = port->protocol,
		};
	return 0;
}

static int make_requests(const struct k8s_service *service, struct request_array *array)
{
	_free_ const struct k8s_service_port **ports = NULL;
	size_t n_ports;
	int r = frontends_order_ports(service, &ports, &n_ports);

	for (size_t i = 0; r == 0 && i < 2 * n_ports; i++) {
		if (frontends_is_served(service, families[i % 2], NULL) &&
		    name_fits(ports[i / 2]->name))
			r = add_requests(array, service, families[i % 2], ports[i / 2]);
	}
	return r;
}

static int update_claims(struct model *model, struct service_entry *entry)
{
	_cleanup_(request_array_fini) struct request_array array = {};
	const struct k8s_service *service = servable(entry);
	int r = 0;

	if (service)
		r = make_requests(service, &array);
	if (r == 0)
		r = claims_set(model->claims, &entry->owner, service ? service->created_s : 0,
			       array.requests, array.n);
	if (r == 0)
		entry->has_stale_claims = false;
	return r;
}

/** struct slice_array - a Service's slices in order. @opened: what @slices points to, @n of them.
 */
struct slice_array {
	struct k8s_slice *opened;
	const struct k8s_slice **slices;
	size_t n;
};

static void slice_array_fini(struct slice_array *array)
{
	for (size_t i = 0; i < array->n; i++)
		packed_slice_close(&array->opened[i]);
	free(array->opened);
	free(array->slices);
}

static int compare_slices(const void *a, const void *b)
{
	const struct k8s_slice *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int sort_slices(const struct service_entry *entry, struct slice_array *array)
{
	const struct slice_entry *slice;
	size_t n = 0;
	int r;

	DL_COUNT(entry->slices, slice, n);
	if (n == 0)
		return 0;
	array->opened = calloc(n, sizeof(*array->opened));
	array->slices = calloc(n, sizeof(*array->slices));
	if (!array->opened || !array->slices)
		return -ENOMEM;
	DL_FOREACH(entry->slices, slice) {
		r = packed_slice_open(slice->slice, &array->opened[array->n]);
		if (r < 0)
			return r;
		array->slices[array->n] = &array->opened[array->n];
		array->n++;
	}
	if (n > 1)
		qsort(array->slices, n, sizeof(*array->slices), compare_slices);
	return 0;
}

/* Leaves a port the frontends that no better claim has. */
static void keep_held_frontends(const struct model *model, const struct service_entry *entry,
				struct service_port *port)
{
	size_t n_kept = 0;

	for (size_t i = 0; i < port->n_frontends; i++) {
		struct claim_request request = {
			.frontend = port->frontends[i],
			.port_name = port->key.port_name,
			.family = port->key.family,
			.protocol = port->key.protocol,
		};

		if (claims_is_held(model->claims, &entry->owner, &request))
			port->frontends[n_kept++] = port->frontends[i];
	}
	port->n_frontends = n_kept;
}

static struct service_port *find_told(const struct service_entry *entry,
				      const struct service_port_key *key)
{
	for (size_t i = 0; i < entry->n_ports; i++) {
		if (service_port_key_compare(&entry->ports[i]->key, key) == 0)
			return entry->ports[i];
	}
	return NULL;
}

/* Gives @port the backends and policies of @good in place of its own. */
static int take_last_good(struct service_port *port, const struct service_port *good)
{
	struct backend_list *lists[] = {&port->cluster, &port->local, &port->serving};
	const struct backend_list *good_lists[] = {&good->cluster, &good->local, &good->serving};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		free(lists[i]->backends);
		*lists[i] = (struct backend_list){};
		if (backend_list_copy(good_lists[i], lists[i]) < 0)
			return -ENOMEM;
	}
	port->is_internal_local = good->is_internal_local;
	port->is_external_local = good->is_external_local;
	port->has_endpoints = good->has_endpoints;
	return 0;
}

/* Makes a port with too many backends what it was before, or a port without frontends. */
static int limit_backends(struct model *model, struct service_entry *entry,
			  struct service_port *port)
{
	const struct service_port *good;
	size_t n = port->cluster.n_backends > port->local.n_backends ? port->cluster.n_backends
								     : port->local.n_backends;
	int r;

	if (n <= SVC_LIST_MAX_BACKENDS)
		return 0;
	good = find_told(entry, &port->key);
	r = problems_add(model, entry, "port \"%s\" (IPv%u): %zu backends, at most %u: %s",
			 port->key.port_name, port->key.family, n, SVC_LIST_MAX_BACKENDS,
			 good ? "keeps its last good backends" : "left out");
	if (r < 0)
		return r;
	if (good)
		return take_last_good(port, good);
	port->n_frontends = 0;
	return 0;
}

/* Decides what of the computed ports is served: conflicts, limits; what has no frontend goes. */
static int settle(struct model *model, struct service_entry *entry, struct compute_result *result)
{
	size_t n_kept = 0;

	for (size_t i = 0; i < result->n_ports; i++) {
		struct service_port *port = result->ports[i];
		int r;

		keep_held_frontends(model, entry, port);
		r = limit_backends(model, entry, port);
		if (r < 0)
			return r;
		if (port->n_frontends > 0) {
			result->ports[i] = result->ports[n_kept];
			result->ports[n_kept++] = port;
		}
	}
	while (result->n_ports > n_kept)
		compute_port_free(model->pool, result->ports[--result->n_ports]);
	return 0;
}

/* After settle(): what has lost its frontends to others takes no Maglev either. */
static int decide_algorithm(struct model *model, struct service_entry *entry,
			    struct compute_result *result)
{
	const struct k8s_service *service = entry->service;
	bool is_maglev = model->algorithm == MODEL_ALGORITHM_MAGLEV;

	if (!service)
		return 0;
	if (service->algorithm == K8S_ALGORITHM_MAGLEV)
		is_maglev = model->algorithm != MODEL_ALGORITHM_NONE;
	else if (service->algorithm == K8S_ALGORITHM_RANDOM)
		is_maglev = false;
	for (size_t i = 0; i < result->n_ports; i++)
		result->ports[i]->is_maglev =
			is_maglev && service_port_takes_maglev(result->ports[i]);
	if (service->algorithm != K8S_ALGORITHM_BAD || service->is_excluded)
		return 0;
	return problems_add(model, entry,
			    "annotation svcbpf.io/algorithm is neither \"random\" nor \"maglev\": "
			    "%s is used",
			    is_maglev ? "maglev" : "random");
}

static int note_long_name(struct model *model, struct service_entry *entry, const char *what,
			  const char *name)
{
	if (name_fits(name))
		return 0;
	return problems_add(model, entry, "%s \"%.64s...\" has %zu bytes, at most %d: left out",
			    what, name, strlen(name), FRONTENDS_NAME_MAX);
}

static int note_long_names(struct model *model, struct service_entry *entry)
{
	const struct k8s_service *service = entry->service;
	int r;

	if (!service || (!frontends_is_served(service, ADDR_IPV4, NULL) &&
			 !frontends_is_served(service, ADDR_IPV6, NULL)))
		return 0;
	r = note_long_name(model, entry, "namespace", service->namespace);
	if (r == 0)
		r = note_long_name(model, entry, "name", service->name);
	for (size_t i = 0; r == 0 && i < service->n_ports; i++)
		r = note_long_name(model, entry, "port name", service->ports[i].name);
	return r;
}

static int settle_and_tell(struct model *model, const struct model_events *events,
			   struct service_entry *entry, struct compute_result *result)
{
	struct health_check health = tell_make_health(entry, result);
	int r;

	problems_clear(model, entry);
	r = note_long_names(model, entry);
	if (r == 0)
		r = settle(model, entry, result);
	if (r == 0)
		r = decide_algorithm(model, entry, result);
	if (r == 0)
		r = tell_ports(model, events, entry, result);
	return r == 0 ? tell_health(events, entry, &health) : r;
}

static int refresh(struct model *model, const struct model_events *events,
		   struct service_entry *entry)
{
	_cleanup_(slice_array_fini) struct slice_array slices = {};
	struct endpoint_source source = {.node_name = model->node_name, .zone = model->zone};
	struct compute_result result;
	int r = sort_slices(entry, &slices);

	if (r < 0)
		return r;
	source.slices = slices.slices;
	source.n_slices = slices.n;
	r = compute_service(model->pool, servable(entry), &source, &model->set, &result);
	if (r < 0)
		return r;
	r = settle_and_tell(model, events, entry, &result);
	compute_result_fini(model->pool, &result);
	return r < 0 ? r : 0;
}

int model_commit(struct model *model, const struct model_events *events)
{
	struct service_entry *entry;

	tell_free_dead(model);
	/* entries that this marks dirty have no stale claims of their own */
	DL_FOREACH2(model->dirty, entry, dirty_next) {
		int r = entry->has_stale_claims ? update_claims(model, entry) : 0;

		if (r < 0)
			return r;
	}
	while (model->dirty) {
		int r;

		entry = model->dirty;
		r = refresh(model, events, entry);
		if (r < 0)
			return r;
		DL_DELETE2(model->dirty, entry, dirty_prev, dirty_next);
		entry->is_dirty = false;
		model_drop_if_empty(model, entry);
	}
	return 0;
}
