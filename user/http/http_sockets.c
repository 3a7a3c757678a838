/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's sockets: how they are made, what is awaited of them, and which one a request uses. */
#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http_private.h"
#include "util/cleanup.h"

#define TCP_USER_TIMEOUT_MS 30000u

/**
 * struct http_socket - one that libcurl has opened, or wants to be watched.
 * @event: what it is watched for; NULL: nothing.
 * @is_connection: on_open() has made it. It may be closed already: libcurl 7.88 does not tell when
 *	it gives up a socket that is not connected yet.
 */
struct http_socket {
	LIST_ENTRY(http_socket) link;
	struct event *event;
	int fd;
	bool is_connection;
};

static struct http_socket *find(const struct http_client *client, int fd)
{
	struct http_socket *entry;

	LIST_FOREACH(entry, &client->sockets, link) {
		if (entry->fd == fd)
			return entry;
	}
	return NULL;
}

static struct http_socket *find_or_add(struct http_client *client, int fd)
{
	struct http_socket *entry = find(client, fd);

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->fd = fd;
	LIST_INSERT_HEAD(&client->sockets, entry, link);
	return entry;
}

static void forget_event(struct http_socket *entry)
{
	if (entry->event)
		event_free(entry->event);
	entry->event = NULL;
}

static void forget(struct http_socket *entry)
{
	forget_event(entry);
	LIST_REMOVE(entry, link);
	free(entry);
}

void http_sockets_free(struct http_client *client)
{
	struct http_socket *entry;

	while ((entry = LIST_FIRST(&client->sockets)))
		forget(entry);
}

/* ---------------------------------------------------------------- what is awaited */

void http_sockets_watch(struct http_client *client, int fd, short what, event_callback_fn on_ready)
{
	struct http_socket *entry = find_or_add(client, fd);

	if (!entry)
		return;
	/* what an event waits for cannot be changed in place */
	forget_event(entry);
	entry->event = event_new(client->base, fd, (short)(what | EV_PERSIST), on_ready, client);
	if (entry->event)
		event_add(entry->event, NULL);
}

void http_sockets_unwatch(struct http_client *client, int fd)
{
	struct http_socket *entry = find(client, fd);

	if (!entry)
		return;
	forget_event(entry);
	if (!entry->is_connection)
		forget(entry);
}

/*
 * A number that is used again: libcurl 7.88 has closed the socket before and takes the new one for
 * the same, so it will not ask for it to be watched. But the kernel has forgotten it.
 */
static void watch_again(struct http_socket *entry)
{
	if (!entry->event)
		return;
	event_del(entry->event);
	event_add(entry->event, NULL);
}

/* ---------------------------------------------------------------- connections */

/* A mark that needs a capability which is missing is left out; the rest cannot fail. */
static void set_options(const struct http_client *client, int fd)
{
	const unsigned int user_timeout_ms = TCP_USER_TIMEOUT_MS;
	const uint32_t mark = client->mark;

	if (mark)
		setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof(user_timeout_ms));
}

/* Not libcurl's own: of 7.88, it leaves sockets open for the children of this process. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_client *client = arg;
	struct http_socket *entry;
	_close_ int fd =
		socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

	(void)purpose;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	entry = find_or_add(client, fd);
	if (!entry)
		return CURL_SOCKET_BAD;
	entry->is_connection = true;
	watch_again(entry);
	set_options(client, fd);
	return TAKE_FD(fd);
}

static int on_close(void *arg, curl_socket_t fd)
{
	struct http_socket *entry = find(arg, fd);

	if (entry)
		forget(entry);
	return close(fd);
}

/* The connection is there, a new or an old one, and the request is about to be sent on it. */
static int on_connection(void *arg, char *peer_ip, char *local_ip, int peer_port, int local_port)
{
	struct http_request *request = arg;

	(void)peer_ip;
	(void)local_ip;
	(void)peer_port;
	request->local_port = local_port;
	return CURL_PREREQFUNC_OK;
}

CURLcode http_sockets_set(struct http_request *request)
{
	CURL *easy = request->easy;
	CURLcode r = CURLE_OK;

	/* "&": sparse does not like libcurl's type checks of functions */
	r |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &on_open);
	r |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request->client);
	r |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &on_close);
	r |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, request->client);
	r |= curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &on_connection);
	r |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, request);
	return r;
}

static int port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} addr = {};
	socklen_t len = sizeof(addr);

	if (getsockname(fd, &addr.any, &len) < 0)
		return 0;
	if (addr.any.sa_family == AF_INET)
		return ntohs(addr.v4.sin_port);
	return addr.any.sa_family == AF_INET6 ? ntohs(addr.v6.sin6_port) : 0;
}

void http_sockets_break(const struct http_request *request)
{
	struct http_socket *entry;

	if (!request->local_port)
		return;
	/* not by CURLINFO_ACTIVESOCKET: of 7.88, it knows none while others use the connection */
	LIST_FOREACH(entry, &request->client->sockets, link) {
		if (port_of(entry->fd) == request->local_port)
			shutdown(entry->fd, SHUT_RDWR);
	}
}
