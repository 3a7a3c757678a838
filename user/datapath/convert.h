/* SPDX-License-Identifier: Apache-2.0 */
/* Between the model's types and the maps' keys and values. */
#ifndef SVCBPF_DATAPATH_CONVERT_H
#define SVCBPF_DATAPATH_CONVERT_H

#include "model/state.h"
#include "svcbpf/abi.h"

/**
 * struct frontend_key - key of a frontend of either family, comparable as bytes.
 * @key: IPv4 in the first word of the address.  @family: SVC_FAMILY_*.
 */
struct frontend_key {
	struct svc_frontend6 key;
	uint8_t family;
	uint8_t pad[3];
};

/**
 * struct backend_key - what makes a backend's stable id; comparable as bytes.
 * @addr: as struct addr.bytes; IPv4 keys end after its first four.
 */
struct backend_key {
	__be16 port;
	uint8_t protocol;
	uint8_t family;
	uint8_t addr[16];
};

#define BACKEND_KEY4_BYTES 8
#define BACKEND_KEY6_BYTES sizeof(struct backend_key)

/** convert_info() - Return: 0; -ENAMETOOLONG when a name does not fit. */
int convert_info(const struct service_port_key *key, struct svc_service_info *ret_info);

/** convert_info_key() - the reverse; strings are borrowed from @info. */
void convert_info_key(const struct svc_service_info *info, struct service_port_key *ret_key);

/** convert_frontend() - the key of @frontend of service port @port. */
void convert_frontend(const struct service_port_key *port, const struct frontend *frontend,
		      struct frontend_key *ret_key);

/** convert_frontend4() - a key of frontends4 as frontend_key. */
void convert_frontend4(const struct svc_frontend4 *key, struct frontend_key *ret_key);

/** convert_to_frontend4() - the key of frontends4; @key is of IPv4. */
void convert_to_frontend4(const struct frontend_key *key, struct svc_frontend4 *ret_key);

/** convert_key_frontend() - back to the model's frontend, without its type. */
void convert_key_frontend(const struct frontend_key *key, struct frontend *ret_frontend);

/** convert_backend4() - an entry of backends4. */
void convert_backend4(const struct backend *backend, struct svc_backend4 *ret_entry);

/** convert_backend6() - an entry of backends6. */
void convert_backend6(const struct backend *backend, struct svc_backend6 *ret_entry);

/** convert_entry4() - the reverse of convert_backend4(). */
void convert_entry4(const struct svc_backend4 *entry, struct backend *ret_backend);

/** convert_entry6() - the reverse of convert_backend6(). */
void convert_entry6(const struct svc_backend6 *entry, struct backend *ret_backend);

/** convert_backend_key() - what @backend's id hangs on. */
void convert_backend_key(const struct backend *backend, uint8_t protocol,
			 struct backend_key *ret_key);

/** convert_range() - a key of source_ranges. */
void convert_range(uint32_t service_id, const struct cidr *cidr, struct svc_source_range *ret_key);

/** convert_key_range() - the reverse; @family: of the service port. */
void convert_key_range(const struct svc_source_range *key, uint8_t family, struct cidr *ret_cidr);

/** convert_node_addr() - a key of node_addrs. */
void convert_node_addr(const struct addr *addr, struct svc_node_addr *ret_key);

/** convert_key_node_addr() - the reverse. */
void convert_key_node_addr(const struct svc_node_addr *key, struct addr *ret_addr);

#endif
