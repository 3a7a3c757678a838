/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model: Kubernetes objects in, what this node must serve out (rules R1-R22, R41). Pure: no
 * I/O, no JSON, no kernel. One change costs the work of the Services it touches.
 */
#ifndef SVCBPF_MODEL_MODEL_H
#define SVCBPF_MODEL_MODEL_H

#include "model/objects.h"
#include "model/state.h"

struct model;

/**
 * model_new() - an empty model.
 * @node_name: decides which endpoints are local (R9); copied, lower-cased and trimmed.
 * @pool: interned strings, shared with the sources; borrowed, must outlive the model.
 * Return: 0 or -ENOMEM.
 */
int model_new(const char *node_name, struct strings *pool, struct model **ret);

/** model_free() - free the model and all objects in it; NULL is fine. */
void model_free(struct model *model);

/**
 * model_put_service() - add a Service or replace the one of that namespace and name.
 * @service: taken over, also on failure.
 * Return: 0 or -ENOMEM.
 */
int model_put_service(struct model *model, struct k8s_service *service);

/** model_remove_service() - forget it. Return: 0; -ENOENT when there is none. */
int model_remove_service(struct model *model, const char *namespace, const char *name);

/** model_put_slice() - add or replace a slice; taken over, also on failure. Return: 0 or -ENOMEM.
 */
int model_put_slice(struct model *model, struct k8s_slice *slice);

/** model_remove_slice() - forget it. Return: 0; -ENOENT when there is none. */
int model_remove_slice(struct model *model, const char *namespace, const char *name);

/**
 * model_set_node() - this node's zone (and addresses) changed; all Services whose endpoints carry
 * hints are computed again.
 * @node: taken over, also on failure; NULL: unknown, no zone.
 */
int model_set_node(struct model *model, struct k8s_node *node);

/** enum model_algorithm - how backends are chosen for clients outside the cluster. */
enum model_algorithm {
	MODEL_ALGORITHM_RANDOM, /* the default: random where no annotation says otherwise */
	MODEL_ALGORITHM_MAGLEV, /* Maglev where no annotation says otherwise */
	MODEL_ALGORITHM_NONE,	/* this node has no packet path: nothing is Maglev's */
};

/** model_set_algorithm() - the node's choice; Services are computed again when it changes. */
void model_set_algorithm(struct model *model, enum model_algorithm algorithm);

/** model_node() - this node's object, borrowed until the next model_set_node(); NULL: unknown. */
const struct k8s_node *model_node(const struct model *model);

/**
 * model_for_each_service() - all Services that were put, in no particular order.
 * @fn: @service is borrowed; a negative return ends the walk.
 * Return: 0; what @fn returned.
 */
int model_for_each_service(const struct model *model,
			   int (*fn)(void *arg, const struct k8s_service *service), void *arg);

/** model_for_each_slice() - the same for the slices that count (R2, R6); -ENOMEM too. */
int model_for_each_slice(const struct model *model,
			 int (*fn)(void *arg, const struct k8s_slice *slice), void *arg);

/** model_node_name() - the node's name as used for R9, borrowed. */
const char *model_node_name(const struct model *model);

/** model_zone() - the node's zone, borrowed; "" for none. */
const char *model_zone(const struct model *model);

/** model_has_changes() - whether model_commit() has anything to compute. */
bool model_has_changes(const struct model *model);

/**
 * struct model_events - what model_commit() tells.
 * @port: a service port appeared (@old NULL), vanished (@new NULL) or programs the datapath
 *	differently, its serving endpoints included. Both are borrowed: @old, its strings too, until
 *	the next model_commit(); @new until the model_commit() after the one that tells it as @old.
 * @health: a Service's health check appeared, changed or (@check->node_port 0) vanished.
 *
 * Either may be NULL. Ports are told in no particular order, those of one Service ordered by key. A
 * negative return stops model_commit(), which returns it; the change is then told again.
 */
struct model_events {
	int (*port)(void *arg, const struct service_port *old, const struct service_port *new);
	int (*health)(void *arg, const struct health_check *check);
	void *arg;
};

/**
 * model_commit() - compute what changed since the last call and tell only the differences.
 * @events: NULL: tell nobody.
 *
 * A service port with more than SVC_LIST_MAX_BACKENDS backends keeps its last good backends and
 * policies, or is left out when it never had any; both are problems.
 * Return: 0; -ENOMEM; what a callback returned. After a failure call it again: what was told is not
 * told twice, the rest is not lost.
 */
int model_commit(struct model *model, const struct model_events *events);

/**
 * model_state() - the whole computed state after model_commit(), copied and sorted.
 * Return: 0 or -ENOMEM; free with state_free().
 */
int model_state(const struct model *model, struct state **ret);

/**
 * model_for_each_problem() - what could not be served as asked: a frontend that an older Service
 * holds, more than SVC_LIST_MAX_BACKENDS backends, a name that is too long, an annotation of
 * ours with a bad value.
 * @fn: @service is "namespace/name", @text one line without it, both borrowed.
 */
void model_for_each_problem(const struct model *model,
			    void (*fn)(void *arg, const char *service, const char *text),
			    void *arg);

#endif
