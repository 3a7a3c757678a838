/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udpask [OPTIONS] ADDRESS:PORT - ask serve.py by UDP, and check every byte of the answer.
 *
 *   -n N     sockets, all open at once (default 1)   -i     a round for each line on standard input
 *   -s SIZE  bytes of a question (default 16)        -r R   bytes of an answer (default 0: a line)
 *   -d       don't-fragment: path MTU discovery      -D     fragment in the network too
 *   -p PORT  from this port and the following ones   -b A   from this address
 *   -a N     tries (default 3)                       -t MS  each waits so long (default 1000)
 *
 * A line for each socket: "NAME CLIENT", or the error's name, or CORRUPT. Exit 0 when all answered.
 */
#include <getopt.h>
#include <unistd.h>

#include "tool.h"

#define MAX_SOCKETS  8192
#define MAX_DATAGRAM 65536
#define ADLER_MODULO 65521

static struct options {
	int n_sockets;
	int n_tries;
	int timeout_ms;
	int discover; /* IP_PMTUDISC_*; -1: as the kernel has it */
	int first_port;
	const char *address;
	size_t size;
	size_t reply_size;
	bool is_interactive;
} options = {.n_sockets = 1, .n_tries = 3, .timeout_ms = 1000, .discover = -1, .size = 16};

static int fds[MAX_SOCKETS];
static char question[MAX_DATAGRAM], answer[MAX_DATAGRAM];

static uint32_t adler32(const char *data, size_t n)
{
	uint32_t a = 1, b = 0;

	for (size_t i = 0; i < n; i++) {
		a = (a + (unsigned char)data[i]) % ADLER_MODULO;
		b = (b + a) % ADLER_MODULO;
	}
	return b << 16 | a;
}

static void make_question(void)
{
	int len = snprintf(question, sizeof(question), "%zu ", options.reply_size);

	for (size_t i = (size_t)len; i < options.size; i++)
		question[i] = (char)(32 + i * 7 % 95);
	if (options.size < (size_t)len)
		options.size = (size_t)len;
}

static int bind_to(int fd, int family, int index)
{
	struct tool_addr from;
	char text[TOOL_NAME_MAX];
	bool is_ipv6 = family == AF_INET6;
	const char *address = options.address ? options.address : is_ipv6 ? "::" : "0.0.0.0";

	if (!options.address && !options.first_port)
		return 0;
	snprintf(text, sizeof(text), is_ipv6 ? "[%s]:%d" : "%s:%d", address,
		 options.first_port ? options.first_port + index : 1);
	if (!tool_parse(text, &from))
		return -EINVAL;
	if (!options.first_port)
		from.u.v4.sin_port = 0; /* where sin6_port is too */
	return bind(fd, &from.u.any, from.len_bytes) < 0 ? -errno : 0;
}

static void open_one(const struct tool_addr *to, int index)
{
	bool is_ipv6 = to->u.any.sa_family == AF_INET6;
	int fd = socket(to->u.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	tool_set_timeout(fd, options.timeout_ms);
	if (options.discover >= 0)
		setsockopt(fd, is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
			   is_ipv6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &options.discover,
			   sizeof(options.discover));
	if (fd < 0 || bind_to(fd, to->u.any.sa_family, index) < 0 ||
	    connect(fd, &to->u.any, to->len_bytes) < 0) {
		perror("udpask");
		exit(2);
	}
	fds[index] = fd;
}

/* "NAME CLIENT LENGTH ADLER32\n" and printable bytes in their order. Cuts it after CLIENT. */
static bool is_answer(size_t n)
{
	char *end = memchr(answer, '\n', n);
	char name[TOOL_NAME_MAX], client[TOOL_NAME_MAX];
	unsigned int sum;
	size_t len;

	if (!end || (options.reply_size > (size_t)(end + 1 - answer) && n != options.reply_size))
		return false;
	for (size_t i = 0; end + 1 + i < answer + n; i++)
		if (end[1 + i] != (char)(32 + i % 95))
			return false;
	*end = '\0';
	if (sscanf(answer, "%63s %63s %zu %u", name, client, &len, &sum) != 4 ||
	    len != options.size || sum != adler32(question, options.size))
		return false;
	snprintf(answer, sizeof(answer), "%s %s", name, client);
	return true;
}

/* Return: 0, or the error of the last try; the answer is in @answer. */
static int ask(int fd)
{
	int error = 0;

	for (int i = 0; i < options.n_tries; i++) {
		ssize_t n;

		if (send(fd, question, options.size, 0) < 0) {
			error = errno;
			continue;
		}
		n = recv(fd, answer, sizeof(answer) - 1, 0);
		if (n >= 0)
			return is_answer((size_t)n) ? 0 : EBADMSG;
		error = errno;
		/* IPv6 tells EMSGSIZE once, and sends fragments from then on */
		if (error == ECONNREFUSED ||
		    (error == EMSGSIZE && options.discover == IP_PMTUDISC_DO))
			return error;
	}
	return error;
}

static bool run_round(void)
{
	bool all_good = true;

	for (int i = 0; i < options.n_sockets; i++) {
		int error = ask(fds[i]);

		puts(!error ? answer : error == EBADMSG ? "CORRUPT" : tool_errno_name(error));
		all_good = all_good && !error;
	}
	fflush(stdout);
	return all_good;
}

static bool parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "n:s:r:p:b:a:t:dDi")) != -1) {
		if (option == 'n')
			options.n_sockets = atoi(optarg);
		else if (option == 's')
			options.size = (size_t)atol(optarg);
		else if (option == 'r')
			options.reply_size = (size_t)atol(optarg);
		else if (option == 'p')
			options.first_port = atoi(optarg);
		else if (option == 'b')
			options.address = optarg;
		else if (option == 'a')
			options.n_tries = atoi(optarg);
		else if (option == 't')
			options.timeout_ms = atoi(optarg);
		else if (option == 'd' || option == 'D')
			options.discover = option == 'd' ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
		else if (option == 'i')
			options.is_interactive = true;
		else
			return false;
	}
	return options.n_sockets > 0 && options.n_sockets <= MAX_SOCKETS &&
	       options.size < MAX_DATAGRAM && optind + 1 == argc;
}

int main(int argc, char **argv)
{
	struct tool_addr to;
	char line[64];
	bool all_good = true;

	if (!parse_options(argc, argv) || !tool_parse(argv[optind], &to)) {
		fprintf(stderr, "udpask: usage: udpask [-n N] [-s SIZE] [-r R] [-d|-D] [-p PORT] "
				"[-b ADDRESS] [-a N] [-t MS] [-i] ADDRESS:PORT\n");
		return 2;
	}
	make_question();
	for (int i = 0; i < options.n_sockets; i++)
		open_one(&to, i);
	if (!options.is_interactive)
		return run_round() ? 0 : 1;
	while (fgets(line, sizeof(line), stdin))
		all_good = run_round() && all_good;
	return all_good ? 0 : 1;
}
