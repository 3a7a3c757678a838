/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/netns_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/cleanup.h"

/** struct namespace_id - what makes a namespace distinct, namespaces(7). */
struct namespace_id {
	dev_t device;
	ino_t inode;
};

/** struct walk - @seen: namespaces visited or given up, owned. */
struct walk {
	int (*fn)(void *arg);
	void *arg;
	int own_fd;
	struct namespace_id *seen;
	size_t n_seen;
	size_t n_room;
	struct netns_walk_result result;
};

/* Return: 1 when it is new, 0 when it was there, -ENOMEM. */
static int walk_mark_seen(struct walk *walk, const struct stat *stat)
{
	for (size_t i = 0; i < walk->n_seen; i++)
		if (walk->seen[i].device == stat->st_dev && walk->seen[i].inode == stat->st_ino)
			return 0;
	if (walk->n_seen == walk->n_room) {
		size_t n_room = walk->n_room ? walk->n_room * 2 : 64;
		struct namespace_id *seen = reallocarray(walk->seen, n_room, sizeof(*seen));

		if (!seen)
			return -ENOMEM;
		walk->seen = seen;
		walk->n_room = n_room;
	}
	walk->seen[walk->n_seen++] = (struct namespace_id){stat->st_dev, stat->st_ino};
	return 1;
}

/* A file left behind by an unmounted namespace is no namespace. */
static bool is_namespace(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

/* @dir_fd, @path: of a namespace file. A process that has just ended is not worth a word. */
static int visit_file(struct walk *walk, int dir_fd, const char *path)
{
	_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	struct stat stat;
	int r;

	if (fd < 0) {
		if (errno == EACCES || errno == EPERM)
			walk->result.n_unreachable++;
		return 0;
	}
	if (!is_namespace(fd) || fstat(fd, &stat) < 0)
		return 0;
	r = walk_mark_seen(walk, &stat);
	if (r <= 0)
		return r;
	if (setns(fd, CLONE_NEWNET) < 0) {
		walk->result.n_unreachable++;
		return 0;
	}
	r = walk->fn(walk->arg);
	if (r < 0)
		walk->result.n_unreachable++;
	else
		walk->result.n_visited++;
	return r > 0;
}

static int visit_processes(struct walk *walk)
{
	_closedir_ DIR *proc = opendir("/proc");
	const struct dirent *entry;
	char path[300];
	int r = 0;

	if (!proc)
		return 0;
	while (r == 0 && (entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%s/ns/net", entry->d_name);
		r = visit_file(walk, dirfd(proc), path);
	}
	return r;
}

static int visit_named(struct walk *walk, const char *folder)
{
	_closedir_ DIR *dir = opendir(folder);
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return 0;
	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = visit_file(walk, dirfd(dir), entry->d_name);
	return r;
}

static int visit_others(struct walk *walk)
{
	int r;

	/* entering where we are already tells whether entering is allowed */
	if (setns(walk->own_fd, CLONE_NEWNET) < 0) {
		walk->result.is_own_only = true;
		return 0;
	}
	r = visit_processes(walk);
	if (r == 0)
		r = visit_named(walk, "/run/netns");
	if (r == 0)
		r = visit_named(walk, "/run/docker/netns");
	if (setns(walk->own_fd, CLONE_NEWNET) < 0)
		return -ENOTRECOVERABLE;
	return r;
}

static int visit_all(struct walk *walk)
{
	struct stat stat;
	int r;

	if (fstat(walk->own_fd, &stat) < 0)
		return -errno;
	r = walk_mark_seen(walk, &stat);
	if (r < 0)
		return r;
	walk->result.n_visited = 1;
	r = walk->fn(walk->arg);
	return r == 0 ? visit_others(walk) : r;
}

int netns_walk(int (*fn)(void *arg), void *arg, struct netns_walk_result *ret_result)
{
	_close_ int own_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct walk walk = {.fn = fn, .arg = arg, .own_fd = own_fd};
	int r;

	if (own_fd < 0)
		return -errno;
	r = visit_all(&walk);
	free(walk.seen);
	if (r < 0)
		return r;
	*ret_result = walk.result;
	return 0;
}
