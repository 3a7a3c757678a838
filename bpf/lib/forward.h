/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From clients to backends. */
#ifndef SVCBPF_BPF_FORWARD_H
#define SVCBPF_BPF_FORWARD_H

#include "lib/choose.h"
#include "lib/mend.h"
#include "lib/snat.h"
#include "lib/work.h"

/* SYN with FIN or RST is nobody's way to begin: what answers it is not for us to choose. */
#define TCP_START_MASK                                                                             \
	(TCP_FLAG_SYN_BYTE | TCP_FLAG_ACK_BYTE | TCP_FLAG_FIN_BYTE | TCP_FLAG_RST_BYTE)

/** forward_is_start() - whether a packet may begin a flow. */
static __always_inline bool forward_is_start(const struct packet *packet)
{
	if (packet->flags & (PACKET_F_ICMP_ERROR | PACKET_F_FRAGMENT))
		return false;
	return packet->protocol != IPPROTO_TCP ||
	       (packet->tcp_flags & TCP_START_MASK) == TCP_FLAG_SYN_BYTE;
}

/**
 * forward_may_join() - whether a TCP flow may be taken up in mid-stream: with Maglev, which finds
 * the backend that another node chose, and when another node names it. Else the kernel's conntrack
 * may know the connection, from kube-proxy.
 */
static __always_inline bool forward_may_join(const struct work *work)
{
	const struct packet *packet = &work->packet;
	__u32 slot = work->frontend.slot;
	struct svc_service *service;

	if (packet->protocol != IPPROTO_TCP ||
	    packet->tcp_flags & (TCP_FLAG_RST_BYTE | TCP_FLAG_SYN_BYTE) ||
	    packet->flags & (PACKET_F_ICMP_ERROR | PACKET_F_FRAGMENT))
		return false;
	if (work->has_forced)
		return true;
	if (!svc_packet_config.maglev_size)
		return false;
	service = bpf_map_lookup_elem(&services, &slot);
	return service && service->flags & SVC_F_MAGLEV;
}

/** forward_refuse() - what becomes of a packet that choose_backend() found no backend for. */
static __always_inline int forward_refuse(struct work *work, int why)
{
	if (why == CHOSE_DROP_POLICY)
		return drop(work, SVC_COUNTER_DROP_POLICY);
	if (why == CHOSE_DROP_RANGE)
		return drop(work, SVC_COUNTER_DROP_RANGE);
	if (why == CHOSE_NOTHING)
		return drop(work, SVC_COUNTER_BAD_SLOT);
	count_decision(work, SVC_COUNTER_REJECT);
	work->answer = work->packet.protocol == IPPROTO_TCP ? ANSWER_RESET : ANSWER_UNREACHABLE;
	return VERDICT_ANSWER;
}

/** forward_mode() - SVC_FLOW_F_SNAT, SVC_FLOW_F_LOCAL, SVC_FLOW_F_DSR as a new flow needs them. */
static __always_inline __u8 forward_mode(const struct work *work)
{
	const struct choice *choice = &work->choice;

	if (work->hook == HOOK_EGRESS ||
	    endpoint_addr_equal(&work->packet.src, choice->backend.addr))
		return SVC_FLOW_F_SNAT; /* already past the stack; or hairpin (R30) */
	if (choice->flags & SVC_BACKEND_F_LOCAL)
		return SVC_FLOW_F_LOCAL;
	if (choice->is_inside)
		return 0;
	return svc_packet_config.forwarding == SVC_FORWARDING_DSR ? SVC_FLOW_F_DSR
								  : SVC_FLOW_F_SNAT;
}

/**
 * forward_is_to_host() - whether the backend is this node itself: the stack delivers to it, but not
 * what would come in from this node's own address.
 */
static __always_inline bool forward_is_to_host(const struct work *work)
{
	return work->hook != HOOK_EGRESS && work->choice.flags & SVC_BACKEND_F_LOCAL &&
	       work->route.result == BPF_FIB_LKUP_RET_NOT_FWDED;
}

/**
 * forward_claim_port() - the way to the backend, this node's address on it, and a port.
 *
 * To this node itself the client keeps its address, and gets another port only: replies leave by
 * way of egress, where they are told apart by it. What this node sends to itself, past its sockets'
 * programs, is dropped: at egress it is too late for another source, for the stack takes nothing
 * from its own addresses by any device, and the replies would leave by lo, which has no programs.
 */
static __always_inline int forward_claim_port(void *ctx, struct work *work,
					      int (*try_port)(void *ctx, __u32 n))
{
	int r;

	work_route(ctx, work);
	if (work->route.result == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return VERDICT_TOO_BIG;
	if (forward_is_to_host(work))
		work->info.flags = SVC_FLOW_F_LOCAL;
	else if (!route_is_out(&work->route))
		return work_no_route(work);
	else if (!route_address(&work->route, &work->to.src))
		return drop(work, SVC_COUNTER_DROP_NO_ADDRESS);
	work->takes_port = true;
	r = snat_claim_port(ctx, work, try_port);
	if (r == -ENOSPC)
		return drop(work, SVC_COUNTER_SNAT_FAILED);
	return r ? drop(work, SVC_COUNTER_FLOW_NOT_STORED) : VERDICT_NONE;
}

/** forward_claim() - store the reply direction of a new flow. Return: VERDICT_NONE or a verdict. */
static __always_inline int forward_claim(void *ctx, struct work *work,
					 int (*try_port)(void *ctx, __u32 n))
{
	int r;

	if (work->info.flags & SVC_FLOW_F_DSR)
		return VERDICT_NONE;
	if (!(work->info.flags & SVC_FLOW_F_SNAT)) {
		r = try_port(ctx, false);
		if (!r)
			return VERDICT_NONE;
		if (r != -EEXIST)
			return drop(work, SVC_COUNTER_FLOW_NOT_STORED);
		work->info.flags = SVC_FLOW_F_SNAT;
	}
	return forward_claim_port(ctx, work, try_port);
}

/**
 * forward_store() - store a new flow, whose work->to and info are set.
 * @try_port: see snat_claim_port().
 * Return: VERDICT_NONE or a verdict.
 */
static __always_inline int forward_store(void *ctx, struct work *work,
					 int (*try_port)(void *ctx, __u32 n))
{
	struct svc_flow_info *winner;
	int r;

	r = forward_claim(ctx, work, try_port);
	if (r != VERDICT_NONE)
		return r;
	work->flow_flags = work->info.flags;
	if (!snat_put_forward(work)) {
		count(SVC_COUNTER_FLOW_NEW);
		count_device(work, DEVICE_NEW);
		return VERDICT_NONE;
	}
	winner = flow_find(&work->packet.ends, SVC_FLOW_FORWARD, &work->to);
	if (!winner)
		return drop(work, SVC_COUNTER_FLOW_NOT_STORED);
	work->flow_flags = winner->flags;
	work->has_route = false;
	return VERDICT_NONE;
}

/** forward_choose() - the backend of a new flow. Return: VERDICT_NONE or a verdict. */
static __always_inline int forward_choose(struct work *work)
{
	struct choice *choice = &work->choice;
	struct svc_device *device;
	int r;

	if (work->has_forced) {
		choice->backend = work->forced;
		choice->backend.protocol = work->packet.protocol;
		choice->service_id = work->frontend.service_id;
		choice->flags = SVC_BACKEND_F_LOCAL;
		return VERDICT_NONE;
	}
	device = device_find(work->ifindex);
	choice->is_inside =
		work->hook == HOOK_EGRESS || (device && !(device->flags & SVC_DEVICE_F_UPLINK));
	r = choose_backend(&work->frontend, &work->packet.ends, choice);
	return r == CHOSEN ? VERDICT_NONE : forward_refuse(work, r);
}

/** forward_begin() - what the flow table keeps of a new flow. */
static __always_inline void forward_begin(struct work *work)
{
	const struct packet *packet = &work->packet;
	struct svc_flow_info *info = &work->info;

	info->last_s = info->created_s = flow_now_s();
	info->service_id = work->choice.service_id;
	info->flags = forward_mode(work);
	work->takes_port = false;
	info->generation =
		packet->protocol == IPPROTO_UDP ? flow_generation(&work->choice.backend) : 0;
	if (packet->protocol != IPPROTO_TCP)
		info->state = SVC_FLOW_UDP_UNREPLIED;
	else
		info->state =
			forward_is_start(packet) ? SVC_FLOW_TCP_SYN_SENT : SVC_FLOW_TCP_ESTABLISHED;
}

/**
 * forward_look_up_scope() - find the packet's destination in the frontend tables: work->frontend.
 * @scope: SVC_SCOPE_*.
 *
 * Verified by itself for both: the probes of one look-up times those of the other are too many.
 * Return: 1; 0.
 */
__noinline int forward_look_up_scope(__u32 scope)
{
	struct work *work = work_get();
	struct svc_route *route;

	if (!work)
		return 0;
	route = lookup_frontend(&work->packet.dst, scope ? SVC_SCOPE_NODEPORT : SVC_SCOPE_ADDRESS);
	if (!route)
		return 0;
	work->frontend.list = *(volatile __u64 *)&route->list;
	work->frontend.slot = route->slot;
	work->frontend.service_id = route->service_id;
	return 1;
}

/**
 * forward_look_up() - find what the packet's destination leads to: work->frontend.
 *
 * What comes out of another node's tunnel may go to that node's address: NodePorts are the same on
 * all of them.
 */
static __always_inline bool forward_look_up(const struct work *work)
{
	const struct endpoint *dst = &work->packet.dst;

	if (lookup_may_be_ours(dst) && forward_look_up_scope(SVC_SCOPE_ADDRESS))
		return true;
	return (work->has_forced || lookup_packet_nodeport(dst)) &&
	       forward_look_up_scope(SVC_SCOPE_NODEPORT);
}

/**
 * forward_new() - choose the backend for the flow of a packet without one.
 * Return: VERDICT_NONE: it is to be stored; or a verdict.
 */
__noinline int forward_new(void)
{
	struct work *work = work_get();
	struct packet *packet;
	int verdict;

	if (!work)
		return VERDICT_DROP;
	packet = &work->packet;
	if (!forward_look_up(work))
		return VERDICT_NOT_OURS;
	if (!forward_is_start(packet) && !forward_may_join(work)) {
		if (!(packet->flags & (PACKET_F_ICMP_ERROR | PACKET_F_FRAGMENT)))
			count_decision(work, SVC_COUNTER_FLOW_UNKNOWN);
		return VERDICT_NOT_OURS;
	}
	verdict = forward_choose(work);
	if (verdict != VERDICT_NONE)
		return verdict;
	if (packet->protocol == IPPROTO_SCTP && work->choice.backend.port != packet->dst.port)
		return drop(work, SVC_COUNTER_DROP_SCTP_PORT);
	work->to.src = packet->src;
	work->to.dst = work->choice.backend;
	forward_begin(work);
	return VERDICT_NONE;
}

/**
 * forward_find() - find the flow of a packet, and what the packet becomes: work->to. A flow that is
 * over is deleted, one that has lost a half is made whole.
 * @ret_now_s: flow_now_s(), when there is one.
 * Return: NULL: it has none. A caller that goes on with it says so by flow_touch().
 */
static __always_inline struct svc_flow_info *forward_find(struct work *work, __u32 *ret_now_s)
{
	struct packet *packet = &work->packet;
	struct svc_flow_info *info;
	__u32 now_s;

	if (!flow_filter_has(SVC_FILTER_FORWARD, &packet->dst))
		return NULL;
	info = flow_find(&packet->ends, SVC_FLOW_FORWARD, &work->to);
	if (!info)
		return NULL;
	*ret_now_s = now_s = flow_now_s();
	if (forward_is_start(packet) && flow_is_over(info, &work->to, packet->tcp_flags, now_s)) {
		flow_delete(&packet->src, &packet->dst, SVC_FLOW_FORWARD);
		flow_delete(&work->to.dst, &work->to.src, SVC_FLOW_REPLY);
		count(SVC_COUNTER_FLOW_REPLACED);
		return NULL;
	}
	if (mend_is_due(info, packet, now_s) && !mend_flow(SVC_FLOW_FORWARD))
		return NULL;
	work->flow_flags = info->flags;
	return info;
}

#endif
