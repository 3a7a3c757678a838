/* SPDX-License-Identifier: Apache-2.0 */
/* Where Services come from: --manifests, or the Kubernetes API. */
#include <string.h>

#include "cmd/options_context.h"

static const struct argp_option source_options[] = {
	{"manifests", KEY_MANIFESTS, "PATH", 0,
	 "A file or a folder of Kubernetes YAML or JSON; may be given more than once", 0},
	{"kubeconfig", KEY_KUBECONFIG, "FILE", 0,
	 "Watch the Kubernetes API as this file says (default: the pod's service account)", 0},
	{"context", KEY_CONTEXT, "NAME", 0,
	 "Context of the kubeconfig (default: its current-context)", 0},
	{"server", KEY_SERVER, "URL", 0,
	 "API server instead of the kubeconfig's; may be given more than once: tried in turn", 0},
	{"api-via-service", KEY_API_VIA_SERVICE, NULL, 0,
	 "The API may be reached through the address of a Service, which this agent serves itself",
	 0},
	{"node-name", KEY_NODE_NAME, "NAME", 0,
	 "This node: decides what is local (default: $NODE_NAME, else the host name)", 0},
	{},
};

static int parse_node_name(const struct options_context *context, const char *arg)
{
	if (!*arg || strlen(arg) >= OPTIONS_NODE_MAX)
		return options_fail(context, "--node-name: must have 1 to %d characters",
				    OPTIONS_NODE_MAX - 1);
	snprintf(context->options->node_name, OPTIONS_NODE_MAX, "%s", arg);
	return 0;
}

static int parse_text(const struct options_context *context, const char *option, const char *arg,
		      const char **ret)
{
	if (!*arg)
		return options_fail(context, "%s: must not be empty", option);
	*ret = arg;
	return 0;
}

static int parse_server(const struct options_context *context, const char *arg)
{
	struct options *options = context->options;

	if (strncmp(arg, "https://", 8) != 0 && strncmp(arg, "http://", 7) != 0)
		return options_fail(context,
				    "--server: '%s' does not begin with https:// or http://", arg);
	options->servers[options->n_servers++] = arg;
	return 0;
}

/* All that asks for the API, in words for the error; NULL: nothing does. */
static const char *api_option(const struct options *options)
{
	if (options->kubeconfig)
		return "--kubeconfig";
	if (options->context)
		return "--context";
	return options->n_servers ? "--server" : NULL;
}

static int check_source(const struct options_context *context)
{
	const struct options *options = context->options;
	const char *api = api_option(options);

	if (options->n_manifests && api && !options->is_help)
		return options_fail(context, "--manifests and %s are two sources; give one of them",
				    api);
	return 0;
}

static error_t parse_source(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;
	struct options *options = context->options;

	switch (key) {
	case KEY_MANIFESTS:
		options->manifests[options->n_manifests++] = arg;
		return 0;
	case KEY_NODE_NAME:
		return parse_node_name(context, arg);
	case KEY_KUBECONFIG:
		return parse_text(context, "--kubeconfig", arg, &options->kubeconfig);
	case KEY_CONTEXT:
		return parse_text(context, "--context", arg, &options->context);
	case KEY_SERVER:
		return parse_server(context, arg);
	case KEY_API_VIA_SERVICE:
		options->is_api_through_service = true;
		return 0;
	case ARGP_KEY_END:
		return check_source(context);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp option_source_argp = {.options = source_options, .parser = parse_source};
