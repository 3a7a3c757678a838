/* SPDX-License-Identifier: Apache-2.0 */
/* What the clients and servers of the network tests share: "address:port" texts, time, errors. */
#ifndef SVCBPF_TESTS_NET_TOOL_H
#define SVCBPF_TESTS_NET_TOOL_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/** TOOL_NAME_MAX - bytes of "[address]:port", NUL included; the name a backend answers with. */
#define TOOL_NAME_MAX 64

/** struct tool_addr - a socket address of either family. */
struct tool_addr {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u;
	socklen_t len_bytes;
};

/** tool_parse() - read "1.2.3.4:80" or "[::1]:80". Return: whether it is one. */
static inline bool tool_parse(const char *text, struct tool_addr *ret)
{
	char host[TOOL_NAME_MAX];
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	long port = colon ? strtol(colon + 1, NULL, 10) : 0;

	if (!len || len >= sizeof(host) || port < 1 || port > 65535)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	memset(ret, 0, sizeof(*ret));
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		ret->u.v6.sin6_family = AF_INET6;
		ret->u.v6.sin6_port = htons((uint16_t)port);
		ret->len_bytes = sizeof(ret->u.v6);
		return inet_pton(AF_INET6, host + 1, &ret->u.v6.sin6_addr) == 1;
	}
	ret->u.v4.sin_family = AF_INET;
	ret->u.v4.sin_port = htons((uint16_t)port);
	ret->len_bytes = sizeof(ret->u.v4);
	return inet_pton(AF_INET, host, &ret->u.v4.sin_addr) == 1;
}

/** tool_format() - the reverse of tool_parse(); a mapped address is shown as such. Return: @buf. */
static inline const char *tool_format(const struct tool_addr *addr, char buf[TOOL_NAME_MAX])
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (addr->u.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &addr->u.v6.sin6_addr, host, sizeof(host));
		snprintf(buf, TOOL_NAME_MAX, "[%s]:%u", host, ntohs(addr->u.v6.sin6_port));
	} else {
		inet_ntop(AF_INET, &addr->u.v4.sin_addr, host, sizeof(host));
		snprintf(buf, TOOL_NAME_MAX, "%s:%u", host, ntohs(addr->u.v4.sin_port));
	}
	return buf;
}

/** tool_map() - ::ffff:a.b.c.d of an IPv4 address, for an IPv6 socket; IPv6 stays as it is. */
static inline void tool_map(struct tool_addr *addr)
{
	struct sockaddr_in v4 = addr->u.v4;
	uint8_t *bytes = addr->u.v6.sin6_addr.s6_addr;

	if (addr->u.any.sa_family == AF_INET6)
		return;
	memset(addr, 0, sizeof(*addr));
	addr->u.v6.sin6_family = AF_INET6;
	addr->u.v6.sin6_port = v4.sin_port;
	bytes[10] = bytes[11] = 0xff;
	memcpy(bytes + 12, &v4.sin_addr, 4);
	addr->len_bytes = sizeof(addr->u.v6);
}

/** tool_same() - whether family, address and port are equal. */
static inline bool tool_same(const struct tool_addr *a, const struct tool_addr *b)
{
	if (a->u.any.sa_family != b->u.any.sa_family)
		return false;
	if (a->u.any.sa_family == AF_INET)
		return a->u.v4.sin_addr.s_addr == b->u.v4.sin_addr.s_addr &&
		       a->u.v4.sin_port == b->u.v4.sin_port;
	return !memcmp(&a->u.v6.sin6_addr, &b->u.v6.sin6_addr, sizeof(a->u.v6.sin6_addr)) &&
	       a->u.v6.sin6_port == b->u.v6.sin6_port;
}

/** tool_now_ms() - CLOCK_MONOTONIC. */
static inline int64_t tool_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/** tool_errno_name() - "ECONNREFUSED" and its like. */
static inline const char *tool_errno_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "?";
}

/** tool_set_timeout() - no send, receive or connect on @fd waits longer. */
static inline void tool_set_timeout(int fd, int timeout_ms)
{
	struct timeval timeout = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

#endif
