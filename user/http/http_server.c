/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/http_connections.h"
#include "util/cleanup.h"

#define MAX_HEADER_BYTES 8192
#define ALL_METHODS	 0xffff /* those evhttp has no name for, too */

#define CONTENT_TYPE_TEXT "text/plain; charset=utf-8"

/** struct http_server - see the header. @listener: of @http, borrowed. */
struct http_server {
	struct http_connections *connections;
	struct http_routes routes;
	struct evhttp *http;
	struct evconnlistener *listener;
	uint16_t port;
};

/* ------------------------------------------------------------------ answering */

static const struct http_route *find_route(const struct http_routes *routes,
					   struct evhttp_request *request)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

	for (size_t i = 0; i < routes->n_routes; i++) {
		const struct http_route *route = &routes->routes[i];

		if (!route->path || (path && strcmp(path, route->path) == 0))
			return route;
	}
	return NULL;
}

static int add_headers(struct evhttp_request *request, const struct http_answer *answer)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	char number[32];
	int r = evhttp_add_header(headers, "Content-Type", answer->content_type);

	if (r == 0)
		r = evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	if (r == 0 && answer->weight >= 0) {
		snprintf(number, sizeof(number), "%ld", answer->weight);
		r = evhttp_add_header(headers, "X-Load-Balancing-Endpoint-Weight", number);
	}
	if (r == 0 && answer->status == HTTP_BADMETHOD)
		r = evhttp_add_header(headers, "Allow", "GET, HEAD");
	if (r == 0) {
		snprintf(number, sizeof(number), "%zu", evbuffer_get_length(answer->body));
		r = evhttp_add_header(headers, "Content-Length", number);
	}
	return r;
}

static bool is_get_or_head(const struct evhttp_request *request)
{
	const enum evhttp_cmd_type method = evhttp_request_get_command(request);

	return method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD;
}

static void fill_answer(const struct http_server *server, struct evhttp_request *request,
			struct http_answer *answer)
{
	const struct http_route *route = find_route(&server->routes, request);

	if (!route) {
		answer->status = HTTP_NOTFOUND;
		evbuffer_add_printf(answer->body, "404 page not found\n");
	} else if (route->path && !is_get_or_head(request)) {
		answer->status = HTTP_BADMETHOD;
		evbuffer_add_printf(answer->body, "405 method not allowed\n");
	} else {
		route->handle(server->routes.arg, answer);
	}
}

static void on_request(struct evhttp_request *request, void *arg)
{
	struct http_server *server = arg;
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	struct http_answer answer = {
		.status = HTTP_OK,
		.body = evbuffer_new(),
		.content_type = CONTENT_TYPE_TEXT,
		.weight = -1,
	};

	http_connections_answered(server->connections,
				  evhttp_connection_get_bufferevent(connection));
	if (!answer.body) {
		evhttp_connection_free(connection);
		return;
	}
	fill_answer(server, request, &answer);
	if (add_headers(request, &answer) < 0) {
		evhttp_connection_free(connection);
	} else {
		if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD)
			evbuffer_drain(answer.body, evbuffer_get_length(answer.body));
		evhttp_send_reply(request, answer.status, NULL, answer.body);
	}
	evbuffer_free(answer.body);
}

/* ------------------------------------------------------------------ life */

static int port_of(int fd, uint16_t *ret_port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
	} sa = {};
	socklen_t len = sizeof(sa);

	if (getsockname(fd, &sa.any, &len) < 0)
		return -errno;
	*ret_port = ntohs(sa.any.sa_family == AF_INET6 ? sa.ipv6.sin6_port : sa.ipv4.sin_port);
	return 0;
}

static int set_up(struct http_server *server)
{
	server->http = evhttp_new(http_connections_base(server->connections));
	if (!server->http)
		return -ENOMEM;
	evhttp_set_max_headers_size(server->http, MAX_HEADER_BYTES);
	evhttp_set_max_body_size(server->http, 0);
	evhttp_set_timeout(server->http, HTTP_CONNECTION_S);
	evhttp_set_allowed_methods(server->http, ALL_METHODS);
	evhttp_set_bevcb(server->http, http_connections_accept, server->connections);
	evhttp_set_gencb(server->http, on_request, server);
	return 0;
}

static int begin_accepting(struct http_server *server, int *fd)
{
	struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(server->http, *fd);

	if (!bound)
		return -ENOMEM;
	TAKE_FD(*fd);
	server->listener = evhttp_bound_socket_get_listener(bound);
	return http_connections_watch(server->connections, server->listener);
}

static void server_freep(struct http_server **server)
{
	http_server_free(*server);
}

int http_server_new(struct http_connections *connections, const struct http_bind *bind,
		    const struct http_routes *routes, struct http_server **ret)
{
	_cleanup_(server_freep) struct http_server *server = calloc(1, sizeof(*server));
	_close_ int fd = -1;
	int r;

	if (!server)
		return -ENOMEM;
	server->connections = connections;
	server->routes = *routes;
	r = http_bind_listen(bind, &fd);
	if (r == 0)
		r = port_of(fd, &server->port);
	if (r == 0)
		r = set_up(server);
	if (r == 0)
		r = begin_accepting(server, &fd);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(server);
	return 0;
}

uint16_t http_server_port(const struct http_server *server)
{
	return server->port;
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	if (server->listener)
		http_connections_unwatch(server->connections, server->listener);
	if (server->http)
		evhttp_free(server->http);
	free(server);
}
