/* SPDX-License-Identifier: Apache-2.0 */
/* What strangers may send, over real sockets on loopback. */
#include <event2/buffer.h>
#include <sys/resource.h>

#include "http/http_connections.h"
#include "http/http_server.h"
#include "util/cleanup.h"

#include "dial.h"

#define LARGE_BYTES   (16 * 1024 * 1024)
#define REQUEST	      "GET /hello HTTP/1.1\r\n\r\n"
#define LARGE_REQUEST "GET /large HTTP/1.1\r\n\r\n"

struct fixture {
	struct event_base *base;
	struct http_connections *connections;
	struct http_server *server;
	uint16_t port;
	int n_asked;
};

static void answer_hello(void *arg, struct http_answer *answer)
{
	struct fixture *fixture = arg;

	fixture->n_asked++;
	evbuffer_add_printf(answer->body, "hello");
}

static void answer_large(void *arg, struct http_answer *answer)
{
	char block[4096];

	(void)arg;
	memset(block, 'x', sizeof(block));
	for (size_t i = 0; i < LARGE_BYTES / sizeof(block); i++)
		evbuffer_add(answer->body, block, sizeof(block));
}

static void answer_weight(void *arg, struct http_answer *answer)
{
	(void)arg;
	answer->status = 503;
	answer->content_type = "application/json";
	answer->weight = 7;
	evbuffer_add_printf(answer->body, "{}");
}

static const struct http_route some[] = {
	{"/hello", answer_hello},
	{"/large", answer_large},
	{"/weight", answer_weight},
};
static const struct http_route catch_all[] = {{NULL, answer_hello}};

static void open_server(struct fixture *fixture, const char *where, size_t max,
			const struct http_route *routes, size_t n_routes)
{
	const struct http_routes all = {routes, n_routes, fixture};
	struct http_bind bind;

	fixture->base = dial_base();
	cr_assert_eq(http_connections_new(fixture->base, max, &fixture->connections), 0);
	cr_assert_eq(http_bind_parse(where, &bind), 0);
	cr_assert_eq(http_server_new(fixture->connections, &bind, &all, &fixture->server), 0);
	fixture->port = http_server_port(fixture->server);
	cr_assert_neq(fixture->port, 0);
}

static void close_server(struct fixture *fixture)
{
	http_server_free(fixture->server);
	http_connections_free(fixture->connections);
	event_base_free(fixture->base);
}

static struct fixture open_some(void)
{
	return (struct fixture){};
}

#define FIXTURE(routes, max)                                                                       \
	_cleanup_(close_server) struct fixture fixture = open_some();                              \
	open_server(&fixture, "127.0.0.1:0", max, routes, ARRAY_SIZE(routes))

Test(http_server, answers_a_route_with_its_headers)
{
	_free_ char *answer = NULL;

	FIXTURE(some, 16);
	answer = dial_get(fixture.base, fixture.port, "/hello?a=b");
	cr_assert_eq(dial_status(answer), 200, "%s", answer);
	cr_assert(strstr(answer, "\r\nX-Content-Type-Options: nosniff\r\n"));
	cr_assert(strstr(answer, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
	cr_assert(strstr(answer, "\r\nContent-Length: 5\r\n"));
	cr_assert_not(strstr(answer, "Weight"));
	cr_assert_str_eq(dial_body(answer), "hello");
}

Test(http_server, carries_status_type_and_weight)
{
	_free_ char *answer = NULL;

	FIXTURE(some, 16);
	answer = dial_get(fixture.base, fixture.port, "/weight");
	cr_assert_eq(dial_status(answer), 503);
	cr_assert(strstr(answer, "\r\nContent-Type: application/json\r\n"));
	cr_assert(strstr(answer, "\r\nX-Load-Balancing-Endpoint-Weight: 7\r\n"));
}

static const struct {
	const char *request;
	int status;
	const char *body;
} requests[] = {
	{"GET /hello HTTP/1.0\r\n\r\n", 200, "hello"},
	{"GET http://x/hello HTTP/1.1\r\nConnection: close\r\n\r\n", 200, "hello"},
	{"HEAD /hello HTTP/1.1\r\nConnection: close\r\n\r\n", 200, ""},
	{"GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n", 404, "404 page not found\n"},
	{"GET /hello/ HTTP/1.1\r\nConnection: close\r\n\r\n", 404, "404 page not found\n"},
	{"DELETE /hello HTTP/1.1\r\nConnection: close\r\n\r\n", 405, "405 method not allowed\n"},
	{"BREW /hello HTTP/1.1\r\nConnection: close\r\n\r\n", 405, "405 method not allowed\n"},
	{"POST /hello HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 405, NULL},
	{"POST /hello HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", 413, NULL},
	{"POST /hello HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n", 413, NULL},
	{"\x16\x03\x01\x02\x01\xfc\x03\x03\r\n\r\n", 400, NULL},
	{"GET\r\n\r\n", 400, NULL},
	{"GET /hello HTTP/9.9\r\n\r\n", 400, NULL},
	{"GET /hello HTTP/1.1\r\nno colon here\r\n\r\n", 400, NULL},
};

Test(http_server, answers_what_it_is_sent)
{
	FIXTURE(some, 16);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		_free_ char *answer =
			dial_ask(fixture.base, false, fixture.port, requests[i].request);

		cr_assert_eq(dial_status(answer), requests[i].status, "%s: %s", requests[i].request,
			     answer);
		if (requests[i].body)
			cr_assert_str_eq(dial_body(answer), requests[i].body);
	}
}

Test(http_server, head_tells_the_length_it_would_have)
{
	_free_ char *answer = NULL;

	FIXTURE(some, 16);
	answer = dial_ask(fixture.base, false, fixture.port,
			  "HEAD /hello HTTP/1.1\r\nConnection: close\r\n\r\n");
	cr_assert(strstr(answer, "\r\nContent-Length: 5\r\n"));
}

Test(http_server, without_a_path_every_path_and_method_is_answered)
{
	static const char *const lines[] = {"GET /", "GET /a/b?c", "DELETE /x", "OPTIONS *",
					    "BREW /tea"};

	FIXTURE(catch_all, 16);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char request[128];
		_free_ char *answer = NULL;

		snprintf(request, sizeof(request), "%s HTTP/1.1\r\nConnection: close\r\n\r\n",
			 lines[i]);
		answer = dial_ask(fixture.base, false, fixture.port, request);
		cr_assert_eq(dial_status(answer), 200, "%s: %s", lines[i], answer);
		cr_assert_str_eq(dial_body(answer), "hello");
	}
}

/* Return: the answer to a request of @before, @n letters and an end. */
static char *ask_long(struct fixture *fixture, const char *before, int n)
{
	_free_ char *letters = calloc(1, (size_t)n + 1);
	_free_ char *request = NULL;

	cr_assert(letters);
	memset(letters, 'a', (size_t)n);
	cr_assert_gt(
		asprintf(&request, "%s%s HTTP/1.1\r\nConnection: close\r\n\r\n", before, letters),
		n);
	return dial_ask(fixture->base, false, fixture->port, request);
}

Test(http_server, refuses_more_than_8_kilobytes)
{
	_free_ char *fits = NULL;
	_free_ char *uri = NULL;
	_free_ char *header = NULL;
	_free_ char *alive = NULL;

	FIXTURE(some, 16);
	fits = ask_long(&fixture, "GET /hello?", 7000);
	cr_assert_eq(dial_status(fits), 200);
	uri = ask_long(&fixture, "GET /", 20000);
	cr_assert_eq(dial_status(uri), 400, "%s", uri);
	header = ask_long(&fixture, "GET /hello HTTP/1.1\r\nA: ", 20000);
	cr_assert_eq(dial_status(header), 400, "%s", header);
	alive = dial_get(fixture.base, fixture.port, "/hello");
	cr_assert_eq(dial_status(alive), 200);
}

Test(http_server, keeps_a_connection_for_more_requests)
{
	struct dial dial;

	FIXTURE(some, 16);
	dial = dial_open(false, fixture.port);
	for (int i = 0; i < 3; i++) {
		dial.len = 0;
		memset(dial.text, 0, DIAL_MAX_BYTES);
		dial_send(fixture.base, &dial, REQUEST, strlen(REQUEST));
		dial_wait(fixture.base, &dial, "hello");
		cr_assert_not(dial.is_closed);
	}
	cr_assert_eq(fixture.n_asked, 3);
	dial_close(&dial);
}

/* One byte a second: no pause is ever long, and still it ends after 10 s. */
Test(http_server, a_request_that_trickles_in_is_closed, .timeout = 30)
{
	const double begin = dial_now_s();
	struct dial silent;
	struct dial slow;
	double next = begin;

	FIXTURE(some, 16);
	slow = dial_open(false, fixture.port);
	silent = dial_open(false, fixture.port);
	dial_send(fixture.base, &slow, "GET /", 5);
	while (!slow.is_closed || !silent.is_closed) {
		cr_assert_lt(dial_now_s() - begin, 13.0);
		event_base_loop(fixture.base, EVLOOP_NONBLOCK);
		dial_read(&slow);
		dial_read(&silent);
		if (dial_now_s() >= next) {
			send(slow.fd, "a", 1, MSG_NOSIGNAL);
			next += 1;
		}
		usleep(5000);
	}
	cr_assert_geq(dial_now_s() - begin, 9.0);
	dial_close(&slow);
	dial_close(&silent);
}

/* The answer does not fit the socket's buffers, and nobody reads it. */
Test(http_server, an_answer_that_is_not_read_is_given_up, .timeout = 30)
{
	const double begin = dial_now_s();
	struct dial dial;

	FIXTURE(some, 16);
	dial = dial_open(false, fixture.port);
	dial_send(fixture.base, &dial, LARGE_REQUEST, strlen(LARGE_REQUEST));
	do {
		event_base_loop(fixture.base, EVLOOP_NONBLOCK);
		usleep(5000);
		cr_assert_lt(dial_now_s() - begin, 14.0);
	} while (http_connections_count(fixture.connections));
	cr_assert_geq(dial_now_s() - begin, 9.0);
	dial_close(&dial);
}

Test(http_server, a_client_that_leaves_early_does_no_harm)
{
	_free_ char *alive = NULL;

	FIXTURE(some, 16);
	for (int i = 0; i < 20; i++) {
		struct dial dial = dial_open(false, fixture.port);

		dial_send(fixture.base, &dial, LARGE_REQUEST, strlen(LARGE_REQUEST));
		dial_close(&dial);
		event_base_loop(fixture.base, EVLOOP_NONBLOCK);
	}
	alive = dial_get(fixture.base, fixture.port, "/hello");
	cr_assert_eq(dial_status(alive), 200);
}

Test(http_server, beyond_the_limit_the_oldest_connection_gives_way)
{
	enum { MAX = 8, MORE = 5 };
	struct dial dials[MAX + MORE];
	_free_ char *alive = NULL;

	FIXTURE(some, MAX);
	for (int i = 0; i < MAX + MORE; i++) {
		dials[i] = dial_open(false, fixture.port);
		event_base_loop(fixture.base, EVLOOP_NONBLOCK);
		event_base_loop(fixture.base, EVLOOP_NONBLOCK);
		usleep(2000);
	}
	for (int i = 0; i < MORE; i++)
		dial_wait(fixture.base, &dials[i], NULL);
	alive = dial_get(fixture.base, fixture.port, "/hello");
	cr_assert_eq(dial_status(alive), 200);
	for (int i = 0; i < MAX + MORE; i++) {
		dial_read(&dials[i]);
		/* one more gave way to the request just before */
		cr_assert_eq(dials[i].is_closed, i < MORE + 1, "connection %d", i);
		dial_close(&dials[i]);
	}
}

/* accept(2) fails with EMFILE: no endless loop, and it works again when descriptors are free. */
Test(http_server, survives_a_lack_of_file_descriptors, .timeout = 30)
{
	struct rlimit limit;
	struct dial waiting;
	struct timespec before;
	struct timespec after;
	double end;

	FIXTURE(some, 16);
	waiting = dial_open(false, fixture.port);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 3;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (end = dial_now_s() + 2; dial_now_s() < end;) {
		const struct timeval tick = {.tv_usec = 100000};

		event_base_loopexit(fixture.base, &tick);
		event_base_dispatch(fixture.base);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	cr_assert_lt((double)(after.tv_sec - before.tv_sec) +
			     (double)(after.tv_nsec - before.tv_nsec) / 1e9,
		     0.5);
	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	send(waiting.fd, REQUEST, strlen(REQUEST), MSG_NOSIGNAL);
	dial_wait(fixture.base, &waiting, "hello");
	cr_assert_not(waiting.is_closed);
	dial_close(&waiting);
}

Test(http_server, an_unspecified_address_means_both_families)
{
	_cleanup_(close_server) struct fixture fixture = {};
	_free_ char *ipv4 = NULL;
	_free_ char *ipv6 = NULL;

	open_server(&fixture, "0.0.0.0:0", 16, some, ARRAY_SIZE(some));
	ipv4 = dial_ask(fixture.base, false, fixture.port, "GET /hello HTTP/1.0\r\n\r\n");
	ipv6 = dial_ask(fixture.base, true, fixture.port, "GET /hello HTTP/1.0\r\n\r\n");
	cr_assert_eq(dial_status(ipv4), 200);
	cr_assert_eq(dial_status(ipv6), 200);
}

Test(http_server, tells_that_the_port_is_taken)
{
	struct http_routes routes = {some, ARRAY_SIZE(some), NULL};
	struct http_server *second = NULL;
	struct http_bind bind;
	char where[64];

	FIXTURE(some, 16);
	routes.arg = &fixture;
	snprintf(where, sizeof(where), "127.0.0.1:%u", fixture.port);
	cr_assert_eq(http_bind_parse(where, &bind), 0);
	cr_assert_eq(http_server_new(fixture.connections, &bind, &routes, &second), -EADDRINUSE);
	cr_assert_null(second);
}
