/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last state of the API on disk, for a start while the API server is away: Services,
 * EndpointSlices and the Node in a compact form of our own, with a version and a checksum.
 */
#ifndef SVCBPF_SOURCE_SNAPSHOT_H
#define SVCBPF_SOURCE_SNAPSHOT_H

#include "source/source.h"

struct model;

/** SNAPSHOT_FILE - the file's name in --state-dir. */
#define SNAPSHOT_FILE "snapshot"

/** struct snapshot_info - what a snapshot says of itself. @saved_s: seconds since the epoch. */
struct snapshot_info {
	int64_t saved_s;
	uint32_t n_services;
	uint32_t n_slices;
};

/** struct snapshot_error - one line: file, what is wrong, what happens now. */
struct snapshot_error {
	char text[256];
};

/**
 * snapshot_encode() - the model's objects as the bytes of a snapshot file.
 * @now_s: CLOCK_REALTIME.
 * @ret, @ret_len: owned by the caller; free().
 * Return: 0 or -ENOMEM.
 */
int snapshot_encode(const struct model *model, int64_t now_s, void **ret, size_t *ret_len);

/**
 * snapshot_write() - replace the file @dir/SNAPSHOT_FILE by these bytes: temporary file, fsync(2),
 * rename(2), so that a crash leaves the old or the new one. Blocks on the disk; knows no global
 * state, so that a thread may do it. @dir is made when missing (mode 0700).
 * Return: 0 or negative errno.
 */
int snapshot_write(const char *dir, const void *data, size_t len);

/**
 * snapshot_load() - read the snapshot, check all of it, then tell it: set_node, services, slices,
 * synced.
 * @node_name: must be the one it was made for.  @pool: strings of the objects.
 * @ret_error: filled in on every failure but -ENOENT.
 *
 * Nothing is told of a file that is damaged, cut, of another version or another node.
 * Return: 0; -ENOENT: there is none; -EBADMSG: damaged; -EPROTO: another version; -EINVAL: another
 * node; errors of open(2), read(2) and the callbacks.
 */
int snapshot_load(const char *dir, const char *node_name, struct strings *pool,
		  const struct source_events *events, struct snapshot_info *ret_info,
		  struct snapshot_error *ret_error);

#endif
