/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dnsload [OPTIONS] SERVER:PORT NAME ADDRESS - ask a DNS server for the A record of NAME, at a
 * steady rate, and check that each answer comes from SERVER and says ADDRESS.
 *
 *   -m MODE  socket  a new connected UDP socket for each query, as glibc's resolver (default)
 *            kept    connected UDP sockets that are kept     sendto  unconnected ones that are kept
 *            tcp     a new TCP connection for each query     stream  connections that are kept
 *   -r N     queries a second (default 100)    -w N   of so many sockets at once (default 8)
 *   -d S     for so long (default 60)          -t MS  a query waits so long (default 1000)
 *
 * A query without an answer is asked once more, on a new socket where they are connected. SIGTERM
 * ends early. Prints one JSON object: "asked", of these "retried" (answered at the second try),
 * "lost" and "wrong", the slowest answer, and the errors of tries. Exit 0 when none was lost or
 * wrong.
 */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "tool.h"

#define MAX_WORKERS 256
#define MAX_MESSAGE 1024
#define MAX_ERRORS  256
#define HEADER_SIZE 12
#define TYPE_A	    1

enum mode { MODE_SOCKET, MODE_KEPT, MODE_SENDTO, MODE_TCP, MODE_STREAM, N_MODES };

static const char *const mode_names[N_MODES] = {"socket", "kept", "sendto", "tcp", "stream"};

static struct options {
	enum mode mode;
	long rate;
	long duration_s;
	int n_workers;
	int timeout_ms;
	struct tool_addr server;
	struct in_addr address;
} options = {.rate = 100, .duration_s = 60, .n_workers = 8, .timeout_ms = 1000};

/** struct worker - asks one query after the other. @fd: -1 when it has to open one. */
struct worker {
	pthread_t thread;
	int index;
	int fd;
	uint16_t id;
	long n_asked, n_retried, n_lost, n_wrong;
	int64_t slowest_ms;
	long errors[MAX_ERRORS];
};

static struct worker workers[MAX_WORKERS];
static unsigned char question[MAX_MESSAGE]; /* as it is sent by UDP, but for the id */
static size_t question_size;
static volatile sig_atomic_t is_stopped;

static bool is_tcp(void)
{
	return options.mode == MODE_TCP || options.mode == MODE_STREAM;
}

static bool make_question(const char *name)
{
	static const unsigned char header[HEADER_SIZE] = {
		[2] = 1, [5] = 1}; /* recursion, one query */
	unsigned char *p = question + HEADER_SIZE;

	memcpy(question, header, sizeof(header));
	while (*name) {
		size_t len = strcspn(name, ".");

		if (!len || len > 63 || (size_t)(p - question) + len + 6 > sizeof(question))
			return false;
		*p++ = (unsigned char)len;
		memcpy(p, name, len);
		p += len;
		name += len + (name[len] == '.');
	}
	memcpy(p, (const unsigned char[]){0, 0, TYPE_A, 0, 1}, 5);
	question_size = (size_t)(p - question) + 5;
	return true;
}

static int open_socket(void)
{
	int type = is_tcp() ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(options.server.u.any.sa_family, type | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	tool_set_timeout(fd, options.timeout_ms);
	if (options.mode == MODE_SENDTO)
		return fd;
	if (connect(fd, &options.server.u.any, options.server.len_bytes) < 0) {
		r = -errno;
		close(fd);
		return r == -EINPROGRESS ? -ETIMEDOUT : r;
	}
	return fd;
}

static int send_question(struct worker *worker)
{
	unsigned char message[2 + MAX_MESSAGE];
	size_t skipped = is_tcp() ? 0 : 2; /* the length that TCP has in front */
	const struct sockaddr *to = options.mode == MODE_SENDTO ? &options.server.u.any : NULL;

	message[0] = (unsigned char)(question_size >> 8);
	message[1] = (unsigned char)question_size;
	memcpy(message + 2, question, question_size);
	worker->id++;
	message[2] = (unsigned char)(worker->id >> 8);
	message[3] = (unsigned char)worker->id;
	if (sendto(worker->fd, message + skipped, 2 + question_size - skipped, MSG_NOSIGNAL, to,
		   to ? options.server.len_bytes : 0) < 0)
		return -errno;
	return 0;
}

/* Return: bytes, 0 at the end of the connection, or a negative errno. */
static ssize_t receive_all(int fd, unsigned char *buf, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t r = recv(fd, buf + have, n - have, 0);

		if (r <= 0)
			return r < 0 ? -errno : 0;
		have += (size_t)r;
	}
	return (ssize_t)have;
}

static ssize_t receive_stream(int fd, unsigned char *buf)
{
	unsigned char len[2];
	size_t size;
	ssize_t r = receive_all(fd, len, sizeof(len));

	if (r <= 0)
		return r ? r : -ECONNRESET;
	size = (size_t)len[0] << 8 | len[1];
	if (size > MAX_MESSAGE)
		return -EMSGSIZE;
	r = receive_all(fd, buf, size);
	return r ? r : -ECONNRESET;
}

static ssize_t receive_datagram(int fd, unsigned char *buf)
{
	struct tool_addr from = {.len_bytes = sizeof(from.u)};
	ssize_t n = recvfrom(fd, buf, MAX_MESSAGE, 0, &from.u.any, &from.len_bytes);

	if (n < 0)
		return -errno;
	return tool_same(&from, &options.server) ? n : -EBADMSG;
}

/* The answer's last record is the address: CoreDNS adds none behind it without EDNS. */
static bool is_right(const unsigned char *message, size_t n)
{
	bool has_no_error = !(message[3] & 0xf);

	return n >= question_size + 16 && message[7] == 1 && has_no_error &&
	       !memcmp(message + n - 4, &options.address, 4);
}

/* Answers to earlier tries are passed over. Return: 1 right, 0 wrong, or a negative errno. */
static int receive_answer(struct worker *worker)
{
	unsigned char message[MAX_MESSAGE];
	int64_t deadline = tool_now_ms() + options.timeout_ms;

	do {
		ssize_t n = is_tcp() ? receive_stream(worker->fd, message)
				     : receive_datagram(worker->fd, message);

		if (n < 0)
			return n == -EWOULDBLOCK ? -ETIMEDOUT : (int)n;
		if (n >= HEADER_SIZE && (message[0] << 8 | message[1]) == worker->id)
			return is_right(message, (size_t)n);
	} while (tool_now_ms() < deadline);
	return -ETIMEDOUT;
}

static int try_once(struct worker *worker)
{
	int r;

	if (worker->fd < 0)
		worker->fd = open_socket();
	if (worker->fd < 0)
		return worker->fd;
	r = send_question(worker);
	if (r == 0)
		r = receive_answer(worker);
	if (options.mode == MODE_SOCKET || options.mode == MODE_TCP ||
	    (r < 0 && options.mode != MODE_SENDTO)) {
		close(worker->fd);
		worker->fd = -1;
	}
	return r;
}

static void ask(struct worker *worker)
{
	int64_t start = tool_now_ms(), took;
	int n_tries = 0, r;

	do {
		r = try_once(worker);
		if (r < 0)
			worker->errors[-r < MAX_ERRORS ? -r : 0]++;
	} while (r < 0 && ++n_tries < 2);
	worker->n_asked++;
	worker->n_retried += r >= 0 && n_tries;
	worker->n_lost += r < 0;
	worker->n_wrong += r == 0;
	took = tool_now_ms() - start;
	if (took > worker->slowest_ms)
		worker->slowest_ms = took;
}

static void sleep_until(int64_t time_ms)
{
	int64_t left = time_ms - tool_now_ms();
	struct timespec pause = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};

	if (left > 0)
		nanosleep(&pause, NULL);
}

/* Worker I asks query I, I + WORKERS, ... of the whole. */
static void *work(void *argument)
{
	struct worker *worker = argument;
	int64_t start = tool_now_ms();
	long i = worker->index;

	worker->fd = -1;
	while (!is_stopped && tool_now_ms() < start + options.duration_s * 1000) {
		sleep_until(start + i * 1000 / options.rate);
		ask(worker);
		i += options.n_workers;
	}
	return NULL;
}

static void on_signal(int signal)
{
	(void)signal;
	is_stopped = 1;
}

static bool parse_mode(const char *text)
{
	for (int i = 0; i < N_MODES; i++) {
		if (strcmp(text, mode_names[i]) == 0) {
			options.mode = (enum mode)i;
			return true;
		}
	}
	return false;
}

static bool parse_options(int argc, char **argv)
{
	bool is_known = true;
	int option;

	while ((option = getopt(argc, argv, "m:r:d:w:t:")) != -1) {
		if (option == 'm')
			is_known = is_known && parse_mode(optarg);
		else if (option == 'r')
			options.rate = strtol(optarg, NULL, 10);
		else if (option == 'd')
			options.duration_s = strtol(optarg, NULL, 10);
		else if (option == 'w')
			options.n_workers = (int)strtol(optarg, NULL, 10);
		else if (option == 't')
			options.timeout_ms = (int)strtol(optarg, NULL, 10);
		else
			is_known = false;
	}
	return is_known && options.rate > 0 && options.duration_s > 0 && options.timeout_ms > 0 &&
	       options.n_workers > 0 && options.n_workers <= MAX_WORKERS && argc == optind + 3 &&
	       tool_parse(argv[optind], &options.server) && make_question(argv[optind + 1]) &&
	       inet_pton(AF_INET, argv[optind + 2], &options.address) == 1;
}

static struct worker sum_up(void)
{
	struct worker sum = {};

	for (int i = 0; i < options.n_workers; i++) {
		const struct worker *worker = &workers[i];

		sum.n_asked += worker->n_asked;
		sum.n_retried += worker->n_retried;
		sum.n_lost += worker->n_lost;
		sum.n_wrong += worker->n_wrong;
		if (worker->slowest_ms > sum.slowest_ms)
			sum.slowest_ms = worker->slowest_ms;
		for (int e = 0; e < MAX_ERRORS; e++)
			sum.errors[e] += worker->errors[e];
	}
	return sum;
}

static void print(const struct worker *sum)
{
	const char *comma = "";

	printf("{\"mode\": \"%s\", \"asked\": %ld, \"retried\": %ld, \"lost\": %ld, \"wrong\": "
	       "%ld, ",
	       mode_names[options.mode], sum->n_asked, sum->n_retried, sum->n_lost, sum->n_wrong);
	printf("\"slowest_ms\": %lld, \"errors\": {", (long long)sum->slowest_ms);
	for (int e = 0; e < MAX_ERRORS; e++) {
		if (!sum->errors[e])
			continue;
		printf("%s\"%s\": %ld", comma, tool_errno_name(e), sum->errors[e]);
		comma = ", ";
	}
	puts("}}");
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct worker sum;

	if (!parse_options(argc, argv)) {
		fprintf(stderr,
			"dnsload: usage: dnsload [-m socket|kept|sendto|tcp|stream] [-r RATE] "
			"[-d SECONDS] [-w WORKERS] [-t MS] SERVER:PORT NAME ADDRESS\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	for (int i = 0; i < options.n_workers; i++) {
		workers[i].index = i;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) {
			fprintf(stderr, "dnsload: could not start worker %d\n", i);
			return 1;
		}
	}
	for (int i = 0; i < options.n_workers; i++)
		pthread_join(workers[i].thread, NULL);
	sum = sum_up();
	print(&sum);
	return sum.n_lost || sum.n_wrong || !sum.n_asked;
}
