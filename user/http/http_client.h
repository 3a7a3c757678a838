/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests on an event loop: libcurl's multi interface under libevent. Knows no Kubernetes. */
#ifndef SVCBPF_HTTP_HTTP_CLIENT_H
#define SVCBPF_HTTP_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct http_client;
struct http_request;

/** HTTP_ERROR_TEXT_MAX - bytes that hold struct http_result.text, NUL included. */
#define HTTP_ERROR_TEXT_MAX 2048

/**
 * struct http_tls - whom to trust and who we are; PEM texts, never written to disk.
 * @ca_pem: NULL: the system's certificates.  @cert_pem, @key_pem: NULL: none.
 * @server_name: the name the certificate must have; NULL: the URL's.
 * @is_insecure: do not verify the server at all.
 */
struct http_tls {
	const char *ca_pem;
	const char *cert_pem;
	const char *key_pem;
	const char *server_name;
	bool is_insecure;
};

/**
 * struct http_params - one request; everything is borrowed for http_request_start() only.
 * @method: NULL: GET.
 * @headers: "Name: value", NULL-terminated; may be NULL.
 * @body: NULL: none.
 * @proxy_url: NULL: what the environment says (https_proxy, no_proxy; never for loopback); "":
 *	none. With a @tls->server_name no_proxy is compared with that name.
 * @tls: NULL: as zero.
 * @timeout_s: of the whole; 0: none.
 * @silence_s: without one byte for so long (and up to 7 s more: libcurl looks at the average of
 *	some seconds) the request fails with -ETIMEDOUT, and its connection is closed for all who
 *use it; 0: may be silent.
 * @is_fresh: use no connection and no address that is known already (after a failure: curl would
 *	put the next request on the same dead HTTP/2 connection).
 */
struct http_params {
	const char *method;
	const char *url;
	const char *const *headers;
	const char *body;
	size_t body_len;
	const char *proxy_url;
	const struct http_tls *tls;
	uint32_t timeout_s;
	uint32_t silence_s;
	bool is_fresh;
};

/**
 * struct http_result - how a request ended.
 * @error: 0: a whole answer came, whatever its status; -ECONNREFUSED, -ETIMEDOUT, -EPIPE (cut in
 *	the middle), -EPROTO, -EKEYREJECTED (the server's certificate, or ours at the server) ...;
 *	-EHOSTUNREACH (no such name, too), -EINVAL (a certificate or key that cannot be used); or
 *	what the body callback returned.
 * @status: of the answer; 0 when there was none.
 * @retry_after_s: of the Retry-After header; -1: none.
 * @text: one line: of a failure, what the transport says; of a status other than 2xx, the beginning
 *	of its body; control characters become spaces. Borrowed for the call.
 */
struct http_result {
	int error;
	long status;
	int64_t retry_after_s;
	const char *text;
};

/**
 * struct http_events - what a request tells.
 * @body: some bytes of an answer with status 2xx; a negative return ends the request. May be NULL.
 *	No request may be started or cancelled in it.
 * @done: once, last; the request is gone afterwards. Not called after http_request_cancel().
 *	Requests may be started and (others) cancelled in it.
 */
struct http_events {
	int (*body)(void *arg, const char *data, size_t len);
	void (*done)(void *arg, const struct http_result *result);
	void *arg;
};

/**
 * http_client_new() - a client on this event loop.
 * @user_agent: e.g. "svcbpf/0.1"; must not begin with "curl/" (an API server would indent its
 * JSON). Return: 0 or -ENOMEM. Free with http_client_free().
 */
int http_client_new(struct event_base *base, const char *user_agent, struct http_client **ret);

/** http_client_free() - cancel all requests and free; NULL is fine. Not inside a callback. */
void http_client_free(struct http_client *client);

/**
 * http_client_set_mark() - the SO_MARK of connections made from now on; 0: none.
 * Without CAP_NET_ADMIN connections carry none, and nothing is said about it.
 */
void http_client_set_mark(struct http_client *client, uint32_t mark);

/**
 * http_url_check() - whether this is a URL that requests can begin with: http or https, a host,
 * perhaps a port and a path; no user name, no query, no fragment.
 * @ret_text: filled in on -EINVAL: what is wrong with it, static.
 * Return: 0; -EINVAL; -ENOMEM.
 */
int http_url_check(const char *url, const char **ret_text);

/**
 * http_request_start() - begin a request; nothing is told before the event loop runs.
 * Return: 0; -EINVAL: a URL or PEM that cannot be used; -ENOMEM.
 */
int http_request_start(struct http_client *client, const struct http_params *params,
		       const struct http_events *events, struct http_request **ret);

/** http_request_cancel() - end it now, and tell nobody; NULL is fine. Not inside its body(). */
void http_request_cancel(struct http_request *request);

#endif
