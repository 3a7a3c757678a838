/* SPDX-License-Identifier: Apache-2.0 */
/* Services from a folder of manifests: YAML and JSON, read once or followed with inotify(7). */
#ifndef SVCBPF_SOURCE_MANIFESTS_H
#define SVCBPF_SOURCE_MANIFESTS_H

#include "source/source.h"

struct event_base;
struct manifests;

/**
 * manifests_new() - a source over files and folders.
 * @paths: files, or folders whose *.yaml, *.yml and *.json files count (not hidden ones, not
 *	sub-folders); copied.
 * @node_name: the Node object of this name is told through set_node; copied.
 * @pool: strings of the objects; borrowed, must outlive the source.
 * @events: copied.
 * Return: 0 or -ENOMEM. Free with manifests_free().
 */
int manifests_new(const char *const *paths, size_t n_paths, const char *node_name,
		  struct strings *pool, const struct source_events *events, struct manifests **ret);

/** manifests_free() - stop following and free; NULL is fine. */
void manifests_free(struct manifests *manifests);

/**
 * manifests_load() - read everything as it is now, tell the difference to what was told before,
 * then synced.
 *
 * Return: 0; -ENOENT and other errors of open(2) when one of the paths cannot be read (then nothing
 * is told and the last state stays); errors of the callbacks.
 */
int manifests_load(struct manifests *manifests);

/**
 * manifests_n_rejected() - how many objects and broken documents of the input are refused now.
 *
 * What rejected() only points out is not counted: a Service without clusterIP, Endpoints that the
 * control plane would not mirror.
 */
size_t manifests_n_rejected(const struct manifests *manifests);

/**
 * manifests_reject_state() - whether what rejected() told of @where is still so; for synced() and
 * later.
 * Return: 0: no longer; else a number that stays the same as long as the file's text does.
 */
uint64_t manifests_reject_state(const struct manifests *manifests, const char *where);

/**
 * manifests_follow() - from now on reload when a file changes; one change of the folder (a write,
 * an editor's save by rename, a kubectl-style copy of many files) is one manifests_load(), told
 * once it has been quiet for a moment. Call after the first manifests_load().
 * @base: the event loop, borrowed.
 * Return: 0 or negative errno of inotify(7), e.g. -EMFILE.
 */
int manifests_follow(struct manifests *manifests, struct event_base *base);

#endif
