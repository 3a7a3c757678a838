/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Both directions of a flow at tc. Functions that are not static: work_tc.h. */
#ifndef SVCBPF_BPF_TC_H
#define SVCBPF_BPF_TC_H

#include "lib/dsr.h"
#include "lib/forward.h"
#include "lib/frag.h"
#include "lib/reply.h"
#include "lib/work_tc.h"

/** tc_try_port() - snat_try(), verified by itself. */
__noinline int tc_try_port(struct __sk_buff *skb, __u32 n)
{
	return snat_try(skb, n);
}

static __always_inline int tc_try(void *ctx, __u32 n)
{
	return tc_try_port(ctx, n);
}

/** forward_store_tc() - forward_store(), verified by itself. */
__noinline int forward_store_tc(struct __sk_buff *skb)
{
	struct work *work = work_get();

	return work ? forward_store(skb, work, tc_try) : VERDICT_DROP;
}

/** forward_known() - find the packet's flow. Return: VERDICT_NONE when it has one. */
static __always_inline int forward_known(struct work *work)
{
	__u32 now_s = 0;
	struct svc_flow_info *info = forward_find(work, &now_s);

	if (!info)
		return VERDICT_NOT_OURS;
	flow_touch(info, &work->packet, &work->to, SVC_FLOW_FORWARD, now_s);
	return VERDICT_NONE;
}

/**
 * forward_packet() - a packet whose destination may be a frontend.
 * Return: the verdict, VERDICT_NEXT when it goes on through the stack; VERDICT_NOT_OURS.
 */
__noinline int forward_packet(struct __sk_buff *skb)
{
	struct work *work = work_get();
	int verdict;

	if (!work)
		return VERDICT_DROP;
	verdict = forward_known(work);
	if (verdict != VERDICT_NONE) {
		verdict = forward_new();
		if (verdict == VERDICT_NONE)
			verdict = forward_store_tc(skb);
	}
	if (verdict == VERDICT_TOO_BIG)
		return work_send(skb);
	if (verdict != VERDICT_NONE)
		return verdict;
	frag_remember(&work->packet);
	count_device(work, DEVICE_FORWARD);
	if (work->flow_flags & SVC_FLOW_F_DSR)
		return dsr_send(skb);
	return work->flow_flags & SVC_FLOW_F_SNAT ? work_send(skb) : work_translate(skb, 0);
}

/**
 * reply_packet() - a packet whose source may be a backend of a flow.
 *
 * A client that is this node itself is reached by the stack, not by a way out.
 * Return: the verdict, VERDICT_NEXT when it goes on through the stack; VERDICT_NOT_OURS.
 */
__noinline int reply_packet(struct __sk_buff *skb)
{
	struct work *work = work_get();
	struct svc_flow_info *info;
	__u32 now_s = 0;

	if (!work)
		return VERDICT_DROP;
	info = reply_find(work, &now_s);
	if (!info)
		return VERDICT_NOT_OURS;
	flow_touch(info, &work->packet, &work->to, SVC_FLOW_REPLY, now_s);
	frag_remember(&work->packet);
	count_device(work, DEVICE_REPLY);
	if (work->hook == HOOK_EGRESS)
		return work_translate(skb, 0);
	work_route(skb, work);
	return work->route.result == BPF_FIB_LKUP_RET_NOT_FWDED ? work_translate(skb, 0)
								: work_send(skb);
}

#endif
