/* SPDX-License-Identifier: Apache-2.0 */
/* What the parsers of the option groups share; private to user/cmd/option*.c. */
#ifndef SVCBPF_CMD_OPTIONS_CONTEXT_H
#define SVCBPF_CMD_OPTIONS_CONTEXT_H

#include "cmd/options.h"

/** OPTIONS_N_GROUPS - how many groups there are. */
#define OPTIONS_N_GROUPS 12

/** enum option_key - argp's keys of options without a short form. */
enum option_key {
	KEY_MANIFESTS = 0x100,
	KEY_NODE_NAME,
	KEY_KUBECONFIG,
	KEY_CONTEXT,
	KEY_SERVER,
	KEY_API_VIA_SERVICE,
	KEY_CGROUP,
	KEY_PIN_DIR,
	KEY_NODEPORT_ADDRESSES,
	KEY_MAX_SERVICES,
	KEY_MAX_BACKENDS,
	KEY_DEVICES,
	KEY_UPLINKS,
	KEY_TC_ATTACH,
	KEY_MAX_FLOWS,
	KEY_SNAT_PORTS,
	KEY_FLOW_TIMEOUT,
	KEY_FORWARDING,
	KEY_XDP,
	KEY_ALGORITHM,
	KEY_MAGLEV_TABLE_SIZE,
	KEY_STATE_DIR,
	KEY_HEALTHZ,
	KEY_METRICS,
	KEY_BIND_HARD_FAIL,
	KEY_CONFIG,
	KEY_ONCE,
	KEY_READY_FD,
	KEY_SERVICE,
	KEY_CLIENT,
	KEY_BACKEND,
	KEY_PROTOCOL,
	KEY_STATE,
	KEY_LIMIT,
	KEY_WATCH,
	KEY_INTERVAL,
	KEY_LOG_FORMAT,
};

/**
 * struct options_context - input of every argp parser.
 * @error: OPTIONS_ERROR_MAX bytes; "" while nothing is wrong.
 */
struct options_context {
	const struct command *command;
	struct options *options;
	char *error;
};

/** The groups that have a file of their own: option_source.c, option_datapath.c, option_agent.c. */
extern const struct argp option_source_argp;
extern const struct argp option_datapath_argp;
extern const struct argp option_algorithm_argp;
extern const struct argp option_agent_argp;
extern const struct argp option_flows_argp;

extern const struct argp option_packet_argp;

/** option_packet_set_defaults() - what was not given; reads net.ipv4.ip_local_port_range. */
void option_packet_set_defaults(struct options *options);

/** options_fail() - say what is wrong. Return: EINVAL, positive as argp's parsers return it. */
int options_fail(const struct options_context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * options_parse_number() - a whole number from @min to @max.
 * @option: its name, for the error.
 * Return: 0 or EINVAL.
 */
int options_parse_number(const struct options_context *context, const char *option,
			 const char *text, const long range[2], uint32_t *ret);

/**
 * options_explain() - say which argument getopt(3) stumbled over, which argp keeps to itself.
 * @argv, @next: the arguments and the one that would have come next.
 */
void options_explain(const struct options_context *context, char *const *argv, int argc, int next);

#endif
