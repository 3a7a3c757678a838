/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/cgroup_path.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/** struct mount - a line of mountinfo; strings point into it. */
struct mount {
	char *root;
	char *point;
};

/* mountinfo writes white space and backslashes as \ooo. */
static void decode_octal(char *text)
{
	char *out = text;

	for (const char *in = text; *in; out++) {
		if (in[0] == '\\' && in[1] && in[2] && in[3]) {
			*out = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
}

/* Fields: id, parent, device, root, mount point, options, optional fields, "-", type, ... */
static bool parse_cgroup2_mount(char *line, struct mount *ret)
{
	char *type = strstr(line, " - ");
	char *rest = NULL;
	char *fields[5];

	if (!type || strncmp(type, " - cgroup2 ", strlen(" - cgroup2 ")) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		fields[i] = strtok_r(i ? NULL : line, " ", &rest);
		if (!fields[i])
			return false;
	}
	decode_octal(fields[3]);
	decode_octal(fields[4]);
	*ret = (struct mount){.root = fields[3], .point = fields[4]};
	return true;
}

/* Whether @path is @folder or below it, by whole components. */
static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	while (len && folder[len - 1] == '/')
		len--;
	return !strncmp(path, folder, len) && (path[len] == '/' || path[len] == '\0');
}

/* @ret: the path of @folder within the hierarchy, from the root that this namespace sees. */
static bool find_hierarchy_path(const char *folder, char ret[2 * PATH_MAX])
{
	_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
	_free_ char *line = NULL;
	size_t size = 0;
	size_t best = 0;
	bool is_found = false;

	while (file && getline(&line, &size, file) >= 0) {
		struct mount mount;
		size_t len;

		if (!parse_cgroup2_mount(line, &mount) || !is_below(folder, mount.point))
			continue;
		len = strlen(mount.point);
		if (is_found && len < best)
			continue;
		best = len;
		is_found = true;
		snprintf(ret, 2 * PATH_MAX, "%s%s", strcmp(mount.root, "/") ? mount.root : "",
			 folder + len);
	}
	return is_found;
}

static bool find_own_path(char ret[PATH_MAX])
{
	_fclose_ FILE *file = fopen("/proc/self/cgroup", "re");
	_free_ char *line = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) >= 0) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(ret, PATH_MAX, "%s", line + 3);
		return true;
	}
	return false;
}

/* "/..", "/../.." and so on: above the root of the cgroup namespace, and so above all it sees. */
static bool is_parents_only(const char *path)
{
	while (!strncmp(path, "/..", 3))
		path += 3;
	return *path == '\0';
}

bool cgroup_path_is_above(const char *cgroup)
{
	_free_ char *folder = realpath(cgroup, NULL);
	char path[2 * PATH_MAX];
	char own[PATH_MAX];

	if (!folder || !find_hierarchy_path(folder, path) || !find_own_path(own))
		return false;
	return is_parents_only(path) || is_below(own, path);
}
