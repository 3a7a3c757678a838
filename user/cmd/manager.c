/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/manager.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/sd_notify.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/one_line.h"

#define US_PER_S  1000000ull
#define US_PER_MS 1000ull
/* For all that comes before the event loop: slow machines load the programs for a minute. */
#define OPEN_S	     120
#define START_ASK_MS 10000
/* Until the next question, and some more for a loop that has much to do. */
#define START_MORE_S  60
#define RELOAD_ASK_MS 1000

enum phase { PHASE_STARTING, PHASE_READY, PHASE_RELOADING, PHASE_STOPPING };

/**
 * struct manager - see the header.
 * @on_watchdog: NULL: the manager has none for us.
 * @on_ask: while starting or reloading.
 * @is_withheld: the last WATCHDOG=1 was not sent.
 * @has_failed: something could not be sent, which was logged as a warning.
 */
struct manager {
	struct manager_options options;
	struct event *on_watchdog;
	struct event *on_ask;
	enum phase phase;
	bool is_withheld;
	bool has_failed;
	char status[MANAGER_STATUS_MAX];
};

static void tell(struct manager *manager, const char *state)
{
	int r = sd_notify_send(state);

	if (r == 0)
		return;
	log_write_errno(manager->has_failed ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, r,
			"telling the service manager (NOTIFY_SOCKET) %s: %m", state);
	manager->has_failed = true;
}

static void extend_start(struct manager *manager, uint64_t seconds)
{
	char text[64];

	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%llu",
		 (unsigned long long)(seconds * US_PER_S));
	tell(manager, text);
}

/* ------------------------------------------------------------------ timers */

static int set_timer(struct event *event, uint64_t us)
{
	const struct timeval delay = {
		.tv_sec = (time_t)(us / US_PER_S),
		.tv_usec = (suseconds_t)(us % US_PER_S),
	};

	return event_add(event, &delay) < 0 ? -ENOMEM : 0;
}

static int ask_every(struct manager *manager, unsigned int ms)
{
	const unsigned int ask_ms = manager->options.ask_ms ? manager->options.ask_ms : ms;

	return set_timer(manager->on_ask, ask_ms * US_PER_MS);
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	struct manager *manager = arg;
	const bool is_live = manager->options.is_live(manager->options.arg);

	(void)fd;
	(void)what;
	if (is_live)
		tell(manager, "WATCHDOG=1");
	else if (!manager->is_withheld)
		log_error("a change has waited too long to be programmed: unless that ends soon, "
			  "the service manager's watchdog starts the agent again");
	manager->is_withheld = !is_live;
}

static void on_ask(evutil_socket_t fd, short what, void *arg)
{
	struct manager *manager = arg;
	const struct manager_options *options = &manager->options;

	(void)fd;
	(void)what;
	if (manager->phase == PHASE_STARTING && options->is_advancing(options->arg))
		extend_start(manager, START_MORE_S);
	if (manager->phase != PHASE_RELOADING || !options->is_reloaded(options->arg))
		return;
	manager->phase = PHASE_READY;
	event_del(manager->on_ask);
	tell(manager, "READY=1");
}

static int open_timers(struct manager *manager)
{
	struct event_base *base = manager->options.base;
	const uint64_t watchdog_us = sd_notify_watchdog_us();

	manager->on_ask = event_new(base, -1, EV_PERSIST, on_ask, manager);
	if (!manager->on_ask || ask_every(manager, START_ASK_MS) < 0)
		return -ENOMEM;
	if (!watchdog_us)
		return 0;
	manager->on_watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, manager);
	if (!manager->on_watchdog)
		return -ENOMEM;
	return set_timer(manager->on_watchdog, watchdog_us / 2);
}

/* ------------------------------------------------------------------ for the agent */

static void manager_freep(struct manager **manager)
{
	manager_free(*manager);
}

int manager_new(const struct manager_options *options, struct manager **ret)
{
	_cleanup_(manager_freep) struct manager *manager = calloc(1, sizeof(*manager));

	if (!manager)
		return -ENOMEM;
	manager->options = *options;
	if (!sd_notify_is_wanted()) {
		*ret = TAKE_PTR(manager);
		return 0;
	}
	if (open_timers(manager) < 0)
		return -ENOMEM;
	extend_start(manager, OPEN_S);
	*ret = TAKE_PTR(manager);
	return 0;
}

void manager_free(struct manager *manager)
{
	if (!manager)
		return;
	if (manager->on_watchdog)
		event_free(manager->on_watchdog);
	if (manager->on_ask)
		event_free(manager->on_ask);
	free(manager);
}

void manager_ready(struct manager *manager)
{
	if (manager->phase != PHASE_STARTING)
		return;
	manager->phase = PHASE_READY;
	if (manager->on_ask)
		event_del(manager->on_ask);
	tell(manager, "READY=1");
}

/* The time: systemd 253 and newer (Type=notify-reload) tell by it which reload is meant. */
void manager_reloading(struct manager *manager)
{
	char text[64];

	if (manager->phase != PHASE_READY || !manager->on_ask)
		return;
	manager->phase = PHASE_RELOADING;
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)(clock_now_ns(CLOCK_MONOTONIC) / 1000));
	tell(manager, text);
	if (ask_every(manager, RELOAD_ASK_MS) < 0)
		log_error("event loop: a timer could not be set");
}

void manager_stopping(struct manager *manager)
{
	manager->phase = PHASE_STOPPING;
	tell(manager, "STOPPING=1");
}

void manager_status(struct manager *manager, const char *text)
{
	char line[MANAGER_STATUS_MAX];
	char state[MANAGER_STATUS_MAX + 16];

	snprintf(line, sizeof(line), "%s", text);
	one_line_make(line, '?');
	if (strcmp(line, manager->status) == 0)
		return;
	memcpy(manager->status, line, sizeof(line));
	snprintf(state, sizeof(state), "STATUS=%s", line);
	tell(manager, state);
}
