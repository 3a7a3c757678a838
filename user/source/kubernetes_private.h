/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the Kubernetes source share. */
#ifndef SVCBPF_SOURCE_KUBERNETES_PRIVATE_H
#define SVCBPF_SOURCE_KUBERNETES_PRIVATE_H

#include "source/kubernetes.h"
#include "source/reflector.h"
#include "util/table.h"

struct event;

/** struct kubernetes_reject - an object that cannot be used now. @where: "Service default/web". */
struct kubernetes_reject {
	UT_hash_handle hh;
	uint64_t state;
	char where[];
};

/**
 * struct kubernetes_follower - one of the resources.
 * @is_listing: between the begin of a list and its end, or its failure.
 */
struct kubernetes_follower {
	struct kubernetes *kubernetes;
	enum kubernetes_resource which;
	struct reflector_resource resource;
	struct reflector *reflector;
	bool is_listing;
};

/** enum kubernetes_node_state - what the receiver was told of this Node. */
enum kubernetes_node_state { NODE_UNTOLD, NODE_TOLD, NODE_GONE };

/**
 * struct kubernetes_syncs - when synced() is called.
 * @is_pending, @pending_us: something was told since the last call, and when first.
 * @ended_us, @took_us: of the last call.
 */
struct kubernetes_syncs {
	struct event *timer;
	bool is_pending;
	uint64_t pending_us;
	uint64_t ended_us;
	uint64_t took_us;
};

/**
 * struct kubernetes - the source.
 * @node_timer: how long the Node is waited for once it was refused.
 * @is_without_node: it was waited for long enough.
 * @is_synced: synced() may be called.
 */
struct kubernetes {
	struct kubernetes_options options;
	struct source_events events;
	struct source_events restore;
	char *node_name;
	char *node_selector;
	struct json_arena *arena;
	struct kubernetes_follower followers[KUBERNETES_N_RESOURCES];
	struct kubernetes_reject *rejects;
	struct kubernetes_syncs syncs;
	struct event *node_timer;
	enum kubernetes_node_state node_state;
	bool is_without_node;
	bool is_synced;
};

/** kubernetes_put() - struct reflector_events.put of a struct kubernetes_follower. */
int kubernetes_put(void *arg, const char *namespace, const char *name, const struct cJSON *object);

/** kubernetes_remove() - struct reflector_events.remove. */
int kubernetes_remove(void *arg, const char *namespace, const char *name, bool is_told);

/** kubernetes_make_restore() - fill in @kubernetes->restore. */
void kubernetes_make_restore(struct kubernetes *kubernetes);

/** kubernetes_forget_rejects() - free them all. */
void kubernetes_forget_rejects(struct kubernetes *kubernetes);

/** kubernetes_syncs_open() - ready to call synced(). Return: 0 or -ENOMEM. */
int kubernetes_syncs_open(struct kubernetes *kubernetes);

/** kubernetes_syncs_close() - no more calls. */
void kubernetes_syncs_close(struct kubernetes *kubernetes);

/** kubernetes_sync_later() - something was told. */
void kubernetes_sync_later(struct kubernetes *kubernetes);

/** kubernetes_sync_anew() - what the time of the next call depends on has changed. */
void kubernetes_sync_anew(struct kubernetes *kubernetes);

#endif
