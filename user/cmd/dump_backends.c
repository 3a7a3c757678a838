/* SPDX-License-Identifier: Apache-2.0 */
/* The distinct backends of all lists in use, with how many frontends use each. */
#include <errno.h>
#include <stdlib.h>

#include "cmd/dump_kinds.h"
#include "cmd/print.h"
#include "cmd/print_cells.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

struct use {
	struct backend backend;
	uint8_t protocol;
	uint32_t n_frontends;
};

struct uses {
	struct use *items;
	size_t n_items;
	size_t n_allocated;
};

static const struct print_column columns[] = {
	{.title = "ADDRESS:PORT", .text = print_cell_endpoint},
	{.title = "PROTO", .key = "protocol"},
	{.title = "LOCAL", .key = "local"},
	{.title = "STATE", .key = "state"},
	{.title = "FRONTENDS", .key = "frontends", .is_right = true},
};

static int backend_compare(const struct backend *a, const struct backend *b)
{
	int r = addr_compare(&a->addr, &b->addr);

	return r ? r : (a->port > b->port) - (a->port < b->port);
}

static int use_compare(const void *left, const void *right)
{
	const struct use *a = left;
	const struct use *b = right;
	int r = backend_compare(&a->backend, &b->backend);

	return r ? r : (a->protocol > b->protocol) - (a->protocol < b->protocol);
}

static int uses_add(struct uses *uses, uint8_t protocol, const struct backend *backend)
{
	if (uses->n_items == uses->n_allocated) {
		size_t n = uses->n_allocated ? uses->n_allocated * 2 : 256;
		struct use *grown = reallocarray(uses->items, n, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		uses->items = grown;
		uses->n_allocated = n;
	}
	uses->items[uses->n_items++] = (struct use){*backend, protocol, 1};
	return 0;
}

/* One use for each backend of the two lists of a frontend, also when it is in both: both sorted. */
static int uses_add_frontend(struct uses *uses, const struct service_port *port, uint8_t type)
{
	const struct backend_list *policy = service_port_policy_list(port, type);
	const struct backend_list *cluster = service_port_cluster_list(port, type);
	size_t p = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < policy->n_backends; i++)
		r = uses_add(uses, port->key.protocol, &policy->backends[i]);
	if (cluster == policy)
		return r;
	for (size_t i = 0; r == 0 && i < cluster->n_backends; i++) {
		const struct backend *backend = &cluster->backends[i];

		while (p < policy->n_backends && backend_compare(&policy->backends[p], backend) < 0)
			p++;
		if (p == policy->n_backends || backend_compare(&policy->backends[p], backend) > 0)
			r = uses_add(uses, port->key.protocol, backend);
	}
	return r;
}

/* Equal ones lie side by side now; ready in one Service is ready. */
static void uses_merge(struct uses *uses)
{
	size_t n = 0;

	if (uses->n_items)
		qsort(uses->items, uses->n_items, sizeof(*uses->items), use_compare);
	for (size_t i = 0; i < uses->n_items; i++) {
		struct use *last = n ? &uses->items[n - 1] : NULL;

		if (!last || use_compare(last, &uses->items[i]) != 0) {
			uses->items[n++] = uses->items[i];
			continue;
		}
		last->n_frontends++;
		if (!(uses->items[i].backend.flags & SVC_BACKEND_F_TERMINATING))
			last->backend.flags &= (uint8_t)~SVC_BACKEND_F_TERMINATING;
	}
	uses->n_items = n;
}

static int uses_collect(struct uses *uses, const struct state *state, const char *service)
{
	size_t n_ports;
	struct service_port *const *ports = state_ports(state, &n_ports);

	for (size_t i = 0; i < n_ports; i++) {
		const struct service_port *port = ports[i];

		if (!print_is_service(service, port->key.namespace, port->key.name))
			continue;
		for (size_t f = 0; f < port->n_frontends; f++) {
			int r = uses_add_frontend(uses, port, port->frontends[f].type);

			if (r < 0)
				return r;
		}
	}
	uses_merge(uses);
	return 0;
}

static cJSON *use_json(const struct use *use)
{
	cJSON *object = print_backend_json(&use->backend);

	if (object && cJSON_AddStringToObject(object, "protocol", protocol_name(use->protocol)) &&
	    cJSON_AddNumberToObject(object, "frontends", use->n_frontends))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static void uses_clear(struct uses *uses)
{
	free(uses->items);
}

int dump_backends(struct print_doc *doc, const struct state *state, const char *service,
		  const char *title)
{
	const struct print_list list = {"backends", title, columns, ARRAY_SIZE(columns)};
	_cleanup_(uses_clear) struct uses uses = {};
	int r = uses_collect(&uses, state, service);

	if (r == 0)
		r = print_doc_begin(doc, &list);
	for (size_t i = 0; r == 0 && i < uses.n_items; i++)
		r = print_doc_row(doc, use_json(&uses.items[i]));
	return r < 0 ? r : print_doc_end(doc);
}
