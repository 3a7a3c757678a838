/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "datapath/bpf_log.h"
#include "datapath/error.h"
#include "datapath/require.h"
#include "packet.skel.h"
#include "sock.skel.h"
#include "sock_compat.skel.h"
#include "util/cleanup.h"
#include "xdp.skel.h"

struct object {
	struct bpf_object *bpf;
};

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

static struct bpf_object *open_build(const struct object_request *request)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "svcbpf_sock");
	const void *elf;
	size_t len_bytes;

	if (request->kind == OBJECT_XDP) {
		opts.object_name = "svcbpf_xdp";
		elf = xdp_bpf__elf_bytes(&len_bytes);
	} else if (request->kind != OBJECT_SOCK) {
		opts.object_name = "svcbpf_packet";
		elf = packet_bpf__elf_bytes(&len_bytes);
	} else if (request->features & SVC_FEATURE_CMPXCHG) {
		elf = sock_bpf__elf_bytes(&len_bytes);
	} else {
		elf = sock_compat_bpf__elf_bytes(&len_bytes);
	}
	return bpf_object__open_mem(elf, len_bytes, &opts);
}

/* Of the programs at tc only those of one kind of devices. */
static int choose_programs(struct bpf_object *bpf, enum object_kind kind)
{
	static const char bare[] = "_l3";
	struct bpf_program *program;
	int r = 0;

	if (kind != OBJECT_TC && kind != OBJECT_TC_BARE)
		return 0;
	bpf_object__for_each_program(program, bpf) {
		const char *name = bpf_program__name(program);
		const size_t len = strlen(name), n = strlen(bare);
		const bool is_bare = len > n && strcmp(name + len - n, bare) == 0;

		if (!r)
			r = bpf_program__set_autoload(program, is_bare == (kind == OBJECT_TC_BARE));
	}
	return r;
}

/* Where the object's BTF has the variable @name in .rodata. Return: 0; -ENOENT. */
static int find_constant(const struct bpf_object *bpf, const char *name, size_t size_bytes,
			 uint32_t *ret_offset)
{
	const struct btf *btf = bpf_object__btf(bpf);
	const int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *section = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	const struct btf_var_secinfo *var = section ? btf_var_secinfos(section) : NULL;

	for (uint32_t i = 0; section && i < btf_vlen(section); i++) {
		const struct btf_type *type = btf__type_by_id(btf, var[i].type);

		if (strcmp(btf__name_by_offset(btf, type->name_off), name) != 0 ||
		    var[i].size != size_bytes)
			continue;
		*ret_offset = var[i].offset;
		return 0;
	}
	return -ENOENT;
}

static int set_constant(struct bpf_object *bpf, const char *name, const void *value,
			size_t size_bytes)
{
	struct bpf_map *map = bpf_object__find_map_by_name(bpf, ".rodata");
	size_t section_bytes;
	const char *section = map ? bpf_map__initial_value(map, &section_bytes) : NULL;
	_free_ char *copy = NULL;
	uint32_t offset;
	int r;

	if (!section)
		return -ENOENT;
	r = find_constant(bpf, name, size_bytes, &offset);
	if (r < 0)
		return r;
	if (offset > section_bytes || size_bytes > section_bytes - offset)
		return -EPROTO;
	copy = malloc(section_bytes);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, section, section_bytes);
	memcpy(copy + offset, value, size_bytes);
	return bpf_map__set_initial_value(map, copy, section_bytes);
}

static int set_packet_config(struct bpf_object *bpf, const struct object_request *request)
{
	struct svc_packet_config config = *request->packet;

	config.is_bare = request->kind == OBJECT_TC_BARE;
	return set_constant(bpf, "svc_packet_config", &config, sizeof(config));
}

static int set_config(struct bpf_object *bpf, const struct maps *maps,
		      const struct object_request *request)
{
	struct svc_config config = {
		.host_netns_cookie = require_netns_cookie(),
		.hash_seed = maps->meta->hash_seed,
		.mask4 = maps->capacities[MAP_FRONTENDS4] - 1,
		.mask6 = maps->capacities[MAP_FRONTENDS6] - 1,
	};
	int r;

	if (getrandom(&config.random_seed, sizeof(config.random_seed), 0) < 0)
		return -errno;
	r = set_constant(bpf, "svc_config", &config, sizeof(config));
	return !r && request->kind != OBJECT_SOCK ? set_packet_config(bpf, request) : r;
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

static int explain_load(int r, const struct object_request *request, const char *warning,
			struct datapath_error *ret_error)
{
	if (!require_has_btf())
		return error_set(ret_error, -EOPNOTSUPP,
				 "the kernel has no BTF (/sys/kernel/btf/vmlinux is missing): it "
				 "must be built with CONFIG_DEBUG_INFO_BTF");
	if (!*warning)
		warning = "libbpf gave no reason";
	if (request->kind == OBJECT_XDP)
		return error_set(ret_error, r,
				 "cannot load the XDP program: %s (%s); --xdp off does without it",
				 strerror(-r), warning);
	return error_set(ret_error, r, "cannot load the %sprograms: %s (%s)%s",
			 request->kind == OBJECT_SOCK ? "" : "packet ", strerror(-r), warning,
			 request->kind == OBJECT_TC ? "; --devices none does without them" : "");
}

static int load(struct object *object, struct maps *maps, const struct object_request *request,
		const char *warning, struct datapath_error *ret_error)
{
	int r;

	object->bpf = open_build(request);
	if (!object->bpf) {
		r = -errno;
		return explain_load(r, request, warning, ret_error);
	}
	r = choose_programs(object->bpf, request->kind);
	if (!r)
		r = set_config(object->bpf, maps, request);
	if (r < 0)
		return error_set(ret_error, r, "the programs are not as expected: %s",
				 strerror(-r));
	r = reuse_maps(object->bpf, maps, ret_error);
	if (r < 0)
		return r;
	r = bpf_object__load(object->bpf);
	if (r < 0)
		return explain_load(r, request, warning, ret_error);
	r = take_maps(object->bpf, maps);
	if (r < 0)
		return error_set(ret_error, r, "cannot keep the programs' maps: %s", strerror(-r));
	return 0;
}

int object_load(struct maps *maps, const struct object_request *request, struct object **ret,
		struct datapath_error *ret_error)
{
	struct object *object = calloc(1, sizeof(*object));
	struct bpf_log log;
	int r;

	if (!object)
		return error_set(ret_error, -ENOMEM, "out of memory");
	bpf_log_begin(&log);
	r = load(object, maps, request, log.warning, ret_error);
	bpf_log_end(&log);
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

int object_program_id(const struct object *object, const char *name, uint32_t *ret_id)
{
	struct bpf_prog_info info = {};
	uint32_t len_bytes = sizeof(info);
	int fd = object_program_fd(object, name);
	int r = fd < 0 ? fd : bpf_obj_get_info_by_fd(fd, &info, &len_bytes);

	if (r < 0)
		return r;
	*ret_id = info.id;
	return 0;
}
