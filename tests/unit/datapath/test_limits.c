/* SPDX-License-Identifier: Apache-2.0 */
/* Full maps: who does not fit keeps its old state, is named, and gets room when there is some. */
#include "fixture.h"

TestSuite(limits, .init = mount_bpffs);

static void note_problem(void *arg, const char *service, const char *text)
{
	char *all = arg;

	snprintf(all + strlen(all), 1024 - strlen(all), "%s: %s\n", service, text);
}

static const char *problems(const struct datapath *datapath, char buf[1024])
{
	buf[0] = '\0';
	datapath_for_each_problem(datapath, note_problem, buf);
	return buf;
}

Test(limits, a_list_that_does_not_fit_keeps_the_old_one)
{
	struct datapath *datapath = open_sized(16, 32);
	struct sample a, b, seen[2];
	char buf[1024];

	sample_simple(&a, "a", 1, 244, 20);
	sample_simple(&b, "b", 2, 245, 6);
	datapath_put(datapath, &a.port);
	datapath_put(datapath, &b.port);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	seen[0] = a;
	seen[1] = b;
	sample_simple(&b, "b", 2, 245, 12);
	datapath_put(datapath, &b.port);
	cr_assert_eq(datapath_commit(datapath, false), 0, "one that does not fit fails nothing");
	cr_assert_str_eq(problems(datapath, buf),
			 "default/b: needs 12 backend entries, 6 are free; raise --max-backends\n");
	cr_assert_eq(count_differences(seen, 2), 0);
	drain(datapath);
	cr_assert_not(datapath_wants_commit(datapath), "nothing came free");

	/* another Service goes away: tried again without being put again */
	datapath_remove(datapath, &a.port.key);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_not(datapath_wants_commit(datapath), "not before the grace period");
	memset(b.backends, 0, sizeof(b.backends)); /* what was put is no longer borrowed */
	drain(datapath);
	cr_assert(datapath_wants_commit(datapath));
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_str_eq(problems(datapath, buf), "");
	sample_simple(&b, "b", 2, 245, 12);
	cr_assert_eq(count_differences(&b, 1), 0);
	cr_assert_not(datapath_wants_commit(datapath));
	datapath_close(datapath);
}

Test(limits, free_entries_that_lie_apart_are_told_so)
{
	struct datapath *datapath = open_sized(16, 32);
	struct sample samples[4];
	char buf[1024];
	uint8_t i;

	for (i = 0; i < 4; i++) {
		sample_simple(&samples[i], (const char *[]){"a", "b", "c", "d"}[i],
			      (uint8_t)(i + 1), (uint8_t)(240 + i), 8);
		datapath_put(datapath, &samples[i].port);
	}
	cr_assert_eq(datapath_commit(datapath, true), 0);
	datapath_remove(datapath, &samples[0].port.key);
	datapath_remove(datapath, &samples[2].port.key);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	drain(datapath);
	sample_simple(&samples[0], "e", 9, 250, 16);
	datapath_put(datapath, &samples[0].port);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_str_eq(problems(datapath, buf),
			 "default/e: needs 16 backend entries side by side, 16 are free; raise "
			 "--max-backends\n");
	datapath_close(datapath);
}

Test(limits, slots_run_out_and_come_back)
{
	struct datapath *datapath = open_sized(16, 64);
	static struct sample samples[20];
	uint32_t n_problems = 0;
	char name[8], buf[1024];
	const char *p;
	uint8_t i;

	for (i = 0; i < 17; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		sample_simple(&samples[i], name, (uint8_t)(i + 1), (uint8_t)(100 + i), 1);
		datapath_put(datapath, &samples[i].port);
	}
	cr_assert_eq(datapath_commit(datapath, true), 0);
	for (p = problems(datapath, buf); (p = strchr(p, '\n')); p++)
		n_problems++;
	cr_assert_eq(n_problems, 2, "slot 0 is never used: 15 of 17 fit:\n%s", buf);
	cr_assert(strstr(buf, "needs 1 more frontend, 0 are free; raise --max-services"), "%s",
		  buf);
	datapath_remove(datapath, &samples[0].port.key);
	datapath_remove(datapath, &samples[1].port.key);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	drain(datapath);
	cr_assert(datapath_wants_commit(datapath));
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_eq(count_differences(&samples[2], 15), 0);
	datapath_close(datapath);
}

Test(limits, a_service_that_never_fits_does_not_ask_forever)
{
	struct datapath *datapath = open_sized(16, 32);
	struct sample a, big;
	struct usage before, after;
	int i;

	sample_simple(&a, "a", 1, 244, 10);
	datapath_put(datapath, &a.port);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	before = usage_of(datapath);
	sample_init(&big, "big", ADDR_IPV4, IPPROTO_TCP);
	sample_add_frontend(&big, SVC_TYPE_EXTERNAL_IP, address(ADDR_IPV4, 1, 1), 80);
	big.port.is_external_local = true;
	for (i = 0; i < 24; i++)
		big.backends[0][i] = big.backends[1][i] =
			(struct backend){.addr = address(ADDR_IPV4, 9, (uint8_t)(i + 1))};
	big.port.cluster.n_backends = 10; /* would fit, the other list does not */
	big.port.local.n_backends = 24;
	big.port.n_source_ranges = 1;
	big.ranges[0] = (struct cidr){.addr = address4(10, 0, 0, 0), .prefix_len = 8};
	datapath_put(datapath, &big.port);
	for (i = 0; i < 5; i++) {
		cr_assert_eq(datapath_commit(datapath, false), 0);
		drain(datapath);
		cr_assert_not(datapath_wants_commit(datapath));
	}
	after = usage_of(datapath);
	assert_same_usage(&before, &after);
	/* removed, it is no problem any more */
	datapath_remove(datapath, &big.port.key);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_eq(count_differences(&a, 1), 0);
	datapath_close(datapath);
}

Test(limits, a_list_has_at_most_65535_backends)
{
	struct datapath *datapath = open_sized(16, 131072);
	static struct backend backends[65536];
	struct sample sample;
	char buf[1024];
	uint32_t i;

	for (i = 0; i < 65536; i++)
		backends[i] = (struct backend){
			.addr = address4(10, 1, (uint8_t)(i >> 8), (uint8_t)i),
			.port = 80,
		};
	sample_simple(&sample, "wide", 1, 244, 1);
	sample.port.cluster.backends = backends;
	sample.port.cluster.n_backends = 65536;
	datapath_put(datapath, &sample.port);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	cr_assert_str_eq(problems(datapath, buf),
			 "default/wide: has 65536 backends, 65535 are possible\n");
	sample.port.cluster.n_backends = 65535;
	datapath_put(datapath, &sample.port);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_str_eq(problems(datapath, buf), "");
	cr_assert_eq(count_differences(&sample, 1), 0);
	datapath_close(datapath);
}

Test(limits, names_that_do_not_fit_are_refused)
{
	struct datapath *datapath = open_sized(16, 32);
	struct sample sample;
	char name[80];

	sample_simple(&sample, "web", 1, 244, 1);
	memset(name, 'a', sizeof(name));
	name[64] = '\0';
	sample.port.key.name = name;
	cr_assert_eq(datapath_put(datapath, &sample.port), -ENAMETOOLONG);
	name[63] = '\0';
	cr_assert_eq(datapath_put(datapath, &sample.port), 0);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	datapath_close(datapath);
}

Test(limits, capacities_of_adopted_maps_stay_and_that_is_told)
{
	struct datapath *datapath = open_sized(32, 64);
	char buf[1024];

	cr_assert_str_eq(problems(datapath, buf), "");
	datapath_close(datapath);
	datapath = open_sized(16, 128);
	cr_assert_eq(datapath->maps.capacities[MAP_SERVICES], 32);
	cr_assert_eq(datapath->maps.capacities[MAP_BACKENDS4], 64);
	cr_assert(strstr(problems(datapath, buf), "svcbpf cleanup"), "%s", buf);
	datapath_close(datapath);
}
