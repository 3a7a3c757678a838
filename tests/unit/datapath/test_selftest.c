/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The self-test against hand-made programs: each test has a network namespace and a cgroup of its
 * own; the programs are a few instructions that translate as svcbpf's own would, or do it wrong.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datapath/cgroup_path.h"
#include "datapath/selftest.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

static char cgroup[256];

/* The mount point of cgroup v2, out of mountinfo. */
static bool find_cgroup2(char ret[128])
{
	_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[1024];

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s / %127s", ret) == 1)
			return true;
	return false;
}

static void setup(void)
{
	char mount[128];

	if (unshare(CLONE_NEWNET) < 0)
		cr_skip_test("needs root: unshare: %s", strerror(errno));
	if (!find_cgroup2(mount))
		cr_skip_test("no cgroup v2 is mounted");
	cr_assert_eq(system("ip link set lo up"), 0);
	snprintf(cgroup, sizeof(cgroup), "%s/svcbpf-t%d-selftest", mount, (int)getpid());
	if (mkdir(cgroup, 0755) < 0)
		cr_skip_test("cannot make %s: %s", cgroup, strerror(errno));
}

static void teardown(void)
{
	rmdir(cgroup);
}

TestSuite(selftest, .init = setup, .fini = teardown);

/* ------------------------------------------------------------------ programs */

#define LOAD(dst, src, off)    ((struct bpf_insn){BPF_LDX | BPF_MEM | BPF_W, dst, src, off, 0})
#define STORE(dst, src, off)   ((struct bpf_insn){BPF_STX | BPF_MEM | BPF_W, dst, src, off, 0})
#define SET(dst, value)	       ((struct bpf_insn){BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value})
#define SET32(dst, value)      ((struct bpf_insn){BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, value})
#define JUMP_NE(dst, value, n) ((struct bpf_insn){BPF_JMP32 | BPF_JNE | BPF_K, dst, 0, n, value})
#define EXIT		       ((struct bpf_insn){BPF_JMP | BPF_EXIT, 0, 0, 0, 0})

#define PORT_OFFSET offsetof(struct bpf_sock_addr, user_port)

/** struct rewrite - "when the last word of the address is @from, make it @to with port @port". */
struct rewrite {
	enum bpf_attach_type type;
	uint32_t from, to;   /* as in struct bpf_sock_addr, network order */
	uint16_t port;	     /* network order */
	uint32_t first_word; /* of an IPv6 address, network order */
};

static bool is_v6_type(enum bpf_attach_type type)
{
	return type == BPF_CGROUP_INET6_CONNECT || type == BPF_CGROUP_INET6_GETPEERNAME ||
	       type == BPF_CGROUP_UDP6_SENDMSG || type == BPF_CGROUP_UDP6_RECVMSG;
}

/* Attached for as long as the cgroup lives. @protocol: IPPROTO_*. */
static void attach_rewrite(const struct rewrite *rewrite, int protocol)
{
	bool is_v6 = is_v6_type(rewrite->type);
	int word = is_v6 ? (int)offsetof(struct bpf_sock_addr, user_ip6) + 12
			 : (int)offsetof(struct bpf_sock_addr, user_ip4);
	int first = is_v6 ? (int)offsetof(struct bpf_sock_addr, user_ip6) : word;
	struct bpf_insn insns[] = {
		LOAD(2, 1, offsetof(struct bpf_sock_addr, protocol)),
		JUMP_NE(2, protocol, 8),
		LOAD(2, 1, (short)word),
		JUMP_NE(2, (int)rewrite->from, 6),
		SET32(2, is_v6 ? (int)rewrite->first_word : (int)rewrite->to),
		STORE(1, 2, (short)first),
		SET32(2, (int)rewrite->to),
		STORE(1, 2, (short)word),
		SET32(2, rewrite->port),
		STORE(1, 2, PORT_OFFSET),
		SET(0, 1),
		EXIT,
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = rewrite->type);
	int cgroup_fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "t_rewrite", "GPL", insns,
			       ARRAY_SIZE(insns), &opts);

	cr_assert_geq(cgroup_fd, 0);
	cr_assert_geq(fd, 0, "bpf_prog_load: %s", strerror(errno));
	cr_assert_eq(bpf_prog_attach(fd, cgroup_fd, rewrite->type, BPF_F_ALLOW_MULTI), 0,
		     "bpf_prog_attach: %s", strerror(errno));
	close(fd);
	close(cgroup_fd);
}

static uint32_t last_word(const struct addr *addr)
{
	uint32_t word;

	memcpy(&word, addr->bytes + (addr->family == ADDR_IPV4 ? 0 : 12), sizeof(word));
	return word;
}

static uint32_t first_word(const struct addr *addr)
{
	uint32_t word;

	memcpy(&word, addr->bytes, sizeof(word));
	return word;
}

/* What the datapath does for one service port, there or back. */
static void translate(const struct service_port *port, enum bpf_attach_type type, bool is_back)
{
	const struct frontend *vip = &port->frontends[0];
	const struct backend *backend = &port->cluster.backends[0];
	const struct addr *from = is_back ? &backend->addr : &vip->addr;
	const struct addr *to = is_back ? &vip->addr : &backend->addr;
	struct rewrite rewrite = {
		.type = type,
		.from = last_word(from),
		.to = last_word(to),
		.first_word = first_word(to),
		.port = htons(is_back ? vip->port : backend->port),
	};

	attach_rewrite(&rewrite, port->key.protocol);
}

/* @without: the hook to leave out, or __MAX_BPF_ATTACH_TYPE. */
static void attach_all(const struct selftest *test, enum bpf_attach_type without)
{
	static const struct {
		enum bpf_attach_type type;
		uint8_t protocol;
		uint8_t family;
		bool is_back;
	} hooks[] = {
		{BPF_CGROUP_INET4_CONNECT, IPPROTO_TCP, ADDR_IPV4, false},
		{BPF_CGROUP_INET6_CONNECT, IPPROTO_TCP, ADDR_IPV6, false},
		{BPF_CGROUP_INET4_GETPEERNAME, IPPROTO_TCP, ADDR_IPV4, true},
		{BPF_CGROUP_INET6_GETPEERNAME, IPPROTO_TCP, ADDR_IPV6, true},
		{BPF_CGROUP_UDP4_SENDMSG, IPPROTO_UDP, ADDR_IPV4, false},
		{BPF_CGROUP_UDP6_SENDMSG, IPPROTO_UDP, ADDR_IPV6, false},
		{BPF_CGROUP_UDP4_RECVMSG, IPPROTO_UDP, ADDR_IPV4, true},
		{BPF_CGROUP_UDP6_RECVMSG, IPPROTO_UDP, ADDR_IPV6, true},
	};
	size_t n = 0;
	const struct service_port *ports = selftest_ports(test, &n);

	for (size_t h = 0; h < ARRAY_SIZE(hooks); h++)
		for (size_t i = 0; i < n && hooks[h].type != without; i++)
			if (ports[i].key.protocol == hooks[h].protocol &&
			    ports[i].key.family == hooks[h].family)
				translate(&ports[i], hooks[h].type, hooks[h].is_back);
}

/* ------------------------------------------------------------------ facts */

static struct selftest_result run_without(enum bpf_attach_type without)
{
	struct selftest *test;
	struct selftest_result result;

	cr_assert_eq(selftest_open(1, &test), 0);
	attach_all(test, without);
	cr_assert_eq(selftest_run(test, cgroup, SELFTEST_TIMEOUT_MS, &result), 0);
	selftest_close(test);
	return result;
}

Test(selftest, passes_when_all_is_translated)
{
	struct selftest_result result = run_without(__MAX_BPF_ATTACH_TYPE);

	cr_expect_eq(result.outcome, SELFTEST_PASSED, "%s", result.text);
	cr_expect_eq(result.error, 0);
	cr_expect_str_eq(result.text, "passed");
}

Test(selftest, names_the_step_that_fails)
{
	static const struct {
		enum bpf_attach_type without;
		const char *text;
	} cases[] = {
		{BPF_CGROUP_INET4_CONNECT,
		 "failed: TCP connect to 127.86.67.66:1: Connection refused"},
		{BPF_CGROUP_INET4_GETPEERNAME, "failed: getpeername of 127.86.67.66:1 shows "
					       "127.0.0.1:"},
		{BPF_CGROUP_UDP4_RECVMSG, "failed: source of the UDP answer from 127.86.67.66:1 "
					  "shows 127.0.0.1:"},
		{BPF_CGROUP_INET6_CONNECT, "failed: TCP connect to [100::5356:4342]:1: "
					   "Network is unreachable"},
		{BPF_CGROUP_INET6_GETPEERNAME, "failed: getpeername of [100::5356:4342]:1 shows "
					       "[::1]:"},
		{BPF_CGROUP_UDP6_SENDMSG, "failed: UDP sendto to [100::5356:4342]:1: "
					  "Network is unreachable"},
		{BPF_CGROUP_UDP6_RECVMSG, "failed: source of the UDP answer from "
					  "[100::5356:4342]:1 shows [::1]:"},
	};
	char whole[sizeof(cgroup)];

	snprintf(whole, sizeof(whole), "%s", cgroup);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct selftest_result result;

		snprintf(cgroup, sizeof(cgroup), "%.200s/%zu", whole, i);
		cr_assert_eq(mkdir(cgroup, 0755), 0);
		result = run_without(cases[i].without);
		cr_expect_eq(result.outcome, SELFTEST_FAILED);
		cr_expect_lt(result.error, 0);
		cr_expect_eq(strncmp(result.text, cases[i].text, strlen(cases[i].text)), 0,
			     "\"%s\" is not \"%s…\"", result.text, cases[i].text);
		rmdir(cgroup);
	}
	snprintf(cgroup, sizeof(cgroup), "%s", whole);
}

Test(selftest, silence_ends_in_time)
{
	struct selftest_result result;
	struct selftest *test;

	/* nothing listens for the datagram, and nothing refuses it */
	cr_assert_eq(system("ip addr add 127.86.67.66/32 dev lo"), 0);
	cr_assert_eq(selftest_open(1, &test), 0);
	attach_all(test, BPF_CGROUP_UDP4_SENDMSG);
	cr_assert_eq(selftest_run(test, cgroup, 300, &result), 0);
	cr_expect_eq(result.outcome, SELFTEST_FAILED);
	cr_expect_str_eq(result.text,
			 "failed: UDP answer from 127.86.67.66:1: Connection timed out");
	cr_expect_eq(result.error, -ETIMEDOUT);
	selftest_close(test);
}

Test(selftest, without_ipv6_says_so)
{
	struct selftest_result result;

	cr_assert_eq(system("echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6"), 0);
	result = run_without(__MAX_BPF_ATTACH_TYPE);
	cr_expect_eq(result.outcome, SELFTEST_PASSED, "%s", result.text);
	cr_expect_str_eq(result.text, "passed (IPv4 only: this system has no IPv6)");
}

Test(selftest, without_ipv4_says_so)
{
	struct selftest_result result;

	cr_assert_eq(system("ip addr del 127.0.0.1/8 dev lo"), 0);
	result = run_without(__MAX_BPF_ATTACH_TYPE);
	cr_expect_eq(result.outcome, SELFTEST_PASSED, "%s", result.text);
	cr_expect_str_eq(result.text, "passed (IPv6 only: this system has no IPv4)");
}

Test(selftest, without_any_loopback_address_nothing_can_be_tested)
{
	struct selftest *test = NULL;

	cr_assert_eq(system("ip addr flush dev lo"), 0);
	cr_expect_eq(selftest_open(1, &test), -EADDRNOTAVAIL);
	cr_expect_null(test);
}

Test(selftest, unwritable_cgroup_is_not_a_failure)
{
	struct selftest_result result;
	struct selftest *test;

	cr_assert_eq(selftest_open(1, &test), 0);
	cr_assert_eq(selftest_run(test, "/nonexistent", SELFTEST_TIMEOUT_MS, &result), 0);
	cr_expect_eq(result.outcome, SELFTEST_NOT_TESTED);
	cr_expect_str_eq(result.text, "not tested: cannot move a process into /nonexistent: "
				      "No such file or directory");
	selftest_close(test);
}

Test(selftest, ports_are_whole)
{
	struct selftest *test;
	const struct service_port *ports;
	size_t n = 0;

	cr_assert_eq(selftest_open(1, &test), 0);
	ports = selftest_ports(test, &n);
	cr_assert_eq(n, 4);
	for (size_t i = 0; i < n; i++) {
		cr_expect_str_eq(ports[i].key.namespace, SELFTEST_NAMESPACE);
		cr_expect_eq(ports[i].n_frontends, 1);
		cr_expect_eq(ports[i].frontends[0].addr.family, ports[i].key.family);
		cr_expect_eq(ports[i].frontends[0].type, SVC_TYPE_CLUSTER_IP);
		cr_expect_eq(ports[i].cluster.n_backends, 1);
		cr_expect_neq(ports[i].cluster.backends[0].port, 0);
	}
	selftest_close(test);
}

Test(selftest, knows_whether_it_is_below_a_cgroup)
{
	char parent[sizeof(cgroup)];
	char procs[sizeof(cgroup) + 16];
	_close_ int fd = -1;

	snprintf(parent, sizeof(parent), "%s", cgroup);
	*strrchr(parent, '/') = '\0';
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", parent);
	cr_expect_not(cgroup_path_is_above(cgroup));
	cr_expect(cgroup_path_is_above(parent), "everything is below the root");
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", cgroup);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	cr_assert_eq(write(fd, "0", 1), 1);
	cr_expect(cgroup_path_is_above(cgroup));
	cr_expect_not(cgroup_path_is_above("/proc"));
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", parent);
	close(TAKE_FD(fd));
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	cr_assert_eq(write(fd, "0", 1), 1);
}
