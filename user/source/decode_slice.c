/* SPDX-License-Identifier: Apache-2.0 */
/* EndpointSlice (discovery.k8s.io/v1), rules R2 and R6 to R9. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/decode.h"
#include "source/meta.h"
#include "source/rfc3339.h"

#define LABEL_SERVICE_NAME	"kubernetes.io/service-name"
#define LABEL_HEADLESS		"service.kubernetes.io/headless"
#define ANNOTATION_TRIGGER_TIME "endpoints.kubernetes.io/last-change-trigger-time"
#define NS_PER_S		1000000000ll

static int decode_labels(const struct meta *meta, struct strings *pool, struct k8s_slice *slice)
{
	const char *service, *headless, *trigger;
	struct timespec ts;
	int r;

	r = meta_label(meta, LABEL_SERVICE_NAME, &service);
	if (r < 0)
		return r;
	r = meta_label(meta, LABEL_HEADLESS, &headless);
	if (r < 0)
		return r;
	r = meta_annotation(meta, ANNOTATION_TRIGGER_TIME, &trigger);
	if (r < 0)
		return r;
	slice->is_headless = headless != NULL;
	/* kube-proxy ignores a time it cannot read; one outside of int64 nanoseconds is none */
	if (trigger && rfc3339_parse(trigger, &ts) == 0 && ts.tv_sec > 0 &&
	    ts.tv_sec < INT64_MAX / NS_PER_S)
		slice->last_change_ns = (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
	return intern(pool, service && service[0] ? service : NULL, &slice->service);
}

static int decode_family(const struct field *root, uint8_t *ret)
{
	static const char *const words[] = {"IPv4", "IPv6", "FQDN", NULL};
	static const uint8_t families[] = {ADDR_IPV4, ADDR_IPV6, ADDR_NONE, ADDR_NONE};
	struct field field = field_child(root, "addressType");
	size_t i = 3;
	int r = field_choice(root, "addressType", words, &i);

	if (r < 0)
		return r;
	if (i == 3)
		return field_fail(&field, "missing: IPv4 or IPv6");
	*ret = families[i];
	return 0;
}

/*
 * A port without a name is called "", as the API server fills it in. An explicit null, which only
 * reaches those who read objects from elsewhere, is left out as kube-proxy does (R7).
 */
static int decode_port(const struct field *item, struct strings *pool, struct k8s_slice *slice)
{
	struct k8s_slice_port *port = &slice->ports[slice->n_ports];
	uint8_t protocol;
	uint16_t number = 0;
	const char *name;
	int r;

	r = field_check_object(item);
	if (r < 0)
		return r;
	r = field_dns_label(item, "name", &name);
	if (r < 0)
		return r;
	r = field_protocol(item, &protocol);
	if (r < 0)
		return r;
	r = field_port(item, "port", 0, &number);
	if (r < 0)
		return r;
	if (number == 0 || cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(item->node, "name")))
		return 0;
	r = intern(pool, name ? name : "", &port->name);
	if (r < 0)
		return r;
	port->protocol = protocol;
	port->port = number;
	slice->n_ports++;
	return 0;
}

static int decode_ports(const struct field *root, struct strings *pool, struct k8s_slice *slice)
{
	struct field array;
	int r = field_array(root, "ports", &array);

	if (r < 0 || field_count(&array) == 0)
		return r;
	slice->ports = calloc(field_count(&array), sizeof(*slice->ports));
	if (!slice->ports)
		return -ENOMEM;
	for (struct field item = field_first(&array); item.node; item = field_next(&item)) {
		r = decode_port(&item, pool, slice);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Only the first address counts (R6). */
static int decode_address(const struct field *item, uint8_t family, uint8_t ret[16])
{
	const char *want = family == ADDR_IPV4 ? "IPv4" : "IPv6", *text;
	struct field array, first;
	struct addr addr;
	int r = field_array(item, "addresses", &array);

	if (r < 0)
		return r;
	first = field_first(&array);
	if (!first.node)
		return field_fail(&array, "missing: an endpoint needs an address");
	r = field_as_string(&first, &text);
	if (r < 0)
		return r;
	if (addr_parse(text, &addr) < 0 || addr.family != family)
		return field_fail(&first, "\"%.64s\" is not an %s address", text, want);
	memcpy(ret, addr.bytes, sizeof(addr.bytes));
	return 0;
}

/* Defaults of rule R9. */
static int decode_conditions(const struct field *item, uint32_t *ret_flags)
{
	bool is_ready = true, is_serving = true, is_terminating = false;
	struct field conditions;
	int r = field_object(item, "conditions", &conditions);

	if (r < 0)
		return r;
	r = field_bool(&conditions, "ready", &is_ready);
	if (r < 0)
		return r;
	r = field_bool(&conditions, "serving", &is_serving);
	if (r < 0)
		return r;
	r = field_bool(&conditions, "terminating", &is_terminating);
	if (r < 0)
		return r;
	*ret_flags = (is_ready ? K8S_ENDPOINT_READY : 0) | (is_serving ? K8S_ENDPOINT_SERVING : 0) |
		     (is_terminating ? K8S_ENDPOINT_TERMINATING : 0);
	return 0;
}

/* Appends the names of one list of hints and counts them. */
static int add_hints(const struct field *array, struct strings *pool, struct k8s_hints *hints,
		     uint16_t *count)
{
	for (struct field item = field_first(array); item.node; item = field_next(&item)) {
		const char *name;
		int r;

		r = field_check_object(&item);
		if (r < 0)
			return r;
		r = field_string(&item, "name", &name);
		if (r < 0)
			return r;
		r = intern(pool, name ? name : "", &hints->names[hints->n_zones + hints->n_nodes]);
		if (r < 0)
			return r;
		(*count)++;
	}
	return 0;
}

static int decode_hints(const struct field *item, struct strings *pool, struct k8s_hints **ret)
{
	struct field hints, zones, nodes;
	struct k8s_hints *h;
	size_t n;
	int r;

	r = field_object(item, "hints", &hints);
	if (r < 0)
		return r;
	r = field_array(&hints, "forZones", &zones);
	if (r < 0)
		return r;
	r = field_array(&hints, "forNodes", &nodes);
	if (r < 0)
		return r;
	n = field_count(&zones) + field_count(&nodes);
	if (n == 0)
		return 0;
	if (n > UINT16_MAX)
		return field_fail(&hints, "more than %u hints", UINT16_MAX);
	h = calloc(1, sizeof(*h) + n * sizeof(h->names[0]));
	if (!h)
		return -ENOMEM;
	/* given away at once: the slice frees it half-built, too */
	*ret = h;
	r = add_hints(&zones, pool, h, &h->n_zones);
	return r < 0 ? r : add_hints(&nodes, pool, h, &h->n_nodes);
}

static int decode_endpoint(const struct field *item, struct strings *pool, uint8_t family,
			   struct k8s_endpoint *endpoint)
{
	const char *node;
	int r;

	r = field_check_object(item);
	if (r < 0)
		return r;
	r = decode_address(item, family, endpoint->addr);
	if (r < 0)
		return r;
	r = decode_conditions(item, &endpoint->flags);
	if (r < 0)
		return r;
	r = field_string(item, "nodeName", &node);
	if (r < 0)
		return r;
	r = intern(pool, node, &endpoint->node);
	return r < 0 ? r : decode_hints(item, pool, &endpoint->hints);
}

static int decode_endpoints(const struct field *root, struct strings *pool, struct k8s_slice *slice)
{
	struct field array;
	int r = field_array(root, "endpoints", &array);

	/* names of hosts are nothing that kube-proxy serves (R6) */
	if (r < 0 || field_count(&array) == 0 || slice->family == ADDR_NONE)
		return r;
	slice->endpoints = calloc(field_count(&array), sizeof(*slice->endpoints));
	if (!slice->endpoints)
		return -ENOMEM;
	for (struct field item = field_first(&array); item.node; item = field_next(&item)) {
		r = decode_endpoint(&item, pool, slice->family,
				    &slice->endpoints[slice->n_endpoints++]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int slice_fill(const struct field *root, struct strings *pool, struct k8s_slice *slice)
{
	struct meta meta;
	int r;

	r = meta_decode(root, META_NAME_SEGMENT, &meta);
	if (r < 0)
		return r;
	r = intern(pool, meta.namespace, &slice->namespace);
	if (r < 0)
		return r;
	r = intern(pool, meta.name, &slice->name);
	if (r < 0)
		return r;
	r = decode_labels(&meta, pool, slice);
	if (r < 0)
		return r;
	r = decode_family(root, &slice->family);
	if (r < 0)
		return r;
	r = decode_ports(root, pool, slice);
	return r < 0 ? r : decode_endpoints(root, pool, slice);
}

int decode_slice(const struct cJSON *json, struct strings *pool, struct k8s_slice **ret,
		 struct decode_error *ret_error)
{
	struct field root = field_root(json, ret_error);
	struct k8s_slice *slice = calloc(1, sizeof(*slice));
	int r;

	if (!slice)
		return -ENOMEM;
	r = slice_fill(&root, pool, slice);
	if (r < 0) {
		k8s_slice_free(pool, slice);
		return r;
	}
	*ret = slice;
	return 0;
}
