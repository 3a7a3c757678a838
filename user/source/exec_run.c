/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin's process: started, read, awaited and killed without blocking the event loop. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "source/exec_credential.h"
#include "source/kubeconfig.h"
#include "util/cleanup.h"
#include "util/one_line.h"

#define INFO_NAME	 "KUBERNETES_EXEC_INFO"
#define FIRST_READ_BYTES 4096

/**
 * struct exec_run - a plugin that runs.
 * @output_fd: its standard output; -1 after the end of it.
 * @pid_fd: readable when it has ended.
 * @killed_for: why it was killed; NULL.
 */
struct exec_run {
	const struct kubeconfig *config;
	struct exec_events events;
	pid_t pid;
	int output_fd;
	int pid_fd;
	struct event *output_event;
	struct event *exit_event;
	struct event *timer;
	char *output;
	size_t len;
	size_t size;
	uint32_t timeout_s;
	char killed_for[64];
};

/* ---------------------------------------------------------------- end */

static void close_output(struct exec_run *run)
{
	if (run->output_event)
		event_free(run->output_event);
	run->output_event = NULL;
	if (run->output_fd >= 0)
		close(run->output_fd);
	run->output_fd = -1;
}

static void run_free(struct exec_run *run)
{
	close_output(run);
	if (run->exit_event)
		event_free(run->exit_event);
	if (run->timer)
		event_free(run->timer);
	if (run->pid_fd >= 0)
		close(run->pid_fd);
	if (run->output)
		explicit_bzero(run->output, run->size);
	free(run->output);
	free(run);
}

/* With its children: it leads a process group of its own. */
static void kill_all(const struct exec_run *run)
{
	if (run->pid > 0)
		kill(-run->pid, SIGKILL);
}

static pid_t wait_for(struct exec_run *run, int *ret_status)
{
	pid_t pid;

	do
		pid = waitpid(run->pid, ret_status, 0);
	while (pid < 0 && errno == EINTR);
	return pid;
}

void exec_run_cancel(struct exec_run *run)
{
	int status;

	if (!run)
		return;
	kill_all(run);
	if (run->pid > 0)
		wait_for(run, &status);
	run_free(run);
}

static void run_freep(struct exec_run **run)
{
	exec_run_cancel(*run);
}

/* Why the plugin's answer is not looked at; false: it is. */
static bool has_failed(const struct exec_run *run, int status, char text[EXEC_TEXT_MAX])
{
	const char *name = run->config->exec->argv[0];

	if (run->killed_for[0])
		snprintf(text, EXEC_TEXT_MAX, "exec plugin %.200s: %s", name, run->killed_for);
	else if (WIFSIGNALED(status))
		snprintf(text, EXEC_TEXT_MAX, "exec plugin %.200s: ended by signal %d", name,
			 WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		snprintf(text, EXEC_TEXT_MAX,
			 "exec plugin %.200s: failed with status %d; its own messages are on "
			 "standard "
			 "error",
			 name, WEXITSTATUS(status));
	else
		return false;
	return true;
}

static void end(struct exec_run *run, int status)
{
	_cleanup_(exec_credential_free) struct exec_credential credential = {};
	const struct exec_events events = run->events;
	const char *name = run->config->exec->argv[0];
	char text[EXEC_TEXT_MAX] = "", problem[EXEC_TEXT_MAX];
	int r;

	if (!has_failed(run, status, text)) {
		r = exec_credential_parse(run->output ? run->output : "", run->len,
					  run->config->exec->api_version, &credential, problem);
		if (r == -EINVAL)
			snprintf(text, sizeof(text),
				 "exec plugin %.200s: not the ExecCredential it must print: %.200s",
				 name, problem);
		else if (r < 0)
			snprintf(text, sizeof(text), "exec plugin %.200s: %s", name,
				 strerrordesc_np(-r));
	}
	run_free(run);
	events.done(events.arg, text[0] ? NULL : &credential, text);
}

static void kill_for(struct exec_run *run, const char *why)
{
	/* only the first reason counts; the exit event ends the run */
	if (!run->killed_for[0])
		snprintf(run->killed_for, sizeof(run->killed_for), "%s", why);
	close_output(run);
	kill_all(run);
}

/* ---------------------------------------------------------------- output */

static int make_room(struct exec_run *run)
{
	size_t size = run->size ? run->size * 2 : FIRST_READ_BYTES;
	char *grown;

	if (run->len < run->size)
		return 0;
	/* not realloc(3): it would leave a copy of the secret behind */
	grown = malloc(size);
	if (!grown)
		return -ENOMEM;
	if (run->output) {
		memcpy(grown, run->output, run->len);
		explicit_bzero(run->output, run->size);
		free(run->output);
	}
	run->output = grown;
	run->size = size;
	return 0;
}

/* Reads what there is. */
static void read_output(struct exec_run *run)
{
	while (run->output_fd >= 0) {
		ssize_t n;

		if (make_room(run) < 0) {
			kill_for(run, "no memory for what it prints");
			return;
		}
		n = read(run->output_fd, run->output + run->len, run->size - run->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close_output(run);
			return;
		}
		run->len += (size_t)n;
		if (run->len > EXEC_OUTPUT_MAX_BYTES)
			kill_for(run, "printed more than 1 MiB, killed");
	}
}

static void on_output(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_output(arg);
}

/* What it has printed is in the pipe, even when a child of it keeps the pipe open. */
static void on_exit_ready(evutil_socket_t fd, short what, void *arg)
{
	struct exec_run *run = arg;
	int status = 0;
	pid_t pid = wait_for(run, &status);

	(void)fd;
	(void)what;
	run->pid = 0;
	read_output(run);
	if (pid < 0)
		snprintf(run->killed_for, sizeof(run->killed_for), "its status is lost");
	end(run, status);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct exec_run *run = arg;
	char why[sizeof(run->killed_for)];

	(void)fd;
	(void)what;
	snprintf(why, sizeof(why), "not done after %" PRIu32 " s, killed", run->timeout_s);
	kill_for(run, why);
}

/* ---------------------------------------------------------------- start */

static void strings_freep(char ***strings)
{
	free(*strings);
}

/* Whether the plugin's own environment sets the variable that @entry ("NAME=value") is of. */
static bool is_overridden(const struct kubeconfig *config, const char *entry)
{
	size_t len = strcspn(entry, "=") + 1;

	if (strncmp(entry, INFO_NAME "=", len) == 0)
		return true;
	for (char **own = config->exec->env; *own; own++) {
		if (strncmp(*own, entry, len) == 0)
			return true;
	}
	return false;
}

/* Ours, what the kubeconfig adds, and @info; the strings are borrowed. */
static char **make_environment(const struct kubeconfig *config, char *info)
{
	size_t n = 0, max = 2;
	char **all;

	for (char **entry = environ; *entry; entry++)
		max++;
	for (char **own = config->exec->env; *own; own++)
		max++;
	all = calloc(max, sizeof(*all));
	if (!all)
		return NULL;
	for (char **entry = environ; *entry; entry++) {
		if (!is_overridden(config, *entry))
			all[n++] = *entry;
	}
	for (char **own = config->exec->env; *own; own++) {
		if (strncmp(*own, INFO_NAME "=", strlen(INFO_NAME "=")) != 0)
			all[n++] = *own;
	}
	all[n] = info;
	return all;
}

/* The child's signals are as in a shell, whatever ours are: SIGPIPE may be ignored here. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawnattr_setsigmask(attributes, &none) ||
	    posix_spawnattr_setsigdefault(attributes, &all) ||
	    posix_spawnattr_setpgroup(attributes, 0))
		return -ENOMEM;
	return -posix_spawnattr_setflags(
		attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

/* Nothing else is left open, whatever a library has forgotten to mark. */
static int set_files(posix_spawn_file_actions_t *files, int output)
{
	if (posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0) ||
	    posix_spawn_file_actions_adddup2(files, output, STDOUT_FILENO) ||
	    posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1))
		return -ENOMEM;
	return 0;
}

/* Return: 0, or negative errno of posix_spawn(3). */
static int spawn(const struct kubeconfig *config, char **environment, int output, pid_t *ret_pid)
{
	_cleanup_(posix_spawn_file_actions_destroy) posix_spawn_file_actions_t files;
	_cleanup_(posix_spawnattr_destroy) posix_spawnattr_t attributes;
	int r;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	r = set_files(&files, output);
	if (r == 0)
		r = set_attributes(&attributes);
	if (r < 0)
		return r;
	return -posix_spawnp(ret_pid, config->exec->argv[0], &files, &attributes,
			     config->exec->argv, environment);
}

static int start_process(struct exec_run *run)
{
	_free_ char *variable = NULL;
	_free_ char *info = exec_info(run->config);
	_cleanup_(strings_freep) char **environment = NULL;
	_close_ int output = -1;
	int fds[2];

	if (!info || asprintf(&variable, INFO_NAME "=%s", info) < 0) {
		variable = NULL;
		return -ENOMEM;
	}
	environment = make_environment(run->config, variable);
	if (!environment)
		return -ENOMEM;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	run->output_fd = fds[0];
	output = fds[1];
	if (fcntl(run->output_fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return spawn(run->config, environment, output, &run->pid);
}

static int watch_process(struct exec_run *run, struct event_base *base)
{
	const struct timeval timeout = {.tv_sec = run->timeout_s};

	run->pid_fd = pidfd_open(run->pid, 0);
	if (run->pid_fd < 0)
		return -errno;
	run->output_event = event_new(base, run->output_fd, EV_READ | EV_PERSIST, on_output, run);
	run->exit_event = event_new(base, run->pid_fd, EV_READ, on_exit_ready, run);
	run->timer = evtimer_new(base, on_timeout, run);
	if (!run->output_event || !run->exit_event || !run->timer ||
	    event_add(run->output_event, NULL) < 0 || event_add(run->exit_event, NULL) < 0 ||
	    event_add(run->timer, &timeout) < 0)
		return -ENOMEM;
	return 0;
}

static void describe(const struct kubeconfig *config, int error, char text[EXEC_TEXT_MAX])
{
	const char *hint = error == -ENOENT ? config->exec->install_hint : NULL;

	snprintf(text, EXEC_TEXT_MAX, "exec plugin %.200s: %s%s%.200s", config->exec->argv[0],
		 strerrordesc_np(-error), hint ? ": " : "", hint ? hint : "");
	one_line_make(text, ' ');
}

int exec_run_start(struct event_base *base, const struct kubeconfig *config, uint32_t timeout_s,
		   const struct exec_events *events, struct exec_run **ret,
		   char ret_text[EXEC_TEXT_MAX])
{
	_cleanup_(run_freep) struct exec_run *run = calloc(1, sizeof(*run));
	int r;

	if (!run)
		return -ENOMEM;
	run->config = config;
	run->events = *events;
	run->output_fd = -1;
	run->pid_fd = -1;
	run->timeout_s = timeout_s;
	r = start_process(run);
	if (r == 0)
		r = watch_process(run, base);
	if (r < 0) {
		describe(config, r, ret_text);
		return r;
	}
	*ret = TAKE_PTR(run);
	return 0;
}
