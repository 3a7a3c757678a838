/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchloop VIP:PORT [MICROSECONDS] - when new connections go elsewhere.
 *
 * Connects over TCP again and again, with so long a rest in between (default 100), and reads the
 * backend's name (see answer.c). Prints a line "NANOSECONDS NETWORK" at first and whenever a
 * backend of another network answers than before: CLOCK_MONOTONIC before that connect, and the name
 * up to its last dot. Ends with SIGTERM, with its parent, or when a connect fails (exit status 1).
 */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tool.h"

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Return: 0 with the backend's name up to its last dot, or negative errno. */
static int ask(const struct tool_addr *vip, char *ret_network, size_t size)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int fd = socket(vip->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n;
	char *dot;

	if (fd < 0)
		return -errno;
	/* a reset leaves no TIME_WAIT behind that would eat up ports */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	tool_set_timeout(fd, 2000);
	n = connect(fd, &vip->u.any, vip->len_bytes) < 0 ? -errno
							 : recv(fd, ret_network, size - 1, 0);
	close(fd);
	if (n <= 0)
		return n ? (int)n : -ECONNRESET;
	ret_network[n] = '\0';
	dot = strrchr(ret_network, '.');
	if (dot)
		*dot = '\0';
	return 0;
}

static int watch(const struct tool_addr *vip, long rest_us)
{
	struct timespec rest = {.tv_sec = rest_us / 1000000, .tv_nsec = rest_us % 1000000 * 1000};
	char before[TOOL_NAME_MAX] = "";

	for (;;) {
		char network[TOOL_NAME_MAX] = "";
		int64_t start_ns = now_ns();
		int r = ask(vip, network, sizeof(network));

		if (r < 0) {
			fprintf(stderr, "switchloop: %s\n", tool_errno_name(-r));
			return 1;
		}
		if (strcmp(network, before) != 0) {
			printf("%lld %s\n", (long long)start_ns, network);
			fflush(stdout);
			snprintf(before, sizeof(before), "%s", network);
		}
		nanosleep(&rest, NULL);
	}
}

int main(int argc, char **argv)
{
	struct tool_addr vip;

	if (argc < 2 || argc > 3 || !tool_parse(argv[1], &vip)) {
		fprintf(stderr, "switchloop: usage: switchloop VIP:PORT [MICROSECONDS]\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return watch(&vip, argc == 3 ? strtol(argv[2], NULL, 10) : 100);
}
