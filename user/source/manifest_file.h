/* SPDX-License-Identifier: Apache-2.0 */
/* One file of manifests: when to read it, and the objects that stand in it. */
#ifndef SVCBPF_SOURCE_MANIFEST_FILE_H
#define SVCBPF_SOURCE_MANIFEST_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "source/object.h"
#include "source/source.h"

/** struct file_id - what changes when a file does. */
struct file_id {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	struct timespec ctime;
};

/**
 * struct manifest_file - a file.
 * @id: when it was read last.
 * @is_fresh: it was read so soon after it was changed that another change may have kept @id.
 * @is_parsed, @text_hash: of the text that @entries are of.
 * @error: negative errno of the last try to read it; 0.
 * @is_wanted: read it even if it is unchanged: objects in it are needed.
 * @n_rejected: objects in it, and broken documents, that cannot be used.
 * @told_lines: where they are, and where else something was told that holds for the text.
 * @generation: of the load that found it last.
 */
struct manifest_file {
	char *path;
	struct file_id id;
	bool is_fresh;
	bool is_parsed;
	bool is_wanted;
	int error;
	uint64_t text_hash;
	struct entry *entries;
	size_t n_entries;
	size_t max_entries;
	size_t n_rejected;
	size_t *told_lines;
	size_t n_told_lines;
	size_t max_told_lines;
	uint64_t generation;
	UT_hash_handle hh;
};

/**
 * struct manifest_context - what reading a file needs; all borrowed.
 * @node_name: Nodes of other names do not count.
 * @events: rejected is called.
 */
struct manifest_context {
	struct objects *objects;
	const char *node_name;
	const struct source_events *events;
};

/**
 * manifest_file_add() - put a file that was not read yet into a table of files by path.
 * @path: copied; not in the table.
 *
 * Return: 0 or -ENOMEM.
 */
int manifest_file_add(struct manifest_file **table, const char *path, struct manifest_file **ret);

/** manifest_file_free() - free it, which is in no table any more, and its entries; NULL is fine. */
void manifest_file_free(struct objects *objects, struct manifest_file *file);

/** manifest_file_is_current() - whether the file still is as it was read. @st: of stat(2). */
bool manifest_file_is_current(const struct manifest_file *file, const struct stat *st);

/**
 * manifest_file_read() - read the file and make its entries anew, with their objects at hand.
 *
 * What cannot be used is told to @context->events->rejected, unless the text is what it was before.
 * An object that cannot be used keeps a bad entry; so do all that vanished while something in the
 * file cannot be told what it is, and all when the file cannot be read. A file that is gone has no
 * entries.
 * Return: 1; 0: the text is what it was before; -ENOMEM, then the entries are as they were.
 */
int manifest_file_read(struct manifest_file *file, const struct manifest_context *context);

/** manifest_file_forget_decoded() - free the objects at hand. */
void manifest_file_forget_decoded(struct objects *objects, struct manifest_file *file);

/** manifest_reject() - tell that something at a line of a file cannot be used. */
void manifest_reject(const struct source_events *events, const char *path, size_t line,
		     const char *object, const char *text);

#endif
