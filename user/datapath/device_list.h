/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of network devices as options name them: "eth0,cali*". */
#ifndef SVCBPF_DATAPATH_DEVICE_LIST_H
#define SVCBPF_DATAPATH_DEVICE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/** struct device_list - names, and patterns: names that end in "*". Owned; all zero: empty. */
struct device_list {
	char **patterns;
	size_t n_patterns;
};

/**
 * device_list_parse() - read names with commas between them.
 *
 * A name has 1 to 15 characters without blanks, "/" and ":"; a "*" stands at its end only.
 * Return: 0; -EINVAL for anything else; -ENOMEM. Free with device_list_clear().
 */
int device_list_parse(const char *text, struct device_list *ret);

/** device_list_clear() - free what it owns; a cleared one is fine. */
void device_list_clear(struct device_list *list);

/** device_list_has() - whether a device of that name is meant. */
bool device_list_has(const struct device_list *list, const char *name);

/** device_list_is_name() - whether pattern @index is the name of one device. */
bool device_list_is_name(const struct device_list *list, size_t index);

#endif
