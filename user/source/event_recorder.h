/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes Events (events.k8s.io/v1) for people who look at objects, not logs (rules R42, R53).
 * Best effort: limited in number, never retried, never in anybody's way.
 */
#ifndef SVCBPF_SOURCE_EVENT_RECORDER_H
#define SVCBPF_SOURCE_EVENT_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api;
struct event_base;
struct event_recorder;

/**
 * struct event_object - what an Event is about. @kind: "Service" or "Node".
 * @namespace: NULL for a Node: the Event lands in namespace "default".
 */
struct event_object {
	const char *kind;
	const char *namespace;
	const char *name;
};

/**
 * struct event_note - what an Event says.
 * @is_warning: type Warning, else Normal.
 * @reason, @action: UpperCamelCase, at most 128 bytes.
 * @note: for people; cut at 1,024 bytes, between characters. "" is fine.
 */
struct event_note {
	bool is_warning;
	const char *reason;
	const char *action;
	const char *note;
};

/**
 * struct event_counts - since the start.
 * @n_sent: the API server has them.  @n_failed: it has not taken them.
 * @n_repeated: the same was told less than 5 minutes before.  @n_limited: too many.
 */
struct event_counts {
	uint64_t n_sent;
	uint64_t n_failed;
	uint64_t n_repeated;
	uint64_t n_limited;
};

/**
 * event_recorder_new() - a recorder.
 * @base: nothing is sent before it runs again: Events may be told from any callback.
 * @api: borrowed, must outlive the recorder; NULL: all is dropped, for sources without a server.
 * @node_name: for reportingInstance "svcbpf-NODE"; copied.
 * @log: what an operator should know (events are forbidden: once); @level: enum log_level. May be
 *	NULL.
 * Return: 0 or -ENOMEM. Free with event_recorder_free().
 */
int event_recorder_new(struct event_base *base, struct api *api, const char *node_name,
		       void (*log)(void *arg, int level, const char *text), void *log_arg,
		       struct event_recorder **ret);

/** event_recorder_free() - drop what is not sent yet; NULL is fine. Before api_free(). */
void event_recorder_free(struct event_recorder *recorder);

/**
 * event_recorder_tell() - send an Event, if the limits allow it.
 *
 * Does not block, cannot fail: what is not sent is counted. Limits: the same (object, reason and
 * note) once in 5 minutes; of one object 5 at once, then one a minute; in all 50 at once, then one
 * a second; 64 wait to be sent.
 */
void event_recorder_tell(struct event_recorder *recorder, const struct event_object *object,
			 const struct event_note *note);

/** event_recorder_counts() - for the metrics. */
struct event_counts event_recorder_counts(const struct event_recorder *recorder);

#endif
