/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds a frontend that several Services ask for: the one with the older creationTimestamp,
 * then the first by namespace and name; within one Service the first type of SVC_TYPE_*, then the
 * first port name. When the holder lets go, the next in this order has it.
 */
#ifndef SVCBPF_MODEL_CLAIMS_H
#define SVCBPF_MODEL_CLAIMS_H

#include "model/state.h"
#include "util/strings.h"

struct claim;
struct claims;

/**
 * struct claim_owner - a Service with its claims; embedded in whatever stands for the Service.
 * @namespace, @name: borrowed, must not change while it has claims.
 * @created_s: set by claims_set().
 * @claims, @n_claims: private, start as NULL and 0.
 */
struct claim_owner {
	const char *namespace;
	const char *name;
	int64_t created_s;
	struct claim *claims;
	size_t n_claims;
};

/**
 * struct claim_request - a frontend that a service port asks for.
 * @port_name: interned; claims_set() takes its own reference.
 */
struct claim_request {
	struct frontend frontend;
	const char *port_name;
	uint8_t family;
	uint8_t protocol;
};

/**
 * claims_new() - no claims at all.
 * @pool: of the port names; borrowed.
 * @changed: told of every other owner that gained or lost a frontend through claims_set().
 * Return: 0 or -ENOMEM.
 */
int claims_new(struct strings *pool, void (*changed)(void *arg, struct claim_owner *owner),
	       void *arg, struct claims **ret);

/** claims_free() - free it; all owners must have given up their claims. NULL is fine. */
void claims_free(struct claims *claims);

/**
 * claims_set() - replace all claims of an owner; none gives them up.
 * Return: 0; -ENOMEM: it has some of them and claims_set() must be called again.
 */
int claims_set(struct claims *claims, struct claim_owner *owner, int64_t created_s,
	       const struct claim_request *requests, size_t n_requests);

/** claims_is_held() - whether this request of @owner is the one that has the frontend. */
bool claims_is_held(const struct claims *claims, const struct claim_owner *owner,
		    const struct claim_request *request);

/**
 * claims_for_each_conflict() - every request that another service port's claim keeps from its
 * frontend. Costs the conflicts, not the claims.
 * @fn: @loser did not get @request, which @holder has for its port @holder_port; all borrowed.
 */
void claims_for_each_conflict(const struct claims *claims,
			      void (*fn)(void *arg, const struct claim_owner *loser,
					 const struct claim_request *request,
					 const struct claim_owner *holder, const char *holder_port),
			      void *arg);

#endif
