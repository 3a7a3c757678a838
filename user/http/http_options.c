/* SPDX-License-Identifier: Apache-2.0 */
/* What a request's parameters mean to libcurl. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/http_private.h"
#include "util/addr.h"
#include "util/cleanup.h"

#define CONNECT_TIMEOUT_S 10L
#define KEEPALIVE_IDLE_S  15L
#define KEEPALIVE_STEP_S  5L
#define RECEIVE_BYTES	  65536L

/*
 * No CURLOPT_ACCEPT_ENCODING: an API server never compresses a watch, and a compressed list takes
 * it longer (measured: 78 MB of EndpointSlices in 3.7-5.8 s instead of 1.1-3.0), just when all
 * nodes ask for one after its restart.
 */
static const struct {
	CURLoption option;
	long value;
} always[] = {
	{CURLOPT_NOSIGNAL, 1L},
	{CURLOPT_FOLLOWLOCATION, 0L},
	{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS},
	{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S},
	{CURLOPT_TCP_KEEPALIVE, 1L},
	{CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
	{CURLOPT_TCP_KEEPINTVL, KEEPALIVE_STEP_S},
	{CURLOPT_BUFFERSIZE, RECEIVE_BYTES},
	{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L},
	/*
	 * libcurl 7.88 is slow to leave an address that does not answer, and when another one is
	 * tried its time is nearly over: let each attempt begin with another one
	 */
	{CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L},
	/* a request that is cancelled does not wait for the thread that resolves its name */
	{CURLOPT_QUICK_EXIT, 1L},
};

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct http_request *request = arg;
	const size_t len = size * n;
	long status = 0;
	int r = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 != 2)
		return http_request_add_error(request, data, len);
	if (request->events.body)
		r = request->events.body(request->events.arg, data, len);
	if (r >= 0)
		return len;
	request->body_error = r;
	return CURL_WRITEFUNC_ERROR;
}

static CURLcode set_basics(struct http_request *request)
{
	CURL *easy = request->easy;
	CURLcode r = CURLE_OK;

	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		r |= curl_easy_setopt(easy, always[i].option, always[i].value);
	r |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	r |= curl_easy_setopt(easy, CURLOPT_USERAGENT, request->client->user_agent);
	r |= curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	r |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->curl_error);
	r |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
	r |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	return r | http_sockets_set(request);
}

static CURLcode set_method(CURL *easy, const struct http_params *params)
{
	const char *method = params->method ? params->method : "GET";
	CURLcode r = CURLE_OK;

	if (params->body || strcmp(method, "POST") == 0) {
		r |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
				      params->body ? (curl_off_t)params->body_len : 0);
		r |= curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
				      params->body ? params->body : "");
	}
	if (strcmp(method, "HEAD") == 0)
		r |= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else if (params->body || strcmp(method, "GET") != 0)
		r |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	return r;
}

static int add_header(struct http_request *request, const char *line)
{
	struct curl_slist *headers = curl_slist_append(request->headers, line);

	if (!headers)
		return -ENOMEM;
	request->headers = headers;
	return 0;
}

static int set_headers(struct http_request *request, const struct http_params *params)
{
	int r = 0;

	for (const char *const *line = params->headers; line && *line && r == 0; line++) {
		if (strpbrk(*line, "\r\n"))
			return -EINVAL;
		r = add_header(request, *line);
	}
	if (r < 0)
		return r;
	if (curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers) != CURLE_OK)
		return -ENOMEM;
	return 0;
}

/* Of libcurl's texts, for _cleanup_(). */
static void curl_freep(char **text)
{
	curl_free(*text);
}

static void curlu_freep(CURLU **url)
{
	curl_url_cleanup(*url);
}

/* For a Host header: the port only where it is not the usual one. */
static int add_host_header(struct http_request *request, CURLU *url, const char *host)
{
	_cleanup_(curl_freep) char *port = NULL;
	_free_ char *line = NULL;

	if (curl_url_get(url, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT) != CURLUE_OK)
		port = NULL;
	if (asprintf(&line, "Host: %s%s%s", host, port ? ":" : "", port ? port : "") < 0) {
		line = NULL;
		return -ENOMEM;
	}
	return add_header(request, line);
}

static int add_connect_to(struct http_request *request, CURLU *url, const char *host)
{
	_cleanup_(curl_freep) char *port = NULL;
	_free_ char *line = NULL;

	if (curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return -EINVAL;
	if (asprintf(&line, "::%s:%s", host, port) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	request->connect_to = curl_slist_append(NULL, line);
	if (!request->connect_to ||
	    curl_easy_setopt(request->easy, CURLOPT_CONNECT_TO, request->connect_to) != CURLE_OK)
		return -ENOMEM;
	return 0;
}

/*
 * libcurl compares the certificate with the URL's host: to have it compared with another name the
 * URL gets that name, and the connection and the Host header keep the real one.
 */
static int set_server_name(struct http_request *request, CURLU *url, const char *name)
{
	_cleanup_(curl_freep) char *host = NULL;
	_free_ char *in_url = NULL;
	int r;

	if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return -EINVAL;
	r = add_host_header(request, url, host);
	if (r < 0)
		return r;
	r = add_connect_to(request, url, host);
	if (r < 0)
		return r;
	/* an IPv6 address stands in brackets in a URL */
	if (asprintf(&in_url, strchr(name, ':') && name[0] != '[' ? "[%s]" : "%s", name) < 0) {
		in_url = NULL;
		return -ENOMEM;
	}
	return curl_url_set(url, CURLUPART_HOST, in_url, 0) == CURLUE_OK ? 0 : -EINVAL;
}

static int set_url(struct http_request *request, const struct http_params *params)
{
	const char *name = params->tls ? params->tls->server_name : NULL;
	_cleanup_(curlu_freep) CURLU *url = curl_url();
	_cleanup_(curl_freep) char *text = NULL;
	int r;

	if (!url)
		return -ENOMEM;
	if (curl_url_set(url, CURLUPART_URL, params->url, CURLU_DISALLOW_USER) != CURLUE_OK)
		return -EINVAL;
	if (name && strncasecmp(params->url, "https:", 6) == 0) {
		r = set_server_name(request, url, name);
		if (r < 0)
			return r;
	}
	if (curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK)
		return -EINVAL;
	if (curl_easy_setopt(request->easy, CURLOPT_URL, text) != CURLE_OK)
		return -ENOMEM;
	return 0;
}

static bool is_loopback(const char *url)
{
	_cleanup_(curlu_freep) CURLU *parts = curl_url();
	_cleanup_(curl_freep) char *host = NULL;
	struct addr addr;

	if (!parts || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return false;
	if (strcmp(host, "[::1]") == 0 || strcasecmp(host, "localhost") == 0)
		return true;
	return addr_parse(host, &addr) == 0 && addr_is_loopback(&addr);
}

/* As Go does, and so every other client of the API, the environment's proxy is not for loopback. */
static CURLcode set_proxy(CURL *easy, const struct http_params *params)
{
	const char *proxy = params->proxy_url;

	if (!proxy && is_loopback(params->url))
		proxy = "";
	return proxy ? curl_easy_setopt(easy, CURLOPT_PROXY, proxy) : CURLE_OK;
}

/* libcurl copies the text, less its NUL. */
static CURLcode set_pem(CURL *easy, CURLoption option, const char *pem)
{
	struct curl_blob blob = {
		.data = (void *)(uintptr_t)pem,
		.len = strlen(pem),
		.flags = CURL_BLOB_COPY,
	};

	return curl_easy_setopt(easy, option, &blob);
}

static bool is_pem(const char *text)
{
	return !text || strstr(text, "-----BEGIN ");
}

static CURLcode set_ca(CURL *easy, const char *ca_pem)
{
	CURLcode r = set_pem(easy, CURLOPT_CAINFO_BLOB, ca_pem);

	/* else every public authority that the system trusts could vouch for the server as well */
	r |= curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	r |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	return r;
}

static int set_tls(CURL *easy, const struct http_tls *tls)
{
	CURLcode r = CURLE_OK;

	if (!is_pem(tls->ca_pem) || !is_pem(tls->cert_pem) || !is_pem(tls->key_pem))
		return -EINVAL;
	if (tls->ca_pem)
		r |= set_ca(easy, tls->ca_pem);
	if (tls->cert_pem)
		r |= set_pem(easy, CURLOPT_SSLCERT_BLOB, tls->cert_pem);
	if (tls->key_pem)
		r |= set_pem(easy, CURLOPT_SSLKEY_BLOB, tls->key_pem);
	/* else OpenSSL would ask the terminal for the password of an encrypted key, and wait */
	r |= curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
	if (tls->is_insecure) {
		r |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		r |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return r == CURLE_OK ? 0 : -ENOMEM;
}

int http_options_set(struct http_request *request, const struct http_params *params)
{
	CURL *easy = request->easy;
	CURLcode code = set_basics(request) | set_method(easy, params);
	int r;

	r = set_url(request, params);
	if (r < 0)
		return r;
	r = set_headers(request, params);
	if (r < 0)
		return r;
	if (params->tls) {
		r = set_tls(easy, params->tls);
		if (r < 0)
			return r;
	}
	code |= set_proxy(easy, params);
	code |= curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)params->timeout_s);
	code |= curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, params->silence_s ? 1L : 0L);
	code |= curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)params->silence_s);
	if (params->is_fresh) {
		code |= curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
		code |= curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	}
	return code == CURLE_OK ? 0 : -ENOMEM;
}
