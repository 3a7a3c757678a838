/* SPDX-License-Identifier: Apache-2.0 */
/* Host and network byte order, typed so that sparse sees a missing or a double conversion. */
#ifndef SVCBPF_UTIL_ENDIAN_H
#define SVCBPF_UTIL_ENDIAN_H

#include <arpa/inet.h>
#include <linux/types.h>
#include <stdint.h>

#ifdef __CHECKER__
#define endian_force __attribute__((force))
#else
#define endian_force
#endif

/** be16_from_host() - @value in network order. */
static inline __be16 be16_from_host(uint16_t value)
{
	return (endian_force __be16)htons(value);
}

/** be16_to_host() - @value in host order. */
static inline uint16_t be16_to_host(__be16 value)
{
	return ntohs((endian_force uint16_t)value);
}

/** be32_from_host() - @value in network order. */
static inline __be32 be32_from_host(uint32_t value)
{
	return (endian_force __be32)htonl(value);
}

/** be32_to_host() - @value in host order. */
static inline uint32_t be32_to_host(__be32 value)
{
	return ntohl((endian_force uint32_t)value);
}

#endif
