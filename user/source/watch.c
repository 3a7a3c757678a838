/* SPDX-License-Identifier: Apache-2.0 */
#include "source/watch.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>

#include "source/folder.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/*
 * Not IN_MODIFY: a file that is being written is no use yet, IN_CLOSE_WRITE follows. IN_ATTRIB: it
 * became readable. All watches have the same mask, since two paths may share a folder.
 */
#define WATCH_MASK                                                                                 \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB |        \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define BUFFER_BYTES 65536
#define NS_PER_MS    1000000ll
#define NS_PER_S     1000000000ll

/**
 * struct root - a path that is followed.
 * @base_name: its last part, in @path.
 * @parent: the folder it is in.
 * @inside_wd: the watch of the folder itself; -1 when it is none or is not there.
 * @around_wd: the watch of @parent, or of the nearest folder above it that is there; -1: none.
 * @has_parent: @around_wd is of @parent.
 */
struct root {
	char *path;
	char *parent;
	const char *base_name;
	int inside_wd;
	int around_wd;
	bool has_parent;
};

struct watch {
	int fd;
	struct root *roots;
	size_t n_roots;
	struct event *event;
	struct event *timer;
	int64_t first_ns;
	void (*changed)(void *arg);
	void *arg;
};

/* Length of the folder's part of a path, which does not end in a slash; 0: there is none. */
static size_t parent_len(const char *path, size_t len)
{
	const char *slash = memrchr(path, '/', len);

	if (!slash)
		return 0;
	return slash == path ? 1 : (size_t)(slash - path);
}

/* Copies a path without slashes at its end, and the folder it is in. */
static int root_init(struct root *root, const char *path)
{
	size_t len = strlen(path), folder_len;
	const char *slash;

	root->inside_wd = -1;
	root->around_wd = -1;
	while (len > 1 && path[len - 1] == '/')
		len--;
	folder_len = parent_len(path, len);
	if (asprintf(&root->path, "%.*s", (int)len, path) < 0)
		root->path = NULL;
	if (asprintf(&root->parent, "%.*s", folder_len ? (int)folder_len : 1,
		     folder_len ? path : ".") < 0)
		root->parent = NULL;
	if (!root->path || !root->parent)
		return -ENOMEM;
	slash = strrchr(root->path, '/');
	root->base_name = slash ? slash + 1 : root->path;
	return 0;
}

/* Whether a name ends in something that has no name of its own in the folder above. */
static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || name[0] == '\0';
}

static int add_watch(const struct watch *watch, const char *path)
{
	int wd = inotify_add_watch(watch->fd, path, WATCH_MASK);

	return wd < 0 ? -errno : wd;
}

static bool is_used(const struct watch *watch, int wd)
{
	for (size_t i = 0; i < watch->n_roots; i++) {
		if (watch->roots[i].inside_wd == wd || watch->roots[i].around_wd == wd)
			return true;
	}
	return false;
}

/* Replaces a watch; the old one goes when nobody else uses it. */
static void set_wd(const struct watch *watch, int *wd, int new_wd)
{
	int old = *wd;

	*wd = new_wd;
	if (old >= 0 && !is_used(watch, old))
		inotify_rm_watch(watch->fd, old);
}

static bool is_absent(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -EACCES;
}

/* Watches the folder that the path is in, or the nearest one above it that is there. */
static int arm_around(const struct watch *watch, struct root *root)
{
	_free_ char *path = strdup(root->parent);
	size_t len = strlen(root->parent);
	int wd;

	if (!path)
		return -ENOMEM;
	wd = add_watch(watch, path);
	root->has_parent = wd >= 0;
	while (is_absent(wd) && len > 0 && strcmp(path, "/") != 0) {
		len = parent_len(path, len);
		path[len] = '\0';
		wd = add_watch(watch, len ? path : ".");
	}
	set_wd(watch, &root->around_wd, wd < 0 ? -1 : wd);
	return wd < 0 && !is_absent(wd) ? wd : 0;
}

/* Watches are put where they belong now: a path may lead elsewhere than it did. */
static int arm(struct watch *watch)
{
	for (size_t i = 0; i < watch->n_roots; i++) {
		struct root *root = &watch->roots[i];
		int wd, r;

		r = is_dots(root->base_name) ? 0 : arm_around(watch, root);
		if (r < 0)
			return r;
		wd = add_watch(watch, root->path);
		if (wd < 0 && !is_absent(wd))
			return wd;
		set_wd(watch, &root->inside_wd, wd < 0 ? -1 : wd);
	}
	return 0;
}

/*
 * A regular file that was just made is empty, and IN_CLOSE_WRITE follows. Links are complete at
 * once, folders are what a missing path may wait for.
 */
static bool is_complete(const char *folder, const struct inotify_event *event)
{
	char path[PATH_MAX];
	struct stat st;

	if (!(event->mask & IN_CREATE) || (event->mask & IN_ISDIR))
		return true;
	if (snprintf(path, sizeof(path), "%s/%s", folder, event->name) >= (int)sizeof(path))
		return true;
	return lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1;
}

/* Kubernetes swaps the content of a mounted ConfigMap by renaming the link "..data". */
static bool is_swap(const char *name)
{
	return strncmp(name, "..", 2) == 0;
}

static bool is_change(const struct root *root, const struct inotify_event *event)
{
	const char *name = event->len ? event->name : "";

	if (event->wd == root->inside_wd) {
		if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
			return true;
		if ((folder_is_manifest(name) || is_swap(name)) && is_complete(root->path, event))
			return true;
	}
	if (event->wd != root->around_wd)
		return false;
	if (!root->has_parent || event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
		return true;
	return (strcmp(name, root->base_name) == 0 || is_swap(name)) &&
	       is_complete(root->parent, event);
}

/* A watch that the kernel took away must not be removed again: numbers are not used twice. */
static void forget_wd(struct watch *watch, int wd)
{
	for (size_t i = 0; i < watch->n_roots; i++) {
		if (watch->roots[i].inside_wd == wd)
			watch->roots[i].inside_wd = -1;
		if (watch->roots[i].around_wd == wd)
			watch->roots[i].around_wd = -1;
	}
}

static bool handle_event(struct watch *watch, const struct inotify_event *event)
{
	bool has_changed = event->mask & IN_Q_OVERFLOW;

	for (size_t i = 0; i < watch->n_roots; i++)
		has_changed |= is_change(&watch->roots[i], event);
	if (event->mask & IN_IGNORED)
		forget_wd(watch, event->wd);
	return has_changed;
}

/* Told after a quiet moment, but not put off for ever by a busy folder. */
static void schedule(struct watch *watch)
{
	int64_t now = (int64_t)clock_now_ns(CLOCK_MONOTONIC), wait_ms = WATCH_QUIET_MS, left_ms;
	struct timeval tv;

	if (watch->first_ns == 0)
		watch->first_ns = now;
	left_ms = WATCH_MAX_MS - (now - watch->first_ns) / NS_PER_MS;
	if (wait_ms > left_ms)
		wait_ms = left_ms > 0 ? left_ms : 0;
	tv = (struct timeval){.tv_usec = (suseconds_t)(wait_ms * 1000)};
	evtimer_add(watch->timer, &tv);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	_Alignas(struct inotify_event) char buf[BUFFER_BYTES];
	struct watch *watch = arg;
	bool has_changed = false;
	ssize_t len = read(fd, buf, sizeof(buf));
	const char *at = buf;

	(void)what;
	while (len > 0 && at < buf + len) {
		const struct inotify_event *event = (const struct inotify_event *)at;

		has_changed |= handle_event(watch, event);
		at += sizeof(*event) + event->len;
	}
	if (has_changed)
		schedule(watch);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;
	int r;

	(void)fd;
	(void)what;
	watch->first_ns = 0;
	/* before the files are read: what changes behind this is seen */
	r = arm(watch);
	if (r < 0)
		log_debug_errno(r, "watch: cannot follow all paths: %m");
	watch->changed(watch->arg);
}

static int watch_open(struct watch *watch, const char *const *paths, size_t n_paths,
		      struct event_base *base)
{
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0)
		return -errno;
	watch->roots = calloc(n_paths + 1, sizeof(*watch->roots));
	if (!watch->roots)
		return -ENOMEM;
	for (; watch->n_roots < n_paths; watch->n_roots++) {
		if (root_init(&watch->roots[watch->n_roots], paths[watch->n_roots]) < 0) {
			watch->n_roots++;
			return -ENOMEM;
		}
	}
	watch->event = event_new(base, watch->fd, EV_READ | EV_PERSIST, on_readable, watch);
	watch->timer = evtimer_new(base, on_timer, watch);
	if (!watch->event || !watch->timer || event_add(watch->event, NULL) < 0)
		return -ENOMEM;
	return arm(watch);
}

int watch_new(const char *const *paths, size_t n_paths, struct event_base *base,
	      void (*changed)(void *arg), void *arg, struct watch **ret)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	watch->changed = changed;
	watch->arg = arg;
	r = watch_open(watch, paths, n_paths, base);
	if (r < 0) {
		watch_free(watch);
		return r;
	}
	/* what changed between the caller's reading and now was not seen */
	schedule(watch);
	*ret = watch;
	return 0;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	if (watch->event)
		event_free(watch->event);
	if (watch->timer)
		event_free(watch->timer);
	if (watch->fd >= 0)
		close(watch->fd);
	for (size_t i = 0; i < watch->n_roots; i++) {
		free(watch->roots[i].path);
		free(watch->roots[i].parent);
	}
	free(watch->roots);
	free(watch);
}
