/* SPDX-License-Identifier: Apache-2.0 */
/* JSON texts: one or more values; the items of a List one at a time, so that memory stays small. */
#ifndef SVCBPF_SOURCE_JSON_H
#define SVCBPF_SOURCE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "source/parse.h"

/**
 * json_parse() - tell the objects of a JSON text.
 * @text: need not be NUL-terminated.  @first_line: the line it begins at.
 *
 * Several values may follow each other; after the first error nothing is told any more.
 * Source: RFC 8259. A NUL character (\u0000) ends the string it is in.
 * Return: 0, broken texts included; what a callback returned; -ENOMEM.
 */
int json_parse(const char *text, size_t len, size_t first_line, const struct parse_events *events);

/** json_is_valid() - whether the text is one or more JSON values and nothing else. */
bool json_is_valid(const char *text, size_t len);

#endif
