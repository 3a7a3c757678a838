/* SPDX-License-Identifier: Apache-2.0 */
/* What an API server's answer says in words. */
#ifndef SVCBPF_SOURCE_STATUS_TEXT_H
#define SVCBPF_SOURCE_STATUS_TEXT_H

#include <stddef.h>

/**
 * status_text_format() - the message of a Status object, or @text itself when it is none.
 * @buf: of @size bytes; gets one line, cut when it is too long.
 * Source: k8s.io/apimachinery, meta/v1 Status.
 */
void status_text_format(const char *text, char *buf, size_t size);

#endif
