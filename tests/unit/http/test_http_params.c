/* SPDX-License-Identifier: Apache-2.0 */
/* URLs, headers and certificates that are refused before anything is sent. */
#include <errno.h>

#include "unit/http/asking.h"
#include "util/cleanup.h"

static struct event_base *base;
static struct http_client *client;

static void set_up(void)
{
	base = event_base_new();
	cr_assert_not_null(base);
	cr_assert_eq(http_client_new(base, "svcbpf/test", &client), 0);
}

static void tear_down(void)
{
	http_client_free(client);
	event_base_free(base);
	libevent_global_shutdown();
}

TestSuite(http_params, .init = set_up, .fini = tear_down, .timeout = 60);

Test(http_params, what_cannot_be_asked_is_refused)
{
	static const struct http_tls not_pem[] = {
		{.ca_pem = "hello"},
		{.cert_pem = "hello"},
		{.key_pem = ""},
	};
	static const char *const urls[] = {"", "http://", "http://user:pw@127.0.0.1/",
					   "http://a b/"};
	static const char *const lines[] = {"A: b\r\nInjected: c", NULL};
	const struct http_events events = {};
	struct http_request *request = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++)
		cr_expect_eq(http_request_start(client, &(struct http_params){.url = urls[i]},
						&events, &request),
			     -EINVAL, "%s", urls[i]);
	for (size_t i = 0; i < ARRAY_SIZE(not_pem); i++) {
		const struct http_params params = {.url = "https://127.0.0.1/", .tls = &not_pem[i]};

		cr_expect_eq(http_request_start(client, &params, &events, &request), -EINVAL);
	}
	cr_expect_eq(http_request_start(
			     client,
			     &(struct http_params){.url = "http://127.0.0.1/", .headers = lines},
			     &events, &request),
		     -EINVAL);
	cr_assert_null(request);
}

Test(http_params, other_protocols_are_not_spoken)
{
	static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/",
					   "gopher://127.0.0.1/"};

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		struct asking asking = {.base = base};
		const struct http_events events = asking_events(&asking);
		struct http_request *request;

		cr_assert_eq(http_request_start(client, &(struct http_params){.url = urls[i]},
						&events, &request),
			     0);
		asking_wait(&asking);
		cr_expect_eq(asking.error, -EPROTO, "%s: %d", urls[i], asking.error);
		cr_expect_eq(asking.body_len, 0);
	}
}

Test(http_params, urls_of_servers_are_checked)
{
	static const struct {
		const char *url;
		const char *problem; /* NULL: it is good */
	} cases[] = {
		{"https://192.0.2.1:6443", NULL},
		{"http://localhost:8080/", NULL},
		{"https://[2001:db8::1]:6443/k8s/clusters/c-1", NULL},
		{"https://api.example.com", NULL},
		{"192.0.2.1:6443", "it does not begin with https:// or http://"},
		{"localhost:6443", "it does not begin with https:// or http://"},
		{"api.example.com", "it does not begin with https:// or http://"},
		{"ftp://192.0.2.1", "it does not begin with https:// or http://"},
		{"", "it does not begin with https:// or http://"},
		{"https://", "No host part in the URL"},
		{"https://192.0.2.1:99999",
		 "Port number was not a decimal number between 0 and 65535"},
		{"https://me@192.0.2.1", "it has a user name in it"},
		{"https://192.0.2.1/?a=b", "it has a query (?) in it"},
		{"https://192.0.2.1/#a", "it has a fragment (#) in it"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *problem = NULL;

		cr_expect_eq(http_url_check(cases[i].url, &problem), cases[i].problem ? -EINVAL : 0,
			     "%s", cases[i].url);
		if (cases[i].problem)
			cr_expect_str_eq(problem ? problem : "", cases[i].problem, "%s: %s",
					 cases[i].url, problem);
	}
}
