/* SPDX-License-Identifier: Apache-2.0 */
/* What is programmed where, and how much of it. */
#include <errno.h>
#include <string.h>

#include "cmd/options_context.h"
#include "datapath/node_addresses.h"
#include "model/maglev.h"

static const struct argp_option datapath_options[] = {
	{"cgroup", KEY_CGROUP, "PATH", 0,
	 "Where the socket programs attach (default: the root of the mounted cgroup v2)", 0},
	{"nodeport-addresses", KEY_NODEPORT_ADDRESSES, "CIDR,...|primary", 0,
	 "Addresses NodePorts answer on (default: all local addresses)", 0},
	{"max-services", KEY_MAX_SERVICES, "N", 0,
	 "Capacity: service ports of all families and frontend types (default: 65536)", 0},
	{"max-backends", KEY_MAX_BACKENDS, "N", 0,
	 "Capacity: entries of all backend lists of a family (default: 1048576)", 0},
	{"maglev-table-size", KEY_MAGLEV_TABLE_SIZE, "N", 0,
	 "Entries of a Maglev table, a prime, the same on all nodes (default: 16381)", 0},
	{},
};

static const struct argp_option algorithm_options[] = {
	{"algorithm", KEY_ALGORITHM, "random|maglev", 0,
	 "How clients outside the cluster are given backends, where the annotation "
	 "svcbpf.io/algorithm of a Service does not say (default: random)",
	 0},
	{},
};

/* Capacities: above, the arrays alone take gigabytes. */
static const long service_range[] = {16, 16777216};
static const long backend_range[] = {16, 134217728};

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

static int parse_table_size(const struct options_context *context, const char *arg)
{
	static const long range[] = {MAGLEV_MIN_SIZE, MAGLEV_MAX_SIZE};
	uint32_t size, below, above;
	int r = options_parse_number(context, "--maglev-table-size", arg, range, &size);

	if (r)
		return r;
	if (!maglev_is_size(size)) {
		maglev_nearest_sizes(size, &below, &above);
		return options_fail(context,
				    "--maglev-table-size: %u is not a prime; the nearest are %u "
				    "and %u",
				    size, below, above);
	}
	context->options->packet.maglev_size = size;
	return 0;
}

static error_t parse_algorithm(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;

	if (key != KEY_ALGORITHM)
		return ARGP_ERR_UNKNOWN;
	if (strcmp(arg, "random") == 0)
		context->options->algorithm = MODEL_ALGORITHM_RANDOM;
	else if (strcmp(arg, "maglev") == 0)
		context->options->algorithm = MODEL_ALGORITHM_MAGLEV;
	else
		return options_fail(context, "--algorithm: '%s' is neither random nor maglev", arg);
	return 0;
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
		return options_parse_number(context, "--max-services", arg, service_range,
					    &options->max_services);
	case KEY_MAX_BACKENDS:
		return options_parse_number(context, "--max-backends", arg, backend_range,
					    &options->max_backends);
	case KEY_MAGLEV_TABLE_SIZE:
		return parse_table_size(context, arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp option_datapath_argp = {.options = datapath_options, .parser = parse_datapath};
const struct argp option_algorithm_argp = {.options = algorithm_options, .parser = parse_algorithm};
