/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/flow_entry.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "svcbpf/hash.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/endian.h"

#define NS_PER_S 1000000000u

/* Where the addresses of a value begin. */
#define ENDS_IN_VALUE sizeof(struct svc_flow_info)

/*
 * In a key, and in a value behind its struct svc_flow_info, stand two addresses and two ports; in a
 * key protocol and direction follow. @skip: where the addresses begin.
 */
#define ASSERT_ENDS(type, skip, addr_bytes)                                                        \
	_Static_assert(offsetof(struct type, src) == (skip) &&                                     \
			       offsetof(struct type, dst) == (skip) + (addr_bytes) &&              \
			       offsetof(struct type, src_port) == (skip) + 2 * (addr_bytes) &&     \
			       offsetof(struct type, dst_port) == (skip) + 2 * (addr_bytes) + 2,   \
		       #type)
#define ASSERT_REST(key, value, addr_bytes)                                                        \
	_Static_assert(offsetof(struct key, protocol) == 2 * (addr_bytes) + 4 &&                   \
			       offsetof(struct key, direction) == 2 * (addr_bytes) + 5 &&          \
			       offsetof(struct value, info) == 0,                                  \
		       #key)
ASSERT_ENDS(svc_flow_key4, 0, 4);
ASSERT_ENDS(svc_flow_key6, 0, 16);
ASSERT_ENDS(svc_flow4, ENDS_IN_VALUE, 4);
ASSERT_ENDS(svc_flow6, ENDS_IN_VALUE, 16);
ASSERT_REST(svc_flow_key4, svc_flow4, 4);
ASSERT_REST(svc_flow_key6, svc_flow6, 16);

static size_t addr_bytes(uint8_t family)
{
	return family == SVC_FAMILY_IPV4 ? 4 : 16;
}

enum map_id flow_map(uint8_t family)
{
	return family == SVC_FAMILY_IPV4 ? MAP_FLOWS4 : MAP_FLOWS6;
}

/* The @index-th of the two addresses and ports at @bytes. */
static struct flow_endpoint endpoint_at(uint8_t family, const uint8_t *bytes, size_t index)
{
	const size_t len_bytes = addr_bytes(family);
	struct flow_endpoint end = {.addr = {.family = family}};
	__be16 port;

	memcpy(end.addr.bytes, bytes + index * len_bytes, len_bytes);
	memcpy(&port, bytes + 2 * len_bytes + index * sizeof(port), sizeof(port));
	end.port = be16_to_host(port);
	return end;
}

uint8_t flow_protocol(uint8_t family, const void *key)
{
	return ((const uint8_t *)key)[2 * addr_bytes(family) + 4];
}

uint8_t flow_direction(uint8_t family, const void *key)
{
	return ((const uint8_t *)key)[2 * addr_bytes(family) + 5];
}

struct svc_flow_info flow_info(const void *value)
{
	struct svc_flow_info info;

	memcpy(&info, value, sizeof(info));
	return info;
}

void flow_entry_read(uint8_t family, const void *key, const void *value,
		     struct flow_entry *ret_entry)
{
	const uint8_t *ends = (const uint8_t *)value + ENDS_IN_VALUE;

	*ret_entry = (struct flow_entry){
		.src = endpoint_at(family, key, 0),
		.dst = endpoint_at(family, key, 1),
		.to_src = endpoint_at(family, ends, 0),
		.to_dst = endpoint_at(family, ends, 1),
		.info = flow_info(value),
		.protocol = flow_protocol(family, key),
		.direction = flow_direction(family, key),
	};
}

/* What packets of one direction become, swapped, is how those of the other arrive. */
void flow_partner(uint8_t family, const void *key, const void *value, union flow_key *ret_key)
{
	const size_t len_bytes = addr_bytes(family);
	const uint8_t *from = (const uint8_t *)value + ENDS_IN_VALUE;
	uint8_t *to = (uint8_t *)ret_key;

	memset(ret_key, 0, sizeof(*ret_key));
	memcpy(to, from + len_bytes, len_bytes);
	memcpy(to + len_bytes, from, len_bytes);
	memcpy(to + 2 * len_bytes, from + 2 * len_bytes + 2, 2);
	memcpy(to + 2 * len_bytes + 2, from + 2 * len_bytes, 2);
	to[2 * len_bytes + 4] = flow_protocol(family, key);
	to[2 * len_bytes + 5] =
		flow_direction(family, key) == SVC_FLOW_FORWARD ? SVC_FLOW_REPLY : SVC_FLOW_FORWARD;
}

uint32_t flow_backend_index(const struct flow_entry *entry)
{
	const struct flow_endpoint *backend =
		entry->direction == SVC_FLOW_FORWARD ? &entry->to_dst : &entry->src;
	uint8_t bytes[16];
	__be32 addr[4];

	addr_to_mapped(&backend->addr, bytes);
	memcpy(addr, bytes, sizeof(addr));
	return svc_generation_index(addr, be16_from_host(backend->port));
}

uint32_t flow_now_s(void)
{
	return (uint32_t)(clock_now_ns(CLOCK_MONOTONIC) / NS_PER_S);
}

uint32_t flow_idle_s(const struct svc_flow_info *info, uint32_t now_s)
{
	return now_s > info->last_s ? now_s - info->last_s : 0;
}

bool flow_is_idle(const struct svc_flow_info *info, const uint32_t *timeouts_s, uint32_t now_s)
{
	const uint32_t timeout_s = info->state < SVC_N_FLOW_STATES ? timeouts_s[info->state] : 0;

	return flow_idle_s(info, now_s) > timeout_s;
}

static const char *const state_names[SVC_N_FLOW_STATES] = {
	[SVC_FLOW_UDP_UNREPLIED] = "unreplied",	    [SVC_FLOW_UDP_STREAM] = "stream",
	[SVC_FLOW_TCP_SYN_SENT] = "syn-sent",	    [SVC_FLOW_TCP_SYN_RECV] = "syn-recv",
	[SVC_FLOW_TCP_ESTABLISHED] = "established", [SVC_FLOW_TCP_FIN_WAIT] = "fin-wait",
	[SVC_FLOW_TCP_CLOSE_WAIT] = "close-wait",   [SVC_FLOW_TCP_LAST_ACK] = "last-ack",
	[SVC_FLOW_TCP_TIME_WAIT] = "time-wait",	    [SVC_FLOW_TCP_CLOSE] = "closed",
};

const char *flow_state_name(uint8_t state)
{
	return state < SVC_N_FLOW_STATES && state_names[state] ? state_names[state] : "?";
}

static bool is_same_word(const char *text, const char *name)
{
	for (; *text && *name; text++, name++) {
		const int c = *text == '_' ? '-' : tolower((unsigned char)*text);

		if (c != *name)
			return false;
	}
	return *text == *name;
}

int flow_state_parse(const char *text, uint8_t *ret_state)
{
	uint8_t state;

	for (state = 0; state < SVC_N_FLOW_STATES; state++) {
		if (!state_names[state] || !is_same_word(text, state_names[state]))
			continue;
		*ret_state = state;
		return 0;
	}
	return -EINVAL;
}
