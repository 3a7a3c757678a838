/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/config_file.h"
#include "cmd/options_context.h"
#include "datapath/datapath.h"
#include "model/maglev.h"
#include "util/cleanup.h"
#include "util/one_line.h"

/** struct options_parser - the groups of one command put together. */
struct options_parser {
	struct argp argp;
	struct argp_child children[OPTIONS_N_GROUPS + 1];
	char name[64];
	char doc[2048];
};

int options_fail(const struct options_context *context, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(context->error, OPTIONS_ERROR_MAX, format, args);
	va_end(args);
	one_line_make(context->error, '?');
	return EINVAL;
}

static int add_arg(const struct options_context *context, const char *arg)
{
	struct options *options = context->options;

	if (options->n_args == context->command->max_args)
		return options_fail(context, "unexpected argument '%s'; see 'svcbpf %s --help'",
				    arg, context->command->name);
	options->args[options->n_args++] = arg;
	return 0;
}

static error_t parse_root(int key, char *arg, struct argp_state *state)
{
	const struct options_context *context = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		for (size_t i = 0; state->root_argp->children[i].argp; i++)
			state->child_inputs[i] = state->input;
		return 0;
	case ARGP_KEY_ARG:
		return add_arg(context, arg);
	case ARGP_KEY_ERROR:
		if (!*context->error)
			options_explain(context, state->argv, state->argc, state->next);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Without argp's note about options that have a short form: it says what everybody knows. */
static char *filter_help(int key, const char *text, void *input)
{
	(void)input;
	return key == ARGP_KEY_HELP_DUP_ARGS_NOTE ? NULL : (char *)text;
}

static void parser_init(struct options_parser *parser, const struct command *command)
{
	size_t n_groups;
	const struct option_group *groups = option_groups(&n_groups);
	size_t n = 0;

	memset(parser, 0, sizeof(*parser));
	snprintf(parser->name, sizeof(parser->name), "svcbpf %s", command->name);
	snprintf(parser->doc, sizeof(parser->doc), "%s.\v%s", command->summary, command->doc);
	for (size_t i = 0; i < n_groups; i++) {
		if (!((command->groups | OPTIONS_COMMON) & groups[i].bit))
			continue;
		parser->children[n++] = (struct argp_child){
			.argp = groups[i].argp, .header = groups[i].header, .group = (int)i + 1};
	}
	parser->argp = (struct argp){
		.parser = parse_root,
		.args_doc = command->args,
		.doc = parser->doc,
		.children = parser->children,
		.help_filter = filter_help,
	};
}

static void default_node_name(char name[OPTIONS_NODE_MAX])
{
	const char *text = getenv("NODE_NAME");
	char host[OPTIONS_NODE_MAX] = "";

	if (text && *text) {
		snprintf(name, OPTIONS_NODE_MAX, "%s", text);
		return;
	}
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	for (char *c = host; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	snprintf(name, OPTIONS_NODE_MAX, "%s", host);
}

/* Each array has room for everything in argv, and for @n_more values of a file; one block. */
static int options_init(struct options *options, size_t n_more, int argc)
{
	const size_t n = (size_t)argc + n_more + 1;

	*options = (struct options){
		.ready_fd = -1,
		.format = PRINT_TABLE,
		.interval_s = 2,
	};
	options->args = calloc(n * 3, sizeof(*options->args));
	if (!options->args)
		return -ENOMEM;
	options->manifests = options->args + n;
	options->servers = options->args + n * 2;
	return 0;
}

/* What neither the command line nor the file has set. */
static void set_defaults(struct options *options)
{
	if (!*options->node_name)
		default_node_name(options->node_name);
	if (!options->pin_dir)
		options->pin_dir = DATAPATH_DEFAULT_PIN_DIR;
	if (!options->max_services)
		options->max_services = DATAPATH_DEFAULT_MAX_SERVICES;
	if (!options->max_backends)
		options->max_backends = DATAPATH_DEFAULT_MAX_BACKENDS;
	if (!options->packet.maglev_size)
		options->packet.maglev_size = MAGLEV_DEFAULT_SIZE;
	option_packet_set_defaults(options);
	if (!options->state_dir)
		options->state_dir = options->n_manifests ? "" : OPTIONS_DEFAULT_STATE_DIR;
	if (!options->healthz_bind_address)
		options->healthz_bind_address = OPTIONS_DEFAULT_HEALTHZ;
	if (!options->metrics_bind_address)
		options->metrics_bind_address = OPTIONS_DEFAULT_METRICS;
}

static int parse_arguments(const struct options_context *context, int argc, char **argv)
{
	struct options_parser parser;

	parser_init(&parser, context->command);
	return -argp_parse(&parser.argp, argc, argv, ARGP_NO_ERRS | ARGP_NO_EXIT | ARGP_NO_HELP,
			   NULL, (void *)context);
}

/* ------------------------------------------------------------------ the file of --config */

/* Lists and the kind of source are replaced by what the command line has, not added to. */
static bool is_overridden(const struct options *flags, const char *option)
{
	const bool is_server = strcmp(option, "server") == 0;
	const bool is_api =
		is_server || strcmp(option, "kubeconfig") == 0 || strcmp(option, "context") == 0;

	if (strcmp(option, "manifests") == 0)
		return flags->n_manifests || flags->n_servers || flags->kubeconfig ||
		       flags->context;
	return is_api && (flags->n_manifests || (is_server && flags->n_servers));
}

/* The parser of the group that has the option reads the value. */
static int apply_value(const struct options_context *context, const struct config_value *value)
{
	struct argp_state state = {.input = (void *)context};
	size_t n;
	const struct option_group *groups = option_groups(&n);

	for (size_t i = 0; i < n; i++) {
		const struct argp_option *option = groups[i].argp->options;

		for (; option->name; option++)
			if (strcmp(option->name, value->option) == 0)
				return groups[i].argp->parser(option->key, (char *)value->value,
							      &state);
	}
	return EINVAL; /* config_file_read() knows all names */
}

static int apply_file(const struct options_context *context, const struct options *flags)
{
	size_t n;
	const struct config_value *values = config_file_values(context->options->file, &n);

	for (size_t i = 0; i < n; i++) {
		char text[OPTIONS_ERROR_MAX];
		int r = 0;

		if (!is_overridden(flags, values[i].option))
			r = apply_value(context, &values[i]);
		if (r != EINVAL) {
			if (r)
				return -r;
			continue;
		}
		snprintf(text, sizeof(text), "%.200s:%zu: %.280s", flags->config, values[i].line,
			 context->error);
		return -options_fail(context, "%s", text);
	}
	return 0;
}

/* All is read again: the file first, then the command line, which @context has alone so far. */
static int read_file(const struct options_context *context, int argc, char **argv)
{
	_cleanup_(options_clear) struct options merged = {};
	const struct options_context again = {context->command, &merged, context->error};
	struct options flags = *context->options;
	struct config_file *file = NULL;
	size_t n = 0;
	/* whoever reads it, it is the agent's */
	int r = config_file_read(command_find("run"), flags.config, &file, context->error);

	if (r < 0)
		return r;
	config_file_values(file, &n);
	r = options_init(&merged, n, argc);
	merged.file = file;
	merged.config_note = config_file_note(file);
	if (r == 0)
		r = apply_file(&again, &flags);
	if (r == 0)
		r = parse_arguments(&again, argc, argv);
	if (r < 0)
		return r;
	*context->options = merged;
	merged = flags;
	return 0;
}

/* ------------------------------------------------------------------ all of it */

int options_parse(const struct command *command, int argc, char **argv, struct options *ret_options,
		  char ret_error[OPTIONS_ERROR_MAX])
{
	struct options_context context = {command, ret_options, ret_error};
	int r;

	ret_error[0] = '\0';
	r = options_init(ret_options, 0, argc);
	if (r == 0)
		r = parse_arguments(&context, argc, argv);
	if (r == 0 && ret_options->config && !ret_options->is_help)
		r = read_file(&context, argc, argv);
	if (r == 0)
		set_defaults(ret_options);
	return r;
}

void options_help(const struct command *command, FILE *out)
{
	struct options_parser parser;

	parser_init(&parser, command);
	argp_help(&parser.argp, out, ARGP_HELP_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC, parser.name);
}

void options_clear(struct options *options)
{
	free(options->args);
	config_file_free(options->file);
	*options = (struct options){};
}
