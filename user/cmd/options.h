/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of all commands: declared once in groups (argp), a command names the groups it takes.
 * Help, the errors, and the checks of man page and completion derive from the same tables.
 */
#ifndef SVCBPF_CMD_OPTIONS_H
#define SVCBPF_CMD_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/print_doc.h"

/* Groups of options, for struct command.groups; OPTIONS_COMMON is taken by every command. */
#define OPTIONS_SOURCE	 0x01u
#define OPTIONS_DATAPATH 0x02u
#define OPTIONS_AGENT	 0x04u
#define OPTIONS_PIN_DIR	 0x08u
#define OPTIONS_FORMAT	 0x10u
#define OPTIONS_FILTER	 0x20u
#define OPTIONS_WATCH	 0x40u
#define OPTIONS_COMMON	 0x80u

/** OPTIONS_ERROR_MAX - bytes that hold any error of options_parse(), NUL included. */
#define OPTIONS_ERROR_MAX 512

/** OPTIONS_NODE_MAX - bytes that hold a node name, NUL included (as in struct svc_meta). */
#define OPTIONS_NODE_MAX 256

struct command;

/**
 * struct options - what the user asked for, defaults filled in. Strings are borrowed from argv and
 * the environment, but @manifests and @args, whose arrays are owned.
 * @is_help: --help: print it and do nothing else.
 * @cgroup: NULL: find the mounted one.
 * @nodeport_addresses: checked by node_addresses_parse(); NULL: all.
 * @ready_fd: -1: none.
 * @service: "namespace/name", NULL: all.
 */
struct options {
	bool is_help;
	bool is_verbose;
	bool is_json_log;
	const char **args;
	size_t n_args;
	const char **manifests;
	size_t n_manifests;
	char node_name[OPTIONS_NODE_MAX];
	const char *cgroup;
	const char *pin_dir;
	const char *nodeport_addresses;
	uint32_t max_services;
	uint32_t max_backends;
	bool is_once;
	int ready_fd;
	enum print_format format;
	const char *service;
	bool is_watch;
	uint32_t interval_s;
};

/**
 * struct option_group - some options that belong together.
 * @bit: OPTIONS_*.  @header: over the group in --help.
 */
struct option_group {
	unsigned int bit;
	const char *header;
	const struct argp *argp;
};

/** option_groups() - all groups, in the order of --help. */
const struct option_group *option_groups(size_t *ret_n);

/**
 * options_parse() - read a command's arguments.
 * @argv: argv[0] is the command's own name; borrowed as long as @ret_options is used, reordered.
 * @ret_options: filled in with defaults even on failure; give it to options_clear().
 * @ret_error: one line, on -EINVAL.
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int options_parse(const struct command *command, int argc, char **argv, struct options *ret_options,
		  char ret_error[OPTIONS_ERROR_MAX]);

/** options_help() - write the command's help. */
void options_help(const struct command *command, FILE *out);

/** options_clear() - free what the options own; cleared options are fine. */
void options_clear(struct options *options);

#endif
