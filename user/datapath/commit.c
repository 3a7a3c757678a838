/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A commit writes what is staged in an order in which readers see the old Service or the new one:
 *
 *	names, source ranges, blocks	nobody looks there yet
 *	slots' words, then routes	new slots are whole before a frontend leads to them
 *	Maglev tables, slots' flags	maglev_tables.h
 *	filter bits, new frontends
 *	dead frontends, filter bits
 *	one grace period for all	then blocks, slots and ids are free again
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "datapath/adopt.h"
#include "datapath/blocks.h"
#include "datapath/health.h"
#include "datapath/internal.h"
#include "datapath/maglev_tables.h"
#include "datapath/plan.h"
#include "datapath/publish.h"
#include "datapath/ranges.h"
#include "datapath/serving.h"
#include "util/clock.h"

static void keep_first(int *first, int r)
{
	if (r < 0 && !*first)
		*first = r;
}

/* Odd while a sync is being written; an agent that died in one left it odd. */
static void begin_sync(struct svc_meta *meta)
{
	__atomic_store_n(&meta->sync_open, meta->sync_open | 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void end_sync(struct datapath *datapath, uint64_t start_ns)
{
	struct svc_meta *meta = datapath->maps.meta;

	meta->next_service_id = datapath->shadow.next_service_id;
	meta->next_backend_id4 = ids_next(datapath->shadow.backend_ids[0]);
	meta->next_backend_id6 = ids_next(datapath->shadow.backend_ids[1]);
	meta->last_sync_ns = clock_now_ns(CLOCK_REALTIME);
	meta->last_sync_duration_ns = clock_now_ns(CLOCK_MONOTONIC) - start_ns;
	__atomic_store_n(&meta->sync_count, meta->sync_count + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&meta->sync_open, meta->sync_open + 1, __ATOMIC_RELEASE);
}

/* The first commit clears what a crash may have left, after a grace period since then. */
static int settle(struct datapath *datapath)
{
	int r;

	if (datapath->is_settled)
		return 0;
	grace_wait(datapath->grace, datapath->seq);
	r = adopt_settle(&datapath->shadow);
	datapath->is_settled = !r;
	return r;
}

/* Everything adopted that nobody has put: staged as removed. */
static int stage_leftovers(struct datapath *datapath)
{
	struct shadow_port *port, *next;
	struct svc_service_info info;
	int r;

	HASH_ITER(hh, datapath->shadow.ports, port, next) {
		shadow_port_info(port, &info);
		if (port->is_wanted || port->is_dead || stage_find(&datapath->stage, &info))
			continue;
		r = stage_put(&datapath->stage, &info, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Waits for what grace periods under way will free. Return: whether that was anything. */
static bool reclaim(struct datapath *datapath)
{
	size_t n_before = datapath->shadow.n_garbage;

	if (n_before)
		grace_wait(datapath->grace, datapath->seq);
	datapath_grace_done(datapath);
	return datapath->shadow.n_garbage < n_before;
}

/* What does not fit keeps its problem and a copy of itself; that is no failure of the commit. */
static void plan_all(struct datapath *datapath, int *first)
{
	struct staged *staged, *next;
	int r;

	HASH_ITER(hh, datapath->stage.table, staged, next) {
		r = plan_port(&datapath->shadow, staged);
		if (r == -ENOSPC && reclaim(datapath))
			r = plan_port(&datapath->shadow, staged);
		staged->is_failed = r < 0;
		if (r != -ENOSPC && r != -E2BIG)
			keep_first(first, r);
	}
}

/* Source ranges that are not wanted: gone at once while others stay, else after readers are. */
static void trim_ranges(struct shadow *shadow, const struct staged *staged)
{
	struct shadow_port *target = staged->target;

	target->has_ranges = staged->port->n_source_ranges > 0;
	if (target->has_ranges)
		ranges_trim(shadow, target, staged->port->source_ranges,
			    staged->port->n_source_ranges);
	else if (target->n_ranges)
		shadow_add_garbage(shadow, &(struct shadow_garbage){.rangeless = target});
}

/* The slots and routes; their flag says whether there is a Maglev table. */
static void publish_slots(struct shadow *shadow, struct staged *staged)
{
	bool has_table = maglev_tables_is_wanted(shadow, staged);
	struct shadow_frontend *frontend;

	for (frontend = staged->target->frontends; frontend; frontend = frontend->next)
		publish_slot(shadow, frontend, staged->port, staged->lists, has_table);
	if (!has_table && staged->table_fd < 0)
		maglev_tables_drop(shadow, staged->target);
}

static int publish_port(struct datapath *datapath, struct staged *staged)
{
	struct shadow *shadow = &datapath->shadow;
	int i;

	publish_slots(shadow, staged);
	for (i = 0; i < N_LISTS; i++) {
		staged->target->lists[i] = staged->lists[i];
		blocks_unref(shadow, staged->info.family, staged->lists[i]);
	}
	trim_ranges(shadow, staged);
	return serving_update(datapath, staged->target, staged->port);
}

/* Tables of service ports whose lists were just published, and then their flags. */
static void publish_tables(struct shadow *shadow, struct staged *const *staged, size_t n)
{
	size_t i;

	maglev_tables_publish(shadow, staged, n);
	for (i = 0; i < n; i++)
		publish_slots(shadow, staged[i]);
}

static void publish_all(struct datapath *datapath, int *first)
{
	struct staged *with_table[MAGLEV_TABLES_BATCH] = {};
	struct shadow *shadow = &datapath->shadow;
	struct staged *staged, *next;
	size_t n = 0;

	HASH_ITER(hh, datapath->stage.table, staged, next) {
		if (!staged->port || staged->is_failed)
			continue;
		maglev_tables_prepare(shadow, staged);
		keep_first(first, publish_port(datapath, staged));
		if (staged->table_fd >= 0)
			with_table[n++] = staged;
		if (n == MAGLEV_TABLES_BATCH) {
			publish_tables(shadow, with_table, n);
			n = 0;
		}
	}
	publish_tables(shadow, with_table, n);
}

/* Entries of frontends deleted just before may be all that is free: then wait until they are. */
static int insert_frontend(struct datapath *datapath, struct shadow_frontend *frontend)
{
	int r;

	r = publish_insert(&datapath->shadow, frontend);
	if (r != -ENOSPC || !datapath->deleted_seq || datapath->deleted_seq > datapath->seq)
		return r;
	grace_wait(datapath->grace, datapath->deleted_seq);
	datapath_grace_done(datapath);
	return publish_insert(&datapath->shadow, frontend);
}

static int insert_frontends(struct datapath *datapath, struct staged *staged)
{
	struct shadow_frontend *frontend;
	int first = 0;

	for (frontend = staged->target->frontends; frontend; frontend = frontend->next) {
		if (frontend->is_inserted)
			continue;
		keep_first(&first, insert_frontend(datapath, frontend));
	}
	if (first < 0) {
		stage_say(staged, "no room in the frontend table: %s; raise --max-services",
			  strerror(-first));
		staged->is_failed = true;
	}
	return first;
}

static void insert_all(struct datapath *datapath, int *first)
{
	struct staged *staged, *next;

	HASH_ITER(hh, datapath->stage.table, staged, next) {
		if (staged->port && !staged->is_failed)
			keep_first(first, insert_frontends(datapath, staged));
	}
}

static void delete_orphans(struct datapath *datapath, int *first)
{
	struct shadow *shadow = &datapath->shadow;
	struct shadow_frontend *frontend, *next;

	for (frontend = shadow->orphans; frontend; frontend = next) {
		next = frontend->next;
		datapath->deleted_seq = shadow->seq;
		keep_first(first, publish_delete(shadow, frontend));
	}
}

/* Names go after the last frontend; the id only after the grace period. */
static int bury_port(struct shadow *shadow, struct shadow_port *port)
{
	int r;

	if (!port || port->is_dead || port->frontends)
		return 0;
	if (port->has_info) {
		r = maps_delete(shadow->maps, MAP_SERVICE_INFO, &port->id);
		if (r < 0)
			return r;
	}
	port->has_info = false;
	port->has_ranges = false;
	maglev_tables_drop(shadow, port);
	shadow_kill_port(shadow, port);
	return 0;
}

static void bury_all(struct datapath *datapath, int *first)
{
	struct staged *staged, *next;

	HASH_ITER(hh, datapath->stage.table, staged, next) {
		if (!staged->port)
			keep_first(first, bury_port(&datapath->shadow, staged->target));
	}
}

/* What is written is forgotten, what is not is tried again by the next commit. */
static void unstage_all(struct datapath *datapath, int *first)
{
	struct staged *staged, *next;
	int r;

	HASH_ITER(hh, datapath->stage.table, staged, next) {
		bool is_kept = staged->is_failed || staged->lacks_table;

		r = is_kept ? stage_keep(staged) : 0;
		keep_first(first, r);
		if (!is_kept || r < 0)
			stage_drop(&datapath->stage, staged);
	}
}

/* Asks for the grace period when something waits for it. */
static int request_grace(struct datapath *datapath)
{
	const struct shadow *shadow = &datapath->shadow;

	if (datapath->deleted_seq == shadow->seq || shadow_has_garbage(shadow, shadow->seq) ||
	    datapath->is_sweep_due) {
		datapath->seq = shadow->seq;
		grace_request(datapath->grace, datapath->seq);
	}
	if (!datapath->is_sweep_due)
		return 0;
	datapath->is_sweep_due = false;
	if (datapath->collector)
		flow_collector_start(datapath->collector, datapath->seq);
	return datapath->sweeper ? sweeper_start(datapath->sweeper, datapath->seq) : 0;
}

/* Return: 0; the first error; all that could be written is. */
static int write_staged(struct datapath *datapath, bool is_complete)
{
	int first = 0;

	datapath->shadow.seq = datapath->seq + 1;
	plan_all(datapath, &first);
	publish_all(datapath, &first);
	insert_all(datapath, &first);
	delete_orphans(datapath, &first);
	bury_all(datapath, &first);
	maglev_tables_flush(&datapath->shadow);
	unstage_all(datapath, &first);
	keep_first(&first, health_commit(&datapath->shadow, is_complete));
	if (is_complete)
		keep_first(&first, serving_complete(datapath));
	keep_first(&first, request_grace(datapath));
	return first;
}

int datapath_commit(struct datapath *datapath, bool is_complete)
{
	uint64_t start_ns = clock_now_ns(CLOCK_MONOTONIC), n_before = datapath->maps.n_written;
	int r;

	datapath_grace_done(datapath);
	datapath->has_space = false;
	begin_sync(datapath->maps.meta);
	r = settle(datapath);
	if (!r && is_complete)
		r = stage_leftovers(datapath);
	if (!r)
		r = write_staged(datapath, is_complete);
	end_sync(datapath, start_ns);
	datapath->n_written = datapath->maps.n_written - n_before;
	/* The first list is in: what reading and writing it took goes back to the kernel. */
	if (is_complete)
		malloc_trim(0);
	return r;
}
