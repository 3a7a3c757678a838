/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer [-H] ADDRESS:PORT... - many backends in one process, TCP and UDP.
 *
 * TCP: sends its name, the address it was reached at, and a newline, then closes.
 * UDP: sends its name, a blank and what it received.
 * -H: TCP speaks HTTP/1.0: reads a request, answers 200 with its name.
 * Prints "ready" when all sockets are open; ends with SIGTERM or with its parent.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tool.h"

enum kind { LISTENER, DATAGRAM, CONNECTION };

/** struct source - a socket in the epoll set. */
struct source {
	enum kind kind;
	int fd;
	char name[TOOL_NAME_MAX];
};

static bool is_http;

static void watch(int epoll_fd, enum kind kind, int fd, const char *name)
{
	struct source *source = calloc(1, sizeof(*source));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

	if (!source)
		exit(1);
	source->kind = kind;
	source->fd = fd;
	snprintf(source->name, sizeof(source->name), "%s", name);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		perror("answer: epoll_ctl");
		exit(1);
	}
}

static void open_one(int epoll_fd, const char *text)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
	struct tool_addr addr;
	int on = 1;

	if (!tool_parse(text, &addr)) {
		fprintf(stderr, "answer: '%s' is not ADDRESS:PORT\n", text);
		exit(2);
	}
	for (size_t i = 0; i < 2; i++) {
		int fd = socket(addr.u.any.sa_family, types[i] | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (addr.u.any.sa_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		if (fd < 0 || bind(fd, &addr.u.any, addr.len_bytes) < 0 ||
		    (types[i] == SOCK_STREAM && listen(fd, 1024) < 0)) {
			fprintf(stderr, "answer: %s: %s\n", text, strerror(errno));
			exit(1);
		}
		watch(epoll_fd, types[i] == SOCK_STREAM ? LISTENER : DATAGRAM, fd, text);
	}
}

static void send_all(int fd, const char *text)
{
	/* a client that is gone is not our concern */
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void accept_one(int epoll_fd, const struct source *listener)
{
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	char line[TOOL_NAME_MAX + 1];

	if (fd < 0)
		return;
	if (is_http) {
		watch(epoll_fd, CONNECTION, fd, listener->name);
		return;
	}
	snprintf(line, sizeof(line), "%s\n", listener->name);
	send_all(fd, line);
	close(fd);
}

static void answer_http(struct source *connection)
{
	char request[4096];
	char answer[256];

	if (recv(connection->fd, request, sizeof(request), 0) > 0) {
		snprintf(answer, sizeof(answer),
			 "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
			 "Connection: close\r\n\r\n%s\n",
			 strlen(connection->name) + 1, connection->name);
		send_all(connection->fd, answer);
	}
	close(connection->fd);
	free(connection);
}

static void answer_datagram(const struct source *source)
{
	struct sockaddr_storage from;
	socklen_t len_bytes = sizeof(from);
	char request[256];
	char answer[sizeof(request) + TOOL_NAME_MAX + 2];
	ssize_t n = recvfrom(source->fd, request, sizeof(request) - 1, 0, (struct sockaddr *)&from,
			     &len_bytes);

	if (n < 0)
		return;
	request[n] = '\0';
	snprintf(answer, sizeof(answer), "%s %s", source->name, request);
	(void)!sendto(source->fd, answer, strlen(answer), 0, (struct sockaddr *)&from, len_bytes);
}

static void serve(int epoll_fd)
{
	struct epoll_event events[64];

	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct source *source = events[i].data.ptr;

			if (source->kind == LISTENER)
				accept_one(epoll_fd, source);
			else if (source->kind == DATAGRAM)
				answer_datagram(source);
			else
				answer_http(source);
		}
	}
}

int main(int argc, char **argv)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct rlimit files;
	int first = 1;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (argc > 1 && !strcmp(argv[1], "-H")) {
		is_http = true;
		first = 2;
	}
	if (first >= argc) {
		fprintf(stderr, "answer: usage: answer [-H] ADDRESS:PORT...\n");
		return 2;
	}
	for (int i = first; i < argc; i++)
		open_one(epoll_fd, argv[i]);
	puts("ready");
	fflush(stdout);
	serve(epoll_fd);
	return 0;
}
