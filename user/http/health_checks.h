/* SPDX-License-Identifier: Apache-2.0 */
/*
 * healthCheckNodePort servers (rules R40-R42): one port for each Service that asks for it, which
 * tells load balancers how many of its endpoints are on this node.
 */
#ifndef SVCBPF_HTTP_HEALTH_CHECKS_H
#define SVCBPF_HTTP_HEALTH_CHECKS_H

#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"

struct health_checks;
struct http_connections;
struct proxy_health;

/**
 * struct health_checks_options - all borrowed.
 * @connections: of all its servers together.
 * @health: a Service without a healthy proxy is not healthy; must outlive the table.
 * @failed: a port could not be opened, told once until it is open or the Service asks for another
 *	one. @error: negative errno. May be NULL.
 * @opened: one that had failed is open now. May be NULL.
 */
struct health_checks_options {
	struct http_connections *connections;
	const struct proxy_health *health;
	void (*failed)(void *arg, const char *namespace, const char *name, uint16_t port,
		       int error);
	void (*opened)(void *arg);
	void *arg;
};

/** health_checks_new() - no Services yet. Return: 0 or -ENOMEM. Free with health_checks_free(). */
int health_checks_new(const struct health_checks_options *options, struct health_checks **ret);

/** health_checks_free() - close all servers; NULL is fine. */
void health_checks_free(struct health_checks *checks);

/**
 * health_checks_set_addresses() - where to listen; before the first call that is every address of
 * each family, the two apart. All open servers move there when the event loop is back; the same
 * addresses again change nothing.
 * @addrs: copied; none: nowhere.
 * Return: 0 or -ENOMEM.
 */
int health_checks_set_addresses(struct health_checks *checks, const struct addr *addrs,
				size_t n_addrs);

/**
 * health_checks_put() - stage what a Service asks for, until the next health_checks_sync().
 * @port: host order; 0: nothing, any more.  @n_endpoints: local ones.
 * Return: 0 or -ENOMEM.
 */
int health_checks_put(struct health_checks *checks, const char *namespace, const char *name,
		      uint16_t port, uint32_t n_endpoints);

/** health_checks_restage() - forget all that Services ask for; they will be put again. */
void health_checks_restage(struct health_checks *checks);

/**
 * health_checks_sync() - do what is staged: close, open, count. Ports that could not be opened are
 * tried again here, and every 5 s from the event loop.
 */
void health_checks_sync(struct health_checks *checks);

/**
 * health_checks_count() - how many Services have a health check.
 * @ret_n_failed: those of them whose port could not be opened.
 */
size_t health_checks_count(const struct health_checks *checks, size_t *ret_n_failed);

/**
 * health_checks_for_each_failed() - those that are not open because their port cannot be had.
 * @fn: @service: "namespace/name"; @error: negative errno of the last try.
 */
void health_checks_for_each_failed(const struct health_checks *checks,
				   void (*fn)(void *arg, const char *service, uint16_t port,
					      int error),
				   void *arg);

#endif
