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
 * object_programs() - all programs, in the order in which they should begin to work: what
 * translates replies before what makes them necessary.
 * Return: array of *@ret_n, static.
 */
const struct program_spec *object_programs(size_t *ret_n);

/**
 * object_load() - load the programs with these maps; maps that libbpf makes are added to @maps.
 * @features: SVC_FEATURE_* of the kernel; choose between the builds.
 * Return: 0; -EPROTO: programs and maps do not fit together; -EOPNOTSUPP: no BTF; other errors of
 * bpf(2). Free with object_free().
 */
int object_load(struct maps *maps, uint32_t features, struct object **ret,
		struct datapath_error *ret_error);

/** object_free() - unload what is not attached; NULL is fine. */
void object_free(struct object *object);

/** object_program_fd() - of the program called @name; borrowed. Return: it; -ENOENT. */
int object_program_fd(const struct object *object, const char *name);

#endif
