/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in the kernel's maps, as the agent must know it to change them: which service ports,
 * frontends and blocks there are, which slots, blocks and ids are free, and what comes free when a
 * grace period has passed. Rebuilt from the maps at start (adopt.h).
 *
 * A frontend keeps its slot as long as its key exists, and each has a slot of its own. When an
 * address moves from one Service to another its slot is written anew in place, and no reader ever
 * misses the address. While it moves, a reader can see the new list with the old service id for
 * some nanoseconds; the worst outcome is one affinity entry under the Service that had the address,
 * or a packet judged by the source ranges or the Maglev table of the other of the two.
 */
#ifndef SVCBPF_DATAPATH_SHADOW_H
#define SVCBPF_DATAPATH_SHADOW_H

#include "datapath/convert.h"
#include "datapath/extents.h"
#include "datapath/frontend_table.h"
#include "datapath/maps.h"
#include "model/ids.h"
#include "util/table.h"

/* Index of a service port's two lists. */
#define LIST_CLUSTER 0
#define LIST_LOCAL   1
#define N_LISTS	     2

/* Index of what exists once for each family. */
#define FAMILY_INDEX(family) ((family) == SVC_FAMILY_IPV6 ? 1 : 0)
#define N_FAMILIES	     2

#define FILTER_REFS_MANY UINT8_MAX

struct shadow_port;

/**
 * struct shadow_frontend - a frontend.
 * @slot: in services, its own.  @type: SVC_TYPE_*.
 * @list: list word of its route, as the kernel has it or shall get it when it is inserted.
 * @is_inserted: the kernel's hash has it.  @is_kept: scratch of plan.c.
 * @owner: NULL: nobody wants it any more; then it is in struct shadow.orphans.
 */
struct shadow_frontend {
	struct frontend_key key;
	uint32_t slot;
	uint8_t type;
	bool is_inserted;
	bool is_kept;
	uint64_t list;
	struct shadow_port *owner;
	struct shadow_frontend *prev;
	struct shadow_frontend *next;
	UT_hash_handle hh;
};

/**
 * struct shadow_port - a service port.
 * @id: service id.
 * @is_wanted: was put since the start and not removed since.
 * @is_dead: everything of it is deleted; it waits for grace period @dead_seq, and lives again when
 *	it is put meanwhile.
 * @has_info: service_info has it.
 * @lists: list words as they were published last.
 * @has_table: maglev has a table for @id.  @table_list: the list it was made for; 0: not known.
 * @frontends: doubly linked.
 * @ranges: what source_ranges has for @id, owned.  @has_ranges: they are in force.
 * @serving: serving endpoints of a UDP port as they were put last, owned; those of before while
 *	there are none (serving.h).
 * @is_adopted: it was there before this agent, and which endpoints served then is not known.
 * @key: packed struct svc_service_info; shadow_port_info() unpacks it.
 */
struct shadow_port {
	uint32_t id;
	uint8_t family;
	uint8_t protocol;
	bool is_wanted;
	bool is_dead;
	bool has_info;
	bool has_ranges;
	bool has_table;
	bool is_adopted;
	uint64_t dead_seq;
	uint64_t table_list;
	uint64_t lists[N_LISTS];
	struct shadow_frontend *frontends;
	struct cidr *ranges;
	size_t n_ranges;
	struct backend_list serving;
	UT_hash_handle hh;
	char key[];
};

/**
 * struct shadow_block - a block of backends.
 * @key: family in the high 32 bits, base in the low.
 * @n_refs: list words in slots and routes that lead to it, and service ports planned to.
 */
struct shadow_block {
	uint64_t key;
	uint32_t count;
	uint32_t n_refs;
	uint8_t protocol;
	UT_hash_handle hh;
};

/**
 * struct shadow_health - an entry of health_checks.
 * @value: what the kernel has.  @wanted: what it shall have; node_port 0: nothing.
 * @is_inserted: the kernel has it.  @is_put: was put or removed since the start.
 */
struct shadow_health {
	struct svc_health_key key;
	struct svc_health value;
	struct svc_health wanted;
	bool is_inserted;
	bool is_put;
	UT_hash_handle hh;
};

/** struct shadow_node_addr - an entry of node_addrs. @is_wanted: scratch of node_addrs.c. */
struct shadow_node_addr {
	struct svc_node_addr key;
	bool is_wanted;
	UT_hash_handle hh;
};

/**
 * struct shadow_garbage - what comes free after grace period @seq; one of the others is set.
 * @generation: 1 + index of what is due for a step (generations.h).
 * @rangeless: its ranges are no longer in force.
 */
struct shadow_garbage {
	uint64_t seq;
	struct shadow_block *block;
	uint32_t slot;
	uint32_t generation;
	struct shadow_port *dead;
	struct shadow_port *rangeless;
};

/**
 * struct shadow - all of it.
 * @maps: borrowed.
 * @seq: grace period that new garbage waits for.
 * @garbage: ring of @garbage_capacity, @n_garbage of them from @garbage_head on, in order of seq.
 * @n_addr_refs, @n_port_refs: users of each bit of addr_filter and nodeport_filter;
 *FILTER_REFS_MANY is never counted down: such a bit stays set until the next start, which only
 *costs a look-up.
 * @tables: the kernel's frontend tables.
 * @service_ids: which are used.  @next_service_id: where the search for a free one goes on.
 * @orphans: frontends to delete, doubly linked.
 * @maglev_size: entries of a Maglev table; 0: no packet path.
 * @dropped_tables: ids of Maglev tables to delete, @n_dropped_tables, owned.
 */
struct shadow {
	struct maps *maps;
	struct shadow_port *ports;
	struct shadow_frontend *frontends;
	struct shadow_frontend *orphans;
	struct shadow_block *blocks;
	struct shadow_health *health;
	struct shadow_node_addr *node_addrs;
	struct extents *service_ids;
	uint32_t next_service_id;
	struct ids *backend_ids[N_FAMILIES];
	struct extents *slots;
	struct extents *space[N_FAMILIES];
	struct frontend_table *tables[N_FAMILIES];
	uint8_t *n_addr_refs;
	uint8_t *n_port_refs;
	uint32_t maglev_size;
	uint32_t *dropped_tables;
	size_t n_dropped_tables;
	uint64_t seq;
	struct shadow_garbage *garbage;
	size_t garbage_head;
	size_t n_garbage;
	size_t garbage_capacity;
};

/**
 * shadow_init() - empty, for these maps.
 * Return: 0 or -ENOMEM; shadow_clear() in both cases.
 */
int shadow_init(struct shadow *shadow, struct maps *maps);

/** shadow_clear() - free everything; the kernel's maps are not touched. */
void shadow_clear(struct shadow *shadow);

/** shadow_find_port() - NULL when there is none; a dead one is found too. */
struct shadow_port *shadow_find_port(const struct shadow *shadow,
				     const struct svc_service_info *info);

/** shadow_port_info() - the names of a service port. */
void shadow_port_info(const struct shadow_port *port, struct svc_service_info *ret_info);

/**
 * shadow_get_port() - find or add the service port; a dead one lives again.
 * Return: 0; -ENOSPC: no service id is free; -ENOMEM.
 */
int shadow_get_port(struct shadow *shadow, const struct svc_service_info *info,
		    struct shadow_port **ret);

/** shadow_adopt_port() - add one that has its id already. Return: 0; -EUCLEAN; -ENOMEM. */
int shadow_adopt_port(struct shadow *shadow, const struct svc_service_info *info, uint32_t id);

/** shadow_drop_port() - forget it and give its id back; it has no frontends. */
void shadow_drop_port(struct shadow *shadow, struct shadow_port *port);

/** shadow_find_frontend() - NULL when there is none. */
struct shadow_frontend *shadow_find_frontend(const struct shadow *shadow,
					     const struct frontend_key *key);

/**
 * shadow_add_frontend() - add one with a slot of its own, as an orphan that is not inserted.
 * @slot: the slot it has; 0: a free one.
 * Return: 0; -ENOSPC; -EUCLEAN when @slot is taken or out of range; -ENOMEM.
 */
int shadow_add_frontend(struct shadow *shadow, const struct frontend_key *key, uint32_t slot,
			struct shadow_frontend **ret);

/** shadow_give_frontend() - make @owner (NULL: nobody) the owner. */
void shadow_give_frontend(struct shadow *shadow, struct shadow_frontend *frontend,
			  struct shadow_port *owner);

/** shadow_drop_frontend() - forget it; its slot is the caller's. */
void shadow_drop_frontend(struct shadow *shadow, struct shadow_frontend *frontend);

/** shadow_kill_port() - everything of it is deleted: it is garbage, with its id and ranges. */
void shadow_kill_port(struct shadow *shadow, struct shadow_port *port);

/** shadow_backend_ids() - the set that holds @key. */
static inline struct ids *shadow_backend_ids(const struct shadow *shadow,
					     const struct backend_key *key)
{
	return shadow->backend_ids[FAMILY_INDEX(key->family)];
}

/** shadow_service() - the slot's record, valid until the next call (maps_at()). */
struct svc_service *shadow_service(const struct shadow *shadow, uint32_t slot);

/**
 * shadow_add_garbage() - @garbage comes free after grace period shadow->seq. Without memory to
 * remember it, it stays in use until the agent's next start; a generation is stepped at once.
 */
void shadow_add_garbage(struct shadow *shadow, const struct shadow_garbage *garbage);

/** shadow_has_garbage() - whether something waits for just grace period @seq, the newest. */
bool shadow_has_garbage(const struct shadow *shadow, uint64_t seq);

/**
 * shadow_collect() - take back what waited for grace periods up to @seq.
 * Return: how many things came free.
 */
size_t shadow_collect(struct shadow *shadow, uint64_t seq);

#endif
