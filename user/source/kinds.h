/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of objects that are read. */
#ifndef SVCBPF_SOURCE_KINDS_H
#define SVCBPF_SOURCE_KINDS_H

enum object_kind {
	OBJECT_SERVICE,
	OBJECT_SLICE,
	OBJECT_ENDPOINTS,
	OBJECT_NODE,
};

/**
 * kinds_find() - what an object is.
 * @kind: e.g. "Service".  @api_version: e.g. "v1"; NULL or "": taken for the right one.
 * @ret: left as it is unless 1 is returned.
 * Return: 1; 0: not ours (another kind, or one of the same name in another API group);
 * -EPROTONOSUPPORT: ours, but of a version that is not read.
 */
int kinds_find(const char *kind, const char *api_version, enum object_kind *ret);

/** kinds_name() - e.g. "Service". */
const char *kinds_name(enum object_kind kind);

/** kinds_api_version() - the version that is read, e.g. "discovery.k8s.io/v1". */
const char *kinds_api_version(const char *kind);

#endif
