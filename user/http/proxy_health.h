/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this node's proxy is healthy, as kube-proxy defines it (rules R43-R45), and what /healthz
 * and /livez say about it. Pure: time is a parameter.
 */
#ifndef SVCBPF_HTTP_PROXY_HEALTH_H
#define SVCBPF_HTTP_PROXY_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

struct evbuffer;

/** PROXY_HEALTH_TIMEOUT_NS - a change that waits so long is too late: 2 x kube-proxy's 30 s. */
#define PROXY_HEALTH_TIMEOUT_NS 60000000000ull

/** struct proxy_time - one instant. @realtime_ns: for people.  @monotonic_ns: for differences. */
struct proxy_time {
	uint64_t realtime_ns;
	uint64_t monotonic_ns;
};

/**
 * struct proxy_family_health - one address family.
 * @updated_ns: CLOCK_REALTIME when the datapath was last in step; 0: not yet.
 * @pending_ns: CLOCK_MONOTONIC since when a change waits; 0: none waits.
 */
struct proxy_family_health {
	uint64_t updated_ns;
	uint64_t pending_ns;
};

/**
 * struct proxy_health - zero at first: healthy, and the node is not eligible.
 * @ipv4, @ipv6: the families.
 * @is_node_eligible: the Node is known, stays, and is not about to be deleted (R45).
 */
struct proxy_health {
	struct proxy_family_health ipv4;
	struct proxy_family_health ipv6;
	bool is_node_eligible;
};

/** proxy_health_now() - both clocks, now. */
struct proxy_time proxy_health_now(void);

/** proxy_health_pending() - a change was told that is not programmed. @family: ADDR_NONE: both. */
void proxy_health_pending(struct proxy_health *health, uint8_t family, struct proxy_time now);

/** proxy_health_updated() - everything told is programmed now, in both families. */
void proxy_health_updated(struct proxy_health *health, struct proxy_time now);

/** proxy_health_is_healthy() - whether no family's oldest change waits too long. */
bool proxy_health_is_healthy(const struct proxy_health *health, struct proxy_time now);

/**
 * proxy_health_write() - the body of /healthz, or of /livez, which leaves the node out.
 * Source: k8s.io/kubernetes v1.36 pkg/proxy/healthcheck/proxy_health.go.
 * Return: the status: 200 or 503.
 */
int proxy_health_write(const struct proxy_health *health, bool is_livez, struct proxy_time now,
		       struct evbuffer *body);

#endif
