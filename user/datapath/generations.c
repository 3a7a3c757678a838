/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/generations.h"

#include <string.h>

#include "svcbpf/hash.h"
#include "util/endian.h"

void generations_retire(struct shadow *shadow, const struct backend *backend)
{
	struct shadow_garbage garbage = {};
	uint8_t bytes[16];
	__be32 addr[4];

	if (shadow->maps->fds[MAP_UDP_GENERATIONS] < 0)
		return;
	addr_to_mapped(&backend->addr, bytes);
	memcpy(addr, bytes, sizeof(addr));
	garbage.generation = svc_generation_index(addr, be16_from_host(backend->port)) + 1;
	shadow_add_garbage(shadow, &garbage);
}

void generations_collect(struct maps *maps, uint32_t index)
{
	maps_will_write(maps);
	generations_step(maps_at(maps, MAP_UDP_GENERATIONS, index));
}
