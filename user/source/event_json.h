/* SPDX-License-Identifier: Apache-2.0 */
/* An Event of events.k8s.io/v1 as the JSON that the API server takes. Pure. */
#ifndef SVCBPF_SOURCE_EVENT_JSON_H
#define SVCBPF_SOURCE_EVENT_JSON_H

#include <stdint.h>

#include "source/event_recorder.h"

/**
 * event_json_namespace() - where an Event about @object lives: with it, or in "default".
 */
const char *event_json_namespace(const struct event_object *object);

/**
 * event_json_new() - the body of a POST.
 * @node_name: for reportingInstance.
 * @now_ns: CLOCK_REALTIME; makes the Event's name unique, as client-go's recorder does.
 * Source: k8s.io/kubernetes v1.36 pkg/apis/core/validation/events.go (its limits).
 * Return: 0 or -ENOMEM. @ret: free(3) it.
 */
int event_json_new(const struct event_object *object, const struct event_note *note,
		   const char *node_name, uint64_t now_ns, char **ret);

#endif
