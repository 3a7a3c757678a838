/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of the input by kind, namespace and name: what stands in the files now, and what was
 * told of it. Their content is not kept, only a hash.
 */
#ifndef SVCBPF_SOURCE_OBJECT_H
#define SVCBPF_SOURCE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/objects.h"
#include "source/decode_endpoints.h"
#include "source/kinds.h"
#include "util/table.h"

struct manifest_file;

/** struct decoded - an object ready to be told; @any is NULL when it is not at hand. */
struct decoded {
	enum object_kind kind;
	union {
		void *any;
		struct k8s_service *service;
		struct k8s_slice *slice;
		struct mirror *mirror;
		struct k8s_node *node;
	};
};

/** decoded_clear() - free what is at hand. */
void decoded_clear(struct strings *pool, struct decoded *decoded);

/**
 * struct entry - a place in a file where an object stands.
 * @hash: of its text.
 * @service: of an EndpointSlice: the Service's name, one reference of the pool; may be NULL.
 * @is_bad: it cannot be used: what was told before stays.
 * @is_missing: it stood there before, and may be what cannot be read now; bad as well.
 * @has_selector: of a Service: spec.selector is there.
 * @is_skipped: of Endpoints: not to be mirrored.
 * @is_repeat_told, @is_note_told: the user knows.
 */
struct entry {
	struct object *object;
	size_t line;
	uint64_t hash;
	const char *service;
	bool is_bad;
	bool is_missing;
	bool has_selector;
	bool is_skipped;
	bool is_repeat_told;
	bool is_note_told;
	struct decoded decoded;
};

/** struct object_key - strings are of the pool, so that pointers are compared. */
struct object_key {
	uint64_t kind;
	const char *namespace;
	const char *name;
};

/**
 * struct object - one object.
 * @n_entries: how often it stands in the files.
 * @mark: see objects_new_mark().
 * @is_told, @told_hash, @n_told_slices: what was told; the last is for Endpoints.
 * @generation: of the manifests_resolve() that saw it last, which set @winner and @file.
 * @winner, @file: the entry that counts, the last in path order, and its file.
 * @service: as in struct entry, of the last good winner.
 * @has_selector, @is_skipped: as in struct entry, of the last good winner.
 * @sliced_generation: of Endpoints: the same for an EndpointSlice of their Service.
 */
struct object {
	struct object_key key;
	size_t n_entries;
	uint64_t mark;
	bool is_told;
	bool has_selector;
	bool is_skipped;
	uint64_t told_hash;
	size_t n_told_slices;
	uint64_t generation;
	struct entry *winner;
	struct manifest_file *file;
	const char *service;
	uint64_t sliced_generation;
	UT_hash_handle hh;
};

/** struct objects - the table. @pool: borrowed. */
struct objects {
	struct strings *pool;
	struct object *table;
	uint64_t last_mark;
};

/** objects_get() - find an object or make it. Return: 0 or -ENOMEM. */
int objects_get(struct objects *objects, enum object_kind kind, const char *namespace,
		const char *name, struct object **ret);

/** objects_find() - find an object. @namespace, @name: of the pool. Return: NULL for none. */
struct object *objects_find(const struct objects *objects, enum object_kind kind,
			    const char *namespace, const char *name);

/** objects_new_mark() - a number that no object has as its mark. */
uint64_t objects_new_mark(struct objects *objects);

/** objects_purge() - forget the objects that stand nowhere and are not told. */
void objects_purge(struct objects *objects);

/** objects_clear() - forget all. */
void objects_clear(struct objects *objects);

/** object_format() - "Service default/web", "Node n1", in @buf of @size bytes. Return: @buf. */
const char *object_format(enum object_kind kind, const char *namespace, const char *name, char *buf,
			  size_t size);

#endif
