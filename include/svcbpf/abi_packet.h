/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet path's part of the binary contract (bpf/packet.bpf.c); abi.h includes it.
 *
 * What a packet meets at tc, most packets only the first line:
 *
 *	flow_filter bytes of the destination and the source, addr_filter bit of the destination
 *	ours:    flows{4,6} -> (new: frontends -> services -> backends -> both directions stored)
 *
 * Who writes: flows, frags, affinity and flow_filter are the programs'; the agent reads flows, and
 * deletes what has timed out. devices, udp_generations and maglev are the agent's.
 */
#ifndef SVCBPF_ABI_PACKET_H
#define SVCBPF_ABI_PACKET_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/** SVC_FLOW_FILTER_BYTES - bytes of an element of flow_filter, a power of two. */
#define SVC_FLOW_FILTER_BYTES 65536u

/* Index in flow_filter (ARRAY): which endpoints packets must be looked up for in flows{4,6}. */
#define SVC_FILTER_REPLY_INGRESS 0 /* source: a backend whose replies come to this node */
#define SVC_FILTER_REPLY_EGRESS	 1 /* source: one whose replies go to the client, through here */
#define SVC_FILTER_FORWARD	 2 /* destination: a frontend */
#define SVC_N_FLOW_FILTERS	 3

/**
 * struct svc_flow_filter - value of flow_filter.
 * @is_used: indexed by svc_filter_byte() of {address, port, protocol}: 1 when a flow with that
 *	endpoint was ever made here. Bytes, so that a plain store sets one on every kernel.
 *
 * Never cleared while flows may exist, so that they outlive their frontend (R37): a byte too many
 * costs a look-up for each packet that meets it.
 */
struct svc_flow_filter {
	__u8 is_used[SVC_FLOW_FILTER_BYTES];
};
_Static_assert(sizeof(struct svc_flow_filter) == SVC_FLOW_FILTER_BYTES, "ABI");

/* struct svc_flow_key{4,6}.direction */
#define SVC_FLOW_FORWARD 0 /* from the client, as it sent it: client -> frontend */
#define SVC_FLOW_REPLY	 1 /* from the backend, as it sent it: backend -> client or this node */

/**
 * struct svc_flow_key4 - key of flows4 (LRU_HASH): one direction of a flow, as its packets arrive.
 * @src, @dst, @src_port, @dst_port: network order.
 * @protocol: IPPROTO_*.  @direction: SVC_FLOW_*.
 * @pad: zero.
 */
struct svc_flow_key4 {
	__be32 src;
	__be32 dst;
	__be16 src_port;
	__be16 dst_port;
	__u8 protocol;
	__u8 direction;
	__u16 pad;
};
_Static_assert(sizeof(struct svc_flow_key4) == 16, "ABI");

/** struct svc_flow_key6 - key of flows6 (LRU_HASH): as struct svc_flow_key4. */
struct svc_flow_key6 {
	__be32 src[4];
	__be32 dst[4];
	__be16 src_port;
	__be16 dst_port;
	__u8 protocol;
	__u8 direction;
	__u16 pad;
};
_Static_assert(sizeof(struct svc_flow_key6) == 40, "ABI");

/* struct svc_flow_info.state: of the whole flow, the same in both directions' entries. */
#define SVC_FLOW_UDP_UNREPLIED	 1 /* UDP and SCTP: seen from the client only */
#define SVC_FLOW_UDP_STREAM	 2 /* seen from both sides */
#define SVC_FLOW_TCP_SYN_SENT	 3
#define SVC_FLOW_TCP_SYN_RECV	 4
#define SVC_FLOW_TCP_ESTABLISHED 5
#define SVC_FLOW_TCP_FIN_WAIT	 6 /* one side has sent its FIN */
#define SVC_FLOW_TCP_CLOSE_WAIT	 7 /* and the other has acknowledged it */
#define SVC_FLOW_TCP_LAST_ACK	 8 /* both have sent one */
#define SVC_FLOW_TCP_TIME_WAIT	 9
#define SVC_FLOW_TCP_CLOSE	 10 /* RST */
#define SVC_N_FLOW_STATES	 11 /* index of timeouts; state 0 is never used */

/* struct svc_flow_info.flags */
#define SVC_FLOW_F_SNAT	   0x1u /* the client's address is replaced by this node's */
#define SVC_FLOW_F_LOCAL   0x2u /* the backend is on this node: left to the stack, not redirected */
#define SVC_FLOW_F_REPLIED 0x4u /* packets of both directions have been seen */
#define SVC_FLOW_F_DSR	   0x8u /* sent on in a tunnel, untranslated; has no reply entry */
#define SVC_FLOW_F_FIN_C   0x10u /* the client has sent its FIN */
#define SVC_FLOW_F_FIN_B   0x20u /* the backend has sent its FIN */

/**
 * struct svc_flow_info - what both families keep of a direction of a flow.
 * @last_s: CLOCK_MONOTONIC in seconds of the last packet of this direction.
 * @created_s: CLOCK_MONOTONIC in seconds of the first packet of the flow.
 * @service_id: as in struct svc_service.
 * @generation: value of udp_generations[svc_generation_index(backend)] when the flow was made
 * (UDP).
 * @state: SVC_FLOW_*.  @flags: SVC_FLOW_F_*.
 */
struct svc_flow_info {
	__u32 last_s;
	__u32 created_s;
	__u32 service_id;
	__u16 generation;
	__u8 state;
	__u8 flags;
};
_Static_assert(sizeof(struct svc_flow_info) == 16, "ABI");

/**
 * struct svc_flow4 - value of flows4; changed in place, never replaced while it lives.
 * @info: first, so that clang 14 need not add to a pointer that may be NULL.
 * @src, @dst, @src_port, @dst_port: what packets of this direction are rewritten to, network order.
 *	Swapped they are the key of the other direction.
 * @pad: zero.
 */
struct svc_flow4 {
	struct svc_flow_info info;
	__be32 src;
	__be32 dst;
	__be16 src_port;
	__be16 dst_port;
	__u32 pad;
};
_Static_assert(sizeof(struct svc_flow4) == 32, "ABI");

/** struct svc_flow6 - value of flows6: as struct svc_flow4. */
struct svc_flow6 {
	struct svc_flow_info info;
	__be32 src[4];
	__be32 dst[4];
	__be16 src_port;
	__be16 dst_port;
	__u32 pad;
};
_Static_assert(sizeof(struct svc_flow6) == 56, "ABI");

/**
 * struct svc_frag_key - key of frags (LRU_HASH): the fragments of one packet.
 * @src, @dst: network order, IPv4 as ::ffff:a.b.c.d; as the fragments arrive.
 * @id: the IP header's identification, IPv4 in the low 16 bits, network order as it lies there.
 * @protocol: IPPROTO_*.
 */
struct svc_frag_key {
	__be32 src[4];
	__be32 dst[4];
	__u32 id;
	__u8 protocol;
	__u8 pad[3];
};
_Static_assert(sizeof(struct svc_frag_key) == 40, "ABI");

/** struct svc_frag - value of frags: what only the first fragment tells. Network order. */
struct svc_frag {
	__be16 src_port;
	__be16 dst_port;
};
_Static_assert(sizeof(struct svc_frag) == 4, "ABI");

/* struct svc_device.flags */
#define SVC_DEVICE_F_UPLINK 0x1u /* what comes in here comes from outside the node's own pods */
#define SVC_DEVICE_F_L3	    0x2u /* packets here have no link-layer header */
#define SVC_DEVICE_F_XDP    0x4u /* has the XDP program: others may redirect frames to it */

/**
 * struct svc_device - value of devices (HASH, key __u32 ifindex): a device that has the programs.
 * @flags: SVC_DEVICE_F_*.
 * @addr4, @addr6: this node's address that flows out of this device are given, network order; the
 *	device's own first global one, else the node's; zero: none in this family.
 * @mac: link-layer address that packets to be routed by this node carry here: the device's own, and
 *	the bridge's for a port of a bridge.
 * @pad: zero.
 */
struct svc_device {
	__u32 flags;
	__be32 addr4;
	__be32 addr6[4];
	__u8 mac[6];
	__u8 pad[2];
};
_Static_assert(sizeof(struct svc_device) == 32, "ABI");

/** SVC_DEVICE_SLOTS - entries of device_counters: index is the ifindex modulo this. */
#define SVC_DEVICE_SLOTS 1024u

/**
 * struct svc_device_counters - value of device_counters (PERCPU_ARRAY).
 * @n_forward: packets of clients sent on to a backend.  @n_reply: packets translated back.
 * @n_new: flows made.  @n_dropped: packets dropped or answered by an error.
 */
struct svc_device_counters {
	__u64 n_forward;
	__u64 n_reply;
	__u64 n_new;
	__u64 n_dropped;
};
_Static_assert(sizeof(struct svc_device_counters) == 32, "ABI");

/**
 * SVC_GENERATIONS - entries of udp_generations (mmapable ARRAY of __u32), a power of two.
 *
 * The agent adds 1 to the entry of a UDP backend that is no longer serving (R39); flows made under
 * another number are made anew by their next packet. Two backends that share an entry share this.
 */
#define SVC_GENERATIONS 65536u

/*
 * maglev (HASH_OF_MAPS, key __u32 service_id): an ARRAY of __u64 with four 16-bit offsets each, the
 * first in the low bits; entry e of a table, for a flow svc_maglev_entry(), is part e % 4 of word
 * e / 4: an offset into the policy_list of the service port's external frontends. The last word's
 * parts beyond the table are SVC_MAGLEV_NONE. Only with SVC_F_MAGLEV.
 */
#define SVC_MAGLEV_PER_WORD 4u

/** SVC_MAGLEV_NONE - no backend: more than any offset into a list. */
#define SVC_MAGLEV_NONE 0xffffu

/**
 * struct svc_scratch - value of scratch (PERCPU_ARRAY of 1): the programs' own, while one runs; 512
 * bytes of stack are not enough for a packet and its flow, and functions that are verified by
 * themselves share nothing else on old kernels.
 */
struct svc_scratch {
	__u64 words[64];
};
_Static_assert(sizeof(struct svc_scratch) == 512, "ABI");

/* struct svc_packet_config.forwarding */
#define SVC_FORWARDING_SNAT 0
#define SVC_FORWARDING_DSR  1

/**
 * struct svc_packet_config - constants of the packet programs (.rodata), set before load.
 * @snat_first, @snat_count: ports flows may be given on this node, two ranges, host order; a count
 *	of 0: no such range.
 * @timeouts_s: idle seconds after which a flow is over, by state.
 * @maglev_size: entries of a Maglev table, a prime; 0: not in use.
 * @forwarding: SVC_FORWARDING_*: what happens to flows to backends on other nodes.
 * @is_bare: the programs are loaded for devices without a link-layer header: the loader's own.
 * @pad: zero.
 */
struct svc_packet_config {
	__u16 snat_first[2];
	__u16 snat_count[2];
	__u32 timeouts_s[SVC_N_FLOW_STATES];
	__u32 maglev_size;
	__u8 forwarding;
	__u8 is_bare;
	__u8 pad[6];
};
_Static_assert(sizeof(struct svc_packet_config) == 64, "ABI");

#endif
