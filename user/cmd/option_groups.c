/* SPDX-License-Identifier: Apache-2.0 */
/* The groups of options and what each option does. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/options_context.h"
#include "datapath/datapath.h"
#include "datapath/node_addresses.h"
#include "util/cleanup.h"

/* Keys of options without a short form. */
enum option_key {
	KEY_MANIFESTS = 0x100,
	KEY_NODE_NAME,
	KEY_CGROUP,
	KEY_PIN_DIR,
	KEY_NODEPORT_ADDRESSES,
	KEY_MAX_SERVICES,
	KEY_MAX_BACKENDS,
	KEY_ONCE,
	KEY_READY_FD,
	KEY_SERVICE,
	KEY_WATCH,
	KEY_INTERVAL,
	KEY_LOG_FORMAT,
	KEY_KUBECONFIG,
	KEY_CONTEXT,
	KEY_SERVER,
	KEY_DEVICES,
	KEY_HEALTHZ,
	KEY_METRICS,
	KEY_CONFIG,
};

/* Capacities: above, the arrays alone take gigabytes. */
#define MIN_SERVICES 16
#define MAX_SERVICES 16777216
#define MIN_BACKENDS 16
#define MAX_BACKENDS 134217728
#define MAX_INTERVAL 3600
#define MAX_FD	     1048575

static int parse_number(const struct options_context *context, const char *option, const char *text,
			long min, long max, uint32_t *ret)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number < min || number > max)
		return options_fail(context, "%s: '%s' is not a number from %ld to %ld", option,
				    text, min, max);
	*ret = (uint32_t)number;
	return 0;
}

/* ------------------------------------------------------------------ source */

static const struct argp_option source_options[] = {
	{"manifests", KEY_MANIFESTS, "PATH", 0,
	 "A file or a folder of Kubernetes YAML or JSON; may be given more than once", 0},
	{"node-name", KEY_NODE_NAME, "NAME", 0,
	 "This node: decides what is local (default: $NODE_NAME, else the host name)", 0},
	{"kubeconfig", KEY_KUBECONFIG, "FILE", OPTION_HIDDEN, NULL, 0},
	{"context", KEY_CONTEXT, "NAME", OPTION_HIDDEN, NULL, 0},
	{"server", KEY_SERVER, "URL", OPTION_HIDDEN, NULL, 0},
	{},
};

static int refuse_kubernetes(const struct options_context *context, const char *option)
{
	return options_fail(context,
			    "%s: the Kubernetes API is not a source in this version; use "
			    "--manifests PATH",
			    option);
}

static error_t parse_source(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;

	switch (key) {
	case KEY_MANIFESTS:
		context->options->manifests[context->options->n_manifests++] = arg;
		return 0;
	case KEY_NODE_NAME:
		if (!*arg || strlen(arg) >= OPTIONS_NODE_MAX)
			return options_fail(context, "--node-name: must have 1 to %d characters",
					    OPTIONS_NODE_MAX - 1);
		snprintf(context->options->node_name, OPTIONS_NODE_MAX, "%s", arg);
		return 0;
	case KEY_KUBECONFIG:
		return refuse_kubernetes(context, "--kubeconfig");
	case KEY_CONTEXT:
		return refuse_kubernetes(context, "--context");
	case KEY_SERVER:
		return refuse_kubernetes(context, "--server");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp source_argp = {.options = source_options, .parser = parse_source};

/* ------------------------------------------------------------------ datapath */

static const struct argp_option datapath_options[] = {
	{"cgroup", KEY_CGROUP, "PATH", 0,
	 "Where the socket programs attach (default: the root of the mounted cgroup v2)", 0},
	{"nodeport-addresses", KEY_NODEPORT_ADDRESSES, "CIDR,...|primary", 0,
	 "Addresses NodePorts answer on (default: all local addresses)", 0},
	{"max-services", KEY_MAX_SERVICES, "N", 0,
	 "Capacity: service ports of all families and frontend types (default: 65536)", 0},
	{"max-backends", KEY_MAX_BACKENDS, "N", 0,
	 "Capacity: entries of all backend lists of a family (default: 1048576)", 0},
	{"devices", KEY_DEVICES, "none", OPTION_HIDDEN, NULL, 0},
	{"healthz-bind-address", KEY_HEALTHZ, "ADDRESS", OPTION_HIDDEN, NULL, 0},
	{"metrics-bind-address", KEY_METRICS, "ADDRESS", OPTION_HIDDEN, NULL, 0},
	{"config", KEY_CONFIG, "FILE", OPTION_HIDDEN, NULL, 0},
	{},
};

static int parse_nodeport_addresses(const struct options_context *context, const char *text)
{
	struct node_addresses_selection selection = {};
	int r = node_addresses_parse(text, &selection);

	if (r == -ENOMEM)
		return ENOMEM;
	if (r < 0)
		return options_fail(
			context,
			"--nodeport-addresses: '%s' is neither 'primary' nor CIDRs with "
			"commas between them",
			text);
	node_addresses_selection_clear(&selection);
	context->options->nodeport_addresses = text;
	return 0;
}

static int refuse_server(const struct options_context *context, const char *option, const char *arg)
{
	if (!*arg)
		return 0;
	return options_fail(context,
			    "%s: no HTTP server in this version; leave it out or give \"\", and "
			    "use 'svcbpf status'",
			    option);
}

static int parse_later(const struct options_context *context, int key, const char *arg)
{
	switch (key) {
	case KEY_DEVICES:
		if (strcmp(arg, "none") == 0)
			return 0;
		return options_fail(context,
				    "--devices: no packet path in this version; leave it out or "
				    "give 'none'");
	case KEY_HEALTHZ:
		return refuse_server(context, "--healthz-bind-address", arg);
	case KEY_METRICS:
		return refuse_server(context, "--metrics-bind-address", arg);
	case KEY_CONFIG:
		return options_fail(context,
				    "--config: no configuration file in this version; give its "
				    "settings as options");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_datapath(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;
	struct options *options = context->options;

	switch (key) {
	case KEY_CGROUP:
		options->cgroup = arg;
		return 0;
	case KEY_NODEPORT_ADDRESSES:
		return parse_nodeport_addresses(context, arg);
	case KEY_MAX_SERVICES:
		return parse_number(context, "--max-services", arg, MIN_SERVICES, MAX_SERVICES,
				    &options->max_services);
	case KEY_MAX_BACKENDS:
		return parse_number(context, "--max-backends", arg, MIN_BACKENDS, MAX_BACKENDS,
				    &options->max_backends);
	default:
		return parse_later(context, key, arg);
	}
}

static const struct argp datapath_argp = {.options = datapath_options, .parser = parse_datapath};

/* ------------------------------------------------------------------ agent */

static const struct argp_option agent_options[] = {
	{"once", KEY_ONCE, NULL, 0,
	 "Program the present state, print a summary line and exit; the datapath stays", 0},
	{"ready-fd", KEY_READY_FD, "FD", 0,
	 "Write READY=1 to this file descriptor after the first complete sync and self-test", 0},
	{},
};

static int parse_ready_fd(const struct options_context *context, const char *arg)
{
	uint32_t fd = 0;
	int r = parse_number(context, "--ready-fd", arg, 0, MAX_FD, &fd);

	if (r)
		return r;
	if (fcntl((int)fd, F_GETFD) < 0)
		return options_fail(context, "--ready-fd: file descriptor %u is not open", fd);
	context->options->ready_fd = (int)fd;
	return 0;
}

static error_t parse_agent(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;

	switch (key) {
	case KEY_ONCE:
		context->options->is_once = true;
		return 0;
	case KEY_READY_FD:
		return parse_ready_fd(context, arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp agent_argp = {.options = agent_options, .parser = parse_agent};

/* ------------------------------------------------------------------ pin directory */

static const struct argp_option pin_dir_options[] = {
	{"pin-dir", KEY_PIN_DIR, "PATH", 0,
	 "Where maps and links are pinned, on a bpffs (default: " DATAPATH_DEFAULT_PIN_DIR ")", 0},
	{},
};

static error_t parse_pin_dir(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;

	if (key != KEY_PIN_DIR)
		return ARGP_ERR_UNKNOWN;
	if (*arg != '/')
		return options_fail(context, "--pin-dir: '%s' must begin with /", arg);
	context->options->pin_dir = arg;
	return 0;
}

static const struct argp pin_dir_argp = {.options = pin_dir_options, .parser = parse_pin_dir};

/* ------------------------------------------------------------------ output */

static const struct argp_option format_options[] = {
	{"output", 'o', "FORMAT", 0, "table (default), wide, json or yaml", 0},
	{},
};

static error_t parse_format(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;

	if (key != 'o')
		return ARGP_ERR_UNKNOWN;
	if (print_format_parse(arg, &context->options->format) < 0)
		return options_fail(context, "-o: '%s' is not one of table, wide, json, yaml", arg);
	return 0;
}

static const struct argp format_argp = {.options = format_options, .parser = parse_format};

static const struct argp_option filter_options[] = {
	{"service", KEY_SERVICE, "NAMESPACE/NAME", 0, "Show this Service only", 0},
	{},
};

static error_t parse_filter(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;
	const char *slash;

	if (key != KEY_SERVICE)
		return ARGP_ERR_UNKNOWN;
	slash = strchr(arg, '/');
	if (!slash || slash == arg || !slash[1] || strchr(slash + 1, '/'))
		return options_fail(context, "--service: '%s' is not NAMESPACE/NAME", arg);
	context->options->service = arg;
	return 0;
}

static const struct argp filter_argp = {.options = filter_options, .parser = parse_filter};

static const struct argp_option watch_options[] = {
	{"watch", KEY_WATCH, NULL, 0, "Show again and again, until interrupted", 0},
	{"interval", KEY_INTERVAL, "SECONDS", 0, "How often --watch shows again (default: 2)", 0},
	{},
};

static error_t parse_watch(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;

	switch (key) {
	case KEY_WATCH:
		context->options->is_watch = true;
		return 0;
	case KEY_INTERVAL:
		return parse_number(context, "--interval", arg, 1, MAX_INTERVAL,
				    &context->options->interval_s);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp watch_argp = {.options = watch_options, .parser = parse_watch};

/* ------------------------------------------------------------------ common */

static const struct argp_option common_options[] = {
	{"help", 'h', NULL, 0, "Show this help", 0},
	{"verbose", 'v', NULL, 0, "Log details too", 0},
	{"log-format", KEY_LOG_FORMAT, "text|json", 0, "How log lines are written (default: text)",
	 0},
	{},
};

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;

	switch (key) {
	case 'h':
		context->options->is_help = true;
		state->next = state->argc;
		return 0;
	case 'v':
		context->options->is_verbose = true;
		return 0;
	case KEY_LOG_FORMAT:
		context->options->is_json_log = strcmp(arg, "json") == 0;
		if (context->options->is_json_log || strcmp(arg, "text") == 0)
			return 0;
		return options_fail(context, "--log-format: '%s' is neither text nor json", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp common_argp = {.options = common_options, .parser = parse_common};

/* ------------------------------------------------------------------ all of them */

static const struct option_group groups[] = {
	{OPTIONS_SOURCE, "Source:", &source_argp}, {OPTIONS_DATAPATH, "Datapath:", &datapath_argp},
	{OPTIONS_PIN_DIR, NULL, &pin_dir_argp},	   {OPTIONS_AGENT, "Agent:", &agent_argp},
	{OPTIONS_FORMAT, "Output:", &format_argp}, {OPTIONS_FILTER, NULL, &filter_argp},
	{OPTIONS_WATCH, NULL, &watch_argp},	   {OPTIONS_COMMON, "Common:", &common_argp},
};
_Static_assert(ARRAY_SIZE(groups) == OPTIONS_N_GROUPS, "options.h");

const struct option_group *option_groups(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(groups);
	return groups;
}
