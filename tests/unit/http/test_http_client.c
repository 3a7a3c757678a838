/* SPDX-License-Identifier: Apache-2.0 */
/* Requests against servers that answer, stumble, stop and lie. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <time.h>

#include "unit/http/asking.h"
#include "unit/http/fake_server.h"

static struct event_base *base;
static struct http_client *client;
static struct fake_server server;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void set_up(void)
{
	/* as any program with sockets does; the server of the test writes to closed ones, too */
	signal(SIGPIPE, SIG_IGN);
	unsetenv("http_proxy");
	unsetenv("https_proxy");
	unsetenv("no_proxy");
	unsetenv("all_proxy");
	base = event_base_new();
	cr_assert_not_null(base);
	cr_assert_eq(http_client_new(base, "svcbpf/test", &client), 0);
}

static void tear_down(void)
{
	fake_server_stop(&server);
	http_client_free(client);
	event_base_free(base);
	libevent_global_shutdown();
}

TestSuite(http_client, .init = set_up, .fini = tear_down, .timeout = 60);

static struct http_request *start(struct asking *asking, const struct http_params *params)
{
	const struct http_events events = asking_events(asking);
	struct http_request *request = NULL;

	asking->base = base;
	cr_assert_eq(http_request_start(client, params, &events, &request), 0);
	cr_assert_not_null(request);
	cr_assert_eq(asking->n_done, 0);
	return request;
}

/* Sends a request to a server with these answers, and waits for its end. */
static void ask(struct asking *asking, const struct fake_answer *answers, size_t n_answers)
{
	fake_server_start(&server, base, answers, n_answers);
	start(asking, &(struct http_params){.url = server.url});
	asking_wait(asking);
}

Test(http_client, a_request_is_as_asked_for)
{
	static const struct fake_answer answers[] = {
		{"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", FAKE_KEEP},
	};
	const char *const headers[] = {"Authorization: Bearer x", "Accept: application/json", NULL};
	struct asking asking = {};
	char url[128];

	fake_server_start(&server, base, answers, 1);
	snprintf(url, sizeof(url), "%s/a/b?c=d%%21", server.url);
	start(&asking, &(struct http_params){
			       .method = "PATCH",
			       .url = url,
			       .headers = headers,
			       .body = "{\"a\":1}trailing",
			       .body_len = 7,
		       });
	asking_wait(&asking);
	cr_assert_eq(asking.error, 0);
	cr_assert_eq(asking.status, 201);
	cr_assert_str_eq(asking.body, "{}");
	cr_assert_str_eq(asking.text, "");
	cr_assert_eq(asking.retry_after_s, -1);
	cr_assert_eq(strncmp(server.request, "PATCH /a/b?c=d%21 HTTP/1.1\r\n", 28), 0, "%s",
		     server.request);
	cr_assert_not_null(strstr(server.request, "\r\nUser-Agent: svcbpf/test\r\n"));
	cr_assert_not_null(strstr(server.request, "\r\nAuthorization: Bearer x\r\n"));
	cr_assert_not_null(strstr(server.request, "\r\nContent-Length: 7\r\n"));
	cr_assert_not_null(strstr(server.request, "\r\n\r\n{\"a\":1}"));
	cr_assert_null(strstr(server.request, "Accept-Encoding"));
}

Test(http_client, answers_of_every_shape)
{
	static const struct {
		struct fake_answer answer;
		int error;
		long status;
		int64_t retry_after_s;
		const char *body;
		const char *text; /* its beginning */
	} cases[] = {
		{{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", FAKE_KEEP},
		 0,
		 200,
		 -1,
		 "hello",
		 ""},
		{{"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
		  FAKE_KEEP},
		 0,
		 200,
		 -1,
		 "hello",
		 ""},
		{{"HTTP/1.0 200 OK\r\n\r\nuntil the end", FAKE_CLOSE},
		 0,
		 200,
		 -1,
		 "until the end",
		 ""},
		{{"HTTP/1.1 204 No Content\r\n\r\n", FAKE_KEEP}, 0, 204, -1, "", ""},
		/* what is not 2xx is text, on one line, and no body */
		{{"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\nno\tsuch\nthe\n", FAKE_KEEP},
		 0,
		 404,
		 -1,
		 "",
		 "no such the"},
		{{"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP},
		 0,
		 429,
		 7,
		 "",
		 ""},
		{{"HTTP/1.1 503 No\r\nretry-after: 0\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP},
		 0,
		 503,
		 0,
		 "",
		 ""},
		{{"HTTP/1.1 503 No\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP},
		 0,
		 503,
		 0,
		 "",
		 ""},
		/* not followed: it would send the token to where the server says */
		{{"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: "
		  "0\r\n\r\n",
		  FAKE_KEEP},
		 0,
		 302,
		 -1,
		 "",
		 ""},
		/* cut in the middle */
		{{"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", FAKE_CLOSE},
		 -EPIPE,
		 200,
		 -1,
		 "hello",
		 "transfer closed"},
		{{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		  FAKE_CLOSE},
		 -EPIPE,
		 200,
		 -1,
		 "hello",
		 "transfer closed"},
		{{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		  FAKE_RESET},
		 -EPIPE,
		 200,
		 -1,
		 NULL,
		 "Recv failure"},
		{{NULL, FAKE_CLOSE}, -EPIPE, 0, -1, "", "Empty reply"},
		/* no HTTP */
		{{"SSH-2.0-OpenSSH_9.2\r\n", FAKE_CLOSE}, -EPROTO, 0, -1, "", "Received HTTP/0.9"},
		{{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense", FAKE_CLOSE},
		 -EPIPE,
		 200,
		 -1,
		 "",
		 "Illegal or missing hexadecimal"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct asking asking = {};

		ask(&asking, &cases[i].answer, 1);
		cr_expect_eq(asking.error, cases[i].error, "case %zu: error %d, %s", i,
			     asking.error, asking.text);
		cr_expect_eq(asking.status, cases[i].status, "case %zu: %ld", i, asking.status);
		cr_expect_eq(asking.retry_after_s, cases[i].retry_after_s, "case %zu: %ld", i,
			     (long)asking.retry_after_s);
		if (cases[i].body)
			cr_expect_str_eq(asking.body, cases[i].body, "case %zu", i);
		cr_expect_eq(strncmp(asking.text, cases[i].text, strlen(cases[i].text)), 0,
			     "case %zu: %s", i, asking.text);
		fake_server_stop(&server);
	}
}

Test(http_client, an_error_body_is_cut_to_one_line_of_limited_length)
{
	static const char head[] = "HTTP/1.1 500 Bad\r\nContent-Length: 5000\r\n\r\n";
	char text[sizeof(head) + 5000] = "";
	const struct fake_answer answers[] = {{text, FAKE_KEEP}};
	struct asking asking = {};

	memcpy(text, head, sizeof(head) - 1);
	memset(text + sizeof(head) - 1, 'x', 5000);
	text[sizeof(head)] = '\x1b';
	ask(&asking, answers, 1);
	cr_assert_eq(asking.error, 0);
	cr_assert_eq(asking.status, 500);
	cr_assert_eq(strlen(asking.text), HTTP_ERROR_TEXT_MAX - 1);
	cr_assert_eq(strncmp(asking.text, "x xx", 4), 0);
	cr_assert_eq(asking.body_len, 0);
}

Test(http_client, an_endless_error_body_is_not_waited_for)
{
	static const char head[] = "HTTP/1.1 403 No\r\n\r\n";
	static char text[200000];
	const struct fake_answer answers[] = {{text, FAKE_KEEP}};
	struct asking asking = {};

	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, head, sizeof(head) - 1);
	ask(&asking, answers, 1);
	cr_assert_eq(asking.error, 0, "%d %s", asking.error, asking.text);
	cr_assert_eq(asking.status, 403);
	cr_assert_eq(asking.text[0], 'x');
}

Test(http_client, the_body_callback_ends_a_request)
{
	static const struct fake_answer answers[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", FAKE_KEEP},
	};
	struct asking asking = {.body_returns = -EBADMSG};

	ask(&asking, answers, 1);
	cr_assert_eq(asking.error, -EBADMSG);
	cr_assert_eq(asking.status, 200);
	cr_assert_str_eq(asking.body, "hello");
}

/* A port on which nobody listens. */
static uint16_t closed_port(void)
{
	static const struct fake_answer answers[] = {{NULL, FAKE_CLOSE}};

	fake_server_start(&server, base, answers, 1);
	fake_server_stop(&server);
	return server.port;
}

Test(http_client, a_refused_connection_is_told_as_such)
{
	struct asking asking = {};
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", closed_port());
	start(&asking, &(struct http_params){.url = url});
	asking_wait(&asking);
	cr_assert_eq(asking.error, -ECONNREFUSED);
	cr_assert_eq(asking.status, 0);
	cr_assert_not_null(strstr(asking.text, "127.0.0.1"), "%s", asking.text);
}

Test(http_client, a_silent_server_is_given_up)
{
	static const struct fake_answer answers[] = {
		{NULL, FAKE_KEEP},
		{"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", FAKE_KEEP},
	};

	fake_server_start(&server, base, answers, ARRAY_SIZE(answers));
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct asking asking = {};
		uint64_t begin_ms = now_ms();

		start(&asking, &(struct http_params){.url = server.url, .silence_s = 1});
		asking_wait(&asking);
		cr_assert_eq(asking.error, -ETIMEDOUT, "%d", asking.error);
		cr_assert_eq(asking.status, i ? 200 : 0);
		cr_assert_not_null(strstr(asking.text, "too slow"), "%s", asking.text);
		cr_assert_geq(now_ms() - begin_ms, 1000);
		cr_assert_lt(now_ms() - begin_ms, 12000);
	}
	cr_assert_eq(server.n_connections, 2);
}

static void send_byte(evutil_socket_t fd, short what, void *arg)
{
	struct fake_connection *connection = LIST_FIRST(&server.connections);

	(void)fd;
	(void)what;
	(void)arg;
	if (connection)
		bufferevent_write(connection->io, "x", 1);
}

Test(http_client, a_slow_server_is_not_a_silent_one)
{
	static const struct fake_answer answers[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n", FAKE_KEEP},
	};
	const struct timeval interval = {.tv_usec = 400000};
	struct event *timer = event_new(base, -1, EV_PERSIST, send_byte, NULL);
	struct asking asking = {};

	event_add(timer, &interval);
	fake_server_start(&server, base, answers, 1);
	start(&asking, &(struct http_params){.url = server.url, .silence_s = 1});
	asking_wait(&asking);
	event_free(timer);
	cr_assert_eq(asking.error, 0, "%s", asking.text);
	cr_assert_eq(asking.body_len, 22);
}

Test(http_client, a_request_has_a_time_limit)
{
	static const struct fake_answer answers[] = {{NULL, FAKE_KEEP}};
	struct asking asking = {};

	fake_server_start(&server, base, answers, 1);
	start(&asking, &(struct http_params){.url = server.url, .timeout_s = 1});
	asking_wait(&asking);
	cr_assert_eq(asking.error, -ETIMEDOUT);
}

Test(http_client, connections_are_used_again_unless_a_fresh_one_is_wanted)
{
	static const struct fake_answer answers[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP},
	};

	fake_server_start(&server, base, answers, 1);
	for (size_t i = 0; i < 4; i++) {
		struct asking asking = {};

		start(&asking, &(struct http_params){.url = server.url, .is_fresh = i == 3});
		asking_wait(&asking);
		cr_assert_eq(asking.status, 200);
		cr_assert_eq(server.n_connections, i == 3 ? 2 : 1);
	}
}

/* An answer after which the server is silent, in the state that a test wants a request in. */
static const struct fake_answer stuck[] = {
	{NULL, FAKE_KEEP},
	{"HTTP/1.1 200 OK\r\n", FAKE_KEEP},
	{"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", FAKE_KEEP},
	{"HTTP/1.1 500 Bad\r\nContent-Length: 50\r\n\r\nhello", FAKE_KEEP},
};

/* Starts requests to all of @stuck, one that waits for TLS, one that is refused, one by name. */
static size_t start_many(struct asking *askings, struct http_request **requests)
{
	const char *const others[] = {"https://127.0.0.1", "http://127.0.0.2", "http://localhost"};
	char url[64];
	size_t n = 0;

	fake_server_start(&server, base, stuck, ARRAY_SIZE(stuck));
	for (size_t i = 0; i < ARRAY_SIZE(stuck); i++, n++)
		requests[n] = start(
			&askings[n],
			&(struct http_params){.url = server.url, .silence_s = 5, .is_fresh = true});
	for (size_t i = 0; i < ARRAY_SIZE(others); i++, n++) {
		snprintf(url, sizeof(url), "%s:%u/", others[i], server.port);
		requests[n] = start(&askings[n], &(struct http_params){.url = url, .silence_s = 5});
	}
	return n;
}

Test(http_client, a_cancelled_request_tells_nothing)
{
	static const int delays_ms[] = {0, 1, 50};

	for (size_t i = 0; i < ARRAY_SIZE(delays_ms); i++) {
		struct http_request *requests[8];
		struct asking askings[8] = {};
		bool is_told[8];
		size_t n = start_many(askings, requests);

		if (delays_ms[i])
			run_for_ms(base, delays_ms[i]);
		for (size_t j = 0; j < n; j++) {
			is_told[j] = askings[j].n_done;
			if (!is_told[j])
				http_request_cancel(requests[j]);
		}
		run_for_ms(base, 50);
		for (size_t j = 0; j < n; j++)
			cr_expect_eq(askings[j].n_done, is_told[j], "request %zu", j);
		fake_server_stop(&server);
	}
	http_request_cancel(NULL);
}

Test(http_client, a_client_is_freed_with_requests_under_way)
{
	static const int delays_ms[] = {0, 1, 50};

	for (size_t i = 0; i < ARRAY_SIZE(delays_ms); i++) {
		struct http_request *requests[8];
		struct asking askings[8] = {};

		start_many(askings, requests);
		if (delays_ms[i])
			run_for_ms(base, delays_ms[i]);
		http_client_free(client);
		run_for_ms(base, 20);
		fake_server_stop(&server);
		cr_assert_eq(http_client_new(base, "svcbpf/test", &client), 0);
	}
	http_client_free(NULL);
}

static struct http_request *other;
static struct asking follower;

/* Cancels another request and starts a new one. */
static void done_and_on(void *arg, const struct http_result *result)
{
	asking_done(arg, result);
	http_request_cancel(other);
	start(&follower, &(struct http_params){.url = server.url});
}

Test(http_client, done_may_start_and_cancel_requests)
{
	static const struct fake_answer answers[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP},
	};
	struct asking asking = {.base = base}, cancelled = {};
	const struct http_events events = {.done = done_and_on, .arg = &asking};
	struct http_request *request;

	fake_server_start(&server, base, answers, 1);
	cr_assert_eq(http_request_start(client, &(struct http_params){.url = server.url}, &events,
					&request),
		     0);
	other = start(&cancelled, &(struct http_params){.url = server.url});
	asking_wait(&asking);
	asking_wait(&follower);
	cr_assert_eq(follower.status, 200);
	cr_assert_eq(cancelled.n_done, 0);
}

/* Calls @look for each socket of this process that is connected to the server; counts them. */
static size_t each_client_socket(void (*look)(int fd))
{
	size_t n = 0;

	for (int fd = 3; fd < 256; fd++) {
		struct sockaddr_in peer = {};
		socklen_t len = sizeof(peer);

		if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0 ||
		    ntohs(peer.sin_port) != server.port)
			continue;
		look(fd);
		n++;
	}
	return n;
}

static uint32_t expected_mark;

static void look_at_options(int fd)
{
	uint32_t mark = 1;
	int keepalive = 0, idle = 0, step = 0, user_timeout_ms = 0;
	socklen_t len = sizeof(mark);

	cr_expect_eq(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len), 0);
	getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keepalive, &len);
	getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len);
	getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step, &len);
	getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, &len);
	cr_expect_eq(mark, expected_mark);
	cr_expect_eq(keepalive, 1);
	cr_expect_eq(idle, 15);
	cr_expect_eq(step, 5);
	cr_expect_eq(user_timeout_ms, 30000);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

Test(http_client, sockets_have_the_mark_and_notice_a_dead_peer)
{
	struct asking asking = {};

	expected_mark = geteuid() == 0 ? 0x1234 : 0;
	fake_server_start(&server, base, stuck, 1);
	http_client_set_mark(client, 0x1234);
	start(&asking, &(struct http_params){.url = server.url});
	run_for_ms(base, 100);
	cr_assert_eq(each_client_socket(look_at_options), 1);
}

Test(http_client, a_proxy_is_used_when_told_so)
{
	static const struct fake_answer answers[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy", FAKE_KEEP},
	};
	struct asking asking = {}, direct = {}, tunnelled = {};

	fake_server_start(&server, base, answers, 1);
	start(&asking, &(struct http_params){.url = "http://192.0.2.1/x", .proxy_url = server.url});
	asking_wait(&asking);
	cr_assert_str_eq(asking.body, "proxy");
	cr_assert_eq(strncmp(server.request, "GET http://192.0.2.1/x HTTP/1.1\r\n", 33), 0);
	/* the environment's is not for loopback */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	start(&direct, &(struct http_params){.url = server.url});
	asking_wait(&direct);
	cr_assert_str_eq(direct.body, "proxy");
	cr_assert_eq(strncmp(server.request, "GET / HTTP/1.1\r\n", 16), 0);
	/* TLS goes through it, not to it; it is the environment's now */
	setenv("https_proxy", server.url, 1);
	start(&tunnelled, &(struct http_params){.url = "https://192.0.2.1/x"});
	asking_wait(&tunnelled);
	cr_assert_eq(strncmp(server.request, "CONNECT 192.0.2.1:443 HTTP/1.1\r\n", 32), 0);
	cr_assert_eq(tunnelled.error, -EPROTO);
}
