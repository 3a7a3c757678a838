/* SPDX-License-Identifier: Apache-2.0 */
/* Durations as text. */
#ifndef SVCBPF_UTIL_DURATION_H
#define SVCBPF_UTIL_DURATION_H

#include <stdint.h>

/**
 * duration_parse() - read "90s", "1h30m", "1.5h", "250ms": numbers with the units h, m, s, ms, us
 * (or µs) and ns, one after the other; "0" and other bare numbers are seconds.
 *
 * Source: Go's time.ParseDuration, but for the sign and bare numbers.
 * @ret_ns: up to 292 years.
 * Return: 0; -EINVAL for anything else; -ERANGE when it is longer.
 */
int duration_parse(const char *text, uint64_t *ret_ns);

#endif
