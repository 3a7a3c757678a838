/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One resource of an API server, followed: list it, watch it, list it again when the watch is lost,
 * and tell only what is different. Knows the protocol, and nothing of what the objects mean.
 */
#ifndef SVCBPF_SOURCE_REFLECTOR_H
#define SVCBPF_SOURCE_REFLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/kubernetes.h"

struct cJSON;
struct json_arena;
struct reflector;

/**
 * struct reflector_resource - what is followed.
 * @name: for messages: "services".
 * @path: "/api/v1/services".
 * @list_kind: of a list of them: "ServiceList".
 * @label_selector, @field_selector: as kubectl writes them; NULL: none.
 * @is_field_selector_optional: do without where the server does not know the field.
 * @is_cluster_scoped: they have no namespace: it is told as "".
 * @trim: members that are not needed, for json_trim(); ends with NULL.
 */
struct reflector_resource {
	const char *name;
	const char *path;
	const char *list_kind;
	const char *label_selector;
	const char *field_selector;
	bool is_field_selector_optional;
	bool is_cluster_scoped;
	const char *const *trim;
};

/**
 * struct reflector_events - what it tells, from the event loop.
 * @put: an object is new or changed. Return: 0: taken; 1: refused, what was told before stays; a
 *	negative errno ends what is read now, it is tried again.
 * @remove: it is gone. @is_told: put() took it once. Return: 0 or negative errno, as put().
 * @begun: a list begins: what is told until @listed is only a part.
 * @listed: everything there is was told.
 * @failed: something failed; state and last_error of reflector_watch() say what. @status: HTTP's;
 *	0: there was no answer.
 */
struct reflector_events {
	int (*put)(void *arg, const char *namespace, const char *name, const struct cJSON *object);
	int (*remove)(void *arg, const char *namespace, const char *name, bool is_told);
	void (*begun)(void *arg);
	void (*listed)(void *arg);
	void (*failed)(void *arg, long status);
	void *arg;
};

/**
 * struct reflector_times - how long things take, in milliseconds.
 * @short_cap: the longest wait before a cheap request is repeated. This bounds how late the agent
 *	notices that the API is back.
 * @long_cap: the longest wait after the server could not list, or said that it has too much to do.
 * @healthy: a watch that is open for so long works, and one that ends earlier has failed.
 * @stall: without anything new for so long a server does not know WatchList.
 */
struct reflector_times {
	uint32_t short_cap;
	uint32_t long_cap;
	uint32_t healthy;
	uint32_t stall;
};

/** REFLECTOR_TIMES - the usual ones. */
#define REFLECTOR_TIMES                                                                            \
	{                                                                                          \
		.short_cap = 2500, .long_cap = 30000, .healthy = 2000, .stall = 20000              \
	}

/**
 * struct reflector_options - how to make one.
 * @resource: borrowed for as long as the reflector lives.
 * @arena: shared, borrowed: only used within a call of put().
 * @pool, @api, @base: borrowed.
 * @log, @log_arg, @is_hasty: as in struct kubernetes_options.
 */
struct reflector_options {
	const struct reflector_resource *resource;
	struct reflector_times times;
	struct json_arena *arena;
	struct strings *pool;
	struct api *api;
	struct event_base *base;
	void (*log)(void *arg, int level, const char *text);
	void *log_arg;
	bool is_hasty;
};

/** reflector_new() - make one; nothing is asked yet. Return: 0 or -ENOMEM. */
int reflector_new(const struct reflector_options *options, const struct reflector_events *events,
		  struct reflector **ret);

/** reflector_free() - end its request and free; NULL is fine. */
void reflector_free(struct reflector *reflector);

/** reflector_start() - list everything: at first, or again. Not inside the callbacks. */
void reflector_start(struct reflector *reflector);

/**
 * reflector_remember() - the receiver has this object from elsewhere, in an unknown state: the
 * first list tells it, or that it is gone. Return: 0 or -ENOMEM.
 */
int reflector_remember(struct reflector *reflector, const char *namespace, const char *name);

/** reflector_knows() - whether the object is there, as far as is known. */
bool reflector_knows(const struct reflector *reflector, const char *namespace, const char *name);

/** reflector_forget() - the receiver has it no more. */
void reflector_forget(struct reflector *reflector, const char *namespace, const char *name);

/** reflector_watch() - how it goes. */
void reflector_watch(const struct reflector *reflector, struct kubernetes_watch *ret);

#endif
