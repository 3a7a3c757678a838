/* SPDX-License-Identifier: Apache-2.0 */
#include "source/manifest_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/manifest_reader.h"
#include "source/manifest_text.h"
#include "source/text_hash.h"
#include "util/cleanup.h"
#include "util/table.h"

/*
 * File times advance by the tick of the kernel, 1 to 10 ms: two changes within this time can look
 * alike.
 */
#define FRESH_NS  100000000ll
#define NS_PER_S  1000000000ll
#define WHERE_MAX 4200

int manifest_file_add(struct manifest_file **table, const char *path, struct manifest_file **ret)
{
	struct manifest_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	file->path = strdup(path);
	if (file->path)
		HASH_ADD_KEYPTR(hh, *table, file->path, strlen(file->path), file);
	if (!TABLE_HAS(file)) {
		free(file->path);
		free(file);
		return -ENOMEM;
	}
	*ret = file;
	return 0;
}

static void clear_entries(struct objects *objects, struct manifest_file *file)
{
	manifest_file_forget_decoded(objects, file);
	for (size_t i = 0; i < file->n_entries; i++) {
		strings_put(objects->pool, file->entries[i].service);
		file->entries[i].object->n_entries--;
	}
	free(file->told_lines);
	file->told_lines = NULL;
	file->n_told_lines = 0;
	file->max_told_lines = 0;
	free(file->entries);
	file->entries = NULL;
	file->n_entries = 0;
	file->max_entries = 0;
}

void manifest_file_free(struct objects *objects, struct manifest_file *file)
{
	if (!file)
		return;
	clear_entries(objects, file);
	free(file->path);
	free(file);
}

void manifest_file_forget_decoded(struct objects *objects, struct manifest_file *file)
{
	for (size_t i = 0; i < file->n_entries; i++)
		decoded_clear(objects->pool, &file->entries[i].decoded);
}

void manifest_reject(const struct source_events *events, const char *path, size_t line,
		     const char *object, const char *text)
{
	char where[WHERE_MAX];

	if (line)
		snprintf(where, sizeof(where), "%s:%zu", path, line);
	else
		snprintf(where, sizeof(where), "%s", path);
	events->rejected(events->arg, where, object, text);
}

static struct file_id id_of(const struct stat *st)
{
	return (struct file_id){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.mtime = st->st_mtim,
		.ctime = st->st_ctim,
	};
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool manifest_file_is_current(const struct manifest_file *file, const struct stat *st)
{
	struct file_id id = id_of(st);

	return (file->is_parsed || file->error) && !file->is_fresh && !file->is_wanted &&
	       id.dev == file->id.dev && id.ino == file->id.ino && id.size == file->id.size &&
	       is_same_time(&id.mtime, &file->id.mtime) && is_same_time(&id.ctime, &file->id.ctime);
}

/* Notes how the file was just before it was read. */
static void set_id(struct manifest_file *file, const struct stat *st)
{
	struct timespec now;
	int64_t age_ns;

	clock_gettime(CLOCK_REALTIME, &now);
	age_ns = (now.tv_sec - st->st_ctim.tv_sec) * NS_PER_S + now.tv_nsec - st->st_ctim.tv_nsec;
	/* one from the future was changed before somebody set the clock back */
	file->is_fresh = age_ns > -FRESH_NS && age_ns < FRESH_NS;
	file->id = id_of(st);
}

static void mark_all_missing(struct objects *objects, struct manifest_file *file)
{
	manifest_file_forget_decoded(objects, file);
	for (size_t i = 0; i < file->n_entries; i++) {
		file->entries[i].is_bad = true;
		file->entries[i].is_missing = true;
	}
}

static const char *error_text(int error)
{
	if (error == -EFBIG)
		return "the file is too large";
	return error == -EINVAL ? "not a regular file" : strerror(-error);
}

/* The file is there, but cannot be read: its objects stay as they are. */
static int set_unreadable(struct manifest_file *file, const struct manifest_context *context,
			  int error)
{
	struct stat st;

	/* read it again when anything about it changes */
	if (stat(file->path, &st) == 0)
		set_id(file, &st);
	mark_all_missing(context->objects, file);
	file->is_parsed = false;
	file->n_rejected = 1;
	if (file->error != error)
		manifest_reject(context->events, file->path, 0, "", error_text(error));
	file->error = error;
	return 1;
}

/* Replaces the entries by those of @fresh, which is left empty. */
static void take_entries(struct objects *objects, struct manifest_file *file,
			 struct manifest_file *fresh)
{
	clear_entries(objects, file);
	file->entries = TAKE_PTR(fresh->entries);
	file->n_entries = fresh->n_entries;
	file->max_entries = fresh->max_entries;
	file->n_rejected = fresh->n_rejected;
	file->told_lines = TAKE_PTR(fresh->told_lines);
	file->n_told_lines = fresh->n_told_lines;
	file->max_told_lines = fresh->max_told_lines;
	fresh->n_entries = 0;
	fresh->max_entries = 0;
}

/* The same text was read again: what the user knows of it stays known. */
static void take_flags(const struct manifest_file *file, struct manifest_file *fresh)
{
	for (size_t i = 0; i < file->n_entries && i < fresh->n_entries; i++) {
		if (fresh->entries[i].object != file->entries[i].object)
			continue;
		fresh->entries[i].is_repeat_told = file->entries[i].is_repeat_told;
		fresh->entries[i].is_note_told = file->entries[i].is_note_told;
	}
}

/* @is_known: the text was read before, so there is nothing new to say about it. */
static int parse(struct manifest_file *file, const struct manifest_context *context,
		 const char *text, size_t len, bool is_known)
{
	struct manifest_file fresh = {.path = file->path};
	int r = manifest_reader_run(&fresh, file, context, is_known, text, len);

	if (r < 0) {
		clear_entries(context->objects, &fresh);
		return r;
	}
	if (is_known)
		take_flags(file, &fresh);
	take_entries(context->objects, file, &fresh);
	file->is_parsed = true;
	file->error = 0;
	return 0;
}

/* There is no such file any more; the next look at the folder will forget it. */
static void set_gone(struct manifest_file *file, struct objects *objects)
{
	clear_entries(objects, file);
	file->is_parsed = false;
	file->is_wanted = false;
	file->n_rejected = 0;
}

int manifest_file_read(struct manifest_file *file, const struct manifest_context *context)
{
	_free_ char *text = NULL;
	bool is_known;
	uint64_t hash;
	struct stat st;
	size_t len;
	int r;

	r = manifest_text_read(file->path, &text, &len, &st);
	if (r == -ENOMEM)
		return r;
	if (r == -ENOENT) {
		set_gone(file, context->objects);
		return 1;
	}
	if (r < 0) {
		file->is_wanted = false;
		return set_unreadable(file, context, r);
	}
	hash = text_hash(0, text, len);
	is_known = file->is_parsed && file->text_hash == hash;
	if (!is_known || file->is_wanted) {
		r = parse(file, context, text, len, is_known);
		if (r < 0)
			return r;
		file->text_hash = hash;
	}
	file->is_wanted = false;
	set_id(file, &st);
	return !is_known;
}
