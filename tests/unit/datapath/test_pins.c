/* SPDX-License-Identifier: Apache-2.0 */
/* The pin directory: who may use it, and that nothing stays behind. */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datapath/pin.h"
#include "datapath/require.h"
#include "fixture.h"

TestSuite(pins, .init = mount_bpffs);

static const struct datapath_options options = {
	.pin_dir = PIN_DIR,
	.max_services = 16,
	.max_backends = 32,
	.node = "n1",
	.version = "test",
};

Test(pins, two_agents_on_one_pin_dir)
{
	struct datapath *first = open_sized(16, 32), *second;
	struct datapath_error error = {};
	char expected[256];

	cr_assert_eq(datapath_open_unloaded(&options, &second, &error), -EBUSY);
	snprintf(expected, sizeof(expected),
		 "another svcbpf (pid %d) uses " PIN_DIR "; stop it or choose another --pin-dir",
		 (int)getpid());
	cr_assert_str_eq(error.text, expected);
	cr_assert_eq(datapath_cleanup(PIN_DIR, &error), -EBUSY);
	datapath_close(first);
	datapath_close(open_sized(16, 32));
}

Test(pins, asking_who_runs_does_not_take_the_lock)
{
	struct datapath *datapath = open_sized(16, 32);
	struct datapath_reader *reader;

	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, NULL), 0);
	cr_assert(datapath_reader_is_running(reader));
	datapath_close(datapath);
	cr_assert_not(datapath_reader_is_running(reader));
	datapath_close(open_sized(16, 32));
	datapath_reader_close(reader);
}

Test(pins, cleanup_leaves_nothing)
{
	struct datapath_error error = {};
	struct sample sample;
	struct datapath *datapath = open_sized(16, 32);

	sample_simple(&sample, "web", 1, 244, 3);
	datapath_put(datapath, &sample.port);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	datapath_close(datapath);
	cr_assert_eq(mkdir(PIN_DIR "/maps-4711", 0700), 0, "of another ABI");
	cr_assert_eq(datapath_cleanup(PIN_DIR, &error), 0, "%s", error.text);
	cr_assert_neq(access(PIN_DIR, F_OK), 0);
	cr_assert_eq(datapath_cleanup(PIN_DIR, &error), -ENOENT);
}

Test(pins, cleanup_names_what_is_not_ours)
{
	struct datapath_error error = {};

	datapath_close(open_sized(16, 32));
	cr_assert_eq(mkdir(PIN_DIR "/foreign", 0700), 0);
	cr_assert_eq(datapath_cleanup(PIN_DIR, &error), -ENOTEMPTY);
	cr_assert(strstr(error.text, PIN_DIR), "%s", error.text);
	cr_assert_eq(access(PIN_DIR "/foreign", F_OK), 0);
}

Test(pins, another_abi_stands_beside)
{
	struct datapath_reader *reader;
	struct datapath_error error = {};

	cr_assert_eq(mkdir(PIN_DIR, 0700), 0);
	cr_assert_eq(mkdir(PIN_DIR "/maps-4711", 0700), 0);
	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, &error), -EPROTO);
	cr_assert(strstr(error.text, "another version"), "%s", error.text);
	datapath_close(open_sized(16, 32));
	cr_assert_eq(access(PIN_DIR "/maps-4711", F_OK), 0, "goes after the links were updated");
	cr_assert(pin_has_other_abi(PIN_DIR));
	cr_assert_eq(pin_remove_other_abis(PIN_DIR), 0);
	cr_assert_neq(access(PIN_DIR "/maps-4711", F_OK), 0);
	cr_assert_not(pin_has_other_abi(PIN_DIR));
	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, &error), 0);
	datapath_reader_close(reader);
}

Test(pins, no_bpffs_says_the_command)
{
	struct datapath_options elsewhere = options;
	struct datapath_error error = {};
	struct datapath *datapath;

	elsewhere.pin_dir = "/nonexistent-svcbpf/pins";
	cr_assert_eq(datapath_open_unloaded(&elsewhere, &datapath, &error), -ENOTSUP);
	cr_assert(strstr(error.text, "mount -t bpf bpf "), "%s", error.text);
	cr_assert_neq(access("/nonexistent-svcbpf", F_OK), 0, "nothing was made");
	elsewhere.pin_dir = "relative";
	cr_assert_eq(datapath_open_unloaded(&elsewhere, &datapath, &error), -EINVAL);
}

Test(pins, the_default_place_is_mounted)
{
	struct datapath *datapath;

	cr_assert_eq(umount("/sys/fs/bpf"), 0);
	datapath = open_sized(16, 32);
	datapath_close(datapath);
	cr_assert_eq(datapath_cleanup(PIN_DIR, NULL), 0);
}

Test(pins, a_reader_without_pins_says_so)
{
	struct datapath_reader *reader;
	struct datapath_error error = {};

	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, &error), -ENOENT);
	cr_assert(strstr(error.text, "is svcbpf running?"), "%s", error.text);
}

Test(pins, foreign_maps_are_refused)
{
	struct datapath_error error = {};
	struct datapath *datapath;
	char dir[PIN_PATH_BYTES], services[PIN_PATH_BYTES + 16], meta[PIN_PATH_BYTES + 16];

	pin_maps_dir(PIN_DIR, dir);
	snprintf(services, sizeof(services), "%s/services", dir);
	snprintf(meta, sizeof(meta), "%s/meta", dir);
	datapath_close(open_sized(16, 32));
	cr_assert_eq(unlink(services), 0);
	cr_assert_eq(rename(meta, services), 0);
	cr_assert_eq(datapath_open_unloaded(&options, &datapath, &error), -EPROTO);
	cr_assert(strstr(error.text, services), "%s", error.text);
	cr_assert_eq(datapath_cleanup(PIN_DIR, &error), 0);
}

Test(pins, capacities_have_bounds)
{
	struct datapath_options wrong = options;
	struct datapath_error error = {};
	struct datapath *datapath;

	wrong.max_services = 1;
	cr_assert_eq(datapath_open_unloaded(&wrong, &datapath, &error), -EINVAL);
	cr_assert(strstr(error.text, "--max-services"), "%s", error.text);
	wrong = options;
	wrong.max_backends = UINT32_MAX;
	cr_assert_eq(datapath_open_unloaded(&wrong, &datapath, &error), -EINVAL);
	cr_assert(strstr(error.text, "--max-backends"), "%s", error.text);
}

Test(pins, old_kernels_are_named)
{
	struct datapath_error error = {};

	cr_assert_eq(require_kernel("5.9.16-generic", &error), -EOPNOTSUPP);
	cr_assert_str_eq(error.text,
			 "kernel 5.9.16-generic is too old: svcbpf needs Linux 5.10 or newer");
	cr_assert_eq(require_kernel("4.19.0", &error), -EOPNOTSUPP);
	cr_assert_eq(require_kernel("5.10.0-32-amd64", &error), 0);
	cr_assert_eq(require_kernel("6.1.0", &error), 0);
	cr_assert_eq(require_kernel("10.0", &error), 0);
}

Test(pins, missing_capabilities_are_named)
{
	struct datapath_error error = {};
	struct datapath *datapath;

	cr_assert_eq(seteuid(65534), 0);
	cr_assert_eq(datapath_open_unloaded(&options, &datapath, &error), -EPERM);
	cr_assert_eq(seteuid(0), 0);
	prctl(PR_SET_DUMPABLE, 1); /* the leak check wants it back */
	cr_assert_str_eq(error.text, "missing capability: CAP_BPF, CAP_NET_ADMIN; run as root or "
				     "grant them");
}
