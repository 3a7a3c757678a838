/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hashes that the agent and the programs must compute alike. */
#ifndef SVCBPF_HASH_H
#define SVCBPF_HASH_H

#include <svcbpf/abi.h>

/* Bits are hashed as they lie in memory: tell sparse that this is meant. */
#ifdef __CHECKER__
#define SVC_RAW_BITS __attribute__((force))
#else
#define SVC_RAW_BITS
#endif

/** SVC_FILTER_IPV6 - first bit of IPv6 addresses in addr_filter. */
#define SVC_FILTER_IPV6 65536u

/**
 * svc_filter_bit4() - bit of an IPv4 address in addr_filter.
 * @addr: network order, taken as a number in memory order on both sides.
 *
 * Multiplicative hashing (Knuth, TAOCP 6.4): the top 16 bits of the product.
 * Return: 0 to 65,535: bit (result % 64) of word (result / 64).
 */
static inline __u32 svc_filter_bit4(__be32 addr)
{
	return ((SVC_RAW_BITS __u32)addr * 0x9e3779b1u) >> 16;
}

/** svc_raw_pair() - two words in network order as one number, as they lie in memory. */
static inline __u64 svc_raw_pair(__be32 high, __be32 low)
{
	return (__u64)(SVC_RAW_BITS __u32)high << 32 | (SVC_RAW_BITS __u32)low;
}

/**
 * svc_filter_bit6() - the same for IPv6. @addr: four words, network order.
 *
 * Two rounds: the low bits of an address stand in the high bytes of its last word, and one
 * multiplication left 10,000 consecutive addresses on 8,851 bits instead of 9,280.
 */
static inline __u32 svc_filter_bit6(const __be32 *addr)
{
	__u64 hash = svc_raw_pair(addr[0], addr[1]) * 0x9e3779b97f4a7c15ull;

	hash = (hash ^ svc_raw_pair(addr[2], addr[3])) * 0xbf58476d1ce4e5b9ull;
	hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15ull;
	return SVC_FILTER_IPV6 + (__u32)(hash >> 48);
}

/**
 * svc_hash4() - hash of an IPv4 frontend, for frontends4.
 * @key: struct svc_frontend4 as a number in memory order.
 * @seed: struct svc_config.hash_seed: who may create Services must not choose the bucket.
 *
 * The finaliser of splitmix64. Return: a number whose low bits, masked, are the first bucket.
 */
static inline __u32 svc_hash4(__u64 key, __u64 seed)
{
	__u64 hash = (key ^ seed) * 0xbf58476d1ce4e5b9ull;

	hash = (hash ^ hash >> 32) * 0x94d049bb133111ebull;
	return (__u32)(hash >> 32);
}

/**
 * svc_hash6() - the same for IPv6.
 * @addr: four words, network order.  @tail: {port, protocol, scope} as a number in memory order.
 */
static inline __u32 svc_hash6(const __be32 *addr, __u32 tail, __u64 seed)
{
	__u64 hash = svc_raw_pair(addr[0], addr[1]) ^ seed;

	hash = (hash * 0x9e3779b97f4a7c15ull) ^ tail;
	hash = (hash ^ hash >> 29) * 0xd1342543de82ef95ull;
	return svc_hash4(hash ^ svc_raw_pair(addr[2], addr[3]), seed);
}

/**
 * svc_endpoint_hash() - 32 bits of {address, port, protocol}.
 * @addr: four words, network order, IPv4 as ::ffff:a.b.c.d.  @port: network order.
 */
static inline __u32 svc_endpoint_hash(const __be32 *addr, __be16 port, __u8 protocol)
{
	__u64 hash = svc_raw_pair(addr[0], addr[1]) * 0x9e3779b97f4a7c15ull;

	hash ^= (__u64)(SVC_RAW_BITS __u16)port << 8 | protocol;
	hash = (hash ^ svc_raw_pair(addr[2], addr[3])) * 0xbf58476d1ce4e5b9ull;
	hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15ull;
	return (__u32)(hash >> 32);
}

/** svc_filter_byte() - index of an endpoint in a flow_filter. Arguments: svc_endpoint_hash(). */
static inline __u32 svc_filter_byte(const __be32 *addr, __be16 port, __u8 protocol)
{
	return svc_endpoint_hash(addr, port, protocol) % SVC_FLOW_FILTER_BYTES;
}

/** svc_generation_index() - index of a UDP backend in udp_generations. */
static inline __u32 svc_generation_index(const __be32 *addr, __be16 port)
{
	return svc_endpoint_hash(addr, port, 17 /* IPPROTO_UDP */) % SVC_GENERATIONS;
}

/*
 * Maglev: what every node, of every version, must compute alike, so that nodes behind one address
 * choose the same backend for a flow that they have not seen. The constants here and in
 * user/model/maglev.c are a contract that outlives SVC_ABI_VERSION: changing one moves nearly all
 * flows of a cluster in which two versions run. A test has their values.
 */

/**
 * svc_maglev_flow() - hash of a flow's client and frontend, for svc_maglev_entry().
 * @client: four words, network order, IPv4 as ::ffff:a.b.c.d.
 * @client_port, @port: of the client and the frontend, network order.
 *
 * The frontend's address is left out: a flow to a NodePort has another one on each node, and must
 * find the same backend there.
 */
static inline __u32 svc_maglev_flow(const __be32 *client, __be16 client_port, __be16 port,
				    __u8 protocol)
{
	__u64 hash = svc_raw_pair(client[0], client[1]) * 0x9e3779b97f4a7c15ull;

	hash ^= (__u64)(SVC_RAW_BITS __u16)client_port << 24;
	hash ^= (__u64)(SVC_RAW_BITS __u16)port << 8 | protocol;
	hash = (hash ^ hash >> 32) * 0xbf58476d1ce4e5b9ull;
	hash = (hash ^ svc_raw_pair(client[2], client[3])) * 0x94d049bb133111ebull;
	hash = (hash ^ hash >> 29) * 0xd1342543de82ef95ull;
	return (__u32)(hash >> 32);
}

/** svc_maglev_client() - the same for ClientIP affinity: of the client's address alone. */
static inline __u32 svc_maglev_client(const __be32 *client)
{
	return svc_maglev_flow(client, 0, 0, 0);
}

/** svc_maglev_entry() - the entry of a table of @size entries that a flow's @hash leads to. */
static inline __u32 svc_maglev_entry(__u32 hash, __u32 size)
{
	return (__u32)((__u64)hash * size >> 32);
}

#endif
