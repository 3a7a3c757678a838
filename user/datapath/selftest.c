/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/selftest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "datapath/cgroup_path.h"
#include "datapath/selftest_child.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* TCP and UDP, IPv4 and IPv6. */
#define MAX_ENDPOINTS	 4
#define ADDRESS_TEXT_MAX 80

/**
 * struct endpoint - one backend socket and the service port that leads to it.
 * @fd: listening TCP socket or bound UDP socket.
 */
struct endpoint {
	int fd;
	struct frontend frontend;
	struct backend backend;
};

struct selftest {
	struct endpoint endpoints[MAX_ENDPOINTS];
	struct service_port ports[MAX_ENDPOINTS];
	size_t n_endpoints;
	struct selftest_vip vips[2];
	size_t n_vips;
	uint16_t port;
	uint64_t token;
};

/* ------------------------------------------------------------------ the backends */

static void vip_init(struct selftest_vip *vip, int family, const char *text, uint16_t port)
{
	memset(vip, 0, sizeof(*vip));
	vip->addr.any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		vip->len_bytes = sizeof(vip->addr.v4);
		vip->addr.v4.sin_port = htons(port);
		inet_pton(family, text, &vip->addr.v4.sin_addr);
	} else {
		vip->len_bytes = sizeof(vip->addr.v6);
		vip->addr.v6.sin6_port = htons(port);
		inet_pton(family, text, &vip->addr.v6.sin6_addr);
	}
}

/* Return: a socket on loopback at a port the kernel chose, non-blocking; negative errno. */
static int open_backend(int family, int type, uint16_t *ret_port)
{
	_close_ int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct selftest_vip own;

	vip_init(&own, family, family == AF_INET ? "127.0.0.1" : "::1", 0);
	if (fd < 0 || bind(fd, &own.addr.any, own.len_bytes) < 0 ||
	    getsockname(fd, &own.addr.any, &own.len_bytes) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 16) < 0))
		return -errno;
	*ret_port = ntohs(family == AF_INET ? own.addr.v4.sin_port : own.addr.v6.sin6_port);
	return TAKE_FD(fd);
}

static void describe_port(struct selftest *test, size_t index, uint8_t family, int type)
{
	struct endpoint *endpoint = &test->endpoints[index];
	struct backend_list list = {.backends = &endpoint->backend, .n_backends = 1};

	test->ports[index] = (struct service_port){
		.key = {.namespace = SELFTEST_NAMESPACE,
			.name = SELFTEST_NAME,
			.port_name = "",
			.protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
			.family = family},
		.frontends = &endpoint->frontend,
		.n_frontends = 1,
		.cluster = list,
		.local = list,
		.serving = list,
		.has_endpoints = true,
	};
}

static int add_endpoint(struct selftest *test, int family, int type)
{
	struct endpoint *endpoint = &test->endpoints[test->n_endpoints];
	uint16_t port = 0;
	int fd = open_backend(family, type, &port);

	if (fd < 0)
		return fd;
	endpoint->fd = fd;
	endpoint->backend = (struct backend){.flags = SVC_BACKEND_F_LOCAL, .port = port};
	endpoint->frontend = (struct frontend){.type = SVC_TYPE_CLUSTER_IP, .port = test->port};
	addr_parse(family == AF_INET ? "127.0.0.1" : "::1", &endpoint->backend.addr);
	addr_parse(family == AF_INET ? SELFTEST_VIP4 : SELFTEST_VIP6, &endpoint->frontend.addr);
	describe_port(test, test->n_endpoints, endpoint->backend.addr.family, type);
	test->n_endpoints++;
	return 0;
}

static int add_family(struct selftest *test, int family)
{
	int r = add_endpoint(test, family, SOCK_STREAM);

	if (r < 0)
		return r;
	r = add_endpoint(test, family, SOCK_DGRAM);
	if (r < 0)
		return r;
	vip_init(&test->vips[test->n_vips++], family,
		 family == AF_INET ? SELFTEST_VIP4 : SELFTEST_VIP6, test->port);
	return 0;
}

static void selftest_closep(struct selftest **test)
{
	selftest_close(*test);
}

int selftest_open(uint16_t port, struct selftest **ret)
{
	static const int families[] = {AF_INET, AF_INET6};
	_cleanup_(selftest_closep) struct selftest *test = calloc(1, sizeof(*test));
	int r;

	if (!test)
		return -ENOMEM;
	test->port = port;
	if (getrandom(&test->token, sizeof(test->token), 0) != (ssize_t)sizeof(test->token))
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		r = add_family(test, families[i]);
		/* not in the kernel, or this host has no loopback address of the family */
		if (r < 0 && r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL)
			return r;
	}
	if (!test->n_vips)
		return -EADDRNOTAVAIL;
	*ret = TAKE_PTR(test);
	return 0;
}

void selftest_close(struct selftest *test)
{
	if (!test)
		return;
	for (size_t i = 0; i < test->n_endpoints; i++)
		close(test->endpoints[i].fd);
	free(test);
}

const struct service_port *selftest_ports(const struct selftest *test, size_t *ret_n)
{
	*ret_n = test->n_endpoints;
	return test->ports;
}

/* ------------------------------------------------------------------ the parent's side */

static void answer_tcp(const struct selftest *test, int fd)
{
	_close_ int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	/* a client that is gone already is not ours: ours waits for the token */
	if (peer >= 0)
		(void)!send(peer, &test->token, sizeof(test->token), MSG_NOSIGNAL);
}

static void answer_udp(const struct selftest *test, int fd)
{
	struct sockaddr_storage from;
	socklen_t len_bytes = sizeof(from);
	uint64_t token = 0;

	if (recvfrom(fd, &token, sizeof(token), 0, (struct sockaddr *)&from, &len_bytes) ==
		    (ssize_t)sizeof(token) &&
	    token == test->token)
		(void)!sendto(fd, &token, sizeof(token), 0, (const struct sockaddr *)&from,
			      len_bytes);
}

static size_t fill_poll(const struct selftest *test, int report_fd, struct pollfd *ret_fds)
{
	ret_fds[0] = (struct pollfd){.fd = report_fd, .events = POLLIN};
	for (size_t i = 0; i < test->n_endpoints; i++)
		ret_fds[i + 1] = (struct pollfd){.fd = test->endpoints[i].fd, .events = POLLIN};
	return test->n_endpoints + 1;
}

/*
 * Answer the child until it has written its last report; @ret_report is the last one received,
 * with ETIMEDOUT when time was up in the middle of a step.
 */
static void serve_child(const struct selftest *test, int report_fd, int timeout_ms,
			struct selftest_report *ret_report)
{
	int64_t deadline_ms = (int64_t)clock_now_ms() + timeout_ms;
	struct pollfd fds[MAX_ENDPOINTS + 1];
	size_t n_fds = fill_poll(test, report_fd, fds);

	for (;;) {
		int64_t left_ms = deadline_ms - (int64_t)clock_now_ms();
		int n_ready = left_ms > 0 ? poll(fds, n_fds, (int)left_ms) : 0;

		if (n_ready < 0 && errno == EINTR)
			continue;
		if (n_ready <= 0) {
			ret_report->error = ETIMEDOUT;
			return;
		}
		for (size_t i = 0; i < test->n_endpoints; i++) {
			if (!(fds[i + 1].revents & POLLIN))
				continue;
			if (test->ports[i].key.protocol == IPPROTO_TCP)
				answer_tcp(test, test->endpoints[i].fd);
			else
				answer_udp(test, test->endpoints[i].fd);
		}
		if (!fds[0].revents)
			continue;
		if (read(report_fd, ret_report, sizeof(*ret_report)) !=
		    (ssize_t)sizeof(*ret_report)) {
			ret_report->error = ECHILD; /* the child died without a word */
			return;
		}
		if (ret_report->error != EINPROGRESS)
			return;
	}
}

/* ------------------------------------------------------------------ words */

static void format_vip(const struct selftest_vip *vip, char ret[ADDRESS_TEXT_MAX])
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (vip->addr.any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &vip->addr.v4.sin_addr, text, sizeof(text));
		snprintf(ret, ADDRESS_TEXT_MAX, "%s:%u", text, ntohs(vip->addr.v4.sin_port));
	} else {
		inet_ntop(AF_INET6, &vip->addr.v6.sin6_addr, text, sizeof(text));
		snprintf(ret, ADDRESS_TEXT_MAX, "[%s]:%u", text, ntohs(vip->addr.v6.sin6_port));
	}
}

static const char *step_text(int step)
{
	static const char *const texts[] = {
		[SELFTEST_STEP_CGROUP] = "move into the cgroup",
		[SELFTEST_STEP_CONNECT] = "TCP connect to",
		[SELFTEST_STEP_PEER_NAME] = "getpeername of",
		[SELFTEST_STEP_TCP_ANSWER] = "TCP answer from",
		[SELFTEST_STEP_SENDTO] = "UDP sendto to",
		[SELFTEST_STEP_UDP_ANSWER] = "UDP answer from",
		[SELFTEST_STEP_SOURCE] = "source of the UDP answer from",
		[SELFTEST_STEP_DONE] = "end of the self-test",
	};

	return step >= 0 && (size_t)step < ARRAY_SIZE(texts) ? texts[step] : "?";
}

static void describe_failure(const struct selftest_report *report, char *ret_text, size_t size)
{
	char vip[ADDRESS_TEXT_MAX];
	char seen[ADDRESS_TEXT_MAX];

	format_vip(&report->vip, vip);
	format_vip(&report->seen, seen);
	if (report->error == EADDRNOTAVAIL &&
	    (report->step == SELFTEST_STEP_PEER_NAME || report->step == SELFTEST_STEP_SOURCE))
		snprintf(ret_text, size, "failed: %s %s shows %s: no reverse translation",
			 step_text(report->step), vip, seen);
	else if (report->error == EBADMSG)
		snprintf(ret_text, size, "failed: %s %s came from somebody else",
			 step_text(report->step), vip);
	else
		snprintf(ret_text, size, "failed: %s %s: %s%s", step_text(report->step), vip,
			 strerror(report->error),
			 report->error == ENETUNREACH ? " (is loopback up?)" : "");
}

static bool is_ipv4(const struct selftest_vip *vip)
{
	return vip->addr.any.sa_family == AF_INET;
}

static void describe(const struct selftest *test, const char *cgroup,
		     const struct selftest_report *report, struct selftest_result *ret)
{
	struct selftest_result result = {.error = -report->error};

	if (report->step == SELFTEST_STEP_CGROUP && report->error) {
		result.outcome = SELFTEST_NOT_TESTED;
		snprintf(result.text, sizeof(result.text),
			 "not tested: cannot move a process into %s: %s", cgroup,
			 strerror(report->error));
	} else if (report->error) {
		result.outcome = SELFTEST_FAILED;
		describe_failure(report, result.text, sizeof(result.text));
	} else {
		result.outcome = SELFTEST_PASSED;
		snprintf(result.text, sizeof(result.text), "passed%s",
			 test->n_vips > 1	   ? ""
			 : is_ipv4(&test->vips[0]) ? " (IPv4 only: this system has no IPv6)"
						   : " (IPv6 only: this system has no IPv4)");
	}
	*ret = result;
}

/* ------------------------------------------------------------------ a run */

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* In the child: signals as a fresh process has them, so that none runs the parent's handlers. */
static _Noreturn void run_child(const struct selftest_job *job)
{
	sigset_t none;

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	selftest_child(job);
}

int selftest_run(struct selftest *test, const char *cgroup, int timeout_ms,
		 struct selftest_result *ret_result)
{
	struct selftest_job job = {.vips = test->vips, .n_vips = test->n_vips};
	struct selftest_report report = {.error = EINPROGRESS};
	_close_ int read_fd = -1;
	_close_ int write_fd = -1;
	char procs[4096];
	int pipe_fds[2];
	pid_t pid;

	if (snprintf(procs, sizeof(procs), "%s/cgroup.procs", cgroup) >= (int)sizeof(procs))
		return -ENAMETOOLONG;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	read_fd = pipe_fds[0];
	write_fd = pipe_fds[1];
	job.cgroup_procs = cgroup_path_is_above(cgroup) ? NULL : procs;
	job.token = test->token;
	job.report_fd = write_fd;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_child(&job);
	close(TAKE_FD(write_fd));
	serve_child(test, read_fd, timeout_ms, &report);
	if (report.error == ETIMEDOUT)
		kill(pid, SIGKILL);
	reap(pid);
	describe(test, cgroup, &report, ret_result);
	return 0;
}
