/* SPDX-License-Identifier: Apache-2.0 */
/* Finding kube-proxy among the processes, and whoever listens on a port. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/migrate.h"
#include "util/cleanup.h"

#define NAME		 "kube-proxy"
#define MAX_ARGS_BYTES	 (128u << 10) /* the kernel's limit of one argument */
#define TCP_STATE_LISTEN 0x0a

/** struct scan - going through the processes. @netns: our own network namespace; 0: not known. */
struct scan {
	struct migrate_report *report;
	const char *proc;
	ino_t netns;
	size_t n_hidden;
};

/* Call @fn for each process until it returns true. */
static bool for_each_process(const char *proc, bool (*fn)(void *arg, pid_t pid), void *arg)
{
	_closedir_ DIR *dir = opendir(proc);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (isdigit((unsigned char)*entry->d_name) &&
		    fn(arg, (pid_t)strtol(entry->d_name, NULL, 10)))
			return true;
	}
	return false;
}

/* The file @name of a process. Return: owned, NUL-terminated; NULL when it cannot be read. */
static char *read_file(const char *proc, pid_t pid, const char *name, size_t *ret_len)
{
	_fclose_ FILE *file = NULL;
	_free_ char *text = NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%d/%s", proc, pid, name);
	file = fopen(path, "re");
	text = file ? calloc(1, MAX_ARGS_BYTES + 1) : NULL;
	if (!text)
		return NULL;
	*ret_len = fread(text, 1, MAX_ARGS_BYTES, file);
	return TAKE_PTR(text);
}

static ino_t netns_of(const char *proc, const char *who)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s/ns/net", proc, who);
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

static bool is_kube_proxy(const char *args)
{
	const char *slash = strrchr(args, '/');

	return strcmp(slash ? slash + 1 : args, NAME) == 0;
}

const char *migrate_argument(const struct migrate_process *process, const char *name)
{
	const char *end = process->args + process->args_bytes;
	const size_t len = strlen(name);

	for (const char *arg = process->args; arg < end; arg += strlen(arg) + 1) {
		const char *rest = arg + strspn(arg, "-");

		if (rest == arg || strncmp(rest, name, len) != 0)
			continue;
		if (rest[len] == '=')
			return rest + len + 1;
		if (!rest[len] && rest + len + 1 < end)
			return rest + len + 1;
	}
	return NULL;
}

/* Its file is looked for where it sees it: in its own root, or from where it was started. */
static void read_arguments(struct scan *scan, struct migrate_process *process)
{
	const char *config = migrate_argument(process, "config");
	const char *mode = migrate_argument(process, "proxy-mode");

	if (!config) {
		snprintf(process->mode, sizeof(process->mode), "%s", mode ? mode : "");
		return;
	}
	process->config = strdup(config);
	if (asprintf(&process->config_here, "%s/%d/%s/%s", scan->proc, process->pid,
		     *config == '/' ? "root" : "cwd", config + (*config == '/')) < 0)
		process->config_here = NULL;
	if (!process->config || !process->config_here)
		scan->report->is_out_of_memory = true;
}

static bool look_at_process(void *arg, pid_t pid)
{
	struct scan *scan = arg;
	struct migrate_report *report = scan->report;
	struct migrate_process process = {.pid = pid};
	struct migrate_process *grown;
	char who[16];
	ino_t netns;

	snprintf(who, sizeof(who), "%d", pid);
	process.args = read_file(scan->proc, pid, "cmdline", &process.args_bytes);
	if (!process.args || !is_kube_proxy(process.args)) {
		free(process.args);
		return false;
	}
	netns = netns_of(scan->proc, who);
	if (scan->netns && netns && netns != scan->netns) {
		free(process.args);
		return false;
	}
	grown = reallocarray(report->processes, report->n_processes + 1, sizeof(*grown));
	if (!grown) {
		free(process.args);
		report->is_out_of_memory = true;
		return true;
	}
	scan->n_hidden += !netns;
	report->processes = grown;
	read_arguments(scan, &process);
	grown[report->n_processes++] = process;
	return false;
}

void migrate_find_processes(struct migrate_report *report, const char *proc)
{
	struct scan scan = {.report = report, .proc = proc, .netns = netns_of(proc, "self")};

	for_each_process(proc, look_at_process, &scan);
	for (size_t i = 0; i < report->n_processes; i++) {
		const struct migrate_process *process = &report->processes[i];

		migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_NOTE, NAME, "process %d, %s%s",
			    process->pid, process->config ? "configured by " : "given flags only",
			    process->config ? process->config : "");
	}
	if (report->n_processes > 1)
		migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_CHANGE, NAME,
			    "%zu of them run: each writes its own rules", report->n_processes);
	if (scan.n_hidden)
		migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_UNSEEN, NAME,
			    "which network namespace it runs in: only root sees that");
}

/* ------------------------------------------------------------------ ports */

/** struct owner - who holds a socket. @link: "socket:[INODE]". */
struct owner {
	const char *proc;
	char link[40];
	pid_t pid;
};

/* The inode of a line of /proc/net/tcp, if it is of a listener on @port; 0: it is not. */
static uint64_t inode_of_listener(char *line, uint16_t port)
{
	/* slot, local address, remote, state, queues, timer, retransmits, user, timeout, inode */
	const char *fields[10] = {NULL};
	const char *local_port;
	size_t n = 0;

	for (char *field; n < ARRAY_SIZE(fields) && (field = strsep(&line, " \n"));)
		if (*field)
			fields[n++] = field;
	if (n < ARRAY_SIZE(fields))
		return 0;
	local_port = strrchr(fields[1], ':');
	if (!local_port || strtoul(local_port + 1, NULL, 16) != port ||
	    strtoul(fields[3], NULL, 16) != TCP_STATE_LISTEN)
		return 0;
	return strtoull(fields[9], NULL, 10);
}

/* Adds the inodes of all listeners on @port in a file like /proc/net/tcp. Return: how many. */
static size_t find_listeners(const char *path, uint16_t port, uint64_t *inodes, size_t max)
{
	_fclose_ FILE *file = fopen(path, "re");
	char line[512];
	size_t n = 0;

	while (file && n < max && fgets(line, sizeof(line), file)) {
		uint64_t inode = inode_of_listener(line, port);

		if (inode)
			inodes[n++] = inode;
	}
	return n;
}

static bool holds_socket(void *arg, pid_t pid)
{
	struct owner *owner = arg;
	_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%d/fd", owner->proc, pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		char target[40];
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (len < 0)
			continue;
		target[len] = '\0';
		if (strcmp(target, owner->link) == 0) {
			owner->pid = pid;
			return true;
		}
	}
	return false;
}

static void name_of(const char *proc, pid_t pid, char *ret_name)
{
	size_t len;
	_free_ char *text = read_file(proc, pid, "comm", &len);
	_free_ char *args = read_file(proc, pid, "cmdline", &len);

	/* what a program calls itself, for those that run in an interpreter or under another name
	 */
	if (args && is_kube_proxy(args))
		snprintf(ret_name, MIGRATE_MODE_MAX, NAME);
	else
		snprintf(ret_name, MIGRATE_MODE_MAX, "%.*s", text ? (int)strcspn(text, "\n") : 0,
			 text ? text : "");
}

pid_t migrate_port_owner(const char *proc, uint16_t port, char *ret_name)
{
	static const char *const files[] = {"net/tcp", "net/tcp6"};
	uint64_t inodes[16];
	size_t n = 0;

	*ret_name = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", proc, files[i]);
		n += find_listeners(path, port, inodes + n, ARRAY_SIZE(inodes) - n);
	}
	for (size_t i = 0; i < n; i++) {
		struct owner owner = {.proc = proc};

		snprintf(owner.link, sizeof(owner.link), "socket:[%" PRIu64 "]", inodes[i]);
		if (for_each_process(proc, holds_socket, &owner)) {
			name_of(proc, owner.pid, ret_name);
			return owner.pid;
		}
	}
	return n ? -1 : 0;
}
