/* SPDX-License-Identifier: Apache-2.0 */
/* The status for programs. */
#include <errno.h>

#include "cmd/status.h"
#include "util/cleanup.h"

static bool add_time(cJSON *object, const char *key, uint64_t ns)
{
	char text[STATUS_TIME_MAX];

	if (!ns)
		return cJSON_AddNullToObject(object, key);
	return cJSON_AddStringToObject(object, key, status_format_time(ns, text));
}

/* What was made, or nothing when a step failed. */
static cJSON *keep_if(bool is_whole, cJSON *object)
{
	if (is_whole)
		return object;
	cJSON_Delete(object);
	return NULL;
}

static cJSON *agent_json(const struct status *status)
{
	const struct svc_meta *meta = &status->meta;
	cJSON *object = cJSON_CreateObject();

	return keep_if(cJSON_AddBoolToObject(object, "running", status->is_running) &&
			       cJSON_AddNumberToObject(object, "pid", meta->agent_pid) &&
			       add_time(object, "started", meta->start_ns) &&
			       cJSON_AddStringToObject(object, "version", meta->version),
		       object);
}

static cJSON *cgroup_json(const struct svc_meta *meta)
{
	cJSON *object = cJSON_CreateObject();

	return keep_if(cJSON_AddStringToObject(object, "path", meta->cgroup_path) &&
			       cJSON_AddNumberToObject(object, "id", (double)meta->cgroup_id),
		       object);
}

static cJSON *source_json(const struct svc_meta *meta)
{
	const char *kind = status_source_kind(meta);
	cJSON *object = cJSON_CreateObject();

	return keep_if(
		(kind ? cJSON_AddStringToObject(object, "kind", kind)
		      : cJSON_AddNullToObject(object, "kind")) &&
			cJSON_AddStringToObject(object, "name", meta->source) &&
			cJSON_AddStringToObject(object, "state", status_source_state(meta)) &&
			add_time(object, "contact", meta->source_contact_ns),
		object);
}

static cJSON *sync_json(const struct svc_meta *meta)
{
	cJSON *object = cJSON_CreateObject();

	return keep_if(add_time(object, "time", meta->last_sync_ns) &&
			       cJSON_AddNumberToObject(object, "durationSeconds",
						       (double)meta->last_sync_duration_ns / 1e9) &&
			       cJSON_AddNumberToObject(object, "count", (double)meta->sync_count),
		       object);
}

static cJSON *selftest_json(const struct svc_meta *meta)
{
	const char *error = status_selftest_error(meta);
	cJSON *object = cJSON_CreateObject();

	return keep_if(
		add_time(object, "time", meta->selftest_ns) &&
			cJSON_AddStringToObject(object, "result", status_selftest_result(meta)) &&
			(error ? cJSON_AddStringToObject(object, "error", error)
			       : cJSON_AddNullToObject(object, "error")),
		object);
}

static cJSON *link_json(const struct status_link *link)
{
	cJSON *object = cJSON_CreateObject();

	return keep_if(cJSON_AddStringToObject(object, "name", link->name) &&
			       cJSON_AddNumberToObject(object, "programId", link->program_id) &&
			       cJSON_AddNumberToObject(object, "cgroupId", (double)link->cgroup_id),
		       object);
}

static cJSON *fill_json(const struct datapath_map_fill *fill)
{
	cJSON *object = cJSON_CreateObject();

	return keep_if(cJSON_AddStringToObject(object, "name", fill->name) &&
			       cJSON_AddNumberToObject(object, "used", (double)fill->n_used) &&
			       cJSON_AddNumberToObject(object, "max", (double)fill->n_max),
		       object);
}

static cJSON *feature_json(const struct status *status, const struct status_feature *feature)
{
	const bool is_there = status->meta.features & feature->bit;
	cJSON *object = cJSON_CreateObject();

	return keep_if(
		cJSON_AddStringToObject(object, "name", feature->name) &&
			cJSON_AddBoolToObject(object, "present", is_there) &&
			(is_there ? cJSON_AddNullToObject(object, "effect")
				  : cJSON_AddStringToObject(object, "effect", feature->effect)),
		object);
}

static int print_facts(struct print_doc *doc, const struct status *status)
{
	const struct svc_meta *meta = &status->meta;
	int r = print_doc_value(doc, "healthy", cJSON_CreateBool(!status->n_reasons));

	if (r == 0)
		r = print_doc_string(doc, "node", meta->node);
	if (r == 0)
		r = print_doc_string(doc, "zone", meta->zone);
	if (r == 0)
		r = print_doc_value(doc, "agent", agent_json(status));
	if (r == 0)
		r = print_doc_number(doc, "abi", meta->abi);
	if (r == 0)
		r = print_doc_string(doc, "pinDir", status->pin_dir);
	if (r == 0)
		r = print_doc_value(doc, "cgroup", cgroup_json(meta));
	if (r == 0)
		r = print_doc_value(doc, "source", source_json(meta));
	if (r == 0)
		r = print_doc_value(doc, "lastSync", sync_json(meta));
	if (r == 0)
		r = print_doc_value(doc, "selfTest", selftest_json(meta));
	if (r == 0)
		r = print_doc_value(doc, "devicesVisible", cJSON_CreateBool(!status->is_elsewhere));
	return r < 0 ? r : print_doc_value(doc, "flows", status_flows_json(status));
}

static int print_lists(struct print_doc *doc, const struct status *status)
{
	static const struct print_list links = {.key = "links"};
	static const struct print_list maps = {.key = "maps"};
	static const struct print_list features = {.key = "features"};
	size_t n_features;
	const struct status_feature *all = status_features(&n_features);
	int r = print_doc_begin(doc, &links);

	for (size_t i = 0; r == 0 && i < status->n_links; i++)
		r = print_doc_row(doc, link_json(&status->links[i]));
	if (r == 0)
		r = print_doc_end(doc);
	if (r == 0)
		r = status_devices_doc(doc, status);
	if (r == 0)
		r = print_doc_begin(doc, &maps);
	for (size_t i = 0; r == 0 && i < status->n_fills; i++)
		r = print_doc_row(doc, fill_json(&status->fills[i]));
	if (r == 0)
		r = print_doc_end(doc);
	if (r == 0)
		r = print_doc_begin(doc, &features);
	for (size_t i = 0; r == 0 && i < n_features; i++)
		r = print_doc_row(doc, feature_json(status, &all[i]));
	return r < 0 ? r : print_doc_end(doc);
}

static int print_texts(struct print_doc *doc, const struct status *status)
{
	static const struct print_list reasons = {.key = "reasons"};
	static const struct print_list problems = {.key = "problems"};
	int r = print_doc_begin(doc, &reasons);

	for (size_t i = 0; r == 0 && i < status->n_reasons; i++)
		r = print_doc_row(doc, cJSON_CreateString(status->reasons[i]));
	if (r == 0)
		r = print_doc_end(doc);
	if (r == 0)
		r = print_doc_begin(doc, &problems);
	for (size_t i = 0; r == 0 && i < status->n_problems; i++)
		r = print_doc_row(doc, cJSON_CreateString(status->problems[i].text));
	return r < 0 ? r : print_doc_end(doc);
}

int status_print_doc(FILE *out, enum print_format format, const struct status *status)
{
	_cleanup_(print_doc_freep) struct print_doc *doc = NULL;
	int r = print_doc_open(out, format, &doc);

	if (r == 0)
		r = print_facts(doc, status);
	if (r == 0)
		r = print_lists(doc, status);
	if (r == 0)
		r = print_texts(doc, status);
	return r < 0 ? r : print_doc_close(doc);
}
