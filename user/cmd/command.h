/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of commands. */
#ifndef SVCBPF_CMD_COMMAND_H
#define SVCBPF_CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct options;

/* Exit status of every command (cli.md). */
#define CMD_OK		0
#define CMD_FAILED	1
#define CMD_USAGE	2
#define CMD_NOT_RUNNING 3

/**
 * struct command - a row of the table.
 * @summary: one line for the list of commands.
 * @args: arguments as shown in the usage line; "" for none.  @max_args: how many at most.
 * @doc: for --help, below the summary.
 * @groups: OPTIONS_* of options.h.
 * @needs_root: needs root, or CAP_BPF and CAP_NET_ADMIN.
 * @run: do it. Return: CMD_*.
 */
struct command {
	const char *name;
	const char *summary;
	const char *args;
	const char *doc;
	size_t max_args;
	unsigned int groups;
	bool needs_root;
	int (*run)(const struct options *options);
};

/** commands() - the table. */
const struct command *commands(size_t *ret_n);

/** command_find() - the command of that name. Return: NULL when there is none. */
const struct command *command_find(const char *name);

/** command_nearest() - the command that @name may be a slip of. Return: NULL when none is near. */
const struct command *command_nearest(const char *name);

/** command_list() - write all names and summaries: the help of svcbpf itself. */
void command_list(FILE *out);

/**
 * command_main() - run svcbpf.
 * @argv: of main(), at least one element; reordered.
 * Return: exit status.
 */
int command_main(int argc, char **argv);

/** command_error() - write "svcbpf NAME: text" and a newline to standard error. */
void command_error(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Commands, one file each. */
int run_main(const struct options *options);
int dump_main(const struct options *options);
int plan_main(const struct options *options);
int verify_main(const struct options *options);
int explain_main(const struct options *options);
int status_main(const struct options *options);
int migrate_main(const struct options *options);
int cleanup_main(const struct options *options);
int version_main(const struct options *options);
int help_main(const struct options *options);

#endif
