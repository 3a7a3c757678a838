/* SPDX-License-Identifier: Apache-2.0 */
/* The XDP program on real devices, in a network namespace of the test's own. */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <unistd.h>

#include "datapath/attach_xdp.h"
#include "datapath/pin.h"
#include "fixture.h"
#include "util/cleanup.h"

static uint32_t ifindex;
static struct datapath_error error;

static void run(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

static void setup(void)
{
	mount_bpffs();
	if (unshare(CLONE_NEWNET))
		cr_skip_test("needs root: unshare: %s", strerror(errno));
	run("ip link add v0 type veth peer name v1 && ip link set v0 up");
	ifindex = if_nametoindex("v0");
	cr_assert_eq(pin_make_dirs(PIN_DIR, &error), 0, "%s", error.text);
}

TestSuite(attach_xdp, .init = setup, .timeout = 60);

static struct attach_xdp_program load(void)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct bpf_prog_info info = {};
	uint32_t len_bytes = sizeof(info);
	struct attach_xdp_program program = {
		.fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "svc_test", "Dual BSD/GPL", insns,
				    ARRAY_SIZE(insns), NULL),
	};

	cr_assert_geq(program.fd, 0);
	cr_assert_eq(bpf_obj_get_info_by_fd(program.fd, &info, &len_bytes), 0);
	program.id = info.id;
	return program;
}

static void attach(const struct attach_xdp_program *program, enum datapath_xdp mode)
{
	cr_assert_eq(attach_xdp(PIN_DIR, ifindex, program, mode, &error), 0, "%s", error.text);
}

static void expect(enum datapath_xdp mode, uint32_t program_id)
{
	uint32_t id;

	cr_expect_eq(attach_xdp_read(PIN_DIR, ifindex, &id), mode);
	cr_expect_eq(id, program_id);
}

/* The id of the link that is pinned. */
static uint32_t link_id(void)
{
	char path[PIN_PATH_BYTES + 64], links_dir[PIN_PATH_BYTES];
	struct bpf_link_info info = {};
	uint32_t len_bytes = sizeof(info);
	_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/xdp-%u", pin_links_dir(PIN_DIR, links_dir), ifindex);
	fd = bpf_obj_get(path);
	cr_assert_eq(bpf_obj_get_info_by_fd(fd, &info, &len_bytes), 0);
	return info.id;
}

Test(attach_xdp, a_program_is_replaced_in_place)
{
	const struct attach_xdp_program old = load(), new = load();
	uint32_t id;

	expect(DATAPATH_XDP_OFF, 0);
	attach(&old, DATAPATH_XDP_NATIVE);
	expect(DATAPATH_XDP_NATIVE, old.id);
	id = link_id();
	attach(&old, DATAPATH_XDP_NATIVE);
	attach(&new, DATAPATH_XDP_NATIVE);
	expect(DATAPATH_XDP_NATIVE, new.id);
	cr_expect_eq(link_id(), id);
	cr_assert_eq(attach_xdp_detach(PIN_DIR, ifindex, &error), 0);
	expect(DATAPATH_XDP_OFF, 0);
	cr_assert_eq(attach_xdp_detach(PIN_DIR, ifindex, &error), 0, "twice is fine");
	run("! ip -d link show v0 | grep -q xdp");
}

Test(attach_xdp, the_mode_can_change)
{
	const struct attach_xdp_program program = load();

	attach(&program, DATAPATH_XDP_NATIVE);
	attach(&program, DATAPATH_XDP_GENERIC);
	expect(DATAPATH_XDP_GENERIC, program.id);
	attach(&program, DATAPATH_XDP_NATIVE);
	expect(DATAPATH_XDP_NATIVE, program.id);
}

Test(attach_xdp, a_program_of_others_stays)
{
	const struct attach_xdp_program ours = load(), theirs = load();
	_close_ int link = bpf_link_create(theirs.fd, (int)ifindex, BPF_XDP, NULL);

	cr_assert_geq(link, 0);
	cr_expect_eq(attach_xdp(PIN_DIR, ifindex, &ours, DATAPATH_XDP_NATIVE, &error), -EBUSY);
	cr_expect(strstr(error.text, "another XDP program"), "%s", error.text);
	cr_expect_eq(attach_xdp(PIN_DIR, ifindex, &ours, DATAPATH_XDP_GENERIC, &error), -EBUSY);
	expect(DATAPATH_XDP_OFF, 0);
	cr_assert_eq(attach_xdp_remove(PIN_DIR, &error), 0);
	run("ip -d link show v0 | grep -q xdp");
}

Test(attach_xdp, devices_that_cannot_or_are_not_there)
{
	const struct attach_xdp_program program = load();

	run("ip link add br0 type bridge");
	ifindex = if_nametoindex("br0");
	cr_expect_eq(attach_xdp(PIN_DIR, ifindex, &program, DATAPATH_XDP_NATIVE, &error),
		     -EOPNOTSUPP);
	attach(&program, DATAPATH_XDP_GENERIC);
	cr_expect_eq(attach_xdp(PIN_DIR, 99999, &program, DATAPATH_XDP_NATIVE, &error), -ENODEV,
		     "%s", error.text);
}

Test(attach_xdp, a_device_that_goes_is_forgotten)
{
	const struct attach_xdp_program program = load();

	attach(&program, DATAPATH_XDP_NATIVE);
	run("ip link del v0");
	expect(DATAPATH_XDP_OFF, 0);
	cr_assert_eq(attach_xdp_remove(PIN_DIR, &error), 0);
	cr_expect_neq(access(PIN_DIR "/links/xdp-2", F_OK), 0);
}

Test(attach_xdp, names_of_records)
{
	uint32_t number = 0;

	cr_expect(attach_xdp_is_record("xdp-12", &number));
	cr_expect_eq(number, 12);
	cr_expect_not(attach_xdp_is_record("xdp-", NULL));
	cr_expect_not(attach_xdp_is_record("xdp-12x", NULL));
	cr_expect_not(attach_xdp_is_record("ingress-12", NULL));
}
