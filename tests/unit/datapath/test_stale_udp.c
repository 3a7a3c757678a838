/* SPDX-License-Identifier: Apache-2.0 */
/* Real sockets in network namespaces of this test, and maps as the programs would have filled them.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "datapath/stale_udp.h"
#include "util/cleanup.h"
#include "util/endian.h"

#define SERVICE_ID 7
#define PORT	   5353

static struct stale_udp_maps maps;
static uint64_t *owners;
static struct svc_rev *slots;

/* ------------------------------------------------------------------ the maps */

static void *map_array(uint32_t value_size_bytes)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "t_rev", 4, value_size_bytes, SVC_REV_SLOTS,
				&opts);
	void *memory;

	cr_assert_geq(fd, 0, "bpf_map_create: %s", strerror(errno));
	memory = mmap(NULL, (size_t)value_size_bytes * SVC_REV_SLOTS, PROT_READ | PROT_WRITE,
		      MAP_SHARED, fd, 0);
	cr_assert_neq(memory, MAP_FAILED);
	close(fd);
	return memory;
}

/* An sk_storage map needs BTF: int keys, and here 64 bytes as value. */
static int make_storage(void)
{
	struct btf *btf = btf__new_empty();
	int int_id = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	int byte_id = btf__add_int(btf, "unsigned char", 1, 0);
	int value_id = btf__add_array(btf, int_id, byte_id, sizeof(struct svc_rev));
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int fd;

	cr_assert_eq(btf__load_into_kernel(btf), 0);
	opts.btf_fd = (uint32_t)btf__fd(btf);
	opts.btf_key_type_id = (uint32_t)int_id;
	opts.btf_value_type_id = (uint32_t)value_id;
	fd = bpf_map_create(BPF_MAP_TYPE_SK_STORAGE, "t_storage", 4, sizeof(struct svc_rev), 0,
			    &opts);
	cr_assert_geq(fd, 0, "sk_storage: %s", strerror(errno));
	btf__free(btf);
	return fd;
}

static struct svc_rev rev_to(const char *backend)
{
	struct svc_rev rev = {.backend_port = be16_from_host(PORT),
			      .protocol = IPPROTO_UDP,
			      .family = SVC_FAMILY_IPV4,
			      .service_id = SERVICE_ID};
	void *backend_bytes = rev.backend;
	struct addr addr;

	cr_assert_eq(addr_parse(backend, &addr), 0);
	addr_to_mapped(&addr, backend_bytes);
	return rev;
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len_bytes = sizeof(cookie);

	cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len_bytes), 0);
	return cookie;
}

/* As the program does when the socket connects. */
static void claim_slot(int fd, const char *backend)
{
	uint64_t cookie = cookie_of(fd);

	slots[cookie % SVC_REV_SLOTS] = rev_to(backend);
	owners[cookie % SVC_REV_SLOTS] = cookie;
}

/* As the program does when the slot is another socket's; it has asked for the cookie before. */
static void store(int fd, const struct svc_rev *rev)
{
	cr_assert_neq(cookie_of(fd), 0);
	cr_assert_eq(bpf_map_update_elem(maps.rev_storage_fd, &fd, rev, BPF_NOEXIST), 0);
}

/* ------------------------------------------------------------------ sockets and namespaces */

static void set_up_loopback(void)
{
	cr_assert_eq(system("ip link set lo up && ip addr add 2001:db8::7/128 dev lo nodad"), 0);
}

static void setup(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		cr_skip_test("needs root: unshare: %s", strerror(errno));
	if (!stale_udp_is_supported())
		cr_skip_test("this kernel cannot destroy UDP sockets");
	set_up_loopback();
	owners = map_array(sizeof(*owners));
	slots = map_array(sizeof(*slots));
	maps = (struct stale_udp_maps){
		.rev_owners = owners, .rev_slots = slots, .rev_storage_fd = -1};
}

TestSuite(stale_udp, .init = setup);

/* @peer: IPv4, IPv6 or mapped; an IPv6 socket for the last two. */
static int connect_udp(const char *peer)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	bool is_v6 = inet_pton(AF_INET6, peer, &v6.sin6_addr) == 1;
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r;

	cr_assert(is_v6 || inet_pton(AF_INET, peer, &v4.sin_addr) == 1);
	r = is_v6 ? connect(fd, (const struct sockaddr *)&v6, sizeof(v6))
		  : connect(fd, (const struct sockaddr *)&v4, sizeof(v4));
	cr_assert_eq(r, 0, "connect %s: %s", peer, strerror(errno));
	return fd;
}

/* Run @command in a namespace of its own, kept by a child process; leaves this process there. */
static pid_t enter_new_namespace(void)
{
	pid_t pid;

	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	set_up_loopback();
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	return pid;
}

static int open_own_namespace(void)
{
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool is_destroyed(int fd)
{
	char byte;

	cr_assert_lt(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	return errno == ECONNABORTED;
}

static struct stale_udp_result sweep(const char *serving)
{
	struct backend backends[1] = {{.port = PORT}};
	struct stale_udp_service service = {.service_id = SERVICE_ID};
	struct stale_udp_result result;

	if (serving) {
		cr_assert_eq(addr_parse(serving, &backends[0].addr), 0);
		service.serving = (struct backend_list){backends, 1};
	}
	cr_assert_eq(stale_udp_sweep(&maps, &service, 1, &result), 0);
	cr_assert_eq(result.n_failed, 0, "%s", strerror(-result.last_error));
	return result;
}

/* ------------------------------------------------------------------ facts */

Test(stale_udp, every_kind_of_peer)
{
	static const struct {
		const char *peer;
		const char *backend;
		const char *other;
	} cases[] = {
		{"127.1.1.1", "127.1.1.1", "127.1.1.2"},
		{"::ffff:127.1.1.1", "127.1.1.1", "127.1.1.2"},
		{"2001:db8::7", "2001:db8::7", "2001:db8::8"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd = connect_udp(cases[i].peer);

		claim_slot(fd, cases[i].backend);
		cr_expect_eq(sweep(cases[i].backend).n_destroyed, 0);
		cr_expect_not(is_destroyed(fd), "%s serves, but was destroyed", cases[i].peer);
		cr_expect_eq(sweep(cases[i].other).n_destroyed, 1);
		cr_expect(is_destroyed(fd), "%s was not destroyed", cases[i].peer);
		close(fd);
		owners[0] = 0;
	}
}

Test(stale_udp, in_another_namespace)
{
	int own = open_own_namespace();
	int near = connect_udp("127.1.1.1");
	pid_t child = enter_new_namespace();
	int far = connect_udp("127.1.1.1");
	int direct = connect_udp("127.1.1.1");
	struct stale_udp_result result;

	cr_assert_eq(setns(own, CLONE_NEWNET), 0);
	claim_slot(near, "127.1.1.1");
	claim_slot(far, "127.1.1.1");
	result = sweep("127.1.1.2");
	cr_expect_eq(result.n_destroyed, 2);
	cr_expect_geq(result.n_namespaces, 2);
	cr_expect_not(result.is_own_only);
	cr_expect(is_destroyed(near));
	cr_expect(is_destroyed(far));
	cr_expect_not(is_destroyed(direct), "it dialled the pod itself");
	end_child(child);
}

Test(stale_udp, thread_is_back_in_its_namespace)
{
	int own = open_own_namespace();
	pid_t child = enter_new_namespace();
	int gone = connect_udp("127.1.1.1");
	char before[64] = "";
	char after[64] = "";

	cr_assert_eq(setns(own, CLONE_NEWNET), 0);
	claim_slot(gone, "127.1.1.1");
	cr_assert_gt(readlink("/proc/thread-self/ns/net", before, sizeof(before) - 1), 0);
	cr_assert_eq(sweep("127.1.1.2").n_destroyed, 1);
	cr_assert_gt(readlink("/proc/thread-self/ns/net", after, sizeof(after) - 1), 0);
	cr_expect_str_eq(before, after);
	end_child(child);
}

Test(stale_udp, overflow_in_sk_storage)
{
	int own = open_own_namespace();
	int near = connect_udp("127.1.1.1");
	int kept = connect_udp("127.1.1.1");
	pid_t child = enter_new_namespace();
	int far = connect_udp("::ffff:127.1.1.1");
	struct svc_rev rev = rev_to("127.1.1.1");
	struct svc_rev other = rev_to("127.1.1.1");

	cr_assert_eq(setns(own, CLONE_NEWNET), 0);
	other.service_id++;
	maps.rev_storage_fd = make_storage();
	maps.has_overflow = true;
	store(near, &rev);
	store(far, &rev);
	store(kept, &other);
	cr_expect_eq(sweep("127.1.1.2").n_destroyed, 2);
	cr_expect(is_destroyed(near));
	cr_expect(is_destroyed(far));
	cr_expect_not(is_destroyed(kept), "it belongs to another service port");
	end_child(child);
}

Test(stale_udp, only_storage_on_kernels_without_slots)
{
	int fd = connect_udp("127.1.1.1");
	struct svc_rev rev = rev_to("127.1.1.1");

	maps = (struct stale_udp_maps){.rev_storage_fd = make_storage(), .has_overflow = true};
	store(fd, &rev);
	cr_expect_eq(sweep("127.1.1.2").n_destroyed, 1);
	cr_expect(is_destroyed(fd));
}

Test(stale_udp, service_without_serving_backends_is_left_alone)
{
	int fd = connect_udp("127.1.1.1");

	claim_slot(fd, "127.1.1.1");
	cr_expect_eq(sweep(NULL).n_destroyed, 0);
	cr_expect_not(is_destroyed(fd));
}

Test(stale_udp, other_services_and_protocols_are_left_alone)
{
	int fds[2] = {connect_udp("127.1.1.1"), connect_udp("127.1.1.1")};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		claim_slot(fds[i], "127.1.1.1");
	slots[cookie_of(fds[0]) % SVC_REV_SLOTS].service_id = SERVICE_ID + 1;
	slots[cookie_of(fds[1]) % SVC_REV_SLOTS].protocol = IPPROTO_TCP;
	cr_expect_eq(sweep("127.1.1.2").n_destroyed, 0);
	cr_expect_not(is_destroyed(fds[0]));
	cr_expect_not(is_destroyed(fds[1]));
}

Test(stale_udp, socket_that_went_elsewhere_is_left_alone)
{
	int fd = connect_udp("127.1.1.9");

	claim_slot(fd, "127.1.1.1");
	cr_expect_eq(sweep("127.1.1.2").n_destroyed, 0);
	cr_expect_not(is_destroyed(fd));
}

Test(stale_udp, nothing_stale_looks_nowhere)
{
	int fd = connect_udp("127.1.1.1");

	claim_slot(fd, "127.1.1.1");
	cr_expect_eq(sweep("127.1.1.1").n_namespaces, 0);
}

static void drop_sys_admin(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	cr_assert_eq(syscall(SYS_capget, &header, data), 0);
	data[0].effective &= ~(1u << CAP_SYS_ADMIN);
	cr_assert_eq(syscall(SYS_capset, &header, data), 0);
}

Test(stale_udp, without_cap_sys_admin_own_namespace_only)
{
	int own = open_own_namespace();
	int near = connect_udp("127.1.1.1");
	pid_t child = enter_new_namespace();
	int far = connect_udp("127.1.1.1");
	struct stale_udp_result result;

	cr_assert_eq(setns(own, CLONE_NEWNET), 0);
	claim_slot(near, "127.1.1.1");
	claim_slot(far, "127.1.1.1");
	drop_sys_admin();
	result = sweep("127.1.1.2");
	cr_expect(result.is_own_only);
	cr_expect_eq(result.n_namespaces, 1);
	cr_expect_eq(result.n_destroyed, 1);
	cr_expect(is_destroyed(near));
	cr_expect_not(is_destroyed(far));
	end_child(child);
}
