/* SPDX-License-Identifier: Apache-2.0 */
/* Times as Kubernetes writes them. */
#ifndef SVCBPF_SOURCE_RFC3339_H
#define SVCBPF_SOURCE_RFC3339_H

#include <time.h>

/**
 * rfc3339_parse() - read "2026-11-21T19:42:37Z", with or without a fraction, 'Z' or "+hh:mm".
 * @ret: CLOCK_REALTIME; digits of the fraction after the ninth are dropped.
 *
 * Source: RFC 3339, section 5.6; a leap second (":60") is refused, as Go's time.Parse does.
 * Return: 0; -EINVAL when it is no such time.
 */
int rfc3339_parse(const char *text, struct timespec *ret);

#endif
