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
 * enum object_kind - which programs.
 * @OBJECT_SOCK: at sockets.
 * @OBJECT_TC: at tc, of devices with Ethernet's header.
 * @OBJECT_TC_BARE: at tc, of devices without a link-layer header: WireGuard, tun, IP tunnels. Few
 *	nodes have one, and each program takes the verifier its time.
 * @OBJECT_XDP: at XDP.
 */
enum object_kind { OBJECT_SOCK, OBJECT_TC, OBJECT_TC_BARE, OBJECT_XDP };

/**
 * struct object_request - what to load.
 * @features: SVC_FEATURE_* of the kernel; choose between the builds of the socket programs.
 * @packet: constants of the packet programs; borrowed. Not for OBJECT_SOCK.
 */
struct object_request {
	enum object_kind kind;
	uint32_t features;
	const struct svc_packet_config *packet;
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
