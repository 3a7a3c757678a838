/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of one or many HTTP servers: how many there may be, and for how long each may
 * keep us waiting.
 */
#ifndef SVCBPF_HTTP_HTTP_CONNECTIONS_H
#define SVCBPF_HTTP_HTTP_CONNECTIONS_H

#include <stddef.h>
#include <stdint.h>

struct bufferevent;
struct event_base;
struct evconnlistener;
struct http_connections;

/** HTTP_CONNECTION_S - seconds a request, an answer and the pause between two may each last. */
#define HTTP_CONNECTION_S 10

/**
 * http_connections_new() - none yet.
 * @max: with more, the one that has kept us waiting longest is closed.
 *
 * Return: 0 or -ENOMEM. Free with http_connections_free(), after its servers.
 */
int http_connections_new(struct event_base *base, size_t max, struct http_connections **ret);

/** http_connections_free() - NULL is fine. */
void http_connections_free(struct http_connections *connections);

/** http_connections_base() - the event loop. */
struct event_base *http_connections_base(const struct http_connections *connections);

/** http_connections_count() - how many are open now, as far as it was noticed. */
size_t http_connections_count(const struct http_connections *connections);

/**
 * http_connections_accept() - for evhttp_set_bevcb(): the connection that evhttp is accepting is
 * one of these from now on.
 * @arg: a struct http_connections.
 */
struct bufferevent *http_connections_accept(struct event_base *base, void *arg);

/** http_connections_answered() - its request was answered: its time begins anew. */
void http_connections_answered(struct http_connections *connections,
			       const struct bufferevent *bufferevent);

/**
 * http_connections_watch() - open a listener again soon whenever accepting fails (no file
 * descriptor is free, say), instead of trying without pause.
 * @listener: borrowed until http_connections_unwatch().
 * Return: 0 or -ENOMEM.
 */
int http_connections_watch(struct http_connections *connections, struct evconnlistener *listener);

/** http_connections_unwatch() - it is about to be freed; one that is not watched is fine. */
void http_connections_unwatch(struct http_connections *connections,
			      const struct evconnlistener *listener);

#endif
