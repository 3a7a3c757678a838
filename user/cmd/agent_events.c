/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's event loop: signals, timers, and the file descriptors of its parts. */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <string.h>

#include "cmd/agent.h"
#include "cmd/manager.h"
#include "datapath/stale_udp.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define SELFTEST_INTERVAL_S 60
/* Until the self-test has passed for the first time, or again. */
#define SELFTEST_RETRY_S 5
#define LOG_INTERVAL_MS	 60000
/* How long the API server may take at a start before a saved state is served. */
#define API_PATIENCE_MS 5000
#define RETRY_FIRST_MS	500
#define RETRY_MAX_MS	30000

void agent_set_timer(struct event *event, uint64_t delay_ms)
{
	const struct timeval delay = {
		.tv_sec = (time_t)(delay_ms / 1000),
		.tv_usec = (suseconds_t)(delay_ms % 1000 * 1000),
	};

	if (event_add(event, &delay) < 0)
		log_error("event loop: a timer could not be set");
}

/* ------------------------------------------------------------------ ready */

static void write_ready_fd(int fd)
{
	static const char text[] = "READY=1\n";

	if (write(fd, text, sizeof(text) - 1) < 0)
		log_warn_errno(-errno, "writing to --ready-fd: %m");
	close(fd);
}

void agent_ready(struct agent *agent)
{
	if (agent->is_ready)
		return;
	agent->is_ready = true;
	if (!agent->options->is_once)
		log_info("ready");
	if (agent->options->ready_fd >= 0)
		write_ready_fd(agent->options->ready_fd);
	manager_ready(agent->manager);
}

/* A failure is tried again often, but logged once a minute. */
static void log_selftest(struct agent *agent, int r, const char *text)
{
	const uint64_t now_ms = clock_now_ms();

	if (agent->selftest_error == r && now_ms - agent->selftest_logged_ms < LOG_INTERVAL_MS)
		return;
	agent->selftest_logged_ms = now_ms;
	if (r == -EHOSTUNREACH)
		log_error("self-test %s: connections to Services may not be translated", text);
	else if (r < 0)
		log_warn("self-test %s", text);
	else if (agent->selftest_error == -EHOSTUNREACH)
		log_info("self-test passes again");
	agent->selftest_error = r;
}

void agent_selftest_later(struct agent *agent, bool has_passed)
{
	agent_set_timer(agent->on_selftest,
			1000ull * (has_passed ? SELFTEST_INTERVAL_S : SELFTEST_RETRY_S));
}

int agent_selftest(struct agent *agent)
{
	struct datapath_error error = {};
	int r = datapath_selftest(agent->datapath, &error);

	log_selftest(agent, r, *error.text ? error.text : strerror(-r));
	return r == -EHOSTUNREACH ? r : 0;
}

/* ------------------------------------------------------------------ events */

void agent_retry_later(struct agent *agent)
{
	if (!agent->on_retry || event_pending(agent->on_retry, EV_TIMEOUT, NULL))
		return;
	agent->retry_ms = agent->retry_ms ? agent->retry_ms * 2 : RETRY_FIRST_MS;
	if (agent->retry_ms > RETRY_MAX_MS)
		agent->retry_ms = RETRY_MAX_MS;
	agent_set_timer(agent->on_retry, agent->retry_ms);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;

	(void)fd;
	(void)what;
	if (agent->has_state && (agent_sync(agent) < 0 || agent_begin(agent) < 0))
		return;
	if (agent_set_addresses(agent) < 0)
		agent_retry_later(agent);
}

void agent_problems_later(struct agent *agent)
{
	if (agent->on_problems)
		agent_set_timer(agent->on_problems, 0);
}

static void on_problems(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	agent_update_problems(arg);
}

/* Sweeps run in a thread of the datapath; what they did is looked at now and then. */
static void log_stale_udp(struct agent *agent)
{
	struct stale_udp_result result;

	if (!datapath_stale_udp(agent->datapath, &result))
		return;
	if (result.n_destroyed != agent->n_udp_ended)
		log_info("ended %u UDP sockets whose backend has left",
			 result.n_destroyed - agent->n_udp_ended);
	if (result.n_failed != agent->n_udp_failed)
		log_warn_errno(result.last_error,
			       "%u UDP sockets whose backend has left could not be ended: %m",
			       result.n_failed - agent->n_udp_failed);
	agent->n_udp_ended = result.n_destroyed;
	agent->n_udp_failed = result.n_failed;
}

static void on_selftest(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;
	int r = agent_selftest(agent);

	(void)fd;
	(void)what;
	if (r == 0)
		agent_ready(agent);
	log_stale_udp(agent);
	agent_selftest_later(agent, r == 0);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;

	(void)what;
	log_info("stopping on SIG%s: programs and maps stay, Services go on working as they are",
		 sigabbrev_np((int)fd));
	manager_stopping(agent->manager);
	agent_end(agent, 0);
}

static void on_hup(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;
	int r;

	(void)fd;
	(void)what;
	log_info("reading %s again on SIGHUP", agent->feed.source_name);
	manager_reloading(agent->manager);
	r = feed_reload(&agent->feed);
	if (r < 0)
		log_error_errno(r, "reading %s: %m; the last state stays", agent->feed.source_name);
}

static void on_grace(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;

	(void)fd;
	(void)what;
	datapath_grace_done(agent->datapath);
	if (agent->has_state && datapath_wants_commit(agent->datapath))
		agent_sync(agent);
	log_stale_udp(agent);
}

static void on_addresses(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;
	int r = node_addresses_process(agent->addresses);

	(void)fd;
	(void)what;
	if (r < 0)
		log_warn_errno(r, "following this host's addresses: %m");
}

/* @fd: a signal's number with EV_SIGNAL. Return: NULL without memory. */
static struct event *add_event(struct agent *agent, int fd, short what, event_callback_fn fn)
{
	struct event *event = event_new(agent->base, fd, what, fn, agent);

	if (event && event_add(event, NULL) < 0) {
		event_free(event);
		return NULL;
	}
	return event;
}

static void on_saved(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	agent_restore(arg);
}

static void on_source(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;

	(void)fd;
	(void)what;
	agent_watch_clock(agent);
	agent_tell_source(agent);
	agent_set_timer(agent->on_source, AGENT_SOURCE_INTERVAL_MS);
}

void agent_restore_later(struct agent *agent)
{
	agent_set_timer(agent->on_saved, API_PATIENCE_MS);
}

int agent_make_events(struct agent *agent)
{
	const short on_signal = EV_SIGNAL | EV_PERSIST;
	const short on_input = EV_READ | EV_PERSIST;

	agent->on_term = add_event(agent, SIGTERM, on_signal, on_stop);
	agent->on_int = add_event(agent, SIGINT, on_signal, on_stop);
	agent->on_hup = add_event(agent, SIGHUP, on_signal, on_hup);
	agent->on_grace = add_event(agent, datapath_grace_fd(agent->datapath), on_input, on_grace);
	agent->on_addresses =
		add_event(agent, node_addresses_fd(agent->addresses), on_input, on_addresses);
	agent->on_selftest = evtimer_new(agent->base, on_selftest, agent);
	agent->on_retry = evtimer_new(agent->base, on_retry, agent);
	agent->on_problems = evtimer_new(agent->base, on_problems, agent);
	agent->on_saved = evtimer_new(agent->base, on_saved, agent);
	agent->on_source = evtimer_new(agent->base, on_source, agent);
	if (!agent->on_term || !agent->on_int || !agent->on_hup || !agent->on_grace ||
	    !agent->on_addresses || !agent->on_selftest || !agent->on_retry ||
	    !agent->on_problems || !agent->on_saved || !agent->on_source)
		return -ENOMEM;
	return agent_devices_make_events(agent);
}

void agent_end(struct agent *agent, int result)
{
	agent->result = result;
	event_base_loopbreak(agent->base);
}
