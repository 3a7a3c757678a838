/* SPDX-License-Identifier: Apache-2.0 */
/* Which flows `svcbpf dump conntrack` shows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cmd/options_context.h"
#include "util/cleanup.h"

#define MAX_LIMIT 1000000000l

static const struct argp_option flow_options[] = {
	{"client", KEY_CLIENT, "ADDRESS[:PORT]|CIDR", 0, "Show flows of these clients only", 0},
	{"backend", KEY_BACKEND, "ADDRESS[:PORT]|CIDR", 0, "Show flows to these backends only", 0},
	{"protocol", KEY_PROTOCOL, "tcp|udp|sctp", 0, "Show flows of this protocol only", 0},
	{"state", KEY_STATE, "STATE", 0,
	 "Show flows in this state only: unreplied, stream (UDP, SCTP); syn-sent, syn-recv, "
	 "established, fin-wait, close-wait, last-ack, time-wait, closed (TCP)",
	 0},
	{"limit", KEY_LIMIT, "N", 0,
	 "Show N flows at most, and how many more there are; 0: all (default: 1000 in tables, "
	 "all in json and yaml)",
	 0},
	{},
};

static const long limit_range[] = {0, MAX_LIMIT};

/* A bare address is a CIDR of all its bits. */
static int parse_cidr(const char *text, struct cidr *ret_cidr)
{
	struct addr addr;

	if (strchr(text, '/'))
		return cidr_parse(text, ret_cidr);
	if (addr_parse(text, &addr) < 0)
		return -EINVAL;
	*ret_cidr = (struct cidr){addr, addr.family == ADDR_IPV4 ? 32 : 128};
	return 0;
}

/* "10.0.0.1:80" and "[fd00::1]:80"; a colon alone is part of an IPv6 address. */
static int parse_with_port(const char *text, struct cidr *ret_cidr, uint16_t *ret_port)
{
	struct addr addr;
	uint16_t port;

	if (*text == ':' || options_parse_endpoint(text, &addr, &port) < 0 || !port)
		return -EINVAL;
	*ret_cidr = (struct cidr){addr, addr.family == ADDR_IPV4 ? 32 : 128};
	*ret_port = port;
	return 0;
}

static int parse_end(const struct options_context *context, const char *option, const char *text,
		     struct cidr *ret_cidr, uint16_t *ret_port)
{
	if (parse_cidr(text, ret_cidr) == 0) {
		*ret_port = 0;
		return 0;
	}
	if (parse_with_port(text, ret_cidr, ret_port) == 0)
		return 0;
	return options_fail(context,
			    "%s: '%s' is no ADDRESS, ADDRESS:PORT (IPv6 in brackets) or CIDR",
			    option, text);
}

static int parse_protocol(const struct options_context *context, const char *text)
{
	static const char *const names[] = {"TCP", "UDP", "SCTP"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcasecmp(text, names[i]) == 0)
			return -protocol_parse(names[i], &context->options->flows.protocol);
	return options_fail(context, "--protocol: '%s' is not one of tcp, udp, sctp", text);
}

static int parse_state(const struct options_context *context, const char *text)
{
	if (flow_state_parse(text, &context->options->flows.state) == 0)
		return 0;
	return options_fail(context,
			    "--state: '%s' is not one of unreplied, stream, syn-sent, syn-recv, "
			    "established, fin-wait, close-wait, last-ack, time-wait, closed",
			    text);
}

static error_t parse_flows(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;
	struct datapath_flow_filter *flows = &context->options->flows;

	switch (key) {
	case KEY_CLIENT:
		return parse_end(context, "--client", arg, &flows->client, &flows->client_port);
	case KEY_BACKEND:
		return parse_end(context, "--backend", arg, &flows->backend, &flows->backend_port);
	case KEY_PROTOCOL:
		return parse_protocol(context, arg);
	case KEY_STATE:
		return parse_state(context, arg);
	case KEY_LIMIT:
		context->options->has_limit = true;
		return options_parse_number(context, "--limit", arg, limit_range,
					    &context->options->limit);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp option_flows_argp = {.options = flow_options, .parser = parse_flows};
