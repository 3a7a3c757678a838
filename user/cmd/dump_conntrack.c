/* SPDX-License-Identifier: Apache-2.0 */
/* The flow table of the packet path. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/dump_kinds.h"
#include "cmd/print.h"
#include "cmd/print_cells.h"
#include "datapath/flows.h"
#include "util/cleanup.h"

/* Rows of a table for people where --limit does not say; programs get all. */
#define DEFAULT_ROWS 1000

/** struct flow_sink - what the reader's callback needs. @n_left: rows still to show. */
struct flow_sink {
	struct print_doc *doc;
	uint64_t n_left;
	uint64_t n_more;
};

/* ------------------------------------------------------------------ cells */

static int cell_end(const cJSON *row, const char *key, char **ret_text)
{
	const cJSON *end = cJSON_GetObjectItemCaseSensitive(row, key);

	if (cJSON_IsObject(end))
		return print_cell_endpoint(end, ret_text);
	return (*ret_text = strdup("-")) ? 0 : -ENOMEM;
}

static int cell_client(const cJSON *row, char **ret_text)
{
	return cell_end(row, "client", ret_text);
}

static int cell_frontend(const cJSON *row, char **ret_text)
{
	return cell_end(row, "frontend", ret_text);
}

static int cell_backend(const cJSON *row, char **ret_text)
{
	return cell_end(row, "backend", ret_text);
}

static int cell_snat(const cJSON *row, char **ret_text)
{
	return cell_end(row, "snat", ret_text);
}

/* Words for what is worth a look; an ordinary flow has none but where its backend is. */
static const struct {
	const char *key;
	const char *note;
} notes[] = {
	{"local", "local"},
	{"dsr", "dsr"},
	{"stale", "stale"},
	{"timedOut", "timed-out"},
};

static int cell_note(const cJSON *row, char **ret_text)
{
	const cJSON *missing = cJSON_GetObjectItemCaseSensitive(row, "missing");
	char text[80] = "";
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(notes); i++)
		if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, notes[i].key)))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
						len ? "," : "", notes[i].note);
	if (cJSON_IsString(missing))
		snprintf(text + len, sizeof(text) - len, "%sno-%s-entry", len ? "," : "",
			 missing->valuestring);
	return (*ret_text = strdup(*text ? text : "-")) ? 0 : -ENOMEM;
}

static const struct print_column columns[] = {
	{.title = "SERVICE", .key = "service"},
	{.title = "PORT-NAME", .key = "portName", .is_wide = true},
	{.title = "PROTO", .key = "protocol"},
	{.title = "STATE", .key = "state"},
	{.title = "CLIENT", .text = cell_client},
	{.title = "FRONTEND", .text = cell_frontend},
	{.title = "BACKEND", .text = cell_backend},
	{.title = "SNAT", .text = cell_snat},
	{.title = "IDLE-S", .key = "idleSeconds", .is_right = true},
	{.title = "CLIENT-IDLE-S", .key = "clientIdleSeconds", .is_right = true, .is_wide = true},
	{.title = "BACKEND-IDLE-S", .key = "backendIdleSeconds", .is_right = true, .is_wide = true},
	{.title = "TIMEOUT-S", .key = "timeoutSeconds", .is_right = true},
	{.title = "AGE-S", .key = "ageSeconds", .is_right = true},
	{.title = "NOTE", .text = cell_note},
};

/* ------------------------------------------------------------------ rows */

static bool add_end(cJSON *object, const char *key, const struct flow_endpoint *end)
{
	cJSON *json = cJSON_AddObjectToObject(object, key);
	char text[ADDR_TEXT_MAX];

	return json && cJSON_AddStringToObject(json, "address", addr_format(&end->addr, text)) &&
	       cJSON_AddNumberToObject(json, "port", end->port);
}

static bool add_service(cJSON *object, const struct service_port_key *key)
{
	char service[512];

	if (!key->namespace)
		return cJSON_AddNullToObject(object, "service") &&
		       cJSON_AddNullToObject(object, "portName");
	snprintf(service, sizeof(service), "%s/%s", key->namespace, key->name);
	return cJSON_AddStringToObject(object, "service", service) &&
	       cJSON_AddStringToObject(object, "portName", key->port_name);
}

static bool add_ends(cJSON *object, const struct datapath_flow *flow)
{
	return add_end(object, "client", &flow->client) &&
	       add_end(object, "frontend", &flow->frontend) &&
	       add_end(object, "backend", &flow->backend) &&
	       (flow->flags & SVC_FLOW_F_SNAT ? add_end(object, "snat", &flow->source)
					      : cJSON_AddNullToObject(object, "snat") != NULL);
}

static bool add_flags(cJSON *object, const struct datapath_flow *flow)
{
	const bool is_dsr = flow->flags & SVC_FLOW_F_DSR;
	const char *missing = !flow->has_forward	    ? "forward"
			      : !flow->has_reply && !is_dsr ? "reply"
							    : NULL;

	return cJSON_AddBoolToObject(object, "local", (flow->flags & SVC_FLOW_F_LOCAL) != 0) &&
	       cJSON_AddBoolToObject(object, "dsr", is_dsr) &&
	       cJSON_AddBoolToObject(object, "replied", (flow->flags & SVC_FLOW_F_REPLIED) != 0) &&
	       cJSON_AddBoolToObject(object, "stale", flow->is_stale) &&
	       cJSON_AddBoolToObject(object, "timedOut", flow->is_over) &&
	       (missing ? cJSON_AddStringToObject(object, "missing", missing)
			: cJSON_AddNullToObject(object, "missing"));
}

static bool add_times(cJSON *object, const struct datapath_flow *flow)
{
	return cJSON_AddNumberToObject(object, "ageSeconds", flow->age_s) &&
	       cJSON_AddNumberToObject(object, "idleSeconds", flow->idle_s) &&
	       cJSON_AddNumberToObject(object, "clientIdleSeconds", flow->client_idle_s) &&
	       cJSON_AddNumberToObject(object, "backendIdleSeconds", flow->backend_idle_s) &&
	       cJSON_AddNumberToObject(object, "timeoutSeconds", flow->timeout_s);
}

static cJSON *flow_json(const struct datapath_flow *flow)
{
	cJSON *object = cJSON_CreateObject();
	const char *family = print_family_name(flow->client.addr.family);

	if (object && add_service(object, &flow->service) &&
	    cJSON_AddStringToObject(object, "family", family) &&
	    cJSON_AddStringToObject(object, "protocol", protocol_name(flow->protocol)) &&
	    cJSON_AddStringToObject(object, "state", flow_state_name(flow->state)) &&
	    add_ends(object, flow) && add_times(object, flow) && add_flags(object, flow))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static int flow_row(void *arg, const struct datapath_flow *flow)
{
	struct flow_sink *sink = arg;

	if (!sink->n_left) {
		sink->n_more++;
		return 0;
	}
	sink->n_left--;
	return print_doc_row(sink->doc, flow_json(flow));
}

static int print_more(const struct flow_sink *sink, enum print_format format)
{
	if (!print_is_table(format))
		return print_doc_number(sink->doc, "more", (double)sink->n_more);
	if (sink->n_more)
		printf("and %llu more; --limit 0 shows all\n", (unsigned long long)sink->n_more);
	return 0;
}

static uint64_t max_rows(const struct options *options)
{
	if (options->has_limit)
		return options->limit ? options->limit : UINT64_MAX;
	return print_is_table(options->format) ? DEFAULT_ROWS : UINT64_MAX;
}

int dump_conntrack(struct print_doc *doc, const struct datapath_reader *reader,
		   const struct options *options, const char *title)
{
	const struct print_list list = {"flows", title, columns, ARRAY_SIZE(columns)};
	struct flow_sink sink = {doc, max_rows(options), 0};
	struct datapath_flow_filter filter = options->flows;
	int r = print_doc_begin(doc, &list);

	filter.service = options->service;
	if (r == 0)
		r = datapath_read_flows(reader, &filter, flow_row, &sink);
	if (r == 0)
		r = print_doc_end(doc);
	return r < 0 ? r : print_more(&sink, options->format);
}
