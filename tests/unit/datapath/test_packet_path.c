/* SPDX-License-Identifier: Apache-2.0 */
/* All devices get their programs, in steps: uplinks first, nobody waits for the others. */
#include <net/if.h>

#include "datapath/attach_tc.h"
#include "datapath/packet_config.h"
#include "datapath/packet_path.h"
#include "datapath/tcx.h"
#include "fixture.h"
#include "util/cleanup.h"

#define N_PODS	  4
#define N_DEVICES (N_PODS + 1)
#define NO_DEVICE 9999

/* The kernel gives a device a number when it is made: the uplink has the last one. */
#define UPLINK N_PODS

static struct datapath *datapath;
static struct device devices[N_DEVICES];

static void run(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

static void make_devices(void)
{
	if (unshare(CLONE_NEWNET))
		cr_skip_test("needs root: unshare: %s", strerror(errno));
	for (uint32_t i = 0; i < N_DEVICES; i++) {
		struct device *device = &devices[i];
		char command[96];

		*device = (struct device){.is_up = true};
		snprintf(device->name, sizeof(device->name), "v%u", i);
		snprintf(command, sizeof(command),
			 "ip link add v%u type veth peer name w%u && ip link set v%u up", i, i, i);
		run(command);
		device->ifindex = if_nametoindex(device->name);
		device->value.flags = i == UPLINK ? SVC_DEVICE_F_UPLINK : 0;
	}
}

static void open_path(void)
{
	static struct svc_packet_config config;
	const struct datapath_options options = {
		.pin_dir = PIN_DIR,
		.max_services = 16,
		.max_backends = 16,
		.max_flows = 1024,
		.node = "n1",
		.version = "test",
	};
	struct datapath_error error = {};
	struct packet_path_options packet = {
		.pin_dir = PIN_DIR,
		.config = &config,
		.is_clsact = !tcx_is_supported(),
	};
	int r = datapath_open_unloaded(&options, &datapath, &error);

	cr_assert_eq(r, 0, "open: %s", error.text);
	packet.maps = &datapath->maps;
	packet_config_complete(&config);
	r = packet_path_open(&packet, &datapath->packet_path, &error);
	cr_assert_eq(r, 0, "load: %s", error.text);
}

static void setup(void)
{
	mount_bpffs();
	make_devices();
	open_path();
}

static void teardown(void)
{
	struct datapath_error error = {};

	datapath_close(datapath);
	cr_expect_eq(datapath_cleanup(PIN_DIR, &error), 0, "%s", error.text);
}

TestSuite(packet_path, .init = setup, .fini = teardown, .timeout = 120);

static bool has_programs(size_t i)
{
	int n = 0;

	for (int side = 0; side < ATTACH_TC_N_SIDES; side++) {
		const struct attach_tc_place place = {PIN_DIR, devices[i].ifindex,
						      (enum attach_tc_side)side};
		uint32_t program_id;

		n += attach_tc_read(&place, &program_id) != DATAPATH_HOOK_NONE;
	}
	return n == ATTACH_TC_N_SIDES;
}

static size_t n_with_programs(void)
{
	size_t n = 0;

	for (size_t i = 0; i < N_DEVICES; i++)
		n += has_programs(i);
	return n;
}

/* Return: steps it took. */
static size_t finish(int r)
{
	size_t n = 1;

	for (; r == 1 && n < 100; n++)
		r = datapath_set_more_devices(datapath, 0);
	cr_assert_eq(r, 0);
	return n;
}

static void count(void *arg, const char *subject, const char *text)
{
	(void)subject;
	(void)text;
	++*(int *)arg;
}

static int n_problems(void)
{
	int n = 0;

	packet_path_for_each_problem(datapath->packet_path, count, &n);
	return n;
}

Test(packet_path, uplinks_are_served_at_once_the_others_in_steps)
{
	int r = datapath_set_devices(datapath, devices, N_DEVICES, 0);

	cr_assert_eq(r, 1);
	cr_expect(has_programs(UPLINK));
	cr_expect_leq(n_with_programs(), 2u); /* and the one that is always done */
	cr_expect_eq(datapath_n_devices(datapath), n_with_programs());
	cr_expect_gt(finish(r), 2u);
	cr_expect_eq(n_with_programs(), (size_t)N_DEVICES);
	cr_expect_eq(datapath_n_devices(datapath), (size_t)N_DEVICES);
}

Test(packet_path, with_time_enough_all_at_once)
{
	cr_expect_eq(datapath_set_devices(datapath, devices, N_DEVICES, 60000), 0);
	cr_expect_eq(n_with_programs(), (size_t)N_DEVICES);
	cr_expect_eq(datapath_set_more_devices(datapath, 0), 0);
}

Test(packet_path, what_is_not_meant_any_more_is_dropped_in_steps)
{
	finish(datapath_set_devices(datapath, devices, N_DEVICES, 60000));
	finish(datapath_set_devices(datapath, &devices[UPLINK], 1, 0));
	cr_expect_eq(n_with_programs(), 1u);
	cr_expect(has_programs(UPLINK));
	cr_expect_eq(datapath_n_devices(datapath), 1u);
}

/* The list changes while it is worked on. */
Test(packet_path, a_new_list_begins_anew)
{
	cr_assert_eq(datapath_set_devices(datapath, devices, N_DEVICES, 0), 1);
	finish(datapath_set_devices(datapath, &devices[1], N_DEVICES - 1, 0));
	cr_expect_not(has_programs(0));
	cr_expect_eq(n_with_programs(), (size_t)N_DEVICES - 1);
}

/* The last whole pass counts: a problem does not come and go while devices are worked on. */
Test(packet_path, problems_are_told_when_all_is_done)
{
	struct device some[2] = {devices[0], {.name = "nosuch"}};

	finish(datapath_set_devices(datapath, some, 2, 60000));
	cr_expect_eq(n_problems(), 1);
	cr_assert_eq(datapath_set_devices(datapath, some, 2, 0), 1);
	cr_expect_eq(n_problems(), 1);
	finish(datapath_set_devices(datapath, devices, 1, 0));
	cr_expect_eq(n_problems(), 0);
}

/* Gone between the look at the devices and the turn it has. */
Test(packet_path, a_device_that_is_gone_is_no_problem)
{
	devices[1].ifindex = NO_DEVICE;
	finish(datapath_set_devices(datapath, devices, N_DEVICES, 0));
	cr_expect_eq(n_problems(), 0);
	cr_expect_eq(datapath_n_devices(datapath), (size_t)N_DEVICES - 1);
}
