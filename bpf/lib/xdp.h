/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Both directions of a flow at XDP: what goes straight from one wire to another.
 *
 * All else is left to tc, unchanged, and tc finds what was begun here in the same tables: a new
 * flow's backend is chosen once, here, also when it is on this node. Only what is sent from here
 * counts as a packet of its flow, for tc sees the others. Functions that are not static: work.h.
 */
#ifndef SVCBPF_BPF_XDP_H
#define SVCBPF_BPF_XDP_H

#include "lib/direct.h"
#include "lib/forward.h"
#include "lib/reply.h"
#include "lib/work.h"

/* A frame leaves this node; else the verdicts of work.h. */
#define VERDICT_SENT 104

/** xdp_try_port() - snat_try(), verified by itself. */
__noinline int xdp_try_port(struct xdp_md *ctx, __u32 n)
{
	return snat_try(ctx, n);
}

static __always_inline int xdp_try(void *ctx, __u32 n)
{
	return xdp_try_port(ctx, n);
}

/** xdp_store() - forward_store(), verified by itself. */
__noinline int xdp_store(struct xdp_md *ctx)
{
	struct work *work = work_get();

	return work ? forward_store(ctx, work, xdp_try) : VERDICT_NEXT;
}

/** xdp_can_send() - whether XDP can send by @route: by this device, or another one with XDP. */
static __always_inline bool xdp_can_send(const struct work *work)
{
	struct svc_device *device;

	if (work->route.result != BPF_FIB_LKUP_RET_SUCCESS)
		return false;
	if (work->route.fib.ifindex == work->ifindex)
		return true;
	device = device_find(work->route.fib.ifindex);
	return device && device->flags & SVC_DEVICE_F_XDP;
}

static __always_inline int xdp_translate(struct xdp_md *ctx, const struct work *work)
{
	const struct packet *packet = &work->packet;
	const struct flow_ends *to = &work->to;

	if (packet->family == SVC_FAMILY_IPV4)
		return packet->protocol == IPPROTO_TCP
			       ? direct_rewrite(ctx, packet, to, SVC_FAMILY_IPV4, TCP_WORDS)
			       : direct_rewrite(ctx, packet, to, SVC_FAMILY_IPV4, UDP_WORDS);
	return packet->protocol == IPPROTO_TCP
		       ? direct_rewrite(ctx, packet, to, SVC_FAMILY_IPV6, TCP_WORDS)
		       : direct_rewrite(ctx, packet, to, SVC_FAMILY_IPV6, UDP_WORDS);
}

/**
 * xdp_send() - translate the packet, and send it by the route.
 *
 * Return: VERDICT_SENT: xdp_leave() says how it leaves; VERDICT_NEXT: it cannot be sent from here:
 * no way, no neighbour yet, or too big for the way. It is unchanged.
 */
__noinline int xdp_send(struct xdp_md *ctx)
{
	struct work *work = work_get();

	if (!work || work->packet.ttl <= 1)
		return VERDICT_NEXT;
	work_route(ctx, work);
	if (!xdp_can_send(work) || xdp_translate(ctx, work) ||
	    direct_set_macs(ctx, &work->route.fib))
		return VERDICT_NEXT;
	count(SVC_COUNTER_XDP_SENT);
	return VERDICT_SENT;
}

/** xdp_leave() - how a packet leaves that is to be sent. Return: XDP_*. */
static __always_inline int xdp_leave(void)
{
	struct work *work = work_get();

	if (!work)
		return XDP_DROP;
	if (work->route.fib.ifindex == work->ifindex)
		return XDP_TX;
	return (int)bpf_redirect(work->route.fib.ifindex, 0);
}

/** xdp_forward_new() - a packet to a frontend, without a flow. Return: as xdp_forward(). */
static __always_inline int xdp_forward_new(struct xdp_md *ctx, struct work *work)
{
	int verdict = forward_new();

	if (verdict == VERDICT_NONE)
		verdict = xdp_store(ctx);
	if (verdict != VERDICT_NONE)
		return verdict == VERDICT_NOT_OURS ? VERDICT_NOT_OURS : VERDICT_NEXT;
	return work->flow_flags & SVC_FLOW_F_SNAT ? xdp_send(ctx) : VERDICT_NEXT;
}

/**
 * xdp_forward() - a packet whose destination may be a frontend.
 * Return: VERDICT_SENT; VERDICT_NEXT: ours, but left to tc; VERDICT_NOT_OURS.
 */
__noinline int xdp_forward(struct xdp_md *ctx)
{
	struct work *work = work_get();
	struct svc_flow_info *info;
	__u32 now_s = 0;
	int verdict;

	if (!work)
		return VERDICT_NEXT;
	info = forward_find(work, &now_s);
	if (!info) {
		verdict = xdp_forward_new(ctx, work);
	} else {
		verdict = info->flags & SVC_FLOW_F_SNAT ? xdp_send(ctx) : VERDICT_NEXT;
		if (verdict == VERDICT_SENT)
			flow_touch(info, &work->packet, &work->to, SVC_FLOW_FORWARD, now_s);
	}
	if (verdict == VERDICT_SENT)
		count_device(work, DEVICE_FORWARD);
	return verdict;
}

/** xdp_reply() - a packet whose source may be a backend of a flow. Return: as xdp_forward(). */
__noinline int xdp_reply(struct xdp_md *ctx)
{
	struct work *work = work_get();
	struct svc_flow_info *info;
	__u32 now_s = 0;

	if (!work)
		return VERDICT_NEXT;
	info = reply_find(work, &now_s);
	if (!info)
		return VERDICT_NOT_OURS;
	if (xdp_send(ctx) != VERDICT_SENT)
		return VERDICT_NEXT;
	flow_touch(info, &work->packet, &work->to, SVC_FLOW_REPLY, now_s);
	count_device(work, DEVICE_REPLY);
	return VERDICT_SENT;
}

#endif
