/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd/agent_snapshot.h"
#include "model/model.h"
#include "source/snapshot.h"
#include "util/cleanup.h"

#define INTERVAL_MS 300

struct world {
	char dir[64];
	char *options_dir; /* stays when the world is moved */
	struct strings *pool;
	struct model *model;
	struct event_base *base;
	struct agent_snapshot *snapshot;
};

static struct world world_open(uint32_t interval_ms)
{
	struct world world = {.dir = "/tmp/svcbpf-agent-snapshot.XXXXXX"};
	struct agent_snapshot_options options = {.interval_ms = interval_ms};

	cr_assert(mkdtemp(world.dir));
	cr_assert_eq(strings_new(&world.pool), 0);
	cr_assert_eq(model_new("n1", world.pool, &world.model), 0);
	world.base = event_base_new();
	cr_assert(world.base);
	options.base = world.base;
	world.options_dir = strdup(world.dir);
	cr_assert(world.options_dir);
	options.dir = world.options_dir;
	options.model = world.model;
	cr_assert_eq(agent_snapshot_new(&options, &world.snapshot), 0);
	return world;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static struct agent_snapshot_state state_of(const struct world *world)
{
	struct agent_snapshot_state state;

	agent_snapshot_state(world->snapshot, &state);
	return state;
}

static void world_close(struct world *world)
{
	agent_snapshot_free(world->snapshot);
	model_free(world->model);
	strings_free(world->pool);
	event_base_free(world->base);
	free(world->options_dir);
	nftw(world->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Run the event loop until so many attempts are over, or the time is. Return: whether they are. */
static bool run_until(struct world *world, uint64_t n_attempts, uint64_t timeout_ms)
{
	const uint64_t end_ms = now_ms() + timeout_ms;

	while (now_ms() < end_ms) {
		const struct timeval tick = {.tv_usec = 10000};
		struct agent_snapshot_state state = state_of(world);

		if (state.n_written + state.n_failed >= n_attempts)
			return true;
		event_base_loopexit(world->base, &tick);
		event_base_dispatch(world->base);
	}
	return false;
}

static bool is_saved(const struct world *world)
{
	_free_ char *path = NULL;

	cr_assert_geq(asprintf(&path, "%s/%s", world->dir, SNAPSHOT_FILE), 0);
	return access(path, F_OK) == 0;
}

static void block_disk(const struct world *world)
{
	_free_ char *path = NULL;

	/* opening it for writing waits for a reader, as a disk that hangs does for itself */
	cr_assert_geq(asprintf(&path, "%s/%s.new", world->dir, SNAPSHOT_FILE), 0);
	cr_assert_eq(mkfifo(path, 0600), 0);
}

Test(agent_snapshot, the_first_state_is_written_at_once)
{
	_cleanup_(world_close) struct world world = world_open(0);

	cr_expect_eq(agent_snapshot_age_s(world.snapshot), -1);
	agent_snapshot_changed(world.snapshot);
	cr_assert(run_until(&world, 1, 5000));
	cr_expect(is_saved(&world));
	cr_expect_eq(state_of(&world).n_written, 1u);
	cr_expect_gt(state_of(&world).len_bytes, 64u);
	cr_expect_leq(agent_snapshot_age_s(world.snapshot), 5);
}

Test(agent_snapshot, nothing_is_written_without_a_change)
{
	_cleanup_(world_close) struct world world = world_open(1);

	cr_expect_not(run_until(&world, 1, 100));
	agent_snapshot_stop(world.snapshot);
	cr_expect_not(is_saved(&world));
	cr_expect_eq(state_of(&world).n_written, 0u);
}

Test(agent_snapshot, changes_wait_for_the_interval)
{
	_cleanup_(world_close) struct world world = world_open(INTERVAL_MS);
	const uint64_t start_ms = now_ms();

	agent_snapshot_changed(world.snapshot);
	cr_assert(run_until(&world, 1, 5000));
	for (int i = 0; i < 100; i++)
		agent_snapshot_changed(world.snapshot);
	cr_assert(run_until(&world, 2, 5000));
	cr_expect_geq(now_ms() - start_ms, INTERVAL_MS - 1u);
	cr_expect_not(run_until(&world, 3, 2 * INTERVAL_MS), "written again without a change");
}

Test(agent_snapshot, a_stop_writes_what_is_left)
{
	_cleanup_(world_close) struct world world = world_open(0);
	const int64_t first_s = (int64_t)time(NULL);

	agent_snapshot_changed(world.snapshot);
	cr_assert(run_until(&world, 1, 5000));
	agent_snapshot_changed(world.snapshot);
	agent_snapshot_stop(world.snapshot);
	cr_expect_eq(state_of(&world).n_written, 2u);
	cr_expect_geq(state_of(&world).saved_s, first_s);
}

Test(agent_snapshot, a_disk_that_hangs_stops_nothing)
{
	_cleanup_(world_close) struct world world = world_open(1);
	uint64_t start_ms = now_ms();

	block_disk(&world);
	agent_snapshot_changed(world.snapshot);
	cr_expect_not(run_until(&world, 1, 200));
	cr_expect_lt(now_ms() - start_ms, 1000u, "the loop was blocked");
	for (int i = 0; i < 100; i++)
		agent_snapshot_changed(world.snapshot);
	cr_expect_not(run_until(&world, 1, 100), "a second writer");
	start_ms = now_ms();
	agent_snapshot_stop(world.snapshot);
	cr_expect_geq(now_ms() - start_ms, 1900u);
	cr_expect_lt(now_ms() - start_ms, 4000u);
	cr_expect_eq(state_of(&world).error, -ETIMEDOUT);
	cr_expect_not(is_saved(&world));
}

Test(agent_snapshot, a_failure_is_tried_again)
{
	_cleanup_(world_close) struct world world = world_open(50);
	_free_ char *path = NULL;

	/* a folder in the place of the temporary file */
	cr_assert_geq(asprintf(&path, "%s/%s.new", world.dir, SNAPSHOT_FILE), 0);
	cr_assert_eq(mkdir(path, 0700), 0);
	agent_snapshot_changed(world.snapshot);
	cr_assert(run_until(&world, 3, 5000));
	cr_expect_eq(state_of(&world).n_written, 0u);
	cr_expect_eq(state_of(&world).error, -EISDIR);
	cr_expect_eq(agent_snapshot_age_s(world.snapshot), -1);
	cr_assert_eq(rmdir(path), 0);
	cr_assert(run_until(&world, state_of(&world).n_failed + 1, 5000));
	cr_expect_eq(state_of(&world).n_written, 1u);
	cr_expect_eq(state_of(&world).error, 0);
	cr_expect(is_saved(&world));
}

Test(agent_snapshot, no_folder_means_none)
{
	const struct agent_snapshot_options options = {.dir = ""};
	struct agent_snapshot *snapshot = (void *)1;
	struct agent_snapshot_state state;

	cr_assert_eq(agent_snapshot_new(&options, &snapshot), 0);
	cr_assert_null(snapshot);
	agent_snapshot_changed(snapshot);
	agent_snapshot_contact(snapshot);
	agent_snapshot_stop(snapshot);
	agent_snapshot_state(snapshot, &state);
	cr_expect_eq(state.n_written, 0u);
	cr_expect_eq(agent_snapshot_age_s(snapshot), -1);
	agent_snapshot_free(snapshot);
}
