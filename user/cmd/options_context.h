/* SPDX-License-Identifier: Apache-2.0 */
/* What the parsers of the option groups share; private to user/cmd/option*.c. */
#ifndef SVCBPF_CMD_OPTIONS_CONTEXT_H
#define SVCBPF_CMD_OPTIONS_CONTEXT_H

#include "cmd/options.h"

/** OPTIONS_N_GROUPS - how many groups there are. */
#define OPTIONS_N_GROUPS 8

/**
 * struct options_context - input of every argp parser.
 * @error: OPTIONS_ERROR_MAX bytes; "" while nothing is wrong.
 */
struct options_context {
	const struct command *command;
	struct options *options;
	char *error;
};

/** options_fail() - say what is wrong. Return: EINVAL, positive as argp's parsers return it. */
int options_fail(const struct options_context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * options_explain() - say which argument getopt(3) stumbled over, which argp keeps to itself.
 * @argv, @next: the arguments and the one that would have come next.
 */
void options_explain(const struct options_context *context, char *const *argv, int argc, int next);

#endif
