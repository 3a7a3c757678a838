/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow table: both directions of a flow, found by what its packets carry as they arrive.
 *
 * A flow is two entries, made reply first. Each says what packets of its direction become; that,
 * swapped, is the key of the other. An entry lives in place: a packet changes its times and state
 * through the pointer. What races: the kernel may give an entry that was just found to another flow
 * when the table is full; it takes those that nobody has looked at for long, so the worst outcome,
 * a packet to a wrong address, needs a flow that comes back in the very nanoseconds in which it is
 * evicted.
 */
#ifndef SVCBPF_BPF_FLOW_H
#define SVCBPF_BPF_FLOW_H

#include <svcbpf/hash.h>

#include "lib/compat.h"
#include "lib/count.h"
#include "lib/packet.h"
#include "lib/packet_maps.h"

#define NSEC_PER_SEC 1000000000ull

/** flow_now_s() - CLOCK_MONOTONIC in seconds. */
static __always_inline __u32 flow_now_s(void)
{
	return (__u32)(clock_ns() / NSEC_PER_SEC);
}

/** flow_filter_has() - whether a flow with @end may be there. @filter: SVC_FILTER_*. */
static __always_inline bool flow_filter_has(__u32 filter, const struct endpoint *end)
{
	struct svc_flow_filter *bytes = bpf_map_lookup_elem(&flow_filter, &filter);

	return bytes && bytes->is_used[svc_filter_byte(end->addr, end->port, end->protocol)];
}

/** flow_filter_set() - packets with @end are looked up from now on. */
static __always_inline void flow_filter_set(__u32 filter, const struct endpoint *end)
{
	struct svc_flow_filter *bytes = bpf_map_lookup_elem(&flow_filter, &filter);
	__u32 index = svc_filter_byte(end->addr, end->port, end->protocol);

	if (bytes && !bytes->is_used[index])
		bytes->is_used[index] = 1;
}

static __always_inline void flow_key4(struct svc_flow_key4 *key, const struct endpoint *src,
				      const struct endpoint *dst, __u8 direction)
{
	key->src = src->addr[3];
	key->dst = dst->addr[3];
	key->src_port = src->port;
	key->dst_port = dst->port;
	key->protocol = src->protocol;
	key->direction = direction;
	key->pad = 0;
}

static __always_inline void flow_key6(struct svc_flow_key6 *key, const struct endpoint *src,
				      const struct endpoint *dst, __u8 direction)
{
	__builtin_memcpy(key->src, src->addr, sizeof(key->src));
	__builtin_memcpy(key->dst, dst->addr, sizeof(key->dst));
	key->src_port = src->port;
	key->dst_port = dst->port;
	key->protocol = src->protocol;
	key->direction = direction;
	key->pad = 0;
}

/** flow_get() - the entry of packets from @src to @dst; NULL. Families and protocols are equal. */
static __always_inline struct svc_flow_info *flow_get(const struct endpoint *src,
						      const struct endpoint *dst, __u8 direction)
{
	struct svc_flow_key4 key4;
	struct svc_flow_key6 key6;
	struct svc_flow4 *flow4;
	struct svc_flow6 *flow6;

	if (src->family == SVC_FAMILY_IPV4) {
		flow_key4(&key4, src, dst, direction);
		flow4 = bpf_map_lookup_elem(&flows4, &key4);
		return flow4 ? &flow4->info : NULL;
	}
	flow_key6(&key6, src, dst, direction);
	flow6 = bpf_map_lookup_elem(&flows6, &key6);
	return flow6 ? &flow6->info : NULL;
}

static __always_inline void flow_end4(struct endpoint *end, __be32 addr, __be16 port)
{
	end->addr[0] = 0;
	end->addr[1] = 0;
	end->addr[2] = bpf_htonl(0xffff);
	end->addr[3] = addr;
	end->port = port;
}

static __always_inline void flow_end6(struct endpoint *end, const __be32 *addr, __be16 port)
{
	__builtin_memcpy(end->addr, addr, sizeof(end->addr));
	end->port = port;
}

/**
 * flow_find() - flow_get(), and what the packet becomes.
 * @from: as it arrived.  @to: filled in when found.
 */
static __always_inline struct svc_flow_info *flow_find(const struct flow_ends *from, __u8 direction,
						       struct flow_ends *to)
{
	struct svc_flow_key4 key4;
	struct svc_flow_key6 key6;
	struct svc_flow4 *flow4;
	struct svc_flow6 *flow6;

	*to = *from;
	if (from->src.family == SVC_FAMILY_IPV4) {
		flow_key4(&key4, &from->src, &from->dst, direction);
		flow4 = bpf_map_lookup_elem(&flows4, &key4);
		if (!flow4)
			return NULL;
		flow_end4(&to->src, flow4->src, flow4->src_port);
		flow_end4(&to->dst, flow4->dst, flow4->dst_port);
		return &flow4->info;
	}
	flow_key6(&key6, &from->src, &from->dst, direction);
	flow6 = bpf_map_lookup_elem(&flows6, &key6);
	if (!flow6)
		return NULL;
	flow_end6(&to->src, flow6->src, flow6->src_port);
	flow_end6(&to->dst, flow6->dst, flow6->dst_port);
	return &flow6->info;
}

/** struct flow_entry - what to store of one direction: all borrowed. */
struct flow_entry {
	const struct endpoint *src;
	const struct endpoint *dst;
	const struct endpoint *to_src;
	const struct endpoint *to_dst;
	__u8 direction;
};

/** flow_put() - store one direction. Return: 0; -EEXIST; -ENOMEM. */
static __always_inline int flow_put(const struct flow_entry *entry,
				    const struct svc_flow_info *info)
{
	if (entry->src->family == SVC_FAMILY_IPV4) {
		struct svc_flow4 flow = {.info = *info};
		struct svc_flow_key4 key;

		flow_key4(&key, entry->src, entry->dst, entry->direction);
		flow.src = entry->to_src->addr[3];
		flow.dst = entry->to_dst->addr[3];
		flow.src_port = entry->to_src->port;
		flow.dst_port = entry->to_dst->port;
		return (int)bpf_map_update_elem(&flows4, &key, &flow, BPF_NOEXIST);
	}

	struct svc_flow6 flow = {.info = *info};
	struct svc_flow_key6 key;

	flow_key6(&key, entry->src, entry->dst, entry->direction);
	__builtin_memcpy(flow.src, entry->to_src->addr, sizeof(flow.src));
	__builtin_memcpy(flow.dst, entry->to_dst->addr, sizeof(flow.dst));
	flow.src_port = entry->to_src->port;
	flow.dst_port = entry->to_dst->port;
	return (int)bpf_map_update_elem(&flows6, &key, &flow, BPF_NOEXIST);
}

/** flow_delete() - delete one direction, if it is there. */
static __always_inline void flow_delete(const struct endpoint *src, const struct endpoint *dst,
					__u8 direction)
{
	struct svc_flow_key4 key4;
	struct svc_flow_key6 key6;

	if (src->family == SVC_FAMILY_IPV4) {
		flow_key4(&key4, src, dst, direction);
		bpf_map_delete_elem(&flows4, &key4);
		return;
	}
	flow_key6(&key6, src, dst, direction);
	bpf_map_delete_elem(&flows6, &key6);
}

/** flow_other() - the entry of the other direction, whose packets arrive as @to swapped; NULL. */
static __always_inline struct svc_flow_info *flow_other(const struct flow_ends *to, __u8 direction)
{
	return flow_get(&to->dst, &to->src,
			direction == SVC_FLOW_FORWARD ? SVC_FLOW_REPLY : SVC_FLOW_FORWARD);
}

/** flow_timeout_s() - idle time of a state, seconds. */
static __always_inline __u32 flow_timeout_s(__u8 state)
{
	__u32 index = state;

	/* clang 14 checks the narrow value and uses the wide one: "invalid access to map value" */
	barrier_var(index);
	return index < SVC_N_FLOW_STATES ? svc_packet_config.timeouts_s[index] : 0;
}

/** flow_is_idle() - whether an entry has timed out by itself. */
static __always_inline bool flow_is_idle(const struct svc_flow_info *info, __u32 now_s)
{
	return now_s - info->last_s > flow_timeout_s(info->state) && now_s > info->last_s;
}

/** flow_generation() - of a UDP backend now: see SVC_GENERATIONS. */
static __always_inline __u16 flow_generation(const struct endpoint *backend)
{
	__u32 index = svc_generation_index(backend->addr, backend->port);
	__u32 *generation = bpf_map_lookup_elem(&udp_generations, &index);

	return generation ? (__u16) * (volatile __u32 *)generation : 0;
}

/**
 * flow_is_over() - whether a packet of the client has to be given a backend anew.
 * @info: of the direction from the client.  @to: what that says.
 *
 * Idle in both directions; a UDP backend that has left (R39); a new connection (SYN) from a port
 * whose last one is closing.
 */
static __always_inline bool flow_is_over(const struct svc_flow_info *info,
					 const struct flow_ends *to, __u8 tcp_flags, __u32 now_s)
{
	struct svc_flow_info *other;

	if (to->dst.protocol == IPPROTO_UDP && info->generation != flow_generation(&to->dst)) {
		count(SVC_COUNTER_FLOW_STALE);
		return true;
	}
	if (tcp_flags & TCP_FLAG_SYN_BYTE && info->state >= SVC_FLOW_TCP_LAST_ACK)
		return true;
	if (!flow_is_idle(info, now_s))
		return false;
	other = flow_other(to, SVC_FLOW_FORWARD);
	return !other || flow_is_idle(other, now_s);
}

/** flow_fin_of() - SVC_FLOW_F_FIN_* of who sends packets of @direction. */
static __always_inline __u8 flow_fin_of(__u8 direction)
{
	return direction == SVC_FLOW_FORWARD ? SVC_FLOW_F_FIN_C : SVC_FLOW_F_FIN_B;
}

/** flow_tcp_after_fin() - state once a side has sent its FIN, and another segment comes. */
static __always_inline __u8 flow_tcp_after_fin(__u8 state, __u8 flags, __u8 direction)
{
	const __u8 both = SVC_FLOW_F_FIN_C | SVC_FLOW_F_FIN_B;

	if ((flags & both) == both)
		return state >= SVC_FLOW_TCP_LAST_ACK ? SVC_FLOW_TCP_TIME_WAIT
						      : SVC_FLOW_TCP_LAST_ACK;
	/* an acknowledgement from the side that has not closed */
	return flags & flow_fin_of(direction) ? state : SVC_FLOW_TCP_CLOSE_WAIT;
}

/**
 * flow_tcp_next() - the state of a TCP flow after a segment (RFC 9293 3.3.2, seen from the middle).
 * @flags: in and out: SVC_FLOW_F_*.
 *
 * Sequence numbers are not looked at: a forged RST shortens the idle time, and nothing else.
 */
static __always_inline __u8 flow_tcp_next(__u8 state, __u8 tcp_flags, __u8 direction, __u8 *flags)
{
	if (tcp_flags & TCP_FLAG_RST_BYTE || state == SVC_FLOW_TCP_CLOSE)
		return SVC_FLOW_TCP_CLOSE;
	if (tcp_flags & TCP_FLAG_SYN_BYTE) {
		if (direction == SVC_FLOW_REPLY && state == SVC_FLOW_TCP_SYN_SENT)
			return SVC_FLOW_TCP_SYN_RECV;
		return state;
	}
	if (tcp_flags & TCP_FLAG_FIN_BYTE && !(*flags & flow_fin_of(direction))) {
		*flags |= flow_fin_of(direction);
		return *flags & (direction == SVC_FLOW_FORWARD ? SVC_FLOW_F_FIN_B
							       : SVC_FLOW_F_FIN_C)
			       ? SVC_FLOW_TCP_LAST_ACK
			       : SVC_FLOW_TCP_FIN_WAIT;
	}
	if (state >= SVC_FLOW_TCP_FIN_WAIT)
		return flow_tcp_after_fin(state, *flags, direction);
	if (direction == SVC_FLOW_FORWARD &&
	    (state == SVC_FLOW_TCP_SYN_RECV ||
	     (state == SVC_FLOW_TCP_SYN_SENT && *flags & SVC_FLOW_F_DSR)))
		return SVC_FLOW_TCP_ESTABLISHED;
	return state;
}

/** flow_next() - the state of any flow after a packet; @flags: in and out. */
static __always_inline __u8 flow_next(const struct packet *packet, __u8 state, __u8 direction,
				      __u8 *flags)
{
	if (direction == SVC_FLOW_REPLY)
		*flags |= SVC_FLOW_F_REPLIED;
	if (packet->protocol == IPPROTO_TCP)
		return flow_tcp_next(state, packet->tcp_flags, direction, flags);
	/* replies of a tunnelled flow do not come this way */
	return *flags & (SVC_FLOW_F_REPLIED | SVC_FLOW_F_DSR) ? SVC_FLOW_UDP_STREAM
							      : SVC_FLOW_UDP_UNREPLIED;
}

/**
 * flow_touch() - a packet of @direction belongs to this flow.
 * @to: what it becomes.
 *
 * The other direction's entry is looked up only when the state changes: a handful of packets in the
 * life of a flow. ICMP errors and later fragments tell nothing about it.
 */
static __always_inline void flow_touch(struct svc_flow_info *info, const struct packet *packet,
				       const struct flow_ends *to, __u8 direction, __u32 now_s)
{
	struct svc_flow_info *other;
	__u8 flags = info->flags, state;

	if (packet->flags & (PACKET_F_ICMP_ERROR | PACKET_F_FRAGMENT))
		return;
	if (info->last_s != now_s)
		info->last_s = now_s;
	state = flow_next(packet, info->state, direction, &flags);
	if (state == info->state && flags == info->flags)
		return;
	info->state = state;
	info->flags = flags;
	other = flow_other(to, direction);
	if (other) {
		other->state = state;
		other->flags = flags;
	}
}

#endif
