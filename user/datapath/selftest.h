/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The self-test: a child process talks to a reserved VIP through the attached programs, TCP and
 * UDP, IPv4 and IPv6, and checks that the reverse translation shows the VIP again. Nothing leaves
 * the host: the backends are sockets of this process on loopback.
 */
#ifndef SVCBPF_DATAPATH_SELFTEST_H
#define SVCBPF_DATAPATH_SELFTEST_H

#include <stddef.h>
#include <stdint.h>

#include "model/state.h"

/**
 * SELFTEST_NAMESPACE, SELFTEST_NAME - key of the self-test's service ports. No Kubernetes
 * namespace can be called so: \001 is not part of a DNS label.
 */
#define SELFTEST_NAMESPACE "\001svcbpf"
#define SELFTEST_NAME	   "selftest"

/* The reserved VIPs. Untranslated, the first is refused on loopback, and the second is in the
 * discard-only prefix of RFC 6666. */
#define SELFTEST_VIP4 "127.86.67.66"
#define SELFTEST_VIP6 "100::5356:4342"

/** SELFTEST_MAX_PORT - ports of the VIPs: 1 to this; agents with pin directories of their own that
 * serve one cgroup take different ones. */
#define SELFTEST_MAX_PORT 1023

/** SELFTEST_TIMEOUT_MS - what datapath_selftest() allows a run. */
#define SELFTEST_TIMEOUT_MS 2000

struct selftest;

/**
 * enum selftest_outcome - how a run ended.
 * @SELFTEST_PASSED: every step did. @SELFTEST_FAILED: a step did not: traffic is not translated.
 * @SELFTEST_NOT_TESTED: the child could not be put where the programs see it; nothing is known.
 */
enum selftest_outcome { SELFTEST_PASSED, SELFTEST_FAILED, SELFTEST_NOT_TESTED };

/**
 * struct selftest_result - how a run ended, and why.
 * @error: negative errno of the step that did not pass; 0 with SELFTEST_PASSED.
 * @text: one line for people: "passed", "failed: …" or "not tested: …", with the step, what was
 *	seen, and whether IPv6 was left out.
 */
struct selftest_result {
	enum selftest_outcome outcome;
	int error;
	char text[256];
};

/**
 * selftest_open() - open the backends: sockets on 127.0.0.1 and ::1, of which one may be missing.
 * @port: of the VIPs, host order.
 * Return: 0; -ENOMEM; negative errno of socket(2), bind(2). Free with selftest_close().
 */
int selftest_open(uint16_t port, struct selftest **ret);

/** selftest_close() - NULL is fine. */
void selftest_close(struct selftest *test);

/**
 * selftest_ports() - the service ports to program before selftest_run(): one for each protocol and
 * family, with one ClusterIP frontend (the VIP) and one backend in all lists.
 * Return: array of *@ret_n, borrowed from @test.
 */
const struct service_port *selftest_ports(const struct selftest *test, size_t *ret_n);

/**
 * selftest_run() - fork a child and let it talk to the VIPs.
 * @cgroup: folder the programs are attached to; the child moves into it unless it is below it
 *	already.
 * @timeout_ms: for the whole run; the child is killed then.
 *
 * Blocks for up to @timeout_ms. May be called from a process with threads.
 * Return: 0 with @ret_result filled in, whatever the outcome; negative errno of fork(2), pipe(2).
 */
int selftest_run(struct selftest *test, const char *cgroup, int timeout_ms,
		 struct selftest_result *ret_result);

#endif
