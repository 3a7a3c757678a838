/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses to listen on, as Go and kube-proxy read them: "0.0.0.0:10256", "[::1]:80", ":80". */
#ifndef SVCBPF_HTTP_HTTP_BIND_H
#define SVCBPF_HTTP_HTTP_BIND_H

#include <stdbool.h>
#include <stdint.h>

#include "util/addr.h"

/** HTTP_BIND_TEXT_MAX - bytes that hold any http_bind as text, NUL included. */
#define HTTP_BIND_TEXT_MAX (ADDR_TEXT_MAX + 8)

/**
 * struct http_bind - where to listen.
 * @addr: its family alone is listened on, but with @is_any.
 * @is_any: every address of both families (of IPv4 alone on a host without IPv6); @addr is unused.
 * @port: host order; 0: any free one.
 */
struct http_bind {
	struct addr addr;
	bool is_any;
	uint16_t port;
};

/**
 * http_bind_parse() - read "ADDRESS:PORT", "[ADDRESS]:PORT" or ":PORT".
 *
 * An unspecified address of either family means every address of both, as for kube-proxy. No host
 * names, no zones. Source: Go's net.Listen("tcp", ...).
 * Return: 0; -EINVAL when it is no such text.
 */
int http_bind_parse(const char *text, struct http_bind *ret_bind);

/** http_bind_format() - text that http_bind_parse() reads, in @buf. Return: @buf. */
const char *http_bind_format(const struct http_bind *bind, char buf[HTTP_BIND_TEXT_MAX]);

/**
 * http_bind_listen() - a listening TCP socket, non-blocking, close-on-exec.
 * Source: ip(7), ipv6(7) IPV6_V6ONLY.
 * Return: 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES and others of socket(2), bind(2), listen(2).
 */
int http_bind_listen(const struct http_bind *bind, int *ret_fd);

#endif
