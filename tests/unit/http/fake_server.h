/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP server in the test's own event loop, on loopback, that answers byte for byte by a script.
 */
#ifndef TESTS_UNIT_HTTP_FAKE_SERVER_H
#define TESTS_UNIT_HTTP_FAKE_SERVER_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "util/cleanup.h"

/** enum fake_end - what happens after an answer. */
enum fake_end {
	FAKE_KEEP,  /* the connection stays: for the next request, or silent in an unfinished answer
		     */
	FAKE_CLOSE, /* it is closed when all is sent */
	FAKE_RESET, /* it is reset when all is sent */
};

/** struct fake_answer - @text: sent as it is, NULL: nothing. */
struct fake_answer {
	const char *text;
	enum fake_end end;
};

/** struct fake_connection - one client. */
struct fake_connection {
	LIST_ENTRY(fake_connection) link;
	struct fake_server *server;
	struct bufferevent *io;
	enum fake_end end;
};

LIST_HEAD(fake_connections, fake_connection);

/**
 * struct fake_server - the n-th request gets the n-th answer; the last answer is for all others.
 * @request: the last one, its body included.
 */
struct fake_server {
	struct evconnlistener *listener;
	struct fake_connections connections;
	const struct fake_answer *answers;
	size_t n_answers;
	size_t n_requests;
	size_t n_connections;
	uint16_t port;
	char url[64];
	char request[16384];
};

static inline void fake_connection_free(struct fake_connection *connection)
{
	LIST_REMOVE(connection, link);
	bufferevent_free(connection->io);
	free(connection);
}

static inline void fake_on_sent(struct bufferevent *io, void *arg)
{
	struct fake_connection *connection = arg;
	const struct linger at_once = {.l_onoff = 1};

	if (connection->end == FAKE_KEEP)
		return;
	if (connection->end == FAKE_RESET)
		setsockopt(bufferevent_getfd(io), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	fake_connection_free(connection);
}

static inline void fake_answer(struct fake_connection *connection)
{
	struct fake_server *server = connection->server;
	size_t i = server->n_requests++;
	const struct fake_answer *answer =
		&server->answers[i < server->n_answers ? i : server->n_answers - 1];

	connection->end = answer->end;
	if (answer->text)
		bufferevent_write(connection->io, answer->text, strlen(answer->text));
	else
		fake_on_sent(connection->io, connection);
}

/* Length of a whole request at the beginning of @text; 0: it is not whole yet. TLS is always. */
static inline size_t fake_request_len(const char *text, size_t len)
{
	const char *end = memmem(text, len, "\r\n\r\n", 4);
	const char *length = memmem(text, len, "Content-Length: ", 16);
	size_t whole;

	if (!end)
		return len > 0 && text[0] == 0x16 ? len : 0;
	whole = (size_t)(end + 4 - text);
	if (length && length < end)
		whole += strtoul(length + 16, NULL, 10);
	return whole <= len ? whole : 0;
}

static inline void fake_on_read(struct bufferevent *io, void *arg)
{
	struct fake_connection *connection = arg;
	struct fake_server *server = connection->server;
	struct evbuffer *input = bufferevent_get_input(io);
	size_t len = evbuffer_get_length(input);
	size_t whole = fake_request_len((const char *)evbuffer_pullup(input, -1), len);

	if (!whole)
		return;
	cr_assert_lt(whole, sizeof(server->request));
	evbuffer_remove(input, server->request, whole);
	server->request[whole] = '\0';
	fake_answer(connection);
}

static inline void fake_on_event(struct bufferevent *io, short what, void *arg)
{
	(void)io;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		fake_connection_free(arg);
}

static inline void fake_on_accept(struct evconnlistener *listener, evutil_socket_t fd,
				  struct sockaddr *addr, int len, void *arg)
{
	struct fake_connection *connection = calloc(1, sizeof(*connection));
	struct fake_server *server = arg;

	(void)addr;
	(void)len;
	cr_assert_not_null(connection);
	connection->server = server;
	connection->io = bufferevent_socket_new(evconnlistener_get_base(listener), fd,
						BEV_OPT_CLOSE_ON_FREE);
	cr_assert_not_null(connection->io);
	LIST_INSERT_HEAD(&server->connections, connection, link);
	server->n_connections++;
	bufferevent_setcb(connection->io, fake_on_read, fake_on_sent, fake_on_event, connection);
	bufferevent_enable(connection->io, EV_READ | EV_WRITE);
}

/** fake_server_start() - @answers: borrowed. */
static inline void fake_server_start(struct fake_server *server, struct event_base *base,
				     const struct fake_answer *answers, size_t n_answers)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);

	*server = (struct fake_server){.answers = answers, .n_answers = n_answers};
	LIST_INIT(&server->connections);
	server->listener = evconnlistener_new_bind(base, fake_on_accept, server,
						   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
						   16, (struct sockaddr *)&addr, sizeof(addr));
	cr_assert_not_null(server->listener);
	getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&addr, &len);
	server->port = ntohs(addr.sin_port);
	snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", server->port);
}

/** fake_server_stop() - closes all; connecting is refused from now on. */
static inline void fake_server_stop(struct fake_server *server)
{
	struct fake_connection *connection;

	while ((connection = LIST_FIRST(&server->connections)))
		fake_connection_free(connection);
	if (server->listener)
		evconnlistener_free(server->listener);
	server->listener = NULL;
}

#endif
