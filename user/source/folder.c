/* SPDX-License-Identifier: Apache-2.0 */
#include "source/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/grow.h"
#include "util/cleanup.h"

bool folder_is_manifest(const char *name)
{
	static const char *const endings[] = {".yaml", ".yml", ".json"};
	size_t len = strlen(name);

	if (name[0] == '.')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		size_t n = strlen(endings[i]);

		if (len > n && strcmp(name + len - n, endings[i]) == 0)
			return true;
	}
	return false;
}

/* Appends @folder/@name; without folder when that is "". */
static int add_file(struct folder_list *list, const char *folder, const char *name,
		    const struct stat *st)
{
	size_t len = strlen(folder);
	const char *slash = len > 0 && folder[len - 1] != '/' ? "/" : "";
	struct folder_file *files =
		grow_array(list->files, list->n_files, &list->max_files, sizeof(*files));
	char *path;

	if (!files)
		return -ENOMEM;
	list->files = files;
	if (asprintf(&path, "%s%s%s", folder, slash, name) < 0)
		return -ENOMEM;
	files[list->n_files++] = (struct folder_file){.path = path, .st = *st};
	return 0;
}

static int compare_files(const void *a, const void *b)
{
	const struct folder_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int scan_entries(const char *path, DIR *dir, struct folder_list *list)
{
	const struct dirent *entry;
	size_t first = list->n_files;

	for (;;) {
		struct stat st;
		int r;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			break;
		/* a file that just vanished, a dangling link, a folder: nothing to read */
		if (!folder_is_manifest(entry->d_name) ||
		    fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode))
			continue;
		r = add_file(list, path, entry->d_name, &st);
		if (r < 0)
			return r;
	}
	if (errno)
		return -errno;
	if (list->n_files > first)
		qsort(list->files + first, list->n_files - first, sizeof(*list->files),
		      compare_files);
	return 0;
}

int folder_scan(const char *path, struct folder_list *list)
{
	_closedir_ DIR *dir = NULL;
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode)) {
		/* a path of its own must be readable, other than a file of a folder */
		if (access(path, R_OK) < 0)
			return -errno;
		return add_file(list, "", path, &st);
	}
	dir = opendir(path);
	if (!dir)
		return -errno;
	return scan_entries(path, dir, list);
}

void folder_clear(struct folder_list *list)
{
	for (size_t i = 0; i < list->n_files; i++)
		free(list->files[i].path);
	free(list->files);
	*list = (struct folder_list){};
}
