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
#include "datapath/datapath.h"
#include "datapath/flows.h"
#include "model/model.h"
#include "svcbpf/abi.h"
#include "util/addr.h"

/* Groups of options, for struct command.groups; OPTIONS_COMMON is taken by every command. */
#define OPTIONS_SOURCE	  0x01u
#define OPTIONS_DATAPATH  0x02u
#define OPTIONS_AGENT	  0x04u
#define OPTIONS_PIN_DIR	  0x08u
#define OPTIONS_FORMAT	  0x10u
#define OPTIONS_FILTER	  0x20u
#define OPTIONS_WATCH	  0x40u
#define OPTIONS_COMMON	  0x80u
#define OPTIONS_PACKET	  0x1000u
#define OPTIONS_ALGORITHM 0x200u
#define OPTIONS_FLOWS	  0x400u
#define OPTIONS_CONFIG	  0x800u

/** OPTIONS_ERROR_MAX - bytes that hold any error of options_parse(), NUL included. */
#define OPTIONS_ERROR_MAX 512

/** OPTIONS_NOTE_MAX - bytes that hold struct options.packet_note, NUL included. */
#define OPTIONS_NOTE_MAX 200

/** OPTIONS_NODE_MAX - bytes that hold a node name, NUL included (as in struct svc_meta). */
#define OPTIONS_NODE_MAX 256

struct command;
struct config_file;

/** OPTIONS_DEFAULT_HEALTHZ, OPTIONS_DEFAULT_METRICS - where `run` listens, as kube-proxy does. */
#define OPTIONS_DEFAULT_HEALTHZ "0.0.0.0:10256"
#define OPTIONS_DEFAULT_METRICS "127.0.0.1:10249"

/** OPTIONS_DEFAULT_STATE_DIR - where `run` keeps its snapshot when its source is the API. */
#define OPTIONS_DEFAULT_STATE_DIR "/var/lib/svcbpf"

/**
 * struct options - what the user asked for, defaults filled in. Strings are borrowed from argv, the
 * environment and @file; the arrays @args, @manifests and @servers are one block, owned.
 * @is_help: --help: print it and do nothing else.
 * @n_manifests: never together with @kubeconfig, @context, @servers.
 * @kubeconfig: NULL: the in-cluster service account.  @context: NULL: the current one.
 * @servers: instead of the kubeconfig's; tried in turn.
 * @is_api_through_service: the API may be reached through a Service's address, its own included.
 * @state_dir: where the snapshot is; "": none is kept. The default is for the API only.
 * @healthz_bind_address, @metrics_bind_address: "ADDRESS:PORT", checked by
 *	options_parse_endpoint(); "": no such server.
 * @is_bind_hard_fail: end when one cannot be bound, instead of trying again.
 * @config: path of --config; NULL: none.  @file: what is in it, owned; NULL without.
 * @config_note: one line about @config, e.g. what is ignored in it, for the log; NULL: none.
 * @cgroup: NULL: find the mounted one.
 * @nodeport_addresses: checked by node_addresses_parse(); NULL: all.
 * @devices: "auto", "none", or checked by device_list_parse().
 * @uplinks: checked by device_list_parse(); NULL: as devices.h tells them.
 * @is_clsact: attach the packet programs as filters, also where the kernel has TCX.
 * @xdp: on uplinks, in front of the packet programs.
 * @max_flows: 0 with @devices "none".
 * @algorithm: never MODEL_ALGORITHM_NONE.
 * @packet: SNAT ports, timeouts and forwarding, complete.
 * @packet_note: one line about the SNAT ports, for the log; "": none.
 * @ready_fd: -1: none.
 * @service: "namespace/name", NULL: all.
 * @flows: which flows to show; its service is unused.  @limit: how many; 0: all; when
 *	@has_limit.
 */
struct options {
	bool is_help;
	bool is_verbose;
	bool is_json_log;
	bool is_api_through_service;
	bool is_clsact;
	bool is_bind_hard_fail;
	bool is_once;
	bool is_watch;
	const char **args;
	size_t n_args;
	const char **manifests;
	size_t n_manifests;
	const char *kubeconfig;
	const char *context;
	const char **servers;
	size_t n_servers;
	char node_name[OPTIONS_NODE_MAX];
	const char *cgroup;
	const char *pin_dir;
	const char *nodeport_addresses;
	const char *devices;
	const char *uplinks;
	enum datapath_xdp xdp;
	uint32_t max_services;
	uint32_t max_backends;
	uint32_t max_flows;
	enum model_algorithm algorithm;
	struct svc_packet_config packet;
	char packet_note[OPTIONS_NOTE_MAX];
	const char *state_dir;
	const char *healthz_bind_address;
	const char *metrics_bind_address;
	const char *config;
	struct config_file *file;
	const char *config_note;
	int ready_fd;
	enum print_format format;
	const char *service;
	struct datapath_flow_filter flows;
	bool has_limit;
	uint32_t limit;
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

/**
 * options_parse_endpoint() - read "ADDRESS:PORT", "[ADDRESS]:PORT", or ":PORT" for 0.0.0.0.
 * @ret_port: host order; 0: any free one.
 * Return: 0; -EINVAL.
 */
int options_parse_endpoint(const char *text, struct addr *ret_addr, uint16_t *ret_port);

/** options_help() - write the command's help. */
void options_help(const struct command *command, FILE *out);

/** options_clear() - free what the options own; cleared options are fine. */
void options_clear(struct options *options);

#endif
