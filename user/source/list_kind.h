/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of lists: "List", and "ServiceList" and the like. */
#ifndef SVCBPF_SOURCE_LIST_KIND_H
#define SVCBPF_SOURCE_LIST_KIND_H

#include <stdbool.h>
#include <string.h>

/** list_kind_is_list() - whether objects of this kind hold others in their member "items". */
static inline bool list_kind_is_list(const char *kind)
{
	size_t len = strlen(kind);

	return len >= 4 && strcmp(kind + len - 4, "List") == 0;
}

#endif
