/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots and the disk: what fails leaves the old one; how long they take, how large they are. */
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "snapshot_world.h"

/* ------------------------------------------------------------------ a disk that fails */

/* A snapshot is there; another one cannot be written. Expects the old one to stay. */
static void expect_old_stays(struct world *world, int expected)
{
	_cleanup_(bytes_free) struct bytes bytes = {calloc(1, 1u << 20), 1u << 20};
	struct snapshot_info info = {};
	struct snapshot_error error = {};

	cr_expect_eq(snapshot_write(world->dir, bytes.at, bytes.len), expected);
	world_reset(world);
	cr_expect_eq(load(world, NODE, &info, &error), 0, "%s", error.text);
	cr_expect_eq(info.n_services, 3u);
	cr_expect_eq(count_files(world->dir), 1u, "something is left over");
}

static void write_good(struct world *world)
{
	_cleanup_(bytes_free) struct bytes bytes = {};

	put_all(world);
	bytes = encode(world);
	cr_assert_eq(snapshot_write(world->dir, bytes.at, bytes.len), 0);
}

Test(snapshot_disk, a_file_that_may_not_grow_leaves_the_old_one)
{
	_cleanup_(world_close) struct world world = world_open();
	const struct rlimit limit = {65536, RLIM_INFINITY};
	const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};

	write_good(&world);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	expect_old_stays(&world, -EFBIG);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
}

/* The world's folder is a file system of its own, in a mount namespace that ends with the test. */
static void mount_small(const struct world *world)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		cr_skip_test("needs root");
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount("tmpfs", world->dir, "tmpfs", 0, "size=128k"), 0);
}

Test(snapshot_disk, a_full_disk_leaves_the_old_one)
{
	_cleanup_(world_close) struct world world = world_open();

	mount_small(&world);
	write_good(&world);
	expect_old_stays(&world, -ENOSPC);
	cr_expect_eq(umount(world.dir), 0);
}

Test(snapshot_disk, a_disk_that_is_read_only_leaves_the_old_one)
{
	_cleanup_(world_close) struct world world = world_open();

	mount_small(&world);
	write_good(&world);
	cr_assert_eq(mount("tmpfs", world.dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
	expect_old_stays(&world, -EROFS);
	cr_expect_eq(umount(world.dir), 0);
}

Test(snapshot_disk, the_folder_is_made_for_us_alone)
{
	_cleanup_(world_close) struct world world = world_open();
	_free_ char *dir = NULL;
	_free_ char *deep = NULL;
	_free_ char *path = NULL;
	struct stat st;

	cr_assert_geq(asprintf(&dir, "%s/new", world.dir), 0);
	cr_assert_geq(asprintf(&deep, "%s/no/where", world.dir), 0);
	cr_assert_geq(asprintf(&path, "%s/new/snapshot", world.dir), 0);
	cr_expect_eq(snapshot_write(dir, "x", 1), 0);
	cr_assert_eq(stat(dir, &st), 0);
	cr_expect_eq(st.st_mode & 0777u, 0700u);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777u, 0600u);
	cr_expect_eq(snapshot_write(deep, "x", 1), -ENOENT);
	cr_expect_eq(snapshot_write(path, "x", 1), -ENOTDIR);
}

/* A link put there beforehand must not have another file overwritten. */
Test(snapshot_disk, does_not_write_through_a_link)
{
	_cleanup_(world_close) struct world world = world_open();
	_free_ char *link = NULL;
	_free_ char *victim = NULL;

	cr_assert_geq(asprintf(&link, "%s/snapshot.new", world.dir), 0);
	cr_assert_geq(asprintf(&victim, "%s/victim", world.dir), 0);
	cr_assert_eq(symlink(victim, link), 0);
	cr_expect_eq(snapshot_write(world.dir, "x", 1), -ELOOP);
	cr_expect_neq(access(victim, F_OK), 0);
	cr_expect_eq(snapshot_write(world.dir, "x", 1), 0, "the link is in the way for good");
}

/* ------------------------------------------------------------------ size */

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void put_big_slice(struct world *world, unsigned int number, const char *service,
			  const char *const *nodes)
{
	struct k8s_slice *slice = calloc(1, sizeof(*slice));
	char name[64];

	cr_assert(slice);
	snprintf(name, sizeof(name), "%s-abcde", service);
	slice->namespace = strings_get(world->pool, "default");
	slice->name = strings_get(world->pool, name);
	slice->service = strings_get(world->pool, service);
	slice->family = ADDR_IPV4;
	slice->last_change_ns = INT64_C(1750000000000000000) + number;
	slice->n_ports = 1;
	slice->ports = calloc(1, sizeof(*slice->ports));
	slice->n_endpoints = 25;
	slice->endpoints = calloc(25, sizeof(*slice->endpoints));
	cr_assert(slice->ports && slice->endpoints);
	slice->ports[0] =
		(struct k8s_slice_port){strings_get(world->pool, "http"), IPPROTO_TCP, 8080};
	for (unsigned int i = 0; i < 25; i++) {
		const unsigned int n = number * 25 + i;

		slice->endpoints[i] = (struct k8s_endpoint){
			.addr = {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n},
			.node = strings_ref(nodes[(n * 2654435761u >> 8) % 5000]),
			.flags = K8S_ENDPOINT_READY | K8S_ENDPOINT_SERVING,
		};
	}
	cr_assert_eq(model_put_slice(world->model, slice), 0);
}

static void put_big(struct world *world)
{
	const char *nodes[5000];
	char text[512];

	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "ip-10-0-%u-%u.eu-west-1.compute.internal", i / 256,
			 i % 256);
		nodes[i] = strings_get(world->pool, text);
	}
	for (unsigned int i = 0; i < 10000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "service-%u", i);
		snprintf(text, sizeof(text),
			 "{\"kind\": \"Service\", \"metadata\": {\"name\": \"%s\", \"namespace\": "
			 "\"default\"}, \"spec\": {\"clusterIP\": \"10.96.%u.%u\", \"clusterIPs\": "
			 "[\"10.96.%u.%u\"], \"ipFamilies\": [\"IPv4\"], \"ports\": [{\"name\": "
			 "\"http\", \"port\": 80}]}}",
			 name, i / 256, i % 256, i / 256, i % 256);
		put(world, text);
		put_big_slice(world, i, name, nodes);
	}
	for (unsigned int i = 0; i < 5000; i++)
		strings_put(world->pool, nodes[i]);
}

Test(snapshot_disk, of_250000_endpoints_is_small_and_quick, .timeout = 120)
{
	_cleanup_(world_close) struct world world = world_open();
	_cleanup_(bytes_free) struct bytes bytes = {}, again = {};
	struct snapshot_info info = {};
	struct snapshot_error error = {};
	double best_ms = 1e9, start_ms, write_ms, load_ms;

	put_big(&world);
	for (int i = 0; i < 5; i++) {
		bytes_free(&bytes);
		start_ms = now_ms();
		bytes = encode(&world);
		if (now_ms() - start_ms < best_ms)
			best_ms = now_ms() - start_ms;
	}
	start_ms = now_ms();
	cr_assert_eq(snapshot_write(world.dir, bytes.at, bytes.len), 0);
	write_ms = now_ms() - start_ms;
	world_reset(&world);
	start_ms = now_ms();
	cr_assert_eq(load(&world, NODE, &info, &error), 0, "%s", error.text);
	load_ms = now_ms() - start_ms;
	again = encode(&world);
	cr_expect(again.len == bytes.len && memcmp(again.at, bytes.at, bytes.len) == 0);
	cr_expect_lt(bytes.len, 4000000u);
	cr_log_info("10,000 Services x 25 endpoints: %zu bytes; encode %.1f ms, write %.1f ms, "
		    "load %.1f ms\n",
		    bytes.len, best_ms, write_ms, load_ms);
}
