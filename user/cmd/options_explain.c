/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for an argument that getopt(3) refused. getopt itself would print its own words, and
 * argp two lines more and exit with 64; both are switched off, so the cause is found again here.
 */
#include <string.h>

#include "cmd/command.h"
#include "cmd/nearest.h"
#include "cmd/options_context.h"

/* What the long options of a command have to do with a word the user typed. */
struct match {
	const char *typed;
	size_t len_bytes;		  /* of the name in @typed, without "=value" */
	const struct argp_option *exact;  /* of that very name */
	const struct argp_option *prefix; /* the last that begins so */
	size_t n_prefixes;
	struct nearest nearest;
};

static void match_option(struct match *match, const struct argp_option *option)
{
	char name[64];

	if (strncmp(option->name, match->typed, match->len_bytes) == 0) {
		match->prefix = option;
		match->n_prefixes++;
		if (strlen(option->name) == match->len_bytes)
			match->exact = option;
	}
	if (option->flags & OPTION_HIDDEN || match->len_bytes >= sizeof(name))
		return;
	memcpy(name, match->typed, match->len_bytes);
	name[match->len_bytes] = '\0';
	nearest_try(&match->nearest, name, option->name);
}

/* Call @fn for each option of the command, until it returns true. */
static bool for_each_option(const struct command *command,
			    bool (*fn)(void *arg, const struct argp_option *option), void *arg)
{
	size_t n_groups;
	const struct option_group *groups = option_groups(&n_groups);

	for (size_t i = 0; i < n_groups; i++) {
		const struct argp_option *option = groups[i].argp->options;

		if (!((command->groups | OPTIONS_COMMON) & groups[i].bit))
			continue;
		for (; option->name; option++)
			if (fn(arg, option))
				return true;
	}
	return false;
}

static bool match_one(void *arg, const struct argp_option *option)
{
	match_option(arg, option);
	return false;
}

static void explain_long(const struct options_context *context, const char *arg)
{
	struct match match = {.typed = arg + 2, .nearest = NEAREST_INIT};
	const char *command = context->command->name;
	const struct argp_option *option;
	int len;

	match.len_bytes = strcspn(match.typed, "=");
	len = (int)match.len_bytes;
	for_each_option(context->command, match_one, &match);
	option = match.exact ? match.exact : match.prefix;
	if (!match.exact && match.n_prefixes > 1)
		options_fail(context, "option '--%.*s' is ambiguous; see 'svcbpf %s --help'", len,
			     match.typed, command);
	else if (option && option->arg && !match.typed[match.len_bytes])
		options_fail(context, "option '--%s' needs a value: --%s %s", option->name,
			     option->name, option->arg);
	else if (option)
		options_fail(context, "option '--%s' takes no value", option->name);
	else if (match.nearest.word)
		options_fail(context,
			     "unknown option '--%.*s', did you mean '--%s'? see 'svcbpf %s --help'",
			     len, match.typed, match.nearest.word, command);
	else
		options_fail(context, "unknown option '--%.*s'; see 'svcbpf %s --help'", len,
			     match.typed, command);
}

struct short_match {
	char letter;
	const struct argp_option *option;
};

static bool match_short(void *arg, const struct argp_option *option)
{
	struct short_match *match = arg;

	if (option->key != match->letter)
		return false;
	match->option = option;
	return true;
}

/* Whether a letter of "-abc" was the cause; an option's value ends the letters. */
static bool explain_short(const struct options_context *context, const char *arg)
{
	for (const char *letter = arg + 1; *letter; letter++) {
		struct short_match match = {.letter = *letter};

		if (!for_each_option(context->command, match_short, &match)) {
			options_fail(context, "unknown option '-%c'; see 'svcbpf %s --help'",
				     *letter, context->command->name);
			return true;
		}
		if (!match.option->arg)
			continue;
		if (!letter[1])
			options_fail(context, "option '-%c' needs a value: -%c %s", *letter,
				     *letter, match.option->arg);
		return !letter[1];
	}
	return false;
}

void options_explain(const struct options_context *context, char *const *argv, int argc, int next)
{
	/* A long option is behind us; of a group of letters not all may be. */
	const char *last = next > 0 && next <= argc ? argv[next - 1] : "";
	const char *coming = next < argc ? argv[next] : "";

	if (strncmp(last, "--", 2) == 0 && last[2]) {
		explain_long(context, last);
		return;
	}
	if (last[0] == '-' && last[1] && explain_short(context, last))
		return;
	if (coming[0] == '-' && coming[1] && coming[1] != '-' && explain_short(context, coming))
		return;
	options_fail(context, "arguments not understood; see 'svcbpf %s --help'",
		     context->command->name);
}
