/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of flows4 and flows6 alike: keys and values of both families lie in the same order and
 * differ in the length of their addresses only (flow_entry.c asserts that).
 */
#ifndef SVCBPF_DATAPATH_FLOW_ENTRY_H
#define SVCBPF_DATAPATH_FLOW_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/maps.h"
#include "svcbpf/abi.h"
#include "util/addr.h"

/** struct flow_endpoint - an address with its port. @addr.family: ADDR_NONE: none. */
struct flow_endpoint {
	struct addr addr;
	uint16_t port;
};

/**
 * struct flow_entry - one direction of a flow.
 * @src, @dst: of its packets as they arrive.  @to_src, @to_dst: what they become.
 * @direction: SVC_FLOW_FORWARD or SVC_FLOW_REPLY.
 */
struct flow_entry {
	struct flow_endpoint src;
	struct flow_endpoint dst;
	struct flow_endpoint to_src;
	struct flow_endpoint to_dst;
	struct svc_flow_info info;
	uint8_t protocol;
	uint8_t direction;
};

/** union flow_key, union flow_value - room for those of either family. */
union flow_key {
	struct svc_flow_key4 v4;
	struct svc_flow_key6 v6;
};

union flow_value {
	struct svc_flow4 v4;
	struct svc_flow6 v6;
};

/** flow_map() - the map of a family. @family: SVC_FAMILY_*. */
enum map_id flow_map(uint8_t family);

/** flow_entry_read() - take an entry apart. @key, @value: of @family's map, any alignment. */
void flow_entry_read(uint8_t family, const void *key, const void *value,
		     struct flow_entry *ret_entry);

/** flow_direction() - of a key. */
uint8_t flow_direction(uint8_t family, const void *key);

/** flow_protocol() - of a key: IPPROTO_*. */
uint8_t flow_protocol(uint8_t family, const void *key);

/** flow_info() - what both families keep of a direction. */
struct svc_flow_info flow_info(const void *value);

/** flow_partner() - the key of the other direction of the flow. */
void flow_partner(uint8_t family, const void *key, const void *value, union flow_key *ret_key);

/** flow_backend_index() - index in udp_generations of the backend of an entry. */
uint32_t flow_backend_index(const struct flow_entry *entry);

/** flow_now_s() - the clock of struct svc_flow_info: CLOCK_MONOTONIC in seconds. */
uint32_t flow_now_s(void);

/** flow_idle_s() - seconds since the last packet of this direction. */
uint32_t flow_idle_s(const struct svc_flow_info *info, uint32_t now_s);

/**
 * flow_is_idle() - whether a direction has timed out by itself, as the programs see it.
 * @timeouts_s: SVC_N_FLOW_STATES of them. An unknown state has none: it has timed out.
 */
bool flow_is_idle(const struct svc_flow_info *info, const uint32_t *timeouts_s, uint32_t now_s);

/**
 * flow_state_name() - "established" and so on, as ss(8) calls TCP's states.
 * @state: SVC_FLOW_*. Return: "?" for others.
 */
const char *flow_state_name(uint8_t state);

/** flow_state_parse() - the reverse; case and "_" for "-" do not matter. Return: 0 or -EINVAL. */
int flow_state_parse(const char *text, uint8_t *ret_state);

#endif
