/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4), as Go's encoding/base64 StdEncoding. */
#ifndef SVCBPF_UTIL_BASE64_H
#define SVCBPF_UTIL_BASE64_H

#include <stddef.h>

/**
 * base64_decode() - the bytes that @text stands for.
 * @ret_data: with a NUL behind the last byte; free(3).  @ret_len: without that NUL.
 *
 * Line breaks are skipped; padding is needed, and nothing may follow it.
 * Return: 0; -EINVAL when it is not base64; -ENOMEM.
 */
int base64_decode(const char *text, char **ret_data, size_t *ret_len);

/** base64_encode() - with padding, on one line. Return: the text, free(3); NULL without memory. */
char *base64_encode(const char *data, size_t len);

#endif
