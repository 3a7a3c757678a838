/* SPDX-License-Identifier: Apache-2.0 */
/* A model that a source fills. */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include <errno.h>

#include "fuzz.h"
#include "model/model.h"
#include "source/source.h"
#include "util/strings.h"

/** struct world - @pool: of the strings of all objects. */
struct world {
	struct strings *pool;
	struct model *model;
};

static inline struct world world_open(const char *node_name)
{
	struct world world = {};

	fuzz_assert(strings_new(&world.pool) == 0);
	fuzz_assert(model_new(node_name, world.pool, &world.model) == 0);
	return world;
}

/* All that was told must have been given back; a source that has the pool must be gone. */
static inline void world_close(struct world *world)
{
	model_free(world->model);
	fuzz_assert(strings_count(world->pool) == 0);
	strings_free(world->pool);
}

static inline int world_put_service(void *arg, struct k8s_service *service)
{
	const struct world *world = arg;

	return model_put_service(world->model, service);
}

/* As for cmd/feed.c, what the model never counted is no failure. */
static inline int world_remove_service(void *arg, const char *namespace, const char *name)
{
	const struct world *world = arg;
	int r = model_remove_service(world->model, namespace, name);

	return r == -ENOENT ? 0 : r;
}

static inline int world_put_slice(void *arg, struct k8s_slice *slice)
{
	const struct world *world = arg;

	return model_put_slice(world->model, slice);
}

static inline int world_remove_slice(void *arg, const char *namespace, const char *name)
{
	const struct world *world = arg;
	int r = model_remove_slice(world->model, namespace, name);

	return r == -ENOENT ? 0 : r;
}

static inline int world_set_node(void *arg, struct k8s_node *node)
{
	const struct world *world = arg;

	return model_set_node(world->model, node);
}

/* The text that tells why is a line: it goes to a log and a terminal. */
static inline void world_rejected(void *arg, const char *where, const char *object,
				  const char *text)
{
	(void)arg;
	fuzz_assert(*where && !strchr(object, '\n'));
	fuzz_assert(*text && !strchr(text, '\n'));
}

static inline int world_synced(void *arg)
{
	const struct world *world = arg;

	return model_commit(world->model, NULL);
}

/** world_events() - what fills @world; borrowed. */
static inline struct source_events world_events(struct world *world)
{
	return (struct source_events){
		.put_service = world_put_service,
		.remove_service = world_remove_service,
		.put_slice = world_put_slice,
		.remove_slice = world_remove_slice,
		.set_node = world_set_node,
		.rejected = world_rejected,
		.synced = world_synced,
		.arg = world,
	};
}

#endif
