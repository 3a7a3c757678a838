/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists of backends: read one, choose one, find one by its stable id. */
#ifndef SVCBPF_BPF_SELECT_H
#define SVCBPF_BPF_SELECT_H

#include "lib/endpoint.h"
#include "lib/maps.h"

/** backend_read() - the address and port at @index of the family's array into @ret. */
static __always_inline bool backend_read(__u8 family, __u32 index, struct endpoint *ret)
{
	if (family == SVC_FAMILY_IPV4) {
		struct svc_backend4 *backend = bpf_map_lookup_elem(&backends4, &index);

		if (!backend)
			return false;
		ret->addr[0] = 0;
		ret->addr[1] = 0;
		ret->addr[2] = bpf_htonl(0xffff);
		ret->addr[3] = backend->addr;
		ret->port = backend->port;
		return true;
	}

	struct svc_backend6 *backend = bpf_map_lookup_elem(&backends6, &index);

	if (!backend)
		return false;
	__builtin_memcpy(ret->addr, backend->addr, sizeof(ret->addr));
	ret->port = backend->port;
	return true;
}

/** backend_flags() - SVC_BACKEND_F_* at @index; 0 when the index is out of range. */
static __always_inline __u16 backend_flags(__u8 family, __u32 index)
{
	struct svc_backend4 *backend4;
	struct svc_backend6 *backend6;

	if (family == SVC_FAMILY_IPV4) {
		backend4 = bpf_map_lookup_elem(&backends4, &index);
		return backend4 ? backend4->flags : 0;
	}
	backend6 = bpf_map_lookup_elem(&backends6, &index);
	return backend6 ? backend6->flags : 0;
}

/** backend_id() - the stable id at @index; 0 when the index is out of range. */
static __always_inline __u32 backend_id(__u8 family, __u32 index)
{
	__u64 *id;

	if (family == SVC_FAMILY_IPV4)
		id = bpf_map_lookup_elem(&backend_ids4, &index);
	else
		id = bpf_map_lookup_elem(&backend_ids6, &index);
	return id ? (__u32)*id : 0;
}

/**
 * list_random() - a uniformly random index into a list that is not empty (R35).
 * @random: 32 random bits.
 *
 * Multiply and shift instead of a remainder (Lemire 2019); at most 65,535 of 2^32 values are more
 * likely by one.
 */
static __always_inline __u32 list_random(__u64 list, __u32 random)
{
	return svc_list_base(list) + (__u32)((__u64)random * svc_list_count(list) >> 32);
}

/**
 * list_search() - where the backend with stable id @id is in @list.
 *
 * Ids ascend within a block, so 17 steps find one of 65,535. Not static: verified once by itself,
 * not with all that leads to each of its places and all that follows.
 * Return: its index; -1 when it is not in the list.
 */
__noinline int list_search(__u64 list, __u32 id, __u32 family)
{
	__u32 low = 0, high = svc_list_count(list), middle, found;
	int step;

	for (step = 0; step < 17 && low < high; step++) {
		middle = (low + high) / 2;
		found = backend_id(family, svc_list_base(list) + middle);
		if (found == id)
			return (int)(svc_list_base(list) + middle);
		if (found < id)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

/** list_find() - list_search(). Return: true and the index in @ret_index; false. */
static __always_inline bool list_find(__u8 family, __u64 list, __u32 id, __u32 *ret_index)
{
	int index = list_search(list, id, family);

	if (index < 0)
		return false;
	*ret_index = (__u32)index;
	return true;
}

#endif
