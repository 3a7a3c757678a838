/* SPDX-License-Identifier: Apache-2.0 */
/* The flow table for people: forward and reply entries joined into flows, with names. */
#ifndef SVCBPF_DATAPATH_FLOWS_H
#define SVCBPF_DATAPATH_FLOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/datapath.h"
#include "datapath/flow_entry.h"

/**
 * struct datapath_flow - a flow; what an entry that is not there would say is taken from the other.
 * @service: names, borrowed for the call; namespace NULL: the service port is gone.
 * @client, @frontend: as the client sends.  @backend: where that goes.
 * @source: the client as the backend sees it; other than @client with SVC_FLOW_F_SNAT.
 * @protocol: IPPROTO_*.  @state: SVC_FLOW_*.  @flags: SVC_FLOW_F_*.
 * @has_forward, @has_reply: which of the two entries are there; flows with SVC_FLOW_F_DSR have no
 *	reply entry.
 * @is_over: idle for longer than the timeout in both directions: it waits to be deleted.
 * @is_stale: UDP, and its backend has left: its next packet makes it anew (R39).
 * @age_s: since its first packet.
 * @idle_s: since the last packet of either direction.
 * @client_idle_s, @backend_idle_s: of each; that of a missing entry is @idle_s.
 * @timeout_s: of its state.
 */
struct datapath_flow {
	struct service_port_key service;
	struct flow_endpoint client;
	struct flow_endpoint frontend;
	struct flow_endpoint backend;
	struct flow_endpoint source;
	uint8_t protocol;
	uint8_t state;
	uint8_t flags;
	bool has_forward;
	bool has_reply;
	bool is_over;
	bool is_stale;
	uint32_t age_s;
	uint32_t idle_s;
	uint32_t client_idle_s;
	uint32_t backend_idle_s;
	uint32_t timeout_s;
};

/**
 * struct datapath_flow_filter - which flows; zero: all.
 * @service: "namespace/name", borrowed; NULL: any.
 * @client: family ADDR_NONE: any.  @client_port: 0: any.
 * @backend: family ADDR_NONE: any.  @backend_port: 0: any.
 * @protocol: 0: any.  @state: 0: any.
 */
struct datapath_flow_filter {
	const char *service;
	struct cidr client;
	struct cidr backend;
	uint16_t client_port;
	uint16_t backend_port;
	uint8_t protocol;
	uint8_t state;
};

/** datapath_has_flows() - whether these pins have a flow table: the packet path is in use. */
bool datapath_has_flows(const struct datapath_reader *reader);

/**
 * datapath_read_flows() - call @fn for each flow that @filter lets through, ordered by Service,
 * client, frontend and protocol.
 *
 * The table changes meanwhile: a flow that begins or ends just then may be missing, or be told with
 * one of its entries.
 * Return: 0, negative errno or what @fn returned.
 */
int datapath_read_flows(const struct datapath_reader *reader,
			const struct datapath_flow_filter *filter,
			int (*fn)(void *arg, const struct datapath_flow *flow), void *arg);

#endif
