/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From backends to clients. */
#ifndef SVCBPF_BPF_REPLY_H
#define SVCBPF_BPF_REPLY_H

#include "lib/mend.h"
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
 * reply_find() - find the flow of a packet that its source may have sent as a backend, and what the
 * packet becomes: work->to.
 * @ret_now_s: flow_now_s(), when there is one.
 *
 * With SNAT replies are translated where they come in, else where they leave: in between, the stack
 * needs to see them as the backend sent them.
 * Return: NULL: it has none, or not here. A caller that goes on with it says so by flow_touch().
 */
static __always_inline struct svc_flow_info *reply_find(struct work *work, __u32 *ret_now_s)
{
	struct packet *packet = &work->packet;
	struct svc_flow_info *info = flow_find(&packet->ends, SVC_FLOW_REPLY, &work->to);

	if (!info || !(info->flags & SVC_FLOW_F_SNAT) != (work->hook == HOOK_EGRESS))
		return NULL;
	if (reply_is_foreign(packet, info)) {
		flow_delete(&work->to.dst, &work->to.src, SVC_FLOW_FORWARD);
		flow_delete(&packet->src, &packet->dst, SVC_FLOW_REPLY);
		count(SVC_COUNTER_FLOW_REPLACED);
		return NULL;
	}
	*ret_now_s = flow_now_s();
	if (mend_is_due(info, packet, *ret_now_s) && !mend_flow(SVC_FLOW_REPLY))
		return NULL;
	return info;
}

#endif
