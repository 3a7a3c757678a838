/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the packet path costs: the measuring half of `make bench-packets` (see packets.sh).
 *
 *	packets ROUNDS PLAIN=FOLDER NAME=FOLDER...
 *
 * A world is a network of its own, under FOLDER/netns: namespaces client, node1, pod11 (on node1)
 * and pod21 (on another node). The first is plain routing: there clients talk to the pods
 * themselves; in the others to NodePorts of node1. Client and server are sockets of this one
 * process, pinned to one CPU; veth delivers in the sender's softirq, so that the CPU time of this
 * process is that of the whole way there and back.
 *
 * Each round does every kind of work in every world, one after the other, the worlds in turn. What
 * is printed: the median in plain routing, and for each other world the medians over the rounds of
 * ratio and difference to plain routing in the same round.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"

#define MAX_WORLDS  4
#define MAX_ROUNDS  201
#define SERVER_PORT 8080
#define N_PACKETS   20000
#define N_DRAIN	    64
#define N_FLOWS	    500
#define BULK_BYTES  (64L << 20)
#define CHUNK_BYTES (256 << 10)

/** struct world - @folder: of its network namespaces. */
struct world {
	const char *name;
	const char *folder;
};

/** struct place - where the backend is; addresses of pod and NodePort, both families. */
static const struct place {
	const char *name;
	const char *pod;
	const char *address[2];
	const char *node[2];
	uint16_t node_port;
} places[] = {
	{"here", "pod11", {"10.244.1.11", "fd00:244:1::11"}, {"192.0.2.1", "2001:db8:2::1"}, 30080},
	{"other node",
	 "pod21",
	 {"10.244.2.21", "fd00:244:2::21"},
	 {"192.0.2.1", "2001:db8:2::1"},
	 30081},
};

/** struct pair - the two ends of a measurement, and where the client sends. */
struct pair {
	int server;
	int client_netns;
	int family;
	struct sockaddr_storage to;
	socklen_t to_len;
};

static char buffer[CHUNK_BYTES];

static void die(const char *what)
{
	fprintf(stderr, "packets: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double cpu_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* ------------------------------------------------------------------ sockets in namespaces */

static int open_netns(const struct world *world, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/netns/%s", world->folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

static int socket_in(int netns, int family, int type)
{
	int fd;

	if (setns(netns, CLONE_NEWNET))
		die("setns");
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	return fd;
}

static socklen_t make_address(int family, const char *text, uint16_t port,
			      struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		in->sin_port = htons(port);
		inet_pton(family, text, &in->sin_addr);
		return sizeof(*in);
	}
	in6->sin6_port = htons(port);
	inet_pton(family, text, &in6->sin6_addr);
	return sizeof(*in6);
}

static struct pair open_pair(const struct world *world, const struct place *place, bool is_plain,
			     int family, int type)
{
	_close_ int pod = open_netns(world, place->pod);
	struct pair pair = {.family = family, .client_netns = open_netns(world, "client")};
	struct sockaddr_storage any;
	struct timeval timeout = {.tv_sec = 5};
	socklen_t len =
		make_address(family, family == AF_INET ? "0.0.0.0" : "::", SERVER_PORT, &any);
	int i = family == AF_INET6, on = 1;

	pair.server = socket_in(pod, family, type);
	setsockopt(pair.server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(pair.server, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (bind(pair.server, (struct sockaddr *)&any, len) ||
	    (type == SOCK_STREAM && listen(pair.server, 64)))
		die("server");
	pair.to_len = is_plain ? make_address(family, place->address[i], SERVER_PORT, &pair.to)
			       : make_address(family, place->node[i], place->node_port, &pair.to);
	return pair;
}

static void close_pair(const struct pair *pair)
{
	close(pair->server);
	close(pair->client_netns);
}

static int connect_client(const struct pair *pair, int type)
{
	struct linger abort_on_close = {.l_onoff = 1};
	struct timeval timeout = {.tv_sec = 5};
	int fd = socket_in(pair->client_netns, pair->family, type);

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&pair->to, pair->to_len))
		die("connect");
	return fd;
}

/* ------------------------------------------------------------------ kinds of work */

/* A stream of small datagrams on one flow. Return: microseconds of CPU a packet. */
static double run_stream(const struct pair *pair)
{
	_close_ int client = connect_client(pair, SOCK_DGRAM);
	double start_us;
	int i, n_lost = 0;

	if (send(client, buffer, 64, 0) < 0 || recv(pair->server, buffer, 64, 0) < 0)
		die("first datagram");
	start_us = cpu_now_us();
	for (i = 0; i < N_PACKETS; i++) {
		send(client, buffer, 64, 0);
		if (i % N_DRAIN < N_DRAIN - 1)
			continue;
		for (int n = 0; n < N_DRAIN; n++)
			n_lost += recv(pair->server, buffer, 64, MSG_DONTWAIT) < 0;
	}
	start_us = cpu_now_us() - start_us;
	if (n_lost > N_PACKETS / 100) {
		errno = ENOBUFS;
		die("datagrams were lost");
	}
	return start_us / N_PACKETS;
}

/* A datagram and its answer, each on a flow of its own. */
static double run_udp_flows(const struct pair *pair)
{
	struct sockaddr_storage from;
	double start_us = cpu_now_us();
	int i;

	for (i = 0; i < N_FLOWS; i++) {
		_close_ int client = connect_client(pair, SOCK_DGRAM);
		socklen_t len = sizeof(from);

		if (send(client, buffer, 64, 0) < 0 ||
		    recvfrom(pair->server, buffer, 64, 0, (struct sockaddr *)&from, &len) < 0 ||
		    sendto(pair->server, buffer, 64, 0, (struct sockaddr *)&from, len) < 0 ||
		    recv(client, buffer, 64, 0) < 0)
			die("UDP request");
	}
	return (cpu_now_us() - start_us) / N_FLOWS;
}

/* Connect, request, answer, close. */
static double run_tcp_flows(const struct pair *pair)
{
	double start_us = cpu_now_us();
	int i;

	for (i = 0; i < N_FLOWS; i++) {
		_close_ int client = connect_client(pair, SOCK_STREAM);
		_close_ int server = accept4(pair->server, NULL, NULL, SOCK_CLOEXEC);

		if (server < 0 || send(client, buffer, 64, 0) < 0 ||
		    recv(server, buffer, 64, 0) < 0 || send(server, buffer, 64, 0) < 0 ||
		    recv(client, buffer, 64, 0) < 0)
			die("TCP request");
	}
	return (cpu_now_us() - start_us) / N_FLOWS;
}

/* One TCP stream. Return: microseconds of CPU a MiB. */
static double run_bulk(const struct pair *pair)
{
	_close_ int client = connect_client(pair, SOCK_STREAM);
	_close_ int server = accept4(pair->server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	double start_us = cpu_now_us();
	long left = BULK_BYTES;

	while (left > 0) {
		ssize_t n = send(client, buffer, CHUNK_BYTES, MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			die("send");
		while ((n = recv(server, buffer, CHUNK_BYTES, 0)) > 0)
			left -= n;
	}
	return (cpu_now_us() - start_us) / (double)(BULK_BYTES >> 20);
}

/** struct work - @is_direct: to the pods themselves in every world: traffic that meets no Service.
 */
static const struct work {
	const char *name;
	int type;
	bool is_direct;
	double (*run)(const struct pair *pair);
} works[] = {
	{"established, a packet", SOCK_DGRAM, false, run_stream},
	{"no Service, a packet", SOCK_DGRAM, true, run_stream},
	{"new UDP flow, 2 packets", SOCK_DGRAM, false, run_udp_flows},
	{"new TCP flow, CRR", SOCK_STREAM, false, run_tcp_flows},
	{"bulk, a MiB", SOCK_STREAM, false, run_bulk},
};

#define N_PLACES (int)(sizeof(places) / sizeof(places[0]))
#define N_WORKS	 (int)(sizeof(works) / sizeof(works[0]))

/* ------------------------------------------------------------------ rounds and table */

/** struct results - in microseconds, by work, place, IPv6 or not, world and round. */
struct results {
	double us[N_WORKS][N_PLACES][2][MAX_WORLDS][MAX_ROUNDS];
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare_doubles);
	return values[n / 2];
}

static double measure(const struct world *world, bool is_plain, const struct work *work,
		      const struct place *place, int family)
{
	struct pair pair = open_pair(world, place, is_plain || work->is_direct, family, work->type);
	double us = work->run(&pair);

	close_pair(&pair);
	return us;
}

static void run_round(const struct world *worlds, int n_worlds, int round, struct results *ret)
{
	int cell, i;

	for (cell = 0; cell < N_WORKS * N_PLACES * 2; cell++) {
		int work = cell / (N_PLACES * 2), place = cell / 2 % N_PLACES, is_ipv6 = cell % 2;

		for (i = 0; i < n_worlds; i++) {
			int world = (i + round + cell) % n_worlds;

			ret->us[work][place][is_ipv6][world][round] =
				measure(&worlds[world], world == 0, &works[work], &places[place],
					is_ipv6 ? AF_INET6 : AF_INET);
		}
	}
}

static void print_row(const struct world *worlds, int n_worlds, int n_rounds, int cell,
		      struct results *results)
{
	int work = cell / (N_PLACES * 2), place = cell / 2 % N_PLACES, is_ipv6 = cell % 2;
	double(*us)[MAX_ROUNDS] = results->us[work][place][is_ipv6];
	double ratios[MAX_ROUNDS], extra[MAX_ROUNDS];
	int i, round;

	printf("%-24s %-10s v%d  ", works[work].name, places[place].name, is_ipv6 ? 6 : 4);
	for (i = 1; i < n_worlds; i++) {
		for (round = 0; round < n_rounds; round++) {
			ratios[round] = us[i][round] / us[0][round];
			extra[round] = us[i][round] - us[0][round];
		}
		printf("%s x%.3f %+8.3f us   ", worlds[i].name, median(ratios, n_rounds),
		       median(extra, n_rounds));
	}
	printf("of %.3f us\n", median(us[0], n_rounds));
}

static int parse_worlds(char **texts, int n, struct world *ret)
{
	int i;

	for (i = 0; i < n && i < MAX_WORLDS; i++) {
		char *equals = strchr(texts[i], '=');

		if (!equals)
			return -EINVAL;
		*equals = '\0';
		ret[i] = (struct world){texts[i], equals + 1};
	}
	return i;
}

int main(int argc, char **argv)
{
	struct results *results = calloc(1, sizeof(*results));
	struct world worlds[MAX_WORLDS];
	int n_rounds = argc > 1 ? atoi(argv[1]) : 0;
	int n_worlds = argc > 2 ? parse_worlds(argv + 2, argc - 2, worlds) : 0;
	cpu_set_t one;
	int i;

	if (!results || n_rounds < 1 || n_rounds > MAX_ROUNDS || n_worlds < 2) {
		fprintf(stderr, "packets: usage: packets ROUNDS PLAIN=FOLDER NAME=FOLDER...\n");
		return 2;
	}
	CPU_ZERO(&one);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (i = 0; i < n_rounds; i++)
		run_round(worlds, n_worlds, i, results);
	printf("CPU time over plain routing; medians of %d interleaved rounds\n", n_rounds);
	for (i = 0; i < N_WORKS * N_PLACES * 2; i++)
		print_row(worlds, n_worlds, n_rounds, i, results);
	free(results);
	return 0;
}
