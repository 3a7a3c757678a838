/* SPDX-License-Identifier: Apache-2.0 */
/* Bearer tokens, as texts and in files. */
#ifndef SVCBPF_SOURCE_TOKEN_H
#define SVCBPF_SOURCE_TOKEN_H

#include <stdbool.h>
#include <sys/stat.h>

/** TOKEN_MAX_BYTES - the longest token; those of API servers have about 1,000 bytes. */
#define TOKEN_MAX_BYTES 65536

/** token_is_usable() - whether it can stand in a header: not empty, visible ASCII without spaces.
 */
bool token_is_usable(const char *token);

/**
 * token_read() - the token in a file, without the white space around it.
 * @ret: secret_free().  @ret_st: the file's, for its identity and age.
 * @ret_text: why not, static; filled in on failure.
 * Return: 0; errors of small_file_read(); -EINVAL: there is no usable token in it.
 */
int token_read(const char *path, char **ret, struct stat *ret_st, const char **ret_text);

#endif
