/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/serving.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/generations.h"

static int compare(const struct backend *a, const struct backend *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	return order ? order : (a->port > b->port) - (a->port < b->port);
}

/*
 * Calls @fn for each of @old that is not in @new; both are sorted.
 * Return: how many there are.
 */
static size_t for_each_lost(const struct backend_list *old, const struct backend_list *new,
			    void (*fn)(struct shadow *shadow, const struct backend *backend),
			    struct shadow *shadow)
{
	size_t i, j = 0, n = 0;

	for (i = 0; i < old->n_backends; i++) {
		while (j < new->n_backends && compare(&new->backends[j], &old->backends[i]) < 0)
			j++;
		if (j < new->n_backends && !compare(&new->backends[j], &old->backends[i]))
			continue;
		fn(shadow, &old->backends[i]);
		n++;
	}
	return n;
}

/* Sockets are looked for by the sweeper. */
static int sweep(struct datapath *datapath, const struct shadow_port *port,
		 const struct backend_list *serving)
{
	if (!datapath->sweeper)
		return 0;
	datapath->is_sweep_due = true;
	return sweeper_add(datapath->sweeper, port->id, serving);
}

/* And flows by the collector: which backends left is not known, as they did while no agent ran. */
static int sweep_all(struct datapath *datapath, const struct shadow_port *port,
		     const struct backend_list *serving)
{
	int r = sweep(datapath, port, serving);

	if (r < 0 || !datapath->collector)
		return r;
	datapath->is_sweep_due = true;
	return flow_collector_check(datapath->collector, port->id, serving);
}

/* What the change means to those who use a backend of before; the first complete commit is known.
 */
static int tell_change(struct datapath *datapath, const struct shadow_port *port,
		       const struct backend_list *serving)
{
	if (port->is_adopted && !port->serving.n_backends)
		return sweep_all(datapath, port, serving);
	if (!for_each_lost(&port->serving, serving, generations_retire, &datapath->shadow))
		return 0;
	return sweep(datapath, port, serving);
}

static int remember(struct shadow_port *port, const struct backend_list *serving)
{
	struct backend *copy = NULL;

	if (serving->n_backends) {
		copy = calloc(serving->n_backends, sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		memcpy(copy, serving->backends, serving->n_backends * sizeof(*copy));
		port->is_adopted = false;
	}
	free(port->serving.backends);
	port->serving = (struct backend_list){.backends = copy, .n_backends = serving->n_backends};
	return 0;
}

int serving_update(struct datapath *datapath, struct shadow_port *port,
		   const struct service_port *wanted)
{
	const struct backend_list *serving = &wanted->serving;
	int told = 0, r;

	if (port->protocol != IPPROTO_UDP || backend_list_equal(&port->serving, serving))
		return 0;
	/* With no endpoint left all is left alone; sockets that were to be ended, too. */
	if (datapath->is_complete && !serving->n_backends)
		return sweep(datapath, port, serving);
	if (datapath->is_complete)
		told = tell_change(datapath, port, serving);
	r = remember(port, serving);
	return told < 0 ? told : r;
}

int serving_complete(struct datapath *datapath)
{
	const struct shadow_port *port;
	int r;

	if (datapath->is_complete)
		return 0;
	datapath->is_complete = true;
	for (port = datapath->shadow.ports; port; port = port->hh.next) {
		if (port->protocol != IPPROTO_UDP || !port->serving.n_backends)
			continue;
		r = sweep_all(datapath, port, &port->serving);
		if (r < 0)
			return r;
	}
	return 0;
}
