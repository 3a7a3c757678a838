/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses and CIDRs, family included. */
#ifndef SVCBPF_UTIL_ADDR_H
#define SVCBPF_UTIL_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** ADDR_TEXT_MAX - bytes that hold any address or CIDR as text, NUL included. */
#define ADDR_TEXT_MAX 64

/* struct addr.family: the IP version, as SVC_FAMILY_* in abi.h. */
#define ADDR_NONE 0
#define ADDR_IPV4 4
#define ADDR_IPV6 6

/**
 * struct addr - an address, or none.
 * @family: ADDR_*.
 * @bytes: network order; IPv4 uses the first four, the rest is zero.
 */
struct addr {
	uint8_t family;
	uint8_t bytes[16];
};

/** struct cidr - an address with its prefix length in bits; bits behind the prefix are zero. */
struct cidr {
	struct addr addr;
	uint8_t prefix_len;
};

/**
 * addr_parse() - read an address as Kubernetes does.
 * @text: IPv4 dotted (leading zeros are decimal, rule R10) or IPv6; ::ffff:a.b.c.d gives IPv4, as
 *	Go's net.ParseIP does. No zone, no white space.
 *
 * Source: k8s.io/utils/net ParseIPSloppy.
 * Return: 0; -EINVAL when it is no address.
 */
int addr_parse(const char *text, struct addr *ret_addr);

/**
 * cidr_parse() - read "address/bits"; white space around it is ignored (rule R10).
 *
 * Return: 0; -EINVAL when it is no CIDR.
 */
int cidr_parse(const char *text, struct cidr *ret_cidr);

/** cidr_contains() - whether @addr is of the CIDR's family and inside it. */
bool cidr_contains(const struct cidr *cidr, const struct addr *addr);

/** addr_format() - text as in RFC 5952, in @buf of ADDR_TEXT_MAX bytes. Return: @buf. */
const char *addr_format(const struct addr *addr, char buf[ADDR_TEXT_MAX]);

/** cidr_format() - "address/bits", in @buf of ADDR_TEXT_MAX bytes. Return: @buf. */
const char *cidr_format(const struct cidr *cidr, char buf[ADDR_TEXT_MAX]);

/** addr_compare() - order by family, then bytes. Return: <0, 0, >0 as memcmp(3). */
int addr_compare(const struct addr *a, const struct addr *b);

/** addr_is_loopback() - 127.0.0.0/8 or ::1. */
bool addr_is_loopback(const struct addr *addr);

/** addr_to_mapped() - as 16 bytes, network order; IPv4 becomes ::ffff:a.b.c.d. */
void addr_to_mapped(const struct addr *addr, uint8_t ret_bytes[16]);

/** addr_from_mapped() - the reverse of addr_to_mapped(). */
void addr_from_mapped(const uint8_t bytes[16], struct addr *ret_addr);

/** protocol_name() - "TCP", "UDP", "SCTP"; "?" for others. @protocol: IPPROTO_*. */
const char *protocol_name(uint8_t protocol);

/** protocol_parse() - IPPROTO_* of "TCP", "UDP", "SCTP" (case matters). Return: 0 or -EINVAL. */
int protocol_parse(const char *text, uint8_t *ret_protocol);

#endif
