/* SPDX-License-Identifier: Apache-2.0 */
/* Maglev tables in the kernel: made, replaced, deleted, adopted, and found wrong by a reader. */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "model/maglev.h"
#include "util/cleanup.h"
#include "util/clock.h"

TestSuite(maglev_tables, .init = mount_bpffs);

#define SIZE 251u

static struct datapath *open_path(uint32_t size)
{
	const struct datapath_options options = {
		.pin_dir = PIN_DIR,
		.max_services = 1024,
		.max_backends = 4096,
		.max_flows = size ? 1024 : 0,
		.packet.maglev_size = size,
		.node = "n1",
		.version = "test",
	};
	struct datapath *datapath = NULL;
	struct datapath_error error = {};
	int r = datapath_open_unloaded(&options, &datapath, &error);

	cr_assert_eq(r, 0, "open: %s", error.text);
	return datapath;
}

/* A Service with a frontend of each type; its table is for @n backends 10.@net.0.1 and on. */
static void sample_maglev(struct sample *sample, const char *name, uint8_t host, uint8_t net,
			  size_t n)
{
	sample_simple(sample, name, host, net, n);
	sample_add_frontend(sample, SVC_TYPE_EXTERNAL_IP, address(ADDR_IPV4, 50, host), 80);
	sample_add_frontend(sample, SVC_TYPE_LOAD_BALANCER, address(ADDR_IPV4, 51, host), 80);
	sample_add_frontend(sample, SVC_TYPE_NODE_PORT, (struct addr){}, (uint16_t)(30000 + host));
	sample->port.is_maglev = n > 0;
}

static void commit(struct datapath *datapath, const struct sample *samples, size_t n)
{
	stage_samples(datapath, samples, n);
	cr_assert_eq(datapath_commit(datapath, !datapath->is_complete), 0);
	drain(datapath);
}

/* ------------------------------------------------------------------ looking at the kernel */

static uint32_t count_tables(const struct datapath *datapath)
{
	uint32_t n = 0;

	cr_assert_eq(maps_for_each(&datapath->maps, MAP_MAGLEV, count_one, &n), 0);
	return n;
}

/* The slot of the service port's frontend of @type. */
static uint32_t slot_of(const struct datapath *datapath, const struct sample *sample, uint8_t type)
{
	struct frontend_key key;
	size_t i = 0;

	while (sample->frontends[i].type != type)
		i++;
	convert_frontend(&sample->port.key, &sample->frontends[i], &key);
	return shadow_find_frontend(&datapath->shadow, &key)->slot;
}

static uint32_t id_of(const struct datapath *datapath, const struct sample *sample)
{
	return service_at(datapath, slot_of(datapath, sample, SVC_TYPE_NODE_PORT)).service_id;
}

/* The kernel's id of the table; 0: none. */
static uint32_t table_of(const struct datapath *datapath, const struct sample *sample)
{
	uint32_t id = id_of(datapath, sample), table_id = 0;

	if (bpf_map_lookup_elem(datapath->maps.fds[MAP_MAGLEV], &id, &table_id))
		return 0;
	return table_id;
}

static bool has_flag(const struct datapath *datapath, const struct sample *sample, uint8_t type)
{
	return service_at(datapath, slot_of(datapath, sample, type)).flags & SVC_F_MAGLEV;
}

static bool has_flags(const struct datapath *datapath, const struct sample *sample)
{
	const bool has = has_flag(datapath, sample, SVC_TYPE_NODE_PORT);

	cr_assert_eq(has_flag(datapath, sample, SVC_TYPE_EXTERNAL_IP), has);
	cr_assert_eq(has_flag(datapath, sample, SVC_TYPE_LOAD_BALANCER), has);
	cr_assert_not(has_flag(datapath, sample, SVC_TYPE_CLUSTER_IP));
	return has;
}

static void put_table(const struct datapath *datapath, uint32_t id, uint64_t word)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	const uint32_t n = (SIZE + 3) / 4;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test", 4, 8, n, &opts);
	uint32_t i;

	cr_assert_geq(fd, 0);
	for (i = 0; i < n; i++)
		cr_assert_eq(bpf_map_update_elem(fd, &i, &word, BPF_ANY), 0);
	cr_assert_eq(bpf_map_update_elem(datapath->maps.fds[MAP_MAGLEV], &id, &fd, BPF_ANY), 0);
	close(fd);
}

/* What the entries of the service port's table lead to is what the model's table names. */
static void assert_table_fits(const struct datapath *datapath, const struct sample *sample,
			      uint32_t size)
{
	const struct backend_list *list =
		service_port_policy_list(&sample->port, SVC_TYPE_NODE_PORT);
	const struct svc_service service =
		service_at(datapath, slot_of(datapath, sample, SVC_TYPE_NODE_PORT));
	_free_ uint16_t *expected = calloc(size, sizeof(*expected));
	struct maglev_backend backends[24] = {};
	_close_ int fd = bpf_map_get_fd_by_id(table_of(datapath, sample));
	struct backend found;
	uint64_t word = 0;
	uint32_t i, at, offset;

	cr_assert_geq(fd, 0, "no table");
	for (i = 0; i < list->n_backends; i++)
		backends[i] =
			(struct maglev_backend){list->backends[i].port, 1,
						sample->port.key.protocol, list->backends[i].addr};
	cr_assert_eq(maglev_fill(backends, list->n_backends, size, expected), 0);
	for (i = 0; i < size; i++) {
		at = i / 4;
		cr_assert_eq(bpf_map_lookup_elem(fd, &at, &word), 0);
		offset = word >> 16 * (i % 4) & 0xffff;
		cr_assert_lt(offset, svc_list_count(service.policy_list));
		at = svc_list_base(service.policy_list) + offset;
		if (service.family == SVC_FAMILY_IPV4)
			convert_entry4(maps_at(&datapath->maps, MAP_BACKENDS4, at), &found);
		else
			convert_entry6(maps_at(&datapath->maps, MAP_BACKENDS6, at), &found);
		cr_assert_eq(addr_compare(&found.addr, &list->backends[expected[i]].addr), 0);
	}
	/* what is left of the last word */
	for (; i % 4; i++)
		cr_assert_eq(word >> 16 * (i % 4) & 0xffff, SVC_MAGLEV_NONE);
}

/* As count_differences(), with a look into the tables. */
static int count_wrong(const struct sample *samples, size_t n)
{
	struct state *expected = state_of(samples, n), *found;
	struct datapath_reader *reader;
	struct datapath_error error = {};
	int n_different = 0;

	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, &error), 0, "%s", error.text);
	datapath_reader_check_tables(reader);
	cr_assert_eq(datapath_read_state(reader, &found), 0);
	state_diff(found, expected, tell_difference, &n_different);
	state_free(found);
	state_free(expected);
	datapath_reader_close(reader);
	return n_different;
}

static void count_problem(void *arg, const char *service, const char *text)
{
	uint32_t *n = arg;

	cr_expect(strstr(text, "Maglev"), "%s: %s", service, text);
	(*n)++;
}

static uint32_t count_problems(const struct datapath *datapath)
{
	uint32_t n = 0;

	datapath_for_each_problem(datapath, count_problem, &n);
	return n;
}

/* ------------------------------------------------------------------ making and replacing */

Test(maglev_tables, lead_where_the_model_says)
{
	struct datapath *datapath = open_path(SIZE);
	struct sample samples[2];

	sample_maglev(&samples[0], "a", 1, 244, 7);
	sample_maglev(&samples[1], "b", 2, 245, 3);
	commit(datapath, samples, 2);
	cr_expect_eq(count_tables(datapath), 2);
	cr_expect(has_flags(datapath, &samples[0]) && has_flags(datapath, &samples[1]));
	assert_table_fits(datapath, &samples[0], SIZE);
	assert_table_fits(datapath, &samples[1], SIZE);
	cr_expect_eq(count_differences(samples, 2), 0);
	cr_expect_eq(count_wrong(samples, 2), 0);
	datapath_close(datapath);
}

Test(maglev_tables, ipv6_and_udp)
{
	struct datapath *datapath = open_path(SIZE);
	struct sample sample;
	uint8_t i;

	sample_init(&sample, "six", ADDR_IPV6, IPPROTO_UDP);
	sample_add_frontend(&sample, SVC_TYPE_NODE_PORT, (struct addr){}, 30001);
	for (i = 0; i < 9; i++)
		sample.backends[0][i] = (struct backend){address(ADDR_IPV6, 7, i), 0, 53};
	sample.port.cluster.n_backends = 9;
	sample.port.has_endpoints = sample.port.is_maglev = true;
	commit(datapath, &sample, 1);
	assert_table_fits(datapath, &sample, SIZE);
	cr_expect_eq(count_wrong(&sample, 1), 0);
	datapath_close(datapath);
}

/* Backends get ids as they come, so that another history gives another order within the block. */
Test(maglev_tables, follow_the_list)
{
	struct datapath *datapath = open_path(SIZE);
	struct sample sample;
	uint32_t before;

	sample_maglev(&sample, "a", 1, 244, 7);
	memmove(&sample.backends[0][0], &sample.backends[0][1], 6 * sizeof(sample.backends[0][0]));
	sample.port.cluster.n_backends = 6;
	commit(datapath, &sample, 1);
	assert_table_fits(datapath, &sample, SIZE);
	before = table_of(datapath, &sample);
	sample_maglev(&sample, "a", 1, 244, 7);
	commit(datapath, &sample, 1);
	cr_expect_neq(table_of(datapath, &sample), before);
	assert_table_fits(datapath, &sample, SIZE);
	cr_expect_eq(count_wrong(&sample, 1), 0);
	cr_expect_eq(count_tables(datapath), 1);
	datapath_close(datapath);
}

Test(maglev_tables, fit_the_local_list_with_policy_local)
{
	struct datapath *datapath = open_path(SIZE);
	struct sample sample;

	sample_maglev(&sample, "a", 1, 244, 7);
	sample.port.is_external_local = true;
	sample.backends[1][0] = sample.backends[0][3];
	sample.backends[1][1] = sample.backends[0][5];
	sample.port.local.n_backends = 2;
	commit(datapath, &sample, 1);
	assert_table_fits(datapath, &sample, SIZE);
	cr_expect_eq(count_wrong(&sample, 1), 0);
	datapath_close(datapath);
}

/* Only what nobody outside can reach has changed, or nothing. */
Test(maglev_tables, unchanged_lists_write_nothing)
{
	struct datapath *datapath = open_path(SIZE);
	struct sample sample;
	uint32_t table;

	sample_maglev(&sample, "a", 1, 244, 7);
	commit(datapath, &sample, 1);
	table = table_of(datapath, &sample);
	commit(datapath, &sample, 1);
	cr_expect_eq(datapath_n_written(datapath), 0);
	sample.port.affinity_s = 60;
	commit(datapath, &sample, 1);
	cr_expect_neq(datapath_n_written(datapath), 0);
	cr_expect_eq(table_of(datapath, &sample), table);
	datapath_close(datapath);
}

Test(maglev_tables, go_when_they_have_no_effect)
{
	struct datapath *datapath = open_path(SIZE);
	struct sample sample;
	int step;

	for (step = 0; step < 4; step++) {
		sample_maglev(&sample, "a", 1, 244, 7);
		commit(datapath, &sample, 1);
		cr_assert_eq(count_tables(datapath), 1);
		cr_assert(has_flags(datapath, &sample));
		if (step == 0)
			sample.port.is_maglev = false;
		else if (step == 1)
			sample_maglev(&sample, "a", 1, 244, 0);
		else if (step == 2)
			sample_simple(&sample, "a", 1, 244, 7);
		else
			sample.is_there = false;
		commit(datapath, &sample, 1);
		cr_expect_eq(count_tables(datapath), 0, "step %d", step);
		cr_expect_eq(count_wrong(&sample, 1), 0, "step %d", step);
		if (step < 2)
			cr_expect_not(has_flags(datapath, &sample));
	}
	datapath_close(datapath);
}

/* One after the other they would take a grace period each; the first agent's start. */
Test(maglev_tables, many_are_made_in_batches)
{
	static struct sample samples[150];
	struct datapath *datapath = open_path(SIZE);
	uint64_t start_ns;
	size_t i;

	for (i = 0; i < 150; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%zu", i);
		sample_maglev(&samples[i], name, (uint8_t)(i + 1), (uint8_t)i, 1 + i % 20);
	}
	start_ns = clock_now_ns(CLOCK_MONOTONIC);
	commit(datapath, samples, 150);
	printf("150 tables of %u entries: %llu ms\n", SIZE,
	       (unsigned long long)(clock_now_ns(CLOCK_MONOTONIC) - start_ns) / 1000000);
	cr_expect_eq(count_tables(datapath), 150);
	cr_expect_eq(count_wrong(samples, 150), 0);
	for (i = 0; i < 150; i++)
		samples[i].is_there = i % 2;
	commit(datapath, samples, 150);
	cr_expect_eq(count_tables(datapath), 75);
	cr_expect_eq(count_wrong(samples, 150), 0);
	datapath_close(datapath);
}

/* ------------------------------------------------------------------ what goes wrong */

Test(maglev_tables, without_a_packet_path_there_are_none)
{
	struct datapath *datapath = open_path(0);
	struct sample sample;

	sample_maglev(&sample, "a", 1, 244, 7);
	commit(datapath, &sample, 1);
	cr_expect_eq(datapath->maps.fds[MAP_MAGLEV], -1);
	cr_expect_not(has_flags(datapath, &sample));
	sample.port.is_maglev = false;
	cr_expect_eq(count_wrong(&sample, 1), 0);
	datapath_close(datapath);
}

/* No more files, so that none can be made: the Service is served, and the next commit repairs. */
Test(maglev_tables, one_that_cannot_be_made_is_a_problem)
{
	struct datapath *datapath = open_path(SIZE);
	struct rlimit limit, none;
	struct sample sample;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	sample_maglev(&sample, "a", 1, 244, 7);
	commit(datapath, &sample, 1);
	sample_maglev(&sample, "a", 1, 244, 6);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	commit(datapath, &sample, 1);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_expect_eq(count_problems(datapath), 1);
	cr_expect_eq(count_tables(datapath), 0);
	cr_expect_not(has_flags(datapath, &sample));
	sample.port.is_maglev = false;
	cr_expect_eq(count_wrong(&sample, 1), 0);
	sample.port.is_maglev = true;
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_expect_eq(count_problems(datapath), 0);
	cr_expect_eq(count_wrong(&sample, 1), 0);
	datapath_close(datapath);
}

/* The map refuses: it is not the map any more. New frontends are there all the same. */
Test(maglev_tables, one_that_cannot_be_published_is_a_problem)
{
	struct datapath *datapath = open_path(SIZE);
	struct sample samples[3];
	uint8_t i;
	int fd;

	for (i = 0; i < 3; i++)
		sample_maglev(&samples[i], i == 0 ? "a" : i == 1 ? "b" : "c", i + 1, 200 + i, 5);
	commit(datapath, samples, 1);
	sample_maglev(&samples[0], "a", 1, 200, 6);
	fd = datapath->maps.fds[MAP_MAGLEV];
	datapath->maps.fds[MAP_MAGLEV] = -1;
	commit(datapath, samples, 3);
	cr_expect_eq(count_problems(datapath), 3);
	for (i = 0; i < 3; i++) {
		cr_expect_not(has_flags(datapath, &samples[i]));
		samples[i].port.is_maglev = false;
	}
	cr_expect_eq(count_wrong(samples, 3), 0);
	datapath->maps.fds[MAP_MAGLEV] = fd;
	for (i = 0; i < 3; i++)
		samples[i].port.is_maglev = true;
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_expect_eq(count_problems(datapath), 0);
	cr_expect_eq(count_wrong(samples, 3), 0);
	datapath_close(datapath);
}

/* ------------------------------------------------------------------ the next agent */

Test(maglev_tables, a_restart_writes_nothing_when_nothing_changed)
{
	struct datapath *datapath = open_path(SIZE);
	struct sample sample;
	uint32_t table;

	sample_maglev(&sample, "a", 1, 244, 7);
	commit(datapath, &sample, 1);
	table = table_of(datapath, &sample);
	datapath_close(datapath);
	datapath = open_path(SIZE);
	commit(datapath, &sample, 1);
	cr_expect_eq(datapath_n_written(datapath), 0);
	cr_expect_eq(table_of(datapath, &sample), table);
	datapath_close(datapath);
}

Test(maglev_tables, another_size_makes_them_anew)
{
	struct datapath *datapath = open_path(SIZE);
	struct sample sample;

	sample_maglev(&sample, "a", 1, 244, 7);
	commit(datapath, &sample, 1);
	datapath_close(datapath);
	datapath = open_path(509);
	commit(datapath, &sample, 1);
	assert_table_fits(datapath, &sample, 509);
	cr_expect_eq(count_wrong(&sample, 1), 0);
	datapath_close(datapath);
}

/* The table of a list that was published just before the agent died may be that of the list before.
 */
Test(maglev_tables, those_of_a_commit_that_was_cut_off_are_made_anew)
{
	struct datapath *datapath = open_path(SIZE);
	struct sample sample;

	sample_maglev(&sample, "a", 1, 244, 7);
	commit(datapath, &sample, 1);
	put_table(datapath, id_of(datapath, &sample), 0x0001000200030004ull);
	datapath->maps.meta->sync_open |= 1;
	datapath_close(datapath);
	cr_expect_eq(count_wrong(&sample, 1), 1);
	datapath = open_path(SIZE);
	commit(datapath, &sample, 1);
	cr_expect_eq(count_wrong(&sample, 1), 0);
	datapath_close(datapath);
}

Test(maglev_tables, of_nobody_are_deleted)
{
	struct datapath *datapath = open_path(SIZE);
	struct sample sample;

	sample_maglev(&sample, "a", 1, 244, 7);
	commit(datapath, &sample, 1);
	put_table(datapath, 77, 0);
	put_table(datapath, 100000, 0);
	datapath_close(datapath);
	datapath = open_path(SIZE);
	cr_expect_eq(count_tables(datapath), 3);
	commit(datapath, &sample, 1);
	cr_expect_eq(count_tables(datapath), 1);
	cr_expect_eq(count_wrong(&sample, 1), 0);
	datapath_close(datapath);
}

Test(maglev_tables, missing_and_wrong_ones_are_seen)
{
	struct datapath *datapath = open_path(SIZE);
	struct sample samples[2];
	uint32_t id;

	sample_maglev(&samples[0], "a", 1, 244, 7);
	sample_maglev(&samples[1], "b", 2, 245, 7);
	commit(datapath, samples, 2);
	put_table(datapath, id_of(datapath, &samples[0]), 0);
	cr_expect_eq(count_differences(samples, 2), 0);
	cr_expect_eq(count_wrong(samples, 2), 1);
	id = id_of(datapath, &samples[1]);
	cr_assert_eq(bpf_map_delete_elem(datapath->maps.fds[MAP_MAGLEV], &id), 0);
	cr_expect_eq(count_differences(samples, 2), 1);
	cr_expect_eq(count_wrong(samples, 2), 2);
	datapath_close(datapath);
}

/* ------------------------------------------------------------------ killed at each step */

static void die_at(void *arg, uint64_t step)
{
	const uint64_t *last = arg;

	if (step == *last)
		raise(SIGKILL);
}

static bool commit_and_die(const struct sample *samples, size_t n, uint64_t step)
{
	struct datapath *datapath;
	pid_t pid = fork();
	int status;

	cr_assert_geq(pid, 0);
	if (!pid) {
		datapath = open_path(SIZE);
		datapath->maps.before_write = die_at;
		datapath->maps.before_write_arg = &step;
		stage_samples(datapath, samples, n);
		_exit(datapath_commit(datapath, true) ? 1 : 0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return true;
	cr_assert_eq(status, 0);
	return false;
}

Test(maglev_tables, killed_at_each_step_the_next_agent_repairs, .timeout = 300)
{
	struct sample old[4], new[4];
	struct datapath *datapath;
	uint64_t step = 0;
	uint8_t i;

	for (i = 0; i < 4; i++) {
		static const char *const names[] = {"grows", "goes", "comes", "is-random-then"};

		sample_maglev(&old[i], names[i], i + 1, 244, 4);
		sample_maglev(&new[i], names[i], i + 1, 244, i == 0 ? 5 : 4);
	}
	new[1].is_there = false;
	old[2].is_there = false;
	new[3].port.is_maglev = false;
	do {
		datapath = open_path(SIZE);
		commit(datapath, old, 4);
		datapath_close(datapath);
		cr_assert_eq(count_wrong(old, 4), 0, "step %llu", (unsigned long long)step);
	} while (commit_and_die(new, 4, step++));
	cr_assert_gt(step, 10);
	cr_assert_eq(count_wrong(new, 4), 0);
}
