/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_connections.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/clock.h"

#define TICK_S	    1 /* while there are connections */
#define IDLE_TICK_S 5

/**
 * struct connection - one of evhttp's, which does not tell when it is gone.
 * @fd, @inode: its socket. evhttp owns and closes it, and its number may then be another's: only
 *	while fstat(2) finds this inode behind it is it still this connection.
 * @since_ms: when it was accepted or last answered.
 * @is_ended: it was shut down; evhttp will notice and close it.
 */
struct connection {
	int fd;
	ino_t inode;
	uint64_t since_ms;
	bool is_ended;
};

/**
 * struct http_connections - see the header.
 * @pending: just accepted: their sockets are known when evhttp is back from accepting; referenced.
 * @on_pending: active while there are any.  @on_tick: looks for what lasts too long.
 */
struct http_connections {
	struct event_base *base;
	size_t max;
	struct connection *items;
	size_t n_items;
	size_t n_allocated;
	struct bufferevent **pending;
	size_t n_pending;
	size_t n_pending_allocated;
	struct evconnlistener **listeners;
	size_t n_listeners;
	struct event *on_pending;
	struct event *on_tick;
};

/* Room for one more. Return: whether there is. */
static bool has_room(void **array, size_t n, size_t *n_allocated, size_t size)
{
	const size_t wanted = *n_allocated ? *n_allocated * 2 : 8;
	void *grown;

	if (n < *n_allocated)
		return true;
	grown = reallocarray(*array, wanted, size);
	if (!grown)
		return false;
	*array = grown;
	*n_allocated = wanted;
	return true;
}

static bool is_open(const struct connection *connection)
{
	struct stat st;

	return fstat(connection->fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_ino == connection->inode;
}

static void forget_closed(struct http_connections *connections)
{
	size_t n = 0;

	for (size_t i = 0; i < connections->n_items; i++)
		if (is_open(&connections->items[i]))
			connections->items[n++] = connections->items[i];
	connections->n_items = n;
}

/* evhttp sees the end of the stream when the event loop is back, and closes. */
static void end(struct connection *connection)
{
	shutdown(connection->fd, SHUT_RDWR);
	connection->is_ended = true;
}

static struct connection *find_oldest(struct http_connections *connections, size_t *ret_n)
{
	struct connection *oldest = NULL;
	size_t n = 0;

	for (size_t i = 0; i < connections->n_items; i++) {
		struct connection *connection = &connections->items[i];

		if (connection->is_ended)
			continue;
		n++;
		if (!oldest || connection->since_ms < oldest->since_ms)
			oldest = connection;
	}
	*ret_n = n;
	return oldest;
}

static void end_surplus(struct http_connections *connections)
{
	struct connection *oldest;
	size_t n;

	while ((oldest = find_oldest(connections, &n)) && n > connections->max)
		end(oldest);
}

/* ------------------------------------------------------------------ events */

static void set_tick(struct http_connections *connections)
{
	const struct timeval delay = {
		.tv_sec = connections->n_items ? TICK_S : IDLE_TICK_S,
	};

	event_add(connections->on_tick, &delay);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct http_connections *connections = arg;
	const uint64_t now = clock_now_ms();

	(void)fd;
	(void)what;
	forget_closed(connections);
	for (size_t i = 0; i < connections->n_items; i++)
		if (now - connections->items[i].since_ms >= HTTP_CONNECTION_S * 1000ull)
			end(&connections->items[i]);
	for (size_t i = 0; i < connections->n_listeners; i++)
		evconnlistener_enable(connections->listeners[i]);
	set_tick(connections);
}

/* A socket that cannot be kept in mind would escape all limits. */
static void add(struct http_connections *connections, int fd)
{
	struct connection connection = {.fd = fd, .since_ms = clock_now_ms()};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	connection.inode = st.st_ino;
	if (has_room((void **)&connections->items, connections->n_items, &connections->n_allocated,
		     sizeof(*connections->items)))
		connections->items[connections->n_items++] = connection;
	else
		end(&connection);
}

static void on_pending(evutil_socket_t fd, short what, void *arg)
{
	struct http_connections *connections = arg;
	const bool was_empty = !connections->n_items;

	(void)fd;
	(void)what;
	forget_closed(connections);
	for (size_t i = 0; i < connections->n_pending; i++) {
		add(connections, bufferevent_getfd(connections->pending[i]));
		bufferevent_decref(connections->pending[i]);
	}
	connections->n_pending = 0;
	end_surplus(connections);
	if (was_empty)
		set_tick(connections);
}

struct bufferevent *http_connections_accept(struct event_base *base, void *arg)
{
	struct http_connections *connections = arg;
	struct bufferevent *bufferevent = bufferevent_socket_new(base, -1, 0);

	if (!bufferevent)
		return NULL;
	if (!has_room((void **)&connections->pending, connections->n_pending,
		      &connections->n_pending_allocated, sizeof(*connections->pending)))
		return bufferevent; /* no memory: its own timeout must do */
	bufferevent_incref(bufferevent);
	connections->pending[connections->n_pending++] = bufferevent;
	event_active(connections->on_pending, EV_TIMEOUT, 0);
	return bufferevent;
}

void http_connections_answered(struct http_connections *connections,
			       const struct bufferevent *bufferevent)
{
	const int fd = bufferevent_getfd((struct bufferevent *)bufferevent);

	for (size_t i = 0; i < connections->n_items; i++)
		if (connections->items[i].fd == fd && is_open(&connections->items[i]))
			connections->items[i].since_ms = clock_now_ms();
}

/* ------------------------------------------------------------------ listeners */

/* Until the next tick; level-triggered, it would be called again at once. */
static void on_accept_failed(struct evconnlistener *listener, void *arg)
{
	(void)arg;
	evconnlistener_disable(listener);
}

int http_connections_watch(struct http_connections *connections, struct evconnlistener *listener)
{
	struct evconnlistener **grown =
		reallocarray(connections->listeners, connections->n_listeners + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	connections->listeners = grown;
	connections->listeners[connections->n_listeners++] = listener;
	evconnlistener_set_error_cb(listener, on_accept_failed);
	return 0;
}

void http_connections_unwatch(struct http_connections *connections,
			      const struct evconnlistener *listener)
{
	for (size_t i = 0; i < connections->n_listeners; i++) {
		if (connections->listeners[i] != listener)
			continue;
		connections->listeners[i] = connections->listeners[--connections->n_listeners];
		return;
	}
}

/* ------------------------------------------------------------------ life */

static void connections_freep(struct http_connections **connections)
{
	http_connections_free(*connections);
}

int http_connections_new(struct event_base *base, size_t max, struct http_connections **ret)
{
	_cleanup_(connections_freep) struct http_connections *connections =
		calloc(1, sizeof(*connections));

	if (!connections)
		return -ENOMEM;
	connections->base = base;
	connections->max = max;
	connections->on_pending = event_new(base, -1, 0, on_pending, connections);
	connections->on_tick = event_new(base, -1, 0, on_tick, connections);
	if (!connections->on_pending || !connections->on_tick)
		return -ENOMEM;
	set_tick(connections);
	*ret = TAKE_PTR(connections);
	return 0;
}

void http_connections_free(struct http_connections *connections)
{
	if (!connections)
		return;
	for (size_t i = 0; i < connections->n_pending; i++)
		bufferevent_decref(connections->pending[i]);
	if (connections->on_pending)
		event_free(connections->on_pending);
	if (connections->on_tick)
		event_free(connections->on_tick);
	free(connections->items);
	free(connections->pending);
	free(connections->listeners);
	free(connections);
}

struct event_base *http_connections_base(const struct http_connections *connections)
{
	return connections->base;
}

size_t http_connections_count(const struct http_connections *connections)
{
	return connections->n_items;
}
