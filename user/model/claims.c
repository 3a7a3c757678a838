/* SPDX-License-Identifier: Apache-2.0 */
#include "model/claims.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "util/cleanup.h"
#include "util/table.h"

/* What can be had only once. All bytes count as the key: made by make_key() only. */
struct claim_key {
	struct addr addr; /* ADDR_NONE: a NodePort */
	uint8_t family;
	uint8_t protocol;
	uint8_t pad;
	uint16_t port;
};
_Static_assert(sizeof(struct claim_key) == 22, "no hidden padding in a hash key");

/* A frontend and who wants it, best first. @prev, @next: while contested. */
struct claim_slot {
	UT_hash_handle hh;
	struct claim_key key;
	struct claim *first;
	struct claim_slot *prev;
	struct claim_slot *next;
};

/* @next: the next best claim to the same slot. */
struct claim {
	struct claim *next;
	struct claim_slot *slot;
	struct claim_owner *owner;
	const char *port_name;
	uint8_t type;
};

struct claims {
	struct strings *pool;
	struct claim_slot *slots;
	struct claim_slot *contested;
	void (*changed)(void *arg, struct claim_owner *owner);
	void *arg;
};

int claims_new(struct strings *pool, void (*changed)(void *arg, struct claim_owner *owner),
	       void *arg, struct claims **ret)
{
	struct claims *claims = calloc(1, sizeof(*claims));

	if (!claims)
		return -ENOMEM;
	claims->pool = pool;
	claims->changed = changed;
	claims->arg = arg;
	*ret = claims;
	return 0;
}

void claims_free(struct claims *claims)
{
	free(claims);
}

static struct claim_key make_key(const struct claim_request *request)
{
	struct claim_key key;

	memset(&key, 0, sizeof(key));
	memcpy(&key.addr, &request->frontend.addr, sizeof(key.addr));
	key.family = request->family;
	key.protocol = request->protocol;
	key.port = request->frontend.port;
	return key;
}

static struct claim_slot *find_slot(const struct claims *claims, const struct claim_key *key)
{
	struct claim_slot *slot;

	HASH_FIND(hh, claims->slots, key, sizeof(*key), slot);
	return slot;
}

static struct claim_slot *get_slot(struct claims *claims, const struct claim_request *request)
{
	struct claim_key key = make_key(request);
	struct claim_slot *slot = find_slot(claims, &key);
	_free_ struct claim_slot *made = NULL;

	if (slot)
		return slot;
	made = calloc(1, sizeof(*made));
	if (!made)
		return NULL;
	made->key = key;
	HASH_ADD(hh, claims->slots, key, sizeof(made->key), made);
	return TABLE_HAS(made) ? TAKE_PTR(made) : NULL;
}

/* <0 when @a is the better claim. */
static int compare_claims(const struct claim *a, const struct claim *b)
{
	int order;

	if (a->owner->created_s != b->owner->created_s)
		return a->owner->created_s < b->owner->created_s ? -1 : 1;
	order = strcmp(a->owner->namespace, b->owner->namespace);
	if (order == 0)
		order = strcmp(a->owner->name, b->owner->name);
	if (order == 0)
		order = (a->type > b->type) - (a->type < b->type);
	return order ? order : strcmp(a->port_name, b->port_name);
}

static bool is_contested(const struct claim_slot *slot)
{
	return slot->first && slot->first->next;
}

static void tell_changed(const struct claims *claims, const struct claim *claim,
			 const struct claim_owner *owner)
{
	if (claim && claim->owner != owner)
		claims->changed(claims->arg, claim->owner);
}

static void insert_claim(struct claims *claims, struct claim *claim)
{
	struct claim_slot *slot = claim->slot;
	struct claim **place = &slot->first;
	bool was_contested = is_contested(slot);

	while (*place && compare_claims(*place, claim) < 0)
		place = &(*place)->next;
	claim->next = *place;
	*place = claim;
	if (slot->first == claim)
		tell_changed(claims, claim->next, claim->owner);
	if (!was_contested && is_contested(slot))
		DL_APPEND(claims->contested, slot);
}

static void remove_claim(struct claims *claims, struct claim *claim)
{
	struct claim_slot *slot = claim->slot;
	struct claim **place = &slot->first;
	bool was_contested = is_contested(slot), was_first = slot->first == claim;

	while (*place && *place != claim)
		place = &(*place)->next;
	*place = claim->next;
	strings_put(claims->pool, claim->port_name);
	if (was_first)
		tell_changed(claims, slot->first, claim->owner);
	if (was_contested && !is_contested(slot))
		DL_DELETE(claims->contested, slot);
	if (!slot->first && claims->slots) {
		HASH_DEL(claims->slots, slot);
		free(slot);
	}
}

static void give_up(struct claims *claims, struct claim_owner *owner)
{
	while (owner->n_claims > 0)
		remove_claim(claims, &owner->claims[--owner->n_claims]);
	free(owner->claims);
	owner->claims = NULL;
}

int claims_set(struct claims *claims, struct claim_owner *owner, int64_t created_s,
	       const struct claim_request *requests, size_t n_requests)
{
	give_up(claims, owner);
	owner->created_s = created_s;
	if (n_requests == 0)
		return 0;
	owner->claims = calloc(n_requests, sizeof(*owner->claims));
	if (!owner->claims)
		return -ENOMEM;
	for (size_t i = 0; i < n_requests; i++) {
		struct claim *claim = &owner->claims[i];

		claim->slot = get_slot(claims, &requests[i]);
		if (!claim->slot)
			return -ENOMEM;
		claim->owner = owner;
		claim->port_name = strings_ref(requests[i].port_name);
		claim->type = requests[i].frontend.type;
		owner->n_claims++;
		insert_claim(claims, claim);
	}
	return 0;
}

bool claims_is_held(const struct claims *claims, const struct claim_owner *owner,
		    const struct claim_request *request)
{
	struct claim_key key = make_key(request);
	const struct claim_slot *slot = find_slot(claims, &key);

	return slot && slot->first->owner == owner && slot->first->type == request->frontend.type &&
	       slot->first->port_name == request->port_name;
}

void claims_for_each_conflict(const struct claims *claims,
			      void (*fn)(void *arg, const struct claim_owner *loser,
					 const struct claim_request *request,
					 const struct claim_owner *holder, const char *holder_port),
			      void *arg)
{
	const struct claim_slot *slot;

	DL_FOREACH(claims->contested, slot) {
		const struct claim *first = slot->first;

		for (const struct claim *claim = first->next; claim; claim = claim->next) {
			struct claim_request request = {
				.frontend = {.addr = slot->key.addr,
					     .type = claim->type,
					     .port = slot->key.port},
				.port_name = claim->port_name,
				.family = slot->key.family,
				.protocol = slot->key.protocol,
			};

			/* one service port reaching its own frontend twice is no conflict */
			if (claim->owner != first->owner || claim->port_name != first->port_name)
				fn(arg, claim->owner, &request, first->owner, first->port_name);
		}
	}
}
