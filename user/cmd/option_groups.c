/* SPDX-License-Identifier: Apache-2.0 */
/* The groups of options: the small ones are here, the others have a file each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/options_context.h"
#include "datapath/datapath.h"
#include "util/cleanup.h"

static const long interval_range[] = {1, 3600};

int options_parse_number(const struct options_context *context, const char *option,
			 const char *text, const long range[2], uint32_t *ret)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number < range[0] || number > range[1])
		return options_fail(context, "%s: '%s' is not a number from %ld to %ld", option,
				    text, range[0], range[1]);
	*ret = (uint32_t)number;
	return 0;
}

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

/* ------------------------------------------------------------------ configuration file */

static const struct argp_option config_options[] = {
	{"config", KEY_CONFIG, "FILE", 0,
	 "Read a KubeProxyConfiguration, or options of run as YAML keys; options given here win",
	 0},
	{},
};

static error_t parse_config(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;

	if (key != KEY_CONFIG)
		return ARGP_ERR_UNKNOWN;
	if (!*arg)
		return options_fail(context, "--config: must not be empty");
	context->options->config = arg;
	return 0;
}

static const struct argp config_argp = {.options = config_options, .parser = parse_config};

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
		return options_parse_number(context, "--interval", arg, interval_range,
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
	{OPTIONS_SOURCE, "Source:", &option_source_argp},
	{OPTIONS_DATAPATH, "Datapath:", &option_datapath_argp},
	{OPTIONS_ALGORITHM, NULL, &option_algorithm_argp},
	{OPTIONS_PACKET, "Packet path:", &option_packet_argp},
	{OPTIONS_PIN_DIR, "Pins:", &pin_dir_argp},
	{OPTIONS_CONFIG, "Configuration file:", &config_argp},
	{OPTIONS_AGENT, "Agent:", &option_agent_argp},
	{OPTIONS_FORMAT, "Output:", &format_argp},
	{OPTIONS_FILTER, NULL, &filter_argp},
	{OPTIONS_WATCH, NULL, &watch_argp},
	{OPTIONS_FLOWS, "Flows (conntrack):", &option_flows_argp},
	{OPTIONS_COMMON, "Common:", &common_argp},
};
_Static_assert(ARRAY_SIZE(groups) == OPTIONS_N_GROUPS, "options.h");

const struct option_group *option_groups(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(groups);
	return groups;
}
