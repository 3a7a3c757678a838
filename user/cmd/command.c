/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/command.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd/nearest.h"
#include "cmd/options.h"
#include "util/cleanup.h"
#include "util/log.h"

static const struct command table[] = {
	{
		.name = "run",
		.summary = "The agent: follow a source and program the datapath",
		.args = "",
		.doc = "Stops on SIGTERM and SIGINT; the datapath stays in place and goes on "
		       "working. SIGHUP reads the source again.",
		.groups = OPTIONS_SOURCE | OPTIONS_DATAPATH | OPTIONS_ALGORITHM | OPTIONS_PACKET |
			  OPTIONS_PIN_DIR | OPTIONS_CONFIG | OPTIONS_AGENT,
		.needs_root = true,
		.run = run_main,
	},
	{
		.name = "dump",
		.summary = "Show what the kernel holds, read from the pinned maps",
		.args = "[KIND]",
		.max_args = 1,
		.doc = "KIND is frontends (default), backends, affinity, conntrack (flows of the "
		       "packet path), nodes (addresses NodePorts answer on), stats (counters) or "
		       "all. Works without an agent.",
		.groups = OPTIONS_PIN_DIR | OPTIONS_FORMAT | OPTIONS_FILTER | OPTIONS_FLOWS |
			  OPTIONS_WATCH,
		.needs_root = true,
		.run = dump_main,
	},
	{
		.name = "plan",
		.summary = "Show what run would program from a source, and touch nothing",
		.args = "",
		.doc = "Exit status 1 when an object of the source was refused; the plan of the "
		       "others is shown all the same.",
		.groups = OPTIONS_SOURCE | OPTIONS_ALGORITHM | OPTIONS_FORMAT | OPTIONS_FILTER,
		.run = plan_main,
	},
	{
		.name = "verify",
		.summary = "Compare what the kernel holds with the plan",
		.args = "",
		.doc = "Exit status 1 when they differ. Lines begin with - (planned, missing in "
		       "the kernel), + (only in the kernel) or ~ (another value).",
		.groups = OPTIONS_SOURCE | OPTIONS_PIN_DIR | OPTIONS_FORMAT | OPTIONS_FILTER,
		.needs_root = true,
		.run = verify_main,
	},
	{
		.name = "explain",
		.summary = "Why a connection goes where it goes (not in this version)",
		.args = "FROM TO",
		.max_args = 2,
		.doc = "",
		.run = explain_main,
	},
	{
		.name = "status",
		.summary = "Is the agent running, what is attached, is all well",
		.args = "",
		.doc = "Exit status 1 when something is wrong, 3 when no agent runs.",
		.groups = OPTIONS_PIN_DIR | OPTIONS_FORMAT,
		.needs_root = true,
		.run = status_main,
	},
	{
		.name = "migrate",
		.summary = "What it takes to go from kube-proxy to svcbpf on this node",
		.args = "check",
		.max_args = 1,
		.doc = "Looks and changes nothing. Exit status 1 when something stands in the way. "
		       "Without a source Services are not looked at; without root it says what it "
		       "could not see.",
		.groups = OPTIONS_SOURCE | OPTIONS_CONFIG | OPTIONS_PIN_DIR | OPTIONS_FORMAT |
			  OPTIONS_FILTER,
		.run = migrate_main,
	},
	{
		.name = "cleanup",
		.summary = "Detach and remove everything svcbpf made on this host",
		.args = "",
		.doc = "Stop the agent first. Connections that are open go on; new ones to a "
		       "Service are no longer translated.",
		.groups = OPTIONS_PIN_DIR,
		.needs_root = true,
		.run = cleanup_main,
	},
	{
		.name = "version",
		.summary = "Show the versions of svcbpf, its ABI and libbpf",
		.args = "",
		.doc = "",
		.groups = OPTIONS_FORMAT,
		.run = version_main,
	},
	{
		.name = "help",
		.summary = "Show the commands, or a command's options",
		.args = "[COMMAND]",
		.max_args = 1,
		.doc = "",
		.run = help_main,
	},
};

const struct command *commands(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(table);
	return table;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

const struct command *command_nearest(const char *name)
{
	struct nearest nearest = NEAREST_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		nearest_try(&nearest, name, table[i].name);
	return nearest.word ? command_find(nearest.word) : NULL;
}

void command_list(FILE *out)
{
	fputs("Usage: svcbpf COMMAND [OPTION...]\n"
	      "A Kubernetes Service load balancer in eBPF.\n\nCommands:\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		fprintf(out, "  %-8s %s%s\n", table[i].name, table[i].summary,
			table[i].needs_root ? " (root)" : "");
	fputs("\n'svcbpf COMMAND --help' shows a command's options; svcbpf(8) is the manual.\n"
	      "Exit status: 0 done, 1 failed or differs, 2 usage, 3 the agent is not there.\n",
	      out);
}

void command_error(const char *name, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "svcbpf%s%s: %s\n", *name ? " " : "", name, text);
}

/* Root may do all of it; others need these two capabilities, in effect now. */
static bool is_privileged(void)
{
	const uint64_t needed = (uint64_t)1 << CAP_BPF | (uint64_t)1 << CAP_NET_ADMIN;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
	uint64_t effective;

	if (geteuid() == 0)
		return true;
	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	return (effective & needed) == needed;
}

static int command_run(const struct command *command, const struct options *options)
{
	if (options->is_help) {
		options_help(command, stdout);
		return CMD_OK;
	}
	if (command->needs_root && !is_privileged()) {
		command_error(command->name, "must run as root, or with CAP_BPF and CAP_NET_ADMIN");
		return CMD_FAILED;
	}
	log_setup(options->is_verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, options->is_json_log);
	return command->run(options);
}

static int unknown_command(const char *name)
{
	const struct command *nearest = command_nearest(name);

	if (nearest)
		command_error("", "unknown command '%s', did you mean '%s'? see 'svcbpf help'",
			      name, nearest->name);
	else
		command_error("", "unknown command '%s'; see 'svcbpf help'", name);
	return CMD_USAGE;
}

int command_main(int argc, char **argv)
{
	_cleanup_(options_clear) struct options options = {};
	char error[OPTIONS_ERROR_MAX];
	const struct command *command;
	const char *name = argc > 1 ? argv[1] : NULL;
	int r;

	if (!name) {
		command_error("", "no command given; see 'svcbpf help'");
		return CMD_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	command = command_find(name);
	if (!command)
		return *name == '-'
			       ? (command_error("", "unknown option '%s'; see 'svcbpf help'", name),
				  CMD_USAGE)
			       : unknown_command(name);
	r = options_parse(command, argc - 1, argv + 1, &options, error);
	if (r == -EINVAL)
		command_error(command->name, "%s", error);
	else if (r < 0)
		command_error(command->name, "%s", strerror(-r));
	return r < 0 ? (r == -EINVAL ? CMD_USAGE : CMD_FAILED) : command_run(command, &options);
}
