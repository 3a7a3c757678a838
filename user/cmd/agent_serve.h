/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's HTTP servers: /healthz and /livez, /metrics and /proxyMode, and one for each Service
 * with a healthCheckNodePort (rules R40-R46).
 */
#ifndef SVCBPF_CMD_AGENT_SERVE_H
#define SVCBPF_CMD_AGENT_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"

struct agent_metrics;
struct agent_serve;
struct event_base;
struct health_check;
struct health_checks;
struct k8s_node;

/**
 * struct agent_serve_options - strings borrowed for the call.
 * @healthz_bind_address, @metrics_bind_address: as http_bind_parse(); NULL or "": no such server.
 * @node_name: for @health_failed.
 * @metrics: borrowed.
 * @is_every_address: health checks listen on every address (R40), else on those of
 *	agent_serve_set_addresses() alone: with --nodeport-addresses.
 * @is_bind_hard_fail: an address that cannot be had now is an error.
 * @needs_node: /healthz is 503 while the Node is unknown (R45): with the API server as the source.
 * @health_failed: a health check could not be opened, @text is a whole line (R42): told once until
 *	it is open or asks for another port. May be NULL.
 * @problems_changed: agent_serve_for_each_problem() tells others than before. May be NULL.
 */
struct agent_serve_options {
	struct event_base *base;
	const char *healthz_bind_address;
	const char *metrics_bind_address;
	const char *node_name;
	struct agent_metrics *metrics;
	bool is_every_address;
	bool is_bind_hard_fail;
	bool needs_node;
	void (*health_failed)(void *arg, const char *namespace, const char *name, const char *text);
	void (*problems_changed)(void *arg);
	void *arg;
};

/**
 * agent_serve_open() - listen. An address that cannot be had now is a problem and tried again every
 * 5 s, as kube-proxy does; with is_bind_hard_fail it ends the call (logged). The soft limit of open
 * files is raised to the hard one: each health check needs some. Return: 0; -EINVAL: an address
 * cannot be read (logged); -ENOMEM.
 */
int agent_serve_open(const struct agent_serve_options *options, struct agent_serve **ret);

/** agent_serve_close() - stop all servers; NULL is fine. */
void agent_serve_close(struct agent_serve *serve);

/**
 * agent_serve_for_each_problem() - what cannot be listened on now, and what to do about it.
 * @subject: the option, or "namespace/name" of the Service.
 */
void agent_serve_for_each_problem(const struct agent_serve *serve,
				  void (*fn)(void *arg, const char *subject, const char *text),
				  void *arg);

/** agent_serve_health_checks() - for struct agent_metrics_sources; borrowed. */
const struct health_checks *agent_serve_health_checks(const struct agent_serve *serve);

/** agent_serve_set_node() - the Node is this now; NULL: unknown. */
void agent_serve_set_node(struct agent_serve *serve, const struct k8s_node *node);

/**
 * agent_serve_pending() - something was told that the next sync will program: without one for
 * 60 s (R44) the agent is unhealthy.
 * @family: ADDR_NONE: both.
 */
void agent_serve_pending(struct agent_serve *serve, uint8_t family);

/** agent_serve_is_live() - what /livez answers: whether no change waits for too long. */
bool agent_serve_is_live(const struct agent_serve *serve);

/** agent_serve_restage() - all health checks will be staged again: forget those staged so far. */
void agent_serve_restage(struct agent_serve *serve);

/** agent_serve_put_health() - as struct model_events.health: stage one. Return: 0 or -ENOMEM. */
int agent_serve_put_health(struct agent_serve *serve, const struct health_check *check);

/**
 * agent_serve_set_addresses() - where health checks listen without is_every_address; do not call it
 * with that.
 * @addrs: copied; open ones move at once.
 * Return: 0 or -ENOMEM.
 */
int agent_serve_set_addresses(struct agent_serve *serve, const struct addr *addrs, size_t n_addrs);

/** agent_serve_synced() - the datapath is in step: healthy; health checks open, close and count. */
void agent_serve_synced(struct agent_serve *serve);

#endif
