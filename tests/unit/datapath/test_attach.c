/* SPDX-License-Identifier: Apache-2.0 */
/* The real programs: loaded, attached to a cgroup of the test's own, updated, moved, removed. */
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "svcbpf/counters.h"
#include "util/cleanup.h"

static char cgroup[256], parent[200];

static bool find_cgroup2(char ret[128])
{
	_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[1024];

	while (file && fgets(line, sizeof(line), file)) {
		if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s / %127s", ret) == 1)
			return true;
	}
	return false;
}

static void setup(void)
{
	char mount_point[128];

	mount_bpffs();
	if (unshare(CLONE_NEWNET))
		cr_skip_test("needs root: unshare: %s", strerror(errno));
	cr_assert_eq(system("ip link set lo up"), 0);
	if (!find_cgroup2(mount_point))
		cr_skip_test("no cgroup v2 is mounted");
	snprintf(parent, sizeof(parent), "%s/svcbpf-t%d-attach", mount_point, (int)getpid());
	snprintf(cgroup, sizeof(cgroup), "%s/inner", parent);
	if (mkdir(parent, 0755) || mkdir(cgroup, 0755))
		cr_skip_test("cannot make %s: %s", cgroup, strerror(errno));
}

static void teardown(void)
{
	rmdir(cgroup);
	rmdir(parent);
}

TestSuite(attach, .init = setup, .fini = teardown, .timeout = 60);

static struct datapath *open_loaded(const char *cgroup_path)
{
	const struct datapath_options options = {
		.pin_dir = PIN_DIR,
		.cgroup = cgroup_path,
		.max_services = 64,
		.max_backends = 256,
		.node = "n1",
		.version = "test",
	};
	struct datapath *datapath = NULL;
	struct datapath_error error = {};
	int r = datapath_open(&options, &datapath, &error);

	cr_assert_eq(r, 0, "open: %s", error.text);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	return datapath;
}

static void attach(struct datapath *datapath)
{
	struct datapath_error error = {};

	cr_assert_eq(datapath_attach(datapath, &error), 0, "%s", error.text);
}

/** struct links - what datapath_read_links() tells. */
struct links {
	int n;
	uint64_t cgroup_id;
	uint32_t connect4_id;
};

static void note_link(void *arg, const struct datapath_link *link)
{
	struct links *links = arg;

	links->n++;
	links->cgroup_id = link->cgroup_id;
	if (!strcmp(link->name, "connect4"))
		links->connect4_id = link->program_id;
}

static struct links read_links(void)
{
	struct links links = {};

	cr_assert_eq(datapath_read_links(PIN_DIR, note_link, &links), 0);
	return links;
}

static uint32_t count_attached(const char *path, enum bpf_attach_type type)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint32_t n = 0;

	cr_assert_geq(fd, 0);
	cr_assert_eq(bpf_prog_query(fd, type, 0, NULL, NULL, &n), 0);
	close(fd);
	return n;
}

Test(attach, programs_load_attach_and_translate)
{
	struct datapath *datapath = open_loaded(cgroup);
	struct datapath_counter counters[SVC_N_COUNTERS];
	struct datapath_reader *reader;
	struct datapath_error error = {};
	struct links links;
	struct state *state;
	size_t n;

	attach(datapath);
	links = read_links();
	cr_assert_eq(links.n, 9);
	cr_assert_neq(links.connect4_id, 0);
	cr_assert_eq(datapath_selftest(datapath, &error), 0, "%s", error.text);
	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, NULL), 0);
	cr_assert_eq(datapath_reader_meta(reader)->selftest_result, 0);
	cr_assert_eq(datapath_reader_meta(reader)->cgroup_id, links.cgroup_id);
	cr_assert_str_eq(datapath_reader_meta(reader)->cgroup_path, cgroup);
	cr_assert_eq(datapath_read_counters(reader, counters), 0);
	cr_assert_gt(counters[SVC_COUNTER_CONNECT].value, 0);
	cr_assert_eq(datapath_read_state(reader, &state), 0);
	state_ports(state, &n);
	cr_assert_eq(n, 0, "the self-test's own service ports are not shown");
	state_free(state);
	datapath_reader_close(reader);
	datapath_close(datapath);
}

Test(attach, a_restart_updates_the_links_in_place)
{
	struct datapath *datapath = open_loaded(cgroup);
	struct links before, after;

	attach(datapath);
	before = read_links();
	datapath_close(datapath);
	cr_assert_eq(count_attached(cgroup, BPF_CGROUP_INET4_CONNECT), 1, "without an agent too");

	datapath = open_loaded(cgroup);
	attach(datapath);
	after = read_links();
	cr_assert_eq(after.n, 9);
	cr_assert_neq(after.connect4_id, before.connect4_id);
	cr_assert_eq(count_attached(cgroup, BPF_CGROUP_INET4_CONNECT), 1);
	datapath_close(datapath);
}

Test(attach, another_cgroup_gets_new_links)
{
	struct datapath *datapath = open_loaded(cgroup);
	struct links before, after;

	attach(datapath);
	before = read_links();
	datapath_close(datapath);
	datapath = open_loaded(parent);
	attach(datapath);
	after = read_links();
	cr_assert_eq(after.n, 9);
	cr_assert_neq(after.cgroup_id, before.cgroup_id);
	cr_assert_eq(count_attached(cgroup, BPF_CGROUP_INET4_CONNECT), 0);
	cr_assert_eq(count_attached(parent, BPF_CGROUP_INET4_CONNECT), 1);
	datapath_close(datapath);
}

Test(attach, a_cgroup_that_is_gone_is_no_obstacle)
{
	struct datapath *datapath = open_loaded(cgroup);

	attach(datapath);
	datapath_close(datapath);
	cr_assert_eq(rmdir(cgroup), 0);
	cr_assert_eq(mkdir(cgroup, 0755), 0);
	datapath = open_loaded(cgroup);
	attach(datapath);
	cr_assert_eq(read_links().n, 9);
	cr_assert_eq(count_attached(cgroup, BPF_CGROUP_INET4_CONNECT), 1);
	datapath_close(datapath);
}

Test(attach, cleanup_detaches_at_once)
{
	struct datapath *datapath = open_loaded(cgroup);
	struct datapath_error error = {};

	attach(datapath);
	datapath_close(datapath);
	cr_assert_eq(datapath_cleanup(PIN_DIR, &error), 0, "%s", error.text);
	cr_assert_eq(count_attached(cgroup, BPF_CGROUP_INET4_CONNECT), 0);
	cr_assert_eq(count_attached(cgroup, BPF_CGROUP_INET_SOCK_RELEASE), 0);
	cr_assert_neq(access(PIN_DIR, F_OK), 0);
}

/* Someone else's program that allows no other, on the folder above. */
static int attach_exclusive(void)
{
	static const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET6_CONNECT);
	_close_ int program = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "foreign", "GPL", pass,
					    ARRAY_SIZE(pass), &opts);
	_close_ int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (program < 0 || fd < 0)
		return -1;
	return bpf_prog_attach(program, fd, BPF_CGROUP_INET6_CONNECT, 0);
}

Test(attach, a_foreign_exclusive_program_is_named_and_nothing_changes)
{
	struct datapath_error error = {};
	struct datapath *datapath;

	cr_assert_eq(attach_exclusive(), 0);
	datapath = open_loaded(cgroup);
	cr_assert_eq(datapath_attach(datapath, &error), -EPERM);
	cr_assert(strstr(error.text, "connect6") && strstr(error.text, "bpftool cgroup"), "%s",
		  error.text);
	cr_assert_eq(count_attached(cgroup, BPF_CGROUP_INET4_CONNECT), 0, "none stays half-way");
	cr_assert_eq(read_links().n, 0);
	datapath_close(datapath);
}

Test(attach, what_is_no_cgroup_v2_is_named)
{
	struct datapath_error error = {};
	struct datapath *datapath;

	datapath = open_loaded("/proc");
	cr_assert_eq(datapath_attach(datapath, &error), -ENOTSUP);
	cr_assert(strstr(error.text, "/proc is not a cgroup v2 folder"), "%s", error.text);
	datapath_close(datapath);
	datapath = open_loaded("/nonexistent");
	cr_assert_eq(datapath_attach(datapath, &error), -ENOENT);
	cr_assert(strstr(error.text, "/nonexistent"), "%s", error.text);
	datapath_close(datapath);
}
