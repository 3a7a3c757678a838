/* SPDX-License-Identifier: Apache-2.0 */
#include "source/event_limits.h"

#include <stdbool.h>

#include "util/cleanup.h"

static void refill(struct event_bucket *bucket, uint32_t refill_ms, uint64_t now_ms)
{
	const uint64_t n = (now_ms - bucket->refilled_ms) / refill_ms;

	bucket->refilled_ms += n * refill_ms;
	bucket->n_used = n < bucket->n_used ? bucket->n_used - (uint32_t)n : 0;
	if (!bucket->n_used)
		bucket->refilled_ms = now_ms;
}

/* The object's bucket, or a full one in the place of the one that was refilled longest ago. */
static struct event_bucket *find_object(struct event_limits *limits, uint64_t object,
					uint64_t now_ms)
{
	struct event_bucket *oldest = &limits->objects[0];

	for (size_t i = 0; i < limits->n_objects; i++) {
		struct event_bucket *bucket = &limits->objects[i];

		if (bucket->object == object)
			return bucket;
		if (bucket->refilled_ms < oldest->refilled_ms)
			oldest = bucket;
	}
	if (limits->n_objects < EVENT_LIMITS_MAX_OBJECTS)
		oldest = &limits->objects[limits->n_objects++];
	*oldest = (struct event_bucket){.object = object, .refilled_ms = now_ms};
	return oldest;
}

/* Where @text was told, or else where it may be put down. */
static struct event_recent *find_recent(struct event_limits *limits, uint64_t text)
{
	struct event_recent *oldest = &limits->recent[0];

	for (size_t i = 0; i < ARRAY_SIZE(limits->recent); i++) {
		struct event_recent *recent = &limits->recent[i];

		if (recent->told_ms && recent->text == text)
			return recent;
		if (recent->told_ms < oldest->told_ms)
			oldest = recent;
	}
	return oldest;
}

enum event_verdict event_limits_ask(struct event_limits *limits, uint64_t object, uint64_t text,
				    uint64_t now_ms)
{
	struct event_recent *recent = find_recent(limits, text);
	struct event_bucket *bucket;

	if (recent->told_ms && recent->text == text &&
	    now_ms - recent->told_ms < EVENT_LIMITS_REPEAT_MS)
		return EVENT_REPEATED;
	bucket = find_object(limits, object, now_ms);
	refill(bucket, EVENT_LIMITS_OBJECT_REFILL_MS, now_ms);
	refill(&limits->total, EVENT_LIMITS_TOTAL_REFILL_MS, now_ms);
	if (bucket->n_used >= EVENT_LIMITS_OBJECT_BURST ||
	    limits->total.n_used >= EVENT_LIMITS_TOTAL_BURST)
		return EVENT_LIMITED;
	bucket->n_used++;
	limits->total.n_used++;
	*recent = (struct event_recent){.text = text, .told_ms = now_ms};
	return EVENT_ALLOWED;
}
