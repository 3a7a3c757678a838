/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/print_cells.h"
#include "util/cleanup.h"

/* A frontend with the service port it belongs to: what gets sorted, 16 bytes each. */
struct row {
	const struct service_port *port;
	const struct frontend *frontend;
};

static const struct print_column frontend_columns[] = {
	{.title = "SERVICE", .key = "service"},
	{.title = "PORT-NAME", .key = "portName"},
	{.title = "TYPE", .key = "type"},
	{.title = "FAMILY", .key = "family"},
	{.title = "PROTO", .key = "protocol"},
	{.title = "ADDRESS:PORT", .text = print_cell_endpoint},
	{.title = "POLICY", .key = "policy"},
	{.title = "AFFINITY", .text = print_cell_affinity},
	{.title = "BACKENDS", .text = print_cell_few_backends, .is_narrow = true},
	{.title = "ALGORITHM", .key = "algorithm", .is_wide = true},
	{.title = "SOURCE-RANGES", .text = print_cell_source_ranges, .is_wide = true},
	{.title = "BACKENDS", .text = print_cell_all_backends, .is_wide = true},
	{.title = "CLUSTER-BACKENDS", .text = print_cell_cluster_backends, .is_wide = true},
};

static const struct print_column health_columns[] = {
	{.title = "SERVICE", .key = "service"},
	{.title = "NODE-PORT", .key = "nodePort", .is_right = true},
	{.title = "LOCAL-ENDPOINTS", .key = "localEndpoints", .is_right = true},
};

bool print_is_service(const char *service, const char *namespace, const char *name)
{
	const char *slash;
	size_t len_bytes;

	if (!service)
		return true;
	slash = strchr(service, '/');
	if (!slash)
		return false;
	len_bytes = (size_t)(slash - service);
	return strlen(namespace) == len_bytes && strncmp(service, namespace, len_bytes) == 0 &&
	       strcmp(slash + 1, name) == 0;
}

static int row_compare(const void *left, const void *right)
{
	const struct row *a = left;
	const struct row *b = right;
	int r = addr_compare(&a->frontend->addr, &b->frontend->addr);

	if (r == 0)
		r = (a->frontend->port > b->frontend->port) -
		    (a->frontend->port < b->frontend->port);
	if (r == 0)
		r = (a->port->key.protocol > b->port->key.protocol) -
		    (a->port->key.protocol < b->port->key.protocol);
	if (r == 0)
		r = (a->port->key.family > b->port->key.family) -
		    (a->port->key.family < b->port->key.family);
	return r ? r : service_port_key_compare(&a->port->key, &b->port->key);
}

static size_t rows_fill(struct row *rows, const struct state *state, const char *service)
{
	size_t n_ports;
	struct service_port *const *ports = state_ports(state, &n_ports);
	size_t n = 0;

	for (size_t i = 0; i < n_ports; i++) {
		if (!print_is_service(service, ports[i]->key.namespace, ports[i]->key.name))
			continue;
		for (size_t f = 0; f < ports[i]->n_frontends; f++, n++)
			if (rows)
				rows[n] = (struct row){ports[i], &ports[i]->frontends[f]};
	}
	return n;
}

int print_frontends(struct print_doc *doc, const struct state *state, const char *service,
		    const char *title)
{
	const struct print_list list = {
		.key = "frontends",
		.title = title,
		.columns = frontend_columns,
		.n_columns = ARRAY_SIZE(frontend_columns),
	};
	size_t n_rows = rows_fill(NULL, state, service);
	_free_ struct row *rows = calloc(n_rows + 1, sizeof(*rows));
	int r;

	if (!rows)
		return -ENOMEM;
	rows_fill(rows, state, service);
	qsort(rows, n_rows, sizeof(*rows), row_compare);
	r = print_doc_begin(doc, &list);
	for (size_t i = 0; r == 0 && i < n_rows; i++)
		r = print_doc_row(doc, print_frontend_json(rows[i].port, rows[i].frontend));
	return r < 0 ? r : print_doc_end(doc);
}

static cJSON *health_json(const struct health_check *check)
{
	cJSON *object = cJSON_CreateObject();
	char service[512];

	snprintf(service, sizeof(service), "%s/%s", check->namespace, check->name);
	if (cJSON_AddStringToObject(object, "service", service) &&
	    cJSON_AddNumberToObject(object, "nodePort", check->node_port) &&
	    cJSON_AddNumberToObject(object, "localEndpoints", check->n_local_endpoints))
		return object;
	cJSON_Delete(object);
	return NULL;
}

int print_health_checks(struct print_doc *doc, const struct state *state, const char *service)
{
	const struct print_list list = {
		.key = "healthChecks",
		.title = "Health check node ports:",
		.columns = health_columns,
		.n_columns = ARRAY_SIZE(health_columns),
	};
	size_t n;
	const struct health_check *checks = state_health_checks(state, &n);
	int r = print_doc_begin(doc, &list);

	for (size_t i = 0; r == 0 && i < n; i++)
		if (print_is_service(service, checks[i].namespace, checks[i].name))
			r = print_doc_row(doc, health_json(&checks[i]));
	return r < 0 ? r : print_doc_end(doc);
}

/* In a table, an empty list of health checks is only noise. */
static bool has_health_checks(const struct state *state, const char *service)
{
	size_t n;
	const struct health_check *checks = state_health_checks(state, &n);

	for (size_t i = 0; i < n; i++)
		if (print_is_service(service, checks[i].namespace, checks[i].name))
			return true;
	return false;
}

int print_state(FILE *out, const struct state *state, enum print_format format, const char *service)
{
	_cleanup_(print_doc_freep) struct print_doc *doc = NULL;
	int r = print_doc_open(out, format, &doc);

	if (r == 0)
		r = print_doc_string(doc, "node", state_node(state));
	if (r == 0)
		r = print_doc_string(doc, "zone", state_zone(state));
	if (r == 0)
		r = print_frontends(doc, state, service, NULL);
	if (r == 0 && (!print_is_table(format) || has_health_checks(state, service)))
		r = print_health_checks(doc, state, service);
	return r < 0 ? r : print_doc_close(doc);
}
