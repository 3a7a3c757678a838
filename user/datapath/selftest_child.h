/* SPDX-License-Identifier: Apache-2.0 */
/* What the self-test's child process does: see selftest.h. */
#ifndef SVCBPF_DATAPATH_SELFTEST_CHILD_H
#define SVCBPF_DATAPATH_SELFTEST_CHILD_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/** enum selftest_step - what the child is at; all but the first for each VIP. */
enum selftest_step {
	SELFTEST_STEP_CGROUP,
	SELFTEST_STEP_CONNECT,
	SELFTEST_STEP_PEER_NAME,
	SELFTEST_STEP_TCP_ANSWER,
	SELFTEST_STEP_SENDTO,
	SELFTEST_STEP_UDP_ANSWER,
	SELFTEST_STEP_SOURCE,
	SELFTEST_STEP_DONE,
};

/** struct selftest_vip - a socket address of either family. */
struct selftest_vip {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} addr;
	socklen_t len_bytes;
};

/**
 * struct selftest_job - what the child is to do.
 * @cgroup_procs: cgroup.procs of the cgroup to move into; NULL: stay.
 * @vips: addresses to talk to.
 * @token: what a backend sends to whoever connects, and sends back to whoever sends it.
 * @report_fd: pipe for struct selftest_report.
 */
struct selftest_job {
	const char *cgroup_procs;
	const struct selftest_vip *vips;
	size_t n_vips;
	uint64_t token;
	int report_fd;
};

/**
 * struct selftest_report - written to the pipe before each step, and after one that failed.
 * @step: SELFTEST_STEP_*.
 * @error: EINPROGRESS: the step begins; 0 with SELFTEST_STEP_DONE: all passed; EADDRNOTAVAIL: @seen
 *	was shown in place of the VIP; EBADMSG: somebody else answered; other positive errno of a
 *	system call.
 * @vip: the address the step is about.
 */
struct selftest_report {
	int step;
	int error;
	struct selftest_vip vip;
	struct selftest_vip seen;
};

/**
 * selftest_child() - do the job and end the process. Runs after fork(2) in a process with threads,
 * so it calls async-signal-safe functions only.
 */
_Noreturn void selftest_child(const struct selftest_job *job);

#endif
