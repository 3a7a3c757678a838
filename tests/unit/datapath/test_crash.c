/* SPDX-License-Identifier: Apache-2.0 */
/* An agent killed before each of its writes: what readers see then, and what the next one finds. */
#include <bpf/bpf.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(crash, .init = mount_bpffs);

#define MAX_STEPS 2000

static void die_at(void *arg, uint64_t step)
{
	const uint64_t *last = arg;

	if (step == *last)
		raise(SIGKILL);
}

/* A child opens the pins, commits @samples and dies at @step. Return: whether it came to that. */
static bool commit_and_die(const struct sample *samples, uint64_t step)
{
	struct datapath *datapath;
	pid_t pid = fork();
	int status;

	cr_assert_geq(pid, 0);
	if (!pid) {
		datapath = open_sized(128, 1024);
		datapath->maps.before_write = die_at;
		datapath->maps.before_write_arg = &step;
		stage_samples(datapath, samples, N_SAMPLES);
		if (datapath_commit(datapath, true))
			_exit(1);
		drain(datapath);
		datapath_close(datapath);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return true;
	cr_assert_eq(status, 0);
	return false;
}

static void recover(const struct sample *samples, struct usage *ret_usage)
{
	struct datapath *datapath = open_sized(128, 1024);

	stage_samples(datapath, samples, N_SAMPLES);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	drain(datapath);
	*ret_usage = usage_of(datapath);
	datapath_close(datapath);
}

/* ------------------------------------------------------------------ what a reader may see */

static bool has_key(const struct sample *sample, const struct frontend_key *key,
		    const struct frontend **ret)
{
	struct frontend_key own;
	size_t i;

	for (i = 0; sample->is_there && i < sample->port.n_frontends; i++) {
		convert_frontend(&sample->port.key, &sample->frontends[i], &own);
		if (!memcmp(&own, key, sizeof(own))) {
			*ret = &sample->frontends[i];
			return true;
		}
	}
	return false;
}

/* Whether a state gives frontend @key just the backends of @word for clients on this host. */
static bool is_list_of(const struct datapath *datapath, const struct sample *samples,
		       const struct frontend_key *key, uint64_t word)
{
	const struct backend_list *list;
	const struct frontend *frontend;
	struct backend backend;
	uint32_t n_found = 0;
	size_t i, j, k;

	for (i = 0; i < N_SAMPLES; i++) {
		if (!has_key(&samples[i], key, &frontend))
			continue;
		list = service_port_cluster_list(&samples[i].port, frontend->type);
		if (list->n_backends != svc_list_count(word))
			return false;
		for (j = 0; j < list->n_backends; j++) {
			for (k = 0; k < list->n_backends; k++) {
				if (key->family == SVC_FAMILY_IPV4)
					convert_entry4(maps_at(&datapath->maps, MAP_BACKENDS4,
							       svc_list_base(word) + k),
						       &backend);
				else
					convert_entry6(maps_at(&datapath->maps, MAP_BACKENDS6,
							       svc_list_base(word) + k),
						       &backend);
				n_found += !addr_compare(&backend.addr, &list->backends[j].addr) &&
					   backend.flags == list->backends[j].flags;
			}
		}
		return n_found == list->n_backends;
	}
	return false;
}

static bool is_in_state(const struct sample *samples, const struct frontend_key *key)
{
	const struct frontend *frontend;
	size_t i;

	for (i = 0; i < N_SAMPLES; i++) {
		if (has_key(&samples[i], key, &frontend))
			return true;
	}
	return false;
}

/*
 * Each frontend in the kernel leads to a whole list, of the old state or of the new, and those that
 * are in both states are there.
 */
static void assert_old_or_new(const struct sample *old, const struct sample *new)
{
	struct datapath *datapath = open_sized(128, 1024);
	const struct shadow_frontend *frontend;
	uint32_t n_both = 0, n_seen = 0;
	struct frontend_key key;
	uint64_t word;
	size_t i, j;

	for (frontend = datapath->shadow.frontends; frontend; frontend = frontend->hh.next) {
		word = list_of(datapath, frontend->slot);
		cr_assert(is_list_of(datapath, old, &frontend->key, word) ||
			  is_list_of(datapath, new, &frontend->key, word));
		n_seen += is_in_state(old, &frontend->key) && is_in_state(new, &frontend->key);
	}
	for (i = 0; i < N_SAMPLES; i++) {
		for (j = 0; old[i].is_there && j < old[i].port.n_frontends; j++) {
			convert_frontend(&old[i].port.key, &old[i].frontends[j], &key);
			n_both += is_in_state(new, &key);
		}
	}
	cr_assert_eq(n_seen, n_both);
	datapath_close(datapath);
}

/* The inspector reads whatever a dead agent left. */
static void assert_dump_works(void)
{
	struct datapath_reader *reader;
	struct state *state;

	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, NULL), 0);
	cr_assert_eq(datapath_read_state(reader, &state), 0);
	state_free(state);
	datapath_reader_close(reader);
}

/* From one random state to another, killed before each step in turn. */
static void kill_at_each_step(uint64_t seed)
{
	static struct sample old[N_SAMPLES], new[N_SAMPLES];
	struct usage expected, found;
	uint64_t step;

	draw_samples(&seed, old);
	draw_samples(&seed, new);
	recover(old, &expected);
	for (step = 0; step < MAX_STEPS; step++) {
		if (!commit_and_die(new, step))
			break;
		assert_dump_works();
		assert_old_or_new(old, new);
		recover(old, &found);
		assert_same_usage(&found, &expected);
		cr_assert_eq(count_differences(old, N_SAMPLES), 0, "step %lu", (unsigned long)step);
	}
	cr_assert_gt(step, 100, "the commit has more steps than that");
	cr_assert_lt(step, MAX_STEPS);
	cr_assert_eq(count_differences(new, N_SAMPLES), 0);
}

Test(crash, killed_at_each_step_leaks_nothing_and_mixes_nothing, .timeout = 300)
{
	kill_at_each_step(1);
}

Test(crash, killed_at_each_step_between_other_states, .timeout = 300)
{
	kill_at_each_step(3);
}

/* The first start: killed while the maps are filled for the first time. */
Test(crash, killed_at_the_first_start, .timeout = 300)
{
	static struct sample samples[N_SAMPLES];
	struct usage expected, found;
	uint64_t seed = 5, step;

	draw_samples(&seed, samples);
	recover(samples, &expected);
	for (step = 0; step < MAX_STEPS; step += 7) {
		cr_assert_eq(datapath_cleanup(PIN_DIR, NULL), 0);
		if (!commit_and_die(samples, step))
			break;
		recover(samples, &found);
		assert_same_usage(&found, &expected);
		cr_assert_eq(count_differences(samples, N_SAMPLES), 0);
	}
	cr_assert_gt(step, 50);
}

Test(crash, what_was_not_put_stays_until_the_complete_commit)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct sample samples[2];

	sample_simple(&samples[0], "a", 1, 244, 3);
	sample_simple(&samples[1], "b", 2, 245, 3);
	stage_samples(datapath, samples, 2);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	datapath_close(datapath);

	datapath = open_sized(128, 1024);
	samples[0].port.cluster.n_backends = 2;
	stage_samples(datapath, samples, 1);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_eq(count_differences(samples, 2), 0, "b is still there");
	cr_assert_eq(datapath_commit(datapath, true), 0);
	cr_assert_eq(count_differences(samples, 1), 0, "b was put by nobody");
	datapath_close(datapath);
}

Test(crash, a_restart_writes_nothing_when_nothing_changed)
{
	struct datapath *datapath = open_sized(128, 1024);
	static struct sample samples[N_SAMPLES];
	uint64_t seed = 77;
	uint32_t id;

	draw_samples(&seed, samples);
	stage_samples(datapath, samples, N_SAMPLES);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	drain(datapath);
	id = ids_next(datapath->shadow.backend_ids[0]);
	datapath_close(datapath);
	datapath = open_sized(128, 1024);
	stage_samples(datapath, samples, N_SAMPLES);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	cr_assert_eq(datapath_n_written(datapath), 0);
	cr_assert_eq(ids_next(datapath->shadow.backend_ids[0]), id, "ids go on where they were");
	datapath_close(datapath);
}

/* Maps that were damaged are not guessed at. */
Test(crash, contradicting_maps_are_refused)
{
	const struct datapath_options options = {
		.pin_dir = PIN_DIR, .max_services = 128, .max_backends = 1024, .node = "n"};
	struct frontend_key key = {.family = ADDR_IPV4, .key.protocol = IPPROTO_TCP};
	struct datapath *datapath = open_sized(128, 1024);
	const struct svc_route beyond_the_end = {.slot = 4000};
	struct datapath_error error = {};

	cr_assert_eq(frontend_table_put(datapath->shadow.tables[0], &key, &beyond_the_end), 0);
	datapath_close(datapath);
	cr_assert_eq(datapath_open_unloaded(&options, &datapath, &error), -EUCLEAN);
	cr_assert(strstr(error.text, "svcbpf cleanup"), "%s", error.text);
	cr_assert_eq(datapath_cleanup(PIN_DIR, &error), 0);
	datapath_close(open_sized(128, 1024));
}
