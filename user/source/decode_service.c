/* SPDX-License-Identifier: Apache-2.0 */
/* Service (v1), rules R1, R4, R5, R10, R12 to R16 and R18; its ports are in decode_ports.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/decode.h"
#include "source/decode_ports.h"
#include "source/meta.h"

#define LABEL_PROXY_NAME     "service.kubernetes.io/service-proxy-name"
#define ANNOTATION_ALGORITHM "svcbpf.io/algorithm"
#define AFFINITY_DEFAULT_S   10800
#define AFFINITY_MAX_S	     86400
/* spec.clusterIPs and spec.ipFamilies: one of each family */
#define CLUSTER_IPS_MAX 2

/* "None" and "" are no address; anything else must be one. */
static int decode_cluster_ip(const struct field *field, struct addr *ret, bool *ret_is_none)
{
	const char *text;
	int r = field_as_string(field, &text);

	if (r < 0)
		return r;
	*ret_is_none = !text || !text[0] || strcmp(text, "None") == 0;
	*ret = (struct addr){.family = ADDR_NONE};
	if (!*ret_is_none && addr_parse(text, ret) < 0)
		return field_fail(field, "\"%.64s\" is not an IP address", text);
	return 0;
}

/* spec.clusterIPs; when it is absent, spec.clusterIP alone, as the API server fills it in. */
static int decode_cluster_ips(const struct field *spec, struct k8s_service *service)
{
	struct field single = field_child(spec, "clusterIP"), array;
	bool is_none;
	int r;

	r = decode_cluster_ip(&single, &service->cluster_ip, &service->is_headless);
	if (r < 0)
		return r;
	r = field_array(spec, "clusterIPs", &array);
	if (r < 0)
		return r;
	if (field_count(&array) > CLUSTER_IPS_MAX)
		return field_fail(&array, "more than %d addresses", CLUSTER_IPS_MAX);
	service->cluster_ips = calloc(CLUSTER_IPS_MAX, sizeof(*service->cluster_ips));
	if (!service->cluster_ips)
		return -ENOMEM;
	for (struct field item = field_first(&array); item.node; item = field_next(&item)) {
		r = decode_cluster_ip(&item, &service->cluster_ips[service->n_cluster_ips],
				      &is_none);
		if (r < 0)
			return r;
		service->n_cluster_ips++;
	}
	service->is_unallocated = !single.node && !array.node && service->type != K8S_EXTERNAL_NAME;
	if (service->is_unallocated)
		service->is_headless = false;
	else if (service->n_cluster_ips == 0 && !service->is_headless)
		service->cluster_ips[service->n_cluster_ips++] = service->cluster_ip;
	if (service->n_cluster_ips > 0 &&
	    addr_compare(&service->cluster_ips[0], &service->cluster_ip) != 0)
		return field_fail(&array, "the first must be the same as spec.clusterIP");
	return 0;
}

/* What an API server would choose: the cluster's first family, taken to be IPv4; both on demand. */
static int default_families(const struct field *spec, struct k8s_service *service)
{
	struct field policy = field_child(spec, "ipFamilyPolicy");
	const char *text;
	int r = field_as_string(&policy, &text);

	if (r < 0)
		return r;
	service->families[service->n_families++] = ADDR_IPV4;
	if (text && strcmp(text, "SingleStack") != 0)
		service->families[service->n_families++] = ADDR_IPV6;
	return 0;
}

/* spec.ipFamilies; when it is absent, those of the cluster IPs, as the API server fills it in. */
static int decode_families(const struct field *spec, struct k8s_service *service)
{
	struct field array;
	int r = field_array(spec, "ipFamilies", &array);

	if (r < 0)
		return r;
	if (field_count(&array) > CLUSTER_IPS_MAX)
		return field_fail(&array, "more than %d families", CLUSTER_IPS_MAX);
	service->families = calloc(CLUSTER_IPS_MAX, sizeof(*service->families));
	if (!service->families)
		return -ENOMEM;
	if (!array.node && service->is_unallocated)
		return default_families(spec, service);
	for (size_t i = 0; !array.node && i < service->n_cluster_ips; i++) {
		if (service->cluster_ips[i].family != ADDR_NONE)
			service->families[service->n_families++] = service->cluster_ips[i].family;
	}
	for (struct field item = field_first(&array); item.node; item = field_next(&item)) {
		const char *text;
		uint8_t family;

		r = field_as_string(&item, &text);
		if (r < 0)
			return r;
		if (strcmp(text, "IPv4") != 0 && strcmp(text, "IPv6") != 0)
			return field_fail(&item, "\"%.64s\" is not IPv4 or IPv6", text);
		family = text[3] == '4' ? ADDR_IPV4 : ADDR_IPV6;
		if (item.index < service->n_cluster_ips &&
		    service->cluster_ips[item.index].family != ADDR_NONE &&
		    service->cluster_ips[item.index].family != family)
			return field_fail(&item, "%s, but spec.clusterIPs[%zu] is of the other",
					  text, item.index);
		service->families[service->n_families++] = family;
	}
	return 0;
}

/* Bad ones are no address (R10), but count where kube-proxy asks whether there are any (R15). */
static int decode_external_ips(const struct field *spec, struct k8s_service *service)
{
	struct field array;
	int r = field_array(spec, "externalIPs", &array);

	if (r < 0 || field_count(&array) == 0)
		return r;
	service->external_ips = calloc(field_count(&array), sizeof(*service->external_ips));
	if (!service->external_ips)
		return -ENOMEM;
	for (struct field item = field_first(&array); item.node; item = field_next(&item)) {
		const char *text;

		r = field_as_string(&item, &text);
		if (r < 0)
			return r;
		/* a bad one stays as ADDR_NONE: not served, but it counts for rule R15 */
		if (addr_parse(text, &service->external_ips[service->n_external_ips]) < 0)
			service->external_ips[service->n_external_ips].family = ADDR_NONE;
		service->n_external_ips++;
	}
	return 0;
}

/* Bad ones are left out (R10); what a /0 means is the model's business (R14). */
static int decode_source_ranges(const struct field *spec, struct k8s_service *service)
{
	struct field array;
	int r = field_array(spec, "loadBalancerSourceRanges", &array);

	if (r < 0 || field_count(&array) == 0)
		return r;
	service->source_ranges = calloc(field_count(&array), sizeof(*service->source_ranges));
	if (!service->source_ranges)
		return -ENOMEM;
	for (struct field item = field_first(&array); item.node; item = field_next(&item)) {
		const char *text;

		r = field_as_string(&item, &text);
		if (r < 0)
			return r;
		if (cidr_parse(text, &service->source_ranges[service->n_source_ranges]) == 0)
			service->n_source_ranges++;
	}
	return 0;
}

static int decode_ingress_entry(const struct field *item, struct k8s_service *service)
{
	struct k8s_ingress *ingress = &service->ingress[service->n_ingress];
	const char *ip, *mode;
	int r;

	r = field_check_object(item);
	if (r < 0)
		return r;
	r = field_string(item, "ip", &ip);
	if (r < 0)
		return r;
	r = field_string(item, "ipMode", &mode);
	if (r < 0)
		return r;
	/* some have a host name only (R12) */
	if (!ip || addr_parse(ip, &ingress->addr) < 0)
		return 0;
	ingress->is_vip = !mode || strcmp(mode, "VIP") == 0;
	service->n_ingress++;
	return 0;
}

static int decode_ingress(const struct field *root, struct k8s_service *service)
{
	struct field status, balancer, array;
	int r;

	r = field_object(root, "status", &status);
	if (r < 0)
		return r;
	r = field_object(&status, "loadBalancer", &balancer);
	if (r < 0)
		return r;
	r = field_array(&balancer, "ingress", &array);
	if (r < 0 || field_count(&array) == 0)
		return r;
	service->ingress = calloc(field_count(&array), sizeof(*service->ingress));
	if (!service->ingress)
		return -ENOMEM;
	for (struct field item = field_first(&array); item.node; item = field_next(&item)) {
		r = decode_ingress_entry(&item, service);
		if (r < 0)
			return r;
	}
	return 0;
}

static int decode_affinity(const struct field *spec, uint32_t *ret_s)
{
	static const char *const words[] = {"None", "ClientIP", NULL};
	int64_t timeout_s = AFFINITY_DEFAULT_S;
	struct field config, client;
	size_t i = 0;
	int r;

	r = field_choice(spec, "sessionAffinity", words, &i);
	if (r < 0)
		return r;
	r = field_object(spec, "sessionAffinityConfig", &config);
	if (r < 0)
		return r;
	r = field_object(&config, "clientIP", &client);
	if (r < 0)
		return r;
	r = field_integer(&client, "timeoutSeconds", 1, AFFINITY_MAX_S, &timeout_s);
	if (r < 0)
		return r;
	*ret_s = i == 1 ? (uint32_t)timeout_s : 0;
	return 0;
}

static int decode_policies(const struct field *spec, struct k8s_service *service)
{
	static const char *const words[] = {"Cluster", "Local", NULL};
	size_t external = 0, internal = 0;
	int r;

	r = field_choice(spec, "externalTrafficPolicy", words, &external);
	if (r < 0)
		return r;
	r = field_choice(spec, "internalTrafficPolicy", words, &internal);
	if (r < 0)
		return r;
	service->is_external_local = external == 1;
	service->is_internal_local = internal == 1;
	return field_port(spec, "healthCheckNodePort", 0, &service->health_check_node_port);
}

static int decode_type(const struct field *spec, enum k8s_service_type *ret)
{
	static const char *const words[] = {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName",
					    NULL};
	static const enum k8s_service_type types[] = {K8S_CLUSTER_IP, K8S_NODE_PORT,
						      K8S_LOAD_BALANCER, K8S_EXTERNAL_NAME};
	size_t i = 0;
	int r = field_choice(spec, "type", words, &i);

	if (r < 0)
		return r;
	*ret = types[i];
	return 0;
}

/* A bad value is the model's business: the Service is served all the same. */
static int decode_algorithm(const struct meta *meta, enum k8s_algorithm *ret)
{
	const char *text;
	int r = meta_annotation(meta, ANNOTATION_ALGORITHM, &text);

	if (r < 0)
		return r;
	if (!text)
		*ret = K8S_ALGORITHM_DEFAULT;
	else if (strcmp(text, "random") == 0)
		*ret = K8S_ALGORITHM_RANDOM;
	else
		*ret = strcmp(text, "maglev") == 0 ? K8S_ALGORITHM_MAGLEV : K8S_ALGORITHM_BAD;
	return 0;
}

static int decode_meta(const struct field *root, struct strings *pool, struct k8s_service *service)
{
	struct meta meta;
	const char *proxy;
	int r;

	r = meta_decode(root, META_NAME_LABEL, &meta);
	if (r < 0)
		return r;
	r = meta_label(&meta, LABEL_PROXY_NAME, &proxy);
	if (r < 0)
		return r;
	r = decode_algorithm(&meta, &service->algorithm);
	if (r < 0)
		return r;
	service->is_excluded = proxy != NULL;
	service->created_s = meta.created_s;
	r = intern(pool, meta.namespace, &service->namespace);
	return r < 0 ? r : intern(pool, meta.name, &service->name);
}

static int decode_spec(const struct field *spec, struct strings *pool, struct k8s_service *service)
{
	int r;

	r = decode_type(spec, &service->type);
	if (r < 0)
		return r;
	r = decode_cluster_ips(spec, service);
	if (r < 0)
		return r;
	r = decode_families(spec, service);
	if (r < 0)
		return r;
	r = decode_ports(spec, pool, service);
	if (r < 0)
		return r;
	r = decode_policies(spec, service);
	if (r < 0)
		return r;
	r = decode_affinity(spec, &service->affinity_s);
	if (r < 0)
		return r;
	r = decode_external_ips(spec, service);
	return r < 0 ? r : decode_source_ranges(spec, service);
}

static int service_fill(const struct field *root, struct strings *pool, struct k8s_service *service)
{
	struct field spec;
	int r;

	r = decode_meta(root, pool, service);
	if (r < 0)
		return r;
	r = field_object(root, "spec", &spec);
	if (r < 0)
		return r;
	r = decode_spec(&spec, pool, service);
	return r < 0 ? r : decode_ingress(root, service);
}

int decode_service(const struct cJSON *json, struct strings *pool, struct k8s_service **ret,
		   struct decode_error *ret_error)
{
	struct field root = field_root(json, ret_error);
	struct k8s_service *service = calloc(1, sizeof(*service));
	int r;

	if (!service)
		return -ENOMEM;
	r = service_fill(&root, pool, service);
	if (r < 0) {
		k8s_service_free(pool, service);
		return r;
	}
	*ret = service;
	return 0;
}
