/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/map_window.h"

#include <bpf/bpf.h>
#include <string.h>
#include <sys/mman.h>

#include "fixture.h"
#include "util/cleanup.h"

TestSuite(map_window, .init = mount_bpffs);

#define N_ENTRIES 10000u
#define PART	  4096u

/* 24 bytes do not divide a page: some entries lie across the end of a part. */
struct value {
	uint64_t words[3];
};

static int new_array(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "window", sizeof(uint32_t),
				sizeof(struct value), N_ENTRIES, &options);

	cr_assert_geq(fd, 0);
	return fd;
}

Test(map_window, what_is_stored_through_it_is_in_the_map)
{
	_close_ int fd = new_array();
	struct map_window window = {};
	struct value *value, read;
	uint32_t i, index;

	cr_assert_eq(map_window_open(fd, PROT_READ | PROT_WRITE, sizeof(*value), N_ENTRIES, PART,
				     &window),
		     0);
	for (i = 0; i < N_ENTRIES; i++) {
		index = i * 7919 % N_ENTRIES; /* back and forth, all of them */
		value = map_window_at(&window, index);
		*value = (struct value){{index, ~(uint64_t)index, index + 1}};
		cr_assert_leq(window.end - window.first, 2 * PART);
	}
	for (i = 0; i < N_ENTRIES; i++) {
		cr_assert_eq(bpf_map_lookup_elem(fd, &i, &read), 0);
		cr_assert_eq(read.words[0], i);
		cr_assert_eq(read.words[1], ~(uint64_t)i);
		cr_assert_eq(read.words[2], i + 1);
		cr_assert_eq(memcmp(map_window_at(&window, i), &read, sizeof(read)), 0);
	}
	map_window_close(&window);
	map_window_close(&window);
}

Test(map_window, whole_array_is_mapped_once)
{
	_close_ int fd = new_array();
	struct map_window window = {};
	struct value *first;

	cr_assert_eq(map_window_open(fd, PROT_READ, sizeof(*first), N_ENTRIES, 0, &window), 0);
	first = map_window_at(&window, 0);
	cr_assert_eq(map_window_at(&window, N_ENTRIES - 1), first + N_ENTRIES - 1);
	map_window_close(&window);
}

/* Maps large enough that the agent sees parts of them only; the reader maps them whole. */
Test(map_window, a_commit_across_many_parts_is_read_back_whole)
{
	static struct sample samples[1200];
	struct datapath *datapath = open_sized(4096, 65536);
	char name[16];
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(samples); i++) {
		snprintf(name, sizeof(name), "many-%u", i);
		sample_simple(&samples[i], name, (uint8_t)(i % 250 + 1), 244, 20);
		samples[i].frontends[0].port = (uint16_t)(80 + i / 250);
		cr_assert_eq(datapath_put(datapath, &samples[i].port), 0);
	}
	cr_assert_eq(datapath_commit(datapath, true), 0);
	cr_assert_eq(count_differences(samples, ARRAY_SIZE(samples)), 0);
	for (i = 0; i < ARRAY_SIZE(samples); i += 3) {
		samples[i].port.cluster.n_backends = 1 + i % 19;
		cr_assert_eq(datapath_put(datapath, &samples[i].port), 0);
	}
	cr_assert_eq(datapath_commit(datapath, false), 0);
	datapath_close(datapath);
	cr_assert_eq(count_differences(samples, ARRAY_SIZE(samples)), 0);
}
