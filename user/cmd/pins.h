/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the pinned maps for the commands that look at them. */
#ifndef SVCBPF_CMD_PINS_H
#define SVCBPF_CMD_PINS_H

#include "cmd/options.h"
#include "datapath/datapath.h"

/**
 * pins_open() - open the pinned maps; on failure write one line to standard error.
 * @command: for that line.
 * Return: CMD_OK with *@ret for datapath_reader_close(); CMD_NOT_RUNNING when nothing is pinned;
 * CMD_FAILED.
 */
int pins_open(const char *command, const struct options *options, struct datapath_reader **ret);

/** pins_closep() - datapath_reader_close() for _cleanup_(). */
void pins_closep(struct datapath_reader **reader);

/**
 * pins_state() - all service ports in the kernel; on failure write one line to standard error.
 * Return: CMD_OK with *@ret for state_free(); CMD_FAILED.
 */
int pins_state(const char *command, const struct datapath_reader *reader, struct state **ret);

#endif
