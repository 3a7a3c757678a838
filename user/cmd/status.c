/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/status.h"

#include <errno.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/pins.h"
#include "util/cleanup.h"

static int print_status(const struct options *options, const struct status *status)
{
	if (print_is_table(options->format))
		return status_print_text(stdout, status);
	return status_print_doc(stdout, options->format, status);
}

static int exit_status(const struct status *status)
{
	if (!status->is_running)
		return CMD_NOT_RUNNING;
	return status->n_reasons ? CMD_FAILED : CMD_OK;
}

int status_main(const struct options *options)
{
	_cleanup_(pins_closep) struct datapath_reader *reader = NULL;
	_cleanup_(status_clear) struct status status = {};
	int r = pins_open("status", options, &reader);

	if (r != CMD_OK)
		return r;
	r = status_collect(reader, options->pin_dir, &status);
	if (r < 0) {
		command_error("status", "reading %s: %s", options->pin_dir, strerror(-r));
		return CMD_FAILED;
	}
	status_judge(&status);
	r = print_status(options, &status);
	if (r < 0) {
		command_error("status", "writing the output: %s", strerror(-r));
		return CMD_FAILED;
	}
	return exit_status(&status);
}
