/* SPDX-License-Identifier: Apache-2.0 */
/* Which files the given paths stand for. */
#ifndef SVCBPF_SOURCE_FOLDER_H
#define SVCBPF_SOURCE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/** struct folder_file - a file and what stat(2) says of it. @path: owned. */
struct folder_file {
	char *path;
	struct stat st;
};

/** struct folder_list - files in the order of the paths, those of one folder by name. */
struct folder_list {
	struct folder_file *files;
	size_t n_files;
	size_t max_files;
};

/** folder_is_manifest() - whether a folder's file of this name counts. */
bool folder_is_manifest(const char *name);

/**
 * folder_scan() - add the file, or the files of the folder, at @path.
 *
 * Symbolic links are followed, to files only. Files that vanish meanwhile are left out.
 * Return: 0; errors of open(2) and stat(2) for @path itself; -ENOMEM.
 */
int folder_scan(const char *path, struct folder_list *list);

/** folder_clear() - free the list. */
void folder_clear(struct folder_list *list);

#endif
