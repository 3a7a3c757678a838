/* SPDX-License-Identifier: Apache-2.0 */
/* Putting programs on a cgroup, by links that are pinned and outlive the agent. */
#ifndef SVCBPF_DATAPATH_ATTACH_H
#define SVCBPF_DATAPATH_ATTACH_H

#include "datapath/object.h"

/**
 * attach_open_cgroup() - open a folder of a cgroup v2 hierarchy.
 * @ret_id: the cgroup's id.
 * Return: the file descriptor; -ENOTSUP when it is no cgroup v2; other negative errno of open(2).
 */
int attach_open_cgroup(const char *path, uint64_t *ret_id, struct datapath_error *ret_error);

/**
 * struct attach_request - what to attach where; all borrowed.
 * @links_dir: where links are pinned.  @cgroup: for messages.
 */
struct attach_request {
	const struct object *object;
	const char *links_dir;
	const char *cgroup;
	int cgroup_fd;
	uint64_t cgroup_id;
};

/**
 * attach_all() - attach all programs.
 *
 * A pinned link on this cgroup is updated in place, so that no call of an application passes
 * unseen; for one on another cgroup a new link takes over, and the old one goes after that. New
 * links are made first: when one of them is refused, the programs that were attached stay.
 * Return: 0; -EPERM: a foreign exclusive program is in the way; other errors of bpf(2).
 */
int attach_all(const struct attach_request *request, struct datapath_error *ret_error);

/** attach_remove() - detach and unpin all links, connect first. Return: 0 or negative errno. */
int attach_remove(const char *links_dir, struct datapath_error *ret_error);

/**
 * attach_read_link() - what a pinned link is.
 * @ret_attach_type: may be NULL.
 * Return: 0; -EPROTO: no link of ours; negative errno of bpf(2).
 */
int attach_read_link(const char *path, uint32_t *ret_program_id, uint64_t *ret_cgroup_id,
		     uint32_t *ret_attach_type);

#endif
