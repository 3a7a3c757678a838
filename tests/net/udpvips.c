/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udpvips [OPTIONS] VIP:PORT[=PREFIX]... - one UDP socket that talks to many VIPs.
 *
 * A round sends one datagram to each VIP, all before the first answer is read, and checks for each
 * answer that it comes from the VIP it was sent to, and that the backend's name begins with PREFIX.
 *   -n N  rounds (default 1)
 *   -i    a round for each line on standard input, and a line of JSON for each round
 *   -c    connect to each VIP in turn, then send and recv
 *   -C    connect to the only VIP once, before the first round
 *   -m    an IPv6 socket, IPv4 VIPs as ::ffff:a.b.c.d
 *   -g    recvmsg instead of recvfrom
 * Prints JSON; exit 0 when every answer came, from the right VIP and a right backend.
 */
#include <getopt.h>
#include <unistd.h>

#include "tool.h"

#define MAX_VIPS   1024
#define TIMEOUT_MS 2000

/** struct vip - @name: of its backend in the last round. */
struct vip {
	struct tool_addr addr;
	char text[TOOL_NAME_MAX];
	const char *prefix;
	char name[TOOL_NAME_MAX];
};

static struct vip vips[MAX_VIPS];
static size_t n_vips;
static bool is_connected, is_connected_once, is_mapped, with_recvmsg;

/** struct outcome - what a round, or all of them, came to. @error: the last one. */
struct outcome {
	long n_sent, n_received, n_wrong_source, n_wrong_backend, n_moved, n_lost;
	int error;
};

static bool add_vip(char *text)
{
	struct vip *vip = &vips[n_vips];
	char *equals = strchr(text, '=');

	if (n_vips == MAX_VIPS)
		return false;
	if (equals)
		*equals = '\0';
	vip->prefix = equals ? equals + 1 : "";
	if (!tool_parse(text, &vip->addr))
		return false;
	snprintf(vip->text, sizeof(vip->text), "%s", text);
	if (is_mapped)
		tool_map(&vip->addr);
	n_vips++;
	return true;
}

static ssize_t receive(int fd, char *answer, size_t size, struct tool_addr *ret_from)
{
	struct iovec iov = {.iov_base = answer, .iov_len = size};
	struct msghdr message = {.msg_name = &ret_from->u,
				 .msg_namelen = sizeof(ret_from->u),
				 .msg_iov = &iov,
				 .msg_iovlen = 1};
	ssize_t n;

	ret_from->len_bytes = sizeof(ret_from->u);
	if (!with_recvmsg)
		return recvfrom(fd, answer, size, 0, &ret_from->u.any, &ret_from->len_bytes);
	n = recvmsg(fd, &message, 0);
	ret_from->len_bytes = message.msg_namelen;
	return n;
}

/* An answer is "NAME INDEX". */
static void take_answer(int fd, struct outcome *outcome)
{
	struct tool_addr from;
	char answer[512];
	char name[TOOL_NAME_MAX];
	ssize_t n = receive(fd, answer, sizeof(answer) - 1, &from);
	size_t index;
	struct vip *vip;

	if (n < 0) {
		outcome->n_lost++;
		outcome->error = errno;
		return;
	}
	answer[n] = '\0';
	outcome->n_received++;
	if (sscanf(answer, "%63s %zu", name, &index) != 2 || index >= n_vips) {
		outcome->n_wrong_backend++;
		return;
	}
	vip = &vips[index];
	outcome->n_wrong_source += !tool_same(&from, &vip->addr);
	outcome->n_wrong_backend += strncmp(name, vip->prefix, strlen(vip->prefix)) != 0;
	outcome->n_moved += vip->name[0] && strcmp(vip->name, name) != 0;
	snprintf(vip->name, sizeof(vip->name), "%s", name);
}

/* A socket that the kernel has ended says EDESTADDRREQ to senders; why is in SO_ERROR. */
static int send_error(int fd)
{
	int error = errno;
	int pending = 0;
	socklen_t len_bytes = sizeof(pending);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &len_bytes);
	return pending ? pending : error;
}

static bool send_to(int fd, size_t index, struct outcome *outcome)
{
	const struct vip *vip = &vips[index];
	bool has_peer = is_connected || is_connected_once;
	char text[16];
	int len = snprintf(text, sizeof(text), "%zu", index);

	outcome->n_sent++;
	if ((is_connected && connect(fd, &vip->addr.u.any, vip->addr.len_bytes) < 0) ||
	    sendto(fd, text, (size_t)len, 0, has_peer ? NULL : &vip->addr.u.any,
		   has_peer ? 0 : vip->addr.len_bytes) < 0) {
		outcome->error = send_error(fd);
		outcome->n_lost++;
		return false;
	}
	return true;
}

static void run_round(int fd, struct outcome *outcome)
{
	size_t n_waiting = 0;

	for (size_t i = 0; i < n_vips; i++) {
		if (!send_to(fd, i, outcome))
			continue;
		if (is_connected)
			take_answer(fd, outcome);
		else
			n_waiting++;
	}
	while (n_waiting--)
		take_answer(fd, outcome);
}

static bool is_good(const struct outcome *outcome)
{
	return outcome->n_sent && outcome->n_received == outcome->n_sent &&
	       !outcome->n_wrong_source && !outcome->n_wrong_backend;
}

static void print_outcome(const struct outcome *outcome)
{
	printf("{\"sent\": %ld, \"received\": %ld, \"wrongSource\": %ld, \"wrongBackend\": %ld, "
	       "\"moved\": %ld, \"lost\": %ld, \"error\": \"%s\", \"backends\": {",
	       outcome->n_sent, outcome->n_received, outcome->n_wrong_source,
	       outcome->n_wrong_backend, outcome->n_moved, outcome->n_lost,
	       outcome->error ? tool_errno_name(outcome->error) : "");
	for (size_t i = 0; i < n_vips; i++)
		printf("%s\"%s\": \"%s\"", i ? ", " : "", vips[i].text, vips[i].name);
	puts("}}");
	fflush(stdout);
}

static bool run_interactive(int fd)
{
	char line[64];
	bool all_good = true;

	while (fgets(line, sizeof(line), stdin)) {
		struct outcome outcome = {0};

		run_round(fd, &outcome);
		print_outcome(&outcome);
		all_good = all_good && is_good(&outcome);
	}
	return all_good;
}

int main(int argc, char **argv)
{
	struct outcome outcome = {0};
	bool is_interactive = false;
	long n_rounds = 1;
	int option, fd;

	while ((option = getopt(argc, argv, "n:icCmg")) != -1) {
		if (option == 'n')
			n_rounds = atol(optarg);
		else if (option == 'i')
			is_interactive = true;
		else if (option == 'c')
			is_connected = true;
		else if (option == 'C')
			is_connected_once = true;
		else if (option == 'm')
			is_mapped = true;
		else if (option == 'g')
			with_recvmsg = true;
		else
			return 2;
	}
	for (int i = optind; i < argc; i++) {
		if (!add_vip(argv[i])) {
			fprintf(stderr, "udpvips: '%s' is not VIP:PORT[=PREFIX]\n", argv[i]);
			return 2;
		}
	}
	if (!n_vips) {
		fprintf(stderr,
			"udpvips: usage: udpvips [-n N] [-i] [-c|-C] [-m] [-g] VIP:PORT...\n");
		return 2;
	}
	fd = socket(vips[0].addr.u.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	tool_set_timeout(fd, TIMEOUT_MS);
	if (is_connected_once && connect(fd, &vips[0].addr.u.any, vips[0].addr.len_bytes) < 0) {
		perror("udpvips: connect");
		return 1;
	}
	if (is_interactive)
		return run_interactive(fd) ? 0 : 1;
	for (long i = 0; i < n_rounds; i++)
		run_round(fd, &outcome);
	print_outcome(&outcome);
	return is_good(&outcome) ? 0 : 1;
}
