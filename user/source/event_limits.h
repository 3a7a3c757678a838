/* SPDX-License-Identifier: Apache-2.0 */
/* How many Events may be told of one object and in all, and that none is repeated at once. Pure. */
#ifndef SVCBPF_SOURCE_EVENT_LIMITS_H
#define SVCBPF_SOURCE_EVENT_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#define EVENT_LIMITS_REPEAT_MS	      300000u /* the same again not before */
#define EVENT_LIMITS_OBJECT_BURST     5u
#define EVENT_LIMITS_OBJECT_REFILL_MS 60000u
#define EVENT_LIMITS_TOTAL_BURST      50u
#define EVENT_LIMITS_TOTAL_REFILL_MS  1000u
#define EVENT_LIMITS_MAX_OBJECTS      256
#define EVENT_LIMITS_MAX_RECENT	      512

/** struct event_bucket - a token bucket. @n_used: tokens taken and not given back yet. */
struct event_bucket {
	uint64_t object;
	uint64_t refilled_ms;
	uint32_t n_used;
};

/** struct event_recent - something told. @told_ms: when; 0: free. */
struct event_recent {
	uint64_t text;
	uint64_t told_ms;
};

/**
 * struct event_limits - zero at first. Of more objects or texts than it holds, those asked for
 * least lately are forgotten.
 */
struct event_limits {
	struct event_bucket total;
	struct event_bucket objects[EVENT_LIMITS_MAX_OBJECTS];
	size_t n_objects;
	struct event_recent recent[EVENT_LIMITS_MAX_RECENT];
};

enum event_verdict { EVENT_ALLOWED, EVENT_REPEATED, EVENT_LIMITED };

/**
 * event_limits_ask() - whether an Event may be sent; if so, it counts as sent.
 * @object, @text: hashes of the object, and of object, reason and note.
 * @now_ms: CLOCK_MONOTONIC, not 0.
 */
enum event_verdict event_limits_ask(struct event_limits *limits, uint64_t object, uint64_t text,
				    uint64_t now_ms);

#endif
