/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/dump_kinds.h"
#include "cmd/pins.h"
#include "cmd/plan.h"
#include "cmd/print.h"
#include "util/cleanup.h"

/* What a kind is made from. */
struct dump {
	const struct options *options;
	const struct datapath_reader *reader;
	const struct state *state; /* NULL when the kind does not need it */
};

static int add_backends(struct print_doc *doc, const struct dump *dump, const char *title)
{
	return dump_backends(doc, dump->state, dump->options->service, title);
}

static int add_affinity(struct print_doc *doc, const struct dump *dump, const char *title)
{
	return dump_affinity(doc, dump->reader, dump->options->service, title);
}

static int add_conntrack(struct print_doc *doc, const struct dump *dump, const char *title)
{
	return dump_conntrack(doc, dump->reader, dump->options, title);
}

static int add_nodes(struct print_doc *doc, const struct dump *dump, const char *title)
{
	return dump_nodes(doc, dump->reader, title);
}

static int add_stats(struct print_doc *doc, const struct dump *dump, const char *title)
{
	return dump_stats(doc, dump->reader, title);
}

/*
 * The kinds but frontends, which plan prints too; the titles are for "all". What needs the flow
 * table is not part of "all" where there is none.
 */
static const struct kind {
	const char *name;
	const char *title;
	bool needs_state;
	bool needs_flows;
	int (*add)(struct print_doc *doc, const struct dump *dump, const char *title);
} kinds[] = {
	{"backends", "Backends:", true, false, add_backends},
	{"affinity", "Affinity:", false, false, add_affinity},
	{"conntrack", "Flows:", false, true, add_conntrack},
	{"nodes", "Addresses NodePorts answer on:", false, false, add_nodes},
	{"stats", "Counters:", false, false, add_stats},
};

static bool is_kind(const char *name)
{
	if (strcmp(name, "frontends") == 0 || strcmp(name, "all") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(name, kinds[i].name) == 0)
			return true;
	return false;
}

static int print_kinds(struct print_doc *doc, const char *kind, const struct dump *dump)
{
	const bool is_all = strcmp(kind, "all") == 0;
	int r = 0;

	if (is_all) {
		r = print_frontends(doc, dump->state, dump->options->service, "Frontends:");
		if (r == 0)
			r = print_health_checks(doc, dump->state, dump->options->service);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds); i++)
		if (is_all ? !kinds[i].needs_flows || datapath_has_flows(dump->reader)
			   : strcmp(kind, kinds[i].name) == 0)
			r = kinds[i].add(doc, dump, is_all ? kinds[i].title : NULL);
	return r;
}

static int print_dump(const char *kind, const struct dump *dump)
{
	const struct svc_meta *meta = datapath_reader_meta(dump->reader);
	_cleanup_(print_doc_freep) struct print_doc *doc = NULL;
	int r;

	if (strcmp(kind, "frontends") == 0)
		return print_state(stdout, dump->state, dump->options->format,
				   dump->options->service);
	r = print_doc_open(stdout, dump->options->format, &doc);
	if (r == 0)
		r = print_doc_string(doc, "node", meta->node);
	if (r == 0)
		r = print_doc_string(doc, "zone", meta->zone);
	if (r == 0)
		r = print_kinds(doc, kind, dump);
	return r < 0 ? r : print_doc_close(doc);
}

static bool needs_state(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kind, kinds[i].name) == 0)
			return kinds[i].needs_state;
	return true;
}

/* The pins are opened anew each time: a cleanup or an upgrade may come between two. */
static int dump_once(const char *kind, const struct options *options)
{
	_cleanup_(pins_closep) struct datapath_reader *reader = NULL;
	_cleanup_(plan_state_freep) struct state *state = NULL;
	struct dump dump = {.options = options};
	int r = pins_open("dump", options, &reader);

	if (r != CMD_OK)
		return r;
	if (strcmp(kind, "conntrack") == 0 && !datapath_has_flows(reader)) {
		command_error("dump", "conntrack: there is no flow table: the agent runs without "
				      "the packet path (--devices none)");
		return CMD_FAILED;
	}
	if (needs_state(kind)) {
		r = pins_state("dump", reader, &state);
		if (r != CMD_OK)
			return r;
	}
	dump.reader = reader;
	dump.state = state;
	r = print_dump(kind, &dump);
	if (r == 0)
		return CMD_OK;
	command_error("dump", "writing %s: %s", kind, strerror(-r));
	return CMD_FAILED;
}

static int dump_watch(const char *kind, const struct options *options)
{
	const struct timespec interval = {.tv_sec = options->interval_s};
	const bool is_terminal = isatty(STDOUT_FILENO);
	int r = CMD_OK;

	while (r == CMD_OK) {
		if (is_terminal)
			fputs("\033[H\033[2J\033[3J", stdout);
		r = dump_once(kind, options);
		if (r == CMD_OK)
			nanosleep(&interval, NULL);
	}
	return r;
}

static bool has_flow_filter(const struct options *options)
{
	const struct datapath_flow_filter *flows = &options->flows;

	return flows->client.addr.family != ADDR_NONE || flows->backend.addr.family != ADDR_NONE ||
	       flows->protocol || flows->state || options->has_limit;
}

int dump_main(const struct options *options)
{
	const char *kind = options->n_args ? options->args[0] : "frontends";

	if (!is_kind(kind)) {
		command_error("dump",
			      "unknown kind '%s'; known: frontends backends affinity conntrack "
			      "nodes stats all",
			      kind);
		return CMD_USAGE;
	}
	if (has_flow_filter(options) && strcmp(kind, "conntrack") != 0) {
		command_error("dump", "--client, --backend, --protocol, --state and --limit are "
				      "for 'dump conntrack'");
		return CMD_USAGE;
	}
	return options->is_watch ? dump_watch(kind, options) : dump_once(kind, options);
}
