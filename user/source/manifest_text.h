/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a file in memory. */
#ifndef SVCBPF_SOURCE_MANIFEST_TEXT_H
#define SVCBPF_SOURCE_MANIFEST_TEXT_H

#include <stddef.h>
#include <sys/stat.h>

/**
 * manifest_text_read() - read a whole file.
 * @ret_text: owned by the caller, free(3).  @ret_st: what fstat(2) said before it was read.
 *
 * A copy, not a mapping: a file that is cut short under a mapping kills its reader.
 * Return: 0; -EFBIG above PARSE_MAX_TEXT_BYTES; -EINVAL: not a regular file; errors of open(2) and
 * read(2); -ENOMEM.
 */
int manifest_text_read(const char *path, char **ret_text, size_t *ret_len, struct stat *ret_st);

#endif
