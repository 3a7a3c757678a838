/* SPDX-License-Identifier: Apache-2.0 */
/* What a format of print_doc.h must be able to do; private to user/cmd/print_*.c. */
#ifndef SVCBPF_CMD_PRINT_FORMAT_H
#define SVCBPF_CMD_PRINT_FORMAT_H

#include "cmd/print_doc.h"

/**
 * struct print_format_ops - one format.
 * @open: make the format's own data; the other calls get it as @data.
 * @value, @row: the JSON is borrowed.
 * @close: write what is left; @free follows in any case.
 *
 * All return 0 or negative errno; errors of the stream itself are seen by print_doc_close().
 */
struct print_format_ops {
	int (*open)(FILE *out, bool is_wide, void **ret_data);
	int (*value)(void *data, const char *key, const cJSON *value);
	int (*begin)(void *data, const struct print_list *list);
	int (*row)(void *data, const cJSON *row);
	int (*end)(void *data);
	int (*close)(void *data);
	void (*free)(void *data);
};

extern const struct print_format_ops print_json_ops;
extern const struct print_format_ops print_yaml_ops;
extern const struct print_format_ops print_table_ops;

/**
 * print_scalar_text() - a string, number, boolean or null as text.
 * Return: 0 with *@ret malloc'd; -ENOMEM.
 */
int print_scalar_text(const cJSON *value, const char *null_text, char **ret);

#endif
