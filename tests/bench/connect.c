/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the socket programs cost: `make bench-connect`.
 *
 *	connect [ROUNDS] [SERVICES,...]
 *
 * Everything happens in a private network and mount namespace, with backends on local addresses.
 * Three cgroups: "ours" has svcbpf's programs, "empty" programs that return at once, "none" has
 * nothing. Each round does the same work in each, one after the other, pinned to one CPU; what is
 * printed are medians over the rounds, so that drift of the machine falls out.
 *
 * Per call: run_time_ns / run_cnt of a program in "ours" less that of the empty one (bpf(2),
 * BPF_ENABLE_STATS). CPU: process time of client and server together, as a multiple of "none".
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "datapath/datapath.h"
#include "model/state.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"
#include "util/endian.h"

#define N_BACKENDS	   25u
#define BACKEND_PORT	   8080
#define VIP_PORT	   80
#define CALLS_PER_ROUND	   2000
#define CONNECTS_PER_ROUND 600
#define MAX_ROUNDS	   201
#define BENCH_BPFFS	   "/mnt" /* in a mount namespace of our own */
#define AFFINITY_OFFSET	   20000u /* Services from here on have session affinity */
#define N_AFFINITY	   100u

enum group { OURS, EMPTY, NONE, N_GROUPS };
enum hook { CONNECT4, CONNECT6, SENDMSG4, SENDMSG6, RECVMSG4, RECVMSG6, N_HOOKS };

static const struct {
	const char *name;
	enum bpf_attach_type type;
} hooks[N_HOOKS] = {
	[CONNECT4] = {"connect4", BPF_CGROUP_INET4_CONNECT},
	[CONNECT6] = {"connect6", BPF_CGROUP_INET6_CONNECT},
	[SENDMSG4] = {"sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
	[SENDMSG6] = {"sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
	[RECVMSG4] = {"recvmsg4", BPF_CGROUP_UDP4_RECVMSG},
	[RECVMSG6] = {"recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
};

/**
 * struct bench - the whole set-up.
 * @programs: per group and hook, an open program; -1: none.
 * @target: what a call goes to; set for each measurement.
 */
struct bench {
	char cgroup_root[256];
	char cgroups[N_GROUPS][320];
	int programs[N_GROUPS][N_HOOKS];
	int rounds;
	uint32_t random;
	struct datapath *datapath;
};

/** struct target - where calls go: @n_services addresses from @first on, or backends themselves. */
struct target {
	int family; /* AF_* */
	int type;   /* SOCK_* */
	uint32_t first;
	uint32_t n_services;
	bool is_backend;
};

static void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void run_command(const char *command)
{
	if (system(command))
		die(command);
}

static uint32_t next_random(struct bench *bench)
{
	bench->random ^= bench->random << 13;
	bench->random ^= bench->random >> 17;
	bench->random ^= bench->random << 5;
	return bench->random;
}

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

/* ------------------------------------------------------------------ set-up */

static void find_cgroup_root(struct bench *bench)
{
	_fclose_ FILE *f = fopen("/proc/self/mounts", "re");
	char type[64];

	while (f && fscanf(f, "%*s %255s %63s %*[^\n]", bench->cgroup_root, type) == 2)
		if (!strcmp(type, "cgroup2"))
			return;
	errno = ENOENT;
	die("cgroup v2");
}

static void enter(const char *cgroup)
{
	char path[400];
	_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	f = fopen(path, "we");
	if (!f || fprintf(f, "%d", getpid()) < 0 || fflush(f))
		die(path);
}

static void name_cgroups(struct bench *bench)
{
	static const char *const names[] = {"ours", "empty", "none"};
	int i;

	for (i = 0; i < N_GROUPS; i++)
		snprintf(bench->cgroups[i], sizeof(bench->cgroups[i]), "%s/svcbpf-bench-%d-%s",
			 bench->cgroup_root, getpid(), names[i]);
}

/* Everything else goes with the namespaces. */
static void remove_cgroups(const struct bench *bench)
{
	int i;

	for (i = 0; i < N_GROUPS; i++)
		rmdir(bench->cgroups[i]);
}

static void make_namespaces(struct bench *bench)
{
	int i;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("unshare");
	if (mount("bpf", BENCH_BPFFS, "bpf", 0, NULL))
		die("bpffs");
	run_command("ip link set lo up && ip route add local 10.244.0.0/14 dev lo && "
		    "ip -6 route add local fd00:10:244::/64 dev lo");
	for (i = 0; i < N_GROUPS; i++)
		if (mkdir(bench->cgroups[i], 0755) && errno != EEXIST)
			die(bench->cgroups[i]);
}

static void attach_empty(struct bench *bench)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	_close_ int cgroup = open(bench->cgroups[EMPTY], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int i;

	for (i = 0; i < N_HOOKS; i++) {
		LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = hooks[i].type);

		bench->programs[EMPTY][i] = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "empty",
							  "GPL", code, ARRAY_SIZE(code), &options);
		if (bench->programs[EMPTY][i] < 0 ||
		    bpf_link_create(bench->programs[EMPTY][i], cgroup, hooks[i].type, NULL) < 0)
			die(hooks[i].name);
	}
}

static void found_link(void *arg, const struct datapath_link *link)
{
	struct bench *bench = arg;
	int i;

	for (i = 0; i < N_HOOKS; i++)
		if (!strcmp(link->name, hooks[i].name))
			bench->programs[OURS][i] = bpf_prog_get_fd_by_id(link->program_id);
}

/* ------------------------------------------------------------------ Services */

static struct addr vip_of(uint8_t family, uint32_t n)
{
	struct addr addr = {.family = family};
	__be32 be = be32_from_host(family == ADDR_IPV4 ? 0x0a600000 + n : n + 1);

	if (family == ADDR_IPV4) {
		memcpy(addr.bytes, &be, sizeof(be));
	} else {
		memcpy(addr.bytes, "\xfd\x00\x00\x10\x00\x96", 6);
		memcpy(addr.bytes + 12, &be, sizeof(be));
	}
	return addr;
}

static struct addr backend_of(uint8_t family, uint32_t service, uint32_t n)
{
	struct addr addr = {.family = family};
	uint32_t host = service * N_BACKENDS + n + 1;
	__be32 be = be32_from_host(family == ADDR_IPV4 ? 0x0af40000 + host : host);

	if (family == ADDR_IPV4) {
		memcpy(addr.bytes, &be, sizeof(be));
	} else {
		memcpy(addr.bytes, "\xfd\x00\x00\x10\x02\x44", 6);
		memcpy(addr.bytes + 12, &be, sizeof(be));
	}
	return addr;
}

static void put_service(struct bench *bench, uint32_t n, uint8_t family, uint8_t protocol)
{
	struct backend *backends = calloc(N_BACKENDS, sizeof(*backends));
	struct frontend *frontend = calloc(1, sizeof(*frontend));
	struct service_port *port = calloc(1, sizeof(*port));
	char *name = NULL;
	uint32_t i;

	if (!backends || !frontend || !port || asprintf(&name, "s%u", n) < 0)
		die("memory");
	for (i = 0; i < N_BACKENDS; i++)
		backends[i] = (struct backend){backend_of(family, n % AFFINITY_OFFSET, i), 0,
					       BACKEND_PORT};
	*frontend = (struct frontend){vip_of(family, n), SVC_TYPE_CLUSTER_IP, VIP_PORT};
	*port = (struct service_port){
		.key = {strdup("bench"), name, strdup("p"), protocol, family},
		.frontends = frontend,
		.n_frontends = 1,
		.cluster = {backends, N_BACKENDS},
		.has_endpoints = true,
		.affinity_s = n >= AFFINITY_OFFSET ? 10800 : 0,
	};
	/* Borrowed until the commit; the process ends soon after. */
	if (datapath_put(bench->datapath, port) < 0)
		die("datapath_put");
}

static void program(struct bench *bench, uint32_t n_services)
{
	static const uint8_t families[] = {ADDR_IPV4, ADDR_IPV6};
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	struct datapath_options options = {
		.pin_dir = BENCH_BPFFS "/pins",
		.cgroup = bench->cgroups[OURS],
		.max_services = DATAPATH_DEFAULT_MAX_SERVICES,
		.max_backends = 2 * DATAPATH_DEFAULT_MAX_BACKENDS,
		.node = "bench",
		.version = "bench",
	};
	struct datapath_error error;
	uint32_t i, j;

	if (datapath_open(&options, &bench->datapath, &error) < 0) {
		fprintf(stderr, "bench: %s\n", error.text);
		exit(1);
	}
	for (i = 0; i < n_services + N_AFFINITY; i++)
		for (j = 0; j < 4; j++)
			put_service(bench, i < n_services ? i : AFFINITY_OFFSET + i - n_services,
				    families[j / 2], protocols[j % 2]);
	if (datapath_commit(bench->datapath, true) < 0 ||
	    datapath_attach(bench->datapath, &error) < 0)
		die("datapath");
	datapath_read_links(BENCH_BPFFS "/pins", found_link, bench);
}

/* ------------------------------------------------------------------ server */

/* answer() - accept and close TCP connections, send UDP datagrams back from where they came to. */
static void *answer_tcp(void *arg)
{
	int fd, listener = *(int *)arg;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == ECONNABORTED)
		if (fd >= 0)
			close(fd);
	return NULL;
}

static void *answer_udp(void *arg)
{
	struct sockaddr_in6 from;
	char data[64], control[128];
	struct iovec iov = {data, sizeof(data)};
	struct msghdr msg = {.msg_name = &from, .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	for (;;) {
		msg.msg_namelen = sizeof(from);
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		iov.iov_len = sizeof(data);
		n = recvmsg(*(int *)arg, &msg, 0);
		if (n < 0)
			continue;
		iov.iov_len = (size_t)n;
		sendmsg(*(int *)arg, &msg, 0);
	}
	return NULL;
}

static void start_server(void)
{
	static int tcp, udp;
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(BACKEND_PORT)};
	int on = 1;
	pthread_t thread;

	tcp = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	udp = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(udp, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	setsockopt(udp, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	setsockopt(udp, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
	if (bind(tcp, (struct sockaddr *)&any, sizeof(any)) || listen(tcp, 4096) ||
	    bind(udp, (struct sockaddr *)&any, sizeof(any)))
		die("server");
	pthread_create(&thread, NULL, answer_tcp, &tcp);
	pthread_create(&thread, NULL, answer_udp, &udp);
}

/* ------------------------------------------------------------------ calls */

static socklen_t pick(struct bench *bench, const struct target *target,
		      struct sockaddr_storage *ret)
{
	uint8_t family = target->family == AF_INET ? ADDR_IPV4 : ADDR_IPV6;
	uint32_t n = target->first + next_random(bench) % target->n_services;
	struct addr addr =
		target->is_backend ? backend_of(family, n, n % N_BACKENDS) : vip_of(family, n);
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	in_port_t port = htons(target->is_backend ? BACKEND_PORT : VIP_PORT);

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)target->family;
	if (target->family == AF_INET) {
		in->sin_port = port;
		memcpy(&in->sin_addr, addr.bytes, 4);
		return sizeof(*in);
	}
	in6->sin6_port = port;
	memcpy(&in6->sin6_addr, addr.bytes, 16);
	return sizeof(*in6);
}

/* Connect and close; a TCP connect does not wait, so that only the programs are exercised. */
static void call_connects(struct bench *bench, const struct target *target, int n, bool is_full)
{
	struct linger abort_on_close = {.l_onoff = 1};
	struct sockaddr_storage addr;
	socklen_t len;
	int fd;

	while (n-- > 0) {
		len = pick(bench, target, &addr);
		fd = socket(target->family,
			    target->type | SOCK_CLOEXEC | (is_full ? 0 : SOCK_NONBLOCK), 0);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
		if (connect(fd, (struct sockaddr *)&addr, len) && is_full)
			die("connect");
		close(fd);
	}
}

/* One unconnected socket sends to one address and reads the answer, again and again. */
static void call_sends(struct bench *bench, const struct target *target, int n)
{
	struct timeval timeout = {.tv_sec = 1};
	struct sockaddr_storage addr, from;
	socklen_t len = pick(bench, target, &addr), from_len;
	int fd = socket(target->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char data[16] = "x";

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	while (n-- > 0) {
		from_len = sizeof(from);
		if (sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&addr, len) < 0 ||
		    recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &from_len) < 0)
			die("sendto, recvfrom");
	}
	close(fd);
}

/* ------------------------------------------------------------------ measurements */

struct run {
	uint64_t ns;
	uint64_t n;
};

static struct run read_run(int program_fd)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(program_fd, &info, &len))
		die("program info");
	return (struct run){info.run_time_ns, info.run_cnt};
}

static double cost_between(struct run before, struct run after)
{
	return after.n == before.n ? 0
				   : (double)(after.ns - before.ns) / (double)(after.n - before.n);
}

static double cpu_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* One call of a hook in "ours", net of the empty program. */
static double measure_call(struct bench *bench, enum hook hook, const struct target *target)
{
	double net[MAX_ROUNDS], cost[N_GROUPS] = {0};
	struct target direct = *target;
	struct run before;
	int round, group;

	direct.is_backend = true;
	direct.first = 0;
	direct.n_services = direct.n_services > 1 ? 100 : 1;
	for (round = 0; round < bench->rounds; round++) {
		for (group = OURS; group <= EMPTY; group++) {
			enter(bench->cgroups[group]);
			before = read_run(bench->programs[group][hook]);
			if (hook <= CONNECT6)
				call_connects(bench, target, CALLS_PER_ROUND, false);
			else
				call_sends(bench, group == OURS ? target : &direct, 300);
			cost[group] = cost_between(before, read_run(bench->programs[group][hook]));
		}
		net[round] = cost[OURS] - cost[EMPTY];
	}
	return median(net, bench->rounds);
}

/* CPU of the same work through a VIP in "ours" and straight to a backend in "none". */
static double measure_cpu(struct bench *bench, const struct target *target, double *ret_us)
{
	double ratio[MAX_ROUNDS], base[MAX_ROUNDS], us[N_GROUPS];
	struct target direct = *target;
	int round, group, n = target->type == SOCK_STREAM ? CONNECTS_PER_ROUND : 300;

	direct.is_backend = true;
	for (round = 0; round < bench->rounds; round++) {
		for (group = OURS; group <= NONE; group += NONE - OURS) {
			enter(bench->cgroups[group]);
			us[group] = cpu_now_us();
			if (target->type == SOCK_STREAM)
				call_connects(bench, group == OURS ? target : &direct, n, true);
			else
				call_sends(bench, group == OURS ? target : &direct, n);
			us[group] = (cpu_now_us() - us[group]) / n;
		}
		ratio[round] = us[OURS] / us[NONE];
		base[round] = us[NONE];
	}
	*ret_us = median(base, bench->rounds);
	return median(ratio, bench->rounds);
}

/* Statistics are on while single calls are measured only: they cost time themselves. */
static void report_calls(struct bench *bench, uint32_t n_services)
{
	static const struct {
		const char *name;
		enum hook hook;
		int family, type;
	} rows[] = {
		{"connect4 TCP", CONNECT4, AF_INET, SOCK_STREAM},
		{"connect4 UDP", CONNECT4, AF_INET, SOCK_DGRAM},
		{"connect6 TCP", CONNECT6, AF_INET6, SOCK_STREAM},
		{"connect6 UDP", CONNECT6, AF_INET6, SOCK_DGRAM},
		{"sendmsg4", SENDMSG4, AF_INET, SOCK_DGRAM},
		{"recvmsg4", RECVMSG4, AF_INET, SOCK_DGRAM},
		{"sendmsg6", SENDMSG6, AF_INET6, SOCK_DGRAM},
		{"recvmsg6", RECVMSG6, AF_INET6, SOCK_DGRAM},
	};
	int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	size_t i;

	if (stats < 0)
		die("BPF_ENABLE_STATS");
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct target hit = {rows[i].family, rows[i].type, 0, n_services, false};
		struct target affine = {rows[i].family, rows[i].type, AFFINITY_OFFSET, N_AFFINITY,
					false};
		struct target miss = {rows[i].family, rows[i].type, 0, n_services, true};

		printf("%6u  %-13s %8.0f %9.0f %8.0f\n", n_services, rows[i].name,
		       measure_call(bench, rows[i].hook, &hit),
		       measure_call(bench, rows[i].hook, &affine),
		       measure_call(bench, rows[i].hook, &miss));
		fflush(stdout);
	}
	close(stats);
}

static void report_cpu(struct bench *bench, uint32_t n_services)
{
	double us, ratio;
	int i;

	for (i = 0; i < 4; i++) {
		struct target target = {i % 2 ? AF_INET6 : AF_INET,
					i / 2 ? SOCK_DGRAM : SOCK_STREAM, 0, n_services, false};

		ratio = measure_cpu(bench, &target, &us);
		printf("%6u  CPU %-20s x%.3f of %.2f us\n", n_services,
		       i / 2 ? (i % 2 ? "sendto+recvfrom v6" : "sendto+recvfrom v4")
			     : (i % 2 ? "connect+close v6" : "connect+close v4"),
		       ratio, us);
		fflush(stdout);
	}
}

/* One size of cluster in a process of its own, so that everything is made anew. */
static int bench_one(struct bench *bench, uint32_t n_services)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &one);
	sched_setaffinity(0, sizeof(one), &one);
	make_namespaces(bench);
	start_server();
	program(bench, n_services);
	attach_empty(bench);
	report_calls(bench, n_services);
	report_cpu(bench, n_services);
	enter(bench->cgroup_root);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench bench = {.rounds = argc > 1 ? atoi(argv[1]) : 21, .random = 2463534242u};
	char sizes[64], *save = NULL, *size;
	int status = 0;

	snprintf(sizes, sizeof(sizes), "%s", argc > 2 ? argv[2] : "1,100,10000");
	if (bench.rounds < 1 || bench.rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: connect [ROUNDS, 1 to %d] [SERVICES,...]\n", MAX_ROUNDS);
		return 2;
	}
	find_cgroup_root(&bench);
	name_cgroups(&bench);
	printf("ns per call, net of an empty program; medians of %d interleaved rounds\n",
	       bench.rounds);
	printf("%6s  %-13s %8s %9s %8s\n", "svcs", "hook", "hit", "affinity", "miss");
	fflush(stdout);
	for (size = strtok_r(sizes, ",", &save); size; size = strtok_r(NULL, ",", &save)) {
		pid_t child = fork();
		int child_status = 1;

		if (child == 0)
			_exit(bench_one(&bench, (uint32_t)atoi(size)));
		waitpid(child, &child_status, 0);
		status |= child_status;
	}
	remove_cgroups(&bench);
	return status ? 1 : 0;
}
