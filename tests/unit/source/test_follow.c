/* SPDX-License-Identifier: Apache-2.0 */
/* Following files and folders: each way of changing them is seen, and seen as one change. */
#include "unit/source/recorder.h"

#include <event2/event.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "source/watch.h"

/* Longer than any change may take to be told, and time for it to be told twice. */
#define SETTLE_MS   150
#define PATIENCE_MS 5000

static struct recorder recorder;
static struct event_base *base;

static void setup(void)
{
	recorder_open(&recorder);
	base = event_base_new();
	cr_assert_not_null(base);
}

static void teardown(void)
{
	recorder_close(&recorder);
	event_base_free(base);
}

TestSuite(follow, .init = setup, .fini = teardown);

#define SERVICE(name, ip)                                                                          \
	"kind: Service\nmetadata: {name: " name "}\nspec: {clusterIP: " ip                         \
	", ports: [{port: 80}]}\n"
#define TOLD(name, ip) "+service default/" name " " ip " :80\n"

static void run_for(int ms)
{
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L};

	cr_assert_eq(event_base_loopexit(base, &tv), 0);
	cr_assert_geq(event_base_dispatch(base), 0);
}

/* Runs the loop until something was told, and then as long as it could be told twice. */
static void settle(void)
{
	for (int i = 0; i < PATIENCE_MS / 20 && !recorder.log[0]; i++)
		run_for(20);
	run_for(SETTLE_MS);
}

#define EXPECT_CHANGE(expected)                                                                    \
	do {                                                                                       \
		settle();                                                                          \
		cr_expect_str_eq(recorder.log, expected);                                          \
		recorder.log[0] = '\0';                                                            \
	} while (0)

/* Loads, follows, and lets the first look that following brings pass. */
static void follow(void)
{
	cr_assert_eq(manifests_load(recorder.manifests), 0);
	cr_assert_eq(manifests_follow(recorder.manifests, base), 0);
	run_for(SETTLE_MS);
	recorder.log[0] = '\0';
}

static void path_of(char path[128], const char *name)
{
	snprintf(path, 128, "%s/%s", recorder.folder, name);
}

static void move(const char *from, const char *to)
{
	char old[128], new[128];

	path_of(old, from);
	path_of(new, to);
	cr_assert_eq(rename(old, new), 0, "%m");
}

static void make_folder(const char *name)
{
	char path[128];

	path_of(path, name);
	cr_assert_eq(mkdir(path, 0700), 0, "%m");
}

static void make_link(const char *target, const char *name)
{
	char path[128];

	path_of(path, name);
	cr_assert_eq(symlink(target, path), 0, "%m");
}

/* A source over another path than the whole folder. */
static void open_at(const char *name)
{
	char path[128];

	path_of(path, name);
	recorder_use_path(&recorder, path);
}

Test(follow, a_write_and_a_removal)
{
	follow();
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	EXPECT_CHANGE(TOLD("a", "10.96.0.1") "synced\n");
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.2"));
	EXPECT_CHANGE(TOLD("a", "10.96.0.2") "synced\n");
	recorder_unlink(&recorder, "a.yaml");
	EXPECT_CHANGE("-service default/a\nsynced\n");
}

Test(follow, an_editors_save_is_one_change)
{
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	follow();
	recorder_write(&recorder, ".a.yaml.swp", "x");
	recorder_write(&recorder, "4913", "");
	recorder_unlink(&recorder, "4913");
	move("a.yaml", "a.yaml~");
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.2"));
	recorder_unlink(&recorder, "a.yaml~");
	EXPECT_CHANGE(TOLD("a", "10.96.0.2") "synced\n");
	recorder_write(&recorder, "a.yaml.tmp", SERVICE("a", "10.96.0.3"));
	move("a.yaml.tmp", "a.yaml");
	EXPECT_CHANGE(TOLD("a", "10.96.0.3") "synced\n");
}

Test(follow, many_files_at_once_are_one_change)
{
	follow();
	for (int i = 0; i < 50; i++) {
		char name[32], text[256];

		snprintf(name, sizeof(name), "s%02d.yaml", i);
		snprintf(text, sizeof(text), SERVICE("s%d", "10.96.1.%d"), i, i);
		recorder_write(&recorder, name, text);
	}
	settle();
	cr_expect_not_null(strstr(recorder.log, TOLD("s0", "10.96.1.0")));
	cr_expect_not_null(strstr(recorder.log, TOLD("s49", "10.96.1.49") "synced\n"));
	cr_expect_eq(recorder.n_synced, 2, "the first load, and one change: %d", recorder.n_synced);
}

Test(follow, a_busy_folder_is_told_in_the_end)
{
	int n_synced;

	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	follow();
	n_synced = recorder.n_synced;
	/* never quiet for WATCH_QUIET_MS */
	for (int i = 0; i < 2 * WATCH_MAX_MS / 10 && recorder.n_synced == n_synced; i++) {
		char text[256];

		snprintf(text, sizeof(text), SERVICE("a", "10.96.0.%d"), i + 2);
		recorder_write(&recorder, "a.yaml", text);
		run_for(10);
	}
	cr_expect_gt(recorder.n_synced, n_synced);
}

Test(follow, a_half_written_file_waits_for_its_writer)
{
	char path[128];
	int fd;

	follow();
	path_of(path, "a.yaml");
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "kind: [", 7), 7);
	run_for(SETTLE_MS);
	cr_expect_str_eq(recorder.log, "");
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(pwrite(fd, SERVICE("a", "10.96.0.1"), strlen(SERVICE("a", "10.96.0.1")), 0),
		     (ssize_t)strlen(SERVICE("a", "10.96.0.1")));
	cr_assert_eq(close(fd), 0);
	EXPECT_CHANGE(TOLD("a", "10.96.0.1") "synced\n");
}

Test(follow, other_files_are_no_change)
{
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	follow();
	recorder_write(&recorder, "notes.txt", "x");
	recorder_write(&recorder, ".b.yaml", SERVICE("b", "10.96.0.2"));
	make_folder("folder");
	/* read again, but it says the same */
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	run_for(SETTLE_MS);
	cr_expect_str_eq(recorder.log, "");
	cr_expect_eq(recorder.n_synced, 1);
}

Test(follow, links_count_when_they_are_made)
{
	recorder_write(&recorder, "target", SERVICE("a", "10.96.0.1"));
	follow();
	make_link("target", "a.yaml");
	EXPECT_CHANGE(TOLD("a", "10.96.0.1") "synced\n");
	recorder_unlink(&recorder, "a.yaml");
	EXPECT_CHANGE("-service default/a\nsynced\n");
}

/* As kubelet updates a mounted ConfigMap: files are links into ..data, which is swapped. */
Test(follow, a_config_map_is_swapped_as_one_change)
{
	make_folder("..1");
	make_folder("..2");
	recorder_write(&recorder, "..1/a.yaml", SERVICE("a", "10.96.0.1"));
	recorder_write(&recorder, "..1/b.yaml", SERVICE("b", "10.96.0.2"));
	recorder_write(&recorder, "..2/a.yaml", SERVICE("a", "10.96.0.3"));
	recorder_write(&recorder, "..2/b.yaml", SERVICE("b", "10.96.0.4"));
	make_link("..1", "..data");
	make_link("..data/a.yaml", "a.yaml");
	make_link("..data/b.yaml", "b.yaml");
	follow();
	make_link("..2", "..data_tmp");
	move("..data_tmp", "..data");
	EXPECT_CHANGE(TOLD("a", "10.96.0.3") TOLD("b", "10.96.0.4") "synced\n");
}

Test(follow, a_folder_that_vanishes_keeps_its_state_and_comes_back)
{
	make_folder("f");
	recorder_write(&recorder, "f/a.yaml", SERVICE("a", "10.96.0.1"));
	open_at("f");
	follow();
	move("f", "g");
	EXPECT_CHANGE("rejected f [] No such file or directory\n");
	/* what happens to the old one is of no interest any more */
	recorder_write(&recorder, "g/b.yaml", SERVICE("b", "10.96.0.2"));
	run_for(SETTLE_MS);
	cr_expect_str_eq(recorder.log, "");
	make_folder("f");
	recorder_write(&recorder, "f/a.yaml", SERVICE("a", "10.96.0.3"));
	EXPECT_CHANGE(TOLD("a", "10.96.0.3") "synced\n");
	recorder_write(&recorder, "f/b.yaml", SERVICE("b", "10.96.0.4"));
	EXPECT_CHANGE(TOLD("b", "10.96.0.4") "synced\n");
	/* removed, not renamed; and with all that is above it */
	recorder_unlink(&recorder, "f/a.yaml");
	recorder_unlink(&recorder, "f/b.yaml");
	settle();
	recorder.log[0] = '\0';
}

Test(follow, a_path_may_vanish_with_the_folders_above_it)
{
	char path[128];

	make_folder("x");
	make_folder("x/y");
	make_folder("x/y/f");
	recorder_write(&recorder, "x/y/f/a.yaml", SERVICE("a", "10.96.0.1"));
	open_at("x/y/f/");
	follow();
	move("x", "z");
	/* the folder itself did not move: it is as it was until somebody looks */
	run_for(SETTLE_MS);
	recorder.log[0] = '\0';
	path_of(path, "z/y/f/a.yaml");
	cr_assert_eq(unlink(path), 0);
	path_of(path, "z/y/f");
	cr_assert_eq(rmdir(path), 0);
	EXPECT_CHANGE("rejected x/y/f/ [] No such file or directory\n");
	make_folder("x");
	run_for(SETTLE_MS);
	make_folder("x/y");
	run_for(SETTLE_MS);
	make_folder("x/y/f");
	run_for(SETTLE_MS);
	recorder.log[0] = '\0';
	recorder_write(&recorder, "x/y/f/a.yaml", SERVICE("a", "10.96.0.5"));
	EXPECT_CHANGE(TOLD("a", "10.96.0.5") "synced\n");
}

Test(follow, a_single_file_is_followed_through_saves_and_removal)
{
	recorder_write(&recorder, "one", SERVICE("a", "10.96.0.1"));
	open_at("one");
	follow();
	recorder_write(&recorder, "other", "x");
	run_for(SETTLE_MS);
	cr_expect_str_eq(recorder.log, "");
	recorder_write(&recorder, "one", SERVICE("a", "10.96.0.2"));
	EXPECT_CHANGE(TOLD("a", "10.96.0.2") "synced\n");
	recorder_write(&recorder, "new", SERVICE("a", "10.96.0.3"));
	move("new", "one");
	EXPECT_CHANGE(TOLD("a", "10.96.0.3") "synced\n");
	recorder_unlink(&recorder, "one");
	EXPECT_CHANGE("rejected one [] No such file or directory\n");
	recorder_write(&recorder, "one", SERVICE("a", "10.96.0.4"));
	EXPECT_CHANGE(TOLD("a", "10.96.0.4") "synced\n");
}

Test(follow, a_linked_folder_is_followed_when_the_link_is_swapped)
{
	make_folder("v1");
	make_folder("v2");
	recorder_write(&recorder, "v1/a.yaml", SERVICE("a", "10.96.0.1"));
	recorder_write(&recorder, "v2/a.yaml", SERVICE("a", "10.96.0.2"));
	make_link("v1", "now");
	open_at("now");
	follow();
	make_link("v2", "next");
	move("next", "now");
	EXPECT_CHANGE(TOLD("a", "10.96.0.2") "synced\n");
	recorder_write(&recorder, "v2/a.yaml", SERVICE("a", "10.96.0.3"));
	EXPECT_CHANGE(TOLD("a", "10.96.0.3") "synced\n");
	recorder_write(&recorder, "v1/a.yaml", SERVICE("a", "10.96.0.9"));
	run_for(SETTLE_MS);
	cr_expect_str_eq(recorder.log, "");
}

Test(follow, a_change_before_following_is_seen)
{
	cr_assert_eq(manifests_load(recorder.manifests), 0);
	recorder.log[0] = '\0';
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	cr_assert_eq(manifests_follow(recorder.manifests, base), 0);
	EXPECT_CHANGE(TOLD("a", "10.96.0.1") "synced\n");
}

Test(follow, a_bad_save_is_told_once_and_mended)
{
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	follow();
	recorder_write(&recorder, "a.yaml", "kind: Service\nmetadata: {name: a}\nspec: 5\n");
	EXPECT_CHANGE("rejected a.yaml:3 [Service default/a] spec: must be an object, but is the "
		      "number 5\nsynced\n");
	recorder_write(&recorder, "b.yaml", SERVICE("b", "10.96.0.2"));
	EXPECT_CHANGE(TOLD("b", "10.96.0.2") "synced\n");
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.3"));
	EXPECT_CHANGE(TOLD("a", "10.96.0.3") "synced\n");
}

/* More changes than the kernel's queue holds: what is lost is looked for. */
Test(follow, a_queue_that_overflows_is_no_loss)
{
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
	int max = 0;

	cr_assert_not_null(f);
	cr_assert_eq(fscanf(f, "%d", &max), 1);
	cr_assert_eq(fclose(f), 0);
	if (max > 65536)
		cr_skip_test("max_queued_events is %d: filling it takes too long", max);
	follow();
	for (int i = 0; i < max / 3 + 1; i++) {
		recorder_write(&recorder, "filler", "");
		recorder_unlink(&recorder, "filler");
	}
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	EXPECT_CHANGE(TOLD("a", "10.96.0.1") "synced\n");
}
