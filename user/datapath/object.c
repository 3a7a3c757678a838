/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "datapath/error.h"
#include "datapath/require.h"
#include "sock.skel.h"
#include "sock_compat.skel.h"
#include "util/cleanup.h"
#include "util/log.h"

#define LOG_LINE_BYTES 240

struct object {
	struct bpf_object *bpf;
};

/*
 * The first warning of libbpf while it loads for this thread: it names the cause. libbpf's print
 * function has no argument for its user, so the place to write to is a variable of the thread,
 * set by object_load() alone and for as long as it runs.
 */
static _Thread_local char *first_warning;

static int keep_warning(enum libbpf_print_level level, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static int keep_warning(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[4096];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("%s", line);
	if (level == LIBBPF_WARN && first_warning && !*first_warning)
		snprintf(first_warning, LOG_LINE_BYTES, "%.*s", LOG_LINE_BYTES - 1, line);
	return 0;
}

const struct program_spec *object_programs(size_t *ret_n)
{
	static const struct program_spec programs[] = {
		{"sock_release", BPF_CGROUP_INET_SOCK_RELEASE},
		{"recvmsg4", BPF_CGROUP_UDP4_RECVMSG},
		{"recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
		{"getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
		{"getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
		{"sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
		{"sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
		{"connect4", BPF_CGROUP_INET4_CONNECT},
		{"connect6", BPF_CGROUP_INET6_CONNECT},
	};

	*ret_n = ARRAY_SIZE(programs);
	return programs;
}

static struct bpf_object *open_build(uint32_t features)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "svcbpf_sock");
	const void *elf;
	size_t len_bytes;

	elf = features & SVC_FEATURE_CMPXCHG ? sock_bpf__elf_bytes(&len_bytes)
					     : sock_compat_bpf__elf_bytes(&len_bytes);
	return bpf_object__open_mem(elf, len_bytes, &opts);
}

static int set_config(struct bpf_object *bpf, const struct maps *maps)
{
	struct svc_config config = {
		.host_netns_cookie = require_netns_cookie(),
		.hash_seed = maps->meta->hash_seed,
		.mask4 = maps->capacities[MAP_FRONTENDS4] - 1,
		.mask6 = maps->capacities[MAP_FRONTENDS6] - 1,
	};
	struct bpf_map *map = bpf_object__find_map_by_name(bpf, ".rodata");

	if (getrandom(&config.random_seed, sizeof(config.random_seed), 0) < 0)
		return -errno;
	return map ? bpf_map__set_initial_value(map, &config, sizeof(config)) : -ENOENT;
}

static bool is_as_specified(const struct bpf_map *map, const struct map_spec *spec)
{
	return bpf_map__type(map) == (enum bpf_map_type)spec->type &&
	       bpf_map__key_size(map) == spec->key_size_bytes &&
	       bpf_map__value_size(map) == spec->value_size_bytes &&
	       bpf_map__map_flags(map) == spec->flags;
}

/* Gives each map of the object the one that is open; the table and the object must agree. */
static int reuse_maps(struct bpf_object *bpf, const struct maps *maps,
		      struct datapath_error *ret_error)
{
	struct bpf_map *map;
	enum map_id id;
	int r = 0;

	bpf_object__for_each_map(map, bpf) {
		if (bpf_map__is_internal(map))
			continue;
		id = maps_find(bpf_map__name(map));
		if (id == N_MAPS || !is_as_specified(map, maps_spec(id)))
			return error_set(ret_error, -EPROTO,
					 "map %s is not the same in the programs and in the agent",
					 bpf_map__name(map));
		if (maps->fds[id] >= 0)
			r = bpf_map__reuse_fd(map, maps->fds[id]);
		if (r < 0)
			return error_set(ret_error, r, "cannot use map %s: %s", bpf_map__name(map),
					 strerror(-r));
	}
	return 0;
}

/* Maps that libbpf made become ours, to be pinned with the others. */
static int take_maps(struct bpf_object *bpf, struct maps *maps)
{
	const struct bpf_map *map;
	int id, fd;

	for (id = 0; id < N_MAPS; id++) {
		if (maps->fds[id] >= 0)
			continue;
		map = bpf_object__find_map_by_name(bpf, maps_spec((enum map_id)id)->name);
		if (!map)
			continue;
		fd = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
		maps->fds[id] = fd;
	}
	return 0;
}

static int explain_load(int r, const char *warning, struct datapath_error *ret_error)
{
	if (!require_has_btf())
		return error_set(ret_error, -EOPNOTSUPP,
				 "the kernel has no BTF (/sys/kernel/btf/vmlinux is missing): it "
				 "must be built with CONFIG_DEBUG_INFO_BTF");
	return error_set(ret_error, r, "cannot load the programs: %s (%s)", strerror(-r),
			 *warning ? warning : "libbpf gave no reason");
}

static int load(struct object *object, struct maps *maps, uint32_t features,
		struct datapath_error *ret_error)
{
	const char *warning = first_warning;
	int r;

	object->bpf = open_build(features);
	if (!object->bpf) {
		r = -errno;
		return explain_load(r, warning, ret_error);
	}
	r = set_config(object->bpf, maps);
	if (r < 0)
		return error_set(ret_error, r, "the programs' constants are not as expected: %s",
				 strerror(-r));
	r = reuse_maps(object->bpf, maps, ret_error);
	if (r < 0)
		return r;
	r = bpf_object__load(object->bpf);
	if (r < 0)
		return explain_load(r, warning, ret_error);
	r = take_maps(object->bpf, maps);
	if (r < 0)
		return error_set(ret_error, r, "cannot keep the programs' maps: %s", strerror(-r));
	return 0;
}

int object_load(struct maps *maps, uint32_t features, struct object **ret,
		struct datapath_error *ret_error)
{
	struct object *object = calloc(1, sizeof(*object));
	char warning[LOG_LINE_BYTES] = "";
	libbpf_print_fn_t old_print;
	int r;

	if (!object)
		return error_set(ret_error, -ENOMEM, "out of memory");
	first_warning = warning;
	old_print = libbpf_set_print(keep_warning);
	r = load(object, maps, features, ret_error);
	libbpf_set_print(old_print);
	first_warning = NULL;
	if (r < 0) {
		object_free(object);
		return r;
	}
	*ret = object;
	return 0;
}

void object_free(struct object *object)
{
	if (!object)
		return;
	bpf_object__close(object->bpf);
	free(object);
}

int object_program_fd(const struct object *object, const char *name)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(object->bpf, name);

	return program ? bpf_program__fd(program) : -ENOENT;
}
