/* SPDX-License-Identifier: Apache-2.0 */
#include "source/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "source/meta.h"

void decoded_clear(struct strings *pool, struct decoded *decoded)
{
	switch (decoded->kind) {
	case OBJECT_SERVICE:
		k8s_service_free(pool, decoded->service);
		break;
	case OBJECT_SLICE:
		k8s_slice_free(pool, decoded->slice);
		break;
	case OBJECT_ENDPOINTS:
		mirror_free(pool, decoded->mirror);
		break;
	case OBJECT_NODE:
		k8s_node_free(pool, decoded->node);
		break;
	}
	decoded->any = NULL;
}

static void object_free(struct objects *objects, struct object *object)
{
	strings_put(objects->pool, object->key.namespace);
	strings_put(objects->pool, object->key.name);
	strings_put(objects->pool, object->service);
	free(object);
}

static int object_new(struct objects *objects, const struct object_key *key, struct object **ret)
{
	struct object *object = calloc(1, sizeof(*object));

	if (!object)
		return -ENOMEM;
	object->key = *key;
	strings_ref(key->namespace);
	strings_ref(key->name);
	HASH_ADD(hh, objects->table, key, sizeof(object->key), object);
	if (!TABLE_HAS(object)) {
		object_free(objects, object);
		return -ENOMEM;
	}
	*ret = object;
	return 0;
}

struct object *objects_find(const struct objects *objects, enum object_kind kind,
			    const char *namespace, const char *name)
{
	const struct object_key key = {.kind = kind, .namespace = namespace, .name = name};
	struct object *object;

	HASH_FIND(hh, objects->table, &key, sizeof(key), object);
	return object;
}

int objects_get(struct objects *objects, enum object_kind kind, const char *namespace,
		const char *name, struct object **ret)
{
	struct object_key key = {.kind = kind};
	struct object *object = NULL;
	int r;

	r = intern(objects->pool, namespace, &key.namespace);
	if (r < 0)
		return r;
	r = intern(objects->pool, name, &key.name);
	if (r == 0) {
		object = objects_find(objects, kind, key.namespace, key.name);
		if (!object)
			r = object_new(objects, &key, &object);
		strings_put(objects->pool, key.name);
	}
	strings_put(objects->pool, key.namespace);
	if (r < 0)
		return r;
	*ret = object;
	return 0;
}

uint64_t objects_new_mark(struct objects *objects)
{
	return ++objects->last_mark;
}

void objects_purge(struct objects *objects)
{
	struct object *object, *next;

	HASH_ITER(hh, objects->table, object, next) {
		if (object->is_told || object->n_entries > 0)
			continue;
		HASH_DEL(objects->table, object);
		object_free(objects, object);
	}
}

void objects_clear(struct objects *objects)
{
	struct object *object, *next;

	HASH_ITER(hh, objects->table, object, next) {
		HASH_DEL(objects->table, object);
		object_free(objects, object);
	}
}

const char *object_format(enum object_kind kind, const char *namespace, const char *name, char *buf,
			  size_t size)
{
	if (kind == OBJECT_NODE)
		snprintf(buf, size, "%s %s", kinds_name(kind), name);
	else
		snprintf(buf, size, "%s %s/%s", kinds_name(kind), namespace, name);
	return buf;
}
