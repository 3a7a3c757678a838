/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connloop [OPTIONS] VIP:PORT[=PREFIX,...][?]... - connect again and again, and tell what happened.
 *
 * Each connect reads the backend's name (see answer.c), which must begin with one of the prefixes
 * when there are any. With "?" the VIP may be absent: errors are counted, but are no failure.
 *   -n N  connects in all (default 1000)     -d S  stop after S seconds (default 60)
 *   -r N  at most N a second (default: all)  -t MS timeout of one connect (default 2000)
 *   -u    UDP: sendto and recvfrom on a new socket each time; the reply must come from the VIP
 *   -U    UDP: connect, send and recv
 *   -m    IPv6 sockets for IPv4 VIPs too (::ffff:a.b.c.d)
 *   -k N  SO_MARK
 * SIGTERM ends the loop early. Prints one JSON object; exit 0 when nothing failed, was untranslated
 * or reached a wrong backend, else 1.
 *
 * "untranslated": ENETUNREACH, EHOSTUNREACH or a timeout (nothing routes a VIP in the tests), or
 * the name is the VIP itself. "failed": every other error.
 */
#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#include "tool.h"

#define MAX_TARGETS  4096
#define MAX_PREFIXES 64
#define MAX_NAMES    512

enum mode { MODE_TCP, MODE_UDP, MODE_UDP_CONNECTED };

/** struct target - a VIP and who may answer. @prefixes: separated by commas; "": anybody. */
struct target {
	struct tool_addr addr;
	char name[TOOL_NAME_MAX];
	const char *prefixes;
	bool may_be_absent;
};

/** struct count - how often a name or an error was met. */
struct count {
	char name[TOOL_NAME_MAX];
	long n;
};

static struct options {
	enum mode mode;
	long n_connects;
	long duration_s;
	long rate;
	int timeout_ms;
	bool is_mapped;
	unsigned int mark;
} options = {.n_connects = 1000, .duration_s = 60, .timeout_ms = 2000};

static struct target targets[MAX_TARGETS];
static size_t n_targets;
static struct count names[MAX_NAMES];
static struct count errors[MAX_NAMES];
static long n_ok, n_failed, n_untranslated, n_wrong, n_absent, slowest_ms;
static volatile sig_atomic_t is_stopped;

static void on_signal(int number)
{
	(void)number;
	is_stopped = 1;
}

static void count(struct count *counts, const char *name)
{
	for (size_t i = 0; i < MAX_NAMES; i++) {
		if (!counts[i].n)
			snprintf(counts[i].name, sizeof(counts[i].name), "%s", name);
		if (!strcmp(counts[i].name, name)) {
			counts[i].n++;
			return;
		}
	}
}

static bool add_target(char *text)
{
	struct target *target = &targets[n_targets];
	size_t len = strlen(text);
	char *equals;

	if (n_targets == MAX_TARGETS || !len)
		return false;
	if (text[len - 1] == '?') {
		target->may_be_absent = true;
		text[len - 1] = '\0';
	}
	equals = strchr(text, '=');
	if (equals)
		*equals = '\0';
	target->prefixes = equals ? equals + 1 : "";
	if (!tool_parse(text, &target->addr))
		return false;
	snprintf(target->name, sizeof(target->name), "%s", text);
	if (options.is_mapped)
		tool_map(&target->addr);
	n_targets++;
	return true;
}

static bool is_allowed(const struct target *target, const char *name)
{
	const char *prefix = target->prefixes;

	if (!*prefix)
		return true;
	while (*prefix) {
		size_t len = strcspn(prefix, ",");

		if (!strncmp(name, prefix, len))
			return true;
		prefix += len + (prefix[len] == ',');
	}
	return false;
}

/* Return: bytes of the answer, or negative errno. */
static ssize_t ask_tcp(int fd, char *answer, size_t size)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	size_t n = 0;

	/* a reset leaves no TIME_WAIT behind that would eat up ports */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	while (n < size - 1 && (!n || answer[n - 1] != '\n')) {
		ssize_t got = recv(fd, answer + n, size - 1 - n, 0);

		if (got < 0)
			return -errno;
		if (got == 0)
			return -ECONNRESET;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static ssize_t ask_udp(int fd, const struct target *target, char *answer, size_t size)
{
	struct tool_addr from = {.len_bytes = sizeof(from.u)};
	bool is_connected = options.mode == MODE_UDP_CONNECTED;
	ssize_t n;

	if (sendto(fd, "x", 1, MSG_NOSIGNAL, is_connected ? NULL : &target->addr.u.any,
		   is_connected ? 0 : target->addr.len_bytes) < 0)
		return -errno;
	n = recvfrom(fd, answer, size - 1, 0, &from.u.any, &from.len_bytes);
	if (n < 0)
		return -errno;
	return tool_same(&from, &target->addr) ? n : -EREMCHG;
}

/* Return: bytes of the answer, or negative errno. */
static ssize_t ask(int fd, const struct target *target, char *answer, size_t size)
{
	if (fd < 0)
		return -errno;
	tool_set_timeout(fd, options.timeout_ms);
	if (options.mark &&
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &options.mark, sizeof(options.mark)) < 0)
		return -errno;
	if (options.mode != MODE_UDP &&
	    connect(fd, &target->addr.u.any, target->addr.len_bytes) < 0)
		return -errno;
	return options.mode == MODE_TCP ? ask_tcp(fd, answer, size)
					: ask_udp(fd, target, answer, size);
}

static void judge(const struct target *target, ssize_t result, char *answer)
{
	if (result >= 0) {
		answer[result] = '\0';
		answer[strcspn(answer, " \n")] = '\0';
		count(names, answer);
		if (!strcmp(answer, target->name))
			n_untranslated++;
		else if (!is_allowed(target, answer))
			n_wrong++;
		else
			n_ok++;
		return;
	}
	count(errors, tool_errno_name((int)-result));
	if (target->may_be_absent)
		n_absent++;
	else if (result == -ENETUNREACH || result == -EHOSTUNREACH || result == -ETIMEDOUT ||
		 result == -EAGAIN || result == -EINPROGRESS)
		n_untranslated++;
	else
		n_failed++;
}

/* Return: whether it was done; a connect that the signal to stop interrupts says nothing. */
static bool connect_once(const struct target *target)
{
	int type = options.mode == MODE_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(target->addr.u.any.sa_family, type | SOCK_CLOEXEC, 0);
	int64_t start_ms = tool_now_ms();
	char answer[512];
	ssize_t result = ask(fd, target, answer, sizeof(answer));

	if (fd >= 0)
		close(fd);
	if (result == -EINTR && is_stopped)
		return false;
	judge(target, result, answer);
	if (tool_now_ms() - start_ms > slowest_ms)
		slowest_ms = tool_now_ms() - start_ms;
	return true;
}

static void pace(int64_t start_ms, long n_done)
{
	int64_t early_ms =
		options.rate ? start_ms + n_done * 1000 / options.rate - tool_now_ms() : 0;
	struct timespec rest = {.tv_sec = early_ms / 1000, .tv_nsec = early_ms % 1000 * 1000000};

	if (early_ms > 0)
		nanosleep(&rest, NULL);
}

static void print_counts(const char *title, const struct count *counts)
{
	printf(", \"%s\": {", title);
	for (size_t i = 0; i < MAX_NAMES && counts[i].n; i++)
		printf("%s\"%s\": %ld", i ? ", " : "", counts[i].name, counts[i].n);
	printf("}");
}

static int usage(void)
{
	fprintf(stderr, "connloop: usage: connloop [-n N] [-d S] [-r N] [-t MS] [-u|-U] [-m] "
			"[-k MARK] VIP:PORT[=PREFIX,...][?]...\n");
	return 2;
}

static bool parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "n:d:r:t:k:uUm")) != -1) {
		switch (option) {
		case 'n':
			options.n_connects = atol(optarg);
			break;
		case 'd':
			options.duration_s = atol(optarg);
			break;
		case 'r':
			options.rate = atol(optarg);
			break;
		case 't':
			options.timeout_ms = atoi(optarg);
			break;
		case 'k':
			options.mark = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case 'u':
			options.mode = MODE_UDP;
			break;
		case 'U':
			options.mode = MODE_UDP_CONNECTED;
			break;
		case 'm':
			options.is_mapped = true;
			break;
		default:
			return false;
		}
	}
	for (int i = optind; i < argc; i++)
		if (!add_target(argv[i]))
			return false;
	return n_targets > 0;
}

int main(int argc, char **argv)
{
	struct sigaction stop = {.sa_handler = on_signal};
	int64_t start_ms = tool_now_ms();
	long n_done = 0;

	if (!parse_options(argc, argv))
		return usage();
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	while (n_done < options.n_connects && !is_stopped &&
	       tool_now_ms() - start_ms < options.duration_s * 1000) {
		if (!connect_once(&targets[(size_t)n_done % n_targets]))
			break;
		pace(start_ms, ++n_done);
	}
	printf("{\"connects\": %ld, \"ok\": %ld, \"failed\": %ld, \"untranslated\": %ld, "
	       "\"wrong\": %ld, \"absent\": %ld, \"slowestMs\": %ld, \"seconds\": %.2f",
	       n_done, n_ok, n_failed, n_untranslated, n_wrong, n_absent, slowest_ms,
	       (double)(tool_now_ms() - start_ms) / 1000);
	print_counts("backends", names);
	print_counts("errors", errors);
	puts("}");
	return n_done && !n_failed && !n_untranslated && !n_wrong ? 0 : 1;
}
