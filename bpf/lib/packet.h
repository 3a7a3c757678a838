/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet as the packet path sees it, once its headers are read (parse.h). */
#ifndef SVCBPF_BPF_PACKET_H
#define SVCBPF_BPF_PACKET_H

#include "lib/endpoint.h"

/* struct packet.flags */
#define PACKET_F_FIRST_FRAGMENT 0x1u /* more fragments follow, this one has the ports */
#define PACKET_F_FRAGMENT	0x2u /* not the first: no transport header, ports are 0 */
#define PACKET_F_ICMP_ERROR	0x4u /* src and dst are of the quoted packet, swapped: see below */
#define PACKET_F_DF		0x8u /* IPv4: must not be fragmented on its way */

/** struct flow_ends - source and destination of a packet, before or after translation. */
struct flow_ends {
	struct endpoint src;
	struct endpoint dst;
};

/**
 * struct packet - where a packet comes from and goes to, and where its headers lie.
 * @src, @dst: as it arrived. Of an ICMP error: of the packet it quotes, the other way round, so
 *that an error belongs to the direction in which it travels: an error about a packet from A to B is
 *	"from B to A", whoever sent it (RFC 5508). Both have family and protocol filled in.
 * @ends: both of them.
 * @frag_id: identification of a fragmented packet as it lies in the header (IPv4: 16 bits).
 * @l3_off, @l4_off: from the start of the data to the IP header and to what follows it and its
 *	extension headers.
 * @inner_l3_off, @inner_l4_off: the same in the packet an ICMP error quotes; else 0.
 * @len_bytes: from the IP header to the packet's end, by its length field.
 * @family: SVC_FAMILY_*.
 * @protocol: IPPROTO_TCP, UDP or SCTP: of @src and @dst.
 * @l4_protocol: of what is at @l4_off: @protocol, IPPROTO_ICMP or IPPROTO_ICMPV6.
 * @tcp_flags: byte 13 of a TCP header: FIN 1, SYN 2, RST 4, ACK 16; 0 without one.
 * @ttl: TTL or hop limit.
 * @flags: PACKET_F_*.
 */
struct packet {
	union {
		struct {
			struct endpoint src;
			struct endpoint dst;
		};
		struct flow_ends ends;
	};
	__u32 frag_id;
	__u16 l3_off;
	__u16 l4_off;
	__u16 inner_l3_off;
	__u16 inner_l4_off;
	__u16 len_bytes;
	__u8 family;
	__u8 protocol;
	__u8 l4_protocol;
	__u8 tcp_flags;
	__u8 ttl;
	__u8 flags;
};

#define TCP_FLAG_FIN_BYTE 0x01u
#define TCP_FLAG_SYN_BYTE 0x02u
#define TCP_FLAG_RST_BYTE 0x04u
#define TCP_FLAG_ACK_BYTE 0x10u

#endif
