/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/command.h"
#include "cmd/options.h"

int help_main(const struct options *options)
{
	const struct command *command;

	if (!options->n_args) {
		command_list(stdout);
		return CMD_OK;
	}
	command = command_find(options->args[0]);
	if (!command) {
		command_error("help", "unknown command '%s'; see 'svcbpf help'", options->args[0]);
		return CMD_USAGE;
	}
	options_help(command, stdout);
	return CMD_OK;
}
