/* SPDX-License-Identifier: Apache-2.0 */
/* healthCheckNodePort servers on loopback and on every address, hundreds of them on one thread. */
#include <sys/resource.h>

#include "http/health_checks.h"
#include "http/http_bind.h"
#include "http/http_connections.h"
#include "http/proxy_health.h"
#include "util/cleanup.h"

#include "dial.h"

#define N_MANY 300

struct fixture {
	struct event_base *base;
	struct http_connections *connections;
	struct proxy_health health;
	struct health_checks *checks;
	int n_failed;
	char failed[128];
	int failed_error;
};

static const struct addr loopbacks[] = {
	{.family = ADDR_IPV4, .bytes = {127, 0, 0, 1}},
	{.family = ADDR_IPV6, .bytes = {[15] = 1}},
};

static void on_failed(void *arg, const char *namespace, const char *name, uint16_t port, int error)
{
	struct fixture *fixture = arg;

	fixture->n_failed++;
	fixture->failed_error = error;
	snprintf(fixture->failed, sizeof(fixture->failed), "%s/%s %u", namespace, name, port);
}

static void open_checks(struct fixture *fixture, bool is_every_address)
{
	struct health_checks_options options = {
		.health = &fixture->health,
		.failed = on_failed,
		.arg = fixture,
	};

	fixture->base = dial_base();
	cr_assert_eq(http_connections_new(fixture->base, 512, &fixture->connections), 0);
	options.connections = fixture->connections;
	cr_assert_eq(health_checks_new(&options, &fixture->checks), 0);
	if (!is_every_address)
		cr_assert_eq(health_checks_set_addresses(fixture->checks, loopbacks, 2), 0);
}

static void close_checks(struct fixture *fixture)
{
	health_checks_free(fixture->checks);
	http_connections_free(fixture->connections);
	event_base_free(fixture->base);
}

#define FIXTURE(is_every_address)                                                                  \
	_cleanup_(close_checks) struct fixture fixture = {};                                       \
	open_checks(&fixture, is_every_address)

/* A listener on loopback, for ports that are taken, and to find those that are free. */
static uint16_t take_port(int *ret_fd)
{
	const struct http_bind bind = {.addr = loopbacks[0]};
	struct sockaddr_in sa = {};
	socklen_t len = sizeof(sa);

	cr_assert_eq(http_bind_listen(&bind, ret_fd), 0);
	cr_assert_eq(getsockname(*ret_fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

/* Free now, and unlikely to be taken in the next moment. */
static void free_ports(uint16_t *ports, size_t n)
{
	int fds[N_MANY] = {};

	for (size_t i = 0; i < n; i++)
		ports[i] = take_port(&fds[i]);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static bool is_listening(uint16_t port)
{
	const struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0;
}

static void put(struct fixture *fixture, const char *name, uint16_t port, uint32_t n)
{
	cr_assert_eq(health_checks_put(fixture->checks, "default", name, port, n), 0);
}

Test(health_checks, answers_as_kube_proxy_does_byte_for_byte)
{
	_free_ char *answer = NULL;
	uint16_t port;

	FIXTURE(false);
	free_ports(&port, 1);
	put(&fixture, "web", port, 2);
	health_checks_sync(fixture.checks);
	answer = dial_get(fixture.base, port, "/any/path?at=all");
	cr_assert_eq(dial_status(answer), 200);
	cr_assert(strstr(answer, "\r\nContent-Type: application/json\r\n"));
	cr_assert(strstr(answer, "\r\nX-Content-Type-Options: nosniff\r\n"));
	cr_assert(strstr(answer, "\r\nX-Load-Balancing-Endpoint-Weight: 2\r\n"));
	cr_assert_str_eq(dial_body(answer),
			 "{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n"
			 "\t\t\"name\": \"web\"\n\t},\n\t\"localEndpoints\": 2,\n"
			 "\t\"serviceProxyHealthy\": true\n}");
}

Test(health_checks, is_503_without_endpoints_or_without_a_healthy_proxy)
{
	_free_ char *none = NULL;
	_free_ char *unhealthy = NULL;
	uint16_t port;

	FIXTURE(false);
	free_ports(&port, 1);
	put(&fixture, "web", port, 0);
	health_checks_sync(fixture.checks);
	none = dial_get(fixture.base, port, "/");
	cr_assert_eq(dial_status(none), 503);
	cr_assert(strstr(none, "\r\nX-Load-Balancing-Endpoint-Weight: 0\r\n"));
	cr_assert(strstr(none, "\"localEndpoints\": 0,\n\t\"serviceProxyHealthy\": true\n}"));

	put(&fixture, "web", port, 3);
	health_checks_sync(fixture.checks);
	fixture.health.ipv4.updated_ns = 1;
	fixture.health.ipv4.pending_ns = 1; /* since the host was started */
	unhealthy = dial_get(fixture.base, port, "/");
	cr_assert_eq(dial_status(unhealthy), 503);
	cr_assert(strstr(unhealthy, "\r\nX-Load-Balancing-Endpoint-Weight: 3\r\n"));
	cr_assert(strstr(unhealthy, "\"localEndpoints\": 3,\n\t\"serviceProxyHealthy\": false\n}"));
}

Test(health_checks, what_is_staged_waits_for_the_sync)
{
	_free_ char *answer = NULL;
	uint16_t port;

	FIXTURE(false);
	free_ports(&port, 1);
	put(&fixture, "web", port, 1);
	cr_assert_not(is_listening(port));
	health_checks_sync(fixture.checks);
	put(&fixture, "web", port, 9);
	answer = dial_get(fixture.base, port, "/");
	cr_assert(strstr(answer, "\"localEndpoints\": 1,"));
}

Test(health_checks, a_port_change_closes_and_opens)
{
	_free_ char *answer = NULL;
	uint16_t ports[2];

	FIXTURE(false);
	free_ports(ports, 2);
	put(&fixture, "web", ports[0], 1);
	health_checks_sync(fixture.checks);
	put(&fixture, "web", ports[1], 1);
	health_checks_sync(fixture.checks);
	cr_assert_not(is_listening(ports[0]));
	answer = dial_get(fixture.base, ports[1], "/");
	cr_assert_eq(dial_status(answer), 200);
	put(&fixture, "web", 0, 0);
	health_checks_sync(fixture.checks);
	cr_assert_not(is_listening(ports[1]));
}

Test(health_checks, two_services_can_swap_their_ports_in_one_sync)
{
	_free_ char *answer = NULL;
	uint16_t ports[2];

	FIXTURE(false);
	free_ports(ports, 2);
	put(&fixture, "a", ports[0], 1);
	put(&fixture, "b", ports[1], 1);
	health_checks_sync(fixture.checks);
	put(&fixture, "a", ports[1], 1);
	put(&fixture, "b", ports[0], 1);
	health_checks_sync(fixture.checks);
	cr_assert_eq(fixture.n_failed, 0);
	answer = dial_get(fixture.base, ports[0], "/");
	cr_assert(strstr(answer, "\"name\": \"b\""), "%s", answer);
}

Test(health_checks, what_is_not_staged_again_goes)
{
	uint16_t ports[2];
	size_t n_failed;

	FIXTURE(false);
	free_ports(ports, 2);
	put(&fixture, "old", ports[0], 1);
	put(&fixture, "kept", ports[1], 1);
	health_checks_sync(fixture.checks);
	health_checks_restage(fixture.checks);
	put(&fixture, "kept", ports[1], 1);
	health_checks_sync(fixture.checks);
	cr_assert_not(is_listening(ports[0]));
	cr_assert(is_listening(ports[1]));
	cr_assert_eq(health_checks_count(fixture.checks, &n_failed), 1);
	cr_assert_eq(n_failed, 0);
}

Test(health_checks, a_taken_port_is_told_once_and_had_later, .timeout = 20)
{
	_free_ char *answer = NULL;
	char expected[64];
	size_t n_failed;
	uint16_t port;
	double end;
	int fd;

	FIXTURE(false);
	port = take_port(&fd);
	put(&fixture, "web", port, 1);
	health_checks_sync(fixture.checks);
	health_checks_sync(fixture.checks);
	cr_assert_eq(fixture.n_failed, 1);
	cr_assert_eq(fixture.failed_error, -EADDRINUSE);
	snprintf(expected, sizeof(expected), "default/web %u", port);
	cr_assert_str_eq(fixture.failed, expected);
	cr_assert_eq(health_checks_count(fixture.checks, &n_failed), 1);
	cr_assert_eq(n_failed, 1);
	close(fd);
	for (end = dial_now_s() + 8; n_failed; usleep(10000)) {
		cr_assert_lt(dial_now_s(), end);
		event_base_loop(fixture.base, EVLOOP_NONBLOCK);
		health_checks_count(fixture.checks, &n_failed);
	}
	answer = dial_get(fixture.base, port, "/");
	cr_assert_eq(dial_status(answer), 200);
	cr_assert_eq(fixture.n_failed, 1);
}

Test(health_checks, follows_the_addresses_it_is_given)
{
	_free_ char *ipv6 = NULL;
	uint16_t port;

	FIXTURE(false);
	free_ports(&port, 1);
	put(&fixture, "web", port, 1);
	health_checks_sync(fixture.checks);
	cr_assert(is_listening(port));
	cr_assert_eq(health_checks_set_addresses(fixture.checks, &loopbacks[1], 1), 0);
	event_base_loop(fixture.base, EVLOOP_ONCE);
	cr_assert_not(is_listening(port));
	ipv6 = dial_ask(fixture.base, true, port, "GET / HTTP/1.0\r\n\r\n");
	cr_assert_eq(dial_status(ipv6), 200);
	cr_assert_eq(health_checks_set_addresses(fixture.checks, NULL, 0), 0);
	event_base_loop(fixture.base, EVLOOP_ONCE);
	cr_assert_eq(fixture.n_failed, 0);
}

Test(health_checks, hundreds_answer_at_once_on_every_address, .timeout = 60)
{
	const struct rlimit limit = {8192, 8192};
	struct dial *dials = calloc(N_MANY, sizeof(*dials));
	uint16_t ports[N_MANY];

	FIXTURE(true);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	free_ports(ports, N_MANY);
	for (size_t i = 0; i < N_MANY; i++) {
		char name[32];

		snprintf(name, sizeof(name), "web-%zu", i);
		put(&fixture, name, ports[i], (uint32_t)i);
	}
	health_checks_sync(fixture.checks);
	cr_assert_eq(fixture.n_failed, 0, "%s", fixture.failed);
	for (size_t i = 0; i < N_MANY; i++)
		dials[i] = dial_open(i % 2, ports[i]);
	for (size_t i = 0; i < N_MANY; i++)
		dial_send(fixture.base, &dials[i], "GET / HTTP/1.0\r\n\r\n", 18);
	for (size_t i = 0; i < N_MANY; i++) {
		char expected[64];

		dial_wait(fixture.base, &dials[i], NULL);
		snprintf(expected, sizeof(expected), "\"name\": \"web-%zu\"\n", i);
		cr_assert(strstr(dials[i].text, expected), "%s", dials[i].text);
		cr_assert_eq(dial_status(dials[i].text), i ? 200 : 503);
		dial_close(&dials[i]);
	}
	free(dials);
}
