/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/options.h"
#include "datapath/datapath.h"

int cleanup_main(const struct options *options)
{
	struct datapath_error error = {};
	int r = datapath_cleanup(options->pin_dir, &error);

	if (r == -ENOENT) {
		printf("nothing to clean under %s\n", options->pin_dir);
		return CMD_OK;
	}
	if (r < 0) {
		command_error("cleanup", "%s", *error.text ? error.text : strerror(-r));
		return CMD_FAILED;
	}
	printf("removed everything under %s: programs detached, maps gone\n", options->pin_dir);
	return CMD_OK;
}
