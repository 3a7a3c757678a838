/* SPDX-License-Identifier: Apache-2.0 */
#include "source/api.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "source/credentials.h"
#include "source/kubeconfig.h"
#include "util/cleanup.h"
#include "util/small_file.h"

/* Accept, Authorization, Content-Type, and the end. */
#define MAX_HEADERS 4

LIST_HEAD(api_calls, api_call);

/**
 * struct api - the servers and who we are.
 * @calls: all that are under way, the youngest first.
 * @current: index of the server that the next call goes to.
 * @is_stale: what @config says was not accepted, or cannot be used: read it again.
 * @problem: why that failed last; "" when it did not.
 * @n_fresh: so many of the next calls get a fresh connection, one for each that failed.
 */
struct api {
	struct event_base *base;
	struct kubeconfig *config;
	struct http_client *client;
	struct credentials *credentials;
	struct api_calls calls;
	size_t current;
	size_t n_fresh;
	bool is_stale;
	char problem[512];
	void (*warn)(void *arg, const char *text);
	void *arg;
};

/** enum call_state - what a call waits for. */
enum call_state {
	CALL_NEW,
	CALL_WAITS,   /* for credentials */
	CALL_IS_NEXT, /* the credentials are there, or there are none */
	CALL_ASKS,    /* for the server's answer */
};

/**
 * struct api_call - one that is under way.
 * @params: with copies of its texts.
 * @server: index of the one that is asked.
 * @generation: of the credential that was sent.
 * @failed: tells from the event loop that there is no credential; NULL.
 * @has_refused: the body callback has ended the call.
 */
struct api_call {
	LIST_ENTRY(api_call) link;
	struct api *api;
	enum call_state state;
	struct api_params params;
	struct http_events events;
	struct http_request *request;
	size_t server;
	uint64_t generation;
	struct event *failed;
	bool has_refused;
};

/* ---------------------------------------------------------------- end of a call */

static void call_free(struct api_call *call)
{
	LIST_REMOVE(call, link);
	http_request_cancel(call->request);
	if (call->failed)
		event_free(call->failed);
	free((char *)(uintptr_t)call->params.method);
	free((char *)(uintptr_t)call->params.path);
	free((char *)(uintptr_t)call->params.body);
	free(call);
}

static void call_freep(struct api_call **call)
{
	if (*call)
		call_free(*call);
}

/* Tells the end of a call and frees it first: done() may do anything but with this one. */
static void tell(struct api_call *call, const struct http_result *result)
{
	const struct http_events events = call->events;

	call_free(call);
	events.done(events.arg, result);
}

static void tell_failure(struct api_call *call, int error, const char *text)
{
	const struct http_result result = {.error = error, .retry_after_s = -1, .text = text};

	tell(call, &result);
}

/* Whether another server, or another connection to this one, may do better. */
static bool is_server_at_fault(const struct api_call *call, const struct http_result *result)
{
	if (call->has_refused || result->error == -ENOMEM || result->error == -EINVAL)
		return false;
	return result->error < 0 || (result->status >= 502 && result->status <= 504);
}

/*
 * Whether what we are has to be found anew: the server has refused it, a certificate already in the
 * handshake; or a certificate and a key do not match, as they do while they are renewed.
 */
static bool is_refused(const struct http_result *result)
{
	return result->status == 401 || result->error == -EKEYREJECTED || result->error == -EINVAL;
}

static void learn(const struct api_call *call, const struct http_result *result)
{
	struct api *api = call->api;

	if (!call->has_refused && is_refused(result)) {
		credentials_reject(api->credentials, call->generation);
		api->is_stale = true;
	}
	if (!is_server_at_fault(call, result))
		return;
	api->n_fresh++;
	/* of several that fail at once, the first one chooses the next server */
	if (call->server == api->current)
		api->current = (api->current + 1) % api->config->n_servers;
}

static int on_body(void *arg, const char *data, size_t len)
{
	struct api_call *call = arg;
	int r = call->events.body ? call->events.body(call->events.arg, data, len) : 0;

	call->has_refused = r < 0;
	return r;
}

static void on_done(void *arg, const struct http_result *result)
{
	struct api_call *call = arg;

	call->request = NULL;
	learn(call, result);
	tell(call, result);
}

static void on_no_credential(evutil_socket_t fd, short what, void *arg)
{
	struct api_call *call = arg;
	char text[HTTP_ERROR_TEXT_MAX];

	(void)fd;
	(void)what;
	/* done() may start a call, which looks for credentials again */
	snprintf(text, sizeof(text), "%s", credentials_text(call->api->credentials));
	tell_failure(call, -ENOKEY, text);
}

/* ---------------------------------------------------------------- asking */

static const char *content_type(const char *method)
{
	if (method && strcmp(method, "PATCH") == 0)
		return "Content-Type: application/merge-patch+json";
	return "Content-Type: application/json";
}

static void set_headers(const struct api_call *call, const struct credential *credential,
			const char *headers[MAX_HEADERS])
{
	size_t n = 0;

	headers[n++] = "Accept: application/json";
	if (credential->authorization)
		headers[n++] = credential->authorization;
	if (call->params.body)
		headers[n++] = content_type(call->params.method);
	headers[n] = NULL;
}

static bool take_fresh(struct api *api, const struct api_call *call)
{
	if (!api->n_fresh)
		return call->params.is_fresh;
	api->n_fresh--;
	return true;
}

/* Sends the request. Return: as http_request_start(). */
static int ask(struct api_call *call, const struct credential *credential)
{
	struct api *api = call->api;
	const struct kubeconfig *config = api->config;
	const struct http_tls tls = {
		.ca_pem = config->ca_pem,
		.cert_pem = credential->cert_pem,
		.key_pem = credential->key_pem,
		.server_name = config->server_name,
		.is_insecure = config->is_insecure,
	};
	const struct http_events events = {.body = on_body, .done = on_done, .arg = call};
	const char *headers[MAX_HEADERS];
	struct http_params params = {
		.method = call->params.method,
		.headers = headers,
		.body = call->params.body,
		.body_len = call->params.body_len,
		.proxy_url = config->proxy_url,
		.tls = &tls,
		.timeout_s = call->params.timeout_s,
		.silence_s = call->params.silence_s,
		.is_fresh = take_fresh(api, call),
	};
	_free_ char *url = NULL;

	if (asprintf(&url, "%s%s", api_server(api), call->params.path) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	params.url = url;
	set_headers(call, credential, headers);
	call->state = CALL_ASKS;
	call->server = api->current;
	call->generation = credential->generation;
	return http_request_start(api->client, &params, &events, &call->request);
}

static void go_on(struct api_call *call, int error)
{
	struct credential credential;
	int r;

	if (error < 0) {
		on_no_credential(-1, 0, call);
		return;
	}
	credentials_latest(call->api->credentials, &credential);
	r = ask(call, &credential);
	if (r < 0)
		tell_failure(call, r,
			     "the request cannot be made with the credential of the exec "
			     "plugin");
}

static struct api_call *find_next(const struct api *api)
{
	struct api_call *call, *oldest = NULL;

	LIST_FOREACH(call, &api->calls, link) {
		if (call->state == CALL_IS_NEXT)
			oldest = call;
	}
	return oldest;
}

static void on_credentials(void *arg, int error);

/* A plugin's credential is renewed by running it again, which those who wait hold on to. */
static bool may_reload(const struct api *api)
{
	const struct api_call *call;

	if (!api->is_stale || api->config->exec)
		return false;
	LIST_FOREACH(call, &api->calls, link) {
		if (call->state == CALL_WAITS || call->state == CALL_IS_NEXT)
			return false;
	}
	return true;
}

static void tell_reload(struct api *api, const char *problem)
{
	if (*problem && strcmp(problem, api->problem) != 0)
		api->warn(api->arg, problem);
	snprintf(api->problem, sizeof(api->problem), "%s", problem);
}

static void warn_if_insecure(const struct api *api)
{
	if (api->config->is_insecure)
		api->warn(api->arg, "insecure-skip-tls-verify: the API server's certificate is not "
				    "verified, anybody on the way to it can act as the API server");
}

/*
 * Certificates, keys and authorities are renewed in their files; as a token's, the new content is
 * looked for when the old one is refused. What cannot be read leaves all as it was.
 */
static void reload(struct api *api)
{
	_cleanup_(kubeconfig_freep) struct kubeconfig *config = NULL;
	struct credentials *credentials = NULL;
	struct kubeconfig_error error = {};
	const bool was_insecure = api->config->is_insecure;
	int r = kubeconfig_reload(api->config, &config, &error);

	if (r == 0)
		r = credentials_new(api->base, config, on_credentials, api, &credentials);
	tell_reload(api, error.text);
	if (r < 0)
		return;
	api->is_stale = false;
	credentials_free(api->credentials);
	kubeconfig_free(api->config);
	api->credentials = credentials;
	api->config = TAKE_PTR(config);
	api->current %= api->config->n_servers;
	if (!was_insecure)
		warn_if_insecure(api);
}

/* What done() starts meanwhile waits for the next time. */
static void on_credentials(void *arg, int error)
{
	struct api *api = arg;
	struct api_call *call;

	LIST_FOREACH(call, &api->calls, link) {
		if (call->state == CALL_WAITS)
			call->state = CALL_IS_NEXT;
	}
	while ((call = find_next(api)))
		go_on(call, error);
}

static int copy_params(struct api_call *call, const struct api_params *params)
{
	char *body = NULL;

	call->params = *params;
	call->params.method = params->method ? strdup(params->method) : NULL;
	call->params.path = strdup(params->path);
	if (params->body) {
		body = malloc(params->body_len + 1);
		if (body)
			memcpy(body, params->body, params->body_len);
	}
	call->params.body = body;
	if (!call->params.path || (params->method && !call->params.method) ||
	    (params->body && !body))
		return -ENOMEM;
	return 0;
}

static int fail_soon(struct api_call *call)
{
	const struct timeval now = {};

	call->failed = evtimer_new(call->api->base, on_no_credential, call);
	return call->failed && event_add(call->failed, &now) == 0 ? 0 : -ENOMEM;
}

int api_call_start(struct api *api, const struct api_params *params,
		   const struct http_events *events, struct api_call **ret)
{
	_cleanup_(call_freep) struct api_call *call = calloc(1, sizeof(*call));
	struct credential credential;
	int r;

	if (!call)
		return -ENOMEM;
	call->api = api;
	call->events = *events;
	LIST_INSERT_HEAD(&api->calls, call, link);
	r = copy_params(call, params);
	if (r < 0)
		return r;
	if (may_reload(api))
		reload(api);
	r = credentials_get(api->credentials, &credential);
	if (r == 0)
		r = ask(call, &credential);
	else if (r == -ENOKEY)
		r = fail_soon(call);
	else if (r == -EINPROGRESS)
		call->state = CALL_WAITS;
	if (r < 0 && r != -EINPROGRESS)
		return r;
	*ret = TAKE_PTR(call);
	return 0;
}

void api_call_cancel(struct api_call *call)
{
	if (call)
		call_free(call);
}

size_t api_n_servers(const struct api *api)
{
	return api->config->n_servers;
}

const char *api_server(const struct api *api)
{
	return api->config->servers[api->current];
}

/* ---------------------------------------------------------------- the API as a whole */

static bool has_secret(const struct kubeconfig *config)
{
	return config->token || config->token_file || config->username || config->exec;
}

static void warn_about(const struct api *api)
{
	const struct kubeconfig *config = api->config;
	char text[512];

	warn_if_insecure(api);
	for (size_t i = 0; i < config->n_servers; i++) {
		if (!has_secret(config) || strncasecmp(config->servers[i], "https:", 6) == 0)
			continue;
		snprintf(text, sizeof(text),
			 "%.300s: our credentials are sent unencrypted: use https://",
			 config->servers[i]);
		api->warn(api->arg, text);
	}
}

static void api_freep(struct api **api)
{
	api_free(*api);
}

int api_new(struct event_base *base, struct kubeconfig *config, const char *version,
	    void (*warn)(void *arg, const char *text), void *arg, struct api **ret)
{
	_cleanup_(kubeconfig_freep) struct kubeconfig *owned = config;
	_cleanup_(api_freep) struct api *api = calloc(1, sizeof(*api));
	char user_agent[128];
	int r;

	if (!api)
		return -ENOMEM;
	api->base = base;
	api->config = TAKE_PTR(owned);
	api->warn = warn;
	api->arg = arg;
	LIST_INIT(&api->calls);
	snprintf(user_agent, sizeof(user_agent), "svcbpf/%s", version);
	r = http_client_new(base, user_agent, &api->client);
	if (r < 0)
		return r;
	r = credentials_new(base, config, on_credentials, api, &api->credentials);
	if (r < 0)
		return r;
	warn_about(api);
	*ret = TAKE_PTR(api);
	return 0;
}

void api_free(struct api *api)
{
	struct api_call *call;

	if (!api)
		return;
	while ((call = LIST_FIRST(&api->calls)))
		call_free(call);
	http_client_free(api->client);
	credentials_free(api->credentials);
	kubeconfig_free(api->config);
	free(api);
}

void api_set_mark(struct api *api, uint32_t mark)
{
	http_client_set_mark(api->client, mark);
}
