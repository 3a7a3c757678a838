/* SPDX-License-Identifier: Apache-2.0 */
#include "source/manifest_reader.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/field.h"
#include "source/grow.h"
#include "source/json.h"
#include "source/list_kind.h"
#include "source/text_hash.h"
#include "source/yaml.h"
#include "util/log.h"

#define OBJECT_TEXT_MAX 512
#define KIND_MAX_BYTES	128

/**
 * struct reader - the state of one run.
 * @has_unknown: something cannot be used of which the name is not known.
 */
struct reader {
	struct manifest_file *file;
	const struct manifest_context *context;
	bool is_quiet;
	bool has_unknown;
};

/**
 * struct candidate - an object of the text that is being looked at.
 * @namespace, @name: borrowed from the tree; @name is NULL when it is not known.
 */
struct candidate {
	const struct parsed *parsed;
	enum object_kind kind;
	const char *namespace;
	const char *name;
};

/* Tells about a line, and remembers that it did. Return: 0 or -ENOMEM. */
static int note(const struct reader *reader, size_t line, const char *object, const char *text)
{
	struct manifest_file *file = reader->file;
	size_t *lines = grow_array(file->told_lines, file->n_told_lines, &file->max_told_lines,
				   sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	file->told_lines = lines;
	lines[file->n_told_lines++] = line;
	if (!reader->is_quiet)
		manifest_reject(reader->context->events, file->path, line, object, text);
	return 0;
}

static int reject(const struct reader *reader, size_t line, const char *object, const char *text)
{
	reader->file->n_rejected++;
	return note(reader, line, object, text);
}

static int reject_unknown(struct reader *reader, size_t line, const char *text)
{
	reader->has_unknown = true;
	return reject(reader, line, "", text);
}

static const char *candidate_format(const struct candidate *candidate, char *buf, size_t size)
{
	if (!candidate->name)
		return "";
	return object_format(candidate->kind, candidate->namespace, candidate->name, buf, size);
}

/* Reads the name as far as it can be read, also when the object is no good. */
static void identify(const cJSON *json, struct candidate *candidate)
{
	const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(json, "metadata");
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(metadata, "name");
	const cJSON *namespace = cJSON_GetObjectItemCaseSensitive(metadata, "namespace");

	if (cJSON_IsString(name) && name->valuestring[0])
		candidate->name = name->valuestring;
	candidate->namespace = "default";
	if (candidate->kind == OBJECT_NODE)
		candidate->namespace = "";
	else if (cJSON_IsString(namespace) && namespace->valuestring[0])
		candidate->namespace = namespace->valuestring;
}

static int add_entry(const struct reader *reader, const struct candidate *candidate,
		     struct entry **ret)
{
	struct manifest_file *file = reader->file;
	struct entry *entries =
		grow_array(file->entries, file->n_entries, &file->max_entries, sizeof(*entries));
	struct object *object;
	int r;

	if (!entries)
		return -ENOMEM;
	file->entries = entries;
	r = objects_get(reader->context->objects, candidate->kind, candidate->namespace,
			candidate->name, &object);
	if (r < 0)
		return r;
	object->n_entries++;
	entries[file->n_entries] = (struct entry){
		.object = object,
		.line = candidate->parsed->line,
		.decoded.kind = candidate->kind,
	};
	*ret = &entries[file->n_entries++];
	return 0;
}

static int decode(const struct reader *reader, const struct candidate *candidate,
		  struct decoded *ret, struct decode_error *ret_error)
{
	struct strings *pool = reader->context->objects->pool;
	const cJSON *json = candidate->parsed->json;

	switch (candidate->kind) {
	case OBJECT_SERVICE:
		return decode_service(json, pool, &ret->service, ret_error);
	case OBJECT_SLICE:
		return decode_slice(json, pool, &ret->slice, ret_error);
	case OBJECT_ENDPOINTS:
		return decode_endpoints(json, pool, &ret->mirror, ret_error);
	case OBJECT_NODE:
		return decode_node(json, pool, &ret->node, ret_error);
	}
	return 0;
}

/* Whether it has addresses other than a ClusterIP. */
static bool is_reachable(const struct k8s_service *service)
{
	for (size_t i = 0; i < service->n_ports; i++) {
		if (service->ports[i].node_port)
			return true;
	}
	return service->n_external_ips > 0 || service->n_ingress > 0;
}

/* Nothing gives such a Service an address here; that is no mistake, but surely not meant. */
static int note_service(const struct reader *reader, const struct candidate *candidate,
			const struct k8s_service *service)
{
	const struct parsed *parsed = candidate->parsed;
	const cJSON *spec = cJSON_GetObjectItemCaseSensitive(parsed->json, "spec");
	const cJSON *ip = cJSON_GetObjectItemCaseSensitive(spec, "clusterIP");
	char object[OBJECT_TEXT_MAX];

	if (service->is_excluded || service->type == K8S_EXTERNAL_NAME ||
	    (cJSON_IsString(ip) && ip->valuestring[0]))
		return 0;
	if (!service->is_headless && !service->is_unallocated)
		return 0;
	return note(reader, parsed->line_of(parsed, spec),
		    candidate_format(candidate, object, sizeof(object)),
		    service->is_unallocated && is_reachable(service)
			    ? "spec.clusterIP is missing, and no API server allocates one here: "
			      "served on its other addresses only"
			    : "spec.clusterIP is missing: without an API server nothing allocates "
			      "it, and without it the Service is not served; add one");
}

static int note_endpoints(const struct reader *reader, const struct candidate *candidate,
			  const struct mirror *mirror)
{
	char object[OBJECT_TEXT_MAX], text[128];

	if (mirror->n_left_out == 0)
		return 0;
	snprintf(text, sizeof(text), "%zu addresses beyond %d in a subset are left out",
		 mirror->n_left_out, ENDPOINTS_MAX_ADDRESSES);
	return note(reader, candidate->parsed->line,
		    candidate_format(candidate, object, sizeof(object)), text);
}

/* Fills in what is known of a good object beside its decoded form. */
static int fill_entry(const struct reader *reader, const struct candidate *candidate,
		      struct entry *entry)
{
	const cJSON *json = candidate->parsed->json, *spec, *selector;

	entry->hash = text_hash_json(json);
	switch (candidate->kind) {
	case OBJECT_SERVICE:
		spec = cJSON_GetObjectItemCaseSensitive(json, "spec");
		selector = cJSON_GetObjectItemCaseSensitive(spec, "selector");
		entry->has_selector = cJSON_IsObject(selector) && selector->child;
		return note_service(reader, candidate, entry->decoded.service);
	case OBJECT_SLICE:
		entry->service = strings_ref(entry->decoded.slice->service);
		return 0;
	case OBJECT_ENDPOINTS:
		entry->is_skipped = entry->decoded.mirror->is_skipped;
		return note_endpoints(reader, candidate, entry->decoded.mirror);
	default:
		return 0;
	}
}

static int reject_known(struct reader *reader, const struct candidate *candidate,
			const struct decode_error *error)
{
	const struct parsed *parsed = candidate->parsed;
	char object[OBJECT_TEXT_MAX];

	if (!candidate->name)
		reader->has_unknown = true;
	return reject(reader, parsed->line_of(parsed, error->node),
		      candidate_format(candidate, object, sizeof(object)), error->text);
}

/* Decodes an object of a kind that counts and makes its entry, a bad one when it is no good. */
static int read_known(struct reader *reader, const struct candidate *candidate)
{
	struct decoded decoded = {.kind = candidate->kind};
	struct decode_error error = {};
	struct entry *entry;
	int r_decode = decode(reader, candidate, &decoded, &error);
	int r = r_decode == -EINVAL ? reject_known(reader, candidate, &error) : r_decode;

	if (r < 0 || !candidate->name)
		return r;
	r = add_entry(reader, candidate, &entry);
	if (r < 0) {
		decoded_clear(reader->context->objects->pool, &decoded);
		return r;
	}
	entry->decoded = decoded;
	entry->is_bad = r_decode < 0;
	return entry->is_bad ? 0 : fill_entry(reader, candidate, entry);
}

/* The items of a ServiceList are Services; those of a plain List say what they are. */
static bool find_kind(const struct parsed *parsed, char *buf, size_t size)
{
	const cJSON *kind = cJSON_GetObjectItemCaseSensitive(parsed->json, "kind");
	size_t len;

	if (cJSON_IsString(kind) && kind->valuestring[0]) {
		snprintf(buf, size, "%s", kind->valuestring);
		return true;
	}
	if (!parsed->list_kind)
		return false;
	len = strlen(parsed->list_kind) - strlen("List");
	snprintf(buf, size, "%.*s", (int)len, parsed->list_kind);
	return len > 0;
}

static int read_object(void *arg, const struct parsed *parsed)
{
	const cJSON *json = parsed->json;
	const cJSON *version = cJSON_GetObjectItemCaseSensitive(json, "apiVersion");
	struct candidate candidate = {.parsed = parsed};
	struct reader *reader = arg;
	char kind[KIND_MAX_BYTES], text[2 * KIND_MAX_BYTES];
	int r;

	if (!cJSON_IsObject(json))
		return reject_unknown(reader, parsed->line, "not an object: kind is missing");
	if (!find_kind(parsed, kind, sizeof(kind)))
		return reject_unknown(reader, parsed->line, "kind is missing");
	r = kinds_find(kind, cJSON_IsString(version) ? version->valuestring : NULL,
		       &candidate.kind);
	if (r == 0) {
		log_debug("%s:%zu: kind %s is ignored", reader->file->path, parsed->line, kind);
		return 0;
	}
	if (r < 0) {
		snprintf(text, sizeof(text),
			 "apiVersion %.64s of %.32s is not read; write it as %s",
			 version->valuestring, kind, kinds_api_version(kind));
		return reject_unknown(reader, parsed->line_of(parsed, version), text);
	}
	identify(json, &candidate);
	if (candidate.kind == OBJECT_NODE && candidate.name &&
	    strcasecmp(candidate.name, reader->context->node_name) != 0)
		return 0;
	return read_known(reader, &candidate);
}

static int read_error(void *arg, size_t line, const char *text)
{
	return reject_unknown(arg, line, text);
}

/*
 * Something in the file cannot be told what it is: it may be any of the objects that were there
 * before and are not now, so these stay as they are.
 */
static int keep_missing(struct reader *reader, const struct manifest_file *old)
{
	struct objects *objects = reader->context->objects;
	uint64_t mark = objects_new_mark(objects);
	int r;

	for (size_t i = 0; i < reader->file->n_entries; i++)
		reader->file->entries[i].object->mark = mark;
	for (size_t i = 0; i < old->n_entries; i++) {
		const struct object_key *key = &old->entries[i].object->key;
		struct parsed parsed = {.line = old->entries[i].line};
		struct candidate candidate = {
			.parsed = &parsed,
			.kind = (enum object_kind)key->kind,
			.namespace = key->namespace,
			.name = key->name,
		};
		struct entry *entry;

		if (old->entries[i].object->mark == mark)
			continue;
		r = add_entry(reader, &candidate, &entry);
		if (r < 0)
			return r;
		entry->is_bad = true;
		entry->is_missing = true;
		entry->object->mark = mark;
	}
	return 0;
}

static bool is_json_name(const char *path)
{
	size_t len = strlen(path);

	return len > 5 && strcmp(path + len - 5, ".json") == 0;
}

int manifest_reader_run(struct manifest_file *file, const struct manifest_file *old,
			const struct manifest_context *context, bool is_quiet, const char *text,
			size_t len)
{
	struct reader reader = {.file = file, .context = context, .is_quiet = is_quiet};
	const struct parse_events events = {
		.object = read_object,
		.error = read_error,
		.arg = &reader,
	};
	int r;

	r = is_json_name(file->path) ? json_parse(text, len, 1, &events)
				     : yaml_parse(text, len, &events);
	if (r < 0)
		return r;
	return reader.has_unknown ? keep_missing(&reader, old) : 0;
}
