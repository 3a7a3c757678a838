/* SPDX-License-Identifier: Apache-2.0 */
/* Follows files and folders with inotify(7), and tells changes once it has been quiet a moment. */
#ifndef SVCBPF_SOURCE_WATCH_H
#define SVCBPF_SOURCE_WATCH_H

#include <stddef.h>

struct event_base;
struct watch;

/** WATCH_QUIET_MS - told this long after the last change. */
#define WATCH_QUIET_MS 20

/** WATCH_MAX_MS - told at most this long after the first change. */
#define WATCH_MAX_MS 250

/**
 * watch_new() - begin to follow.
 * @paths: files or folders, which need not exist; borrowed.
 * @base: the event loop, borrowed.
 * @changed: something changed; called from the loop, at once also when the watching began late.
 *
 * Folders and the folders that the paths are in are watched, so that a path may be replaced,
 * vanish and come back. A file that a symbolic link leads to is not watched itself, the link is.
 * Return: 0; -ENOMEM; errors of inotify_init1(2) and inotify_add_watch(2), e.g. -EMFILE, -ENOSPC.
 */
int watch_new(const char *const *paths, size_t n_paths, struct event_base *base,
	      void (*changed)(void *arg), void *arg, struct watch **ret);

/** watch_free() - stop following; NULL is fine. */
void watch_free(struct watch *watch);

#endif
