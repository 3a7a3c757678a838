/* SPDX-License-Identifier: Apache-2.0 */
/* The objects in the bytes of a snapshot; private to user/source/snapshot*.c. */
#ifndef SVCBPF_SOURCE_SNAPSHOT_DECODE_H
#define SVCBPF_SOURCE_SNAPSHOT_DECODE_H

#include "model/objects.h"

/** struct snapshot_objects - all that is in a snapshot, owned; zero-initialise. */
struct snapshot_objects {
	struct strings *pool;
	struct k8s_node *node;
	struct k8s_service **services;
	size_t n_services;
	struct k8s_slice **slices;
	size_t n_slices;
};

/**
 * snapshot_decode() - make the objects.
 * @bytes, @len: a file whose magic, version, length and checksum were found right; nothing else
 *	is believed.
 * @pool: strings of the objects.
 * @ret_objects: untouched on failure.
 * Return: 0; -EBADMSG; -ENOMEM. Free with snapshot_objects_clear().
 */
int snapshot_decode(const uint8_t *bytes, size_t len, struct strings *pool,
		    struct snapshot_objects *ret_objects);

/** snapshot_objects_clear() - free what is there; entries that were taken out are NULL. */
void snapshot_objects_clear(struct snapshot_objects *objects);

/** snapshot_node_name() - the node the file was made for, in place. Return: NULL: a bad file. */
const char *snapshot_node_name(const uint8_t *bytes, size_t len);

#endif
