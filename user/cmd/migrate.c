/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/migrate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "datapath/datapath.h"
#include "source/grow.h"
#include "util/cleanup.h"
#include "util/one_line.h"

#define TEXT_MAX 1024

void migrate_add(struct migrate_report *report, enum migrate_area area, enum migrate_level level,
		 const char *subject, const char *format, ...)
{
	struct migrate_finding finding = {.level = level, .area = area};
	char text[TEXT_MAX];
	va_list args;
	void *grown = grow_array(report->findings, report->n_findings, &report->max_findings,
				 sizeof(*report->findings));

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	one_line_make(text, '?');
	if (grown) {
		report->findings = grown;
		finding.subject = strdup(subject);
		finding.text = strdup(text);
	}
	if (!finding.subject || !finding.text) {
		free(finding.subject);
		free(finding.text);
		report->is_out_of_memory = true;
		return;
	}
	one_line_make(finding.subject, '?');
	report->findings[report->n_findings++] = finding;
}

size_t migrate_count(const struct migrate_report *report, enum migrate_level level)
{
	size_t n = 0;

	for (size_t i = 0; i < report->n_findings; i++)
		n += report->findings[i].level == level;
	return n;
}

/* Its own word, then what it was told, then what it left in the kernel. */
const char *migrate_mode(const struct migrate_report *report)
{
	const struct foreign_rules *rules = &report->rules;

	if (*report->proxy_mode)
		return report->proxy_mode;
	for (size_t i = 0; i < report->n_processes; i++)
		if (*report->processes[i].mode)
			return report->processes[i].mode;
	if (rules->n_nft_chains[FOREIGN_IPV4] || rules->n_nft_chains[FOREIGN_IPV6])
		return "nftables";
	if (rules->has_ipvs_device)
		return "ipvs";
	return report->n_processes || foreign_rules_has_any(rules) ? "iptables" : "";
}

static void process_clear(struct migrate_process *process)
{
	free(process->config);
	free(process->config_here);
	free(process->args);
}

void migrate_clear(struct migrate_report *report)
{
	for (size_t i = 0; i < report->n_findings; i++) {
		free(report->findings[i].subject);
		free(report->findings[i].text);
	}
	for (size_t i = 0; i < report->n_processes; i++)
		process_clear(&report->processes[i]);
	free(report->findings);
	free(report->processes);
	report->findings = NULL;
	report->processes = NULL;
	report->n_findings = report->n_processes = 0;
}

static void look_for_agent(struct migrate_report *report)
{
	struct datapath_reader *reader = NULL;
	struct datapath_error error = {};

	if (datapath_reader_open(report->options->pin_dir, &reader, &error) < 0)
		return;
	report->is_svcbpf_running = datapath_reader_is_running(reader);
	datapath_reader_close(reader);
}

/* Where kube-proxy serves its metrics: as it was told, else as it does by itself. */
static const char *metrics_address(const struct migrate_report *report)
{
	for (size_t i = 0; i < report->n_processes; i++) {
		const char *address =
			migrate_argument(&report->processes[i], "metrics-bind-address");

		if (address && *address && !report->processes[i].config)
			return address;
	}
	return *report->options->metrics_bind_address ? report->options->metrics_bind_address
						      : OPTIONS_DEFAULT_METRICS;
}

static int check(const struct options *options)
{
	_cleanup_(migrate_clear) struct migrate_report report = {.options = options};
	int r;

	look_for_agent(&report);
	migrate_find_processes(&report, "/proc");
	migrate_ask_mode(&report, metrics_address(&report));
	migrate_look_at_rules(&report);
	migrate_look_at_source(&report); /* which families count is asked for below */
	migrate_look_at_node(&report);
	migrate_look_at_others(&report);
	migrate_look_at_ports(&report);
	migrate_look_at_settings(&report);
	r = report.is_out_of_memory ? -ENOMEM : migrate_print(stdout, &report);
	if (r < 0) {
		command_error("migrate", "writing the output: %s", strerror(-r));
		return CMD_FAILED;
	}
	return migrate_count(&report, MIGRATE_BLOCKS) ? CMD_FAILED : CMD_OK;
}

int migrate_main(const struct options *options)
{
	if (!options->n_args) {
		command_error("migrate", "what shall be done? known: check");
		return CMD_USAGE;
	}
	if (strcmp(options->args[0], "check") != 0) {
		command_error("migrate", "unknown '%s'; known: check", options->args[0]);
		return CMD_USAGE;
	}
	return check(options);
}
