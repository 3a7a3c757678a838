/* SPDX-License-Identifier: Apache-2.0 */
/* The plan: what a node should be programmed with, computed from a source without the kernel. */
#ifndef SVCBPF_CMD_PLAN_H
#define SVCBPF_CMD_PLAN_H

#include "cmd/options.h"
#include "model/state.h"

/**
 * plan_check_source() - whether there is a source and all its paths can be read.
 * @command: for the error, which is written to standard error.
 * Return: CMD_OK, CMD_USAGE, CMD_FAILED.
 */
int plan_check_source(const char *command, const struct options *options);

/**
 * plan_compute() - read the source and compute the state.
 * @command: for errors.
 * @ret_n_rejected: how many objects of the source were refused.
 *
 * Refused objects ("file:line: object: what is wrong"), problems and errors are written to standard
 * error. Return: CMD_OK with *@ret for state_free(); CMD_USAGE; CMD_FAILED.
 */
int plan_compute(const char *command, const struct options *options, struct state **ret,
		 size_t *ret_n_rejected);

/** plan_state_freep() - state_free() for _cleanup_(). */
void plan_state_freep(struct state **state);

#endif
