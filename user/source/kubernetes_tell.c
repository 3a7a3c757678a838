/* SPDX-License-Identifier: Apache-2.0 */
/* From the API's objects to the receiver's, what cannot be used, and a saved state. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/decode.h"
#include "source/kubernetes_private.h"
#include "source/object.h"
#include "source/text_hash.h"

#define WHERE_MAX 512

static const char *format_where(const struct kubernetes_follower *follower, const char *namespace,
				const char *name, char *buf)
{
	static const enum object_kind kinds[KUBERNETES_N_RESOURCES] = {
		[KUBERNETES_SERVICES] = OBJECT_SERVICE,
		[KUBERNETES_SLICES] = OBJECT_SLICE,
		[KUBERNETES_NODE] = OBJECT_NODE,
	};

	return object_format(kinds[follower->which], namespace, name, buf, WHERE_MAX);
}

/* ------------------------------------------------------------------ rejects */

static struct kubernetes_reject *find_reject(const struct kubernetes *kubernetes, const char *where)
{
	struct kubernetes_reject *reject;

	HASH_FIND_STR(kubernetes->rejects, where, reject);
	return reject;
}

/* It is mended or gone: the receiver sees that at its next synced(). */
static void forget_reject(struct kubernetes_follower *follower, const char *namespace,
			  const char *name)
{
	struct kubernetes *kubernetes = follower->kubernetes;
	struct kubernetes_reject *reject;
	char where[WHERE_MAX];

	if (!kubernetes->rejects)
		return;
	reject = find_reject(kubernetes, format_where(follower, namespace, name, where));
	if (!reject)
		return;
	HASH_DEL(kubernetes->rejects, reject);
	free(reject);
	kubernetes_sync_later(kubernetes);
}

static int add_reject(struct kubernetes *kubernetes, const char *where,
		      struct kubernetes_reject **ret)
{
	struct kubernetes_reject *reject = calloc(1, sizeof(*reject) + strlen(where) + 1);

	if (!reject)
		return -ENOMEM;
	memcpy(reject->where, where, strlen(where) + 1);
	HASH_ADD_STR(kubernetes->rejects, where, reject);
	if (!TABLE_HAS(reject)) {
		free(reject);
		return -ENOMEM;
	}
	*ret = reject;
	return 0;
}

/* Tells what is wrong, but once only while it is the same. Return: 1, or -ENOMEM. */
static int reject(struct kubernetes_follower *follower, const char *namespace, const char *name,
		  const char *text)
{
	struct kubernetes *kubernetes = follower->kubernetes;
	const uint64_t state = text_hash(0, text, strlen(text)) | 1;
	struct kubernetes_reject *known;
	char where[WHERE_MAX];
	int r = 0;

	known = find_reject(kubernetes, format_where(follower, namespace, name, where));
	if (!known)
		r = add_reject(kubernetes, where, &known);
	if (r < 0)
		return r;
	if (known->state == state)
		return 1;
	known->state = state;
	kubernetes->events.rejected(kubernetes->events.arg, where, "", text);
	kubernetes_sync_later(kubernetes);
	return 1;
}

void kubernetes_forget_rejects(struct kubernetes *kubernetes)
{
	struct kubernetes_reject *known, *next;

	HASH_ITER(hh, kubernetes->rejects, known, next) {
		HASH_DEL(kubernetes->rejects, known);
		free(known);
	}
}

size_t kubernetes_n_rejected(const struct kubernetes *kubernetes)
{
	return HASH_COUNT(kubernetes->rejects);
}

uint64_t kubernetes_reject_state(const struct kubernetes *kubernetes, const char *where)
{
	const struct kubernetes_reject *known = find_reject(kubernetes, where);

	return known ? known->state : 0;
}

/* ------------------------------------------------------------------ objects */

/* Return: 0; -EINVAL: it cannot be read; other negative errno. */
static int tell_service(struct kubernetes *kubernetes, const struct cJSON *object,
			struct decode_error *error)
{
	struct k8s_service *service;
	int r = decode_service(object, kubernetes->options.pool, &service, error);

	return r < 0 ? r : kubernetes->events.put_service(kubernetes->events.arg, service);
}

static int tell_slice(struct kubernetes *kubernetes, const struct cJSON *object,
		      struct decode_error *error)
{
	struct k8s_slice *slice;
	int r = decode_slice(object, kubernetes->options.pool, &slice, error);

	return r < 0 ? r : kubernetes->events.put_slice(kubernetes->events.arg, slice);
}

static int tell_node(struct kubernetes *kubernetes, const struct cJSON *object,
		     struct decode_error *error)
{
	struct k8s_node *node;
	int r = decode_node(object, kubernetes->options.pool, &node, error);

	if (r < 0)
		return r;
	r = kubernetes->events.set_node(kubernetes->events.arg, node);
	if (r >= 0)
		kubernetes->node_state = NODE_TOLD;
	return r;
}

/* What a server tells that does not know the field selector. */
static bool is_other_node(const struct kubernetes_follower *follower, const char *name)
{
	return follower->which == KUBERNETES_NODE &&
	       strcmp(name, follower->kubernetes->node_name) != 0;
}

int kubernetes_put(void *arg, const char *namespace, const char *name, const struct cJSON *object)
{
	struct kubernetes_follower *follower = arg;
	struct kubernetes *kubernetes = follower->kubernetes;
	struct decode_error error = {};
	int r;

	if (is_other_node(follower, name))
		return 0;
	switch (follower->which) {
	case KUBERNETES_SERVICES:
		r = tell_service(kubernetes, object, &error);
		break;
	case KUBERNETES_SLICES:
		r = tell_slice(kubernetes, object, &error);
		break;
	default:
		r = tell_node(kubernetes, object, &error);
		break;
	}
	if (*error.text)
		return reject(follower, namespace, name, error.text);
	if (r < 0)
		return r;
	forget_reject(follower, namespace, name);
	kubernetes_sync_later(kubernetes);
	return 0;
}

static int tell_node_gone(struct kubernetes *kubernetes)
{
	int r = kubernetes->events.set_node(kubernetes->events.arg, NULL);

	if (r >= 0)
		kubernetes->node_state = NODE_GONE;
	return r;
}

int kubernetes_remove(void *arg, const char *namespace, const char *name, bool is_told)
{
	struct kubernetes_follower *follower = arg;
	struct kubernetes *kubernetes = follower->kubernetes;
	const struct source_events *events = &kubernetes->events;
	int r = 0;

	if (is_other_node(follower, name))
		return 0;
	if (is_told && follower->which == KUBERNETES_SERVICES)
		r = events->remove_service(events->arg, namespace, name);
	else if (is_told && follower->which == KUBERNETES_SLICES)
		r = events->remove_slice(events->arg, namespace, name);
	else if (is_told)
		r = tell_node_gone(kubernetes);
	if (r < 0)
		return r;
	forget_reject(follower, namespace, name);
	if (is_told)
		kubernetes_sync_later(kubernetes);
	return 0;
}

/* ------------------------------------------------------------------ a saved state */

/*
 * Remembers an object that the receiver took. @namespace, @name: one reference each, given back.
 * @r: what the receiver returned.
 */
static int remember(struct kubernetes *kubernetes, enum kubernetes_resource which,
		    const char *namespace, const char *name, int r)
{
	struct reflector *reflector = kubernetes->followers[which].reflector;

	if (r >= 0)
		r = reflector_remember(reflector, namespace, name);
	strings_put(kubernetes->options.pool, namespace);
	strings_put(kubernetes->options.pool, name);
	return r;
}

/* What the server told meanwhile is newer. */
static bool is_newer_known(const struct kubernetes *kubernetes, enum kubernetes_resource which,
			   const char *namespace, const char *name)
{
	return reflector_knows(kubernetes->followers[which].reflector, namespace, name);
}

static int restore_service(void *arg, struct k8s_service *service)
{
	struct kubernetes *kubernetes = arg;
	const char *namespace = service->namespace, *name = service->name;

	if (is_newer_known(kubernetes, KUBERNETES_SERVICES, namespace, name)) {
		k8s_service_free(kubernetes->options.pool, service);
		return 0;
	}
	strings_ref(namespace);
	strings_ref(name);
	return remember(kubernetes, KUBERNETES_SERVICES, namespace, name,
			kubernetes->events.put_service(kubernetes->events.arg, service));
}

static int restore_slice(void *arg, struct k8s_slice *slice)
{
	struct kubernetes *kubernetes = arg;
	const char *namespace = slice->namespace, *name = slice->name;

	if (is_newer_known(kubernetes, KUBERNETES_SLICES, namespace, name)) {
		k8s_slice_free(kubernetes->options.pool, slice);
		return 0;
	}
	strings_ref(namespace);
	strings_ref(name);
	return remember(kubernetes, KUBERNETES_SLICES, namespace, name,
			kubernetes->events.put_slice(kubernetes->events.arg, slice));
}

static int restore_node(void *arg, struct k8s_node *node)
{
	struct kubernetes *kubernetes = arg;
	struct reflector *reflector = kubernetes->followers[KUBERNETES_NODE].reflector;
	int r;

	if (!node || kubernetes->node_state != NODE_UNTOLD) {
		k8s_node_free(kubernetes->options.pool, node);
		return 0;
	}
	r = kubernetes->events.set_node(kubernetes->events.arg, node);
	if (r < 0)
		return r;
	kubernetes->node_state = NODE_TOLD;
	return reflector_remember(reflector, "", kubernetes->node_name);
}

static int restore_no_service(void *arg, const char *namespace, const char *name)
{
	struct kubernetes *kubernetes = arg;

	reflector_forget(kubernetes->followers[KUBERNETES_SERVICES].reflector, namespace, name);
	return kubernetes->events.remove_service(kubernetes->events.arg, namespace, name);
}

static int restore_no_slice(void *arg, const char *namespace, const char *name)
{
	struct kubernetes *kubernetes = arg;

	reflector_forget(kubernetes->followers[KUBERNETES_SLICES].reflector, namespace, name);
	return kubernetes->events.remove_slice(kubernetes->events.arg, namespace, name);
}

static void restore_rejected(void *arg, const char *where, const char *object, const char *text)
{
	struct kubernetes *kubernetes = arg;

	kubernetes->events.rejected(kubernetes->events.arg, where, object, text);
}

static int restore_synced(void *arg)
{
	struct kubernetes *kubernetes = arg;

	return kubernetes->events.synced(kubernetes->events.arg);
}

void kubernetes_make_restore(struct kubernetes *kubernetes)
{
	kubernetes->restore = (struct source_events){
		.put_service = restore_service,
		.remove_service = restore_no_service,
		.put_slice = restore_slice,
		.remove_slice = restore_no_slice,
		.set_node = restore_node,
		.rejected = restore_rejected,
		.synced = restore_synced,
		.arg = kubernetes,
	};
}
