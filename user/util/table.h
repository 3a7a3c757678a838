/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uthash that reports a lack of memory instead of ending the process: include this, never uthash.h.
 *
 * After HASH_ADD* the element is in the table only if TABLE_HAS(element).
 */
#ifndef SVCBPF_UTIL_TABLE_H
#define SVCBPF_UTIL_TABLE_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/** TABLE_HAS() - whether the HASH_ADD* just before really added the element. */
#define TABLE_HAS(element) ((element)->hh.tbl != NULL)

#endif
