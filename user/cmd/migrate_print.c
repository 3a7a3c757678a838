/* SPDX-License-Identifier: Apache-2.0 */
/* The report for people, the verdict first, and for programs. */
#include <errno.h>
#include <string.h>

#include "cmd/migrate.h"
#include "cmd/print_doc.h"
#include "util/cleanup.h"

/* So many lines about Services are read; the others are for -o wide. */
#define MAX_SERVICE_LINES 40

static const char *const level_names[] = {
	[MIGRATE_FINE] = "fine",     [MIGRATE_NOTE] = "note",	  [MIGRATE_CHANGE] = "change",
	[MIGRATE_UNSEEN] = "unseen", [MIGRATE_BLOCKS] = "blocks",
};

/* Before a line: as it should be, to be known, different, not seen, in the way. */
static const char level_signs[] = {
	[MIGRATE_FINE] = ' ',	[MIGRATE_NOTE] = ' ',	[MIGRATE_CHANGE] = '~',
	[MIGRATE_UNSEEN] = '?', [MIGRATE_BLOCKS] = '!',
};

static const struct {
	const char *key;
	const char *title;
} areas[] = {
	[MIGRATE_KUBE_PROXY] = {"kubeProxy", "kube-proxy"},
	[MIGRATE_NODE] = {"node", "This node"},
	[MIGRATE_OTHERS] = {"others", "Other programs"},
	[MIGRATE_SETTINGS] = {"settings", "Settings of kube-proxy"},
	[MIGRATE_SERVICES] = {"services", "Services that will be different"},
};
_Static_assert(ARRAY_SIZE(areas) == MIGRATE_N_AREAS, "migrate.h");

/* ------------------------------------------------------------------ for people */

static void print_finding(FILE *out, const struct migrate_finding *finding)
{
	fprintf(out, "  %c %s%s%s\n", level_signs[finding->level], finding->subject,
		*finding->subject ? ": " : "", finding->text);
}

static void print_area(FILE *out, const struct migrate_report *report, enum migrate_area area)
{
	const bool is_short = area == MIGRATE_SERVICES && report->options->format != PRINT_WIDE;
	size_t n = 0;

	for (size_t i = 0; i < report->n_findings; i++) {
		const struct migrate_finding *finding = &report->findings[i];

		if (finding->area != area)
			continue;
		if (!n++)
			fprintf(out, "\n%s\n", areas[area].title);
		if (!is_short || n <= MAX_SERVICE_LINES)
			print_finding(out, finding);
	}
	if (is_short && n > MAX_SERVICE_LINES)
		fprintf(out, "    ... and %zu more; -o wide shows them\n", n - MAX_SERVICE_LINES);
}

static void print_verdict(FILE *out, const struct migrate_report *report)
{
	const size_t n_blocks = migrate_count(report, MIGRATE_BLOCKS);
	const size_t n_unseen = migrate_count(report, MIGRATE_UNSEEN);

	if (!n_blocks)
		fprintf(out, "Nothing %sstands in the way.\n", n_unseen ? "that was seen " : "");
	else
		fputs("In the way:\n", out);
	for (size_t i = 0; i < report->n_findings; i++)
		if (report->findings[i].level == MIGRATE_BLOCKS)
			print_finding(out, &report->findings[i]);
	if (n_unseen)
		fprintf(out, "Not seen (?): %zu.\n", n_unseen);
}

static void print_step(void *arg, const char *text)
{
	fprintf(arg, "  - %s\n", text);
}

static int print_text(FILE *out, const struct migrate_report *report)
{
	print_verdict(out, report);
	for (int area = 0; area < MIGRATE_N_AREAS; area++)
		print_area(out, report, (enum migrate_area)area);
	fputs("\nNext\n", out);
	migrate_next_steps(report, print_step, out);
	return fflush(out) || ferror(out) ? -EIO : 0;
}

/* ------------------------------------------------------------------ for programs */

static cJSON *finding_json(const struct migrate_finding *finding)
{
	cJSON *object = cJSON_CreateObject();

	if (cJSON_AddStringToObject(object, "level", level_names[finding->level]) &&
	    cJSON_AddStringToObject(object, "area", areas[finding->area].key) &&
	    cJSON_AddStringToObject(object, "subject", finding->subject) &&
	    cJSON_AddStringToObject(object, "text", finding->text))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static cJSON *process_json(const struct migrate_process *process)
{
	cJSON *object = cJSON_CreateObject();

	if (cJSON_AddNumberToObject(object, "pid", process->pid) &&
	    (process->config ? cJSON_AddStringToObject(object, "config", process->config)
			     : cJSON_AddNullToObject(object, "config")) &&
	    (*process->mode ? cJSON_AddStringToObject(object, "mode", process->mode)
			    : cJSON_AddNullToObject(object, "mode")))
		return object;
	cJSON_Delete(object);
	return NULL;
}

/** struct steps - a list that is being written. @result: of the last row. */
struct steps {
	struct print_doc *doc;
	int result;
};

static void add_step(void *arg, const char *text)
{
	struct steps *steps = arg;

	if (steps->result == 0)
		steps->result = print_doc_row(steps->doc, cJSON_CreateString(text));
}

static int print_facts(struct print_doc *doc, const struct migrate_report *report)
{
	const char *mode = migrate_mode(report);
	int r = print_doc_value(doc, "ready",
				cJSON_CreateBool(!migrate_count(report, MIGRATE_BLOCKS)));

	if (r == 0)
		r = print_doc_string(doc, "node", report->options->node_name);
	if (r == 0)
		r = print_doc_string(doc, "mode", *mode ? mode : NULL);
	if (r == 0)
		r = print_doc_value(doc, "svcbpfRunning",
				    cJSON_CreateBool(report->is_svcbpf_running));
	return r < 0 ? r
		     : print_doc_value(doc, "rules",
				       cJSON_CreateBool(foreign_rules_has_any(&report->rules)));
}

static int print_doc(FILE *out, const struct migrate_report *report)
{
	static const struct print_list processes = {.key = "processes"};
	static const struct print_list findings = {.key = "findings"};
	static const struct print_list next = {.key = "next"};
	_cleanup_(print_doc_freep) struct print_doc *doc = NULL;
	struct steps steps = {};
	int r = print_doc_open(out, report->options->format, &doc);

	if (r == 0)
		r = print_facts(doc, report);
	if (r == 0)
		r = print_doc_begin(doc, &processes);
	for (size_t i = 0; r == 0 && i < report->n_processes; i++)
		r = print_doc_row(doc, process_json(&report->processes[i]));
	if (r == 0)
		r = print_doc_end(doc);
	if (r == 0)
		r = print_doc_begin(doc, &findings);
	for (size_t i = 0; r == 0 && i < report->n_findings; i++)
		r = print_doc_row(doc, finding_json(&report->findings[i]));
	if (r == 0)
		r = print_doc_end(doc);
	if (r == 0)
		r = print_doc_begin(doc, &next);
	steps.doc = doc;
	if (r == 0)
		migrate_next_steps(report, add_step, &steps);
	r = r < 0 ? r : steps.result;
	if (r == 0)
		r = print_doc_end(doc);
	return r < 0 ? r : print_doc_close(doc);
}

int migrate_print(FILE *out, const struct migrate_report *report)
{
	if (print_is_table(report->options->format))
		return print_text(out, report);
	return print_doc(out, report);
}
