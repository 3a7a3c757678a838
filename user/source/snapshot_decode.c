/* SPDX-License-Identifier: Apache-2.0 */
#include "source/snapshot_decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/snapshot_bytes.h"
#include "source/snapshot_format.h"
#include "util/cleanup.h"

/**
 * struct decoder - @strings: one reference of the pool each.
 * @is_out_of_memory: then @reader.is_bad is set too, which ends everything.
 */
struct decoder {
	struct snapshot_reader reader;
	struct strings *pool;
	const char **strings;
	size_t n_strings;
	bool is_out_of_memory;
};

static void decoder_clear(struct decoder *decoder)
{
	for (size_t i = 0; decoder->strings && i < decoder->n_strings; i++)
		strings_put(decoder->pool, decoder->strings[i]);
	free(decoder->strings);
}

/* An array of a count that snapshot_get_count() gave; NULL without memory, and for none. */
static void *make_array(struct decoder *decoder, size_t n, size_t size_bytes)
{
	void *array = n ? calloc(n, size_bytes) : NULL;

	if (n && !array)
		decoder->reader.is_bad = decoder->is_out_of_memory = true;
	return array;
}

static int outcome(const struct decoder *decoder)
{
	if (decoder->is_out_of_memory)
		return -ENOMEM;
	return decoder->reader.is_bad ? -EBADMSG : 0;
}

/* ------------------------------------------------------------------ strings */

/* The next text of the table, in place. */
static const char *get_text(struct snapshot_reader *reader)
{
	const size_t len = snapshot_get_count(reader, 1);
	const uint8_t *text = snapshot_get_bytes(reader, len + 1);

	if (!text)
		return NULL;
	if (memchr(text, '\0', len + 1) == text + len)
		return (const char *)text;
	reader->is_bad = true;
	return NULL;
}

/* The table of strings and what is before it. Return: whether its place can be right. */
static bool open_table(const uint8_t *bytes, size_t len, struct snapshot_reader *ret_table)
{
	const uint64_t strings_at = snapshot_fetch_u64(bytes + SNAPSHOT_AT_STRINGS);

	if (strings_at < SNAPSHOT_HEADER_BYTES || strings_at > len)
		return false;
	*ret_table = (struct snapshot_reader){.at = bytes + strings_at, .end = bytes + len};
	return true;
}

const char *snapshot_node_name(const uint8_t *bytes, size_t len)
{
	const uint32_t number = snapshot_fetch_u32(bytes + SNAPSHOT_AT_NODE_NAME);
	struct snapshot_reader table;
	const char *text = NULL;

	if (!open_table(bytes, len, &table))
		return NULL;
	for (uint32_t i = 0; i < number && !table.is_bad; i++)
		text = get_text(&table);
	return table.is_bad ? NULL : text;
}

static int read_table(struct decoder *decoder, const uint8_t *bytes, size_t len)
{
	const size_t n = snapshot_fetch_u32(bytes + SNAPSHOT_AT_N_STRINGS);
	struct snapshot_reader table;

	if (!open_table(bytes, len, &table) ||
	    n > (size_t)(table.end - table.at) / SNAPSHOT_MIN_STRING_BYTES)
		return -EBADMSG;
	decoder->strings = calloc(n + 1, sizeof(*decoder->strings));
	if (!decoder->strings)
		return -ENOMEM;
	for (; decoder->n_strings < n; decoder->n_strings++) {
		const char *text = get_text(&table);
		const char *string = text ? strings_get(decoder->pool, text) : NULL;

		if (!string)
			return text ? -ENOMEM : -EBADMSG;
		decoder->strings[decoder->n_strings] = string;
	}
	return table.at == table.end ? 0 : -EBADMSG;
}

/* A string or NULL, one reference more. */
static const char *get_optional(struct decoder *decoder)
{
	const size_t number = snapshot_get_number(&decoder->reader, decoder->n_strings);

	return number ? strings_ref(decoder->strings[number - 1]) : NULL;
}

static const char *get_string(struct decoder *decoder)
{
	const char *string = get_optional(decoder);

	if (!string)
		decoder->reader.is_bad = true;
	return string;
}

/* ------------------------------------------------------------------ parts of objects */

static bool get_bool(struct decoder *decoder)
{
	return snapshot_get_number(&decoder->reader, 1);
}

static uint8_t get_u8(struct decoder *decoder)
{
	return (uint8_t)snapshot_get_number(&decoder->reader, UINT8_MAX);
}

static uint16_t get_u16(struct decoder *decoder)
{
	return (uint16_t)snapshot_get_number(&decoder->reader, UINT16_MAX);
}

static void get_addr_bytes(struct decoder *decoder, uint8_t family, uint8_t ret_bytes[16])
{
	const size_t n = family == ADDR_IPV4 ? 4 : 16;
	const uint8_t *bytes = snapshot_get_bytes(&decoder->reader, n);

	if (bytes)
		memcpy(ret_bytes, bytes, n);
}

static bool is_family(uint8_t family)
{
	return family == ADDR_IPV4 || family == ADDR_IPV6;
}

static void get_addr(struct decoder *decoder, struct addr *ret)
{
	ret->family = get_u8(decoder);
	if (is_family(ret->family))
		get_addr_bytes(decoder, ret->family, ret->bytes);
	else if (ret->family != ADDR_NONE)
		decoder->reader.is_bad = true;
}

static struct addr *get_addrs(struct decoder *decoder, size_t *ret_n)
{
	const size_t n = snapshot_get_count(&decoder->reader, SNAPSHOT_MIN_ADDR_BYTES);
	struct addr *addrs = make_array(decoder, n, sizeof(*addrs));

	for (size_t i = 0; addrs && i < n; i++)
		get_addr(decoder, &addrs[i]);
	*ret_n = addrs ? n : 0;
	return addrs;
}

/* ------------------------------------------------------------------ the node */

static struct k8s_node *get_node(struct decoder *decoder)
{
	struct k8s_node *node = get_bool(decoder) ? make_array(decoder, 1, sizeof(*node)) : NULL;

	if (!node)
		return NULL;
	node->name = get_string(decoder);
	node->zone = get_optional(decoder);
	node->addresses = get_addrs(decoder, &node->n_addresses);
	node->is_deleting = get_bool(decoder);
	return node;
}

/* ------------------------------------------------------------------ Services */

static void get_families(struct decoder *decoder, struct k8s_service *service)
{
	const size_t n = snapshot_get_count(&decoder->reader, 1);

	service->families = make_array(decoder, n, 1);
	for (size_t i = 0; service->families && i < n; i++) {
		service->families[i] = get_u8(decoder);
		if (!is_family(service->families[i]))
			decoder->reader.is_bad = true;
	}
	service->n_families = service->families ? n : 0;
}

static void get_ingress(struct decoder *decoder, struct k8s_service *service)
{
	const size_t n = snapshot_get_count(&decoder->reader, SNAPSHOT_MIN_ADDR_BYTES + 1);

	service->ingress = make_array(decoder, n, sizeof(*service->ingress));
	for (size_t i = 0; service->ingress && i < n; i++) {
		get_addr(decoder, &service->ingress[i].addr);
		service->ingress[i].is_vip = get_bool(decoder);
	}
	service->n_ingress = service->ingress ? n : 0;
}

static void get_source_ranges(struct decoder *decoder, struct k8s_service *service)
{
	const size_t n = snapshot_get_count(&decoder->reader, SNAPSHOT_MIN_ADDR_BYTES + 1);

	service->source_ranges = make_array(decoder, n, sizeof(*service->source_ranges));
	for (size_t i = 0; service->source_ranges && i < n; i++) {
		struct cidr *cidr = &service->source_ranges[i];

		get_addr(decoder, &cidr->addr);
		cidr->prefix_len = (uint8_t)snapshot_get_number(
			&decoder->reader, cidr->addr.family == ADDR_IPV4 ? 32 : 128);
	}
	service->n_source_ranges = service->source_ranges ? n : 0;
}

static void get_service_ports(struct decoder *decoder, struct k8s_service *service)
{
	const size_t n = snapshot_get_count(&decoder->reader, SNAPSHOT_MIN_PORT_BYTES + 1);

	service->ports = make_array(decoder, n, sizeof(*service->ports));
	for (size_t i = 0; service->ports && i < n; i++) {
		struct k8s_service_port *port = &service->ports[i];

		port->name = get_string(decoder);
		port->protocol = get_u8(decoder);
		port->port = get_u16(decoder);
		port->node_port = get_u16(decoder);
	}
	service->n_ports = service->ports ? n : 0;
}

static void get_service_flags(struct decoder *decoder, struct k8s_service *service)
{
	const uint64_t flags = snapshot_get_number(&decoder->reader, SNAPSHOT_SERVICE_ALL);

	service->is_excluded = flags & SNAPSHOT_SERVICE_EXCLUDED;
	service->is_headless = flags & SNAPSHOT_SERVICE_HEADLESS;
	service->is_unallocated = flags & SNAPSHOT_SERVICE_UNALLOCATED;
	service->is_external_local = flags & SNAPSHOT_SERVICE_EXTERNAL_LOCAL;
	service->is_internal_local = flags & SNAPSHOT_SERVICE_INTERNAL_LOCAL;
	service->algorithm = (enum k8s_algorithm)((flags & SNAPSHOT_SERVICE_ALGORITHM) >>
						  SNAPSHOT_ALGORITHM_SHIFT);
}

static struct k8s_service *get_service(struct decoder *decoder)
{
	struct k8s_service *service = make_array(decoder, 1, sizeof(*service));

	if (!service)
		return NULL;
	service->namespace = get_string(decoder);
	service->name = get_string(decoder);
	service->type =
		(enum k8s_service_type)snapshot_get_number(&decoder->reader, K8S_EXTERNAL_NAME);
	get_service_flags(decoder, service);
	service->created_s = snapshot_get_signed(&decoder->reader);
	service->health_check_node_port = get_u16(decoder);
	service->affinity_s = (uint32_t)snapshot_get_number(&decoder->reader, UINT32_MAX);
	get_addr(decoder, &service->cluster_ip);
	service->cluster_ips = get_addrs(decoder, &service->n_cluster_ips);
	get_families(decoder, service);
	service->external_ips = get_addrs(decoder, &service->n_external_ips);
	get_ingress(decoder, service);
	get_source_ranges(decoder, service);
	get_service_ports(decoder, service);
	return service;
}

/* ------------------------------------------------------------------ slices */

static struct k8s_hints *get_hints(struct decoder *decoder)
{
	const uint16_t n_zones = get_u16(decoder);
	const uint16_t n_nodes = get_u16(decoder);
	const size_t n = (size_t)n_zones + n_nodes;
	struct k8s_hints *hints;

	if (n > (size_t)(decoder->reader.end - decoder->reader.at))
		decoder->reader.is_bad = true;
	if (decoder->reader.is_bad)
		return NULL;
	hints = make_array(decoder, 1, sizeof(*hints) + n * sizeof(hints->names[0]));
	if (!hints)
		return NULL;
	hints->n_zones = n_zones;
	hints->n_nodes = n_nodes;
	for (size_t i = 0; i < n; i++)
		hints->names[i] = get_string(decoder);
	return hints;
}

static void get_endpoints(struct decoder *decoder, struct k8s_slice *slice)
{
	const size_t n = snapshot_get_count(&decoder->reader, SNAPSHOT_MIN_ENDPOINT_BYTES);

	slice->endpoints = make_array(decoder, n, sizeof(*slice->endpoints));
	for (size_t i = 0; slice->endpoints && !decoder->reader.is_bad && i < n; i++) {
		struct k8s_endpoint *endpoint = &slice->endpoints[i];
		const uint64_t flags = snapshot_get_number(&decoder->reader, SNAPSHOT_ENDPOINT_ALL);

		get_addr_bytes(decoder, slice->family, endpoint->addr);
		endpoint->node = get_optional(decoder);
		endpoint->flags = (uint32_t)flags & ~SNAPSHOT_ENDPOINT_HINTS;
		if (flags & SNAPSHOT_ENDPOINT_HINTS)
			endpoint->hints = get_hints(decoder);
	}
	slice->n_endpoints = slice->endpoints ? n : 0;
}

static void get_slice_ports(struct decoder *decoder, struct k8s_slice *slice)
{
	const size_t n = snapshot_get_count(&decoder->reader, SNAPSHOT_MIN_PORT_BYTES);

	slice->ports = make_array(decoder, n, sizeof(*slice->ports));
	for (size_t i = 0; slice->ports && i < n; i++) {
		slice->ports[i].name = get_string(decoder);
		slice->ports[i].protocol = get_u8(decoder);
		slice->ports[i].port = get_u16(decoder);
	}
	slice->n_ports = slice->ports ? n : 0;
}

static struct k8s_slice *get_slice(struct decoder *decoder)
{
	struct k8s_slice *slice = make_array(decoder, 1, sizeof(*slice));

	if (!slice)
		return NULL;
	slice->namespace = get_string(decoder);
	slice->name = get_string(decoder);
	slice->service = get_string(decoder); /* of those without, the model keeps nothing */
	slice->is_headless = get_bool(decoder);
	slice->family = get_u8(decoder);
	if (!is_family(slice->family))
		decoder->reader.is_bad = true;
	slice->last_change_ns = snapshot_get_signed(&decoder->reader);
	get_slice_ports(decoder, slice);
	get_endpoints(decoder, slice);
	return slice;
}

/* ------------------------------------------------------------------ all of them */

static void get_objects(struct decoder *decoder, const uint8_t *header,
			struct snapshot_objects *objects)
{
	const size_t n_services = snapshot_fetch_u32(header + SNAPSHOT_AT_N_SERVICES);
	const size_t n_slices = snapshot_fetch_u32(header + SNAPSHOT_AT_N_SLICES);
	struct snapshot_reader *reader = &decoder->reader;
	const size_t n_left = (size_t)(reader->end - reader->at);

	if (n_services > n_left / SNAPSHOT_MIN_SERVICE_BYTES ||
	    n_slices > n_left / SNAPSHOT_MIN_SLICE_BYTES) {
		reader->is_bad = true;
		return;
	}
	objects->node = get_node(decoder);
	objects->services = make_array(decoder, n_services, sizeof(struct k8s_service *));
	while (!reader->is_bad && objects->n_services < n_services)
		objects->services[objects->n_services++] = get_service(decoder);
	objects->slices = make_array(decoder, n_slices, sizeof(struct k8s_slice *));
	while (!reader->is_bad && objects->n_slices < n_slices)
		objects->slices[objects->n_slices++] = get_slice(decoder);
	if (reader->at != reader->end)
		reader->is_bad = true;
}

int snapshot_decode(const uint8_t *bytes, size_t len, struct strings *pool,
		    struct snapshot_objects *ret_objects)
{
	_cleanup_(snapshot_objects_clear) struct snapshot_objects objects = {.pool = pool};
	_cleanup_(decoder_clear) struct decoder decoder = {.pool = pool};
	int r = read_table(&decoder, bytes, len);

	if (r < 0)
		return r;
	decoder.reader = (struct snapshot_reader){
		.at = bytes + SNAPSHOT_HEADER_BYTES,
		.end = bytes + snapshot_fetch_u64(bytes + SNAPSHOT_AT_STRINGS),
	};
	get_objects(&decoder, bytes, &objects);
	r = outcome(&decoder);
	if (r < 0)
		return r;
	*ret_objects = objects;
	objects = (struct snapshot_objects){};
	return 0;
}

void snapshot_objects_clear(struct snapshot_objects *objects)
{
	k8s_node_free(objects->pool, objects->node);
	for (size_t i = 0; i < objects->n_services; i++)
		k8s_service_free(objects->pool, objects->services[i]);
	for (size_t i = 0; i < objects->n_slices; i++)
		k8s_slice_free(objects->pool, objects->slices[i]);
	free(objects->services);
	free(objects->slices);
	*objects = (struct snapshot_objects){};
}
