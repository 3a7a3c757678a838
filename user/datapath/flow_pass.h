/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk over flows4 and flows6: counts what is there, deletes what has timed out, and finds UDP
 * flows to backends that have left.
 */
#ifndef SVCBPF_DATAPATH_FLOW_PASS_H
#define SVCBPF_DATAPATH_FLOW_PASS_H

#include <stddef.h>
#include <stdint.h>

#include "datapath/maps.h"
#include "datapath/stale_udp.h"

/* Index of what is counted for each protocol. */
#define FLOW_TCP	 0
#define FLOW_UDP	 1
#define FLOW_SCTP	 2
#define N_FLOW_PROTOCOLS 3

/**
 * struct flow_pass_result - what a walk found.
 * @n_flows: forward entries that stay, [IPv4, IPv6][FLOW_*][SVC_FLOW_*].
 * @n_entries: entries that stay, in either direction: [IPv4, IPv6].
 * @n_expired: flows deleted, which had their forward entry.
 * @n_orphans: reply entries deleted that had none.
 * @n_stale: UDP flows found whose backend had left, not known as such before.
 */
struct flow_pass_result {
	uint64_t n_flows[2][N_FLOW_PROTOCOLS][SVC_N_FLOW_STATES];
	uint64_t n_entries[2];
	uint64_t n_expired;
	uint64_t n_orphans;
	uint64_t n_stale;
};

/**
 * struct flow_pass - a walk to make.
 * @maps: only its file descriptors are used: the walk may be another thread's than the agent's.
 * @timeouts_s: SVC_N_FLOW_STATES of them.
 * @services: UDP service ports whose flows to backends that do not serve shall be made anew, sorted
 *	by service id; those without any serving endpoint are left alone.
 * @pause: called after each batch of entries, to give up the CPU; negative ends the walk. May be
 *	NULL.
 */
struct flow_pass {
	const struct maps *maps;
	const uint32_t *timeouts_s;
	const struct stale_udp_service *services;
	size_t n_services;
	int (*pause)(void *arg);
	void *arg;
};

/**
 * flow_pass_run() - make the walk.
 *
 * A flow is over when both its entries have been idle for longer than the timeout of their state,
 * an entry without its partner when it alone has. Both are read again just before they are deleted.
 * What remains is the time of two system calls: a packet that comes in it, after an idle time
 * longer than the timeout to the second, meets a flow that is deleted under it. The packet itself
 * is translated; the next one of a TCP connection finds no flow, as it would have a moment later.
 *
 * Return: 0; -EAGAIN: the tables changed too fast to be walked; -ENOMEM; what @pause returned;
 * negative errno of bpf(2). *@ret_result is filled in as far as the walk came.
 */
int flow_pass_run(const struct flow_pass *pass, struct flow_pass_result *ret_result);

#endif
