/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/packet_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/duration.h"

#define LOCAL_PORT_RANGE "/proc/sys/net/ipv4/ip_local_port_range"

/* The kernel's own default, where that cannot be read. */
#define LOCAL_FIRST 32768
#define LOCAL_LAST  60999

#define NS_PER_S 1000000000ull

/* Linux net/netfilter/nf_conntrack_proto_tcp.c, nf_conntrack_proto_udp.c. */
static const struct {
	const char *name;
	uint32_t timeout_s;
} states[SVC_N_FLOW_STATES] = {
	[SVC_FLOW_UDP_UNREPLIED] = {"udp", 30},
	[SVC_FLOW_UDP_STREAM] = {"udp-stream", 120},
	[SVC_FLOW_TCP_SYN_SENT] = {"tcp-syn-sent", 120},
	[SVC_FLOW_TCP_SYN_RECV] = {"tcp-syn-recv", 60},
	[SVC_FLOW_TCP_ESTABLISHED] = {"tcp-established", 432000},
	[SVC_FLOW_TCP_FIN_WAIT] = {"tcp-fin-wait", 120},
	[SVC_FLOW_TCP_CLOSE_WAIT] = {"tcp-close-wait", 60},
	[SVC_FLOW_TCP_LAST_ACK] = {"tcp-last-ack", 30},
	[SVC_FLOW_TCP_TIME_WAIT] = {"tcp-time-wait", 120},
	[SVC_FLOW_TCP_CLOSE] = {"tcp-close", 10},
};

const char *packet_config_state_name(uint8_t state)
{
	return state < SVC_N_FLOW_STATES ? states[state].name : NULL;
}

uint8_t packet_config_state(const char *name, size_t len)
{
	for (uint8_t i = 0; i < SVC_N_FLOW_STATES; i++)
		if (states[i].name && strlen(states[i].name) == len &&
		    memcmp(states[i].name, name, len) == 0)
			return i;
	return 0;
}

uint32_t packet_config_default_timeout_s(uint8_t state)
{
	return state < SVC_N_FLOW_STATES ? states[state].timeout_s : 0;
}

/* ------------------------------------------------------------------ timeouts */

/* Parts of a second count as one: never shorter than what was asked for. */
static int parse_timeout(const char *text, size_t len, uint32_t *ret_s)
{
	char copy[64];
	uint64_t ns;
	int r;

	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	r = duration_parse(copy, &ns);
	if (r < 0)
		return r;
	if (!ns || ns > PACKET_CONFIG_MAX_TIMEOUT_S * NS_PER_S)
		return -ERANGE;
	*ret_s = (uint32_t)((ns + NS_PER_S - 1) / NS_PER_S);
	return 0;
}

int packet_config_parse_timeouts(const char *text, struct svc_packet_config *config,
				 const char **ret_item)
{
	struct svc_packet_config result = *config;

	for (const char *item = text;; item++) {
		const size_t len = strcspn(item, ",");
		const size_t name_len = strcspn(item, "=,");
		const uint8_t state = packet_config_state(item, name_len);
		int r;

		*ret_item = item;
		if (item[name_len] != '=')
			return -EINVAL;
		if (!state)
			return -ENOENT;
		r = parse_timeout(item + name_len + 1, len - name_len - 1,
				  &result.timeouts_s[state]);
		if (r < 0)
			return r;
		item += len;
		if (!*item)
			break;
	}
	*config = result;
	return 0;
}

/* ------------------------------------------------------------------ ports */

/** struct port_range - @first to @last; none when @last is below. */
struct port_range {
	unsigned long first;
	unsigned long last;
};

static int parse_range(const char *text, const char **ret_end, struct port_range *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	ret->first = strtoul(text, &end, 10);
	if (*end != '-' || end[1] < '0' || end[1] > '9')
		return -EINVAL;
	ret->last = strtoul(end + 1, &end, 10);
	if (*end && *end != ',')
		return -EINVAL;
	*ret_end = end;
	return ret->first && ret->first <= ret->last && ret->last <= UINT16_MAX ? 0 : -ERANGE;
}

static size_t count(const struct port_range *range)
{
	return range->last < range->first ? 0 : range->last - range->first + 1;
}

/* 65535 ports at most: a count fits. */
static void set_ranges(struct svc_packet_config *config, const struct port_range ranges[2])
{
	for (int i = 0; i < 2; i++) {
		config->snat_count[i] = (uint16_t)count(&ranges[i]);
		config->snat_first[i] = config->snat_count[i] ? (uint16_t)ranges[i].first : 0;
	}
}

int packet_config_parse_ports(const char *text, struct svc_packet_config *config)
{
	struct port_range ranges[2] = {{1, 0}, {1, 0}};
	int r;

	for (size_t i = 0;; text++) {
		if (i == ARRAY_SIZE(ranges))
			return -EINVAL;
		r = parse_range(text, &text, &ranges[i++]);
		if (r < 0)
			return r;
		if (!*text)
			break;
	}
	if (count(&ranges[1]) && ranges[0].first <= ranges[1].last &&
	    ranges[1].first <= ranges[0].last)
		return -EEXIST;
	set_ranges(config, ranges);
	return 0;
}

/* The larger piece of @whole that is left without @taken. */
static struct port_range without(struct port_range whole, struct port_range taken)
{
	struct port_range below = whole, above = whole;

	if (taken.first <= below.last)
		below.last = taken.first - 1;
	if (taken.last >= above.first)
		above.first = taken.last + 1;
	return count(&below) >= count(&above) ? below : above;
}

bool packet_config_choose_ports(uint16_t local_first, uint16_t local_last,
				struct svc_packet_config *config)
{
	const struct port_range low = {1024, 29999}, high = {32768, 65535};
	const struct port_range taken = {local_first ? local_first : 1, local_last};
	struct port_range ranges[2] = {without(low, taken), without(high, taken)};
	const bool has_any = count(&ranges[0]) || count(&ranges[1]);

	if (!has_any)
		ranges[0] = low;
	if (!count(&ranges[0])) { /* the first one is always there */
		ranges[0] = ranges[1];
		ranges[1] = (struct port_range){1, 0};
	}
	set_ranges(config, ranges);
	return has_any;
}

static void read_local_ports(uint16_t *ret_first, uint16_t *ret_last)
{
	_fclose_ FILE *file = fopen(LOCAL_PORT_RANGE, "re");
	unsigned long first, last;
	char line[64];
	char *end;

	*ret_first = LOCAL_FIRST;
	*ret_last = LOCAL_LAST;
	if (!file || !fgets(line, sizeof(line), file))
		return;
	first = strtoul(line, &end, 10);
	last = strtoul(end, NULL, 10);
	if (!first || first > last || last > UINT16_MAX)
		return;
	*ret_first = (uint16_t)first;
	*ret_last = (uint16_t)last;
}

bool packet_config_complete(struct svc_packet_config *config)
{
	uint16_t first, last;

	for (uint8_t i = 0; i < SVC_N_FLOW_STATES; i++)
		if (!config->timeouts_s[i])
			config->timeouts_s[i] = states[i].timeout_s;
	if (config->snat_count[0] || config->snat_count[1])
		return true;
	read_local_ports(&first, &last);
	return packet_config_choose_ports(first, last, config);
}
