/* SPDX-License-Identifier: Apache-2.0 */
/* The agent behind `svcbpf run`: what its parts share; private to user/cmd/agent*.c and run.c. */
#ifndef SVCBPF_CMD_AGENT_H
#define SVCBPF_CMD_AGENT_H

#include "cmd/agent_problems.h"
#include "cmd/changes.h"
#include "cmd/feed.h"
#include "cmd/options.h"
#include "cmd/rejects.h"
#include "datapath/datapath.h"
#include "datapath/node_addresses.h"

struct event;
struct event_base;

/**
 * struct agent - all of it; zero-initialise, agent_close() copes with half of it.
 * @needs_restage: the kernel may lag behind the model: the next sync stages everything.
 * @has_synced: the first complete sync is done.
 * @is_ready: and the self-test passed, or could not be run.
 * @selftest_error: of the last self-test that was logged; 0: passed.
 * @selftest_logged_ms: when that was, CLOCK_MONOTONIC.
 * @n_udp_ended, @n_udp_failed: stale UDP sockets as they were logged last.
 * @retry_ms: how long the last wait for a retry was; 0: no retry pending.
 */
struct agent {
	const struct options *options;
	char *cgroup;
	struct feed feed;
	struct datapath *datapath;
	struct node_addresses *addresses;
	struct agent_problems problems;
	struct rejects rejects;
	struct changes changes;
	struct changes_budget budget;
	struct event_base *base;
	struct event *on_term;
	struct event *on_int;
	struct event *on_hup;
	struct event *on_grace;
	struct event *on_addresses;
	struct event *on_selftest;
	struct event *on_retry;
	struct event *on_problems;
	bool needs_restage;
	bool has_synced;
	bool is_ready;
	int selftest_error;
	uint64_t selftest_logged_ms;
	uint32_t n_udp_ended;
	uint32_t n_udp_failed;
	uint32_t retry_ms;
};

/** agent_now_ms() - CLOCK_MONOTONIC in milliseconds. */
uint64_t agent_now_ms(void);

/**
 * agent_open() - open the datapath, the source and the address watch; nothing is changed yet.
 * Return: 0; negative errno, and the error is logged.
 */
int agent_open(struct agent *agent, const struct options *options);

/** agent_close() - free everything; pins stay. For _cleanup_(). */
void agent_close(struct agent *agent);

/**
 * agent_sync() - compute what changed, write it, log it, and keep the problems up to date.
 *
 * Called by the source when it has told all (struct source_events.synced), and by the retry timer.
 * Return: 0; negative errno, logged; the rest is not lost: call it again.
 */
int agent_sync(struct agent *agent);

/**
 * agent_problems_later() - agent_update_problems() when the event loop is back: for what the source
 * tells outside of a sync.
 */
void agent_problems_later(struct agent *agent);

/** agent_update_problems() - collect, log and store what could not be served as asked. */
void agent_update_problems(struct agent *agent);

/** agent_set_addresses() - tell the datapath which addresses NodePorts answer on. Return: 0 or
 * negative errno, logged. */
int agent_set_addresses(struct agent *agent);

/**
 * agent_selftest() - run the self-test and log what it finds.
 * Return: 0: it passed, or could not be run, so that nothing is known; -EHOSTUNREACH: it failed.
 */
int agent_selftest(struct agent *agent);

/** agent_follow() - make the event loop's events and run it until SIGTERM or SIGINT. Return: 0 or
 * negative errno, logged. */
int agent_follow(struct agent *agent);

/** agent_ready() - the first complete sync and self-test are done: tell who waits for it, once. */
void agent_ready(struct agent *agent);

/** agent_retry_later() - sync again soon, each time a bit later. */
void agent_retry_later(struct agent *agent);

#endif
