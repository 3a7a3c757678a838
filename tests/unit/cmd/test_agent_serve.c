/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's HTTP servers as a probe, a scraper and a load balancer see them. */
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

#include "cmd/agent.h"
#include "cmd/agent_metrics.h"
#include "cmd/agent_serve.h"
#include "http/health_checks.h"
#include "http/http_bind.h"
#include "model/objects.h"
#include "model/state.h"
#include "source/kubernetes.h"
#include "unit/http/dial.h"
#include "unit/http/metrics_parse.h"
#include "util/addr.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* All clocks of this process are so much ahead. */
static time_t ahead_s;

/* Takes the place of the C library's, whose names for these begin with underscores. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	long r = syscall(SYS_clock_gettime, clock, ret);

	ret->tv_sec += ahead_s;
	return (int)r;
}

struct fixture {
	struct event_base *base;
	struct agent_metrics *metrics;
	struct agent_serve *serve;
	uint16_t healthz;
	uint16_t scrape;
	char failed[512];
	unsigned int n_changed;
	char problems[1024];
};

/* A port of loopback that is free now; *@ret_fd holds it while it is open. */
static uint16_t take_port(int *ret_fd)
{
	const struct http_bind bind = {.addr = {.family = ADDR_IPV4, .bytes = {127, 0, 0, 1}}};
	struct sockaddr_in sa = {};
	socklen_t len = sizeof(sa);

	cr_assert_eq(http_bind_listen(&bind, ret_fd), 0);
	cr_assert_eq(getsockname(*ret_fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

static void on_failed(void *arg, const char *namespace, const char *name, const char *text)
{
	struct fixture *fixture = arg;

	snprintf(fixture->failed, sizeof(fixture->failed), "%s|%s|%s", namespace, name, text);
}

static void on_changed(void *arg)
{
	struct fixture *fixture = arg;

	fixture->n_changed++;
}

static void add_problem(void *arg, const char *subject, const char *text)
{
	struct fixture *fixture = arg;
	size_t len = strlen(fixture->problems);

	snprintf(fixture->problems + len, sizeof(fixture->problems) - len, "%s: %s\n", subject,
		 text);
}

/* What cannot be listened on now, a line each. */
static const char *problems_of(struct fixture *fixture)
{
	fixture->problems[0] = '\0';
	agent_serve_for_each_problem(fixture->serve, add_problem, fixture);
	return fixture->problems;
}

static void open_serve(struct fixture *fixture, bool needs_node)
{
	static const struct addr loopback = {.family = ADDR_IPV4, .bytes = {127, 0, 0, 1}};
	struct agent_serve_options options = {
		.node_name = "n1",
		.needs_node = needs_node,
		.health_failed = on_failed,
		.problems_changed = on_changed,
		.arg = fixture,
	};
	char healthz[32];
	char scrape[32];

	fixture->base = dial_base();
	cr_assert_eq(agent_metrics_new("1", clock_now_ns(CLOCK_REALTIME), &fixture->metrics), 0);
	snprintf(healthz, sizeof(healthz), "127.0.0.1:%u", fixture->healthz);
	snprintf(scrape, sizeof(scrape), "127.0.0.1:%u", fixture->scrape);
	options.base = fixture->base;
	options.metrics = fixture->metrics;
	options.healthz_bind_address = fixture->healthz ? healthz : "";
	options.metrics_bind_address = fixture->scrape ? scrape : NULL;
	cr_assert_eq(agent_serve_open(&options, &fixture->serve), 0);
	cr_assert_eq(agent_serve_set_addresses(fixture->serve, &loopback, 1), 0);
}

static void close_serve(struct fixture *fixture)
{
	agent_serve_close(fixture->serve);
	agent_metrics_free(fixture->metrics);
	event_base_free(fixture->base);
}

/* Both servers on free ports. */
static struct fixture ports(void)
{
	struct fixture fixture = {};
	int fds[2] = {};

	fixture.healthz = take_port(&fds[0]);
	fixture.scrape = take_port(&fds[1]);
	close(fds[0]);
	close(fds[1]);
	return fixture;
}

static int status_of(struct fixture *fixture, const char *path)
{
	_free_ char *answer = dial_get(fixture->base, fixture->healthz, path);

	return dial_status(answer);
}

Test(agent_serve, healthz_follows_the_node_and_livez_does_not)
{
	_cleanup_(close_serve) struct fixture fixture = ports();
	struct k8s_node node = {.name = "n1"};

	open_serve(&fixture, true);
	cr_assert_eq(status_of(&fixture, "/healthz"), 503);
	cr_assert_eq(status_of(&fixture, "/livez"), 200);
	agent_serve_set_node(fixture.serve, &node);
	cr_assert_eq(status_of(&fixture, "/healthz"), 200);
	node.is_deleting = true;
	agent_serve_set_node(fixture.serve, &node);
	cr_assert_eq(status_of(&fixture, "/healthz"), 503);
	cr_assert_eq(status_of(&fixture, "/livez"), 200);
	agent_serve_set_node(fixture.serve, NULL);
	cr_assert_eq(status_of(&fixture, "/healthz"), 503);
	cr_assert_eq(status_of(&fixture, "/metrics"), 404);
}

Test(agent_serve, without_an_api_server_no_node_is_needed)
{
	_cleanup_(close_serve) struct fixture fixture = ports();
	_free_ char *answer = NULL;

	open_serve(&fixture, false);
	agent_serve_pending(fixture.serve, ADDR_NONE);
	agent_serve_synced(fixture.serve);
	answer = dial_get(fixture.base, fixture.healthz, "/healthz");
	cr_assert_eq(dial_status(answer), 200);
	cr_assert(strstr(answer, "\"nodeEligible\":true,\"healthy\":true,\"status\":{\"IPv4\":{"));
}

Test(agent_serve, metrics_count_the_probes)
{
	_cleanup_(close_serve) struct fixture fixture = ports();
	_free_ char *answer = NULL;
	_free_ struct parsed *parsed = NULL;

	open_serve(&fixture, true);
	status_of(&fixture, "/healthz");
	status_of(&fixture, "/livez");
	status_of(&fixture, "/livez");
	answer = dial_get(fixture.base, fixture.scrape, "/metrics");
	cr_assert(strstr(answer, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	parsed = parsed_read(dial_body(answer));
	cr_assert_eq(parsed_find(parsed, "kubeproxy_proxy_healthz_total{code=\"503\"}"), 1);
	cr_assert_eq(parsed_find(parsed, "kubeproxy_proxy_healthz_total{code=\"200\"}"), 0);
	cr_assert_eq(parsed_find(parsed, "kubeproxy_proxy_livez_total{code=\"200\"}"), 2);
}

Test(agent_serve, tells_tools_its_mode)
{
	_cleanup_(close_serve) struct fixture fixture = ports();
	_free_ char *mode = NULL;
	_free_ char *ok = NULL;

	open_serve(&fixture, true);
	mode = dial_get(fixture.base, fixture.scrape, "/proxyMode");
	cr_assert_str_eq(dial_body(mode), "svcbpf");
	ok = dial_get(fixture.base, fixture.scrape, "/healthz");
	cr_assert_str_eq(dial_body(ok), "ok");
}

Test(agent_serve, a_taken_port_is_had_later, .timeout = 30)
{
	_cleanup_(close_serve) struct fixture fixture = {};
	const double begin = dial_now_s();
	char expected[256];
	int fd;

	fixture.healthz = take_port(&fd);
	open_serve(&fixture, false);
	snprintf(expected, sizeof(expected),
		 "healthz-bind-address: port %u is taken by another process: /healthz and /livez "
		 "are not svcbpf's; end what 'ss -ltnp sport = :%u' shows, or choose another port; "
		 "tried again every 5 s\n",
		 fixture.healthz, fixture.healthz);
	cr_expect_str_eq(problems_of(&fixture), expected, "%s", fixture.problems);
	cr_expect_eq(fixture.n_changed, 1);
	close(fd);
	while (dial_now_s() - begin < 5.2) {
		event_base_loop(fixture.base, EVLOOP_NONBLOCK);
		usleep(10000);
	}
	cr_assert_eq(status_of(&fixture, "/healthz"), 200);
	cr_expect_str_eq(problems_of(&fixture), "");
	cr_expect_eq(fixture.n_changed, 2);
}

/* One that another host has: the other text. */
Test(agent_serve, an_address_that_is_not_here_is_a_problem)
{
	_cleanup_(close_serve) struct fixture fixture = {};
	struct agent_serve_options options = {.metrics_bind_address = "192.0.2.77:10249"};

	fixture.base = dial_base();
	cr_assert_eq(agent_metrics_new("1", clock_now_ns(CLOCK_REALTIME), &fixture.metrics), 0);
	options.base = fixture.base;
	options.metrics = fixture.metrics;
	cr_assert_eq(agent_serve_open(&options, &fixture.serve), 0);
	cr_expect_str_eq(problems_of(&fixture),
			 "metrics-bind-address: port 10249 cannot be listened on (Cannot assign "
			 "requested address): /metrics are not svcbpf's; tried again every 5 s\n",
			 "%s", fixture.problems);
}

Test(agent_serve, an_address_that_cannot_be_read_is_an_error)
{
	struct event_base *base = dial_base();
	struct agent_serve_options options = {.base = base, .metrics_bind_address = "nowhere"};
	struct agent_serve *serve = NULL;

	cr_assert_eq(agent_serve_open(&options, &serve), -EINVAL);
	cr_assert_null(serve);
	event_base_free(base);
}

Test(agent_serve, a_taken_port_can_be_an_error)
{
	struct agent_serve_options options = {.is_bind_hard_fail = true};
	struct agent_serve *serve = NULL;
	char address[32];
	int fd;

	snprintf(address, sizeof(address), "127.0.0.1:%u", take_port(&fd));
	options.base = dial_base();
	options.healthz_bind_address = address;
	cr_assert_eq(agent_serve_open(&options, &serve), -EADDRINUSE);
	cr_assert_null(serve);
	event_base_free(options.base);
	close(fd);
}

Test(agent_serve, a_health_check_opens_with_the_sync_and_its_failure_is_told)
{
	_cleanup_(close_serve) struct fixture fixture = {};
	_free_ char *answer = NULL;
	char expected[256];
	uint16_t taken;
	uint16_t port;
	int fds[2] = {};

	taken = take_port(&fds[0]);
	port = take_port(&fds[1]);
	close(fds[1]);
	open_serve(&fixture, true);
	cr_assert_eq(agent_serve_put_health(fixture.serve,
					    &(struct health_check){"default", "web", port, 4}),
		     0);
	cr_assert_eq(agent_serve_put_health(fixture.serve,
					    &(struct health_check){"default", "bad", taken, 1}),
		     0);
	agent_serve_synced(fixture.serve);
	answer = dial_get(fixture.base, port, "/");
	cr_assert(strstr(answer, "\"localEndpoints\": 4,\n\t\"serviceProxyHealthy\": true\n}"));
	snprintf(expected, sizeof(expected),
		 "default|bad|node n1 failed to start healthcheck \"default/bad\" on port %u: "
		 "Address already in use",
		 taken);
	cr_assert_str_eq(fixture.failed, expected);
	cr_expect_eq(fixture.n_changed, 1);
	snprintf(expected, sizeof(expected),
		 "default/bad: port %u is taken by another process: ", taken);
	cr_expect_eq(strncmp(problems_of(&fixture), expected, strlen(expected)), 0, "%s",
		     fixture.problems);
	close(fds[0]);
	agent_serve_synced(fixture.serve);
	cr_expect_str_eq(problems_of(&fixture), "");
	cr_expect_eq(fixture.n_changed, 2);
}

/* Two minutes after a change that no sync has followed: /livez. */
static int status_when_late(const struct agent *agent, struct fixture *fixture)
{
	int status;

	agent_serve_synced(agent->serve);
	agent_report_service((struct agent *)agent);
	ahead_s += 120;
	status = status_of(fixture, "/livez");
	agent_serve_synced(agent->serve);
	return status;
}

Test(agent_serve, a_change_that_is_not_programmed_is_unhealthy)
{
	_cleanup_(close_serve) struct fixture fixture = ports();
	struct agent agent = {};

	open_serve(&fixture, false);
	agent.metrics = fixture.metrics;
	agent.serve = fixture.serve;
	cr_assert_eq(status_when_late(&agent, &fixture), 503);
	cr_assert_eq(status_of(&fixture, "/livez"), 200);
}

/* One of the lists may not be read: a saved state is served, and what the others tell must wait. */
Test(agent_serve, before_all_is_listed_no_change_is_late)
{
	_cleanup_(close_serve) struct fixture fixture = ports();
	const struct source_events events = {};
	struct kubernetes_options options = {.node_name = "n1"};
	struct agent agent = {};

	open_serve(&fixture, false);
	options.base = fixture.base;
	cr_assert_eq(kubernetes_new(&options, &events, &agent.feed.kubernetes), 0);
	agent.metrics = fixture.metrics;
	agent.serve = fixture.serve;
	cr_assert_eq(status_when_late(&agent, &fixture), 200);
	kubernetes_free(agent.feed.kubernetes);
}
