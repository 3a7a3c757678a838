/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the receiver is asked to commit: at once after a change that comes alone; while changes keep
 * coming, so often that it costs a sixth of the time at most.
 */
#include <errno.h>
#include <event2/event.h>
#include <time.h>

#include "source/kubernetes_private.h"
#include "util/clock.h"
#include "util/log.h"

#define US_PER_MS   1000ull
#define US_PER_S    1000000ull
#define REST_RATIO  5
#define REST_MIN_US (2 * US_PER_MS)
#define REST_MAX_US (250 * US_PER_MS)
/* What a list changes is better seen as a whole, if that does not take too long. */
#define LIST_MAX_US (1000 * US_PER_MS)

static uint64_t now_us(void)
{
	return clock_now_ns(CLOCK_MONOTONIC) / 1000;
}

static bool is_listing(const struct kubernetes *kubernetes)
{
	for (size_t i = 0; i < KUBERNETES_N_RESOURCES; i++) {
		if (kubernetes->followers[i].is_listing)
			return true;
	}
	return false;
}

static uint64_t earliest_us(const struct kubernetes *kubernetes)
{
	const struct kubernetes_syncs *syncs = &kubernetes->syncs;
	uint64_t rest_us = syncs->took_us * REST_RATIO;
	uint64_t at_us;

	if (rest_us < REST_MIN_US)
		rest_us = REST_MIN_US;
	if (rest_us > REST_MAX_US)
		rest_us = REST_MAX_US;
	at_us = syncs->ended_us + rest_us;
	if (is_listing(kubernetes) && at_us < syncs->pending_us + LIST_MAX_US)
		at_us = syncs->pending_us + LIST_MAX_US;
	return at_us;
}

void kubernetes_sync_anew(struct kubernetes *kubernetes)
{
	const uint64_t at_us = earliest_us(kubernetes), from_us = now_us();
	const uint64_t delay_us = at_us > from_us ? at_us - from_us : 0;
	const struct timeval delay = {
		.tv_sec = (time_t)(delay_us / US_PER_S),
		.tv_usec = (suseconds_t)(delay_us % US_PER_S),
	};

	if (!kubernetes->is_synced || !kubernetes->syncs.is_pending)
		return;
	if (delay_us > 0) {
		event_add(kubernetes->syncs.timer, &delay);
		return;
	}
	/* a timer's clock is coarse: what is due is due as soon as the loop turns */
	event_del(kubernetes->syncs.timer);
	event_active(kubernetes->syncs.timer, EV_TIMEOUT, 0);
}

void kubernetes_sync_later(struct kubernetes *kubernetes)
{
	if (kubernetes->syncs.is_pending)
		return;
	kubernetes->syncs.is_pending = true;
	kubernetes->syncs.pending_us = now_us();
	kubernetes_sync_anew(kubernetes);
}

static void on_sync(evutil_socket_t fd, short what, void *arg)
{
	struct kubernetes *kubernetes = arg;
	struct kubernetes_syncs *syncs = &kubernetes->syncs;
	const uint64_t start_us = now_us();
	int r;

	(void)fd;
	(void)what;
	if (!syncs->is_pending)
		return;
	syncs->is_pending = false;
	r = kubernetes->events.synced(kubernetes->events.arg);
	if (r < 0)
		log_debug_errno(r, "kubernetes: synced: %m");
	syncs->ended_us = now_us();
	syncs->took_us = syncs->ended_us - start_us;
}

int kubernetes_syncs_open(struct kubernetes *kubernetes)
{
	kubernetes->syncs.timer = evtimer_new(kubernetes->options.base, on_sync, kubernetes);
	return kubernetes->syncs.timer ? 0 : -ENOMEM;
}

void kubernetes_syncs_close(struct kubernetes *kubernetes)
{
	if (kubernetes->syncs.timer)
		event_free(kubernetes->syncs.timer);
}
