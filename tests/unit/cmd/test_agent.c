/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the agent that need no kernel: what it remembers, counts and logs. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "capture.h"
#include "cmd/agent_problems.h"
#include "cmd/changes.h"
#include "cmd/rejects.h"
#include "cmd/sd_notify.h"
#include "states.h"
#include "util/cleanup.h"
#include "util/log.h"

/* What is logged between the two calls. */
struct log {
	FILE *file;
	int saved;
};

static struct log log_begin(void)
{
	struct log log = {.file = tmpfile()};

	cr_assert(log.file);
	unsetenv("JOURNAL_STREAM");
	log_setup(LOG_LEVEL_INFO, false);
	fflush(NULL);
	log.saved = capture_redirect(log.file, STDERR_FILENO);
	return log;
}

/* The lines without their times. */
static char *log_end(struct log *log)
{
	char *text;
	char *to;

	fflush(NULL);
	capture_restore(log->saved, STDERR_FILENO);
	text = capture_read(log->file);
	to = text;
	for (char *line = text; *line;) {
		char *end = strchrnul(line, '\n');
		char *from = memchr(line, ' ', (size_t)(end - line));

		cr_assert(from, "%s", line);
		memmove(to, from + 1, (size_t)(end - from));
		to += end - from;
		line = *end ? end + 1 : end;
	}
	*to = '\0';
	return text;
}

static void expect_log(struct log *log, const char *expected)
{
	_free_ char *text = log_end(log);

	cr_expect_str_eq(text, expected, "got:\n%s", text);
}

/* ------------------------------------------------------------------ problems */

Test(problems, are_logged_when_they_begin_and_when_they_end)
{
	_cleanup_(agent_problems_clear) struct agent_problems problems = {};
	struct log log = log_begin();

	agent_problems_begin(&problems);
	agent_problems_add(&problems, "default/web", "does not fit");
	agent_problems_add(&problems, "", "a.yaml:3: broken");
	agent_problems_add(&problems, "default/web", "does not fit");
	cr_expect(agent_problems_end(&problems));
	cr_assert_eq(problems.n_lines, 2u);
	cr_expect_str_eq(problems.lines[0], "a.yaml:3: broken");
	expect_log(&log, "warning: a.yaml:3: broken\nwarning: default/web: does not fit\n");

	log = log_begin();
	agent_problems_begin(&problems);
	agent_problems_add(&problems, "default/web", "does not fit");
	agent_problems_add(&problems, "", "a.yaml:3: broken");
	cr_expect_not(agent_problems_end(&problems));
	expect_log(&log, "");

	log = log_begin();
	agent_problems_begin(&problems);
	agent_problems_add(&problems, "default/web", "does not fit");
	cr_expect(agent_problems_end(&problems));
	expect_log(&log, "info: resolved: a.yaml:3: broken\n");

	log = log_begin();
	agent_problems_begin(&problems);
	cr_expect(agent_problems_end(&problems));
	cr_expect_eq(problems.n_lines, 0u);
	expect_log(&log, "info: resolved: default/web: does not fit\n");
}

Test(problems, many_are_counted)
{
	_cleanup_(agent_problems_clear) struct agent_problems problems = {};
	struct log log = log_begin();
	_free_ char *text = NULL;

	agent_problems_begin(&problems);
	for (int i = 0; i < 1000; i++) {
		char service[32];

		snprintf(service, sizeof(service), "default/s%04d", i);
		agent_problems_add(&problems, service, "does not fit");
	}
	cr_expect(agent_problems_end(&problems));
	cr_expect_eq(problems.n_lines, 1000u);
	text = log_end(&log);
	cr_expect(strstr(text, "default/s0019: does not fit\n"), "%s", text);
	cr_expect_not(strstr(text, "default/s0020"), "%s", text);
	cr_expect(strstr(text, "warning: 980 more problems; 'svcbpf status' shows some\n"), "%s",
		  text);
}

/* ------------------------------------------------------------------ rejects */

struct file_state {
	const char *where;
	uint64_t state;
};

/* The state of each place; the table ends with where NULL. */
static uint64_t state_of(void *arg, const char *where)
{
	for (const struct file_state *s = arg; s->where; s++)
		if (strcmp(s->where, where) == 0)
			return s->state;
	return 0;
}

Test(rejects, stay_as_long_as_they_are_refused)
{
	_cleanup_(rejects_clear) struct rejects rejects = {};
	struct file_state states[] = {{"a:1", 5}, {"a:2", 5}, {"b:1", 6}, {NULL, 0}};

	cr_assert_eq(rejects_add(&rejects, "a:1", "Service default/web", "bad"), 0);
	cr_assert_eq(rejects_add(&rejects, "a:2", "", "not YAML"), 0);
	cr_assert_eq(rejects_add(&rejects, "b:1", "", "bad too"), 0);
	rejects_settle(&rejects, state_of, states);
	cr_assert_eq(rejects.n_items, 3u);
	cr_expect_str_eq(rejects.items[0].line, "a:1: Service default/web: bad");
	cr_expect_str_eq(rejects.items[1].line, "a:2: not YAML");

	/* nothing changed; then one is good */
	rejects_settle(&rejects, state_of, states);
	cr_assert_eq(rejects.n_items, 3u);
	states[2].state = 0;
	rejects_settle(&rejects, state_of, states);
	cr_assert_eq(rejects.n_items, 2u);

	/* a changed: what is still wrong was told anew */
	states[0].state = 7;
	states[1].state = 7;
	cr_assert_eq(rejects_add(&rejects, "a:1", "", "bad in another way"), 0);
	rejects_settle(&rejects, state_of, states);
	cr_assert_eq(rejects.n_items, 1u);
	cr_expect_str_eq(rejects.items[0].line, "a:1: bad in another way");
}

/* ------------------------------------------------------------------ changes */

Test(changes, counts_services_frontends_and_distinct_backends)
{
	struct state *state = states_rich();
	struct changes changes = {};
	size_t n;
	struct service_port *const *ports = state_ports(state, &n);

	for (size_t i = 0; i < n; i++)
		changes_count(&changes, &ports[i]->key, ports[i]);
	cr_expect_eq(changes.n_services, 2u);
	cr_expect_eq(changes.n_frontends, 8u);
	cr_expect_eq(changes.n_backends, 2u + 5u);
	cr_expect_eq(changes.n_removed_ports, 0u);
	changes_count(&changes, &ports[0]->key, NULL);
	cr_expect_eq(changes.n_services, 3u);
	cr_expect_eq(changes.n_frontends, 8u);
	cr_expect_eq(changes.n_removed_ports, 1u);
	state_free(state);
}

/* Count Services default/s0 and so on, and log them. */
static void log_services(size_t n, struct changes_budget *budget, uint64_t now_ms)
{
	struct changes changes = {};

	for (size_t i = 0; i < n; i++) {
		char name[32];
		struct service_port_key key = {.namespace = "default", .name = name};

		snprintf(name, sizeof(name), "s%zu", i);
		changes_count(&changes, &key, NULL);
	}
	changes_log(&changes, budget, now_ms, 12, 1.25);
}

Test(changes, names_the_first_services)
{
	struct changes_budget budget = {};
	struct log log = log_begin();

	log_services(1, &budget, 1000000);
	log_services(3, &budget, 1000000);
	log_services(5, &budget, 1000000);
	expect_log(&log, "info: changed default/s0: 12 map entries written in 1.2 ms\n"
			 "info: changed default/s0, default/s1, default/s2: 12 map entries written "
			 "in 1.2 ms\n"
			 "info: changed default/s0, default/s1, default/s2 and 2 more Services: 12 "
			 "map entries written in 1.2 ms\n");
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

Test(changes, do_not_fill_the_log)
{
	struct changes_budget budget = {};
	struct log log = log_begin();
	_free_ char *burst = NULL;

	for (int i = 0; i < 1000; i++)
		log_services(1, &budget, 1000000);
	burst = log_end(&log);
	cr_expect_eq(count_lines(burst), 20u, "%s", burst);

	log = log_begin();
	log_services(1, &budget, 1000999);
	log_services(1, &budget, 1001000);
	log_services(1, &budget, 1001001);
	expect_log(&log, "info: changed default/s0: 12 map entries written in 1.2 ms (981 changes "
			 "before it were not logged)\n");
}

/* ------------------------------------------------------------------ sd_notify */

static void expect_notified(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[64] = "";

	cr_assert_geq(fd, 0);
	memcpy(addr.sun_path, name, strlen(name));
	if (*name == '@')
		addr.sun_path[0] = '\0';
	cr_assert_eq(bind(fd, (const struct sockaddr *)&addr, len), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	cr_expect_eq(sd_notify_send("READY=1"), 0);
	cr_expect_eq(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 7);
	cr_expect_str_eq(text, "READY=1");
}

Test(sd_notify, sends_to_a_path_and_to_an_abstract_socket)
{
	char folder[] = "/tmp/svcbpf-test-XXXXXX";
	char name[64];

	cr_assert(mkdtemp(folder));
	snprintf(name, sizeof(name), "%s/notify", folder);
	expect_notified(name);
	unlink(name);
	rmdir(folder);
	snprintf(name, sizeof(name), "@svcbpf-test-%d", getpid());
	expect_notified(name);
}

Test(sd_notify, without_a_manager_nothing_happens)
{
	unsetenv("NOTIFY_SOCKET");
	cr_expect_eq(sd_notify_send("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	cr_expect_eq(sd_notify_send("READY=1"), 0);
}

Test(sd_notify, errors)
{
	setenv("NOTIFY_SOCKET", "relative", 1);
	cr_expect_eq(sd_notify_send("READY=1"), -EINVAL);
	setenv("NOTIFY_SOCKET", "/nonexistent/svcbpf-test", 1);
	cr_expect_eq(sd_notify_send("READY=1"), -ENOENT);
}
