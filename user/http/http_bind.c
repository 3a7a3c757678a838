/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_bind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"

#define BACKLOG 128

/* ------------------------------------------------------------------ text */

static int parse_port(const char *text, uint16_t *ret_port)
{
	uint32_t port = 0;
	const char *p;

	for (p = text; *p >= '0' && *p <= '9'; p++) {
		port = port * 10 + (uint32_t)(*p - '0');
		if (port > UINT16_MAX)
			return -EINVAL;
	}
	if (p == text || *p)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

static bool is_unspecified(const struct addr *addr)
{
	static const uint8_t zero[sizeof(addr->bytes)];

	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
}

static int parse_host(const char *host, bool is_bracketed, struct http_bind *bind)
{
	int r;

	if (!*host && !is_bracketed) {
		bind->is_any = true;
		return 0;
	}
	if (!is_bracketed && strchr(host, ':'))
		return -EINVAL;
	r = addr_parse(host, &bind->addr);
	if (r == 0)
		bind->is_any = is_unspecified(&bind->addr);
	return r;
}

int http_bind_parse(const char *text, struct http_bind *ret_bind)
{
	const char *colon = strrchr(text, ':');
	struct http_bind bind = {};
	char host[ADDR_TEXT_MAX];
	bool is_bracketed = *text == '[';
	size_t len = colon ? (size_t)(colon - text) : 0;
	int r;

	if (!colon || len >= sizeof(host) || (is_bracketed && (len < 2 || colon[-1] != ']')))
		return -EINVAL;
	if (is_bracketed) {
		text++;
		len -= 2;
	}
	memcpy(host, text, len);
	host[len] = '\0';
	r = parse_host(host, is_bracketed, &bind);
	if (r == 0)
		r = parse_port(colon + 1, &bind.port);
	if (r < 0)
		return r;
	*ret_bind = bind;
	return 0;
}

const char *http_bind_format(const struct http_bind *bind, char buf[HTTP_BIND_TEXT_MAX])
{
	char addr[ADDR_TEXT_MAX];

	if (bind->is_any)
		snprintf(buf, HTTP_BIND_TEXT_MAX, ":%u", bind->port);
	else if (bind->addr.family == ADDR_IPV6)
		snprintf(buf, HTTP_BIND_TEXT_MAX, "[%s]:%u", addr_format(&bind->addr, addr),
			 bind->port);
	else
		snprintf(buf, HTTP_BIND_TEXT_MAX, "%s:%u", addr_format(&bind->addr, addr),
			 bind->port);
	return buf;
}

/* ------------------------------------------------------------------ sockets */

/** struct socket_addr - what bind(2) takes. */
struct socket_addr {
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
	} u;
	socklen_t len;
};

static struct socket_addr to_socket_addr(const struct http_bind *bind, bool is_ipv6)
{
	struct socket_addr sa = {};

	if (is_ipv6) {
		sa.u.ipv6.sin6_family = AF_INET6;
		sa.u.ipv6.sin6_port = htons(bind->port);
		memcpy(&sa.u.ipv6.sin6_addr, bind->addr.bytes, sizeof(sa.u.ipv6.sin6_addr));
		sa.len = sizeof(sa.u.ipv6);
	} else {
		sa.u.ipv4.sin_family = AF_INET;
		sa.u.ipv4.sin_port = htons(bind->port);
		memcpy(&sa.u.ipv4.sin_addr, bind->addr.bytes, sizeof(sa.u.ipv4.sin_addr));
		sa.len = sizeof(sa.u.ipv4);
	}
	return sa;
}

static int listen_on(const struct http_bind *where, bool is_ipv6, int *ret_fd)
{
	const struct socket_addr sa = to_socket_addr(where, is_ipv6);
	const int is_only = !where->is_any;
	const int one = 1;
	_close_ int fd = socket(sa.u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		return -errno;
	if (is_ipv6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &is_only, sizeof(is_only)) < 0)
		return -errno;
	if (bind(fd, &sa.u.any, sa.len) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int http_bind_listen(const struct http_bind *bind, int *ret_fd)
{
	const struct http_bind any = {.is_any = true, .port = bind->port};
	int r;

	if (!bind->is_any)
		return listen_on(bind, bind->addr.family == ADDR_IPV6, ret_fd);
	r = listen_on(&any, true, ret_fd);
	/* no IPv6 in this kernel, or switched off by net.ipv6.conf.all.disable_ipv6 */
	if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)
		r = listen_on(&any, false, ret_fd);
	return r;
}
