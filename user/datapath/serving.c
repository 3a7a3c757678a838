/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/serving.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static int compare(const struct backend *a, const struct backend *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	return order ? order : (a->port > b->port) - (a->port < b->port);
}

/* Whether one of @old is not in @new; both are sorted. */
static bool has_lost_one(const struct backend_list *old, const struct backend_list *new)
{
	size_t i, j = 0;

	for (i = 0; i < old->n_backends; i++) {
		while (j < new->n_backends && compare(&new->backends[j], &old->backends[i]) < 0)
			j++;
		if (j == new->n_backends || compare(&new->backends[j], &old->backends[i]))
			return true;
	}
	return false;
}

static int sweep(struct datapath *datapath, const struct shadow_port *port,
		 const struct backend_list *serving)
{
	if (!datapath->sweeper)
		return 0;
	datapath->is_sweep_due = true;
	return sweeper_add(datapath->sweeper, port->id, serving);
}

int serving_update(struct datapath *datapath, struct shadow_port *port,
		   const struct service_port *wanted)
{
	const struct backend_list *serving = &wanted->serving;
	struct backend *copy = NULL;
	int r = 0;

	if (port->protocol != IPPROTO_UDP || backend_list_equal(&port->serving, serving))
		return 0;
	if (datapath->is_complete && has_lost_one(&port->serving, serving))
		r = sweep(datapath, port, serving);
	if (serving->n_backends) {
		copy = calloc(serving->n_backends, sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		memcpy(copy, serving->backends, serving->n_backends * sizeof(*copy));
	}
	free(port->serving.backends);
	port->serving = (struct backend_list){.backends = copy, .n_backends = serving->n_backends};
	return r;
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
		r = sweep(datapath, port, &port->serving);
		if (r < 0)
			return r;
	}
	return 0;
}
