/* SPDX-License-Identifier: Apache-2.0 */
/* A plain client for tests of servers on an event loop: bytes out, bytes in, until it is closed. */
#ifndef SVCBPF_TESTS_UNIT_HTTP_DIAL_H
#define SVCBPF_TESTS_UNIT_HTTP_DIAL_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DIAL_MAX_BYTES 65536
#define DIAL_TIMEOUT_S 15.0

/** struct dial - a connection. @text: what came so far, NUL-terminated. @is_closed: by the peer. */
struct dial {
	char *text;
	size_t len;
	int fd;
	bool is_closed;
};

static inline double dial_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/** dial_base() - an event loop; SIGPIPE is ignored from now on. */
static inline struct event_base *dial_base(void)
{
	struct event_base *base = event_base_new();

	cr_assert(base);
	signal(SIGPIPE, SIG_IGN);
	return base;
}

/** dial_open() - connect to 127.0.0.1 or ::1. */
static inline struct dial dial_open(bool is_ipv6, uint16_t port)
{
	const struct sockaddr_in ipv4 = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct sockaddr_in6 ipv6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	struct dial dial = {.text = calloc(1, DIAL_MAX_BYTES + 1)};
	const struct sockaddr *sa = is_ipv6 ? (const void *)&ipv6 : (const void *)&ipv4;

	cr_assert(dial.text);
	dial.fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(dial.fd, 0);
	cr_assert_eq(connect(dial.fd, sa, is_ipv6 ? sizeof(ipv6) : sizeof(ipv4)), 0, "%s",
		     strerror(errno));
	cr_assert_eq(fcntl(dial.fd, F_SETFL, O_NONBLOCK), 0);
	return dial;
}

static inline void dial_close(struct dial *dial)
{
	close(dial->fd);
	free(dial->text);
}

/** dial_read() - take what is there. */
static inline void dial_read(struct dial *dial)
{
	while (!dial->is_closed) {
		ssize_t n = recv(dial->fd, dial->text + dial->len, DIAL_MAX_BYTES - dial->len, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			dial->is_closed = true;
		else
			dial->len += (size_t)n;
	}
}

/** dial_send() - send all of it, running the event loop while the socket is full. */
static inline void dial_send(struct event_base *base, struct dial *dial, const char *text,
			     size_t len)
{
	const double end = dial_now_s() + DIAL_TIMEOUT_S;

	while (len && !dial->is_closed) {
		ssize_t n = send(dial->fd, text, len, MSG_NOSIGNAL);

		cr_assert_lt(dial_now_s(), end, "the server does not read");
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN) {
			return;
		}
		event_base_loop(base, EVLOOP_NONBLOCK);
		dial_read(dial);
	}
}

/** dial_wait() - run the event loop until @text has come or the peer has closed. */
static inline void dial_wait(struct event_base *base, struct dial *dial, const char *text)
{
	const double end = dial_now_s() + DIAL_TIMEOUT_S;

	for (;;) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		dial_read(dial);
		if (dial->is_closed || (text && strstr(dial->text, text)))
			return;
		cr_assert_lt(dial_now_s(), end, "no '%s' in '%s'", text ? text : "end", dial->text);
		usleep(200);
	}
}

/** dial_ask() - one request on a connection of its own. Return: all that came; free(3) it. */
static inline char *dial_ask(struct event_base *base, bool is_ipv6, uint16_t port,
			     const char *request)
{
	struct dial dial = dial_open(is_ipv6, port);
	char *text;

	dial_send(base, &dial, request, strlen(request));
	dial_wait(base, &dial, NULL);
	text = dial.text;
	close(dial.fd);
	return text;
}

/** dial_get() - "GET PATH", as dial_ask(). */
static inline char *dial_get(struct event_base *base, uint16_t port, const char *path)
{
	char request[256];

	snprintf(request, sizeof(request),
		 "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	return dial_ask(base, false, port, request);
}

/** dial_status() - of an answer; 0: none. */
static inline int dial_status(const char *answer)
{
	int status = 0;

	return sscanf(answer, "HTTP/1.1 %d ", &status) == 1 ||
			       sscanf(answer, "HTTP/1.0 %d ", &status) == 1
		       ? status
		       : 0;
}

/** dial_body() - of an answer. */
static inline const char *dial_body(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");

	return end ? end + 4 : "";
}

#endif
