/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the HTTP client share. */
#ifndef SVCBPF_HTTP_HTTP_PRIVATE_H
#define SVCBPF_HTTP_HTTP_PRIVATE_H

#include <curl/curl.h>
#include <event2/event.h>
#include <sys/queue.h>

#include "http/http_client.h"

struct http_socket;

LIST_HEAD(http_socket_list, http_socket);
LIST_HEAD(http_request_list, http_request);

/**
 * struct http_client - libcurl's multi handle, and what drives it.
 * @timer: when libcurl wants to be called without a socket being ready.
 * @requests: all that are under way.
 * @sockets: all that are open, those of idle connections, too; see http_sockets.c.
 * @mark: of sockets; 0: none.
 */
struct http_client {
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
	struct http_request_list requests;
	struct http_socket_list sockets;
	char *user_agent;
	uint32_t mark;
};

/**
 * struct http_request - one that is under way.
 * @headers, @connect_to: libcurl borrows them until the handle is freed.
 * @silence_s: as asked for.
 * @local_port: of the connection it is on; 0: none yet.
 * @body_error: what the body callback returned; 0.
 * @error_body, @error_len, @n_error_bytes: the beginning of a body that is not 2xx's, and how long
 *	all of it was.
 * @curl_error: libcurl writes here what went wrong.
 */
struct http_request {
	LIST_ENTRY(http_request) link;
	struct http_client *client;
	struct http_events events;
	CURL *easy;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	uint32_t silence_s;
	int local_port;
	int body_error;
	size_t error_len;
	size_t n_error_bytes;
	char error_body[HTTP_ERROR_TEXT_MAX];
	char curl_error[CURL_ERROR_SIZE];
};

/** http_multi_init() - tie the client's new multi handle to its event loop. Return: 0, -ENOMEM. */
int http_multi_init(struct http_client *client);

/** http_request_free() - end it and tell nobody. */
void http_request_free(struct http_request *request);

/** http_request_finish() - libcurl is done with it: tell so, and free it. */
void http_request_finish(struct http_request *request, CURLcode code);

/**
 * http_request_add_error() - some bytes of the body of an answer that is not 2xx.
 * Return: as libcurl's write callback: @len, or CURL_WRITEFUNC_ERROR when there is enough of it.
 */
size_t http_request_add_error(struct http_request *request, const char *data, size_t len);

/**
 * http_options_set() - all of @params to the request's easy handle.
 * Return: 0; -EINVAL: a URL or PEM that cannot be used; -ENOMEM.
 */
int http_options_set(struct http_request *request, const struct http_params *params);

/** http_sockets_watch() - call @on_ready with the client when EV_READ or EV_WRITE (@what) is so. */
void http_sockets_watch(struct http_client *client, int fd, short what, event_callback_fn on_ready);

/** http_sockets_unwatch() - no longer; also of a socket that is closed already. */
void http_sockets_unwatch(struct http_client *client, int fd);

/** http_sockets_free() - forget them all, when libcurl has closed them. */
void http_sockets_free(struct http_client *client);

/** http_sockets_set() - how the request's easy handle makes and closes sockets. */
CURLcode http_sockets_set(struct http_request *request);

/**
 * http_sockets_break() - shut down the connection that the request is on.
 * libcurl would only end its HTTP/2 stream, and put the next request on the same dead connection.
 */
void http_sockets_break(const struct http_request *request);

/** http_error_of() - negative errno for how @easy ended. @text: what libcurl wrote about it. */
int http_error_of(CURL *easy, CURLcode code, const char *text);

#endif
