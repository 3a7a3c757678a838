/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_client.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "http/http_private.h"
#include "util/cleanup.h"

static void client_freep(struct http_client **client)
{
	http_client_free(*client);
}

int http_client_new(struct event_base *base, const char *user_agent, struct http_client **ret)
{
	_cleanup_(client_freep) struct http_client *client = NULL;
	int r;

	/* counted by libcurl: each client gives one back */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	client = calloc(1, sizeof(*client));
	if (!client) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	client->base = base;
	LIST_INIT(&client->requests);
	LIST_INIT(&client->sockets);
	client->user_agent = strdup(user_agent);
	if (!client->user_agent)
		return -ENOMEM;
	r = http_multi_init(client);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(client);
	return 0;
}

void http_client_free(struct http_client *client)
{
	struct http_request *request;

	if (!client)
		return;
	while ((request = LIST_FIRST(&client->requests)))
		http_request_free(request);
	/* still calls back for the sockets of idle connections and for its timer */
	if (client->multi)
		curl_multi_cleanup(client->multi);
	http_sockets_free(client);
	if (client->timer)
		event_free(client->timer);
	free(client->user_agent);
	free(client);
	curl_global_cleanup();
}

void http_client_set_mark(struct http_client *client, uint32_t mark)
{
	client->mark = mark;
}

/* What is wrong with a URL whose parts are all there to be looked at. */
static const char *url_problem(CURLU *url)
{
	static const struct {
		CURLUPart part;
		const char *problem;
	} unwanted[] = {
		{CURLUPART_USER, "it has a user name in it"},
		{CURLUPART_PASSWORD, "it has a password in it"},
		{CURLUPART_QUERY, "it has a query (?) in it"},
		{CURLUPART_FRAGMENT, "it has a fragment (#) in it"},
	};
	char *scheme = NULL;
	bool is_http;

	if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
		return "it does not begin with https:// or http://";
	is_http = strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0;
	curl_free(scheme);
	if (!is_http)
		return "it does not begin with https:// or http://";
	for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++) {
		char *part = NULL;

		if (curl_url_get(url, unwanted[i].part, &part, 0) != CURLUE_OK)
			continue;
		curl_free(part);
		return unwanted[i].problem;
	}
	return NULL;
}

int http_url_check(const char *url, const char **ret_text)
{
	CURLU *parts = curl_url();
	const char *problem;
	CURLUcode code;

	if (!parts)
		return -ENOMEM;
	/* a name before ':' that libcurl does not know is a scheme to it, not a host */
	code = curl_url_set(parts, CURLUPART_URL, url, 0);
	if (code == CURLUE_OK)
		problem = url_problem(parts);
	else if (code == CURLUE_BAD_SCHEME || code == CURLUE_UNSUPPORTED_SCHEME ||
		 !strstr(url, "://"))
		problem = "it does not begin with https:// or http://";
	else
		problem = curl_url_strerror(code);
	curl_url_cleanup(parts);
	if (code == CURLUE_OUT_OF_MEMORY)
		return -ENOMEM;
	if (!problem)
		return 0;
	*ret_text = problem;
	return -EINVAL;
}
