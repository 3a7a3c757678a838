/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document on its way out: named values and named lists of rows, written one by one as JSON,
 * YAML or tables, so that a large list takes no memory (tables excepted, which need the widths).
 */
#ifndef SVCBPF_CMD_PRINT_DOC_H
#define SVCBPF_CMD_PRINT_DOC_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum print_format { PRINT_TABLE, PRINT_WIDE, PRINT_JSON, PRINT_YAML };

/** print_format_parse() - "table", "wide", "json", "yaml". Return: 0 or -EINVAL. */
int print_format_parse(const char *text, enum print_format *ret);

/** print_is_table() - whether @format is for people: "table" or "wide". */
bool print_is_table(enum print_format format);

/**
 * struct print_column - a column of a table.
 * @title: heading.
 * @key: member of the row shown.
 * @is_right: numbers: right-aligned.
 * @is_wide: with "wide" only.  @is_narrow: with "table" only.
 * @text: makes the cell from the row, *@ret_text is malloc'd; NULL: the member as it is.
 */
struct print_column {
	const char *title;
	const char *key;
	bool is_right;
	bool is_wide;
	bool is_narrow;
	int (*text)(const cJSON *row, char **ret_text);
};

/** struct print_list - a list of rows. @key: in JSON and YAML. @title: over the table, or NULL. */
struct print_list {
	const char *key;
	const char *title;
	const struct print_column *columns;
	size_t n_columns;
};

struct print_doc;

/**
 * print_doc_open() - begin a document; JSON and YAML begin with "apiVersion".
 * @out: borrowed until print_doc_free().
 * Return: 0 or -ENOMEM. Free with print_doc_free().
 */
int print_doc_open(FILE *out, enum print_format format, struct print_doc **ret);

/** print_doc_free() - free it, finished or not; NULL is fine. */
void print_doc_free(struct print_doc *doc);

/** print_doc_freep() - for _cleanup_(). */
void print_doc_freep(struct print_doc **doc);

/**
 * print_doc_value() - a named value; tables leave it out.
 * @value: taken over, also on failure; NULL means that making it failed.
 * Return: 0 or -ENOMEM.
 */
int print_doc_value(struct print_doc *doc, const char *key, cJSON *value);

/** print_doc_string() - a named string; NULL text gives null. Return: 0 or -ENOMEM. */
int print_doc_string(struct print_doc *doc, const char *key, const char *text);

/** print_doc_number() - a named number. Return: 0 or -ENOMEM. */
int print_doc_number(struct print_doc *doc, const char *key, double number);

/** print_doc_begin() - begin a list. @list: borrowed until print_doc_end(). Return: 0 or -ENOMEM.
 */
int print_doc_begin(struct print_doc *doc, const struct print_list *list);

/** print_doc_row() - a row of the list; @row as @value of print_doc_value(). */
int print_doc_row(struct print_doc *doc, cJSON *row);

/** print_doc_end() - end the list. Return: 0 or -ENOMEM. */
int print_doc_end(struct print_doc *doc);

/** print_doc_close() - end the document and flush. Return: 0; -EIO when it cannot be written. */
int print_doc_close(struct print_doc *doc);

#endif
