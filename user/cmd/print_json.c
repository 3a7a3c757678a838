/* SPDX-License-Identifier: Apache-2.0 */
/* JSON, one row of a list a line, so that diff(1) of two documents shows the rows that differ. */
#include <errno.h>
#include <stdlib.h>

#include "cmd/print_format.h"

struct print_json {
	FILE *out;
	const char *separator; /* before the next member of the object */
	size_t n_rows;
};

static int json_open(FILE *out, bool is_wide, void **ret_data)
{
	struct print_json *json = calloc(1, sizeof(*json));

	(void)is_wide;
	if (!json)
		return -ENOMEM;
	json->out = out;
	json->separator = "{";
	*ret_data = json;
	return 0;
}

static int json_write(const struct print_json *json, const cJSON *value)
{
	char *text = cJSON_PrintUnformatted(value);

	if (!text)
		return -ENOMEM;
	fputs(text, json->out);
	cJSON_free(text);
	return 0;
}

static void json_key(struct print_json *json, const char *key)
{
	fprintf(json->out, "%s\"%s\":", json->separator, key);
	json->separator = ",\n";
}

static int json_value(void *data, const char *key, const cJSON *value)
{
	struct print_json *json = data;

	json_key(json, key);
	return json_write(json, value);
}

static int json_begin(void *data, const struct print_list *list)
{
	struct print_json *json = data;

	json_key(json, list->key);
	fputc('[', json->out);
	json->n_rows = 0;
	return 0;
}

static int json_row(void *data, const cJSON *row)
{
	struct print_json *json = data;

	fputs(json->n_rows++ ? ",\n" : "\n", json->out);
	return json_write(json, row);
}

static int json_end(void *data)
{
	const struct print_json *json = data;

	fputs(json->n_rows ? "\n]" : "]", json->out);
	return 0;
}

static int json_close(void *data)
{
	const struct print_json *json = data;

	fputs("}\n", json->out);
	return 0;
}

const struct print_format_ops print_json_ops = {
	.open = json_open,
	.value = json_value,
	.begin = json_begin,
	.row = json_row,
	.end = json_end,
	.close = json_close,
	.free = free,
};
