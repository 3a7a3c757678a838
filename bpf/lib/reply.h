/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From backends to clients. */
#ifndef SVCBPF_BPF_REPLY_H
#define SVCBPF_BPF_REPLY_H

#include "lib/frag.h"
#include "lib/work.h"

/**
 * reply_is_foreign() - whether a SYN+ACK shows that this connection is not the flow's: the client
 * has closed that one, and has dialled the backend itself, from the same port.
 */
static __always_inline bool reply_is_foreign(const struct packet *packet,
					     const struct svc_flow_info *info)
{
	return packet->tcp_flags & TCP_FLAG_SYN_BYTE && info->state >= SVC_FLOW_TCP_FIN_WAIT;
}

/**
 * reply_packet() - a packet whose source may be a backend of a flow.
 *
 * With SNAT replies are translated where they come in, else where they leave: in between, the stack
 * needs to see them as the backend sent them. A client that is this node itself is reached by the
 * stack, not by a way out.
 * Return: the verdict, VERDICT_NEXT when it goes on through the stack; VERDICT_NOT_OURS.
 */
__noinline int reply_packet(struct __sk_buff *skb)
{
	struct work *work = work_get();
	struct svc_flow_info *info;
	struct packet *packet;

	if (!work)
		return VERDICT_DROP;
	packet = &work->packet;
	info = flow_find(&packet->ends, SVC_FLOW_REPLY, &work->to);
	if (!info || !(info->flags & SVC_FLOW_F_SNAT) != (work->hook == HOOK_EGRESS))
		return VERDICT_NOT_OURS;
	if (reply_is_foreign(packet, info)) {
		flow_delete(&work->to.dst, &work->to.src, SVC_FLOW_FORWARD);
		flow_delete(&packet->src, &packet->dst, SVC_FLOW_REPLY);
		return VERDICT_NOT_OURS;
	}
	flow_touch(info, packet, &work->to, SVC_FLOW_REPLY, flow_now_s());
	frag_remember(packet);
	count_device(skb, DEVICE_REPLY);
	if (work->hook == HOOK_EGRESS)
		return work_translate(skb, 0);
	work_route(skb, work);
	return work->route.result == BPF_FIB_LKUP_RET_NOT_FWDED ? work_translate(skb, 0)
								: work_send(skb);
}

#endif
