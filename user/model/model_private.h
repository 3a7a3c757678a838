/* SPDX-License-Identifier: Apache-2.0 */
/* How the model stores what it knows; shared by model.c, commit.c, tell.c and problems.c only. */
#ifndef SVCBPF_MODEL_MODEL_PRIVATE_H
#define SVCBPF_MODEL_MODEL_PRIVATE_H

#include "model/claims.h"
#include "model/compute.h"
#include "model/model.h"
#include "model/packed_slice.h"
#include "util/table.h"

/** struct object_key - interned strings, so that equal names are equal pointers: hashed as bytes.
 */
struct object_key {
	const char *namespace;
	const char *name;
};

/**
 * struct slice_entry - a slice.
 * @slice: owned; NULL while it does not count (R2, R6): only its name is kept then.
 * @service: where it belongs, NULL likewise.
 * @has_hints: an endpoint carries hints, so that the node's zone matters.
 */
struct slice_entry {
	UT_hash_handle hh;
	struct object_key key;
	struct packed_slice *slice;
	struct service_entry *service;
	struct slice_entry *prev;
	struct slice_entry *next;
	bool has_hints;
};

/**
 * struct service_entry - a Service, or the place of one whose slices came first.
 * @service: NULL: not known.
 * @slices: utlist, in no order.
 * @ports, @n_ports: as told last, ordered by key; made by compute_service().
 * @health: as told last; node_port 0: none.
 * @owner: its claims.
 * @problems, @n_problems: one line each, as of the last model_commit().
 * @is_dirty: in the model's list of entries to compute.
 * @has_stale_claims: the Service changed since its claims were made.
 */
struct service_entry {
	UT_hash_handle hh;
	struct object_key key;
	struct k8s_service *service;
	struct slice_entry *slices;
	struct service_port **ports;
	size_t n_ports;
	struct health_check health;
	struct claim_owner owner;
	char **problems;
	size_t n_problems;
	struct service_entry *dirty_prev;
	struct service_entry *dirty_next;
	struct service_entry *problem_prev;
	struct service_entry *problem_next;
	bool is_dirty;
	bool has_stale_claims;
};

/**
 * struct model - see model.h.
 * @node: this node's object; NULL: unknown.
 * @algorithm: for Services whose annotation does not say.
 * @dirty: utlist of entries to compute.
 * @troubled: utlist of entries with problems.
 * @dead, @n_dead, @dead_capacity: service ports told as old, kept until the next model_commit().
 * @set: scratch of compute_service().
 */
struct model {
	struct strings *pool;
	const char *node_name;
	const char *zone;
	struct k8s_node *node;
	enum model_algorithm algorithm;
	struct service_entry *services;
	struct slice_entry *slices;
	struct claims *claims;
	struct service_entry *dirty;
	struct service_entry *troubled;
	struct service_port **dead;
	size_t n_dead;
	size_t dead_capacity;
	struct endpoint_set set;
};

/** model_mark_dirty() - the entry is to be computed by the next model_commit(). */
void model_mark_dirty(struct model *model, struct service_entry *entry);

/** model_drop_if_empty() - free the entry when nothing needs it any more. */
void model_drop_if_empty(struct model *model, struct service_entry *entry);

/** tell_free_dead() - free the service ports that were told as old. */
void tell_free_dead(struct model *model);

/**
 * tell_ports() - tell what differs between the entry's service ports and these, and keep these.
 * @fresh: ordered by key; what the entry keeps is taken out.
 * Return: 0; -ENOMEM; what a callback returned: the entry has then what was told so far.
 */
int tell_ports(struct model *model, const struct model_events *events, struct service_entry *entry,
	       struct compute_result *fresh);

/** tell_make_health() - the health check that the computed ports come to. */
struct health_check tell_make_health(const struct service_entry *entry,
				     const struct compute_result *result);

/** tell_health() - tell the health check if it differs, and keep it. Return: as tell_ports(). */
int tell_health(const struct model_events *events, struct service_entry *entry,
		const struct health_check *health);

/** problems_clear() - forget the entry's problems. */
void problems_clear(struct model *model, struct service_entry *entry);

/** problems_add() - remember one line about the entry. Return: 0 or -ENOMEM. */
int problems_add(struct model *model, struct service_entry *entry, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
