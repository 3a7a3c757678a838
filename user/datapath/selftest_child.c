/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/selftest_child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

/* Smaller than PIPE_BUF: the parent reads whole reports. */
static void send_report(const struct selftest_job *job, const struct selftest_report *report)
{
	/* nobody is left to be told when this fails: the parent sees the pipe's end */
	if (write(job->report_fd, report, sizeof(*report)) != (ssize_t)sizeof(*report))
		_exit(2);
}

static void begin_step(const struct selftest_job *job, struct selftest_report *report, int step)
{
	report->step = step;
	report->error = EINPROGRESS;
	send_report(job, report);
}

static bool is_same_address(const struct selftest_vip *a, const struct selftest_vip *b)
{
	if (a->addr.any.sa_family != b->addr.any.sa_family)
		return false;
	if (a->addr.any.sa_family == AF_INET)
		return a->addr.v4.sin_addr.s_addr == b->addr.v4.sin_addr.s_addr &&
		       a->addr.v4.sin_port == b->addr.v4.sin_port;
	return !memcmp(&a->addr.v6.sin6_addr, &b->addr.v6.sin6_addr,
		       sizeof(a->addr.v6.sin6_addr)) &&
	       a->addr.v6.sin6_port == b->addr.v6.sin6_port;
}

/* Return: 0, or what went wrong as struct selftest_report.error says. */
static int check_token(const struct selftest_job *job, ssize_t n, uint64_t answer)
{
	if (n < 0)
		return errno;
	return n == (ssize_t)sizeof(answer) && answer == job->token ? 0 : EBADMSG;
}

static int try_tcp(const struct selftest_job *job, struct selftest_report *report)
{
	const struct selftest_vip *vip = &report->vip;
	_close_ int fd = socket(vip->addr.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t answer = 0;
	ssize_t n;

	begin_step(job, report, SELFTEST_STEP_CONNECT);
	if (fd < 0 || connect(fd, &vip->addr.any, vip->len_bytes) < 0)
		return errno;
	begin_step(job, report, SELFTEST_STEP_PEER_NAME);
	report->seen.len_bytes = sizeof(report->seen.addr);
	if (getpeername(fd, &report->seen.addr.any, &report->seen.len_bytes) < 0)
		return errno;
	if (!is_same_address(&report->seen, vip))
		return EADDRNOTAVAIL;
	begin_step(job, report, SELFTEST_STEP_TCP_ANSWER);
	n = recv(fd, &answer, sizeof(answer), MSG_WAITALL);
	return check_token(job, n, answer);
}

static int try_udp(const struct selftest_job *job, struct selftest_report *report)
{
	const struct selftest_vip *vip = &report->vip;
	_close_ int fd = socket(vip->addr.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t answer = 0;
	ssize_t n;
	int error;

	begin_step(job, report, SELFTEST_STEP_SENDTO);
	if (fd < 0 ||
	    sendto(fd, &job->token, sizeof(job->token), 0, &vip->addr.any, vip->len_bytes) < 0)
		return errno;
	begin_step(job, report, SELFTEST_STEP_UDP_ANSWER);
	report->seen.len_bytes = sizeof(report->seen.addr);
	n = recvfrom(fd, &answer, sizeof(answer), 0, &report->seen.addr.any,
		     &report->seen.len_bytes);
	error = check_token(job, n, answer);
	if (error)
		return error;
	begin_step(job, report, SELFTEST_STEP_SOURCE);
	return is_same_address(&report->seen, vip) ? 0 : EADDRNOTAVAIL;
}

static int move_into_cgroup(const struct selftest_job *job, struct selftest_report *report)
{
	_close_ int fd = -1;

	begin_step(job, report, SELFTEST_STEP_CGROUP);
	if (!job->cgroup_procs)
		return 0;
	fd = open(job->cgroup_procs, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		return errno;
	return 0;
}

static int do_job(const struct selftest_job *job, struct selftest_report *report)
{
	int error = move_into_cgroup(job, report);

	for (size_t i = 0; i < job->n_vips && !error; i++) {
		report->vip = job->vips[i];
		error = try_tcp(job, report);
		if (!error)
			error = try_udp(job, report);
	}
	return error;
}

void selftest_child(const struct selftest_job *job)
{
	struct selftest_report report = {};

	report.error = do_job(job, &report);
	if (!report.error)
		report.step = SELFTEST_STEP_DONE;
	send_report(job, &report);
	_exit(report.error ? 1 : 0);
}
