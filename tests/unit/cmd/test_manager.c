/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager is told, and when: read from a socket in its place. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "capture.h"
#include "cmd/manager.h"
#include "cmd/sd_notify.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* Short, so that a test is; far from what a busy machine keeps a process waiting for. */
#define WATCHDOG_MS   200
#define WATCHDOG_TEXT "200000"
#define ASK_MS	      20
#define LONG_MS	      10000

/* @socket: the manager's.  The booleans are what it is told when it asks. */
struct world {
	int socket;
	struct event_base *base;
	struct manager *manager;
	bool is_live;
	bool is_advancing;
	bool is_reloaded;
};

static bool is_live(void *arg)
{
	return ((const struct world *)arg)->is_live;
}

static bool is_advancing(void *arg)
{
	return ((const struct world *)arg)->is_advancing;
}

static bool is_reloaded(void *arg)
{
	return ((const struct world *)arg)->is_reloaded;
}

static int listen_as_manager(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char name[64];
	socklen_t len;

	snprintf(name, sizeof(name), "@svcbpf-test-manager-%d", getpid());
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	memcpy(addr.sun_path + 1, name + 1, strlen(name) - 1);
	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&addr, len), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

/* @watchdog_usec: NULL: the unit has no WatchdogSec. */
static void begin(struct world *world, const char *watchdog_usec)
{
	const struct manager_options options = {
		.base = event_base_new(),
		.ask_ms = ASK_MS,
		.is_live = is_live,
		.is_advancing = is_advancing,
		.is_reloaded = is_reloaded,
		.arg = world,
	};

	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	if (watchdog_usec)
		setenv("WATCHDOG_USEC", watchdog_usec, 1);
	world->base = options.base;
	cr_assert(world->base);
	cr_assert_eq(manager_new(&options, &world->manager), 0);
}

static struct world *open_world(const char *watchdog_usec)
{
	static struct world world;

	world.socket = listen_as_manager();
	world.is_live = true;
	begin(&world, watchdog_usec);
	return &world;
}

static void close_world(struct world *world)
{
	manager_free(world->manager);
	event_base_free(world->base);
	if (world->socket >= 0)
		close(world->socket);
}

/* What came next, without waiting; "" when nothing did. */
static const char *next(const struct world *world)
{
	static char text[MANAGER_STATUS_MAX + 64];
	const ssize_t len = recv(world->socket, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

static void turn_loop(const struct world *world, uint64_t ms)
{
	const struct timeval delay = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	cr_assert_eq(event_base_loopexit(world->base, &delay), 0);
	event_base_dispatch(world->base);
}

/* Turn the loop until a message comes. */
static const char *wait_next(const struct world *world)
{
	const uint64_t deadline_ms = clock_now_ms() + LONG_MS;
	const char *text = next(world);

	while (!*text && clock_now_ms() < deadline_ms) {
		turn_loop(world, 5);
		text = next(world);
	}
	return text;
}

/* All that has come; the last of it is what counts from here. */
static void forget(const struct world *world)
{
	while (*next(world))
		;
}

/* What is logged between the two calls. */
struct log {
	FILE *file;
	int saved;
};

static struct log log_begin(void)
{
	struct log log = {.file = tmpfile()};

	cr_assert(log.file);
	log_setup(LOG_LEVEL_WARN, false);
	fflush(NULL);
	log.saved = capture_redirect(log.file, STDERR_FILENO);
	return log;
}

static char *log_end(struct log *log)
{
	fflush(NULL);
	capture_restore(log->saved, STDERR_FILENO);
	return capture_read(log->file);
}

static bool is_one_line(const char *text)
{
	const char *end = strchr(text, '\n');

	return end && !end[1];
}

/* ------------------------------------------------------------------ the watchdog */

Test(manager, feeds_the_watchdog_at_half_its_time)
{
	struct world *world = open_world(WATCHDOG_TEXT);
	const uint64_t start_ms = clock_now_ms();
	uint64_t took_ms;

	manager_ready(world->manager);
	forget(world);
	for (int i = 0; i < 4; i++)
		cr_expect_str_eq(wait_next(world), "WATCHDOG=1");
	took_ms = clock_now_ms() - start_ms;
	cr_expect_geq(took_ms, 4 * WATCHDOG_MS / 2 - WATCHDOG_MS / 4, "%llu ms",
		      (unsigned long long)took_ms);
	cr_expect_lt(took_ms, LONG_MS);
	close_world(world);
}

Test(manager, a_loop_that_hangs_misses_the_watchdog)
{
	struct world *world = open_world(WATCHDOG_TEXT);

	manager_ready(world->manager);
	cr_expect_str_eq(wait_next(world), "EXTEND_TIMEOUT_USEC=120000000");
	cr_expect_str_eq(wait_next(world), "READY=1");
	poll(NULL, 0, 2 * WATCHDOG_MS); /* the loop does not turn */
	cr_expect_str_empty(next(world));
	cr_expect_str_eq(wait_next(world), "WATCHDOG=1");
	close_world(world);
}

Test(manager, an_unhealthy_agent_misses_the_watchdog_and_says_so_once)
{
	struct world *world = open_world(WATCHDOG_TEXT);
	_free_ char *text = NULL;
	struct log log;

	manager_ready(world->manager);
	forget(world);
	world->is_live = false;
	log = log_begin();
	turn_loop(world, 2 * WATCHDOG_MS);
	text = log_end(&log);
	cr_expect_str_empty(next(world));
	cr_expect(strstr(text, "a change has waited too long to be programmed"), "%s", text);
	cr_expect(is_one_line(text), "%s", text);
	world->is_live = true;
	cr_expect_str_eq(wait_next(world), "WATCHDOG=1");
	close_world(world);
}

Test(manager, without_a_watchdog_none_is_fed)
{
	struct world *world = open_world(NULL);

	manager_ready(world->manager);
	forget(world);
	turn_loop(world, 3 * ASK_MS);
	cr_expect_str_empty(next(world));
	close_world(world);
}

/* ------------------------------------------------------------------ start, reload, stop */

Test(manager, a_start_that_advances_gets_more_time)
{
	struct world *world = open_world(NULL);

	cr_expect_str_eq(next(world), "EXTEND_TIMEOUT_USEC=120000000", "for loading");
	turn_loop(world, 5 * ASK_MS);
	cr_expect_str_empty(next(world), "nothing comes in, so there is no more");
	world->is_advancing = true;
	cr_expect_str_eq(wait_next(world), "EXTEND_TIMEOUT_USEC=60000000");
	manager_ready(world->manager);
	while (strncmp(next(world), "EXTEND", 6) == 0)
		;
	turn_loop(world, 5 * ASK_MS);
	cr_expect_str_empty(next(world), "it is ready");
	close_world(world);
}

Test(manager, is_ready_once)
{
	struct world *world = open_world(NULL);

	manager_ready(world->manager);
	cr_expect_str_eq(wait_next(world), "EXTEND_TIMEOUT_USEC=120000000");
	cr_expect_str_eq(wait_next(world), "READY=1");
	manager_ready(world->manager);
	cr_expect_str_empty(next(world));
	close_world(world);
}

Test(manager, a_reload_ends_when_all_is_read)
{
	struct world *world = open_world(NULL);
	unsigned long long at_us = 0;
	const uint64_t before_us = clock_now_ns(CLOCK_MONOTONIC) / 1000;

	manager_ready(world->manager);
	forget(world);
	manager_reloading(world->manager);
	cr_expect_eq(sscanf(next(world), "RELOADING=1\nMONOTONIC_USEC=%llu", &at_us), 1);
	cr_expect_geq(at_us, before_us);
	turn_loop(world, 5 * ASK_MS);
	cr_expect_str_empty(next(world));
	world->is_reloaded = true;
	cr_expect_str_eq(wait_next(world), "READY=1");
	turn_loop(world, 5 * ASK_MS);
	cr_expect_str_empty(next(world));
	close_world(world);
}

/* READY=1 at the end of it would be too early. */
Test(manager, a_reload_during_the_start_is_part_of_it)
{
	struct world *world = open_world(NULL);

	forget(world);
	world->is_reloaded = true;
	manager_reloading(world->manager);
	turn_loop(world, 5 * ASK_MS);
	cr_expect_str_empty(next(world));
	close_world(world);
}

Test(manager, tells_that_it_stops)
{
	struct world *world = open_world(NULL);

	manager_ready(world->manager);
	forget(world);
	manager_stopping(world->manager);
	cr_expect_str_eq(next(world), "STOPPING=1");
	manager_reloading(world->manager);
	cr_expect_str_empty(next(world));
	close_world(world);
}

/* ------------------------------------------------------------------ status */

Test(manager, a_status_is_told_when_it_changes)
{
	struct world *world = open_world(NULL);

	forget(world);
	manager_status(world->manager, "in step");
	cr_expect_str_eq(next(world), "STATUS=in step");
	manager_status(world->manager, "in step");
	cr_expect_str_empty(next(world));
	manager_status(world->manager, "lost");
	cr_expect_str_eq(next(world), "STATUS=lost");
	close_world(world);
}

/* A line of a stranger's must not become a message of ours. */
Test(manager, a_status_is_one_line_and_not_too_long)
{
	struct world *world = open_world(NULL);
	char text[2 * MANAGER_STATUS_MAX];

	forget(world);
	manager_status(world->manager, "bad\nREADY=1");
	cr_expect_str_eq(next(world), "STATUS=bad?READY=1");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	manager_status(world->manager, text);
	cr_expect_eq(strlen(next(world)), strlen("STATUS=") + MANAGER_STATUS_MAX - 1);
	close_world(world);
}

/* ------------------------------------------------------------------ no manager, or a bad one */

Test(manager, without_a_manager_there_are_no_timers)
{
	struct world world = {.socket = -1, .is_live = true, .is_advancing = true};

	unsetenv("NOTIFY_SOCKET");
	begin(&world, WATCHDOG_TEXT);
	cr_expect_eq(event_base_get_num_events(world.base, EVENT_BASE_COUNT_ADDED), 0);
	manager_ready(world.manager);
	manager_status(world.manager, "in step");
	manager_reloading(world.manager);
	manager_stopping(world.manager);
	close_world(&world);
}

Test(manager, one_that_does_not_listen_is_told_of_once)
{
	struct world world = {.socket = -1, .is_live = true};
	struct log log = log_begin();
	_free_ char *text = NULL;

	setenv("NOTIFY_SOCKET", "/nonexistent/svcbpf-test", 1);
	begin(&world, NULL);
	manager_ready(world.manager);
	manager_stopping(world.manager);
	text = log_end(&log);
	cr_expect(strstr(text, "telling the service manager (NOTIFY_SOCKET)"), "%s", text);
	cr_expect(is_one_line(text), "%s", text);
	close_world(&world);
}

Test(sd_notify, reads_the_time_of_the_watchdog)
{
	static const struct {
		const char *usec;
		const char *pid;
		uint64_t us;
	} cases[] = {
		{NULL, NULL, 0},
		{"30000000", NULL, 30000000},
		{"30000000", "own", 30000000},
		{"30000000", "1", 0}, /* a parent's, that left it to us */
		{"30000000", "", 0},
		{"30000000", "x", 0},
		{"2", NULL, 2},
		{"1", NULL, 0}, /* half of it is no time */
		{"0", NULL, 0},
		{"", NULL, 0},
		{"-5", NULL, 0},
		{"30s", NULL, 0},
		{"18446744073709551615", NULL, 0}, /* infinity: never */
		{"99999999999999999999", NULL, 0},
	};
	char own[16];

	snprintf(own, sizeof(own), "%d", getpid());
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *pid =
			cases[i].pid && strcmp(cases[i].pid, "own") == 0 ? own : cases[i].pid;

		unsetenv("WATCHDOG_USEC");
		unsetenv("WATCHDOG_PID");
		if (cases[i].usec)
			setenv("WATCHDOG_USEC", cases[i].usec, 1);
		if (pid)
			setenv("WATCHDOG_PID", pid, 1);
		cr_expect_eq(sd_notify_watchdog_us(), cases[i].us, "%s of %s", cases[i].usec, pid);
	}
}
