/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent does besides: servers, state on disk, and when it ends. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cmd/options_context.h"
#include "http/http_bind.h"

static const struct argp_option agent_options[] = {
	{"state-dir", KEY_STATE_DIR, "PATH", 0,
	 "Keep the last state of the API here, for a start without it; \"\" keeps none "
	 "(default: " OPTIONS_DEFAULT_STATE_DIR ")",
	 0},
	{"healthz-bind-address", KEY_HEALTHZ, "ADDRESS:PORT", 0,
	 "Serve /healthz and /livez here; \"\" does not (default: " OPTIONS_DEFAULT_HEALTHZ ")", 0},
	{"metrics-bind-address", KEY_METRICS, "ADDRESS:PORT", 0,
	 "Serve /metrics here; \"\" does not (default: " OPTIONS_DEFAULT_METRICS ")", 0},
	{"bind-address-hard-fail", KEY_BIND_HARD_FAIL, NULL, 0,
	 "End when one of these cannot be bound, instead of trying again", 0},
	{"once", KEY_ONCE, NULL, 0,
	 "Program the present state, print a summary line and exit; the datapath stays", 0},
	{"ready-fd", KEY_READY_FD, "FD", 0,
	 "Write READY=1 to this file descriptor after the first complete sync and self-test", 0},
	{},
};

static const long fd_range[] = {0, 1048575};

static int parse_ready_fd(const struct options_context *context, const char *arg)
{
	uint32_t fd = 0;
	int r = options_parse_number(context, "--ready-fd", arg, fd_range, &fd);

	if (r)
		return r;
	if (fcntl((int)fd, F_GETFD) < 0)
		return options_fail(context, "--ready-fd: file descriptor %u is not open", fd);
	context->options->ready_fd = (int)fd;
	return 0;
}

/* Brackets are for IPv6 alone here: around an IPv4 address they are a slip. */
int options_parse_endpoint(const char *text, struct addr *ret_addr, uint16_t *ret_port)
{
	const struct addr every_ipv4 = {.family = ADDR_IPV4};
	struct http_bind bind;
	int r = http_bind_parse(text, &bind);

	if (r < 0)
		return r;
	if (*text == '[' && strchr(text, ':') > strchr(text, ']'))
		return -EINVAL;
	*ret_addr = bind.addr.family == ADDR_NONE ? every_ipv4 : bind.addr;
	*ret_port = bind.port;
	return 0;
}

static int parse_endpoint(const struct options_context *context, const char *option,
			  const char *arg, const char **ret)
{
	struct addr addr;
	uint16_t port;

	if (*arg && options_parse_endpoint(arg, &addr, &port) < 0)
		return options_fail(context,
				    "%s: '%s' is not ADDRESS:PORT (IPv6 in brackets), nor empty",
				    option, arg);
	*ret = arg;
	return 0;
}

static int parse_state_dir(const struct options_context *context, const char *arg)
{
	if (*arg && *arg != '/')
		return options_fail(context, "--state-dir: '%s' must begin with /", arg);
	context->options->state_dir = arg;
	return 0;
}

static error_t parse_agent(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;
	struct options *options = context->options;

	switch (key) {
	case KEY_STATE_DIR:
		return parse_state_dir(context, arg);
	case KEY_HEALTHZ:
		return parse_endpoint(context, "--healthz-bind-address", arg,
				      &options->healthz_bind_address);
	case KEY_METRICS:
		return parse_endpoint(context, "--metrics-bind-address", arg,
				      &options->metrics_bind_address);
	case KEY_BIND_HARD_FAIL:
		options->is_bind_hard_fail = true;
		return 0;
	case KEY_ONCE:
		options->is_once = true;
		return 0;
	case KEY_READY_FD:
		return parse_ready_fd(context, arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp option_agent_argp = {.options = agent_options, .parser = parse_agent};
