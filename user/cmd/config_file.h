/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of --config: options by their names, or a KubeProxyConfiguration, which is turned into
 * options. The same parsers read both and the command line.
 */
#ifndef SVCBPF_CMD_CONFIG_FILE_H
#define SVCBPF_CMD_CONFIG_FILE_H

#include <stddef.h>
#include <stdint.h>

struct command;
struct config_file;

/**
 * struct config_value - an option the file sets.
 * @option: its long name.  @value: NULL for an option without a value.
 * @line: where it is, counted from 1.
 */
struct config_value {
	const char *option;
	const char *value;
	size_t line;
};

/** CONFIG_ERROR_MAX - bytes that hold any error, NUL included. */
#define CONFIG_ERROR_MAX 512

/**
 * config_file_read() - read a configuration file (YAML or JSON).
 * @command: whose options may be in it.
 * @ret_error: one line on every failure but -ENOMEM: "FILE:LINE: what is wrong".
 *
 * Values are not looked at beyond their type: that is for the options' own parsers.
 * Source: k8s.io/kube-proxy/config/v1alpha1/types.go, kube-proxy 1.36.
 * Return: 0; -EINVAL; -ENOMEM. Free with config_file_free().
 */
int config_file_read(const struct command *command, const char *path, struct config_file **ret,
		     char ret_error[CONFIG_ERROR_MAX]);

/** config_file_values() - what it sets, in the order of the file; borrowed. */
const struct config_value *config_file_values(const struct config_file *file, size_t *ret_n);

/** config_file_note() - one line that names what is ignored, borrowed; NULL: nothing is. */
const char *config_file_note(const struct config_file *file);

/**
 * struct config_ignored - a setting of a KubeProxyConfiguration that means nothing here.
 * @name: "iptables.masqueradeBit".  @value: as JSON; long ones are cut.
 */
struct config_ignored {
	const char *name;
	char value[64];
};

/** config_file_ignored() - what the note names, borrowed. */
const struct config_ignored *config_file_ignored(const struct config_file *file, size_t *ret_n);

/** config_file_hash() - text_hash() of the text that was read. */
uint64_t config_file_hash(const struct config_file *file);

/** config_file_free() - NULL is fine. */
void config_file_free(struct config_file *file);

#endif
