/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeping both halves of a flow. A full table gives up single entries, those that nobody has looked
 * at for long: a flow of which packets go one way only, or whose replies are few, loses one half.
 *
 * So whoever uses a half looks after the other one about once a second. That alone keeps it in the
 * table; if it is gone all the same it is put back. What races: a flow that is deleted on another
 * CPU, forward half first, may get that half back from a reply; then its next packet finds it over
 * again, or makes it whole again.
 */
#ifndef SVCBPF_BPF_MEND_H
#define SVCBPF_BPF_MEND_H

#include "lib/work.h"

/**
 * mend_is_due() - whether this is the flow's first packet of @info's direction in this second.
 *
 * Packets that flow_touch() takes no notice of do not count, and flows that are closing end without
 * it; tunnelled ones have no other half.
 */
static __always_inline bool mend_is_due(const struct svc_flow_info *info,
					const struct packet *packet, __u32 now_s)
{
	return info->last_s != now_s && info->state < SVC_FLOW_TCP_LAST_ACK &&
	       !(info->flags & SVC_FLOW_F_DSR) &&
	       !(packet->flags & (PACKET_F_ICMP_ERROR | PACKET_F_FRAGMENT));
}

/** mend_put() - put the other half back, whose key is @key, as it can be told from this one. */
static __always_inline void mend_put(const struct work *work, const struct flow_ends *key,
				     __u8 direction, __u8 other)
{
	const struct packet *packet = &work->packet;
	const struct flow_entry entry = {
		.src = &key->src,
		.dst = &key->dst,
		.to_src = &packet->dst,
		.to_dst = &packet->src,
		.direction = other,
	};
	struct svc_flow_info *info = flow_get(&packet->src, &packet->dst, direction);

	/* refused: another CPU was faster; whose it is now, the next second tells */
	if (info && !flow_put(&entry, info))
		count(SVC_COUNTER_FLOW_MENDED);
}

/**
 * mend_flow() - see to the other half of the flow of the packet in scratch; work->to is set.
 * @direction: SVC_FLOW_*, the packet's.
 *
 * When another flow has got the other half's key meanwhile, such as the port of this node, this one
 * is over, and its half is deleted: its packets would go on into the other's connection. Not
 * static: stack is short.
 * Return: 1: the flow is whole; 0: it is over.
 */
__noinline int mend_flow(__u32 direction)
{
	const __u8 other = direction == SVC_FLOW_FORWARD ? SVC_FLOW_REPLY : SVC_FLOW_FORWARD;
	struct work *work = work_get();
	struct flow_ends *key, *to;

	if (!work)
		return 1;
	key = &work->old_key;
	to = &work->old_to;
	key->src = work->to.dst;
	key->dst = work->to.src;
	if (!flow_find(key, other, to)) {
		mend_put(work, key, direction, other);
		return 1;
	}
	if (endpoint_equal(&to->src, &work->packet.dst) &&
	    endpoint_equal(&to->dst, &work->packet.src))
		return 1;
	flow_delete(&work->packet.src, &work->packet.dst, direction);
	/* flows are counted by their forward halves: flow_account.h */
	if (direction == SVC_FLOW_FORWARD)
		count(SVC_COUNTER_FLOW_REPLACED);
	return 0;
}

#endif
