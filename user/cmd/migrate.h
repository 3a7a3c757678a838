/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `svcbpf migrate check`: what stands between this node and svcbpf in place of kube-proxy.
 * Everything found is a line of one report; private to user/cmd/migrate*.c.
 */
#ifndef SVCBPF_CMD_MIGRATE_H
#define SVCBPF_CMD_MIGRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "cmd/options.h"
#include "datapath/foreign_rules.h"
#include "model/state.h"

/** enum migrate_level - what a line means to the one who wants to migrate. */
enum migrate_level {
	MIGRATE_FINE,	/* as it should be */
	MIGRATE_NOTE,	/* good to know */
	MIGRATE_CHANGE, /* will be different from kube-proxy */
	MIGRATE_UNSEEN, /* could not be looked at */
	MIGRATE_BLOCKS, /* stands in the way */
};

/** enum migrate_area - what a line is about. */
enum migrate_area {
	MIGRATE_KUBE_PROXY,
	MIGRATE_NODE,
	MIGRATE_OTHERS,
	MIGRATE_SETTINGS,
	MIGRATE_SERVICES,
	MIGRATE_N_AREAS,
};

/** struct migrate_finding - a line. @subject: "default/web", "port 10256"; owned, as is @text. */
struct migrate_finding {
	enum migrate_level level;
	enum migrate_area area;
	char *subject;
	char *text;
};

/** MIGRATE_MODE_MAX - bytes that hold a mode of kube-proxy, NUL included. */
#define MIGRATE_MODE_MAX 32

/**
 * struct migrate_process - a kube-proxy that runs in this network namespace.
 * @config: path as it knows it; NULL: it was given flags only.  @config_here: the same file as this
 *	process can open it.
 * @args: its command line, each argument ended by NUL; @args_bytes of it.
 * @mode: asked for by flag or file; "": its default.
 * All texts are owned.
 */
struct migrate_process {
	pid_t pid;
	char *config;
	char *config_here;
	char *args;
	size_t args_bytes;
	char mode[MIGRATE_MODE_MAX];
};

/**
 * struct migrate_report - all that was found.
 * @proxy_mode: what kube-proxy's metrics port answers to /proxyMode; "": it does not.
 * @is_svcbpf_running: an agent holds the pin directory.
 * @has_services: a source was read.  @has_family: Services of [0] IPv4, [1] IPv6.
 * @has_node_ports: there are NodePorts.
 * @is_out_of_memory: a line is missing.
 */
struct migrate_report {
	const struct options *options;
	struct migrate_finding *findings;
	size_t n_findings;
	size_t max_findings;
	struct migrate_process *processes;
	size_t n_processes;
	char proxy_mode[MIGRATE_MODE_MAX];
	struct foreign_rules rules;
	bool is_svcbpf_running;
	bool has_services;
	bool has_family[2];
	bool has_node_ports;
	bool is_out_of_memory;
};

/** migrate_add() - one more line. @subject: may be "". */
void migrate_add(struct migrate_report *report, enum migrate_area area, enum migrate_level level,
		 const char *subject, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/** migrate_count() - how many lines have this level. */
size_t migrate_count(const struct migrate_report *report, enum migrate_level level);

/** migrate_mode() - kube-proxy's mode by what is known best; "" when nothing of it is here. */
const char *migrate_mode(const struct migrate_report *report);

/** migrate_clear() - free what the report owns; a zeroed one is fine. */
void migrate_clear(struct migrate_report *report);

/**
 * migrate_find_processes() - the kube-proxies of this network namespace.
 * @proc: "/proc".
 */
void migrate_find_processes(struct migrate_report *report, const char *proc);

/** migrate_argument() - the value of "--name=value" or "--name value"; NULL: it is not there. */
const char *migrate_argument(const struct migrate_process *process, const char *name);

/** migrate_look_at_rules() - lines about the rules in the kernel; fills @report->rules before. */
void migrate_look_at_rules(struct migrate_report *report);

/** migrate_tell_rules() - the lines alone. */
void migrate_tell_rules(struct migrate_report *report);

/**
 * migrate_ask_mode() - ask kube-proxy itself.
 * @address: "ADDRESS:PORT" of its metrics.
 */
void migrate_ask_mode(struct migrate_report *report, const char *address);

/** migrate_look_at_settings() - its configuration, or flags, as svcbpf understands them. */
void migrate_look_at_settings(struct migrate_report *report);

/** migrate_look_at_others() - other programs that translate at sockets. */
void migrate_look_at_others(struct migrate_report *report);

/** migrate_look_at_node() - whether svcbpf can run here. */
void migrate_look_at_node(struct migrate_report *report);

/** migrate_look_at_ports() - whether it can listen where it wants to. */
void migrate_look_at_ports(struct migrate_report *report);

/**
 * migrate_port_owner() - who listens on a TCP port.
 * @proc: "/proc".  @ret_name: its command, MIGRATE_MODE_MAX bytes; "" when it is not known.
 * Return: its process; 0: nobody does; -1: somebody who cannot be seen.
 */
pid_t migrate_port_owner(const char *proc, uint16_t port, char *ret_name);

/** migrate_look_at_source() - read Services as the options say, and compare. */
void migrate_look_at_source(struct migrate_report *report);

/** migrate_compare() - what is different for each Service, in the order of @state. */
void migrate_compare(struct migrate_report *report, const struct state *state);

/** migrate_next_steps() - call @fn for each thing to do now, in order. */
void migrate_next_steps(const struct migrate_report *report,
			void (*fn)(void *arg, const char *text), void *arg);

/** migrate_print() - write it in the options' format. Return: 0; -ENOMEM; -EIO. */
int migrate_print(FILE *out, const struct migrate_report *report);

#endif
