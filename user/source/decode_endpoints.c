/* SPDX-License-Identifier: Apache-2.0 */
#include "source/decode_endpoints.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/meta.h"
#include "util/cleanup.h"

#define LABEL_SKIP_MIRROR "endpointslice.kubernetes.io/skip-mirror"
#define ANNOTATION_LEADER "control-plane.alpha.kubernetes.io/leader"

/**
 * struct subset - an entry of subsets while it is being read.
 * @n_addresses, @max_addresses: mirrored so far, and at most.
 */
struct subset {
	const struct meta *meta;
	struct strings *pool;
	struct mirror *mirror;
	struct field ports;
	size_t n_addresses;
	size_t max_addresses;
	struct k8s_slice *ipv4;
	struct k8s_slice *ipv6;
};

int mirror_slice_name(const char *endpoints, size_t index, char **ret)
{
	char *name;

	if (asprintf(&name, "%s/%zu", endpoints, index) < 0)
		return -ENOMEM;
	*ret = name;
	return 0;
}

void mirror_free(struct strings *pool, struct mirror *mirror)
{
	if (!mirror)
		return;
	for (size_t i = 0; i < mirror->n_slices; i++)
		k8s_slice_free(pool, mirror->slices[i]);
	free(mirror->slices);
	free(mirror);
}

static int add_port(const struct field *item, struct strings *pool, struct k8s_slice *slice)
{
	struct k8s_slice_port *port = &slice->ports[slice->n_ports];
	struct field number = field_child(item, "port");
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
	r = field_protocol(item, &port->protocol);
	if (r < 0)
		return r;
	r = field_dns_label(item, "name", &name);
	if (r < 0)
		return r;
	slice->n_ports++;
	return intern(pool, name ? name : "", &port->name);
}

static int add_ports(const struct subset *subset, struct k8s_slice *slice)
{
	size_t n = field_count(&subset->ports);
	int r;

	if (n == 0)
		return 0;
	slice->ports = calloc(n, sizeof(*slice->ports));
	if (!slice->ports)
		return -ENOMEM;
	for (struct field item = field_first(&subset->ports); item.node; item = field_next(&item)) {
		r = add_port(&item, subset->pool, slice);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fill_slice(const struct subset *subset, const char *name, struct k8s_slice *slice)
{
	int r = intern(subset->pool, subset->meta->namespace, &slice->namespace);

	if (r < 0)
		return r;
	r = intern(subset->pool, name, &slice->name);
	if (r < 0)
		return r;
	r = intern(subset->pool, subset->meta->name, &slice->service);
	return r < 0 ? r : add_ports(subset, slice);
}

/* Appends an empty slice with the subset's ports; the mirror owns it from the start. */
static int add_slice(struct subset *subset, uint8_t family, struct k8s_slice **ret)
{
	struct mirror *mirror = subset->mirror;
	_free_ char *name = NULL;
	struct k8s_slice *slice;
	int r;

	r = mirror_slice_name(subset->meta->name, mirror->n_slices, &name);
	if (r < 0)
		return r;
	slice = calloc(1, sizeof(*slice));
	if (!slice)
		return -ENOMEM;
	slice->family = family;
	mirror->slices[mirror->n_slices++] = slice;
	*ret = slice;
	return fill_slice(subset, name, slice);
}

/* The slice of a family, made at its first address with room for all. */
static int get_slice(struct subset *subset, uint8_t family, struct k8s_slice **ret)
{
	struct k8s_slice **known = family == ADDR_IPV4 ? &subset->ipv4 : &subset->ipv6;
	struct k8s_slice *slice = *known;
	int r;

	if (!slice) {
		r = add_slice(subset, family, &slice);
		if (r < 0)
			return r;
		slice->endpoints = calloc(subset->max_addresses, sizeof(*slice->endpoints));
		if (!slice->endpoints)
			return -ENOMEM;
		*known = slice;
	}
	*ret = slice;
	return 0;
}

static int add_endpoint(struct subset *subset, const struct addr *addr, const char *node,
			uint32_t flags)
{
	struct k8s_endpoint *endpoint;
	struct k8s_slice *slice;
	int r = get_slice(subset, addr->family, &slice);

	if (r < 0)
		return r;
	endpoint = &slice->endpoints[slice->n_endpoints++];
	memcpy(endpoint->addr, addr->bytes, sizeof(endpoint->addr));
	endpoint->flags = flags;
	return intern(subset->pool, node, &endpoint->node);
}

static int decode_address(struct subset *subset, const struct field *item, uint32_t flags)
{
	struct field ip = field_child(item, "ip");
	const char *text, *node;
	struct addr addr;
	int r;

	r = field_check_object(item);
	if (r < 0)
		return r;
	r = field_as_string(&ip, &text);
	if (r < 0)
		return r;
	if (!text)
		return field_fail(&ip, "missing");
	if (addr_parse(text, &addr) < 0)
		return field_fail(&ip, "\"%.64s\" is not an IP address", text);
	r = field_string(item, "nodeName", &node);
	if (r < 0)
		return r;
	if (subset->n_addresses == subset->max_addresses) {
		subset->mirror->n_left_out++;
		return 0;
	}
	subset->n_addresses++;
	return add_endpoint(subset, &addr, node, flags);
}

static int decode_addresses(struct subset *subset, const struct field *array, uint32_t flags)
{
	for (struct field item = field_first(array); item.node; item = field_next(&item)) {
		int r = decode_address(subset, &item, flags);

		if (r < 0)
			return r;
	}
	return 0;
}

/* serving is unset in a mirrored slice: rule R9 takes that for true, ready or not. */
static int decode_subset(const struct field *item, const struct meta *meta, struct strings *pool,
			 struct mirror *mirror)
{
	struct subset subset = {.meta = meta, .pool = pool, .mirror = mirror};
	struct field ready, not_ready;
	int r;

	r = field_check_object(item);
	if (r < 0)
		return r;
	r = field_array(item, "ports", &subset.ports);
	if (r < 0)
		return r;
	r = field_array(item, "addresses", &ready);
	if (r < 0)
		return r;
	r = field_array(item, "notReadyAddresses", &not_ready);
	if (r < 0)
		return r;
	subset.max_addresses = field_count(&ready) + field_count(&not_ready);
	if (subset.max_addresses > ENDPOINTS_MAX_ADDRESSES)
		subset.max_addresses = ENDPOINTS_MAX_ADDRESSES;
	r = decode_addresses(&subset, &ready, K8S_ENDPOINT_READY | K8S_ENDPOINT_SERVING);
	return r < 0 ? r : decode_addresses(&subset, &not_ready, K8S_ENDPOINT_SERVING);
}

static int decode_is_skipped(const struct meta *meta, bool *ret)
{
	const char *skip, *leader;
	int r;

	r = meta_label(meta, LABEL_SKIP_MIRROR, &skip);
	if (r < 0)
		return r;
	r = meta_annotation(meta, ANNOTATION_LEADER, &leader);
	if (r < 0)
		return r;
	*ret = leader || (skip && strcmp(skip, "true") == 0);
	return 0;
}

static int mirror_fill(const struct field *root, struct strings *pool, struct mirror *mirror)
{
	struct field subsets;
	struct meta meta;
	int r;

	r = meta_decode(root, META_NAME_SEGMENT, &meta);
	if (r < 0)
		return r;
	r = decode_is_skipped(&meta, &mirror->is_skipped);
	if (r < 0)
		return r;
	r = field_array(root, "subsets", &subsets);
	if (r < 0 || field_count(&subsets) == 0)
		return r;
	/* at most one slice for each family */
	mirror->slices = calloc(2 * field_count(&subsets), sizeof(struct k8s_slice *));
	if (!mirror->slices)
		return -ENOMEM;
	for (struct field item = field_first(&subsets); item.node; item = field_next(&item)) {
		r = decode_subset(&item, &meta, pool, mirror);
		if (r < 0)
			return r;
	}
	return 0;
}

int decode_endpoints(const struct cJSON *json, struct strings *pool, struct mirror **ret,
		     struct decode_error *ret_error)
{
	struct field root = field_root(json, ret_error);
	struct mirror *mirror = calloc(1, sizeof(*mirror));
	int r;

	if (!mirror)
		return -ENOMEM;
	r = mirror_fill(&root, pool, mirror);
	if (r < 0) {
		mirror_free(pool, mirror);
		return r;
	}
	*ret = mirror;
	return 0;
}
