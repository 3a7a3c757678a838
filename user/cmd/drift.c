/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/drift.h"

#include <stdio.h>
#include <string.h>

#include "cmd/print.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

/* What all steps of one comparison share. */
struct finder {
	const char *service;
	int (*fn)(void *arg, const struct drift *drift);
	void *arg;
};

/* A service port in the kernel and in the plan, with the drift that is filled in for each fact. */
struct pair {
	const struct finder *finder;
	const struct service_port *kernel;
	const struct service_port *plan;
	struct drift drift;
};

static const uint8_t all_types[] = {
	SVC_TYPE_CLUSTER_IP,
	SVC_TYPE_EXTERNAL_IP,
	SVC_TYPE_LOAD_BALANCER,
	SVC_TYPE_NODE_PORT,
};

/* A sorted array of anything. */
struct span {
	const void *items;
	size_t n_items;
	size_t size_bytes;
};

/* How to walk two sorted arrays side by side: @tell gets NULL for what is in the other only. */
struct walk {
	int (*compare)(const void *kernel, const void *plan);
	int (*tell)(struct pair *pair, const void *kernel, const void *plan);
};

static const void *span_item(const struct span *span, size_t i)
{
	return i < span->n_items ? (const char *)span->items + i * span->size_bytes : NULL;
}

static int walk_both(struct pair *pair, const struct walk *walk, const struct span *kernel,
		     const struct span *plan)
{
	const void *in_kernel = span_item(kernel, 0);
	const void *planned = span_item(plan, 0);
	size_t k = 0;
	size_t p = 0;
	int r = 0;

	while (r == 0 && (in_kernel || planned)) {
		int order = planned ? 1 : -1;

		if (in_kernel && planned)
			order = walk->compare(in_kernel, planned);
		r = walk->tell(pair, order <= 0 ? in_kernel : NULL, order >= 0 ? planned : NULL);
		k += order <= 0;
		p += order >= 0;
		in_kernel = span_item(kernel, k);
		planned = span_item(plan, p);
	}
	pair->drift.item[0] = '\0';
	return r;
}

static int pair_tell(struct pair *pair, const char *what, const char *planned,
		     const char *in_kernel)
{
	pair->drift.what = what;
	pair->drift.planned = planned;
	pair->drift.in_kernel = in_kernel;
	return pair->finder->fn(pair->finder->arg, &pair->drift);
}

/* ------------------------------------------------------------------ frontends */

static int frontend_order(const void *kernel, const void *plan)
{
	return frontend_compare(kernel, plan);
}

static int tell_frontend(struct pair *pair, const void *kernel, const void *plan)
{
	const struct frontend *any = kernel ? kernel : plan;
	char endpoint[PRINT_ENDPOINT_MAX];

	if (!any || (kernel && plan))
		return 0;
	snprintf(pair->drift.item, sizeof(pair->drift.item), "%s %s", print_type_name(any->type),
		 print_endpoint(&any->addr, any->port, endpoint));
	return pair_tell(pair, "frontend", plan ? "there" : NULL, kernel ? "there" : NULL);
}

static int compare_frontends(struct pair *pair)
{
	static const struct walk walk = {frontend_order, tell_frontend};
	const struct span kernel = {pair->kernel->frontends, pair->kernel->n_frontends,
				    sizeof(struct frontend)};
	const struct span plan = {pair->plan->frontends, pair->plan->n_frontends,
				  sizeof(struct frontend)};

	return walk_both(pair, &walk, &kernel, &plan);
}

/* ------------------------------------------------------------------ backends */

static const char *backend_text(const struct backend *backend)
{
	bool is_local = backend->flags & SVC_BACKEND_F_LOCAL;

	if (backend->flags & SVC_BACKEND_F_TERMINATING)
		return is_local ? "local terminating" : "terminating";
	return is_local ? "local ready" : "ready";
}

static int backend_order(const void *kernel, const void *plan)
{
	const struct backend *a = kernel;
	const struct backend *b = plan;
	int order = addr_compare(&a->addr, &b->addr);

	return order ? order : (a->port > b->port) - (a->port < b->port);
}

/* pair->drift.what says which list it is. */
static int tell_backend(struct pair *pair, const void *kernel, const void *plan)
{
	const struct backend *in_kernel = kernel;
	const struct backend *planned = plan;
	const struct backend *any = kernel ? kernel : plan;

	if (!any || (in_kernel && planned && in_kernel->flags == planned->flags))
		return 0;
	print_endpoint(&any->addr, any->port, pair->drift.item);
	return pair_tell(pair, pair->drift.what, planned ? backend_text(planned) : NULL,
			 in_kernel ? backend_text(in_kernel) : NULL);
}

static int tell_empty(struct pair *pair, const char *what, const struct backend_list *kernel,
		      const struct backend_list *plan)
{
	bool is_kernel_drop = service_port_is_drop(pair->kernel, kernel);
	bool is_plan_drop = service_port_is_drop(pair->plan, plan);

	if (kernel->n_backends || plan->n_backends || is_kernel_drop == is_plan_drop)
		return 0;
	return pair_tell(pair, what, is_plan_drop ? "drop" : "reject",
			 is_kernel_drop ? "drop" : "reject");
}

static int compare_lists(struct pair *pair, const char *what, const struct backend_list *kernel,
			 const struct backend_list *plan)
{
	static const struct walk walk = {backend_order, tell_backend};
	const struct span in_kernel = {kernel->backends, kernel->n_backends,
				       sizeof(struct backend)};
	const struct span planned = {plan->backends, plan->n_backends, sizeof(struct backend)};

	pair->drift.what = what;
	return walk_both(pair, &walk, &in_kernel, &planned);
}

/* Whether a frontend of @port leads to @list, which is one of its own. */
static bool is_list_used(const struct service_port *port, const struct backend_list *list)
{
	for (size_t i = 0; i < port->n_frontends; i++) {
		uint8_t type = port->frontends[i].type;

		if (service_port_policy_list(port, type) == list ||
		    service_port_cluster_list(port, type) == list)
			return true;
	}
	return false;
}

/* A list that nothing leads to is not in the kernel at all. */
static int compare_used_lists(struct pair *pair)
{
	const struct service_port *kernel = pair->kernel;
	const struct service_port *plan = pair->plan;
	int r = 0;

	if (is_list_used(kernel, &kernel->cluster) && is_list_used(plan, &plan->cluster)) {
		r = compare_lists(pair, "backend", &kernel->cluster, &plan->cluster);
		if (r == 0)
			r = tell_empty(pair, "answer without backends", &kernel->cluster,
				       &plan->cluster);
	}
	if (r == 0 && is_list_used(kernel, &kernel->local) && is_list_used(plan, &plan->local)) {
		r = compare_lists(pair, "local backend", &kernel->local, &plan->local);
		if (r == 0)
			r = tell_empty(pair, "answer without local backends", &kernel->local,
				       &plan->local);
	}
	return r;
}

/* ------------------------------------------------------------------ plain values */

static bool has_type(const struct service_port *port, uint8_t type)
{
	for (size_t i = 0; i < port->n_frontends; i++)
		if (port->frontends[i].type == type)
			return true;
	return false;
}

static int compare_policies(struct pair *pair)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all_types); i++) {
		const uint8_t type = all_types[i];
		bool is_kernel_local = service_port_is_local(pair->kernel, type);
		bool is_plan_local = service_port_is_local(pair->plan, type);

		if (is_kernel_local == is_plan_local || !has_type(pair->kernel, type) ||
		    !has_type(pair->plan, type))
			continue;
		snprintf(pair->drift.item, sizeof(pair->drift.item), "%s", print_type_name(type));
		r = pair_tell(pair, "policy", is_plan_local ? "Local" : "Cluster",
			      is_kernel_local ? "Local" : "Cluster");
	}
	pair->drift.item[0] = '\0';
	return r;
}

static int compare_affinity(struct pair *pair)
{
	char planned[32];
	char in_kernel[32];

	if (pair->kernel->affinity_s == pair->plan->affinity_s)
		return 0;
	snprintf(planned, sizeof(planned), "%u s", pair->plan->affinity_s);
	snprintf(in_kernel, sizeof(in_kernel), "%u s", pair->kernel->affinity_s);
	return pair_tell(pair, "affinity", planned, in_kernel);
}

static int compare_algorithms(struct pair *pair)
{
	if (pair->kernel->is_maglev == pair->plan->is_maglev)
		return 0;
	return pair_tell(pair, "algorithm", pair->plan->is_maglev ? "maglev" : "random",
			 pair->kernel->is_maglev ? "maglev" : "random");
}

static bool has_source_range(const struct service_port *port, const struct cidr *range)
{
	for (size_t i = 0; i < port->n_source_ranges; i++)
		if (port->source_ranges[i].prefix_len == range->prefix_len &&
		    addr_compare(&port->source_ranges[i].addr, &range->addr) == 0)
			return true;
	return false;
}

/* Tell the ranges of @these that are not in @others; they are for LoadBalancer frontends (R31). */
static int compare_source_ranges(struct pair *pair, const struct service_port *these,
				 const struct service_port *others)
{
	const bool is_planned = these == pair->plan;
	char text[ADDR_TEXT_MAX];
	int r = 0;

	if (!has_type(these, SVC_TYPE_LOAD_BALANCER) || !has_type(others, SVC_TYPE_LOAD_BALANCER))
		return 0;
	for (size_t i = 0; r == 0 && i < these->n_source_ranges; i++) {
		if (has_source_range(others, &these->source_ranges[i]))
			continue;
		snprintf(pair->drift.item, sizeof(pair->drift.item), "%s",
			 cidr_format(&these->source_ranges[i], text));
		r = pair_tell(pair, "source range", is_planned ? "there" : NULL,
			      is_planned ? NULL : "there");
	}
	pair->drift.item[0] = '\0';
	return r;
}

/* ------------------------------------------------------------------ service ports */

static int compare_both(struct pair *pair)
{
	int r = compare_frontends(pair);

	if (r == 0)
		r = compare_used_lists(pair);
	if (r == 0)
		r = compare_policies(pair);
	if (r == 0)
		r = compare_affinity(pair);
	if (r == 0)
		r = compare_algorithms(pair);
	if (r == 0)
		r = compare_source_ranges(pair, pair->plan, pair->kernel);
	if (r == 0)
		r = compare_source_ranges(pair, pair->kernel, pair->plan);
	return r;
}

/* A service port that lost all its frontends to others is planned, but nothing of it is there. */
static const struct service_port *visible(const struct service_port *port)
{
	return port && port->n_frontends ? port : NULL;
}

static int compare_ports(void *arg, const struct service_port *kernel,
			 const struct service_port *plan)
{
	const struct finder *finder = arg;
	struct pair pair = {.finder = finder, .kernel = visible(kernel), .plan = visible(plan)};
	const struct service_port *any = pair.kernel ? pair.kernel : pair.plan;

	if (!any || !print_is_service(finder->service, any->key.namespace, any->key.name))
		return 0;
	pair.drift.key = &any->key;
	snprintf(pair.drift.service, sizeof(pair.drift.service), "%s/%s", any->key.namespace,
		 any->key.name);
	if (pair.kernel && pair.plan)
		return compare_both(&pair);
	return pair_tell(&pair, "service port", pair.plan ? "there" : NULL,
			 pair.kernel ? "there" : NULL);
}

/* ------------------------------------------------------------------ health checks, node */

static int health_order(const void *kernel, const void *plan)
{
	const struct health_check *a = kernel;
	const struct health_check *b = plan;
	int order = strcmp(a->namespace, b->namespace);

	return order ? order : strcmp(a->name, b->name);
}

static const char *health_text(const struct health_check *check, char *buf, size_t size_bytes)
{
	snprintf(buf, size_bytes, "port %u, %u local endpoints", check->node_port,
		 check->n_local_endpoints);
	return buf;
}

static int tell_health(struct pair *pair, const void *kernel, const void *plan)
{
	const struct health_check *in_kernel = kernel;
	const struct health_check *planned = plan;
	const struct health_check *any = kernel ? kernel : plan;
	char kernel_text[64];
	char plan_text[64];

	if (!any || !print_is_service(pair->finder->service, any->namespace, any->name) ||
	    (in_kernel && planned && in_kernel->node_port == planned->node_port &&
	     in_kernel->n_local_endpoints == planned->n_local_endpoints))
		return 0;
	snprintf(pair->drift.service, sizeof(pair->drift.service), "%s/%s", any->namespace,
		 any->name);
	return pair_tell(pair, "health check",
			 planned ? health_text(planned, plan_text, sizeof(plan_text)) : NULL,
			 in_kernel ? health_text(in_kernel, kernel_text, sizeof(kernel_text))
				   : NULL);
}

static int compare_health(const struct finder *finder, const struct state *kernel,
			  const struct state *plan)
{
	static const struct walk walk = {health_order, tell_health};
	struct pair pair = {.finder = finder};
	struct span in_kernel = {.size_bytes = sizeof(struct health_check)};
	struct span planned = {.size_bytes = sizeof(struct health_check)};

	in_kernel.items = state_health_checks(kernel, &in_kernel.n_items);
	planned.items = state_health_checks(plan, &planned.n_items);
	return walk_both(&pair, &walk, &in_kernel, &planned);
}

static int compare_text(const struct finder *finder, const char *what, const char *kernel,
			const char *plan)
{
	struct pair pair = {.finder = finder};

	return strcmp(kernel, plan) == 0 ? 0 : pair_tell(&pair, what, plan, kernel);
}

int drift_find(const struct state *kernel, const struct state *plan, const char *service,
	       int (*fn)(void *arg, const struct drift *drift), void *arg)
{
	struct finder finder = {service, fn, arg};
	int r = compare_text(&finder, "node name", state_node(kernel), state_node(plan));

	if (r == 0)
		r = compare_text(&finder, "zone", state_zone(kernel), state_zone(plan));
	if (r == 0)
		r = state_diff(kernel, plan, compare_ports, &finder);
	return r < 0 ? r : compare_health(&finder, kernel, plan);
}
