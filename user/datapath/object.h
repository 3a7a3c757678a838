/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled programs: chosen, given their maps, loaded. */
#ifndef SVCBPF_DATAPATH_OBJECT_H
#define SVCBPF_DATAPATH_OBJECT_H

#include "datapath/maps.h"

struct object;

/** struct program_spec - a program. @attach_type: BPF_CGROUP_*. */
struct program_spec {
	const char *name;
	uint32_t attach_type;
};

/**
 * object_programs() - all socket programs, in the order in which they should begin to work: what
 * translates replies before what makes them necessary.
 * Return: array of *@ret_n, static.
 */
const struct program_spec *object_programs(size_t *ret_n);

/**
 * struct object_request - what to load.
 * @features: SVC_FEATURE_* of the kernel; choose between the builds of the socket programs.
 * @packet: the packet programs, with these constants; NULL: the socket programs. Borrowed.
 * @is_xdp: with @packet: the XDP program instead.
 */
struct object_request {
	uint32_t features;
	const struct svc_packet_config *packet;
	bool is_xdp;
};

/**
 * object_load() - load programs with these maps; maps that libbpf makes are added to @maps.
 * Return: 0; -EPROTO: programs and maps do not fit together; -EOPNOTSUPP: no BTF; other errors of
 * bpf(2). Free with object_free().
 */
int object_load(struct maps *maps, const struct object_request *request, struct object **ret,
		struct datapath_error *ret_error);

/** object_free() - unload what is not attached; NULL is fine. */
void object_free(struct object *object);

/** object_program_fd() - of the program called @name; borrowed. Return: it; -ENOENT. */
int object_program_fd(const struct object *object, const char *name);

/** object_program_id() - the kernel's id of the program called @name. Return: 0; negative errno. */
int object_program_id(const struct object *object, const char *name, uint32_t *ret_id);

#endif
