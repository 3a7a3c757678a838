/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which UDP service ports lost a serving endpoint (rule R39), so that sockets connected to it must
 * be found and destroyed (stale_udp.h), and flows to it made anew (generations.h).
 *
 * A service port without any serving endpoint is left alone, as kube-proxy does: those that served
 * last are remembered until there are some again, and what is missing then has left.
 */
#ifndef SVCBPF_DATAPATH_SERVING_H
#define SVCBPF_DATAPATH_SERVING_H

#include "datapath/internal.h"

/**
 * serving_update() - @wanted was published: remember its serving endpoints; when one of those
 * before is missing, have its sockets swept and its generation stepped. Before the first complete
 * commit nothing is known about those before; serving_complete() makes up for that.
 * Return: 0 or -ENOMEM.
 */
int serving_update(struct datapath *datapath, struct shadow_port *port,
		   const struct service_port *wanted);

/**
 * serving_complete() - a complete commit was made: after the first one the sockets and flows of all
 * UDP service ports are looked through, as endpoints may have left while no agent ran.
 * Return: 0 or -ENOMEM.
 */
int serving_complete(struct datapath *datapath);

#endif
