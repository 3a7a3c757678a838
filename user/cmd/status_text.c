/* SPDX-License-Identifier: Apache-2.0 */
/* The status for people: the verdict first, then what is wrong, then the facts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "cmd/status.h"
#include "util/cleanup.h"

static uint64_t age_ns(const struct status *status, uint64_t time_ns)
{
	return status->now_ns > time_ns ? status->now_ns - time_ns : 0;
}

static void print_verdict(FILE *out, const struct status *status)
{
	if (!status->n_reasons) {
		fputs("All is well.\n\n", out);
		return;
	}
	fputs("Needs attention:\n", out);
	for (size_t i = 0; i < status->n_reasons; i++)
		fprintf(out, "  ! %s\n", status->reasons[i]);
	fputc('\n', out);
}

static void print_agent(FILE *out, const struct status *status)
{
	const struct svc_meta *meta = &status->meta;
	char age[STATUS_AGE_MAX];
	char time[STATUS_TIME_MAX];

	status_format_age(age_ns(status, meta->start_ns), age);
	status_format_time(meta->start_ns, time);
	if (status->is_running)
		fprintf(out, "agent      running for %s, process %u, since %s\n", age,
			meta->agent_pid, time);
	else
		fprintf(out, "agent      not running; the last, process %u, began at %s\n",
			meta->agent_pid, time);
	fprintf(out, "version    %s, ABI %u\n", meta->version, meta->abi);
	fprintf(out, "node       %s, %s%s\n", meta->node, *meta->zone ? "zone " : "no zone",
		meta->zone);
	fprintf(out, "pins       %s\n", status->pin_dir);
}

static void print_source(FILE *out, const struct status *status)
{
	const struct svc_meta *meta = &status->meta;
	char age[STATUS_AGE_MAX];

	if (!meta->source_kind)
		return;
	status_format_age(age_ns(status, meta->source_contact_ns), age);
	fprintf(out, "source     %s, %s", meta->source, status_source_state(meta));
	if (meta->source_contact_ns && meta->source_state == SVC_SOURCE_IN_STEP)
		fprintf(out, " (seen %s ago)", age);
	else if (meta->source_contact_ns)
		fprintf(out, ": what is programmed is %s old", age);
	fputc('\n', out);
}

static void print_sync(FILE *out, const struct status *status)
{
	const struct svc_meta *meta = &status->meta;
	const char *error = status_selftest_error(meta);
	char age[STATUS_AGE_MAX];
	char time[STATUS_TIME_MAX];

	if (meta->last_sync_ns)
		fprintf(out,
			"last sync  %s ago, at %s, took %.1f ms; %llu since the maps were made\n",
			status_format_age(age_ns(status, meta->last_sync_ns), age),
			status_format_time(meta->last_sync_ns, time),
			(double)meta->last_sync_duration_ns / 1e6,
			(unsigned long long)meta->sync_count);
	else
		fputs("last sync  never\n", out);
	fprintf(out, "self-test  %s%s%s", status_selftest_result(meta), error ? ": " : "",
		error ? error : "");
	if (meta->selftest_ns)
		fprintf(out, ", %s ago", status_format_age(age_ns(status, meta->selftest_ns), age));
	fputc('\n', out);
}

static void print_programs(FILE *out, const struct status *status)
{
	const struct svc_meta *meta = &status->meta;

	fprintf(out, "cgroup     %s (id %llu)\n", *meta->cgroup_path ? meta->cgroup_path : "?",
		(unsigned long long)meta->cgroup_id);
	fprintf(out, "programs   %zu attached", status->n_links);
	for (size_t i = 0; i < status->n_links; i++)
		fprintf(out, "%s%s (%u%s)", i % 4 ? ", " : "\n           ", status->links[i].name,
			status->links[i].program_id,
			status->links[i].cgroup_id ? "" : ", cgroup gone");
	fputc('\n', out);
}

static void print_kernel(FILE *out, const struct status *status)
{
	struct utsname name = {};
	size_t n;
	const struct status_feature *features = status_features(&n);
	size_t n_missing = 0;

	if (uname(&name) < 0)
		snprintf(name.release, sizeof(name.release), "?");
	for (size_t i = 0; i < n; i++)
		n_missing += !(status->meta.features & features[i].bit);
	fprintf(out, "kernel     %s %s\n", name.release,
		n_missing ? "missing here:" : "has everything svcbpf can use");
	for (size_t i = 0; i < n; i++)
		if (!(status->meta.features & features[i].bit))
			fprintf(out, "           - %s: %s\n", features[i].text, features[i].effect);
}

static int fill_row(struct print_doc *doc, const struct datapath_map_fill *fill)
{
	const double percent = fill->n_max ? (double)fill->n_used * 100 / (double)fill->n_max : 0;
	cJSON *row = cJSON_CreateObject();
	char text[32];

	snprintf(text, sizeof(text), "%.0f%%", percent);
	if (cJSON_AddStringToObject(row, "name", fill->name) &&
	    cJSON_AddNumberToObject(row, "used", (double)fill->n_used) &&
	    cJSON_AddNumberToObject(row, "max", (double)fill->n_max) &&
	    cJSON_AddStringToObject(row, "fill", text))
		return print_doc_row(doc, row);
	cJSON_Delete(row);
	return -ENOMEM;
}

static int print_maps(FILE *out, const struct status *status)
{
	static const struct print_column columns[] = {
		{.title = "MAP", .key = "name"},
		{.title = "USED", .key = "used", .is_right = true},
		{.title = "MAX", .key = "max", .is_right = true},
		{.title = "FILL", .key = "fill", .is_right = true},
	};
	static const struct print_list list = {"maps", NULL, columns, ARRAY_SIZE(columns)};
	_cleanup_(print_doc_freep) struct print_doc *doc = NULL;
	int r = print_doc_open(out, PRINT_TABLE, &doc);

	if (r == 0)
		r = print_doc_begin(doc, &list);
	for (size_t i = 0; r == 0 && i < status->n_fills; i++)
		r = fill_row(doc, &status->fills[i]);
	if (r == 0)
		r = print_doc_end(doc);
	return r < 0 ? r : print_doc_close(doc);
}

int status_print_text(FILE *out, const struct status *status)
{
	int r;

	print_verdict(out, status);
	print_agent(out, status);
	print_programs(out, status);
	status_print_devices(out, status);
	print_source(out, status);
	print_sync(out, status);
	status_print_flows(out, status);
	print_kernel(out, status);
	fputc('\n', out);
	r = print_maps(out, status);
	if (r < 0)
		return r;
	if (status->n_problems)
		fputs("\nProblems:\n", out);
	for (size_t i = 0; i < status->n_problems; i++)
		fprintf(out, "  ! %s\n", status->problems[i].text);
	return fflush(out) || ferror(out) ? -EIO : 0;
}
