/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small HTTP/1.1 servers on an event loop: libevent's evhttp with limits. The process must ignore
 * SIGPIPE: a client may leave before it has read its answer.
 */
#ifndef SVCBPF_HTTP_HTTP_SERVER_H
#define SVCBPF_HTTP_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "http/http_bind.h"

struct evbuffer;
struct http_connections;
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
 * struct http_route - one path. @path: NULL, in the last one: every other path, and every method.
 * Without such a route other paths are 404, and methods but GET and HEAD are 405.
 */
struct http_route {
	const char *path;
	void (*handle)(void *arg, struct http_answer *answer);
};

/** struct http_routes - all of a server; @arg is given to every handler. */
struct http_routes {
	const struct http_route *routes;
	size_t n_routes;
	void *arg;
};

/**
 * http_server_new() - listen, and answer from the event loop of @connections.
 * @connections: its connections are among these, with their limits; borrowed.
 * @routes: copied, but the array of routes, which must outlive the server.
 *
 * What handlers answer carries X-Content-Type-Options: nosniff; HEAD gives the headers alone. A
 * request of more than 8 KB is 400, one with a body 413: none is ever read.
 * Return: 0; -ENOMEM; errors of http_bind_listen(). Free with http_server_free().
 */
int http_server_new(struct http_connections *connections, const struct http_bind *bind,
		    const struct http_routes *routes, struct http_server **ret);

/** http_server_port() - the port it listens on, host order. */
uint16_t http_server_port(const struct http_server *server);

/** http_server_free() - stop listening, close all connections; NULL is fine. */
void http_server_free(struct http_server *server);

#endif
