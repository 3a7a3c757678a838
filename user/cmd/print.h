/* SPDX-License-Identifier: Apache-2.0 */
/* The one printer of plan and dump: a struct state as table, JSON or YAML (cli.md's shape). */
#ifndef SVCBPF_CMD_PRINT_H
#define SVCBPF_CMD_PRINT_H

#include <stdio.h>

#include "model/state.h"

enum print_format { PRINT_TABLE, PRINT_WIDE, PRINT_JSON, PRINT_YAML };

/** print_format_parse() - "table", "wide", "json", "yaml". Return: 0 or -EINVAL. */
int print_format_parse(const char *text, enum print_format *ret);

/**
 * print_state() - write @state to @out.
 * @service: "namespace/name" to show only that Service, or NULL.
 *
 * JSON and YAML: documented in svcbpf(8); frontends sorted by address, port, protocol (NodePorts,
 * whose address is null, come first), backends by address, port.
 * Return: 0; -ENOMEM; -EIO when @out cannot be written.
 */
int print_state(FILE *out, const struct state *state, enum print_format format,
		const char *service);

#endif
