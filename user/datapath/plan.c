/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/blocks.h"
#include "datapath/ranges.h"
#include "util/cleanup.h"

/* say() - stage_say(), and the error @r for the caller to return. */
#define say(staged, r, ...) (stage_say((staged), __VA_ARGS__), (r))

static const char *is_or_are(size_t n)
{
	return n == 1 ? "is" : "are";
}

/* Which lists the frontends of @port lead to. */
static void find_used_lists(const struct service_port *port, bool ret_is_used[N_LISTS])
{
	size_t i;

	ret_is_used[LIST_CLUSTER] = ret_is_used[LIST_LOCAL] = false;
	for (i = 0; i < port->n_frontends; i++) {
		uint8_t type = port->frontends[i].type;
		bool is_local = service_port_is_local(port, type);

		ret_is_used[is_local ? LIST_LOCAL : LIST_CLUSTER] = true;
		if (type != SVC_TYPE_CLUSTER_IP)
			ret_is_used[LIST_CLUSTER] = true;
	}
}

static int plan_list(struct shadow *shadow, struct staged *staged, int which)
{
	const struct service_port *port = staged->port;
	const struct backend_list *list = which == LIST_LOCAL ? &port->local : &port->cluster;
	uint32_t n_free = extents_n_free(shadow->space[FAMILY_INDEX(port->key.family)]);
	int r;

	if (list->n_backends > SVC_LIST_MAX_BACKENDS)
		return say(staged, -E2BIG, "has %zu backends, %u are possible", list->n_backends,
			   SVC_LIST_MAX_BACKENDS);
	r = blocks_write(shadow, &staged->info, list, service_port_is_drop(port, list),
			 staged->target->lists[which], &staged->lists[which]);
	if (r == -ENOSPC)
		return say(staged, r,
			   "needs %zu backend entries%s, %u %s free; raise --max-backends",
			   list->n_backends, n_free < list->n_backends ? "" : " side by side",
			   n_free, is_or_are(n_free));
	if (r < 0)
		return say(staged, r, "cannot write its backends: %s", strerror(-r));
	return 0;
}

static void cancel_lists(struct shadow *shadow, struct staged *staged)
{
	int i;

	for (i = 0; i < N_LISTS; i++) {
		blocks_cancel(shadow, staged->info.family, staged->lists[i]);
		staged->lists[i] = 0;
	}
}

static int plan_lists(struct shadow *shadow, struct staged *staged)
{
	bool is_used[N_LISTS];
	int i, r;

	find_used_lists(staged->port, is_used);
	for (i = 0; i < N_LISTS; i++) {
		if (!is_used[i])
			continue;
		r = plan_list(shadow, staged, i);
		if (r < 0) {
			cancel_lists(shadow, staged);
			return r;
		}
	}
	return 0;
}

/* Whether there is room for the frontends that are not there yet. */
static int check_room(const struct shadow *shadow, struct staged *staged)
{
	const struct service_port *port = staged->port;
	uint32_t n_free = extents_n_free(shadow->slots);
	struct frontend_key key;
	size_t n_new = 0, i;

	for (i = 0; i < port->n_frontends; i++) {
		convert_frontend(&port->key, &port->frontends[i], &key);
		n_new += !shadow_find_frontend(shadow, &key);
	}
	if (n_new <= n_free)
		return 0;
	return say(staged, -ENOSPC, "needs %zu more frontend%s, %u %s free; raise --max-services",
		   n_new, n_new == 1 ? "" : "s", n_free, is_or_are(n_free));
}

/* Forgets the frontends that add_frontends() made: their slots were never written. */
static void remove_frontends(struct shadow *shadow, const struct service_port *port)
{
	struct shadow_frontend *frontend;
	struct frontend_key key;
	uint32_t slot;
	size_t i;

	for (i = 0; i < port->n_frontends; i++) {
		convert_frontend(&port->key, &port->frontends[i], &key);
		frontend = shadow_find_frontend(shadow, &key);
		if (!frontend || shadow_service(shadow, frontend->slot)->service_id)
			continue;
		slot = frontend->slot;
		shadow_drop_frontend(shadow, frontend);
		extents_release(shadow->slots, slot, 1);
	}
}

static int add_frontends(struct shadow *shadow, struct staged *staged)
{
	const struct service_port *port = staged->port;
	struct shadow_frontend *frontend;
	struct frontend_key key;
	size_t i;
	int r;

	for (i = 0; i < port->n_frontends; i++) {
		convert_frontend(&port->key, &port->frontends[i], &key);
		if (shadow_find_frontend(shadow, &key))
			continue;
		r = shadow_add_frontend(shadow, &key, 0, &frontend);
		if (r < 0) {
			remove_frontends(shadow, port);
			return say(staged, r, "cannot add its frontends: %s", strerror(-r));
		}
	}
	return 0;
}

/* From here on the wanted frontends are the target's, and only those. */
static void claim_frontends(struct shadow *shadow, const struct staged *staged)
{
	const struct service_port *port = staged->port;
	struct shadow_frontend *frontend, *next;
	struct frontend_key key;
	size_t i;

	for (frontend = staged->target->frontends; frontend; frontend = frontend->next)
		frontend->is_kept = false;
	for (i = 0; i < port->n_frontends; i++) {
		convert_frontend(&port->key, &port->frontends[i], &key);
		frontend = shadow_find_frontend(shadow, &key);
		frontend->type = port->frontends[i].type;
		frontend->is_kept = true;
		shadow_give_frontend(shadow, frontend, staged->target);
	}
	for (frontend = staged->target->frontends; frontend; frontend = next) {
		next = frontend->next;
		if (!frontend->is_kept)
			shadow_give_frontend(shadow, frontend, NULL);
	}
}

/* What is known by its service id: names and source ranges. */
static int write_info(struct shadow *shadow, struct staged *staged)
{
	const struct service_port *port = staged->port;
	struct shadow_port *target = staged->target;
	int r = 0;

	if (!target->has_info)
		r = maps_insert(shadow->maps, MAP_SERVICE_INFO, &target->id, &staged->info);
	if (r < 0)
		return say(staged, r, "cannot write its names: %s", strerror(-r));
	target->has_info = true;
	r = ranges_add(shadow, target, port->source_ranges, port->n_source_ranges);
	if (r == -ENOSPC)
		return say(staged, r,
			   "has %zu source ranges, no room for them; raise --max-services",
			   port->n_source_ranges);
	if (r < 0)
		return say(staged, r, "cannot write its source ranges: %s", strerror(-r));
	/* Else an older grace period that ends now would delete them as no longer wanted. */
	target->has_ranges |= port->n_source_ranges > 0;
	return 0;
}

static int prepare(struct shadow *shadow, struct staged *staged)
{
	int r;

	r = check_room(shadow, staged);
	if (!r)
		r = plan_lists(shadow, staged);
	if (r < 0)
		return r;
	r = write_info(shadow, staged);
	if (!r)
		r = add_frontends(shadow, staged);
	if (r < 0)
		cancel_lists(shadow, staged);
	return r;
}

/**
 * struct origin - how a service port was before it was planned.
 * @is_new: not there.  @was_dead: waiting for a grace period.
 * @had_ranges: they were in force.  @ranges: copy of its source ranges, owned.
 */
struct origin {
	bool is_new;
	bool was_dead;
	bool had_ranges;
	struct cidr *ranges;
	size_t n_ranges;
};

static void origin_clear(struct origin *origin)
{
	free(origin->ranges);
}

static int remember(const struct shadow_port *port, struct origin *origin)
{
	if (!port) {
		origin->is_new = true;
		return 0;
	}
	origin->was_dead = port->is_dead;
	origin->had_ranges = port->has_ranges;
	if (!port->n_ranges)
		return 0;
	origin->ranges = calloc(port->n_ranges, sizeof(*origin->ranges));
	if (!origin->ranges)
		return -ENOMEM;
	memcpy(origin->ranges, port->ranges, port->n_ranges * sizeof(*origin->ranges));
	origin->n_ranges = port->n_ranges;
	return 0;
}

/* What prepare() did to the target is undone; a new service port leaves nothing behind. */
static void abandon(struct shadow *shadow, struct staged *staged, const struct origin *origin)
{
	struct shadow_port *target = staged->target;

	staged->target = NULL;
	ranges_trim(shadow, target, origin->ranges, origin->n_ranges);
	target->has_ranges = origin->had_ranges;
	if (!origin->is_new && !origin->was_dead)
		return;
	if (target->has_info)
		maps_delete(shadow->maps, MAP_SERVICE_INFO, &target->id);
	target->has_info = false;
	target->is_dead = true;
	if (origin->is_new)
		shadow_drop_port(shadow, target);
}

static int plan_put(struct shadow *shadow, struct staged *staged)
{
	_cleanup_(origin_clear) struct origin origin = {};
	struct shadow_port *target = NULL;
	int r;

	r = remember(shadow_find_port(shadow, &staged->info), &origin);
	if (r < 0)
		return say(staged, r, "cannot add it: %s", strerror(-r));
	r = shadow_get_port(shadow, &staged->info, &target);
	if (r == -ENOSPC)
		return say(staged, r, "no service id is free; raise --max-services");
	if (r < 0)
		return say(staged, r, "cannot add it: %s", strerror(-r));
	target->is_wanted = true;
	staged->target = target;
	r = prepare(shadow, staged);
	if (r < 0)
		abandon(shadow, staged, &origin);
	else
		claim_frontends(shadow, staged);
	return r;
}

static void plan_remove(struct shadow *shadow, struct staged *staged)
{
	struct shadow_frontend *frontend, *next;

	staged->target = shadow_find_port(shadow, &staged->info);
	if (staged->target && staged->target->is_dead)
		staged->target = NULL; /* the next grace period frees it */
	if (!staged->target)
		return;
	staged->target->is_wanted = false;
	for (frontend = staged->target->frontends; frontend; frontend = next) {
		next = frontend->next;
		shadow_give_frontend(shadow, frontend, NULL);
	}
}

int plan_port(struct shadow *shadow, struct staged *staged)
{
	stage_say_nothing(staged);
	staged->target = NULL;
	memset(staged->lists, 0, sizeof(staged->lists));
	if (staged->port)
		return plan_put(shadow, staged);
	plan_remove(shadow, staged);
	return 0;
}
