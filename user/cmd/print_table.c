/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for people, by libsmartcols; columns are chosen by the format, cells made from the row. */
#include <errno.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/print_format.h"
#include "util/cleanup.h"

struct print_table {
	FILE *out;
	bool is_wide;
	bool is_later; /* something was printed: an empty line comes before the next table */
	const struct print_list *list;
	struct libscols_table *table;
};

static bool column_is_shown(const struct print_table *table, const struct print_column *column)
{
	return table->is_wide ? !column->is_narrow : !column->is_wide;
}

static int table_open(FILE *out, bool is_wide, void **ret_data)
{
	struct print_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->out = out;
	table->is_wide = is_wide;
	*ret_data = table;
	return 0;
}

static int table_value(void *data, const char *key, const cJSON *value)
{
	(void)data;
	(void)key;
	(void)value;
	return 0;
}

static int table_begin(void *data, const struct print_list *list)
{
	struct print_table *table = data;

	table->table = scols_new_table();
	if (!table->table)
		return -ENOMEM;
	table->list = list;
	scols_table_set_stream(table->table, table->out);
	for (size_t i = 0; i < list->n_columns; i++) {
		const struct print_column *column = &list->columns[i];

		if (!column_is_shown(table, column))
			continue;
		if (!scols_table_new_column(table->table, column->title, 0,
					    column->is_right ? SCOLS_FL_RIGHT : 0))
			return -ENOMEM;
	}
	return 0;
}

static int table_cell(const struct print_column *column, const cJSON *row, char **ret_text)
{
	const cJSON *value;

	if (column->text)
		return column->text(row, ret_text);
	value = cJSON_GetObjectItemCaseSensitive(row, column->key);
	if (cJSON_IsBool(value))
		return (*ret_text = strdup(cJSON_IsTrue(value) ? "yes" : "no")) ? 0 : -ENOMEM;
	if (cJSON_IsString(value) && !*value->valuestring)
		value = NULL;
	return print_scalar_text(value, "-", ret_text);
}

static int table_row(void *data, const cJSON *row)
{
	struct print_table *table = data;
	struct libscols_line *line = scols_table_new_line(table->table, NULL);
	size_t shown = 0;

	if (!line)
		return -ENOMEM;
	for (size_t i = 0; i < table->list->n_columns; i++) {
		const struct print_column *column = &table->list->columns[i];
		_free_ char *text = NULL;
		int r;

		if (!column_is_shown(table, column))
			continue;
		r = table_cell(column, row, &text);
		if (r < 0)
			return r;
		if (scols_line_refer_data(line, shown++, TAKE_PTR(text)))
			return -ENOMEM;
	}
	return 0;
}

static int table_end(void *data)
{
	struct print_table *table = data;
	int r = 0;

	if (table->list->title)
		fprintf(table->out, "%s%s\n", table->is_later ? "\n" : "", table->list->title);
	if (scols_table_is_empty(table->table))
		fputs("none\n", table->out);
	else
		r = scols_print_table(table->table);
	table->is_later = true;
	scols_unref_table(table->table);
	table->table = NULL;
	return r;
}

static int table_close(void *data)
{
	(void)data;
	return 0;
}

static void table_free(void *data)
{
	struct print_table *table = data;

	if (table->table)
		scols_unref_table(table->table);
	free(table);
}

const struct print_format_ops print_table_ops = {
	.open = table_open,
	.value = table_value,
	.begin = table_begin,
	.row = table_row,
	.end = table_end,
	.close = table_close,
	.free = table_free,
};
