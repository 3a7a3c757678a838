/* SPDX-License-Identifier: Apache-2.0 */
#include "http/health_checks.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "http/http_connections.h"
#include "http/http_server.h"
#include "http/proxy_health.h"
#include "util/cleanup.h"
#include "util/table.h"

#define RETRY_S 5

/**
 * struct check - a Service with a health check.
 * @key: "namespace/name".  @name_at: where the name begins in it.
 * @wanted_port, @wanted_endpoints: staged; port 0: to be removed.
 * @port, @n_endpoints: as of the last sync; port 0: none yet.
 * @servers: one an address; @is_open: all are there, else none is.
 * @failed_port: the last port that @failed was told of; 0: none.
 * @error: of the last try to open it, negative errno.
 */
struct check {
	char *key;
	size_t name_at;
	const struct health_checks *checks;
	uint16_t wanted_port;
	uint32_t wanted_endpoints;
	uint16_t port;
	uint32_t n_endpoints;
	struct http_server **servers;
	size_t n_servers;
	bool is_open;
	uint16_t failed_port;
	int error;
	UT_hash_handle hh;
};

/**
 * struct health_checks - see the header.
 * @addrs: to listen on; with @is_every_address none were given yet.
 * @needs_reopen: @addrs are others than those that are listened on.
 */
struct health_checks {
	struct health_checks_options options;
	struct check *table;
	struct addr *addrs;
	size_t n_addrs;
	bool is_every_address;
	bool needs_reopen;
	struct event *on_retry;
};

static const struct addr any_addresses[] = {{.family = ADDR_IPV4}, {.family = ADDR_IPV6}};

/* ------------------------------------------------------------------ answering */

/* Names of Services and namespaces are DNS labels: nothing in them needs quoting. */
static void answer_check(void *arg, struct http_answer *answer)
{
	const struct check *check = arg;
	const bool is_healthy =
		proxy_health_is_healthy(check->checks->options.health, proxy_health_now());

	answer->content_type = "application/json";
	answer->weight = check->n_endpoints;
	answer->status = check->n_endpoints && is_healthy ? HTTP_OK : HTTP_SERVUNAVAIL;
	evbuffer_add_printf(answer->body,
			    "{\n"
			    "\t\"service\": {\n"
			    "\t\t\"namespace\": \"%.*s\",\n"
			    "\t\t\"name\": \"%s\"\n"
			    "\t},\n"
			    "\t\"localEndpoints\": %u,\n"
			    "\t\"serviceProxyHealthy\": %s\n"
			    "}",
			    (int)check->name_at - 1, check->key, check->key + check->name_at,
			    check->n_endpoints, is_healthy ? "true" : "false");
}

static const struct http_route check_routes[] = {{NULL, answer_check}};

/* ------------------------------------------------------------------ opening and closing */

static void free_servers(struct http_server **servers, size_t n_servers)
{
	for (size_t i = 0; i < n_servers; i++)
		http_server_free(servers[i]);
	free(servers);
}

static void close_servers(struct check *check)
{
	free_servers(check->servers, check->n_servers);
	check->servers = NULL;
	check->n_servers = 0;
	check->is_open = false;
}

static int open_server(struct check *check, const struct addr *addr, struct http_server **ret)
{
	const struct http_bind bind = {.addr = *addr, .port = check->port};
	const struct http_routes routes = {check_routes, ARRAY_SIZE(check_routes), check};

	return http_server_new(check->checks->options.connections, &bind, &routes, ret);
}

/* A host without IPv6 has no IPv6 address to listen on, and nothing is missing then. */
static bool is_missing_family(const struct health_checks *checks, const struct addr *addr, int r)
{
	return checks->is_every_address && addr->family == ADDR_IPV6 &&
	       (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL);
}

static int open_servers(struct check *check)
{
	const struct health_checks *checks = check->checks;
	const bool is_every = checks->is_every_address;
	const size_t n_addrs = is_every ? ARRAY_SIZE(any_addresses) : checks->n_addrs;
	const struct addr *addrs = is_every ? any_addresses : checks->addrs;
	struct http_server **servers = calloc(n_addrs + 1, sizeof(struct http_server *));
	size_t n = 0;
	int r = 0;

	if (!servers)
		return -ENOMEM;
	for (size_t i = 0; i < n_addrs; i++) {
		r = open_server(check, &addrs[i], &servers[n]);
		if (r == 0)
			n++;
		else if (!is_missing_family(checks, &addrs[i], r))
			break;
		r = 0;
	}
	if (r < 0) {
		free_servers(servers, n);
		return r;
	}
	check->servers = servers;
	check->n_servers = n;
	check->is_open = true;
	return 0;
}

static void open_check(struct check *check)
{
	const struct health_checks_options *options = &check->checks->options;
	const bool has_failed = check->failed_port;
	int r = open_servers(check);

	check->error = r;
	if (r == 0) {
		check->failed_port = 0;
		if (has_failed && options->opened)
			options->opened(options->arg);
		return;
	}
	if (check->failed_port == check->port)
		return;
	check->failed_port = check->port;
	if (options->failed) {
		_free_ char *namespace = strndup(check->key, check->name_at - 1);

		if (namespace)
			options->failed(options->arg, namespace, check->key + check->name_at,
					check->port, r);
	}
}

/* ------------------------------------------------------------------ the table */

static void check_free(struct check *check)
{
	close_servers(check);
	free(check->key);
	free(check);
}

static void check_remove(struct health_checks *checks, struct check *check)
{
	HASH_DEL(checks->table, check);
	check_free(check);
}

static int check_add(struct health_checks *checks, char *key, size_t name_at, struct check **ret)
{
	struct check *check = calloc(1, sizeof(*check));

	if (!check)
		return -ENOMEM;
	check->key = strdup(key);
	check->name_at = name_at;
	check->checks = checks;
	if (check->key)
		HASH_ADD_KEYPTR(hh, checks->table, check->key, strlen(check->key), check);
	if (!check->key || !TABLE_HAS(check)) {
		check_free(check);
		return -ENOMEM;
	}
	*ret = check;
	return 0;
}

int health_checks_put(struct health_checks *checks, const char *namespace, const char *name,
		      uint16_t port, uint32_t n_endpoints)
{
	_free_ char *key = NULL;
	struct check *check;
	int r = 0;

	if (asprintf(&key, "%s/%s", namespace, name) < 0)
		return -ENOMEM;
	HASH_FIND_STR(checks->table, key, check);
	if (!check && !port)
		return 0;
	if (!check)
		r = check_add(checks, key, strlen(namespace) + 1, &check);
	if (r < 0)
		return r;
	check->wanted_port = port;
	check->wanted_endpoints = n_endpoints;
	return 0;
}

void health_checks_restage(struct health_checks *checks)
{
	for (struct check *check = checks->table; check; check = check->hh.next)
		check->wanted_port = 0;
}

int health_checks_set_addresses(struct health_checks *checks, const struct addr *addrs,
				size_t n_addrs)
{
	const size_t size_bytes = n_addrs * sizeof(*addrs);
	const struct timeval at_once = {};
	struct addr *copy;

	if (!checks->is_every_address && n_addrs == checks->n_addrs &&
	    (!n_addrs || memcmp(addrs, checks->addrs, size_bytes) == 0))
		return 0;
	copy = calloc(n_addrs + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	if (n_addrs)
		memcpy(copy, addrs, size_bytes);
	free(checks->addrs);
	checks->addrs = copy;
	checks->n_addrs = n_addrs;
	checks->is_every_address = false;
	checks->needs_reopen = true;
	event_add(checks->on_retry, &at_once);
	return 0;
}

/* ------------------------------------------------------------------ in step */

/* What no Service asks for any more, and what one asks for on another port. */
static void close_unwanted(struct health_checks *checks)
{
	struct check *check;
	struct check *next;

	HASH_ITER(hh, checks->table, check, next) {
		if (!check->wanted_port)
			check_remove(checks, check);
		else if (check->port != check->wanted_port)
			close_servers(check);
	}
}

static void close_all(struct health_checks *checks)
{
	for (struct check *check = checks->table; check; check = check->hh.next)
		close_servers(check);
	checks->needs_reopen = false;
}

static void open_closed(struct health_checks *checks)
{
	const struct timeval delay = {.tv_sec = RETRY_S};
	bool is_done = true;

	for (struct check *check = checks->table; check; check = check->hh.next) {
		if (!check->is_open && check->port)
			open_check(check);
		is_done = is_done && (check->is_open || !check->port);
	}
	if (is_done)
		event_del(checks->on_retry);
	else
		event_add(checks->on_retry, &delay);
}

/* Everything is closed before anything opens: a port may move from one Service to another. */
void health_checks_sync(struct health_checks *checks)
{
	close_unwanted(checks);
	for (struct check *check = checks->table; check; check = check->hh.next) {
		check->port = check->wanted_port;
		check->n_endpoints = check->wanted_endpoints;
	}
	if (checks->needs_reopen)
		close_all(checks);
	open_closed(checks);
}

/* Not a sync: what is staged now is not programmed yet. */
static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct health_checks *checks = arg;

	(void)fd;
	(void)what;
	if (checks->needs_reopen)
		close_all(checks);
	open_closed(checks);
}

size_t health_checks_count(const struct health_checks *checks, size_t *ret_n_failed)
{
	size_t n_failed = 0;

	for (const struct check *check = checks->table; check; check = check->hh.next)
		n_failed += check->failed_port != 0;
	*ret_n_failed = n_failed;
	return HASH_COUNT(checks->table);
}

void health_checks_for_each_failed(const struct health_checks *checks,
				   void (*fn)(void *arg, const char *service, uint16_t port,
					      int error),
				   void *arg)
{
	for (const struct check *check = checks->table; check; check = check->hh.next)
		if (check->failed_port && !check->is_open)
			fn(arg, check->key, check->port, check->error);
}

/* ------------------------------------------------------------------ life */

int health_checks_new(const struct health_checks_options *options, struct health_checks **ret)
{
	struct health_checks *checks = calloc(1, sizeof(*checks));

	if (!checks)
		return -ENOMEM;
	checks->options = *options;
	checks->is_every_address = true;
	checks->on_retry =
		event_new(http_connections_base(options->connections), -1, 0, on_retry, checks);
	if (!checks->on_retry) {
		free(checks);
		return -ENOMEM;
	}
	*ret = checks;
	return 0;
}

void health_checks_free(struct health_checks *checks)
{
	struct check *check;
	struct check *next;

	if (!checks)
		return;
	HASH_ITER(hh, checks->table, check, next) {
		check_remove(checks, check);
	}
	event_free(checks->on_retry);
	free(checks->addrs);
	free(checks);
}
