/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the pinned maps for the commands that look at them. */
#ifndef SVCBPF_CMD_READER_H
#define SVCBPF_CMD_READER_H

#include "cmd/options.h"
#include "datapath/datapath.h"

/**
 * reader_open() - open the pinned maps; on failure write one line to standard error.
 * @command: for that line.
 * Return: CMD_OK with *@ret for datapath_reader_close(); CMD_NOT_RUNNING when nothing is pinned;
 * CMD_FAILED.
 */
int reader_open(const char *command, const struct options *options, struct datapath_reader **ret);

/** reader_freep() - datapath_reader_close() for _cleanup_(). */
void reader_freep(struct datapath_reader **reader);

/**
 * reader_state() - all service ports in the kernel; on failure write one line to standard error.
 * Return: CMD_OK with *@ret for state_free(); CMD_FAILED.
 */
int reader_state(const char *command, const struct datapath_reader *reader, struct state **ret);

#endif
