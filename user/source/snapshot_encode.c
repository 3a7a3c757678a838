/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "source/snapshot.h"
#include "source/snapshot_bytes.h"
#include "source/snapshot_format.h"
#include "source/text_hash.h"
#include "util/cleanup.h"

#define FIRST_BUCKETS 4096

/** struct bucket - a string and its number, counted from 1; NULL: free. */
struct bucket {
	const char *string;
	uint32_t number;
};

/**
 * struct string_table - the strings met so far. They are interned: equal ones are one pointer.
 * @strings: in the order of their numbers.
 * @buckets: open addressing; a power of two, never more than half full.
 */
struct string_table {
	const char **strings;
	uint32_t n_strings;
	struct bucket *buckets;
	size_t n_buckets;
};

struct encoder {
	struct snapshot_writer writer;
	struct string_table table;
	uint32_t n_services;
	uint32_t n_slices;
};

static void encoder_clear(struct encoder *encoder)
{
	free(encoder->writer.bytes);
	free(encoder->table.strings);
	free(encoder->table.buckets);
}

/* ------------------------------------------------------------------ strings */

static struct bucket *find_bucket(const struct string_table *table, const char *string)
{
	/* of a pointer from malloc(3) the lowest bits are all the same */
	const uint64_t hash = ((uint64_t)(uintptr_t)string >> 4) * 0x9e3779b97f4a7c15ull;

	for (size_t i = hash >> 32;; i++) {
		struct bucket *bucket = &table->buckets[i & (table->n_buckets - 1)];

		if (bucket->string == string || !bucket->string)
			return bucket;
	}
}

static int grow_table(struct string_table *table)
{
	const size_t n = table->n_buckets ? table->n_buckets * 2 : FIRST_BUCKETS;
	const char **strings = reallocarray(table->strings, n / 2, sizeof(*strings));
	struct bucket *buckets;

	if (!strings)
		return -ENOMEM;
	table->strings = strings;
	buckets = calloc(n, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	free(table->buckets);
	table->buckets = buckets;
	table->n_buckets = n;
	for (uint32_t i = 0; i < table->n_strings; i++)
		*find_bucket(table, strings[i]) = (struct bucket){strings[i], i + 1};
	return 0;
}

/* Return: the string's number; 0 for NULL, and without memory. */
static uint32_t number_of(struct encoder *encoder, const char *string)
{
	struct string_table *table = &encoder->table;
	struct bucket *bucket;

	if (!string)
		return 0;
	if (table->n_strings >= table->n_buckets / 2 && grow_table(table) < 0) {
		encoder->writer.is_out_of_memory = true;
		return 0;
	}
	bucket = find_bucket(table, string);
	if (!bucket->string) {
		table->strings[table->n_strings] = string;
		*bucket = (struct bucket){string, ++table->n_strings};
	}
	return bucket->number;
}

static void put_string(struct encoder *encoder, const char *string)
{
	snapshot_put_number(&encoder->writer, number_of(encoder, string));
}

static void put_strings(struct encoder *encoder)
{
	const struct string_table *table = &encoder->table;

	for (uint32_t i = 0; i < table->n_strings; i++) {
		const size_t len = strlen(table->strings[i]);

		snapshot_put_number(&encoder->writer, len);
		snapshot_put_bytes(&encoder->writer, table->strings[i], len + 1);
	}
}

/* ------------------------------------------------------------------ parts of objects */

static size_t addr_len_bytes(uint8_t family)
{
	return family == ADDR_IPV4 ? 4 : 16;
}

static void put_addr(struct encoder *encoder, const struct addr *addr)
{
	snapshot_put_number(&encoder->writer, addr->family);
	if (addr->family != ADDR_NONE)
		snapshot_put_bytes(&encoder->writer, addr->bytes, addr_len_bytes(addr->family));
}

static void put_addrs(struct encoder *encoder, const struct addr *addrs, size_t n)
{
	snapshot_put_number(&encoder->writer, n);
	for (size_t i = 0; i < n; i++)
		put_addr(encoder, &addrs[i]);
}

/* ------------------------------------------------------------------ objects */

static void put_node(struct encoder *encoder, const struct k8s_node *node)
{
	snapshot_put_number(&encoder->writer, node != NULL);
	if (!node)
		return;
	put_string(encoder, node->name);
	put_string(encoder, node->zone);
	put_addrs(encoder, node->addresses, node->n_addresses);
	snapshot_put_number(&encoder->writer, node->is_deleting);
}

static unsigned int service_flags(const struct k8s_service *service)
{
	return (service->is_excluded ? SNAPSHOT_SERVICE_EXCLUDED : 0) |
	       (service->is_headless ? SNAPSHOT_SERVICE_HEADLESS : 0) |
	       (service->is_unallocated ? SNAPSHOT_SERVICE_UNALLOCATED : 0) |
	       (service->is_external_local ? SNAPSHOT_SERVICE_EXTERNAL_LOCAL : 0) |
	       (service->is_internal_local ? SNAPSHOT_SERVICE_INTERNAL_LOCAL : 0) |
	       (unsigned int)service->algorithm << SNAPSHOT_ALGORITHM_SHIFT;
}

static void put_service_addresses(struct encoder *encoder, const struct k8s_service *service)
{
	struct snapshot_writer *writer = &encoder->writer;

	put_addr(encoder, &service->cluster_ip);
	put_addrs(encoder, service->cluster_ips, service->n_cluster_ips);
	snapshot_put_number(writer, service->n_families);
	snapshot_put_bytes(writer, service->families, service->n_families);
	put_addrs(encoder, service->external_ips, service->n_external_ips);
	snapshot_put_number(writer, service->n_ingress);
	for (size_t i = 0; i < service->n_ingress; i++) {
		put_addr(encoder, &service->ingress[i].addr);
		snapshot_put_number(writer, service->ingress[i].is_vip);
	}
	snapshot_put_number(writer, service->n_source_ranges);
	for (size_t i = 0; i < service->n_source_ranges; i++) {
		put_addr(encoder, &service->source_ranges[i].addr);
		snapshot_put_number(writer, service->source_ranges[i].prefix_len);
	}
}

static int put_service(void *arg, const struct k8s_service *service)
{
	struct encoder *encoder = arg;
	struct snapshot_writer *writer = &encoder->writer;

	encoder->n_services++;
	put_string(encoder, service->namespace);
	put_string(encoder, service->name);
	snapshot_put_number(writer, service->type);
	snapshot_put_number(writer, service_flags(service));
	snapshot_put_signed(writer, service->created_s);
	snapshot_put_number(writer, service->health_check_node_port);
	snapshot_put_number(writer, service->affinity_s);
	put_service_addresses(encoder, service);
	snapshot_put_number(writer, service->n_ports);
	for (size_t i = 0; i < service->n_ports; i++) {
		put_string(encoder, service->ports[i].name);
		snapshot_put_number(writer, service->ports[i].protocol);
		snapshot_put_number(writer, service->ports[i].port);
		snapshot_put_number(writer, service->ports[i].node_port);
	}
	return writer->is_out_of_memory ? -ENOMEM : 0;
}

static void put_hints(struct encoder *encoder, const struct k8s_hints *hints)
{
	snapshot_put_number(&encoder->writer, hints->n_zones);
	snapshot_put_number(&encoder->writer, hints->n_nodes);
	for (size_t i = 0; i < (size_t)hints->n_zones + hints->n_nodes; i++)
		put_string(encoder, hints->names[i]);
}

static void put_endpoint(struct encoder *encoder, const struct k8s_endpoint *endpoint,
			 size_t len_bytes)
{
	snapshot_put_number(&encoder->writer,
			    endpoint->flags | (endpoint->hints ? SNAPSHOT_ENDPOINT_HINTS : 0));
	snapshot_put_bytes(&encoder->writer, endpoint->addr, len_bytes);
	put_string(encoder, endpoint->node);
	if (endpoint->hints)
		put_hints(encoder, endpoint->hints);
}

static int put_slice(void *arg, const struct k8s_slice *slice)
{
	struct encoder *encoder = arg;
	struct snapshot_writer *writer = &encoder->writer;

	encoder->n_slices++;
	put_string(encoder, slice->namespace);
	put_string(encoder, slice->name);
	put_string(encoder, slice->service);
	snapshot_put_number(writer, slice->is_headless);
	snapshot_put_number(writer, slice->family);
	snapshot_put_signed(writer, slice->last_change_ns);
	snapshot_put_number(writer, slice->n_ports);
	for (size_t i = 0; i < slice->n_ports; i++) {
		put_string(encoder, slice->ports[i].name);
		snapshot_put_number(writer, slice->ports[i].protocol);
		snapshot_put_number(writer, slice->ports[i].port);
	}
	snapshot_put_number(writer, slice->n_endpoints);
	for (size_t i = 0; i < slice->n_endpoints; i++)
		put_endpoint(encoder, &slice->endpoints[i], addr_len_bytes(slice->family));
	return writer->is_out_of_memory ? -ENOMEM : 0;
}

/* ------------------------------------------------------------------ the file */

static void fill_header(const struct encoder *encoder, int64_t now_s, size_t strings_at,
			uint32_t node_name)
{
	const struct snapshot_writer *writer = &encoder->writer;
	uint8_t *header = writer->bytes;

	memset(header, 0, SNAPSHOT_HEADER_BYTES);
	snapshot_store_u64(header + SNAPSHOT_AT_MAGIC, SNAPSHOT_MAGIC);
	snapshot_store_u32(header + SNAPSHOT_AT_VERSION, SNAPSHOT_VERSION);
	snapshot_store_u64(header + SNAPSHOT_AT_LEN, writer->len);
	snapshot_store_u64(header + SNAPSHOT_AT_SAVED, (uint64_t)now_s);
	snapshot_store_u64(header + SNAPSHOT_AT_STRINGS, strings_at);
	snapshot_store_u32(header + SNAPSHOT_AT_N_STRINGS, encoder->table.n_strings);
	snapshot_store_u32(header + SNAPSHOT_AT_N_SERVICES, encoder->n_services);
	snapshot_store_u32(header + SNAPSHOT_AT_N_SLICES, encoder->n_slices);
	snapshot_store_u32(header + SNAPSHOT_AT_NODE_NAME, node_name);
	snapshot_store_u64(header + SNAPSHOT_AT_CHECKSUM,
			   text_hash(0, header + SNAPSHOT_AT_LEN, writer->len - SNAPSHOT_AT_LEN));
}

int snapshot_encode(const struct model *model, int64_t now_s, void **ret, size_t *ret_len)
{
	_cleanup_(encoder_clear) struct encoder encoder = {};
	static const uint8_t header[SNAPSHOT_HEADER_BYTES];
	uint32_t node_name;
	size_t strings_at;
	int r;

	snapshot_put_bytes(&encoder.writer, header, sizeof(header));
	node_name = number_of(&encoder, model_node_name(model));
	put_node(&encoder, model_node(model));
	r = model_for_each_service(model, put_service, &encoder);
	if (r == 0)
		r = model_for_each_slice(model, put_slice, &encoder);
	if (r < 0)
		return r;
	strings_at = encoder.writer.len;
	put_strings(&encoder);
	if (encoder.writer.is_out_of_memory)
		return -ENOMEM;
	fill_header(&encoder, now_s, strings_at, node_name);
	*ret_len = encoder.writer.len;
	*ret = TAKE_PTR(encoder.writer.bytes);
	return 0;
}
