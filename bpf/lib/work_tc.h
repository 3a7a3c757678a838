/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tc does with a packet once it is known what it becomes: translate, send, or answer it. */
#ifndef SVCBPF_BPF_WORK_TC_H
#define SVCBPF_BPF_WORK_TC_H

#include "lib/answer.h"
#include "lib/rewrite.h"
#include "lib/work.h"

/** work_answer_from() - the address errors of this node come from: the device's, else the one that
 * the packet was sent to. */
static __always_inline void work_answer_from(const struct work *work, struct endpoint *ret)
{
	struct svc_device *device = device_find(work->ifindex);

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
		return answer_error(skb, packet, &packet->dst, ANSWER_ERROR_UNREACHABLE);
	work_answer_from(work, &from);
	return what == ANSWER_EXPIRED ? answer_error(skb, packet, &from, ANSWER_ERROR_EXPIRED)
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
	count_device(work, DEVICE_DROPPED);
	if (work_make_answer(skb, work, work->answer, work->mtu))
		return VERDICT_DROP;
	return (int)bpf_redirect(skb_load(skb, ifindex),
				 work->hook == HOOK_EGRESS ? BPF_F_INGRESS : 0);
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
		return drop(work, SVC_COUNTER_DROP_SCTP_PORT);
	if (r)
		return drop(work, SVC_COUNTER_DROP_REWRITE);
	if (work->packet.flags & PACKET_F_ICMP_ERROR)
		count(SVC_COUNTER_ICMP_ERROR);
	return VERDICT_NEXT;
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
		return work_too_big(work, work->wire_bytes, 0);
	if (!route_is_out(&work->route))
		return work_no_route(work);
	verdict = work_translate(skb, REWRITE_F_DECREMENT_TTL);
	return verdict == VERDICT_NEXT ? route_send(&work->route) : verdict;
}

#endif
