/* SPDX-License-Identifier: Apache-2.0 */
/* The agent behind `svcbpf run`: what its parts share; private to user/cmd/agent*.c and run.c. */
#ifndef SVCBPF_CMD_AGENT_H
#define SVCBPF_CMD_AGENT_H

#include "cmd/agent_clock.h"
#include "cmd/agent_metrics.h"
#include "cmd/agent_problems.h"
#include "cmd/agent_serve.h"
#include "cmd/changes.h"
#include "cmd/feed.h"
#include "cmd/options.h"
#include "cmd/rejects.h"
#include "datapath/datapath.h"
#include "datapath/node_addresses.h"

/** AGENT_SOURCE_INTERVAL_MS - how often agent_tell_source() is called at least. */
#define AGENT_SOURCE_INTERVAL_MS 10000

/** AGENT_XDP_NOTE_BYTES - of one line about all uplinks; longer ones are cut. */
#define AGENT_XDP_NOTE_BYTES 512

struct agent_config;
struct agent_snapshot;
struct devices;
struct event;
struct event_base;
struct event_recorder;
struct manager;

/**
 * struct agent - all of it; zero-initialise, agent_close() copes with half of it.
 * @needs_restage: the kernel may lag behind the model: the next sync stages everything.
 * @has_synced: the first complete sync is done.
 * @has_state: the model holds a whole state, as the source told it or as it was saved: it may be
 *	written. Not so while what is pinned is served as it is.
 * @is_begun: the programs are attached: the datapath is served, whatever it holds.
 * @is_ready: and the self-test passed, or could not be run.
 * @is_restoring: what the source tells now is a saved state.
 * @result: what ends the event loop; 0: a signal, or --once is done.
 * @start_ms: when the agent began, CLOCK_MONOTONIC.
 * @clock: as it was at the last agent_watch_clock().
 * @n_snapshots: written, as the metrics were told.
 * @saved_ns: CLOCK_REALTIME of the saved or pinned state that is served; 0: none.
 * @selftest_error: of the last self-test that was logged; 0: passed.
 * @selftest_logged_ms: when that was, CLOCK_MONOTONIC.
 * @n_udp_ended, @n_udp_failed: stale UDP sockets as they were logged last.
 * @devices: NULL without the packet path.
 * @n_devices, @n_uplinks: those with packet programs, and uplinks among all, as they were logged.
 * @is_attaching: not all devices have their packet programs yet; the event loop goes on with them.
 * @has_stale_devices: reading them failed last time.
 * @xdp_note: where XDP is and why not elsewhere, as it was logged.
 * @retry_ms: how long the last wait for a retry was; 0: no retry pending.
 */
struct agent {
	const struct options *options;
	char *cgroup;
	struct feed feed;
	struct datapath *datapath;
	struct node_addresses *addresses;
	struct devices *devices;
	struct agent_metrics *metrics;
	struct agent_serve *serve;
	struct event_recorder *events;
	struct agent_snapshot *snapshot;
	struct agent_config *config;
	struct manager *manager;
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
	struct event *on_devices;
	struct event *on_devices_settled;
	struct event *on_selftest;
	struct event *on_retry;
	struct event *on_problems;
	struct event *on_saved;
	struct event *on_source;
	bool needs_restage;
	bool has_synced;
	bool has_state;
	bool is_begun;
	bool is_ready;
	bool is_restoring;
	int result;
	uint64_t start_ms;
	uint64_t saved_ns;
	struct agent_clock clock;
	uint64_t n_snapshots;
	int selftest_error;
	uint64_t selftest_logged_ms;
	uint32_t n_udp_ended;
	uint32_t n_udp_failed;
	uint32_t retry_ms;
	size_t n_devices;
	size_t n_uplinks;
	bool is_attaching;
	bool has_stale_devices;
	char xdp_note[AGENT_XDP_NOTE_BYTES];
};

/**
 * agent_open() - open the event loop, the datapath, the source and the address watch; nothing is
 * changed yet.
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
 * agent_sync_pinned() - serve the health checks of what the source told, and leave all Services in
 * the datapath as they were adopted; the next agent_sync() writes all.
 * Return: 0 or negative errno, logged.
 */
int agent_sync_pinned(struct agent *agent);

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

/** agent_devices_open() - read the network devices and begin to follow them, with the packet path.
 * Return: 0 or negative errno, logged. */
int agent_devices_open(struct agent *agent);

/** agent_devices_close() - free what it made. */
void agent_devices_close(struct agent *agent);

/** agent_devices_make_events() - as agent_make_events(), which calls it. */
int agent_devices_make_events(struct agent *agent);

/** agent_devices_set_node() - the Node object's addresses. */
void agent_devices_set_node(struct agent *agent, const struct addr *addrs, size_t n_addrs);

/**
 * agent_devices_begin() - give uplinks the packet programs, then, with others of the loop's events
 * between, the other devices that are meant, and see to it that this stays so. With --once all of
 * them have theirs when it returns. What fails is a problem, or logged, and tried again.
 */
void agent_devices_begin(struct agent *agent);

/**
 * agent_selftest() - run the self-test and log what it finds.
 * Return: 0: it passed, or could not be run, so that nothing is known; -EHOSTUNREACH: it failed.
 */
int agent_selftest(struct agent *agent);

/** agent_selftest_later() - run it again: in a minute, or soon when it has not passed. */
void agent_selftest_later(struct agent *agent, bool has_passed);

/** agent_make_events() - signals, timers and file descriptors. Return: 0 or -ENOMEM. */
int agent_make_events(struct agent *agent);

/** agent_set_timer() - @event of this agent's comes after @delay_ms; replaces what was set. */
void agent_set_timer(struct event *event, uint64_t delay_ms);

/**
 * agent_run() - read the source, program and attach, then follow it until SIGTERM or SIGINT; with
 * --once only the first.
 * Return: 0 or negative errno, logged.
 */
int agent_run(struct agent *agent);

/**
 * agent_report_open() - metrics, HTTP servers and Events; the datapath and the source are open.
 * Return: 0 or negative errno, logged.
 */
int agent_report_open(struct agent *agent);

/** agent_report_close() - free them; before the source. */
void agent_report_close(struct agent *agent);

/** agent_report_start() - an Event on the Node: the agent serves (rule R53). */
void agent_report_start(struct agent *agent);

/** agent_report_service() - the source told a Service. */
void agent_report_service(struct agent *agent);

/** agent_report_slice() - the source told an EndpointSlice; NULL: one is gone. */
void agent_report_slice(struct agent *agent, const struct k8s_slice *slice);

/** agent_report_synced() - all that was told is in the datapath. */
void agent_report_synced(struct agent *agent, double duration_s);

/** agent_report_problem() - an Event on a Service that is not served as asked. @service:
 * "namespace/name". */
void agent_report_problem(struct agent *agent, const char *service, const char *text);

/**
 * agent_begin() - after the first sync, or with what is pinned: attach, test, and tell who waits.
 * Does nothing when that is done. A failure ends the event loop, and is agent->result.
 * Return: 0 or negative errno, logged.
 */
int agent_begin(struct agent *agent);

/** agent_end() - leave the event loop. @result: for agent->result. */
void agent_end(struct agent *agent, int result);

/**
 * agent_restore() - the API server does not answer: serve the saved state, or what is pinned. What
 * is pinned is never older than what was saved, so it is left as it is, when there is any.
 */
void agent_restore(struct agent *agent);

/** agent_restore_later() - agent_restore() in a few seconds. */
void agent_restore_later(struct agent *agent);

/** agent_tell_source() - keep for `svcbpf status` how far the source can be relied on. */
void agent_tell_source(struct agent *agent);

/**
 * agent_watch_clock() - after the clock was set, all that `svcbpf status` tells the age of is told
 * anew; after a sleep the API server is asked anew.
 */
void agent_watch_clock(struct agent *agent);

/** agent_manager_open() - tell the service manager that the start goes on. Return: 0; -ENOMEM,
 * logged. */
int agent_manager_open(struct agent *agent);

/** agent_manager_tell() - a line for the service manager's status: how far @source is known. */
void agent_manager_tell(struct agent *agent, const struct datapath_source *source);

/** agent_ready() - the first complete sync and self-test are done: tell who waits for it, once. */
void agent_ready(struct agent *agent);

/** agent_retry_later() - sync again soon, each time a bit later. */
void agent_retry_later(struct agent *agent);

#endif
