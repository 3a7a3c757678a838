/* SPDX-License-Identifier: Apache-2.0 */
/* One request: its start, its silence, its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/http_private.h"
#include "util/cleanup.h"
#include "util/one_line.h"

/* What more of an error's body comes is not waited for. */
#define ERROR_BODY_MAX_BYTES 65536

void http_request_free(struct http_request *request)
{
	struct http_client *client = request->client;

	LIST_REMOVE(request, link);
	if (request->easy) {
		curl_multi_remove_handle(client->multi, request->easy);
		curl_easy_cleanup(request->easy);
	}
	curl_slist_free_all(request->headers);
	curl_slist_free_all(request->connect_to);
	free(request);
}

static void request_freep(struct http_request **request)
{
	if (*request)
		http_request_free(*request);
}

size_t http_request_add_error(struct http_request *request, const char *data, size_t len)
{
	size_t room = sizeof(request->error_body) - 1 - request->error_len;
	size_t n = len < room ? len : room;

	memcpy(request->error_body + request->error_len, data, n);
	request->error_len += n;
	request->n_error_bytes += len;
	return request->n_error_bytes > ERROR_BODY_MAX_BYTES ? CURL_WRITEFUNC_ERROR : len;
}

/* Makes one line of @text: control characters become spaces, none is left at the end. */
static void clean(char *text)
{
	size_t len = strlen(text);

	one_line_make(text, ' ');
	while (len > 0 && text[len - 1] == ' ')
		text[--len] = '\0';
}

/* Seconds of the Retry-After header, a date included; -1: there is none. */
static int64_t retry_after_s(CURL *easy)
{
	struct curl_header *header;
	curl_off_t seconds = 0;

	if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return -1;
	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
	return seconds;
}

/* A certificate may be good, and this host's clock wrong. */
static void add_clock(char *text, size_t size)
{
	const size_t len = strlen(text);
	const time_t now_s = time(NULL);
	struct tm tm;

	if (!strstr(text, "not yet valid") && !strstr(text, "has expired"))
		return;
	if (gmtime_r(&now_s, &tm))
		strftime(text + len, size - len, "; this host's clock says %Y-%m-%dT%H:%M:%SZ",
			 &tm);
}

static void describe(const struct http_request *request, CURLcode code, char *text, size_t size)
{
	if (request->body_error < 0)
		snprintf(text, size, "the answer was refused: %s",
			 strerrordesc_np(-request->body_error));
	else if (code == CURLE_OK)
		memcpy(text, request->error_body, request->error_len + 1);
	else
		snprintf(text, size, "%s",
			 request->curl_error[0] ? request->curl_error : curl_easy_strerror(code));
	clean(text);
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		add_clock(text, size);
}

void http_request_finish(struct http_request *request, CURLcode code)
{
	struct http_result result = {.retry_after_s = retry_after_s(request->easy)};
	const struct http_events events = request->events;
	char text[HTTP_ERROR_TEXT_MAX];

	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &result.status);
	/* an error is known by the beginning of its body */
	if (request->n_error_bytes > ERROR_BODY_MAX_BYTES)
		code = CURLE_OK;
	if (request->body_error < 0)
		result.error = request->body_error;
	else if (code != CURLE_OK)
		result.error = http_error_of(request->easy, code, request->curl_error);
	describe(request, code, text, sizeof(text));
	result.text = text;
	if (code == CURLE_OPERATION_TIMEDOUT && request->silence_s)
		http_sockets_break(request);
	/* before done(), which may do anything but with this one */
	http_request_free(request);
	events.done(events.arg, &result);
}

int http_request_start(struct http_client *client, const struct http_params *params,
		       const struct http_events *events, struct http_request **ret)
{
	_cleanup_(request_freep) struct http_request *request = calloc(1, sizeof(*request));
	int r;

	if (!request)
		return -ENOMEM;
	request->client = client;
	request->events = *events;
	request->silence_s = params->silence_s;
	LIST_INSERT_HEAD(&client->requests, request, link);
	request->easy = curl_easy_init();
	if (!request->easy)
		return -ENOMEM;
	r = http_options_set(request, params);
	if (r < 0)
		return r;
	if (curl_multi_add_handle(client->multi, request->easy) != CURLM_OK)
		return -ENOMEM;
	*ret = TAKE_PTR(request);
	return 0;
}

void http_request_cancel(struct http_request *request)
{
	if (request)
		http_request_free(request);
}
