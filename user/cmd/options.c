/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/options_context.h"
#include "datapath/datapath.h"
#include "util/cleanup.h"

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

/* The arrays have room for everything in argv. */
static int options_init(struct options *options, int argc)
{
	*options = (struct options){
		.pin_dir = DATAPATH_DEFAULT_PIN_DIR,
		.max_services = DATAPATH_DEFAULT_MAX_SERVICES,
		.max_backends = DATAPATH_DEFAULT_MAX_BACKENDS,
		.ready_fd = -1,
		.format = PRINT_TABLE,
		.interval_s = 2,
		.args = calloc((size_t)argc + 1, sizeof(*options->args)),
		.manifests = calloc((size_t)argc + 1, sizeof(*options->manifests)),
	};
	default_node_name(options->node_name);
	return options->args && options->manifests ? 0 : -ENOMEM;
}

int options_parse(const struct command *command, int argc, char **argv, struct options *ret_options,
		  char ret_error[OPTIONS_ERROR_MAX])
{
	struct options_context context = {command, ret_options, ret_error};
	struct options_parser parser;
	int r;

	ret_error[0] = '\0';
	r = options_init(ret_options, argc);
	if (r < 0)
		return r;
	parser_init(&parser, command);
	return -argp_parse(&parser.argp, argc, argv, ARGP_NO_ERRS | ARGP_NO_EXIT | ARGP_NO_HELP,
			   NULL, &context);
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
	free(options->manifests);
	options->args = NULL;
	options->manifests = NULL;
	options->n_args = 0;
	options->n_manifests = 0;
}
