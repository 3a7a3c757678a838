/* SPDX-License-Identifier: Apache-2.0 */
/* Programs on real devices, by TCX and by clsact, in a network namespace of the test's own. */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <unistd.h>

#include "datapath/attach_tc.h"
#include "datapath/clsact.h"
#include "datapath/pin.h"
#include "datapath/tcx.h"
#include "fixture.h"
#include "util/cleanup.h"

#define OTHER_PIN_DIR "/sys/fs/bpf/svcbpf-other"

static uint32_t ifindex;

static void run(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

static void setup(void)
{
	struct datapath_error error = {};

	mount_bpffs();
	if (unshare(CLONE_NEWNET))
		cr_skip_test("needs root: unshare: %s", strerror(errno));
	run("ip link add v0 type veth peer name v1 && ip link set v0 up");
	ifindex = if_nametoindex("v0");
	cr_assert_eq(pin_make_dirs(PIN_DIR, &error), 0, "%s", error.text);
	cr_assert_eq(pin_make_dirs(OTHER_PIN_DIR, &error), 0, "%s", error.text);
}

TestSuite(attach_tc, .init = setup, .timeout = 60);

/* return -1 */
static struct attach_tc_program load(void)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct bpf_prog_info info = {};
	uint32_t len_bytes = sizeof(info);
	struct attach_tc_program program = {
		.fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "svc_test", "Dual BSD/GPL", insns,
				    ARRAY_SIZE(insns), NULL),
	};

	cr_assert_geq(program.fd, 0);
	cr_assert_eq(bpf_obj_get_info_by_fd(program.fd, &info, &len_bytes), 0);
	program.id = info.id;
	return program;
}

static void attach_both(const char *pin_dir, const struct attach_tc_program *program,
			bool is_clsact)
{
	for (int side = 0; side < ATTACH_TC_N_SIDES; side++) {
		const struct attach_tc_place place = {pin_dir, ifindex, (enum attach_tc_side)side};
		struct datapath_error error = {};

		cr_assert_eq(attach_tc(&place, program, is_clsact, &error), 0, "%s", error.text);
	}
}

static void expect_both(const char *pin_dir, enum datapath_hook hook, uint32_t program_id)
{
	for (int side = 0; side < ATTACH_TC_N_SIDES; side++) {
		const struct attach_tc_place place = {pin_dir, ifindex, (enum attach_tc_side)side};
		uint32_t id = 77;

		cr_expect_eq(attach_tc_read(&place, &id), hook, "side %d", side);
		cr_expect_eq(id, program_id, "side %d: %u", side, id);
	}
}

static void detach(const char *pin_dir)
{
	struct datapath_error error = {};

	cr_expect_eq(attach_tc_detach(pin_dir, ifindex, &error), 0, "%s", error.text);
}

static int count_record(void *arg, const char *path, const char *name)
{
	(void)path;
	(void)name;
	++*(int *)arg;
	return 0;
}

static int n_records(const char *pin_dir)
{
	char links_dir[PIN_PATH_BYTES];
	int n = 0;

	cr_assert_eq(pin_for_each(pin_links_dir(pin_dir, links_dir), count_record, &n), 0);
	return n;
}

/* What a command of iproute2 says of v0, in lines that have @word. */
static int n_lines(const char *command, const char *word)
{
	FILE *pipe = popen(command, "re");
	char line[1024];
	int n = 0;

	cr_assert(pipe);
	while (fgets(line, sizeof(line), pipe))
		n += strstr(line, word) != NULL;
	pclose(pipe);
	return n;
}

static int n_filters(void)
{
	return n_lines("tc filter show dev v0 ingress; tc filter show dev v0 egress", "svc_test");
}

static int n_qdiscs(void)
{
	return n_lines("tc qdisc show dev v0", "clsact");
}

static uint32_t link_id(enum attach_tc_side side)
{
	char path[64];
	struct tcx_link link;
	int fd;

	snprintf(path, sizeof(path), PIN_DIR "/links/%s-%u",
		 side == ATTACH_TC_INGRESS ? "ingress" : "egress", ifindex);
	fd = bpf_obj_get(path);
	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(tcx_read(fd, &link), 0);
	close(fd);
	return link.id;
}

static void need_tcx(void)
{
	if (!tcx_is_supported())
		cr_skip_test("needs TCX links (Linux 6.6)");
}

Test(attach_tc, tcx_links_are_updated_in_place)
{
	struct attach_tc_program old = load(), new = load();
	uint32_t id;

	need_tcx();
	expect_both(PIN_DIR, DATAPATH_HOOK_NONE, 0);
	attach_both(PIN_DIR, &old, false);
	expect_both(PIN_DIR, DATAPATH_HOOK_TCX, old.id);
	id = link_id(ATTACH_TC_INGRESS);
	attach_both(PIN_DIR, &old, false);
	attach_both(PIN_DIR, &new, false);
	expect_both(PIN_DIR, DATAPATH_HOOK_TCX, new.id);
	cr_expect_eq(link_id(ATTACH_TC_INGRESS), id, "another link");
	cr_expect_eq(n_records(PIN_DIR), 2);
	cr_expect_eq(n_qdiscs(), 0);
	detach(PIN_DIR);
	expect_both(PIN_DIR, DATAPATH_HOOK_NONE, 0);
	cr_expect_eq(n_records(PIN_DIR), 0);
}

Test(attach_tc, clsact_filters_are_replaced_and_leave_nothing)
{
	struct attach_tc_program old = load(), new = load();

	attach_both(PIN_DIR, &old, true);
	expect_both(PIN_DIR, DATAPATH_HOOK_CLSACT, old.id);
	attach_both(PIN_DIR, &new, true);
	expect_both(PIN_DIR, DATAPATH_HOOK_CLSACT, new.id);
	cr_expect_eq(n_filters(), 2);
	cr_expect_eq(n_records(PIN_DIR), 3);
	detach(PIN_DIR);
	expect_both(PIN_DIR, DATAPATH_HOOK_NONE, 0);
	cr_expect_eq(n_filters(), 0);
	cr_expect_eq(n_qdiscs(), 0);
	cr_expect_eq(n_records(PIN_DIR), 0);
}

Test(attach_tc, a_qdisc_of_others_stays)
{
	struct attach_tc_program program = load();

	run("tc qdisc add dev v0 clsact");
	attach_both(PIN_DIR, &program, true);
	cr_expect_eq(n_records(PIN_DIR), 2);
	detach(PIN_DIR);
	cr_expect_eq(n_qdiscs(), 1);
	cr_expect_eq(n_filters(), 0);
}

Test(attach_tc, a_qdisc_that_others_use_stays)
{
	struct attach_tc_program program = load(), other = load();
	const struct clsact_filter filter = {.ifindex = ifindex, .handle = 1, .priority = 5};
	struct datapath_error error = {};

	attach_both(PIN_DIR, &program, true);
	cr_assert_eq(clsact_attach(&filter, other.fd, &error), 0, "%s", error.text);
	cr_expect_not(clsact_is_unused(ifindex));
	detach(PIN_DIR);
	cr_expect_eq(n_qdiscs(), 1);
	cr_expect_eq(clsact_read(&filter), other.id);
	cr_expect_eq(n_filters(), 1);
	cr_expect_eq(n_records(PIN_DIR), 0);
}

static void check_two_agents(bool is_clsact)
{
	struct attach_tc_program one = load(), two = load();

	attach_both(PIN_DIR, &one, is_clsact);
	attach_both(OTHER_PIN_DIR, &two, is_clsact);
	expect_both(PIN_DIR, is_clsact ? DATAPATH_HOOK_CLSACT : DATAPATH_HOOK_TCX, one.id);
	expect_both(OTHER_PIN_DIR, is_clsact ? DATAPATH_HOOK_CLSACT : DATAPATH_HOOK_TCX, two.id);
	detach(PIN_DIR);
	expect_both(PIN_DIR, DATAPATH_HOOK_NONE, 0);
	expect_both(OTHER_PIN_DIR, is_clsact ? DATAPATH_HOOK_CLSACT : DATAPATH_HOOK_TCX, two.id);
	detach(OTHER_PIN_DIR);
	expect_both(OTHER_PIN_DIR, DATAPATH_HOOK_NONE, 0);
}

Test(attach_tc, two_agents_with_clsact)
{
	check_two_agents(true);
}

Test(attach_tc, two_agents_with_tcx)
{
	need_tcx();
	check_two_agents(false);
}

/* Whoever made the qdisc, and whoever leaves first. */
static void check_last_agent(const char *first, const char *last)
{
	struct attach_tc_program one = load(), two = load();

	attach_both(PIN_DIR, &one, true);
	attach_both(OTHER_PIN_DIR, &two, true);
	attach_both(OTHER_PIN_DIR, &two, true);
	attach_both(PIN_DIR, &two, true); /* as after a restart */
	cr_expect_eq(n_filters(), 4);
	cr_expect_eq(n_records(OTHER_PIN_DIR), 3);
	detach(first);
	cr_expect_eq(n_qdiscs(), 1);
	cr_expect_eq(n_filters(), 2);
	detach(last);
	cr_expect_eq(n_qdiscs(), 0);
	cr_expect_eq(n_records(PIN_DIR) + n_records(OTHER_PIN_DIR), 0);
}

Test(attach_tc, the_last_agent_removes_a_qdisc_that_another_made)
{
	check_last_agent(PIN_DIR, OTHER_PIN_DIR);
}

Test(attach_tc, the_last_agent_removes_a_qdisc_that_it_made)
{
	check_last_agent(OTHER_PIN_DIR, PIN_DIR);
}

Test(attach_tc, two_agents_leave_a_qdisc_of_others)
{
	struct attach_tc_program one = load(), two = load();

	run("tc qdisc add dev v0 clsact");
	attach_both(PIN_DIR, &one, true);
	attach_both(OTHER_PIN_DIR, &two, true);
	cr_expect_eq(n_records(PIN_DIR) + n_records(OTHER_PIN_DIR), 4);
	detach(PIN_DIR);
	detach(OTHER_PIN_DIR);
	cr_expect_eq(n_qdiscs(), 1);
}

/* The qdisc was somebody's, and is an agent's when it comes back. */
Test(attach_tc, a_qdisc_made_anew_is_the_agents)
{
	struct attach_tc_program one = load(), two = load();

	run("tc qdisc add dev v0 clsact");
	attach_both(PIN_DIR, &one, true);
	attach_both(OTHER_PIN_DIR, &two, true);
	run("tc qdisc del dev v0 clsact");
	attach_both(OTHER_PIN_DIR, &two, true);
	attach_both(PIN_DIR, &one, true);
	expect_both(PIN_DIR, DATAPATH_HOOK_CLSACT, one.id);
	expect_both(OTHER_PIN_DIR, DATAPATH_HOOK_CLSACT, two.id);
	detach(OTHER_PIN_DIR);
	cr_expect_eq(n_filters(), 2);
	detach(PIN_DIR);
	cr_expect_eq(n_qdiscs(), 0);
}

Test(attach_tc, one_way_of_attaching_takes_over_from_the_other)
{
	struct attach_tc_program old = load(), new = load();

	need_tcx();
	attach_both(PIN_DIR, &old, true);
	attach_both(PIN_DIR, &new, false);
	expect_both(PIN_DIR, DATAPATH_HOOK_TCX, new.id);
	cr_expect_eq(n_filters(), 0);
	cr_expect_eq(n_qdiscs(), 0);
	attach_both(PIN_DIR, &old, true);
	expect_both(PIN_DIR, DATAPATH_HOOK_CLSACT, old.id);
	cr_expect_eq(n_records(PIN_DIR), 3);
	detach(PIN_DIR);
	cr_expect_eq(n_records(PIN_DIR), 0);
}

/* As an agent finds it that starts after devices have come and gone. */
static void check_gone(bool is_clsact)
{
	struct attach_tc_program program = load();
	struct datapath_error error = {};
	const uint32_t old_ifindex = ifindex;
	char command[128];

	attach_both(PIN_DIR, &program, is_clsact);
	run("ip link del v0");
	expect_both(PIN_DIR, DATAPATH_HOOK_NONE, 0);
	cr_expect_gt(n_records(PIN_DIR), 0);
	snprintf(command, sizeof(command),
		 "ip link add v0 index %u type veth peer name v1 && ip link set v0 up",
		 old_ifindex);
	run(command);
	expect_both(PIN_DIR, DATAPATH_HOOK_NONE, 0);
	attach_both(PIN_DIR, &program, is_clsact);
	expect_both(PIN_DIR, is_clsact ? DATAPATH_HOOK_CLSACT : DATAPATH_HOOK_TCX, program.id);
	run("ip link del v0");
	cr_expect_eq(attach_tc_remove(PIN_DIR, &error), 0, "%s", error.text);
	cr_expect_eq(n_records(PIN_DIR), 0);
}

Test(attach_tc, a_device_that_is_gone_or_made_anew_tcx)
{
	need_tcx();
	check_gone(false);
}

Test(attach_tc, a_device_that_is_gone_or_made_anew_clsact)
{
	check_gone(true);
}

/* The same number in another network namespace is another device. */
Test(attach_tc, a_link_in_another_namespace_is_not_this_devices)
{
	struct attach_tc_program program = load();
	struct datapath_error error = {};
	char command[128];

	need_tcx();
	attach_both(PIN_DIR, &program, false);
	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	snprintf(command, sizeof(command), "ip link add v0 index %u type veth peer name v1",
		 ifindex);
	run(command);
	expect_both(PIN_DIR, DATAPATH_HOOK_NONE, 0);
	cr_expect_eq(attach_tc_remove(PIN_DIR, &error), 0, "%s", error.text);
}

Test(attach_tc, what_others_removed_is_attached_again)
{
	struct attach_tc_program program = load();

	attach_both(PIN_DIR, &program, true);
	run("tc qdisc del dev v0 clsact");
	expect_both(PIN_DIR, DATAPATH_HOOK_NONE, 0);
	attach_both(PIN_DIR, &program, true);
	expect_both(PIN_DIR, DATAPATH_HOOK_CLSACT, program.id);
}

/* Another's filter with our number: its program was never recorded. */
Test(attach_tc, a_filter_that_is_not_ours_is_not_removed)
{
	struct attach_tc_program ours = load(), other = load();
	char command[128];
	struct clsact_filter filter = {
		.ifindex = ifindex, .is_ingress = true, .priority = ATTACH_TC_PRIORITY};
	struct datapath_error error = {};
	char line[64] = "";
	FILE *pipe;

	attach_both(PIN_DIR, &ours, true);
	pipe = popen(
		"tc filter show dev v0 ingress | sed -n 's/.* handle \\(0x[0-9a-f]*\\).*/\\1/p'",
		"re");
	cr_assert(pipe && fgets(line, sizeof(line), pipe));
	pclose(pipe);
	filter.handle = (uint32_t)strtoul(line, NULL, 16);
	cr_assert_eq(clsact_read(&filter), ours.id, "%s", line);
	cr_assert_eq(clsact_attach(&filter, other.fd, &error), 0, "%s", error.text);
	detach(PIN_DIR);
	cr_expect_eq(clsact_read(&filter), other.id);
	snprintf(command, sizeof(command), "tc qdisc del dev v0 clsact");
	run(command);
}

Test(attach_tc, no_such_device)
{
	struct attach_tc_program program = load();
	const struct attach_tc_place place = {PIN_DIR, 4711, ATTACH_TC_INGRESS};

	for (int is_clsact = !tcx_is_supported(); is_clsact < 2; is_clsact++) {
		struct datapath_error error = {};

		cr_expect_eq(attach_tc(&place, &program, is_clsact, &error), -ENODEV, "%s",
			     error.text);
		cr_expect_eq(n_records(PIN_DIR), 0);
	}
}

Test(attach_tc_names, records)
{
	static const struct {
		const char *name;
		uint32_t ifindex; /* 0: none */
	} cases[] = {
		{"ingress-7", 7},	  {"egress-7-new", 7}, {"filter-ingress-12", 12},
		{"filter-egress-12", 12}, {"qdisc-3", 3},      {"connect4", 0},
		{"connect4-new", 0},	  {"ingress-", 0},     {"ingress-x", 0},
		{"ingress-7x", 0},	  {"ingress--7", 0},   {"ingress-99999999999", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t found = 0;

		cr_expect_eq(attach_tc_is_record(cases[i].name, &found), cases[i].ifindex != 0,
			     "%s", cases[i].name);
		cr_expect_eq(found, cases[i].ifindex, "%s", cases[i].name);
	}
}
