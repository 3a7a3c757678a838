/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to an API server: which of its URLs, with which credentials. Knows no resource. */
#ifndef SVCBPF_SOURCE_API_H
#define SVCBPF_SOURCE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http_client.h"

struct api;
struct api_call;
struct event_base;
struct kubeconfig;

/**
 * struct api_params - one call; borrowed for api_call_start() only.
 * @path: with its query: "/api/v1/services?limit=500".
 * @method, @body, @body_len, @timeout_s, @silence_s, @is_fresh: as in struct http_params; a body is
 *	JSON, with PATCH a JSON merge patch (RFC 7386).
 */
struct api_params {
	const char *method;
	const char *path;
	const char *body;
	size_t body_len;
	uint32_t timeout_s;
	uint32_t silence_s;
	bool is_fresh;
};

/**
 * api_new() - a client of the API servers of @config.
 * @config: taken over, also on failure.
 * @version: for the User-Agent "svcbpf/VERSION".
 *
 * Warnings that the operator must see (insecure-skip-tls-verify, a token that a plain http URL
 * would carry) are told through @warn, once each, from here and later. Return: 0 or -ENOMEM. Free
 * with api_free().
 */
int api_new(struct event_base *base, struct kubeconfig *config, const char *version,
	    void (*warn)(void *arg, const char *text), void *arg, struct api **ret);

/** api_free() - cancel all calls and free; NULL is fine. Not inside a callback. */
void api_free(struct api *api);

/** api_set_mark() - as http_client_set_mark(); before the first call. */
void api_set_mark(struct api *api, uint32_t mark);

/**
 * api_call_start() - begin a call. @events: as for an HTTP request.
 *
 * Credentials are found first: a token file is read again when it has changed or is older than a
 * minute, an exec plugin is run (without blocking) when its credential has expired; a failure of
 * that ends the call with -ENOKEY (done() is called from the event loop, text says why).
 * After a status 401, and when a certificate is refused or does not match its key, they are found
 * anew for the next call, and the kubeconfig and its files are read again. After a failure of the
 * transport, and after status 502, 503 and 504, the next call goes to the next of the servers, on a
 * fresh connection. Nothing is retried here: the caller knows when.
 * Return: 0; -EINVAL; -ENOMEM.
 */
int api_call_start(struct api *api, const struct api_params *params,
		   const struct http_events *events, struct api_call **ret);

/** api_call_cancel() - end it now, and tell nobody; NULL is fine. Not inside its body(). */
void api_call_cancel(struct api_call *call);

/** api_n_servers() - how many servers are tried in turn; not 0. */
size_t api_n_servers(const struct api *api);

/** api_server() - the URL the next call goes to, borrowed until the next call. */
const char *api_server(const struct api *api);

#endif
