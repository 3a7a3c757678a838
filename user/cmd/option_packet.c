/* SPDX-License-Identifier: Apache-2.0 */
/* The packet path: on which devices, how many flows, which ports, and for how long. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/options_context.h"
#include "datapath/datapath.h"
#include "datapath/device_list.h"
#include "datapath/packet_config.h"
#include "util/cleanup.h"

static const struct argp_option packet_options[] = {
	{"devices", KEY_DEVICES, "auto|none|NAME,...", 0,
	 "Devices that get the packet programs; NAME may end in * (default: auto); none turns the "
	 "packet path off",
	 0},
	{"uplinks", KEY_UPLINKS, "NAME,...", 0,
	 "Those of them behind which clients outside the cluster and other nodes are (default: "
	 "found out)",
	 0},
	{"tc-attach", KEY_TC_ATTACH, "auto|clsact", 0,
	 "Attach by TCX links where the kernel has them, or always by clsact filters (default: "
	 "auto)",
	 0},
	{"max-flows", KEY_MAX_FLOWS, "N", 0,
	 "Capacity: flows of each family through the packet path (default: 131072)", 0},
	{"snat-ports", KEY_SNAT_PORTS, "FIRST-LAST[,FIRST-LAST]", 0,
	 "Ports of this node for flows to backends on other nodes (default: 1024-29999 and those "
	 "above net.ipv4.ip_local_port_range)",
	 0},
	{"flow-timeout", KEY_FLOW_TIMEOUT, "STATE=DURATION,...", 0,
	 "How long a flow may be idle, by conntrack's states, e.g. tcp-established=24h,udp=30s", 0},
	{"forwarding", KEY_FORWARDING, "snat|dsr", 0,
	 "How flows reach backends on other nodes: from this node's address, or in a tunnel with "
	 "the client's kept (default: snat)",
	 0},
	{"xdp", KEY_XDP, "off|native|generic|auto", 0,
	 "Send flows between uplinks on before the stack sees them, by XDP in the driver (native) "
	 "or "
	 "without its help (generic); auto: native, else off (default: off)",
	 0},
	{},
};

static const long flow_range[] = {1024, 16777216};

/* Words that would be names. */
static int check_names(const struct options_context *context, const char *option,
		       const struct device_list *list)
{
	for (size_t i = 0; i < list->n_patterns; i++) {
		const char *name = list->patterns[i];

		if (strcmp(name, "lo") == 0)
			return options_fail(context,
					    "%s: 'lo' cannot be served: packets there are this "
					    "host's own",
					    option);
		if (strcmp(name, "auto") == 0 || strcmp(name, "none") == 0)
			return options_fail(context, "%s: '%s' does not go with names", option,
					    name);
	}
	return 0;
}

static int parse_list(const struct options_context *context, const char *option, const char *text,
		      const char **ret)
{
	struct device_list list = {};
	int r = device_list_parse(text, &list);

	if (r == -ENOMEM)
		return ENOMEM;
	if (r < 0)
		return options_fail(context,
				    "%s: '%s' is not a list of device names with commas between "
				    "them; * may stand at the end of a name",
				    option, text);
	r = check_names(context, option, &list);
	device_list_clear(&list);
	if (r == 0)
		*ret = text;
	return r;
}

static int parse_devices(const struct options_context *context, const char *text)
{
	if (strcmp(text, "auto") == 0 || strcmp(text, "none") == 0) {
		context->options->devices = text;
		return 0;
	}
	return parse_list(context, "--devices", text, &context->options->devices);
}

static int parse_uplinks(const struct options_context *context, const char *text)
{
	if (strcmp(text, "auto") == 0 || strcmp(text, "none") == 0)
		return options_fail(context, "--uplinks: '%s' is no device; leave --uplinks out",
				    text);
	return parse_list(context, "--uplinks", text, &context->options->uplinks);
}

static int parse_ports(const struct options_context *context, const char *text)
{
	switch (packet_config_parse_ports(text, &context->options->packet)) {
	case 0:
		return 0;
	case -EEXIST:
		return options_fail(context, "--snat-ports: the ranges of '%s' overlap", text);
	case -ERANGE:
		return options_fail(context,
				    "--snat-ports: '%s' has a range that is empty or not within 1 "
				    "to 65535",
				    text);
	default:
		return options_fail(context,
				    "--snat-ports: '%s' is not FIRST-LAST, nor two of these with a "
				    "comma between them",
				    text);
	}
}

static void list_states(char *buf, size_t size)
{
	size_t len = 0;

	for (uint8_t i = 0; i < SVC_N_FLOW_STATES; i++)
		if (packet_config_state_name(i) && len < size)
			len += (size_t)snprintf(buf + len, size - len, " %s",
						packet_config_state_name(i));
}

static int parse_timeouts(const struct options_context *context, const char *text)
{
	char states[256];
	const char *item;
	int r = packet_config_parse_timeouts(text, &context->options->packet, &item);
	int len;

	if (r == 0)
		return 0;
	len = (int)strcspn(item, ",");
	list_states(states, sizeof(states));
	if (r == -ENOENT)
		return options_fail(context, "--flow-timeout: '%.*s': unknown state; known:%s",
				    (int)strcspn(item, "="), item, states);
	if (r == -ERANGE)
		return options_fail(context, "--flow-timeout: '%.*s': must be 1s to %uh", len, item,
				    PACKET_CONFIG_MAX_TIMEOUT_S / 3600);
	return options_fail(context, "--flow-timeout: '%.*s' is not STATE=DURATION, as in udp=30s",
			    len, item);
}

/* One of two words. */
static int parse_word(const struct options_context *context, const char *option, const char *text,
		      const char *const words[2], bool *ret_is_second)
{
	if (strcmp(text, words[0]) != 0 && strcmp(text, words[1]) != 0)
		return options_fail(context, "%s: '%s' is neither %s nor %s", option, text,
				    words[0], words[1]);
	*ret_is_second = strcmp(text, words[1]) == 0;
	return 0;
}

static int parse_forwarding(const struct options_context *context, const char *text)
{
	static const char *const words[] = {"snat", "dsr"};
	bool is_dsr = false;
	int r = parse_word(context, "--forwarding", text, words, &is_dsr);

	if (r == 0)
		context->options->packet.forwarding =
			is_dsr ? SVC_FORWARDING_DSR : SVC_FORWARDING_SNAT;
	return r;
}

static int parse_xdp(const struct options_context *context, const char *text)
{
	static const char *const words[] = {
		[DATAPATH_XDP_OFF] = "off",
		[DATAPATH_XDP_NATIVE] = "native",
		[DATAPATH_XDP_GENERIC] = "generic",
		[DATAPATH_XDP_AUTO] = "auto",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		context->options->xdp = (enum datapath_xdp)i;
		return 0;
	}
	return options_fail(context, "--xdp: '%s' is neither off, native, generic nor auto", text);
}

static error_t parse_packet(int key, char *arg, struct argp_state *state)
{
	static const char *const attach_words[] = {"auto", "clsact"};
	const struct options_context *context = state->input;
	struct options *options = context->options;

	switch (key) {
	case KEY_DEVICES:
		return parse_devices(context, arg);
	case KEY_UPLINKS:
		return parse_uplinks(context, arg);
	case KEY_TC_ATTACH:
		return parse_word(context, "--tc-attach", arg, attach_words, &options->is_clsact);
	case KEY_MAX_FLOWS:
		return options_parse_number(context, "--max-flows", arg, flow_range,
					    &options->max_flows);
	case KEY_SNAT_PORTS:
		return parse_ports(context, arg);
	case KEY_FLOW_TIMEOUT:
		return parse_timeouts(context, arg);
	case KEY_FORWARDING:
		return parse_forwarding(context, arg);
	case KEY_XDP:
		return parse_xdp(context, arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp option_packet_argp = {.options = packet_options, .parser = parse_packet};

void option_packet_set_defaults(struct options *options)
{
	if (!options->devices)
		options->devices = "auto";
	if (!options->max_flows)
		options->max_flows = DATAPATH_DEFAULT_MAX_FLOWS;
	if (strcmp(options->devices, "none") == 0)
		options->max_flows = 0;
	if (!packet_config_complete(&options->packet))
		snprintf(options->packet_note, sizeof(options->packet_note),
			 "net.ipv4.ip_local_port_range leaves no port for --snat-ports: 1024-29999 "
			 "is used, and may collide with sockets of this host");
}
