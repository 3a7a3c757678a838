/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cgroup.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "util/cleanup.h"

/* Fields of a line: id, parent, device, root, mount point, options, optional..., "-", type, ... */
struct mount {
	const char *root;
	char *point;
	const char *type;
};

static bool parse_line(char *line, struct mount *ret)
{
	char *rest = line;
	char *fields[5] = {NULL};
	const char *field;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		fields[i] = strsep(&rest, " ");
		if (!fields[i])
			return false;
	}
	do {
		field = strsep(&rest, " ");
	} while (field && strcmp(field, "-") != 0);
	ret->root = fields[3];
	ret->point = fields[4];
	ret->type = strsep(&rest, " ");
	return ret->type;
}

/* Spaces and the like are written as a backslash and three octal digits; shortens in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/*
 * How far up a mount begins, as its root is shown in our cgroup namespace: "/" is the namespace's
 * own root, "/../.." lies above it, anything else (0) is a part.
 */
static unsigned int height(const char *root)
{
	unsigned int n = 1;

	if (strcmp(root, "/") == 0)
		return n;
	for (; strncmp(root, "/..", 3) == 0; root += 3)
		n++;
	return *root ? 0 : n;
}

int cgroup_find(FILE *mountinfo, char **ret)
{
	_free_ char *line = NULL;
	_free_ char *found = NULL;
	size_t size_bytes = 0;
	unsigned int highest = 0;

	while (getline(&line, &size_bytes, mountinfo) >= 0) {
		struct mount mount;

		if (!parse_line(line, &mount) || strcmp(mount.type, "cgroup2") != 0)
			continue;
		if (found && height(mount.root) <= highest)
			continue;
		highest = height(mount.root);
		unescape(mount.point);
		free(found);
		found = strdup(mount.point);
		if (!found)
			return -ENOMEM;
	}
	if (!found)
		return -ENOENT;
	*ret = TAKE_PTR(found);
	return 0;
}

int cgroup_check(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return -errno;
	return fs.f_type == CGROUP2_SUPER_MAGIC ? 0 : -ENOTSUP;
}
