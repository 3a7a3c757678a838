/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of `svcbpf dump` that come straight from one map. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/dump_kinds.h"
#include "cmd/print.h"
#include "cmd/print_cells.h"
#include "svcbpf/counters.h"
#include "util/cleanup.h"

/* What the callbacks of the reader need. */
struct sink {
	struct print_doc *doc;
	const char *service;
};

/* ------------------------------------------------------------------ affinity */

static int cell_backend(const cJSON *row, char **ret_text)
{
	const cJSON *backend = cJSON_GetObjectItemCaseSensitive(row, "backend");

	if (cJSON_IsObject(backend))
		return print_cell_endpoint(backend, ret_text);
	return (*ret_text = strdup("gone")) ? 0 : -ENOMEM;
}

/* An address, or the network namespace of a socket. */
static int cell_client(const cJSON *row, char **ret_text)
{
	const cJSON *client = cJSON_GetObjectItemCaseSensitive(row, "client");
	const cJSON *cookie = cJSON_GetObjectItemCaseSensitive(row, "netnsCookie");

	if (cJSON_IsString(client))
		return (*ret_text = strdup(client->valuestring)) ? 0 : -ENOMEM;
	return asprintf(ret_text, "netns %.0f", cJSON_GetNumberValue(cookie)) < 0 ? -ENOMEM : 0;
}

static const struct print_column affinity_columns[] = {
	{.title = "SERVICE", .key = "service"},
	{.title = "PORT-NAME", .key = "portName"},
	{.title = "FAMILY", .key = "family"},
	{.title = "PROTO", .key = "protocol"},
	{.title = "CLIENT", .text = cell_client},
	{.title = "BACKEND", .text = cell_backend},
	{.title = "AGE-S", .key = "ageSeconds", .is_right = true},
	{.title = "TIMEOUT-S", .key = "timeoutSeconds", .is_right = true},
};

static bool add_affinity_backend(cJSON *object, const struct backend *backend)
{
	cJSON *json;

	if (backend->addr.family == ADDR_NONE)
		return cJSON_AddNullToObject(object, "backend");
	json = print_backend_json(backend);
	return json && cJSON_AddItemToObject(object, "backend", json);
}

static bool add_client(cJSON *object, const struct datapath_affinity *entry)
{
	char text[ADDR_TEXT_MAX];

	if (entry->client.family == ADDR_NONE)
		return cJSON_AddNullToObject(object, "client") &&
		       cJSON_AddNumberToObject(object, "netnsCookie", (double)entry->netns_cookie);
	return cJSON_AddStringToObject(object, "client", addr_format(&entry->client, text)) &&
	       cJSON_AddNullToObject(object, "netnsCookie");
}

static cJSON *affinity_json(const struct datapath_affinity *entry)
{
	const struct service_port_key *key = &entry->key;
	cJSON *object = cJSON_CreateObject();
	const uint64_t age_s = entry->age_ms / 1000;
	char service[512];

	snprintf(service, sizeof(service), "%s/%s", key->namespace, key->name);
	if (cJSON_AddStringToObject(object, "service", service) &&
	    cJSON_AddStringToObject(object, "portName", key->port_name) &&
	    cJSON_AddStringToObject(object, "family", print_family_name(key->family)) &&
	    cJSON_AddStringToObject(object, "protocol", protocol_name(key->protocol)) &&
	    add_client(object, entry) && add_affinity_backend(object, &entry->backend) &&
	    cJSON_AddNumberToObject(object, "ageSeconds", (double)age_s) &&
	    cJSON_AddNumberToObject(object, "timeoutSeconds", entry->timeout_s))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static int affinity_row(void *arg, const struct datapath_affinity *entry)
{
	const struct sink *sink = arg;

	if (!print_is_service(sink->service, entry->key.namespace, entry->key.name))
		return 0;
	return print_doc_row(sink->doc, affinity_json(entry));
}

int dump_affinity(struct print_doc *doc, const struct datapath_reader *reader, const char *service,
		  const char *title)
{
	const struct print_list list = {"affinity", title, affinity_columns,
					ARRAY_SIZE(affinity_columns)};
	struct sink sink = {doc, service};
	int r = print_doc_begin(doc, &list);

	if (r == 0)
		r = datapath_read_affinity(reader, affinity_row, &sink);
	return r < 0 ? r : print_doc_end(doc);
}

/* ------------------------------------------------------------------ node addresses */

static const struct print_column node_columns[] = {
	{.title = "ADDRESS", .key = "address"},
	{.title = "LOOPBACK", .key = "loopback"},
};

struct node_address {
	struct addr addr;
	bool is_loopback;
};

struct node_addresses_list {
	struct node_address *items;
	size_t n_items;
};

static void node_list_clear(struct node_addresses_list *list)
{
	free(list->items);
}

static int node_collect(void *arg, const struct addr *addr, bool is_loopback)
{
	struct node_addresses_list *list = arg;
	struct node_address *grown =
		reallocarray(list->items, list->n_items + 1, sizeof(*list->items));

	if (!grown)
		return -ENOMEM;
	list->items = grown;
	list->items[list->n_items++] = (struct node_address){*addr, is_loopback};
	return 0;
}

static int node_compare(const void *a, const void *b)
{
	return addr_compare(&((const struct node_address *)a)->addr,
			    &((const struct node_address *)b)->addr);
}

static cJSON *node_json(const struct node_address *node)
{
	cJSON *object = cJSON_CreateObject();
	char text[ADDR_TEXT_MAX];

	if (cJSON_AddStringToObject(object, "address", addr_format(&node->addr, text)) &&
	    cJSON_AddBoolToObject(object, "loopback", node->is_loopback))
		return object;
	cJSON_Delete(object);
	return NULL;
}

int dump_nodes(struct print_doc *doc, const struct datapath_reader *reader, const char *title)
{
	const struct print_list list = {"nodeAddresses", title, node_columns,
					ARRAY_SIZE(node_columns)};
	_cleanup_(node_list_clear) struct node_addresses_list nodes = {};
	int r = datapath_read_node_addresses(reader, node_collect, &nodes);

	if (nodes.n_items)
		qsort(nodes.items, nodes.n_items, sizeof(*nodes.items), node_compare);
	if (r == 0)
		r = print_doc_begin(doc, &list);
	for (size_t i = 0; r == 0 && i < nodes.n_items; i++)
		r = print_doc_row(doc, node_json(&nodes.items[i]));
	return r < 0 ? r : print_doc_end(doc);
}

/* ------------------------------------------------------------------ counters */

/* Where a counter's help begins like this, it is the packet path's. */
#define PACKET_PATH "packet path: "

static bool is_packet_path(const struct datapath_counter *counter)
{
	return strncmp(counter->help, PACKET_PATH, strlen(PACKET_PATH)) == 0;
}

/* The path has a column of its own. */
static int cell_meaning(const cJSON *row, char **ret_text)
{
	const char *help = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "help"));

	if (help && strncmp(help, PACKET_PATH, strlen(PACKET_PATH)) == 0)
		help += strlen(PACKET_PATH);
	return (*ret_text = strdup(help ? help : "-")) ? 0 : -ENOMEM;
}

static const struct print_column counter_columns[] = {
	{.title = "PATH", .key = "path"},
	{.title = "COUNTER", .key = "name"},
	{.title = "VALUE", .key = "value", .is_right = true},
	{.title = "MEANING", .text = cell_meaning},
};

static cJSON *counter_json(const struct datapath_counter *counter)
{
	cJSON *object = cJSON_CreateObject();

	if (cJSON_AddStringToObject(object, "name", counter->name) &&
	    cJSON_AddStringToObject(object, "path",
				    is_packet_path(counter) ? "packet" : "socket") &&
	    cJSON_AddNumberToObject(object, "value", (double)counter->value) &&
	    cJSON_AddStringToObject(object, "help", counter->help))
		return object;
	cJSON_Delete(object);
	return NULL;
}

int dump_stats(struct print_doc *doc, const struct datapath_reader *reader, const char *title)
{
	const struct print_list list = {"counters", title, counter_columns,
					ARRAY_SIZE(counter_columns)};
	struct datapath_counter counters[SVC_N_COUNTERS];
	int r = datapath_read_counters(reader, counters);

	if (r == 0)
		r = print_doc_begin(doc, &list);
	for (size_t i = 0; r == 0 && i < SVC_N_COUNTERS; i++)
		r = print_doc_row(doc, counter_json(&counters[i]));
	return r < 0 ? r : print_doc_end(doc);
}
