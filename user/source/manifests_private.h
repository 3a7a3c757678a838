/* SPDX-License-Identifier: Apache-2.0 */
/* What manifests.c and manifests_tell.c share. */
#ifndef SVCBPF_SOURCE_MANIFESTS_PRIVATE_H
#define SVCBPF_SOURCE_MANIFESTS_PRIVATE_H

#include "source/manifest_file.h"
#include "source/manifests.h"

struct watch;

/**
 * struct manifests - the source.
 * @by_path: all files, owned.  @files: those of the last load, in path order, borrowed.
 * @generation: number of the last manifests_resolve(), for objects.
 * @n_scans: number of the load that looks for files now or did last, for their generation.
 * @n_repeated: objects that stand in the files more than once, each repetition counted.
 * @is_behind: synced was not called since something was told or changed.
 * @failed_path, @failed_error: the path that cannot be read and why; NULL and 0.
 */
struct manifests {
	char **paths;
	size_t n_paths;
	char *node_name;
	struct source_events events;
	struct objects objects;
	struct manifest_file *by_path;
	struct manifest_file **files;
	size_t n_files;
	size_t max_files;
	uint64_t generation;
	uint64_t n_scans;
	size_t n_repeated;
	size_t n_rejected;
	bool is_behind;
	const char *failed_path;
	int failed_error;
	struct watch *watch;
};

/**
 * manifests_resolve() - decide which entry counts for each object, and tell about the others.
 * Sets is_wanted of the files whose objects must be told, but are not at hand.
 * Return: whether there are such files.
 */
bool manifests_resolve(struct manifests *manifests);

/**
 * manifests_tell() - tell the difference between what counts now and what was told.
 * Return: 0; -ENOMEM; what a callback returned.
 */
int manifests_tell(struct manifests *manifests);

#endif
