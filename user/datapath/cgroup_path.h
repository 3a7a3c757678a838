/* SPDX-License-Identifier: Apache-2.0 */
/* Where this process stands in the cgroup v2 hierarchy. */
#ifndef SVCBPF_DATAPATH_CGROUP_PATH_H
#define SVCBPF_DATAPATH_CGROUP_PATH_H

#include <stdbool.h>

/**
 * cgroup_path_is_above() - whether this process is in @cgroup or below it.
 * @cgroup: folder of a mounted cgroup v2 hierarchy.
 *
 * Works inside a cgroup namespace too, where a folder above the namespace's root has a path of
 * "/.." parts only.
 * Source: cgroups(7), /proc/[pid]/cgroup; proc(5), /proc/[pid]/mountinfo.
 * Return: true or false; false also when it cannot be told.
 */
bool cgroup_path_is_above(const char *cgroup);

#endif
