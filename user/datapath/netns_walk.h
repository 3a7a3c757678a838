/* SPDX-License-Identifier: Apache-2.0 */
/* Visit every network namespace of the host that can be found. */
#ifndef SVCBPF_DATAPATH_NETNS_WALK_H
#define SVCBPF_DATAPATH_NETNS_WALK_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct netns_walk_result - how far a walk came.
 * @n_visited: namespaces visited, the own one included.
 * @n_unreachable: processes and named namespaces that could not be opened or entered.
 * @is_own_only: setns(2) is not allowed at all.
 */
struct netns_walk_result {
	uint32_t n_visited;
	uint32_t n_unreachable;
	bool is_own_only;
};

/**
 * netns_walk() - call @fn in the own network namespace, then in each other one: those of processes
 * and those mounted under /run/netns and /run/docker/netns, each once.
 * @fn: runs with the calling thread inside the namespace; 0: go on, 1: enough, negative: failed,
 *	which ends the walk in the own namespace and counts as unreachable in others.
 *
 * Only the calling thread moves; it is back in its own namespace on return. Needs CAP_SYS_ADMIN for
 * more than the own namespace, and CAP_SYS_PTRACE for processes of other users.
 * Return: 0; what @fn returned in the own namespace, if negative; -ENOTRECOVERABLE: the thread
 *could not return; -ENOMEM; errors of opening the own namespace.
 */
int netns_walk(int (*fn)(void *arg), void *arg, struct netns_walk_result *ret_result);

#endif
