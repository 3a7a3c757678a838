/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/maglev_tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "model/maglev.h"
#include "util/cleanup.h"

_Static_assert(MAGLEV_NONE == SVC_MAGLEV_NONE, "one meaning in the model and in the kernel");

/* ------------------------------------------------------------------ what is in a table */

static void read_backend(const struct maps *maps, const struct svc_service_info *info,
			 uint32_t index, struct maglev_backend *ret)
{
	struct backend backend;

	if (info->family == SVC_FAMILY_IPV4)
		convert_entry4(maps_at(maps, MAP_BACKENDS4, index), &backend);
	else
		convert_entry6(maps_at(maps, MAP_BACKENDS6, index), &backend);
	*ret = (struct maglev_backend){
		.addr = backend.addr,
		.port = backend.port,
		.protocol = info->protocol,
		.weight = 1,
	};
}

static int fill(const struct maps *maps, const struct svc_service_info *info, uint64_t list,
		uint32_t size, uint16_t *table)
{
	_free_ struct maglev_backend *backends = NULL;
	uint32_t n = svc_list_count(list), i;

	backends = calloc(n + 1, sizeof(*backends));
	if (!backends)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		read_backend(maps, info, svc_list_base(list) + i, &backends[i]);
	return maglev_fill(backends, n, size, table);
}

int maglev_tables_words(const struct maps *maps, const struct svc_service_info *info, uint64_t list,
			uint32_t size, uint64_t **ret_words, uint32_t *ret_n)
{
	const uint32_t n_words = (size + SVC_MAGLEV_PER_WORD - 1) / SVC_MAGLEV_PER_WORD;
	const uint32_t n_entries = n_words * SVC_MAGLEV_PER_WORD;
	_free_ uint64_t *words = NULL;
	_free_ uint16_t *table = NULL;
	uint32_t i;
	int r;

	table = calloc(n_entries, sizeof(*table));
	words = calloc(n_words, sizeof(*words));
	if (!table || !words)
		return -ENOMEM;
	r = fill(maps, info, list, size, table);
	if (r < 0)
		return r;
	for (i = size; i < n_entries; i++)
		table[i] = SVC_MAGLEV_NONE;
	for (i = 0; i < n_entries; i++)
		words[i / SVC_MAGLEV_PER_WORD] |= (uint64_t)table[i]
						  << 16 * (i % SVC_MAGLEV_PER_WORD);
	*ret_words = TAKE_PTR(words);
	*ret_n = n_words;
	return 0;
}

/* ------------------------------------------------------------------ making one */

static int write_words(int fd, const uint64_t *words, uint32_t n)
{
	_free_ uint32_t *keys = calloc(n, sizeof(*keys));
	uint32_t count = n, i;

	if (!keys)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		keys[i] = i;
	return bpf_map_update_batch(fd, keys, words, &count, NULL);
}

static int make_table(const struct shadow *shadow, const struct svc_service_info *info,
		      uint64_t list, int *ret_fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	_free_ uint64_t *words = NULL;
	_close_ int fd = -1;
	uint32_t n;
	int r;

	r = maglev_tables_words(shadow->maps, info, list, shadow->maglev_size, &words, &n);
	if (r < 0)
		return r;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "maglev_table", sizeof(uint32_t), sizeof(uint64_t),
			    n, &opts);
	if (fd < 0)
		return fd;
	r = write_words(fd, words, n);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* The list that the table of a planned service port must fit; 0: it shall have none. */
static uint64_t wanted_list(const struct shadow *shadow, const struct staged *staged)
{
	uint64_t list = staged->lists[staged->port->is_external_local ? LIST_LOCAL : LIST_CLUSTER];

	if (!shadow->maglev_size || !staged->port->is_maglev || !svc_list_count(list))
		return 0;
	return list;
}

static void fail(struct staged *staged, int r)
{
	staged->lacks_table = true;
	stage_say(staged, "cannot make its Maglev table: %s; backends are chosen at random",
		  strerror(-r));
}

void maglev_tables_prepare(struct shadow *shadow, struct staged *staged)
{
	const struct shadow_port *target = staged->target;
	uint64_t list = wanted_list(shadow, staged);
	int r;

	staged->lacks_table = false;
	if (!list || (target->has_table && target->table_list == list))
		return;
	r = make_table(shadow, &staged->info, list, &staged->table_fd);
	if (r < 0)
		fail(staged, r);
}

bool maglev_tables_is_wanted(const struct shadow *shadow, const struct staged *staged)
{
	return staged->target->has_table && !staged->lacks_table && wanted_list(shadow, staged);
}

/* ------------------------------------------------------------------ into the kernel and out */

static int insert_one(struct shadow *shadow, const struct staged *staged)
{
	const uint32_t fd = (uint32_t)staged->table_fd;

	return bpf_map_update_elem(shadow->maps->fds[MAP_MAGLEV], &staged->target->id, &fd,
				   BPF_ANY);
}

static bool insert_batch(struct shadow *shadow, struct staged *const *staged, size_t n)
{
	uint32_t ids[MAGLEV_TABLES_BATCH], fds[MAGLEV_TABLES_BATCH], count = (uint32_t)n;
	size_t i;

	for (i = 0; i < n; i++) {
		ids[i] = staged[i]->target->id;
		fds[i] = (uint32_t)staged[i]->table_fd;
	}
	return n > 1 &&
	       !bpf_map_update_batch(shadow->maps->fds[MAP_MAGLEV], ids, fds, &count, NULL);
}

void maglev_tables_publish(struct shadow *shadow, struct staged *const *staged, size_t n)
{
	bool is_done;
	size_t i;
	int r;

	if (!n)
		return;
	maps_will_write(shadow->maps);
	/* A kernel without batches, or one table that fails: one after the other. */
	is_done = insert_batch(shadow, staged, n);
	for (i = 0; i < n; i++) {
		r = is_done ? 0 : insert_one(shadow, staged[i]);
		cleanup_close(&staged[i]->table_fd);
		staged[i]->table_fd = -1;
		if (r < 0) {
			fail(staged[i], r);
			continue;
		}
		staged[i]->target->has_table = true;
		staged[i]->target->table_list = wanted_list(shadow, staged[i]);
	}
}

static void delete_all(struct shadow *shadow, uint32_t *ids, uint32_t n)
{
	const int fd = shadow->maps->fds[MAP_MAGLEV];
	uint32_t count = n, i;

	if (!n)
		return;
	maps_will_write(shadow->maps);
	if (n > 1 && !bpf_map_delete_batch(fd, ids, &count, NULL))
		return;
	/* A kernel without batches, or one that stopped at a table which was not there. */
	for (i = 0; i < n; i++)
		bpf_map_delete_elem(fd, &ids[i]);
}

/* Without memory to remember it, it is deleted at once. */
static void drop_id(struct shadow *shadow, uint32_t id)
{
	uint32_t *grown =
		reallocarray(shadow->dropped_tables, shadow->n_dropped_tables + 1, sizeof(*grown));

	if (!grown) {
		delete_all(shadow, &id, 1);
		return;
	}
	grown[shadow->n_dropped_tables++] = id;
	shadow->dropped_tables = grown;
}

void maglev_tables_drop(struct shadow *shadow, struct shadow_port *port)
{
	if (!port->has_table)
		return;
	port->has_table = false;
	port->table_list = 0;
	drop_id(shadow, port->id);
}

void maglev_tables_flush(struct shadow *shadow)
{
	delete_all(shadow, shadow->dropped_tables, (uint32_t)shadow->n_dropped_tables);
	free(shadow->dropped_tables);
	shadow->dropped_tables = NULL;
	shadow->n_dropped_tables = 0;
}

/* ------------------------------------------------------------------ an earlier agent's */

/** struct tables_walk - maglev_tables_adopt() under way. @has_table: by service id, of @n_ids. */
struct tables_walk {
	bool *has_table;
	uint32_t n_ids;
	struct shadow *shadow;
};

static int note_table(void *arg, const void *key, const void *value)
{
	struct tables_walk *walk = arg;
	uint32_t id;

	(void)value;
	memcpy(&id, key, sizeof(id));
	if (id < walk->n_ids)
		walk->has_table[id] = true;
	else
		drop_id(walk->shadow, id);
	return 0;
}

int maglev_tables_adopt(struct shadow *shadow)
{
	const struct svc_meta *meta = shadow->maps->meta;
	const bool is_whole = !(meta->sync_open & 1) && meta->maglev_size == shadow->maglev_size;
	_free_ bool *has_table = NULL;
	struct tables_walk walk = {.shadow = shadow};
	struct shadow_port *port;
	uint32_t id;
	int r;

	if (!shadow->maglev_size)
		return 0;
	walk.n_ids = shadow->maps->capacities[MAP_SERVICE_INFO] + 1;
	walk.has_table = has_table = calloc(walk.n_ids, sizeof(*has_table));
	if (!has_table)
		return -ENOMEM;
	r = maps_for_each(shadow->maps, MAP_MAGLEV, note_table, &walk);
	if (r < 0)
		return r;
	for (port = shadow->ports; port; port = port->hh.next) {
		port->has_table = has_table[port->id];
		has_table[port->id] = false;
		if (!is_whole || !port->has_table)
			port->table_list = 0;
	}
	/* What is left belongs to nobody; maglev_tables_flush() deletes it in the first commit. */
	for (id = 0; id < walk.n_ids; id++) {
		if (has_table[id])
			drop_id(shadow, id);
	}
	return 0;
}
