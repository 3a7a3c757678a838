/* SPDX-License-Identifier: Apache-2.0 */
/* Small files that may hold secrets: tokens, keys, certificates. */
#ifndef SVCBPF_UTIL_SMALL_FILE_H
#define SVCBPF_UTIL_SMALL_FILE_H

#include <stddef.h>
#include <sys/stat.h>

/**
 * small_file_read() - read a whole regular file.
 * @max_bytes: a longer one is refused.
 * @ret_text: with a NUL at its end; secret_free().  @ret_len: without it; may be NULL.
 * @ret_st: what fstat(2) said before it was read; may be NULL.
 * Return: 0; -EFBIG; -EISDIR; -EINVAL: neither a file nor a folder; errors of open(2) and read(2);
 * -ENOMEM.
 */
int small_file_read(const char *path, size_t max_bytes, char **ret_text, size_t *ret_len,
		    struct stat *ret_st);

/** secret_free() - overwrite a text and free it; NULL is fine. */
void secret_free(char *text);

/** secret_freep() - secret_free() for _cleanup_(). */
void secret_freep(char **text);

#endif
