/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a program knows of the packet it works on: shared by tc and XDP. */
#ifndef SVCBPF_BPF_WORK_H
#define SVCBPF_BPF_WORK_H

#include "lib/flow.h"
#include "lib/lookup.h"
#include "lib/route.h"

/*
 * Verdicts, the same numbers for TCX and for clsact with direct-action. What is not ours, and what
 * we have translated and leave to the stack, goes on to the programs after ours.
 */
#define VERDICT_NEXT (-1)
#define VERDICT_DROP 2

/* In place of a verdict, between the steps: */
#define VERDICT_NONE	 100 /* none yet: go on, what the packet becomes is known */
#define VERDICT_NOT_OURS 101 /* nothing was done */
#define VERDICT_TOO_BIG	 102 /* for the way to the backend: work_send() tells the client */
#define VERDICT_ANSWER                                                                             \
	103 /* work_answer() is to be called, from the entry point: stack is short                 \
	     */

#define HOOK_INGRESS 0
#define HOOK_EGRESS  1
#define HOOK_XDP     2 /* before ingress; what is not done here, that does */

/* What an answer (work_tc.h) tells the sender. */
#define ANSWER_RESET	   0 /* TCP: no backend */
#define ANSWER_UNREACHABLE 1 /* others: no backend */
#define ANSWER_EXPIRED	   2
#define ANSWER_TOO_BIG	   3

/**
 * struct choice - a new flow's backend.
 * @is_inside: the client is this node or one of its pods (R28, R29).
 * @backend, @flags, @service_id: when there is one; @flags: SVC_BACKEND_F_*.
 */
struct choice {
	struct endpoint backend;
	__u32 service_id;
	__u16 flags;
	bool is_inside;
};

/**
 * struct work - one packet that is ours; in scratch, while a program runs: BPF programs of one
 * CPU's tc hooks and XDP do not interrupt each other.
 * @to: what it becomes.  @flow_flags: SVC_FLOW_F_* of its flow.
 * @route: of what leaves by route_send().  @has_route: it was looked up.
 * @info, @choice: of a new flow.  @frontend: what its destination leads to.
 * @old_key, @old_to: of a flow whose port it may take.
 * @forced: the backend that another node has chosen (dsr.h).  @has_forced: there is one.
 * @snat_start: where the search for a port begins.
 * @answer: ANSWER_*, when there is one.  @mtu: of ANSWER_TOO_BIG.
 * @ifindex: of the device the packet is on.  @came_by: of the one it has come in by; 0: this node
 *	has made it.
 * @wire_bytes: of the longest packet on the wire, from the IP header on; 0: not known.
 * @hook: HOOK_*.  @is_l3: the device has no link-layer header.
 * @takes_port: the new flow is given a source port from the ranges.
 */
struct work {
	struct packet packet;
	struct flow_ends to;
	struct route route;
	struct svc_route frontend;
	struct flow_ends old_key;
	struct flow_ends old_to;
	struct endpoint forced;
	struct svc_flow_info info;
	struct choice choice;
	__u32 mtu;
	__u32 snat_start;
	__u32 ifindex;
	__u32 came_by;
	__u32 wire_bytes;
	__u8 answer;
	__u8 flow_flags;
	__u8 hook;
	bool is_l3;
	bool has_route;
	bool has_forced;
	bool takes_port;
};

_Static_assert(sizeof(struct work) <= sizeof(struct svc_scratch), "scratch");

#ifndef ETH_HLEN
#define ETH_HLEN 14
#endif

/** work_get() - of this CPU; NULL never, but the verifier wants to see that. */
static __always_inline struct work *work_get(void)
{
	__u32 index = 0;

	return bpf_map_lookup_elem(&scratch, &index);
}

/** work_l3_off() - where the IP header begins. */
static __always_inline __u32 work_l3_off(const struct work *work)
{
	return work->is_l3 ? 0 : ETH_HLEN;
}

enum device_counter { DEVICE_FORWARD, DEVICE_REPLY, DEVICE_NEW, DEVICE_DROPPED };

/** count_device() - add one to a counter of the device this packet is on. */
static __always_inline void count_device(const struct work *work, enum device_counter what)
{
	__u32 index = work->ifindex % SVC_DEVICE_SLOTS;
	struct svc_device_counters *counters = bpf_map_lookup_elem(&device_counters, &index);

	if (!counters)
		return;
	if (what == DEVICE_FORWARD)
		counters->n_forward++;
	else if (what == DEVICE_REPLY)
		counters->n_reply++;
	else if (what == DEVICE_NEW)
		counters->n_new++;
	else
		counters->n_dropped++;
}

/** device_find() - a device with our programs; NULL: not one of those the agent chose. */
static __always_inline struct svc_device *device_find(__u32 ifindex)
{
	return bpf_map_lookup_elem(&devices, &ifindex);
}

/** was_seen() - whether a packet has been through these programs before, where it came in. */
static __always_inline bool was_seen(__u8 hook, __u32 came_by)
{
	return hook == HOOK_EGRESS && came_by && device_find(came_by);
}

/**
 * count_decision() - count what becomes of a packet, once: at XDP nothing is decided, tc does, and
 * counts; what was left alone as it came in is left alone as it leaves.
 */
static __always_inline void count_decision(const struct work *work, enum svc_counter what)
{
	if (work->hook != HOOK_XDP && !was_seen(work->hook, work->came_by))
		count(what);
}

/** drop() - count why, and drop; at XDP: leave the packet to tc. */
static __always_inline int drop(const struct work *work, enum svc_counter why)
{
	if (work->hook == HOOK_XDP)
		return VERDICT_NEXT;
	count(why);
	count_device(work, DEVICE_DROPPED);
	return VERDICT_DROP;
}

/** device_has_mac() - whether @mac is where packets to be routed by this node are sent. */
static __always_inline bool device_has_mac(const struct svc_device *device, const __u8 *mac)
{
	return mac[0] == device->mac[0] && mac[1] == device->mac[1] && mac[2] == device->mac[2] &&
	       mac[3] == device->mac[3] && mac[4] == device->mac[4] && mac[5] == device->mac[5];
}

/** may_be_forward() - whether the destination may be a frontend, of now or of a flow. */
static __always_inline bool may_be_forward(const struct packet *packet)
{
	return lookup_may_be_ours(&packet->dst) ||
	       flow_filter_has(SVC_FILTER_FORWARD, &packet->dst);
}

/** may_be_reply() - whether the source may be a backend of a flow. */
static __always_inline bool may_be_reply(const struct packet *packet, __u8 hook)
{
	return flow_filter_has(hook == HOOK_EGRESS ? SVC_FILTER_REPLY_EGRESS
						   : SVC_FILTER_REPLY_INGRESS,
			       &packet->src);
}

/** work_begin() - put a packet that may be ours into scratch. */
static __always_inline struct work *work_begin(const struct packet *packet, __u32 ifindex,
					       __u8 hook, bool is_l3)
{
	struct work *work = work_get();

	if (!work)
		return NULL;
	work->packet = *packet;
	work->ifindex = ifindex;
	work->came_by = 0;
	work->wire_bytes = packet->len_bytes;
	work->hook = hook;
	work->is_l3 = is_l3;
	work->has_route = false;
	work->has_forced = false;
	return work;
}

/** work_route() - look up the way to where the packet shall go, once. */
static __always_inline void work_route(void *ctx, struct work *work)
{
	if (work->has_route)
		return;
	route_find(ctx, work->ifindex, &work->to, (__u16)work->wire_bytes, &work->route);
	work->has_route = true;
}

/** work_no_route() - count why there is no way out. Return: the verdict. */
static __always_inline int work_no_route(const struct work *work)
{
	return drop(work, work->route.result == BPF_FIB_LKUP_RET_FWD_DISABLED
				  ? SVC_COUNTER_DROP_NO_FORWARDING
				  : SVC_COUNTER_DROP_NO_ROUTE);
}

#endif
