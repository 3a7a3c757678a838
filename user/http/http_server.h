/* SPDX-License-Identifier: Apache-2.0 */
/* Small HTTP/1.1 servers on an event loop: libevent's evhttp with limits. */
#ifndef SVCBPF_HTTP_HTTP_SERVER_H
#define SVCBPF_HTTP_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"

struct event_base;
struct evbuffer;
struct http_server;

/**
 * struct http_answer - what a handler gives back.
 * @status: 200 at first.  @body: write the body here, borrowed.
 * @content_type: static text; "text/plain; charset=utf-8" at first.
 * @weight: X-Load-Balancing-Endpoint-Weight; -1 at first: no such header.
 */
struct http_answer {
	int status;
	struct evbuffer *body;
	const char *content_type;
	long weight;
};

/**
 * struct http_route - one path. @path: NULL, in the last one: every other path and method.
 * Without such a route other paths are 404, and methods but GET and HEAD are 405.
 */
struct http_route {
	const char *path;
	void (*handle)(void *arg, struct http_answer *answer);
};

/**
 * http_server_new() - listen, and answer from the event loop.
 * @addr, @port: host order; port 0: any free one.  @addr of family IPv6: IPv6 only.
 * @routes: borrowed, must outlive the server; @n_routes of them.
 *
 * All answers carry X-Content-Type-Options: nosniff. Idle and slow connections are closed after 10
 * s; headers, bodies and connections are limited. Return: 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES
 * ...; -ENOMEM. Free with http_server_free().
 */
int http_server_new(struct event_base *base, const struct addr *addr, uint16_t port,
		    const struct http_route *routes, size_t n_routes, void *arg,
		    struct http_server **ret);

/** http_server_port() - the port it listens on, host order. */
uint16_t http_server_port(const struct http_server *server);

/** http_server_free() - stop listening, close all connections; NULL is fine. */
void http_server_free(struct http_server *server);

#endif
