/* SPDX-License-Identifier: Apache-2.0 */
#include "model/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define MIN_CAPACITY 16

struct state {
	char *node;
	char *zone;
	struct service_port **ports;
	size_t n_ports;
	size_t ports_capacity;
	struct health_check *checks;
	size_t n_checks;
	size_t checks_capacity;
};

static void state_freep(struct state **state)
{
	state_free(*state);
}

int state_new(const char *node, const char *zone, struct state **ret)
{
	_cleanup_(state_freep) struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->node = strdup(node);
	state->zone = strdup(zone ? zone : "");
	if (!state->node || !state->zone)
		return -ENOMEM;
	*ret = TAKE_PTR(state);
	return 0;
}

static void free_check(struct health_check *check)
{
	free((char *)check->namespace);
	free((char *)check->name);
}

void state_free(struct state *state)
{
	if (!state)
		return;
	for (size_t i = 0; i < state->n_ports; i++)
		service_port_free(state->ports[i]);
	for (size_t i = 0; i < state->n_checks; i++)
		free_check(&state->checks[i]);
	free(state->ports);
	free(state->checks);
	free(state->node);
	free(state->zone);
	free(state);
}

const char *state_node(const struct state *state)
{
	return state->node;
}

const char *state_zone(const struct state *state)
{
	return state->zone;
}

/* The array, with room for one element more than @n; NULL without memory. */
static void *reserve(void *array, size_t n, size_t *capacity, size_t size_bytes)
{
	size_t wanted = *capacity ? *capacity * 2 : MIN_CAPACITY;
	void *grown;

	if (n < *capacity)
		return array;
	grown = reallocarray(array, wanted, size_bytes);
	if (grown)
		*capacity = wanted;
	return grown;
}

int state_add(struct state *state, struct service_port *port)
{
	struct service_port **ports = reserve(state->ports, state->n_ports, &state->ports_capacity,
					      sizeof(*state->ports));

	if (!ports) {
		service_port_free(port);
		return -ENOMEM;
	}
	state->ports = ports;
	state->ports[state->n_ports++] = port;
	return 0;
}

/* gcc 12's analyzer forgets what it saw stored at an unknown index and calls it a leak */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
int state_add_health_check(struct state *state, const struct health_check *check)
{
	struct health_check *checks = reserve(state->checks, state->n_checks,
					      &state->checks_capacity, sizeof(*state->checks));
	_free_ char *namespace = strdup(check->namespace), *name = strdup(check->name);

	if (checks)
		state->checks = checks;
	if (!checks || !namespace || !name)
		return -ENOMEM;
	checks[state->n_checks++] = (struct health_check){
		.namespace = TAKE_PTR(namespace),
		.name = TAKE_PTR(name),
		.node_port = check->node_port,
		.n_local_endpoints = check->n_local_endpoints,
	};
	return 0;
}
#pragma GCC diagnostic pop

static int compare_ports(const void *a, const void *b)
{
	const struct service_port *const *x = a, *const *y = b;

	return service_port_key_compare(&(*x)->key, &(*y)->key);
}

static int compare_checks(const void *a, const void *b)
{
	const struct health_check *x = a, *y = b;
	int order = strcmp(x->namespace, y->namespace);

	return order ? order : strcmp(x->name, y->name);
}

void state_sort(struct state *state)
{
	if (state->n_ports > 1)
		qsort(state->ports, state->n_ports, sizeof(*state->ports), compare_ports);
	if (state->n_checks > 1)
		qsort(state->checks, state->n_checks, sizeof(*state->checks), compare_checks);
}

struct service_port *const *state_ports(const struct state *state, size_t *ret_n)
{
	*ret_n = state->n_ports;
	return state->ports;
}

const struct health_check *state_health_checks(const struct state *state, size_t *ret_n)
{
	*ret_n = state->n_checks;
	return state->checks;
}

int state_diff(const struct state *old, const struct state *new,
	       int (*fn)(void *arg, const struct service_port *old, const struct service_port *new),
	       void *arg)
{
	size_t i = 0, j = 0;

	while (i < old->n_ports || j < new->n_ports) {
		const struct service_port *a = i < old->n_ports ? old->ports[i] : NULL;
		const struct service_port *b = j < new->n_ports ? new->ports[j] : NULL;
		int order = !a ? 1 : !b ? -1 : service_port_key_compare(&a->key, &b->key);
		int r = 0;

		if (order < 0)
			r = fn(arg, a, NULL);
		else if (order > 0)
			r = fn(arg, NULL, b);
		else if (!service_port_equal(a, b))
			r = fn(arg, a, b);
		if (r < 0)
			return r;
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}
