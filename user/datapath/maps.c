/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/maps.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "datapath/error.h"
#include "svcbpf/counters.h"
#include "util/cleanup.h"

#define PATH_BYTES 4352

/* PART_BYTES - of a larger array the agent maps so much at a time. */
#define PART_BYTES ((size_t)64 * 1024)

/* Rows that differ in name and value only. */
#define MAPPED_ARRAY(value_size)                                                                   \
	.type = BPF_MAP_TYPE_ARRAY, .key_size_bytes = sizeof(uint32_t),                            \
	.value_size_bytes = (value_size), .flags = BPF_F_MMAPABLE
#define HASH_OF(map_type, key, value_size)                                                         \
	.type = (map_type), .key_size_bytes = sizeof(key), .value_size_bytes = (value_size)

static const struct map_spec specs[N_MAPS] = {
	/* Each frontend has a slot in services: at most half of the entries of either table. */
	[MAP_FRONTENDS4] = {"frontends4", MAPPED_ARRAY(sizeof(struct svc_bucket4)),
			    .per_service = 1, .is_power_of_two = true},
	[MAP_FRONTENDS6] = {"frontends6", MAPPED_ARRAY(sizeof(struct svc_bucket6)),
			    .per_service = 2, .is_power_of_two = true},
	[MAP_SERVICES] = {"services", MAPPED_ARRAY(sizeof(struct svc_service)), .per_service = 1},
	[MAP_BACKENDS4] = {"backends4", MAPPED_ARRAY(sizeof(struct svc_backend4)),
			   .per_backend = 1},
	[MAP_BACKENDS6] = {"backends6", MAPPED_ARRAY(sizeof(struct svc_backend6)),
			   .per_backend = 1},
	[MAP_BACKEND_IDS4] = {"backend_ids4", MAPPED_ARRAY(sizeof(uint64_t)), .per_backend = 1},
	[MAP_BACKEND_IDS6] = {"backend_ids6", MAPPED_ARRAY(sizeof(uint64_t)), .per_backend = 1},
	[MAP_AFFINITY] = {"affinity",
			  HASH_OF(BPF_MAP_TYPE_LRU_HASH, struct svc_affinity_key,
				  sizeof(struct svc_affinity)),
			  .fixed = 65536},
	[MAP_REV_OWNERS] = {"rev_owners", MAPPED_ARRAY(sizeof(uint64_t)), .fixed = SVC_REV_SLOTS},
	[MAP_REV_SLOTS] = {"rev_slots", MAPPED_ARRAY(sizeof(struct svc_rev)),
			   .fixed = SVC_REV_SLOTS},
	[MAP_REV_STATE] = {"rev_state", BPF_MAP_TYPE_ARRAY, sizeof(uint32_t),
			   sizeof(struct svc_rev_state), .fixed = 1},
	[MAP_REV_MORE] = {"rev_more",
			  HASH_OF(BPF_MAP_TYPE_LRU_HASH, struct svc_rev_key,
				  sizeof(struct svc_rev_value)),
			  .fixed = 65536},
	[MAP_REV_STORAGE] = {"rev_storage", BPF_MAP_TYPE_SK_STORAGE, sizeof(int),
			     sizeof(struct svc_rev), .flags = BPF_F_NO_PREALLOC,
			     .is_from_object = true},
	[MAP_NODE_ADDRS] = {"node_addrs", HASH_OF(BPF_MAP_TYPE_HASH, struct svc_node_addr, 4),
			    .fixed = 4096},
	[MAP_ADDR_FILTER] = {"addr_filter", MAPPED_ARRAY(sizeof(uint64_t)),
			     .fixed = SVC_ADDR_FILTER_WORDS},
	[MAP_NODEPORT_FILTER] = {"nodeport_filter", MAPPED_ARRAY(sizeof(uint64_t)),
				 .fixed = SVC_PORT_FILTER_WORDS},
	[MAP_COUNTERS] = {"counters", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t), sizeof(uint64_t),
			  .fixed = SVC_N_COUNTERS},
	[MAP_SERVICE_INFO] = {"service_info",
			      HASH_OF(BPF_MAP_TYPE_HASH, uint32_t, sizeof(struct svc_service_info)),
			      .flags = BPF_F_NO_PREALLOC, .per_service = 1},
	[MAP_SOURCE_RANGES] = {"source_ranges",
			       HASH_OF(BPF_MAP_TYPE_LPM_TRIE, struct svc_source_range, 4),
			       .flags = BPF_F_NO_PREALLOC, .per_service = 1},
	[MAP_HEALTH_CHECKS] = {"health_checks",
			       HASH_OF(BPF_MAP_TYPE_HASH, struct svc_health_key,
				       sizeof(struct svc_health)),
			       .flags = BPF_F_NO_PREALLOC, .per_service = 1},
	[MAP_META] = {"meta", MAPPED_ARRAY(sizeof(struct svc_meta)), .fixed = 1},
	[MAP_PROBLEMS] = {"problems", BPF_MAP_TYPE_ARRAY, sizeof(uint32_t),
			  sizeof(struct svc_problem), .fixed = SVC_MAX_PROBLEMS},
	/* Two entries a flow, one for each direction. */
	[MAP_FLOWS4] = {"flows4",
			HASH_OF(BPF_MAP_TYPE_LRU_HASH, struct svc_flow_key4,
				sizeof(struct svc_flow4)),
			.per_flow = 2, .is_packet_path = true},
	[MAP_FLOWS6] = {"flows6",
			HASH_OF(BPF_MAP_TYPE_LRU_HASH, struct svc_flow_key6,
				sizeof(struct svc_flow6)),
			.per_flow = 2, .is_packet_path = true},
	[MAP_FRAGS] = {"frags",
		       HASH_OF(BPF_MAP_TYPE_LRU_HASH, struct svc_frag_key, sizeof(struct svc_frag)),
		       .fixed = 8192, .is_packet_path = true},
	[MAP_FLOW_FILTER] = {"flow_filter", BPF_MAP_TYPE_ARRAY, sizeof(uint32_t),
			     sizeof(struct svc_flow_filter), .fixed = SVC_N_FLOW_FILTERS,
			     .is_packet_path = true},
	[MAP_UDP_GENERATIONS] = {"udp_generations", MAPPED_ARRAY(sizeof(uint32_t)),
				 .fixed = SVC_GENERATIONS, .is_packet_path = true},
	[MAP_DEVICES] = {"devices", HASH_OF(BPF_MAP_TYPE_HASH, uint32_t, sizeof(struct svc_device)),
			 .fixed = 4096, .is_packet_path = true},
	[MAP_DEVICE_COUNTERS] = {"device_counters", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t),
				 sizeof(struct svc_device_counters), .fixed = SVC_DEVICE_SLOTS,
				 .is_packet_path = true},
	[MAP_SCRATCH] = {"scratch", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t),
			 sizeof(struct svc_scratch), .fixed = 1, .is_packet_path = true},
	[MAP_MAGLEV] = {"maglev", BPF_MAP_TYPE_HASH_OF_MAPS, sizeof(uint32_t), sizeof(uint32_t),
			.flags = BPF_F_NO_PREALLOC, .per_service = 1, .is_packet_path = true},
};

const struct map_spec *maps_spec(enum map_id id)
{
	return &specs[id];
}

enum map_id maps_find(const char *name)
{
	int id;

	for (id = 0; id < N_MAPS; id++) {
		if (!strcmp(specs[id].name, name))
			break;
	}
	return (enum map_id)id;
}

void maps_init(struct maps *maps)
{
	int id;

	memset(maps, 0, sizeof(*maps));
	for (id = 0; id < N_MAPS; id++)
		maps->fds[id] = -1;
}

void maps_close(struct maps *maps)
{
	int id;

	for (id = 0; id < N_MAPS; id++) {
		if (maps->windows)
			map_window_close(&maps->windows[id]);
		cleanup_close(&maps->fds[id]);
	}
	free(maps->windows);
	maps_init(maps);
}

/* Small arrays are always there, for what is read and written without an index. */
static size_t part_bytes_of(const struct maps *maps, int id, bool is_whole)
{
	if (is_whole || (size_t)specs[id].value_size_bytes * maps->capacities[id] <= PART_BYTES)
		return 0;
	return PART_BYTES;
}

static int map_areas(struct maps *maps, int protection, bool is_whole)
{
	int id, r;

	maps->windows = calloc(N_MAPS, sizeof(*maps->windows));
	if (!maps->windows)
		return -ENOMEM;
	for (id = 0; id < N_MAPS; id++) {
		if (!(specs[id].flags & BPF_F_MMAPABLE) || maps->fds[id] < 0)
			continue;
		r = map_window_open(maps->fds[id], protection, specs[id].value_size_bytes,
				    maps->capacities[id], part_bytes_of(maps, id, is_whole),
				    &maps->windows[id]);
		if (r < 0)
			return r;
	}
	maps->addr_filter = maps_at(maps, MAP_ADDR_FILTER, 0);
	maps->nodeport_filter = maps_at(maps, MAP_NODEPORT_FILTER, 0);
	maps->meta = maps_at(maps, MAP_META, 0);
	return 0;
}

/* Opens the pin of @id if it is there. Return: 0 (fds[id] tells whether it was) or negative errno.
 */
static int adopt(struct maps *maps, int id, const char *dir, uint32_t file_flags,
		 struct datapath_error *ret_error)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = file_flags);
	struct bpf_map_info info = {};
	uint32_t len_bytes = sizeof(info);
	char path[PATH_BYTES];
	_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, specs[id].name);
	fd = bpf_obj_get_opts(path, &opts);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return error_set(ret_error, fd, "%s: cannot open the pinned map: %s", path,
				 strerror(-fd));
	if (bpf_obj_get_info_by_fd(fd, &info, &len_bytes) || info.type != specs[id].type ||
	    info.key_size != specs[id].key_size_bytes ||
	    info.value_size != specs[id].value_size_bytes || info.map_flags != specs[id].flags)
		return error_set(ret_error, -EPROTO,
				 "%s: not a map as this svcbpf makes it; run svcbpf cleanup", path);
	maps->fds[id] = TAKE_FD(fd);
	maps->capacities[id] = info.max_entries;
	maps->is_pinned[id] = true;
	return 0;
}

static uint32_t capacity_of(const struct map_spec *spec, const struct map_sizes *sizes)
{
	uint32_t wanted = spec->fixed + spec->per_service * sizes->max_services +
			  spec->per_backend * sizes->max_backends +
			  spec->per_flow * sizes->max_flows;
	uint32_t power = 1;

	if (!spec->is_power_of_two)
		return wanted;
	while (power < wanted)
		power *= 2;
	return power;
}

/* The smallest of the maps inside a map of maps: those put into it may have more entries. */
static int create_template(const struct map_spec *spec)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);

	if (spec->type != BPF_MAP_TYPE_HASH_OF_MAPS)
		return -1;
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "inner", sizeof(uint32_t), sizeof(uint64_t), 1,
			      &opts);
}

static int create(struct maps *maps, int id, const struct map_sizes *sizes,
		  struct datapath_error *ret_error)
{
	const struct map_spec *spec = &specs[id];
	_close_ int inner_fd = create_template(spec);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = spec->flags);
	uint32_t capacity = capacity_of(spec, sizes);
	int fd;

	if (inner_fd >= 0)
		opts.inner_map_fd = (uint32_t)inner_fd;
	fd = bpf_map_create((enum bpf_map_type)spec->type, spec->name, spec->key_size_bytes,
			    spec->value_size_bytes, capacity, &opts);
	if (fd < 0)
		return error_set(ret_error, fd, "cannot make map %s with %u entries: %s",
				 spec->name, capacity, strerror(-fd));
	maps->fds[id] = fd;
	maps->capacities[id] = capacity;
	return 0;
}

int maps_open(struct maps *maps, const char *dir, const struct map_sizes *sizes,
	      struct datapath_error *ret_error)
{
	int id, r;

	for (id = 0; id < N_MAPS; id++) {
		if (specs[id].is_packet_path && !sizes->max_flows)
			continue;
		r = adopt(maps, id, dir, 0, ret_error);
		if (r < 0)
			return r;
		if (maps->fds[id] >= 0 || specs[id].is_from_object)
			continue;
		r = create(maps, id, sizes, ret_error);
		if (r < 0)
			return r;
	}
	r = map_areas(maps, PROT_READ | PROT_WRITE, false);
	if (r < 0)
		return error_set(ret_error, r, "cannot map the arrays: %s", strerror(-r));
	return 0;
}

/* A file descriptor that is not writable cannot be mapped shared, nor a map otherwise: EINVAL. */
int maps_open_readonly(struct maps *maps, const char *dir, struct datapath_error *ret_error)
{
	int id, r;

	for (id = 0; id < N_MAPS; id++) {
		r = adopt(maps, id, dir, specs[id].flags & BPF_F_MMAPABLE ? 0 : BPF_F_RDONLY,
			  ret_error);
		if (r < 0)
			return r;
		if (maps->fds[id] < 0 && !specs[id].is_from_object && !specs[id].is_packet_path)
			return error_set(ret_error, -ENOENT,
					 "%s/%s is not there: no svcbpf has run with this pin dir",
					 dir, specs[id].name);
	}
	r = map_areas(maps, PROT_READ, true);
	if (r < 0)
		return error_set(ret_error, r, "cannot map the arrays: %s", strerror(-r));
	return 0;
}

int maps_pin(struct maps *maps, const char *dir, struct datapath_error *ret_error)
{
	char path[PATH_BYTES];
	int id, r;

	for (id = 0; id < N_MAPS; id++) {
		if (maps->fds[id] < 0 || maps->is_pinned[id])
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, specs[id].name);
		r = bpf_obj_pin(maps->fds[id], path);
		if (r < 0)
			return error_set(ret_error, r, "cannot pin %s: %s", path, strerror(-r));
		maps->is_pinned[id] = true;
	}
	return 0;
}

int maps_unpin_packet_path(const char *dir)
{
	char path[PATH_BYTES];
	int id;

	for (id = 0; id < N_MAPS; id++) {
		if (!specs[id].is_packet_path)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, specs[id].name);
		if (unlink(path) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

void maps_will_write(struct maps *maps)
{
	if (maps->before_write)
		maps->before_write(maps->before_write_arg, maps->n_written);
	maps->n_written++;
}

int maps_insert(struct maps *maps, enum map_id id, const void *key, const void *value)
{
	maps_will_write(maps);
	return bpf_map_update_elem(maps->fds[id], key, value, BPF_ANY);
}

int maps_delete(struct maps *maps, enum map_id id, const void *key)
{
	int r;

	maps_will_write(maps);
	r = bpf_map_delete_elem(maps->fds[id], key);
	return r == -ENOENT ? 0 : r;
}

void maps_store(struct maps *maps, uint64_t *word, uint64_t value)
{
	if (*word == value)
		return;
	maps_will_write(maps);
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}
