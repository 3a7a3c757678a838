/* SPDX-License-Identifier: Apache-2.0 */
/* What a Service came to, compared with what was told last: only the differences are told. */
#include <errno.h>
#include <stdlib.h>

#include "model/model_private.h"

void tell_free_dead(struct model *model)
{
	for (size_t i = 0; i < model->n_dead; i++)
		compute_port_free(model->pool, model->dead[i]);
	model->n_dead = 0;
}

/* Makes room for @n_more, so that burying cannot fail in the middle of telling. */
static int reserve_dead(struct model *model, size_t n_more)
{
	size_t capacity = model->dead_capacity ? model->dead_capacity : 64;
	struct service_port **dead;

	while (capacity < model->n_dead + n_more)
		capacity *= 2;
	if (capacity == model->dead_capacity)
		return 0;
	dead = reallocarray(model->dead, capacity, sizeof(struct service_port *));
	if (!dead)
		return -ENOMEM;
	model->dead = dead;
	model->dead_capacity = capacity;
	return 0;
}

/* Whether the datapath need not hear of the difference between the two, if any. */
static bool is_same(const struct service_port *a, const struct service_port *b)
{
	return service_port_equal(a, b) && backend_list_equal(&a->cluster, &b->cluster) &&
	       backend_list_equal(&a->local, &b->local) &&
	       backend_list_equal(&a->serving, &b->serving);
}

/* Moves what the datapath does not hold, and source ranges without a LoadBalancer IP. */
static void take_untold(struct service_port *told, struct service_port *fresh)
{
	struct cidr *ranges = told->source_ranges;

	told->source_ranges = fresh->source_ranges;
	told->n_source_ranges = fresh->n_source_ranges;
	fresh->source_ranges = ranges;
	told->is_internal_local = fresh->is_internal_local;
	told->is_external_local = fresh->is_external_local;
	told->has_endpoints = fresh->has_endpoints;
	told->health_check_node_port = fresh->health_check_node_port;
	told->n_local_ready = fresh->n_local_ready;
}

static int tell_port(const struct model_events *events, const struct service_port *old,
		     const struct service_port *new)
{
	int r = events && events->port ? events->port(events->arg, old, new) : 0;

	return r < 0 ? r : 0;
}

/*
 * Walks over told and fresh ports side by side and tells the differences. @told collects what the
 * entry has afterwards, also when a callback fails in the middle.
 */
static int tell_differences(struct model *model, const struct model_events *events,
			    const struct service_entry *entry, struct compute_result *fresh,
			    struct service_port **told, size_t *n_told)
{
	size_t i = 0, j = 0;
	int r = 0;

	while (i < entry->n_ports || j < fresh->n_ports) {
		struct service_port *old = i < entry->n_ports ? entry->ports[i] : NULL;
		struct service_port *new = j < fresh->n_ports ? fresh->ports[j] : NULL;
		int order = !old ? 1 : !new ? -1 : service_port_key_compare(&old->key, &new->key);

		i += order <= 0;
		j += order >= 0;
		if (order == 0 && is_same(old, new)) {
			take_untold(old, new);
			told[(*n_told)++] = old;
			continue;
		}
		r = tell_port(events, order <= 0 ? old : NULL, order >= 0 ? new : NULL);
		if (r < 0) {
			i -= order <= 0;
			break;
		}
		if (order <= 0)
			model->dead[model->n_dead++] = old;
		if (order >= 0) {
			told[(*n_told)++] = new;
			fresh->ports[j - 1] = NULL;
		}
	}
	while (i < entry->n_ports)
		told[(*n_told)++] = entry->ports[i++];
	return r;
}

int tell_ports(struct model *model, const struct model_events *events, struct service_entry *entry,
	       struct compute_result *fresh)
{
	size_t max = entry->n_ports + fresh->n_ports, n_told = 0;
	struct service_port **told, **shrunk;
	int r = reserve_dead(model, entry->n_ports);

	if (r < 0 || max == 0)
		return r;
	told = calloc(max, sizeof(*told));
	if (!told)
		return -ENOMEM;
	r = tell_differences(model, events, entry, fresh, told, &n_told);
	free(entry->ports);
	entry->n_ports = n_told;
	if (n_told == 0) {
		free(told);
		told = NULL;
	} else if (n_told < max) {
		shrunk = reallocarray(told, n_told, sizeof(*told));
		told = shrunk ? shrunk : told;
	}
	entry->ports = told;
	return r;
}

struct health_check tell_make_health(const struct service_entry *entry,
				     const struct compute_result *result)
{
	struct health_check health = entry->health;

	health.node_port = 0;
	health.n_local_endpoints = 0;
	for (size_t i = 0; i < result->n_ports; i++) {
		const struct service_port *port = result->ports[i];

		if (port->health_check_node_port == 0)
			continue;
		health.node_port = port->health_check_node_port;
		if (port->n_local_ready > health.n_local_endpoints)
			health.n_local_endpoints = port->n_local_ready;
	}
	return health;
}

int tell_health(const struct model_events *events, struct service_entry *entry,
		const struct health_check *health)
{
	int r = 0;

	if (health->node_port == entry->health.node_port &&
	    health->n_local_endpoints == entry->health.n_local_endpoints)
		return 0;
	if (events && events->health)
		r = events->health(events->arg, health);
	if (r < 0)
		return r;
	entry->health = *health;
	return 0;
}
