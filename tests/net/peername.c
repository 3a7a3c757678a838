/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peername VIP4 VIP6 OTHER-VIP4 DIRECT4 DIRECT6 - what a socket says about its peer.
 *
 * Each is ADDRESS:PORT; DIRECT4 and DIRECT6 are a backend's own. Prints TAP without a plan.
 */
#include <unistd.h>

#include "tool.h"

static int n_facts, n_failed;

static void fact(bool is_true, const char *what, const struct tool_addr *seen, int error)
{
	char text[TOOL_NAME_MAX];

	printf("%sok %d - %s\n", is_true ? "" : "not ", ++n_facts, what);
	if (is_true)
		return;
	n_failed++;
	if (error)
		printf("# %s\n", strerror(error));
	else
		printf("# getpeername shows %s\n", tool_format(seen, text));
}

static void check_peer(int fd, const struct tool_addr *expected, const char *what)
{
	struct tool_addr seen = {.len_bytes = sizeof(seen.u)};
	int error = getpeername(fd, &seen.u.any, &seen.len_bytes) < 0 ? errno : 0;

	fact(!error && tool_same(&seen, expected), what, &seen, error);
}

/* Connect a new socket to @addr; @show is what it must show. */
static void connect_and_check(int type, const struct tool_addr *addr, const char *what)
{
	int fd = socket(addr->u.any.sa_family, type | SOCK_CLOEXEC, 0);

	tool_set_timeout(fd, 2000);
	if (connect(fd, &addr->u.any, addr->len_bytes) < 0)
		fact(false, what, addr, errno);
	else
		check_peer(fd, addr, what);
	close(fd);
}

/* One UDP socket that connects to one address after the other. */
static void reconnect(const struct tool_addr *first, const struct tool_addr *second,
		      const char *what)
{
	int fd = socket(first->u.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (connect(fd, &first->u.any, first->len_bytes) < 0 ||
	    connect(fd, &second->u.any, second->len_bytes) < 0)
		fact(false, what, second, errno);
	else
		check_peer(fd, second, what);
	close(fd);
}

/*
 * A socket that lets its VIP go, then dials the backend. Not promised, and left out: an IPv4 UDP
 * socket, which looks new after AF_UNSPEC, and goes on showing the VIP (sock_was_connected() in
 * bpf/lib/sock.h).
 */
static void disconnect(int type, const struct tool_addr *vip, const struct tool_addr *direct,
		       const char *name)
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	struct tool_addr seen = {.len_bytes = sizeof(seen.u)};
	int fd = socket(vip->u.any.sa_family, type | SOCK_CLOEXEC, 0);
	char what[128];
	int r;

	tool_set_timeout(fd, 2000);
	r = connect(fd, &vip->u.any, vip->len_bytes);
	if (r == 0)
		r = connect(fd, &nobody, sizeof(nobody));
	snprintf(what, sizeof(what), "%s: AF_UNSPEC dissolves the connection", name);
	fact(r == 0, what, &seen, r ? errno : 0);
	r = getpeername(fd, &seen.u.any, &seen.len_bytes);
	snprintf(what, sizeof(what), "%s: no peer after AF_UNSPEC", name);
	fact(r < 0 && errno == ENOTCONN, what, &seen, r < 0 ? errno : 0);
	snprintf(what, sizeof(what), "%s: the backend dialled after that shows itself", name);
	if (connect(fd, &direct->u.any, direct->len_bytes) < 0)
		fact(false, what, direct, errno);
	else
		check_peer(fd, direct, what);
	close(fd);
}

/* getpeername of an accepted socket runs the same hook. */
static void check_accepted(void)
{
	struct tool_addr own, seen = {.len_bytes = sizeof(seen.u)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int accepted;

	tool_parse("127.0.0.1:1", &own);
	own.u.v4.sin_port = 0;
	if (bind(listener, &own.u.any, own.len_bytes) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, &own.u.any, &own.len_bytes) < 0 ||
	    connect(client, &own.u.any, own.len_bytes) < 0) {
		fact(false, "a listener of our own", &own, errno);
		return;
	}
	accepted = accept(listener, &seen.u.any, &seen.len_bytes);
	own.len_bytes = sizeof(own.u);
	getsockname(client, &own.u.any, &own.len_bytes);
	fact(accepted >= 0 && tool_same(&seen, &own), "accept shows the client as it is", &seen, 0);
	check_peer(accepted, &own, "getpeername of an accepted socket shows the client");
	close(accepted);
	close(client);
	close(listener);
}

int main(int argc, char **argv)
{
	struct tool_addr vip4, vip6, other4, direct4, direct6, mapped, mapped_direct;

	if (argc != 6 || !tool_parse(argv[1], &vip4) || !tool_parse(argv[2], &vip6) ||
	    !tool_parse(argv[3], &other4) || !tool_parse(argv[4], &direct4) ||
	    !tool_parse(argv[5], &direct6)) {
		fprintf(stderr, "peername: usage: peername VIP4 VIP6 OTHER-VIP4 DIRECT4 DIRECT6\n");
		return 2;
	}
	mapped = vip4;
	tool_map(&mapped);
	mapped_direct = direct4;
	tool_map(&mapped_direct);
	connect_and_check(SOCK_STREAM, &vip4, "TCP, IPv4");
	connect_and_check(SOCK_STREAM, &vip6, "TCP, IPv6");
	connect_and_check(SOCK_STREAM, &mapped, "TCP, mapped");
	connect_and_check(SOCK_STREAM, &direct4, "TCP, the backend itself");
	connect_and_check(SOCK_STREAM, &mapped_direct, "TCP, the backend itself, mapped");
	connect_and_check(SOCK_DGRAM, &vip4, "UDP, IPv4");
	connect_and_check(SOCK_DGRAM, &vip6, "UDP, IPv6");
	connect_and_check(SOCK_DGRAM, &mapped, "UDP, mapped");
	reconnect(&vip4, &other4, "UDP socket connected to a second VIP shows the second");
	reconnect(&vip4, &direct4, "UDP socket connected to the backend after the VIP shows it");
	reconnect(&direct4, &vip4, "UDP socket connected to the VIP after the backend shows it");
	reconnect(&mapped, &mapped_direct, "the same, mapped");
	disconnect(SOCK_STREAM, &vip4, &direct4, "TCP, IPv4");
	disconnect(SOCK_STREAM, &vip6, &direct6, "TCP, IPv6");
	disconnect(SOCK_DGRAM, &vip6, &direct6, "UDP, IPv6");
	disconnect(SOCK_DGRAM, &mapped, &mapped_direct, "UDP, mapped");
	check_accepted();
	return n_failed ? 1 : 0;
}
