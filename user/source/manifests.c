/* SPDX-License-Identifier: Apache-2.0 */
#include "source/manifests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/folder.h"
#include "source/grow.h"
#include "source/manifests_private.h"
#include "source/watch.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/table.h"

/* Rounds of reading files again for objects that are needed; files that keep changing can wait. */
#define MAX_ROUNDS 3

static int fill(struct manifests *manifests, const char *const *paths, size_t n_paths,
		const char *node_name)
{
	manifests->node_name = strdup(node_name);
	manifests->paths = calloc(n_paths + 1, sizeof(*manifests->paths));
	if (!manifests->node_name || !manifests->paths)
		return -ENOMEM;
	for (; manifests->n_paths < n_paths; manifests->n_paths++) {
		char *path = strdup(paths[manifests->n_paths]);

		if (!path)
			return -ENOMEM;
		manifests->paths[manifests->n_paths] = path;
	}
	return 0;
}

int manifests_new(const char *const *paths, size_t n_paths, const char *node_name,
		  struct strings *pool, const struct source_events *events, struct manifests **ret)
{
	struct manifests *manifests = calloc(1, sizeof(*manifests));
	int r;

	if (!manifests)
		return -ENOMEM;
	manifests->objects.pool = pool;
	manifests->events = *events;
	r = fill(manifests, paths, n_paths, node_name);
	if (r < 0) {
		manifests_free(manifests);
		return r;
	}
	*ret = manifests;
	return 0;
}

void manifests_free(struct manifests *manifests)
{
	struct manifest_file *file, *next;

	if (!manifests)
		return;
	watch_free(manifests->watch);
	HASH_ITER(hh, manifests->by_path, file, next) {
		HASH_DEL(manifests->by_path, file);
		manifest_file_free(&manifests->objects, file);
	}
	free(manifests->files);
	objects_clear(&manifests->objects);
	for (size_t i = 0; i < manifests->n_paths; i++)
		free(manifests->paths[i]);
	free(manifests->paths);
	free(manifests->node_name);
	free(manifests);
}

static int scan(struct manifests *manifests, struct folder_list *list)
{
	for (size_t i = 0; i < manifests->n_paths; i++) {
		int r = folder_scan(manifests->paths[i], list);

		if (r < 0) {
			manifests->failed_path = manifests->paths[i];
			return r;
		}
	}
	return 0;
}

static int get_file(struct manifests *manifests, const char *path, struct manifest_file **ret)
{
	struct manifest_file *file;

	HASH_FIND_STR(manifests->by_path, path, file);
	if (!file)
		return manifest_file_add(&manifests->by_path, path, ret);
	*ret = file;
	return 0;
}

static int read_file(struct manifests *manifests, struct manifest_file *file)
{
	const struct manifest_context context = {
		.objects = &manifests->objects,
		.node_name = manifests->node_name,
		.events = &manifests->events,
	};

	return manifest_file_read(file, &context);
}

/* Forgets the files that are not in the folders any more. Return: whether there are any. */
static bool drop_files(struct manifests *manifests, uint64_t generation)
{
	struct manifest_file *file, *next;
	bool has_dropped = false;

	HASH_ITER(hh, manifests->by_path, file, next) {
		if (file->generation == generation)
			continue;
		HASH_DEL(manifests->by_path, file);
		manifest_file_free(&manifests->objects, file);
		has_dropped = true;
	}
	return has_dropped;
}

/* Puts a file of the folders into the list of those that count. */
static int list_file(struct manifests *manifests, struct manifest_file *file)
{
	struct manifest_file **files =
		grow_array(manifests->files, manifests->n_files, &manifests->max_files,
			   sizeof(struct manifest_file *));

	if (!files)
		return -ENOMEM;
	manifests->files = files;
	files[manifests->n_files++] = file;
	return 0;
}

/*
 * Reads what is new or changed. A path that is given twice counts once.
 * Return: 1 when some text is another than before; 0; -ENOMEM.
 */
static int refresh(struct manifests *manifests, const struct folder_list *list)
{
	uint64_t generation = ++manifests->n_scans;
	int has_changed = 0;

	manifests->n_files = 0;
	for (size_t i = 0; i < list->n_files; i++) {
		struct manifest_file *file;
		int r = get_file(manifests, list->files[i].path, &file);

		if (r < 0)
			return r;
		if (file->generation == generation)
			continue;
		file->generation = generation;
		r = list_file(manifests, file);
		if (r == 0 && !manifest_file_is_current(file, &list->files[i].st))
			r = read_file(manifests, file);
		if (r < 0)
			return r;
		has_changed |= r;
	}
	return drop_files(manifests, generation) || has_changed;
}

/* Reads files again of which objects are needed that are not at hand. */
static int read_wanted(struct manifests *manifests)
{
	for (int round = 0; manifests_resolve(manifests) && round < MAX_ROUNDS; round++) {
		for (size_t i = 0; i < manifests->n_files; i++) {
			int r;

			if (!manifests->files[i]->is_wanted)
				continue;
			r = read_file(manifests, manifests->files[i]);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void finish(struct manifests *manifests)
{
	manifests->n_rejected = manifests->n_repeated;
	for (size_t i = 0; i < manifests->n_files; i++) {
		manifest_file_forget_decoded(&manifests->objects, manifests->files[i]);
		manifests->n_rejected += manifests->files[i]->n_rejected;
	}
	objects_purge(&manifests->objects);
}

/* Reads, decides and tells. Return: 1 when anything in the input changed; 0; negative errno. */
static int update(struct manifests *manifests, const struct folder_list *list)
{
	int has_changed = refresh(manifests, list), r;

	if (has_changed < 0)
		return has_changed;
	r = read_wanted(manifests);
	if (r < 0)
		return r;
	r = manifests_tell(manifests);
	return r < 0 ? r : has_changed;
}

/* @is_always_synced: call synced even if nothing changed. */
static int load(struct manifests *manifests, bool is_always_synced)
{
	_cleanup_(folder_clear) struct folder_list list = {};
	bool is_needed = is_always_synced || manifests->is_behind || manifests->failed_error;
	int r;

	manifests->failed_path = NULL;
	r = scan(manifests, &list);
	if (r < 0)
		return r;
	r = update(manifests, &list);
	finish(manifests);
	if (r > 0 || (r == 0 && is_needed))
		r = manifests->events.synced(manifests->events.arg);
	manifests->is_behind = r < 0;
	return r;
}

int manifests_load(struct manifests *manifests)
{
	int r = load(manifests, true);

	manifests->failed_error = manifests->failed_path ? r : 0;
	return r;
}

size_t manifests_n_rejected(const struct manifests *manifests)
{
	return manifests->n_rejected;
}

/* A path that cannot be read any more is told once. */
static void reload(void *arg)
{
	struct manifests *manifests = arg;
	int r = load(manifests, false);

	if (r < 0)
		log_debug_errno(r, "manifests: reload: %m");
	if (!manifests->failed_path) {
		manifests->failed_error = 0;
		return;
	}
	if (manifests->failed_error == r)
		return;
	manifests->failed_error = r;
	manifest_reject(&manifests->events, manifests->failed_path, 0, "", strerror(-r));
}

int manifests_follow(struct manifests *manifests, struct event_base *base)
{
	if (manifests->watch)
		return 0;
	return watch_new((const char *const *)manifests->paths, manifests->n_paths, base, reload,
			 manifests, &manifests->watch);
}
