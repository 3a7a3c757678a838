/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a tc program knows of the packet it works on, and what it can do with it. */
#ifndef SVCBPF_BPF_WORK_H
#define SVCBPF_BPF_WORK_H

#include "lib/answer.h"
#include "lib/flow.h"
#include "lib/rewrite.h"
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
#define VERDICT_ANSWER	 103 /* work_answer() is to be called, from the entry point: stack is short \
			      */

#define HOOK_INGRESS 0
#define HOOK_EGRESS  1

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
 * CPU's tc hooks do not interrupt each other.
 * @to: what it becomes.  @flow_flags: SVC_FLOW_F_* of its flow.
 * @route: of what leaves by route_send().  @has_route: it was looked up.
 * @info, @choice: of a new flow.  @frontend: what its destination leads to.
 * @old_key, @old_to: of a flow whose port it may take.
 * @forced: the backend that another node has chosen (dsr.h).  @has_forced: there is one.
 * @answer: ANSWER_*, when there is one.  @mtu: of ANSWER_TOO_BIG.
 * @hook: HOOK_*.  @is_l3: the device has no link-layer header.
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
	__u8 answer;
	__u8 flow_flags;
	__u8 hook;
	bool is_l3;
	bool has_route;
	bool has_forced;
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
static __always_inline void count_device(const struct __sk_buff *skb, enum device_counter what)
{
	__u32 index = skb_load(skb, ifindex) % SVC_DEVICE_SLOTS;
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

/** drop() - count why, and drop. */
static __always_inline int drop(const struct __sk_buff *skb, enum svc_counter why)
{
	count(why);
	count_device(skb, DEVICE_DROPPED);
	return VERDICT_DROP;
}

/** work_device() - the device the packet is on; NULL: not one of those the agent chose. */
static __always_inline struct svc_device *work_device(const struct __sk_buff *skb)
{
	__u32 ifindex = skb_load(skb, ifindex);

	return bpf_map_lookup_elem(&devices, &ifindex);
}

/* What work_answer() tells the sender. */
#define ANSWER_RESET	   0 /* TCP: no backend */
#define ANSWER_UNREACHABLE 1 /* others: no backend */
#define ANSWER_EXPIRED	   2
#define ANSWER_TOO_BIG	   3

/** work_answer_from() - the address errors of this node come from: the device's, else the one that
 * the packet was sent to. */
static __always_inline void work_answer_from(const struct __sk_buff *skb, const struct work *work,
					     struct endpoint *ret)
{
	struct svc_device *device = work_device(skb);

	*ret = work->packet.dst;
	if (!device)
		return;
	if (ret->family == SVC_FAMILY_IPV4) {
		if (device->addr4)
			ret->addr[3] = device->addr4;
	} else if (device->addr6[0] | device->addr6[3]) {
		__builtin_memcpy(ret->addr, device->addr6, sizeof(ret->addr));
	}
}

static __always_inline int work_make_answer(struct __sk_buff *skb, const struct work *work,
					    __u32 what, __u32 mtu)
{
	const struct packet *packet = &work->packet;
	struct endpoint from;

	if (what == ANSWER_RESET)
		return answer_reset(skb, packet);
	if (what == ANSWER_UNREACHABLE)
		return answer_unreachable(skb, packet, &packet->dst);
	work_answer_from(skb, work, &from);
	return what == ANSWER_EXPIRED ? answer_time_exceeded(skb, packet, &from)
				      : answer_too_big(skb, packet, &from, mtu);
}

/*
 * The functions below that are not static are verified once each, by themselves and with any
 * packet: inlined, or as static ones, their paths multiply past what kernels will look at. All they
 * share is the packet in scratch.
 */

/**
 * work_answer() - make the packet into the answer to it. Return: the verdict.
 *
 * It goes back where it came from; what was on its way out of this node goes up to the stack. What
 * must not be answered is dropped.
 */
__noinline int work_answer(struct __sk_buff *skb)
{
	struct work *work = work_get();

	if (!work)
		return VERDICT_DROP;
	count_device(skb, DEVICE_DROPPED);
	if (work_make_answer(skb, work, work->answer, work->mtu))
		return VERDICT_DROP;
	return bpf_redirect(skb_load(skb, ifindex), work->hook == HOOK_EGRESS ? BPF_F_INGRESS : 0);
}

/**
 * work_translate() - make the packet what it becomes.
 * @flags: REWRITE_F_*.
 * Return: VERDICT_NEXT, or to drop it.
 */
__noinline int work_translate(struct __sk_buff *skb, __u32 flags)
{
	struct work *work = work_get();
	int r;

	if (!work)
		return VERDICT_DROP;
	r = rewrite_all(skb, &work->packet, &work->to.src, &work->to.dst, flags);
	if (r == -ENOTSUP)
		return drop(skb, SVC_COUNTER_DROP_SCTP_PORT);
	if (r)
		return drop(skb, SVC_COUNTER_DROP_REWRITE);
	if (work->packet.flags & PACKET_F_ICMP_ERROR)
		count(SVC_COUNTER_ICMP_ERROR);
	return VERDICT_NEXT;
}

/** work_route() - look up the way to where the packet shall go, once. */
static __always_inline void work_route(struct __sk_buff *skb, struct work *work)
{
	if (work->has_route)
		return;
	route_find(skb, skb_load(skb, ifindex), &work->to, packet_wire_len(skb, &work->packet),
		   &work->route);
	work->has_route = true;
}

/** work_no_route() - count why there is no way out. Return: the verdict. */
static __always_inline int work_no_route(struct __sk_buff *skb, const struct work *work)
{
	return drop(skb, work->route.result == BPF_FIB_LKUP_RET_FWD_DISABLED
				 ? SVC_COUNTER_DROP_NO_FORWARDING
				 : SVC_COUNTER_DROP_NO_ROUTE);
}

/** work_too_big() - the MTU of the way, less what we add, is to be told. Return: the verdict. */
static __always_inline int work_too_big(struct work *work, __u32 len_bytes, __u32 added_bytes)
{
	count(SVC_COUNTER_TOO_BIG);
	work->answer = ANSWER_TOO_BIG;
	work->mtu = route_mtu(&work->route, (__u16)len_bytes) - added_bytes;
	return VERDICT_ANSWER;
}

/** work_expired() - that the packet has gone too far is to be told. Return: the verdict. */
static __always_inline int work_expired(struct work *work)
{
	count(SVC_COUNTER_TTL_EXPIRED);
	work->answer = ANSWER_EXPIRED;
	return VERDICT_ANSWER;
}

/** work_send() - translate and send out by the route, as a router does. Return: the verdict. */
__noinline int work_send(struct __sk_buff *skb)
{
	struct work *work = work_get();
	int verdict;

	if (!work)
		return VERDICT_DROP;
	if (work->packet.ttl <= 1)
		return work_expired(work);
	work_route(skb, work);
	if (work->route.result == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return work_too_big(work, packet_wire_len(skb, &work->packet), 0);
	if (!route_is_out(&work->route))
		return work_no_route(skb, work);
	verdict = work_translate(skb, REWRITE_F_DECREMENT_TTL);
	return verdict == VERDICT_NEXT ? route_send(&work->route) : verdict;
}

#endif
