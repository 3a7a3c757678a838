/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file being read; private to user/cmd/config_*.c. */
#ifndef SVCBPF_CMD_CONFIG_READER_H
#define SVCBPF_CMD_CONFIG_READER_H

#include <stdbool.h>

#include "cmd/config_file.h"

struct cJSON;
struct parsed;

/**
 * struct config_reader - the one document of a file.
 * @error: CONFIG_ERROR_MAX bytes.
 * @has_document: one was read.
 */
struct config_reader {
	const struct command *command;
	const char *path;
	struct config_file *file;
	const struct parsed *parsed;
	char *error;
	bool has_document;
};

/** config_fail() - say what is wrong with the value @node. Return: -EINVAL. */
int config_fail(const struct config_reader *reader, const struct cJSON *node, const char *format,
		...) __attribute__((format(printf, 3, 4)));

/**
 * config_fail_unknown() - the same for a name that means nothing.
 * @name: as it was typed, with the way to it.  @nearest: what it may be a slip of; NULL.
 */
int config_fail_unknown(const struct config_reader *reader, const struct cJSON *node,
			const char *name, const char *nearest);

/**
 * config_add() - the file sets an option.
 * @node: where.  @value: copied; NULL for an option without a value.
 * Return: 0 or -ENOMEM.
 */
int config_add(struct config_reader *reader, const struct cJSON *node, const char *option,
	       const char *value);

/**
 * config_ignore() - the field @name is there and is ignored.
 * @name: static.  @node: its value.
 * Return: 0 or -ENOMEM.
 */
int config_ignore(struct config_reader *reader, const struct cJSON *node, const char *name);

/**
 * config_add_strings() - a list of texts sets an option.
 * @separator: between them in one value; NULL: each is a value of its own.
 * Return: 0; -EINVAL; -ENOMEM.
 */
int config_add_strings(struct config_reader *reader, const struct cJSON *list, const char *option,
		       const char *separator);

/** config_type_name() - "a string", "a list" ...: what a value is, for errors. */
const char *config_type_name(const struct cJSON *node);

/** config_read_proxy() - read the document as a KubeProxyConfiguration. Return: 0, -EINVAL,
 * -ENOMEM. */
int config_read_proxy(struct config_reader *reader);

#endif
