/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which UDP service ports lost a serving endpoint, so that sockets connected to it must be found
 * and destroyed (rule R39, stale_udp.h).
 */
#ifndef SVCBPF_DATAPATH_SERVING_H
#define SVCBPF_DATAPATH_SERVING_H

#include "datapath/internal.h"

/**
 * serving_update() - @wanted was published: remember its serving endpoints, and have its sockets
 * swept when one of those before is missing. Before the first complete commit nothing is known
 * about those before; serving_complete() makes up for that. Return: 0 or -ENOMEM.
 */
int serving_update(struct datapath *datapath, struct shadow_port *port,
		   const struct service_port *wanted);

/**
 * serving_complete() - a complete commit was made: after the first one all UDP service ports are
 * swept, as endpoints may have left while no agent ran. Return: 0 or -ENOMEM.
 */
int serving_complete(struct datapath *datapath);

#endif
