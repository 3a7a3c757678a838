/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/convert.h"

#include <errno.h>
#include <string.h>

#include "util/endian.h"

#define IPV4_BYTES 4
#define IPV6_BYTES 16

static int copy_name(char (*ret)[64], const char *name)
{
	size_t len_bytes = strlen(name);

	if (len_bytes >= sizeof(*ret))
		return -ENAMETOOLONG;
	memcpy(*ret, name, len_bytes);
	return 0;
}

int convert_info(const struct service_port_key *key, struct svc_service_info *ret_info)
{
	struct svc_service_info info = {.family = key->family, .protocol = key->protocol};

	if (copy_name(&info.namespace, key->namespace) < 0 ||
	    copy_name(&info.name, key->name) < 0 || copy_name(&info.port_name, key->port_name) < 0)
		return -ENAMETOOLONG;
	*ret_info = info;
	return 0;
}

void convert_info_key(const struct svc_service_info *info, struct service_port_key *ret_key)
{
	*ret_key = (struct service_port_key){
		.namespace = info->namespace,
		.name = info->name,
		.port_name = info->port_name,
		.protocol = info->protocol,
		.family = info->family,
	};
}

void convert_frontend(const struct service_port_key *port, const struct frontend *frontend,
		      struct frontend_key *ret_key)
{
	struct frontend_key key = {.family = port->family};

	key.key.port = be16_from_host(frontend->port);
	key.key.protocol = port->protocol;
	if (frontend->addr.family == ADDR_NONE)
		key.key.scope = SVC_SCOPE_NODEPORT;
	else
		memcpy(key.key.addr, frontend->addr.bytes, sizeof(key.key.addr));
	*ret_key = key;
}

void convert_frontend4(const struct svc_frontend4 *key, struct frontend_key *ret_key)
{
	*ret_key = (struct frontend_key){.family = SVC_FAMILY_IPV4};
	ret_key->key.addr[0] = key->addr;
	ret_key->key.port = key->port;
	ret_key->key.protocol = key->protocol;
	ret_key->key.scope = key->scope;
}

void convert_to_frontend4(const struct frontend_key *key, struct svc_frontend4 *ret_key)
{
	*ret_key = (struct svc_frontend4){
		.addr = key->key.addr[0],
		.port = key->key.port,
		.protocol = key->key.protocol,
		.scope = key->key.scope,
	};
}

void convert_key_frontend(const struct frontend_key *key, struct frontend *ret_frontend)
{
	struct frontend frontend = {.port = be16_to_host(key->key.port)};

	if (key->key.scope == SVC_SCOPE_ADDRESS) {
		frontend.addr.family = key->family;
		memcpy(frontend.addr.bytes, key->key.addr, sizeof(frontend.addr.bytes));
	}
	*ret_frontend = frontend;
}

void convert_backend4(const struct backend *backend, struct svc_backend4 *ret_entry)
{
	struct svc_backend4 entry = {.flags = backend->flags};

	memcpy(&entry.addr, backend->addr.bytes, IPV4_BYTES);
	entry.port = be16_from_host(backend->port);
	*ret_entry = entry;
}

void convert_backend6(const struct backend *backend, struct svc_backend6 *ret_entry)
{
	struct svc_backend6 entry = {.flags = backend->flags};

	memcpy(entry.addr, backend->addr.bytes, IPV6_BYTES);
	entry.port = be16_from_host(backend->port);
	*ret_entry = entry;
}

void convert_entry4(const struct svc_backend4 *entry, struct backend *ret_backend)
{
	struct backend backend = {.addr.family = ADDR_IPV4, .flags = (uint8_t)entry->flags};

	memcpy(backend.addr.bytes, &entry->addr, IPV4_BYTES);
	backend.port = be16_to_host(entry->port);
	*ret_backend = backend;
}

void convert_entry6(const struct svc_backend6 *entry, struct backend *ret_backend)
{
	struct backend backend = {.addr.family = ADDR_IPV6, .flags = (uint8_t)entry->flags};

	memcpy(backend.addr.bytes, entry->addr, IPV6_BYTES);
	backend.port = be16_to_host(entry->port);
	*ret_backend = backend;
}

void convert_backend_key(const struct backend *backend, uint8_t protocol,
			 struct backend_key *ret_key)
{
	struct backend_key key = {.protocol = protocol, .family = backend->addr.family};

	memcpy(key.addr, backend->addr.bytes, sizeof(key.addr));
	key.port = be16_from_host(backend->port);
	*ret_key = key;
}

void convert_range(uint32_t service_id, const struct cidr *cidr, struct svc_source_range *ret_key)
{
	struct svc_source_range key = {.prefixlen = 32u + cidr->prefix_len};

	key.service_id = be32_from_host(service_id);
	memcpy(key.addr, cidr->addr.bytes, sizeof(key.addr));
	*ret_key = key;
}

void convert_key_range(const struct svc_source_range *key, uint8_t family, struct cidr *ret_cidr)
{
	struct cidr cidr = {.addr.family = family, .prefix_len = (uint8_t)(key->prefixlen - 32)};

	memcpy(cidr.addr.bytes, key->addr, sizeof(cidr.addr.bytes));
	*ret_cidr = cidr;
}

void convert_node_addr(const struct addr *addr, struct svc_node_addr *ret_key)
{
	uint8_t bytes[IPV6_BYTES];

	addr_to_mapped(addr, bytes);
	memcpy(ret_key->addr, bytes, sizeof(bytes));
}

void convert_key_node_addr(const struct svc_node_addr *key, struct addr *ret_addr)
{
	uint8_t bytes[IPV6_BYTES];

	memcpy(bytes, key->addr, sizeof(bytes));
	addr_from_mapped(bytes, ret_addr);
}
