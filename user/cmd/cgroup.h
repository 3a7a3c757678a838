/* SPDX-License-Identifier: Apache-2.0 */
/* Where the cgroup v2 hierarchy is mounted. */
#ifndef SVCBPF_CMD_CGROUP_H
#define SVCBPF_CMD_CGROUP_H

#include <stdio.h>

/** CGROUP_MOUNTINFO - what to give to cgroup_find(). */
#define CGROUP_MOUNTINFO "/proc/self/mountinfo"

/**
 * cgroup_find() - the folder at which the root of the cgroup v2 hierarchy is mounted.
 * @mountinfo: open, read to the end; borrowed.
 *
 * The root of the hierarchy is preferred to a mount of a part of it; a hybrid host has it at
 * /sys/fs/cgroup/unified. In a cgroup namespace (a pod's) it is a mount whose root the kernel shows
 * as "/../..", the highest there is; without one, the namespace's own root. Source: proc(5),
 * cgroup_namespaces(7). Return: 0 with *@ret malloc'd; -ENOENT: none is mounted; -ENOMEM.
 */
int cgroup_find(FILE *mountinfo, char **ret);

/**
 * cgroup_check() - whether @path is a folder of a cgroup v2 hierarchy.
 * Return: 0; -ENOTSUP: it is not; negative errno of statfs(2).
 */
int cgroup_check(const char *path);

#endif
