/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All maps of a pin directory: one table says what each is, the agent makes or adopts them by it,
 * and the programs are given what it says.
 */
#ifndef SVCBPF_DATAPATH_MAPS_H
#define SVCBPF_DATAPATH_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/datapath.h"
#include "datapath/map_window.h"
#include "svcbpf/abi.h"

enum map_id {
	MAP_FRONTENDS4,
	MAP_FRONTENDS6,
	MAP_SERVICES,
	MAP_BACKENDS4,
	MAP_BACKENDS6,
	MAP_BACKEND_IDS4,
	MAP_BACKEND_IDS6,
	MAP_AFFINITY,
	MAP_REV_OWNERS,
	MAP_REV_SLOTS,
	MAP_REV_STATE,
	MAP_REV_MORE,
	MAP_REV_STORAGE,
	MAP_NODE_ADDRS,
	MAP_ADDR_FILTER,
	MAP_NODEPORT_FILTER,
	MAP_COUNTERS,
	MAP_SERVICE_INFO,
	MAP_SOURCE_RANGES,
	MAP_HEALTH_CHECKS,
	MAP_META,
	MAP_PROBLEMS,
	MAP_FLOWS4,
	MAP_FLOWS6,
	MAP_FRAGS,
	MAP_FLOW_FILTER,
	MAP_UDP_GENERATIONS,
	MAP_DEVICES,
	MAP_DEVICE_COUNTERS,
	MAP_SCRATCH,
	MAP_MAGLEV,
	N_MAPS
};

/**
 * struct map_spec - what a map is.
 * @type: BPF_MAP_TYPE_*.  @flags: BPF_F_*.
 * @fixed, @per_service, @per_backend, @per_flow: capacity = fixed + per_service * max_services +
 *...; with @is_power_of_two rounded up to one.
 * @is_packet_path: only there where the packet path is, or was, in use.
 * @is_from_object: libbpf makes it when it loads the programs, because it needs their BTF.
 */
struct map_spec {
	const char *name;
	uint32_t type;
	uint32_t key_size_bytes;
	uint32_t value_size_bytes;
	uint32_t flags;
	uint32_t fixed;
	uint8_t per_service;
	uint8_t per_backend;
	uint8_t per_flow;
	bool is_packet_path;
	bool is_power_of_two;
	bool is_from_object;
};

/** maps_spec() - the table's row for @id; borrowed, static. */
const struct map_spec *maps_spec(enum map_id id);

/** maps_find() - the id of the map called @name; N_MAPS when there is none. */
enum map_id maps_find(const char *name);

/**
 * struct maps - open maps; all fields are for reading, writes go through the functions below.
 * @fds: -1 when not there.
 * @capacities: max_entries as the kernel has it.
 * @is_pinned: adopted from a pin or pinned since.
 * @windows: of the mmapable ones, N_MAPS, owned; see maps_at().
 * @addr_filter, @nodeport_filter, @meta: small ones, mapped whole.
 * @before_write, @before_write_arg: called before each step that changes a map, with 0 as the first
 *	step; NULL but in tests, which kill the process there.
 * @n_written: steps so far.
 */
struct maps {
	int fds[N_MAPS];
	uint32_t capacities[N_MAPS];
	bool is_pinned[N_MAPS];
	struct map_window *windows;
	uint64_t *addr_filter;
	uint64_t *nodeport_filter;
	struct svc_meta *meta;
	void (*before_write)(void *arg, uint64_t step);
	void *before_write_arg;
	uint64_t n_written;
};

/** maps_init() - nothing open; maps_close() copes with it. */
void maps_init(struct maps *maps);

/**
 * struct map_sizes - what the capacities of new maps are computed from.
 * @max_flows: 0: no packet path, and none of its maps.
 */
struct map_sizes {
	uint32_t max_services;
	uint32_t max_backends;
	uint32_t max_flows;
};

/**
 * maps_open() - adopt what is pinned in @dir and make the rest, not pinned yet.
 * @dir: folder on a bpffs, as pin_maps_dir() gives it; need not exist.
 * @sizes: capacities of new maps; adopted ones keep theirs. Without @max_flows maps of the packet
 *	path are not adopted either.
 * Return: 0; -EPROTO: a pin there is no map of ours; -EPERM; other errors of bpf(2).
 */
int maps_open(struct maps *maps, const char *dir, const struct map_sizes *sizes,
	      struct datapath_error *ret_error);

/** maps_open_readonly() - open what is pinned in @dir for reading. Return: as maps_open(). */
int maps_open_readonly(struct maps *maps, const char *dir, struct datapath_error *ret_error);

/** maps_pin() - pin in @dir what is not pinned yet. Return: 0 or negative errno. */
int maps_pin(struct maps *maps, const char *dir, struct datapath_error *ret_error);

/** maps_unpin_packet_path() - unpin the maps of the packet path in @dir, if they are there. Return:
 * 0 or negative errno. */
int maps_unpin_packet_path(const char *dir);

/** maps_close() - unmap and close; what is pinned stays. */
void maps_close(struct maps *maps);

/** maps_insert() - add or replace an entry. Return: 0 or negative errno of bpf(2). */
int maps_insert(struct maps *maps, enum map_id id, const void *key, const void *value);

/** maps_delete() - delete an entry; one that is not there is fine. Return: 0 or negative errno. */
int maps_delete(struct maps *maps, enum map_id id, const void *key);

/** maps_store() - store a word of a mapped array with release order, when it differs. */
void maps_store(struct maps *maps, uint64_t *word, uint64_t value);

/** maps_will_write() - tell that a step which changes a mapped array directly comes now. */
void maps_will_write(struct maps *maps);

/**
 * maps_at() - entry @index of a mmapable array; below capacities[id].
 *
 * The agent maps parts of the large arrays: the pointer is valid until the next maps_at() of the
 * same map. Maps opened by maps_open_readonly() are mapped whole.
 */
static inline void *maps_at(const struct maps *maps, enum map_id id, uint32_t index)
{
	return map_window_at(&maps->windows[id], index);
}

/** maps_load() - read a word of a mapped array with acquire order. */
static inline uint64_t maps_load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/**
 * maps_for_each() - call @fn for each entry of a HASH, LRU_HASH or LPM_TRIE; @key and @value are
 * borrowed for the call. A negative return ends the walk.
 * Return: 0, what @fn returned, negative errno of bpf(2); -EAGAIN when the map changed so much
 * meanwhile that the walk does not end.
 */
int maps_for_each(const struct maps *maps, enum map_id id,
		  int (*fn)(void *arg, const void *key, const void *value), void *arg);

/**
 * maps_for_each_batch() - the same with many entries a call: @keys and @values are arrays of @n in
 * the map's own sizes, borrowed for the call, which may take its time. Falls back to one entry a
 * call where the kernel has no batches for this kind of map.
 */
int maps_for_each_batch(const struct maps *maps, enum map_id id,
			int (*fn)(void *arg, const void *keys, const void *values, uint32_t n),
			void *arg);

#endif
