/* SPDX-License-Identifier: Apache-2.0 */
#include "source/decode_ports.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/meta.h"
#include "util/cleanup.h"

/** struct port_id - what must be unique among ports, and where it was found. */
struct port_id {
	uint64_t id;
	size_t index;
};

static uint64_t id_of_name(const struct k8s_service_port *port)
{
	/* interned: equal names are one pointer */
	return (uintptr_t)port->name;
}

static uint64_t id_of_port(const struct k8s_service_port *port)
{
	return (uint64_t)port->protocol << 16 | port->port;
}

static uint64_t id_of_node_port(const struct k8s_service_port *port)
{
	return port->node_port ? (uint64_t)port->protocol << 16 | port->node_port : 0;
}

static int compare_ids(const void *a, const void *b)
{
	const struct port_id *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Finds the first port that repeats an earlier one's id (0 does not count). Return: its index. */
static size_t find_repeated(const struct k8s_service *service, struct port_id *ids,
			    uint64_t (*id_of)(const struct k8s_service_port *))
{
	size_t found = service->n_ports;

	for (size_t i = 0; i < service->n_ports; i++)
		ids[i] = (struct port_id){.id = id_of(&service->ports[i]), .index = i};
	qsort(ids, service->n_ports, sizeof(*ids), compare_ids);
	for (size_t i = 1; i < service->n_ports; i++) {
		if (ids[i].id && ids[i].id == ids[i - 1].id && ids[i].index < found)
			found = ids[i].index;
	}
	return found;
}

/* Says which port repeats an earlier one. */
static int fail_repeated(const struct field *array, size_t index, const char *what)
{
	struct field item = field_first(array);

	while (item.index < index)
		item = field_next(&item);
	return field_fail(&item, "%s as of an earlier port", what);
}

static int check_unique(const struct field *array, const struct k8s_service *service)
{
	static const struct {
		uint64_t (*id_of)(const struct k8s_service_port *port);
		const char *what;
	} checks[] = {
		{id_of_name, "the same name"},
		{id_of_port, "the same port and protocol"},
		{id_of_node_port, "the same nodePort and protocol"},
	};
	_free_ struct port_id *ids = calloc(service->n_ports, sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		size_t found = find_repeated(service, ids, checks[i].id_of);

		if (found < service->n_ports)
			return fail_repeated(array, found, checks[i].what);
	}
	return 0;
}

/* Nothing reads it (R7), but what an API server refuses is a mistake worth telling. */
static int check_target_port(const struct field *item)
{
	struct field field = field_child(item, "targetPort");
	uint16_t port;

	if (!field.node || cJSON_IsString(field.node))
		return 0;
	return field_port(item, "targetPort", 0, &port);
}

static int decode_port(const struct field *item, struct strings *pool, bool is_name_needed,
		       struct k8s_service_port *port)
{
	struct field number = field_child(item, "port"), label = field_child(item, "name");
	const char *name;
	int r;

	r = field_check_object(item);
	if (r < 0)
		return r;
	if (!number.node)
		return field_fail(&number, "missing");
	r = field_port(item, "port", 1, &port->port);
	if (r < 0)
		return r;
	r = field_port(item, "nodePort", 0, &port->node_port);
	if (r < 0)
		return r;
	r = field_protocol(item, &port->protocol);
	if (r < 0)
		return r;
	r = check_target_port(item);
	if (r < 0)
		return r;
	r = field_dns_label(item, "name", &name);
	if (r < 0)
		return r;
	if (!name && is_name_needed)
		return field_fail(&label, "missing: with more than one port each needs a name");
	return intern(pool, name ? name : "", &port->name);
}

int decode_ports(const struct field *spec, struct strings *pool, struct k8s_service *service)
{
	struct field array;
	size_t n;
	int r = field_array(spec, "ports", &array);

	if (r < 0)
		return r;
	n = field_count(&array);
	if (n == 0) {
		if (service->is_headless || service->is_unallocated ||
		    service->type == K8S_EXTERNAL_NAME)
			return 0;
		return field_fail(&array, "missing: a Service needs at least one port");
	}
	service->ports = calloc(n, sizeof(*service->ports));
	if (!service->ports)
		return -ENOMEM;
	for (struct field item = field_first(&array); item.node; item = field_next(&item)) {
		r = decode_port(&item, pool, n > 1, &service->ports[service->n_ports++]);
		if (r < 0)
			return r;
	}
	return check_unique(&array, service);
}
