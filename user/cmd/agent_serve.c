/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/agent_serve.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cmd/agent_metrics.h"
#include "http/health_checks.h"
#include "http/http_connections.h"
#include "http/http_server.h"
#include "http/metrics_text.h"
#include "http/proxy_health.h"
#include "model/objects.h"
#include "model/state.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define BIND_RETRY_S		 5
#define MAX_CONNECTIONS		 256 /* of /healthz, and of /metrics */
#define MAX_CHECK_CONNECTIONS	 512 /* of all health checks together */
#define PROXY_MODE		 "svcbpf"
#define HEALTH_FAILED_TEXT_BYTES 512
#define PROBLEM_TEXT_BYTES	 256
#define CONTENT_TYPE_JSON	 "application/json"

/**
 * struct listener - a server that goes on trying to listen.
 * @name: of the option.  @use: what fails without it.  @is_hard_fail: it does not go on.
 * @server: NULL while it cannot be had.  @error: why, negative errno; 0: it is there, or not asked
 *	for.
 */
struct listener {
	struct agent_serve *serve;
	const char *name;
	const char *use;
	struct http_bind bind;
	struct http_routes routes;
	struct http_connections *connections;
	struct http_server *server;
	struct event *on_retry;
	bool is_hard_fail;
	int error;
};

/** struct agent_serve - see the header. */
struct agent_serve {
	struct event_base *base;
	struct agent_metrics *metrics;
	char *node_name;
	bool needs_node;
	void (*health_failed)(void *arg, const char *namespace, const char *name, const char *text);
	void (*problems_changed)(void *arg);
	void *arg;
	struct proxy_health health;
	struct listener healthz;
	struct listener scrape;
	struct http_connections *check_connections;
	struct health_checks *checks;
};

/* ------------------------------------------------------------------ what is answered */

static void answer_probe(struct agent_serve *serve, bool is_livez, struct http_answer *answer)
{
	answer->content_type = CONTENT_TYPE_JSON;
	answer->status =
		proxy_health_write(&serve->health, is_livez, proxy_health_now(), answer->body);
	agent_metrics_probed(serve->metrics, is_livez, answer->status);
}

static void answer_healthz(void *arg, struct http_answer *answer)
{
	answer_probe(arg, false, answer);
}

static void answer_livez(void *arg, struct http_answer *answer)
{
	answer_probe(arg, true, answer);
}

static void answer_metrics(void *arg, struct http_answer *answer)
{
	struct agent_serve *serve = arg;
	int r = agent_metrics_write(serve->metrics, answer->body, clock_now_ns(CLOCK_REALTIME));

	if (r < 0) {
		evbuffer_drain(answer->body, evbuffer_get_length(answer->body));
		answer->status = HTTP_INTERNAL;
		return;
	}
	answer->content_type = METRICS_TEXT_CONTENT_TYPE;
}

static void answer_ok(void *arg, struct http_answer *answer)
{
	(void)arg;
	evbuffer_add_printf(answer->body, "ok");
}

static void answer_proxy_mode(void *arg, struct http_answer *answer)
{
	(void)arg;
	evbuffer_add_printf(answer->body, PROXY_MODE);
}

static const struct http_route healthz_routes[] = {
	{"/healthz", answer_healthz},
	{"/livez", answer_livez},
};

static const struct http_route scrape_routes[] = {
	{"/metrics", answer_metrics},
	{"/healthz", answer_ok},
	{"/proxyMode", answer_proxy_mode},
};

/* ------------------------------------------------------------------ listening */

static void problems_changed(const struct agent_serve *serve)
{
	if (serve->problems_changed)
		serve->problems_changed(serve->arg);
}

static int listener_try(struct listener *listener)
{
	const struct timeval delay = {.tv_sec = BIND_RETRY_S};
	const int before = listener->error;
	char where[HTTP_BIND_TEXT_MAX];
	int r = http_server_new(listener->connections, &listener->bind, &listener->routes,
				&listener->server);

	http_bind_format(&listener->bind, where);
	if (r < 0 && listener->is_hard_fail)
		return log_error_errno(r, "%s: listening on %s: %m", listener->name, where);
	if (r < 0)
		event_add(listener->on_retry, &delay);
	else
		log_debug("%s: listening on %s", listener->name, where);
	listener->error = r;
	if (r != before)
		problems_changed(listener->serve);
	return 0;
}

/* What is to be done about a port or address that cannot be had. */
static void format_problem(char *buf, size_t size, uint16_t port, int error, const char *use)
{
	if (error == -EADDRINUSE)
		snprintf(buf, size,
			 "port %u is taken by another process: %s; end what 'ss -ltnp sport = :%u' "
			 "shows, or choose another port; tried again every %d s",
			 port, use, port, BIND_RETRY_S);
	else
		snprintf(buf, size,
			 "port %u cannot be listened on (%s): %s; tried again every %d s", port,
			 strerror(-error), use, BIND_RETRY_S);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	listener_try(arg);
}

/* @address: NULL or "": nothing is opened. @listener: its name, use and routes are set. */
static int listener_open(struct listener *listener, struct agent_serve *serve, const char *address)
{
	int r;

	listener->serve = serve;

	if (!address || !*address)
		return 0;
	r = http_bind_parse(address, &listener->bind);
	if (r < 0) {
		log_error("%s: '%s' is no ADDRESS:PORT", listener->name, address);
		return r;
	}
	listener->on_retry = event_new(serve->base, -1, 0, on_retry, listener);
	if (!listener->on_retry)
		return -ENOMEM;
	r = http_connections_new(serve->base, MAX_CONNECTIONS, &listener->connections);
	return r < 0 ? r : listener_try(listener);
}

static void listener_close(struct listener *listener)
{
	http_server_free(listener->server);
	http_connections_free(listener->connections);
	if (listener->on_retry)
		event_free(listener->on_retry);
}

static int open_listeners(struct agent_serve *serve, const struct agent_serve_options *options)
{
	int r;

	serve->healthz.name = "healthz-bind-address";
	serve->healthz.use = "/healthz and /livez are not svcbpf's";
	serve->healthz.routes =
		(struct http_routes){healthz_routes, ARRAY_SIZE(healthz_routes), serve};
	serve->healthz.is_hard_fail = options->is_bind_hard_fail;
	serve->scrape.is_hard_fail = options->is_bind_hard_fail;
	serve->scrape.name = "metrics-bind-address";
	serve->scrape.use = "/metrics are not svcbpf's";
	serve->scrape.routes =
		(struct http_routes){scrape_routes, ARRAY_SIZE(scrape_routes), serve};
	r = listener_open(&serve->healthz, serve, options->healthz_bind_address);
	if (r == 0)
		r = listener_open(&serve->scrape, serve, options->metrics_bind_address);
	return r;
}

/* ------------------------------------------------------------------ health checks */

static void on_check_failed(void *arg, const char *namespace, const char *name, uint16_t port,
			    int error)
{
	struct agent_serve *serve = arg;
	char text[HEALTH_FAILED_TEXT_BYTES];

	problems_changed(serve);
	if (!serve->health_failed)
		return;
	/* in kube-proxy's words */
	snprintf(text, sizeof(text), "node %s failed to start healthcheck \"%s/%s\" on port %u: %s",
		 serve->node_name, namespace, name, port, strerror(-error));
	serve->health_failed(serve->arg, namespace, name, text);
}

static void on_check_opened(void *arg)
{
	problems_changed(arg);
}

static int open_checks(struct agent_serve *serve, bool is_every_address)
{
	struct health_checks_options options = {
		.health = &serve->health,
		.failed = on_check_failed,
		.opened = on_check_opened,
		.arg = serve,
	};
	int r = http_connections_new(serve->base, MAX_CHECK_CONNECTIONS, &serve->check_connections);

	if (r < 0)
		return r;
	options.connections = serve->check_connections;
	r = health_checks_new(&options, &serve->checks);
	if (r == 0 && !is_every_address)
		r = health_checks_set_addresses(serve->checks, NULL, 0);
	return r;
}

/* ------------------------------------------------------------------ problems */

/** struct problem_sink - where problems go. */
struct problem_sink {
	void (*fn)(void *arg, const char *subject, const char *text);
	void *arg;
};

static void tell_check(void *arg, const char *service, uint16_t port, int error)
{
	const struct problem_sink *sink = arg;
	char text[PROBLEM_TEXT_BYTES];

	format_problem(text, sizeof(text), port, error,
		       "its health check is not answered, load balancers leave this node out");
	sink->fn(sink->arg, service, text);
}

static void tell_listener(const struct listener *listener, const struct problem_sink *sink)
{
	char text[PROBLEM_TEXT_BYTES];

	if (!listener->error)
		return;
	format_problem(text, sizeof(text), listener->bind.port, listener->error, listener->use);
	sink->fn(sink->arg, listener->name, text);
}

void agent_serve_for_each_problem(const struct agent_serve *serve,
				  void (*fn)(void *arg, const char *subject, const char *text),
				  void *arg)
{
	struct problem_sink sink = {fn, arg};

	tell_listener(&serve->healthz, &sink);
	tell_listener(&serve->scrape, &sink);
	health_checks_for_each_failed(serve->checks, tell_check, &sink);
}

const struct health_checks *agent_serve_health_checks(const struct agent_serve *serve)
{
	return serve->checks;
}

/* ------------------------------------------------------------------ life */

static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_debug_errno(-errno, "raising the limit of open files: %m");
}

static void serve_closep(struct agent_serve **serve)
{
	agent_serve_close(*serve);
}

int agent_serve_open(const struct agent_serve_options *options, struct agent_serve **ret)
{
	_cleanup_(serve_closep) struct agent_serve *serve = calloc(1, sizeof(*serve));
	int r;

	if (!serve)
		return -ENOMEM;
	serve->base = options->base;
	serve->metrics = options->metrics;
	serve->needs_node = options->needs_node;
	serve->health_failed = options->health_failed;
	serve->problems_changed = options->problems_changed;
	serve->arg = options->arg;
	serve->health.is_node_eligible = !options->needs_node;
	serve->node_name = strdup(options->node_name ? options->node_name : "");
	if (!serve->node_name)
		return -ENOMEM;
	raise_file_limit();
	r = open_checks(serve, options->is_every_address);
	if (r == 0)
		r = open_listeners(serve, options);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(serve);
	return 0;
}

void agent_serve_close(struct agent_serve *serve)
{
	if (!serve)
		return;
	listener_close(&serve->healthz);
	listener_close(&serve->scrape);
	health_checks_free(serve->checks);
	http_connections_free(serve->check_connections);
	free(serve->node_name);
	free(serve);
}

/* ------------------------------------------------------------------ what the agent tells */

void agent_serve_set_node(struct agent_serve *serve, const struct k8s_node *node)
{
	serve->health.is_node_eligible = node ? !node->is_deleting : !serve->needs_node;
}

void agent_serve_pending(struct agent_serve *serve, uint8_t family)
{
	proxy_health_pending(&serve->health, family, proxy_health_now());
}

bool agent_serve_is_live(const struct agent_serve *serve)
{
	return proxy_health_is_healthy(&serve->health, proxy_health_now());
}

void agent_serve_restage(struct agent_serve *serve)
{
	health_checks_restage(serve->checks);
}

int agent_serve_put_health(struct agent_serve *serve, const struct health_check *check)
{
	return health_checks_put(serve->checks, check->namespace, check->name, check->node_port,
				 check->n_local_endpoints);
}

int agent_serve_set_addresses(struct agent_serve *serve, const struct addr *addrs, size_t n_addrs)
{
	return health_checks_set_addresses(serve->checks, addrs, n_addrs);
}

void agent_serve_synced(struct agent_serve *serve)
{
	proxy_health_updated(&serve->health, proxy_health_now());
	health_checks_sync(serve->checks);
}
