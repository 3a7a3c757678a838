/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/config_file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/command.h"
#include "cmd/config_reader.h"
#include "cmd/nearest.h"
#include "cmd/options.h"
#include "source/grow.h"
#include "source/manifest_text.h"
#include "source/parse.h"
#include "source/text_hash.h"
#include "source/yaml.h"
#include "util/cleanup.h"
#include "util/one_line.h"

/* More is no configuration; the YAML reader would take much more. */
#define MAX_BYTES (1u << 20)

/** struct config_file - all strings are owned, but the names of the options. */
struct config_file {
	struct config_value *values;
	size_t n_values;
	size_t max_values;
	struct config_ignored *ignored;
	size_t n_ignored;
	size_t max_ignored;
	char *note;
	uint64_t hash;
};

/* ------------------------------------------------------------------ for both forms */

int config_fail(const struct config_reader *reader, const struct cJSON *node, const char *format,
		...)
{
	const struct parsed *parsed = reader->parsed;
	char text[CONFIG_ERROR_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	one_line_make(text, '?');
	/* a long path must not push the reason out */
	snprintf(reader->error, CONFIG_ERROR_MAX, "%.200s:%zu: %.280s", reader->path,
		 parsed->line_of(parsed, node), text);
	return -EINVAL;
}

int config_fail_unknown(const struct config_reader *reader, const struct cJSON *node,
			const char *name, const char *nearest)
{
	if (nearest)
		return config_fail(reader, node, "unknown field \"%s\"; did you mean \"%s\"?", name,
				   nearest);
	return config_fail(reader, node, "unknown field \"%s\"", name);
}

const char *config_type_name(const struct cJSON *node)
{
	if (cJSON_IsString(node))
		return "a string";
	if (cJSON_IsNumber(node))
		return "a number";
	if (cJSON_IsBool(node))
		return "true or false";
	return cJSON_IsArray(node) ? "a list" : "an object";
}

int config_add(struct config_reader *reader, const struct cJSON *node, const char *option,
	       const char *value)
{
	struct config_file *file = reader->file;
	_free_ char *copy = value ? strdup(value) : NULL;
	void *grown;

	if (value && !copy)
		return -ENOMEM;
	grown = grow_array(file->values, file->n_values, &file->max_values, sizeof(*file->values));
	if (!grown)
		return -ENOMEM;
	file->values = grown;
	file->values[file->n_values++] = (struct config_value){
		.option = option,
		.value = TAKE_PTR(copy),
		.line = reader->parsed->line_of(reader->parsed, node),
	};
	return 0;
}

int config_ignore(struct config_reader *reader, const struct cJSON *node, const char *name)
{
	struct config_file *file = reader->file;
	struct config_ignored *ignored;
	char *value;
	void *grown = grow_array(file->ignored, file->n_ignored, &file->max_ignored,
				 sizeof(*file->ignored));

	if (!grown)
		return -ENOMEM;
	file->ignored = grown;
	value = cJSON_PrintUnformatted(node);
	if (!value)
		return -ENOMEM;
	ignored = &file->ignored[file->n_ignored++];
	ignored->name = name;
	snprintf(ignored->value, sizeof(ignored->value), "%s", value);
	one_line_make(ignored->value, '?');
	cJSON_free(value);
	return 0;
}

static int add_joined(struct config_reader *reader, const struct cJSON *list, const char *option,
		      const char *separator)
{
	_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	const cJSON *item;

	if (!out)
		return -ENOMEM;
	cJSON_ArrayForEach(item, list)
		fprintf(out, "%s%s", item == list->child ? "" : separator, item->valuestring);
	if (fclose(out))
		return -ENOMEM;
	return config_add(reader, list, option, text);
}

int config_add_strings(struct config_reader *reader, const struct cJSON *list, const char *option,
		       const char *separator)
{
	const cJSON *item;
	int r = 0;

	cJSON_ArrayForEach(item, list) {
		if (!cJSON_IsString(item))
			return config_fail(reader, item, "%s: an element must be a string, not %s",
					   list->string, config_type_name(item));
		if (!separator)
			r = config_add(reader, item, option, item->valuestring);
		if (r < 0)
			return r;
	}
	return separator && list->child ? add_joined(reader, list, option, separator) : 0;
}

/* ------------------------------------------------------------------ options as keys */

/* What only makes sense on a command line. */
static bool is_for_command_line(const char *name)
{
	static const char *const names[] = {"config", "help", "once", "ready-fd"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const struct argp_option *find_option(const struct command *command, const char *name,
					     struct nearest *nearest)
{
	size_t n;
	const struct option_group *groups = option_groups(&n);

	for (size_t i = 0; i < n; i++) {
		const struct argp_option *option = groups[i].argp->options;

		if (!((command->groups | OPTIONS_COMMON) & groups[i].bit))
			continue;
		for (; option->name; option++) {
			if (is_for_command_line(option->name))
				continue;
			if (strcmp(option->name, name) == 0)
				return option;
			nearest_try(nearest, name, option->name);
		}
	}
	return NULL;
}

/* An option that has a value. */
static int add_scalar(struct config_reader *reader, const struct cJSON *node, const char *option)
{
	char number[32];

	if (cJSON_IsString(node))
		return config_add(reader, node, option, node->valuestring);
	if (!cJSON_IsNumber(node))
		return config_fail(reader, node, "%s: must be a string or a number, not %s", option,
				   config_type_name(node));
	snprintf(number, sizeof(number), "%.17g", node->valuedouble);
	return config_add(reader, node, option, number);
}

static bool is_comma_list(const char *option)
{
	static const char *const names[] = {"nodeport-addresses", "devices", "uplinks",
					    "snat-ports", "flow-timeout"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], option) == 0)
			return true;
	return false;
}

static int add_option(struct config_reader *reader, const struct cJSON *node)
{
	struct nearest nearest = NEAREST_INIT;
	const struct argp_option *option = find_option(reader->command, node->string, &nearest);

	if (!option)
		return config_fail_unknown(reader, node, node->string, nearest.word);
	if (cJSON_IsNull(node))
		return 0;
	if (!option->arg) {
		if (!cJSON_IsBool(node))
			return config_fail(reader, node, "%s: must be true or false, not %s",
					   option->name, config_type_name(node));
		return cJSON_IsTrue(node) ? config_add(reader, node, option->name, NULL) : 0;
	}
	if (!cJSON_IsArray(node))
		return add_scalar(reader, node, option->name);
	if (strcmp(option->name, "manifests") == 0 || strcmp(option->name, "server") == 0)
		return config_add_strings(reader, node, option->name, NULL);
	if (is_comma_list(option->name))
		return config_add_strings(reader, node, option->name, ",");
	return config_fail(reader, node, "%s: must be one value, not a list", option->name);
}

static int read_options(struct config_reader *reader)
{
	const cJSON *node;

	cJSON_ArrayForEach(node, reader->parsed->json) {
		int r = add_option(reader, node);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ------------------------------------------------------------------ the file */

static int on_document(void *arg, const struct parsed *parsed)
{
	struct config_reader *reader = arg;
	const cJSON *json = parsed->json;

	reader->parsed = parsed;
	if (reader->has_document || parsed->list_kind)
		return config_fail(reader, json, "must be one document");
	reader->has_document = true;
	if (!cJSON_IsObject(json))
		return config_fail(reader, json, "must be an object, not %s",
				   config_type_name(json));
	if (cJSON_HasObjectItem(json, "apiVersion") || cJSON_HasObjectItem(json, "kind"))
		return config_read_proxy(reader);
	return read_options(reader);
}

static int on_error(void *arg, size_t line, const char *text)
{
	const struct config_reader *reader = arg;

	snprintf(reader->error, CONFIG_ERROR_MAX, "%.200s:%zu: %.280s", reader->path, line, text);
	return -EINVAL;
}

static int read_text(const char *path, char **ret_text, size_t *ret_len, char *ret_error)
{
	struct stat st;
	int r = manifest_text_read(path, ret_text, ret_len, &st);

	if (r == -ENOMEM)
		return r;
	if (r == 0 && *ret_len > MAX_BYTES)
		r = -EFBIG;
	if (r < 0)
		snprintf(ret_error, CONFIG_ERROR_MAX, "--config %.300s: %s", path,
			 r == -EINVAL ? "not a regular file" : strerror(-r));
	return r < 0 ? -EINVAL : 0;
}

static void config_file_freep(struct config_file **file)
{
	config_file_free(*file);
}

static int make_note(struct config_file *file, const char *path)
{
	size_t size = 0;
	FILE *out;

	if (!file->n_ignored)
		return 0;
	out = open_memstream(&file->note, &size);
	if (!out)
		return -ENOMEM;
	fprintf(out, "%s: ignored, as svcbpf has no use for it: ", path);
	for (size_t i = 0; i < file->n_ignored; i++)
		fprintf(out, "%s%s", i ? ", " : "", file->ignored[i].name);
	return fclose(out) ? -ENOMEM : 0;
}

static int read_file(const struct command *command, const char *path, struct config_file *file,
		     char *error)
{
	struct config_reader reader = {
		.command = command,
		.path = path,
		.file = file,
		.error = error,
	};
	const struct parse_events events = {on_document, on_error, &reader};
	_free_ char *text = NULL;
	size_t len = 0;
	int r = read_text(path, &text, &len, error);

	if (r < 0)
		return r;
	file->hash = text_hash(0, text, len);
	r = yaml_parse(text, len, &events);
	return r == 0 ? make_note(file, path) : r;
}

int config_file_read(const struct command *command, const char *path, struct config_file **ret,
		     char ret_error[CONFIG_ERROR_MAX])
{
	_cleanup_(config_file_freep) struct config_file *file = calloc(1, sizeof(*file));
	int r;

	if (!file)
		return -ENOMEM;
	r = read_file(command, path, file, ret_error);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(file);
	return 0;
}

const struct config_value *config_file_values(const struct config_file *file, size_t *ret_n)
{
	*ret_n = file->n_values;
	return file->values;
}

const char *config_file_note(const struct config_file *file)
{
	return file->note;
}

const struct config_ignored *config_file_ignored(const struct config_file *file, size_t *ret_n)
{
	*ret_n = file->n_ignored;
	return file->ignored;
}

uint64_t config_file_hash(const struct config_file *file)
{
	return file->hash;
}

void config_file_free(struct config_file *file)
{
	if (!file)
		return;
	for (size_t i = 0; i < file->n_values; i++)
		free((char *)file->values[i].value);
	free(file->values);
	free(file->ignored);
	free(file->note);
	free(file);
}
