/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service manager (systemd, Type=notify) is told while the agent runs: that its start goes
 * on, that it is ready, that its event loop turns, and a line for `systemctl status`.
 */
#ifndef SVCBPF_CMD_MANAGER_H
#define SVCBPF_CMD_MANAGER_H

#include <stdbool.h>

struct event_base;
struct manager;

/** MANAGER_STATUS_MAX - bytes of a status line, NUL included; longer ones are cut. */
#define MANAGER_STATUS_MAX 512

/**
 * struct manager_options - @base is borrowed; all functions are called from its loop.
 * @ask_ms: how often the last two are asked; 0: every 10 s of a start, every second of a reload.
 * @is_live: asked before each WATCHDOG=1: without it the manager restarts the service.
 * @is_advancing: asked during a start: true gives it more time.
 * @is_reloaded: asked during a reload: true ends it.
 */
struct manager_options {
	struct event_base *base;
	unsigned int ask_ms;
	bool (*is_live)(void *arg);
	bool (*is_advancing)(void *arg);
	bool (*is_reloaded)(void *arg);
	void *arg;
};

/**
 * manager_new() - the start begins: ask for the time that loading the programs may take.
 *
 * Without $NOTIFY_SOCKET nothing is ever sent. What cannot be sent is logged: the first time as a
 * warning. WATCHDOG=1 is sent by a timer of the loop, twice in the time that $WATCHDOG_USEC allows,
 * so that a loop that hangs misses it.
 * Return: 0 or -ENOMEM. Free with manager_free().
 */
int manager_new(const struct manager_options *options, struct manager **ret);

/** manager_free() - NULL is fine. */
void manager_free(struct manager *manager);

/** manager_ready() - the start is done; again: nothing. */
void manager_ready(struct manager *manager);

/** manager_reloading() - what was told is being read again, until is_reloaded(); before
 * manager_ready() it does nothing, as that says more. */
void manager_reloading(struct manager *manager);

/** manager_stopping() - nothing but the end comes after this. */
void manager_stopping(struct manager *manager);

/** manager_status() - one line for people, sent when it differs from the last one. */
void manager_status(struct manager *manager, const char *text);

#endif
