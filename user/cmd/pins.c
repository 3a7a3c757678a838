/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/pins.h"

#include <errno.h>
#include <string.h>

#include "cmd/command.h"

int pins_open(const char *command, const struct options *options, struct datapath_reader **ret)
{
	struct datapath_error error = {};
	int r = datapath_reader_open(options->pin_dir, ret, &error);

	if (r == 0)
		return CMD_OK;
	if (r == -ENOENT) {
		command_error(command,
			      "nothing is pinned under %s: svcbpf has not run on this host, or was "
			      "cleaned up",
			      options->pin_dir);
		return CMD_NOT_RUNNING;
	}
	command_error(command, "%s", *error.text ? error.text : strerror(-r));
	return CMD_FAILED;
}

void pins_closep(struct datapath_reader **reader)
{
	datapath_reader_close(*reader);
}

int pins_state(const char *command, const struct datapath_reader *reader, struct state **ret)
{
	int r = datapath_read_state(reader, ret);

	if (r == 0)
		return CMD_OK;
	command_error(command, "reading the maps: %s", strerror(-r));
	return CMD_FAILED;
}
