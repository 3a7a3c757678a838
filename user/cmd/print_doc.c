/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/print_format.h"
#include "util/cleanup.h"

struct print_doc {
	FILE *out;
	const struct print_format_ops *ops;
	void *data;
};

static const struct {
	const char *name;
	const struct print_format_ops *ops;
} formats[] = {
	[PRINT_TABLE] = {"table", &print_table_ops},
	[PRINT_WIDE] = {"wide", &print_table_ops},
	[PRINT_JSON] = {"json", &print_json_ops},
	[PRINT_YAML] = {"yaml", &print_yaml_ops},
};

int print_format_parse(const char *text, enum print_format *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (strcmp(text, formats[i].name) == 0) {
			*ret = (enum print_format)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool print_is_table(enum print_format format)
{
	return format == PRINT_TABLE || format == PRINT_WIDE;
}

int print_scalar_text(const cJSON *value, const char *null_text, char **ret)
{
	char *text = NULL;

	if (cJSON_IsString(value))
		text = strdup(value->valuestring);
	else if (cJSON_IsBool(value))
		text = strdup(cJSON_IsTrue(value) ? "true" : "false");
	else if (!cJSON_IsNumber(value))
		text = strdup(null_text);
	else if (asprintf(&text, "%.15g", value->valuedouble) < 0)
		text = NULL;
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

void print_doc_free(struct print_doc *doc)
{
	if (!doc)
		return;
	if (doc->data)
		doc->ops->free(doc->data);
	free(doc);
}

void print_doc_freep(struct print_doc **doc)
{
	print_doc_free(*doc);
}

int print_doc_open(FILE *out, enum print_format format, struct print_doc **ret)
{
	_cleanup_(print_doc_freep) struct print_doc *doc = calloc(1, sizeof(*doc));
	int r;

	if (!doc)
		return -ENOMEM;
	doc->out = out;
	doc->ops = formats[format].ops;
	r = doc->ops->open(out, format == PRINT_WIDE, &doc->data);
	if (r < 0)
		return r;
	r = print_doc_string(doc, "apiVersion", "svcbpf/v1");
	if (r < 0)
		return r;
	*ret = TAKE_PTR(doc);
	return 0;
}

int print_doc_value(struct print_doc *doc, const char *key, cJSON *value)
{
	int r = value ? doc->ops->value(doc->data, key, value) : -ENOMEM;

	cJSON_Delete(value);
	return r;
}

int print_doc_string(struct print_doc *doc, const char *key, const char *text)
{
	return print_doc_value(doc, key, text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

int print_doc_number(struct print_doc *doc, const char *key, double number)
{
	return print_doc_value(doc, key, cJSON_CreateNumber(number));
}

int print_doc_begin(struct print_doc *doc, const struct print_list *list)
{
	return doc->ops->begin(doc->data, list);
}

int print_doc_row(struct print_doc *doc, cJSON *row)
{
	int r = row ? doc->ops->row(doc->data, row) : -ENOMEM;

	cJSON_Delete(row);
	return r;
}

int print_doc_end(struct print_doc *doc)
{
	return doc->ops->end(doc->data);
}

int print_doc_close(struct print_doc *doc)
{
	int r = doc->ops->close(doc->data);

	if (r < 0)
		return r;
	return fflush(doc->out) || ferror(doc->out) ? -EIO : 0;
}
