/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An address and port, as sockets and packets have them. */
#ifndef SVCBPF_BPF_ENDPOINT_H
#define SVCBPF_BPF_ENDPOINT_H

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <svcbpf/abi.h>

/**
 * struct endpoint - an address and port of one protocol.
 * @addr: network order; IPv4 as ::ffff:a.b.c.d.
 * @port: network order.
 * @family: SVC_FAMILY_*; a constant in every specialised path.
 * @protocol: IPPROTO_*.
 */
struct endpoint {
	__be32 addr[4] __attribute__((aligned(8)));
	__be16 port;
	__u8 family;
	__u8 protocol;
};

/** ipv4_is_loopback() - 127.0.0.0/8, or 0.0.0.0, which a connect takes for 127.0.0.1. */
static __always_inline bool ipv4_is_loopback(__be32 addr)
{
	return (addr & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000) || !addr;
}

/** ipv6_is_loopback() - ::1, or ::, which a connect takes for ::1. */
static __always_inline bool ipv6_is_loopback(const __be32 *addr)
{
	return !(addr[0] | addr[1] | addr[2]) && (addr[3] == bpf_htonl(1) || !addr[3]);
}

/** endpoint_addr_equal() - whether both addresses are the same; families are the same already. */
static __always_inline bool endpoint_addr_equal(const struct endpoint *ep, const __be32 *addr)
{
	if (ep->addr[3] != addr[3])
		return false;
	return ep->family == SVC_FAMILY_IPV4 ||
	       !((ep->addr[0] ^ addr[0]) | (ep->addr[1] ^ addr[1]) | (ep->addr[2] ^ addr[2]));
}

/** endpoint_equal() - whether address and port are the same; families and protocols are already. */
static __always_inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && endpoint_addr_equal(a, b->addr);
}

#endif
