/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/agent_config.h"
#include "cmd/command.h"
#include "cmd/config_file.h"
#include "util/cleanup.h"

/* A ConfigMap's folder as the kubelet makes it: config.conf -> ..data/config.conf, ..data -> ..1 */
struct world {
	char dir[64];
	char path[96];
	struct options options;
	struct event_base *base;
	struct agent_config *config;
	int n_told;
};

static void write_text(const struct world *world, const char *name, const char *text)
{
	_free_ char *path = NULL;
	_fclose_ FILE *file = NULL;

	cr_assert_geq(asprintf(&path, "%s/%s", world->dir, name), 0);
	file = fopen(path, "we");
	cr_assert(file);
	cr_assert_geq(fputs(text, file), 0);
}

static void make_folder(const struct world *world, const char *name, const char *text)
{
	_free_ char *path = NULL;
	_free_ char *file = NULL;

	cr_assert_geq(asprintf(&path, "%s/%s", world->dir, name), 0);
	cr_assert_geq(asprintf(&file, "%s/config.conf", name), 0);
	cr_assert_eq(mkdir(path, 0700), 0);
	write_text(world, file, text);
}

static void swap_data(const struct world *world, const char *name)
{
	_free_ char *temporary = NULL;
	_free_ char *data = NULL;

	cr_assert_geq(asprintf(&temporary, "%s/..data_tmp", world->dir), 0);
	cr_assert_geq(asprintf(&data, "%s/..data", world->dir), 0);
	cr_assert_eq(symlink(name, temporary), 0);
	cr_assert_eq(rename(temporary, data), 0);
}

static void on_changed(void *arg)
{
	(*(int *)arg)++;
}

/* @world: its folder is filled already. */
static void follow(struct world *world)
{
	char error[CONFIG_ERROR_MAX];

	snprintf(world->path, sizeof(world->path), "%s/config.conf", world->dir);
	world->options.config = world->path;
	cr_assert_eq(
		config_file_read(command_find("run"), world->path, &world->options.file, error), 0,
		"%s", error);
	world->base = event_base_new();
	cr_assert(world->base);
	cr_assert_eq(agent_config_new(world->base, &world->options, on_changed, &world->n_told,
				      &world->config),
		     0);
}

static void run_loop(struct world *world, int timeout_ms)
{
	for (int i = 0; i < timeout_ms / 10 && !world->n_told; i++) {
		const struct timeval tick = {.tv_usec = 10000};

		event_base_loopexit(world->base, &tick);
		event_base_dispatch(world->base);
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void world_close(struct world *world)
{
	agent_config_free(world->config);
	options_clear(&world->options);
	event_base_free(world->base);
	nftw(world->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define WORLD                                                                                      \
	{                                                                                          \
		.dir = "/tmp/svcbpf-agent-config.XXXXXX"                                           \
	}

Test(agent_config, a_changed_file_is_told_once)
{
	_cleanup_(world_close) struct world world = WORLD;

	cr_assert(mkdtemp(world.dir));
	write_text(&world, "config.conf", "verbose: true\n");
	follow(&world);
	run_loop(&world, 100);
	cr_expect_eq(world.n_told, 0);
	write_text(&world, "config.conf", "verbose: true\n");
	write_text(&world, "other.conf", "x\n");
	run_loop(&world, 500);
	cr_expect_eq(world.n_told, 0, "told without a change");
	write_text(&world, "config.conf", "verbose: false\n");
	run_loop(&world, 5000);
	cr_expect_eq(world.n_told, 1);
	world.n_told = 0;
	write_text(&world, "config.conf", "verbose: true # again\n");
	run_loop(&world, 500);
	cr_expect_eq(world.n_told, 0, "told twice");
}

Test(agent_config, a_configmap_is_followed)
{
	_cleanup_(world_close) struct world world = WORLD;
	_free_ char *link = NULL;

	cr_assert(mkdtemp(world.dir));
	make_folder(&world, "..1", "verbose: true\n");
	make_folder(&world, "..2", "verbose: true\n");
	make_folder(&world, "..3", "verbose: false\n");
	swap_data(&world, "..1");
	cr_assert_geq(asprintf(&link, "%s/config.conf", world.dir), 0);
	cr_assert_eq(symlink("..data/config.conf", link), 0);
	follow(&world);
	swap_data(&world, "..2");
	run_loop(&world, 500);
	cr_expect_eq(world.n_told, 0, "told without a change");
	swap_data(&world, "..3");
	run_loop(&world, 5000);
	cr_expect_eq(world.n_told, 1);
}

Test(agent_config, a_file_that_vanishes_is_no_change)
{
	_cleanup_(world_close) struct world world = WORLD;

	cr_assert(mkdtemp(world.dir));
	write_text(&world, "config.conf", "verbose: true\n");
	follow(&world);
	cr_assert_eq(unlink(world.path), 0);
	run_loop(&world, 500);
	cr_expect_eq(world.n_told, 0);
	write_text(&world, "config.conf", "verbose: true\n");
	run_loop(&world, 500);
	cr_expect_eq(world.n_told, 0);
}

Test(agent_config, nothing_to_follow)
{
	const struct options options = {};
	struct agent_config *config = (void *)1;

	cr_assert_eq(agent_config_new(NULL, &options, on_changed, NULL, &config), 0);
	cr_expect_null(config);
	agent_config_free(config);
}
