/* SPDX-License-Identifier: Apache-2.0 */
/* Decides what counts among all that stands in the files, and tells the differences. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "source/manifests_private.h"
#include "util/cleanup.h"
#include "util/table.h"

#define OBJECT_TEXT_MAX 512
#define REPEAT_TEXT_MAX 4400

/** What is to be done about an object. */
enum action { ACTION_NONE, ACTION_PUT, ACTION_REMOVE };

static const char *format_key(const struct object_key *key, char *buf)
{
	return object_format((enum object_kind)key->kind, key->namespace, key->name, buf,
			     OBJECT_TEXT_MAX);
}

/* The winner so far is repeated by a later entry, which counts in its place. */
static void report_repeated(struct manifests *manifests, struct object *object,
			    const struct manifest_file *file, const struct entry *entry)
{
	char name[OBJECT_TEXT_MAX], text[REPEAT_TEXT_MAX];

	manifests->n_repeated++;
	if (object->winner->is_repeat_told)
		return;
	object->winner->is_repeat_told = true;
	snprintf(text, sizeof(text), "stands again at %s:%zu, which counts instead", file->path,
		 entry->line);
	manifest_reject(&manifests->events, object->file->path, object->winner->line,
			format_key(&object->key, name), text);
}

static void resolve_entry(struct manifests *manifests, struct manifest_file *file,
			  struct entry *entry)
{
	struct object *object = entry->object;

	if (object->generation == manifests->generation) {
		/* what is only kept in mind makes way for what really stands somewhere */
		if (entry->is_missing)
			return;
		if (!object->winner->is_missing)
			report_repeated(manifests, object, file, entry);
	}
	object->generation = manifests->generation;
	object->winner = entry;
	object->file = file;
}

/* What is known of the last good text stays while the object is bad. */
static void adopt_winner(struct manifests *manifests, struct object *object)
{
	struct entry *winner = object->winner;

	winner->is_repeat_told = false;
	if (winner->is_bad)
		return;
	object->has_selector = winner->has_selector;
	object->is_skipped = winner->is_skipped;
	if (object->service != winner->service) {
		strings_put(manifests->objects.pool, object->service);
		object->service = strings_ref(winner->service);
	}
}

static bool is_present(const struct manifests *manifests, const struct object *object)
{
	return object && object->generation == manifests->generation;
}

static void mark_sliced(struct manifests *manifests, const struct object *slice)
{
	struct object *endpoints;

	if (!slice->service)
		return;
	endpoints = objects_find(&manifests->objects, OBJECT_ENDPOINTS, slice->key.namespace,
				 slice->service);
	if (endpoints)
		endpoints->sliced_generation = manifests->generation;
}

/* The Service that Endpoints belong to; NULL when it is not there. */
static const struct object *service_of(const struct manifests *manifests,
				       const struct object *endpoints)
{
	const struct object *service = objects_find(&manifests->objects, OBJECT_SERVICE,
						    endpoints->key.namespace, endpoints->key.name);

	return is_present(manifests, service) ? service : NULL;
}

/* Whether the control plane would mirror these Endpoints, and no slices make them needless. */
static bool is_mirrored(const struct manifests *manifests, const struct object *endpoints)
{
	const struct object *service = service_of(manifests, endpoints);

	return !endpoints->is_skipped && endpoints->sliced_generation != manifests->generation &&
	       service && !service->has_selector;
}

static void note_not_mirrored(struct manifests *manifests, struct object *endpoints)
{
	const struct object *service = service_of(manifests, endpoints);
	char name[OBJECT_TEXT_MAX];

	if (endpoints->is_skipped || !service || !service->has_selector ||
	    endpoints->sliced_generation == manifests->generation) {
		endpoints->winner->is_note_told = false;
		return;
	}
	if (endpoints->winner->is_note_told)
		return;
	endpoints->winner->is_note_told = true;
	manifest_reject(&manifests->events, endpoints->file->path, endpoints->winner->line,
			format_key(&endpoints->key, name),
			"left out: its Service has a selector, and Endpoints are mirrored only for "
			"Services without; write an EndpointSlice instead");
}

static enum action action_for(const struct manifests *manifests, const struct object *object)
{
	if (!is_present(manifests, object) ||
	    (object->key.kind == OBJECT_ENDPOINTS && !is_mirrored(manifests, object)))
		return object->is_told ? ACTION_REMOVE : ACTION_NONE;
	if (object->winner->is_bad)
		return ACTION_NONE;
	if (object->is_told && object->told_hash == object->winner->hash)
		return ACTION_NONE;
	return ACTION_PUT;
}

static bool resolve_needs(struct manifests *manifests)
{
	struct object *object, *next;
	bool has_needs = false;

	HASH_ITER(hh, manifests->objects.table, object, next) {
		if (!is_present(manifests, object))
			continue;
		if (object->key.kind == OBJECT_ENDPOINTS)
			note_not_mirrored(manifests, object);
		if (action_for(manifests, object) != ACTION_PUT ||
		    object->winner->decoded.any != NULL)
			continue;
		object->file->is_wanted = true;
		has_needs = true;
	}
	return has_needs;
}

bool manifests_resolve(struct manifests *manifests)
{
	struct object *object, *next;

	manifests->generation++;
	manifests->n_repeated = 0;
	for (size_t i = 0; i < manifests->n_files; i++) {
		struct manifest_file *file = manifests->files[i];

		for (size_t j = 0; j < file->n_entries; j++)
			resolve_entry(manifests, file, &file->entries[j]);
	}
	HASH_ITER(hh, manifests->objects.table, object, next) {
		if (!is_present(manifests, object))
			continue;
		adopt_winner(manifests, object);
		if (object->key.kind == OBJECT_SLICE)
			mark_sliced(manifests, object);
	}
	return resolve_needs(manifests);
}

/* Removes slices made of Endpoints, from number @first on. */
static int remove_mirrored(struct manifests *manifests, struct object *object, size_t first)
{
	const struct source_events *events = &manifests->events;

	while (object->n_told_slices > first) {
		_free_ char *name = NULL;
		int r = mirror_slice_name(object->key.name, object->n_told_slices - 1, &name);

		if (r < 0)
			return r;
		r = events->remove_slice(events->arg, object->key.namespace, name);
		if (r < 0)
			return r;
		object->n_told_slices--;
	}
	return 0;
}

static int put_mirrored(struct manifests *manifests, struct object *object, struct mirror *mirror)
{
	const struct source_events *events = &manifests->events;
	int r = remove_mirrored(manifests, object, mirror->n_slices);

	for (size_t i = 0; r >= 0 && i < mirror->n_slices; i++) {
		r = events->put_slice(events->arg, TAKE_PTR(mirror->slices[i]));
		if (r >= 0 && object->n_told_slices <= i)
			object->n_told_slices = i + 1;
	}
	return r;
}

static int put_object(struct manifests *manifests, struct object *object)
{
	const struct source_events *events = &manifests->events;
	struct decoded decoded = object->winner->decoded;
	int r = 0;

	object->winner->decoded.any = NULL;
	switch (decoded.kind) {
	case OBJECT_SERVICE:
		r = events->put_service(events->arg, decoded.service);
		break;
	case OBJECT_SLICE:
		r = events->put_slice(events->arg, decoded.slice);
		break;
	case OBJECT_ENDPOINTS:
		/* what was told before counts as told while only some of its slices are */
		object->is_told = true;
		object->told_hash = ~object->winner->hash;
		r = put_mirrored(manifests, object, decoded.mirror);
		decoded_clear(manifests->objects.pool, &decoded);
		break;
	case OBJECT_NODE:
		r = events->set_node(events->arg, decoded.node);
		break;
	}
	if (r < 0)
		return r;
	object->is_told = true;
	object->told_hash = object->winner->hash;
	return 0;
}

static int remove_object(struct manifests *manifests, struct object *object)
{
	const struct source_events *events = &manifests->events;
	const struct object_key *key = &object->key;
	int r = 0;

	switch ((enum object_kind)key->kind) {
	case OBJECT_SERVICE:
		r = events->remove_service(events->arg, key->namespace, key->name);
		break;
	case OBJECT_SLICE:
		r = events->remove_slice(events->arg, key->namespace, key->name);
		break;
	case OBJECT_ENDPOINTS:
		r = remove_mirrored(manifests, object, 0);
		break;
	case OBJECT_NODE:
		r = events->set_node(events->arg, NULL);
		break;
	}
	if (r < 0)
		return r;
	object->is_told = false;
	return 0;
}

static int tell_object(struct manifests *manifests, struct object *object, enum action only)
{
	enum action action = action_for(manifests, object);

	if (action != only)
		return 0;
	if (action == ACTION_REMOVE)
		return remove_object(manifests, object);
	/* its file changed again while it was read: the next load tells it */
	if (!object->winner->decoded.any)
		return 0;
	return put_object(manifests, object);
}

int manifests_tell(struct manifests *manifests)
{
	static const enum action order[] = {ACTION_REMOVE, ACTION_PUT};
	struct object *object, *next;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		HASH_ITER(hh, manifests->objects.table, object, next) {
			r = tell_object(manifests, object, order[i]);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
