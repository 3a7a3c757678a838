/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * New flows: both directions stored, with a port of this node's where the client's address is
 * replaced, or its port has to be.
 *
 * A port is free when no flow to the same backend has it, which the reply's key says, and no socket
 * of the host: whoever stores the reply first (BPF_NOEXIST) has the port, so no lock is needed.
 */
#ifndef SVCBPF_BPF_SNAT_H
#define SVCBPF_BPF_SNAT_H

#include "lib/errno.h"
#include "lib/flow.h"
#include "lib/random.h"
#include "lib/work.h"

/* Ports looked at before a flow is refused: with 95 % of all in use, 1 flow in 27 is. */
#define SNAT_TRIES 64

/* From this try on, ports of closing flows are taken too. */
#define SNAT_TRIES_RECLAIM 32

/* BPF_F_CURRENT_NETNS: the BTF of older kernels leaves it out (Debian's 5.10 and 6.1). */
#define SNAT_OWN_NETNS ((__u64)-1)

/** snat_n_ports() - how many ports there are to choose from. */
static __always_inline __u32 snat_n_ports(void)
{
	return svc_packet_config.snat_count[0] + svc_packet_config.snat_count[1];
}

/** snat_port() - the @n-th of them, host order; @n below snat_n_ports(). */
static __always_inline __u16 snat_port(__u32 n)
{
	__u32 n_first = svc_packet_config.snat_count[0];

	return n < n_first ? svc_packet_config.snat_first[0] + n
			   : svc_packet_config.snat_first[1] + (n - n_first);
}

/** snat_is_port() - whether @port, host order, is one of them. */
static __always_inline bool snat_is_port(__u16 port)
{
	return (__u16)(port - svc_packet_config.snat_first[0]) < svc_packet_config.snat_count[0] ||
	       (__u16)(port - svc_packet_config.snat_first[1]) < svc_packet_config.snat_count[1];
}

/**
 * snat_is_in_the_way() - whether a socket that was found stands against a flow, and release it.
 * @is_to_host: it is one of the backend's: that it listens, or takes datagrams from anybody, is as
 *	it should be.
 *
 * Here and not once for both kinds of look-up: "same insn cannot be used with different pointers".
 */
static __always_inline bool snat_is_in_the_way(struct bpf_sock *sk, bool is_to_host)
{
	__u32 state;

	if (!sk)
		return false;
	state = sk->state;
	barrier(); /* keeps clang from doing it once */
	bpf_sk_release(sk);
	return !is_to_host || (state != BPF_TCP_LISTEN && state != BPF_TCP_CLOSE);
}

/**
 * snat_has_socket() - whether a socket of this network namespace has the port of a new flow: one
 * that would get what the backend sends to this node, by a connection of its own to that backend,
 * or as it listens on the port; or, where this node itself is the backend, one that is connected to
 * the client's address and that port without us.
 */
static __always_inline bool snat_has_socket(void *ctx, const struct work *work)
{
	const bool is_to_host = !(work->info.flags & SVC_FLOW_F_SNAT);
	const struct endpoint *from = is_to_host ? &work->to.src : &work->to.dst;
	const struct endpoint *to = is_to_host ? &work->to.dst : &work->to.src;
	struct bpf_sock_tuple tuple = {};
	__u32 len_bytes = sizeof(tuple.ipv4);

	if (from->family == SVC_FAMILY_IPV4) {
		tuple.ipv4.saddr = from->addr[3];
		tuple.ipv4.daddr = to->addr[3];
		tuple.ipv4.sport = from->port;
		tuple.ipv4.dport = to->port;
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, from->addr, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, to->addr, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = from->port;
		tuple.ipv6.dport = to->port;
		len_bytes = sizeof(tuple.ipv6);
	}
	if (from->protocol == IPPROTO_TCP)
		return snat_is_in_the_way(
			bpf_skc_lookup_tcp(ctx, &tuple, len_bytes, SNAT_OWN_NETNS, 0), is_to_host);
	if (from->protocol == IPPROTO_UDP)
		return snat_is_in_the_way(
			bpf_sk_lookup_udp(ctx, &tuple, len_bytes, SNAT_OWN_NETNS, 0), is_to_host);
	return false;
}

/** snat_is_over() - whether an entry may go. @may_close: when it is closing, too. */
static __always_inline bool snat_is_over(const struct svc_flow_info *info, __u32 now_s,
					 bool may_close)
{
	return flow_is_idle(info, now_s) || (may_close && info->state >= SVC_FLOW_TCP_TIME_WAIT);
}

/**
 * snat_make_room() - whether the reply's key is free, or could be made so.
 * @may_close: flows that are closing may go too.
 */
static __always_inline bool snat_make_room(struct work *work, bool may_close)
{
	struct flow_ends *key = &work->old_key, *to = &work->old_to;
	struct svc_flow_info *old, *other;

	key->src = work->to.dst;
	key->dst = work->to.src;
	old = flow_find(key, SVC_FLOW_REPLY, to);
	if (!old)
		return true;
	/* the same client and frontend: its other half was evicted */
	if (!endpoint_equal(&to->dst, &work->packet.src) ||
	    !endpoint_equal(&to->src, &work->packet.dst)) {
		other = flow_other(to, SVC_FLOW_REPLY);
		if ((other && !snat_is_over(other, work->info.last_s, may_close)) ||
		    !snat_is_over(old, work->info.last_s, may_close))
			return false;
		count(SVC_COUNTER_SNAT_RECLAIM);
		flow_delete(&to->dst, &to->src, SVC_FLOW_FORWARD);
	}
	flow_delete(&key->src, &key->dst, SVC_FLOW_REPLY);
	return true;
}

/** snat_put_reply() - store the direction from the backend. Return: 0; -EEXIST; -ENOMEM. */
static __always_inline int snat_put_reply(const struct work *work)
{
	const struct flow_entry reply = {
		.src = &work->to.dst,
		.dst = &work->to.src,
		.to_src = &work->packet.dst,
		.to_dst = &work->packet.src,
		.direction = SVC_FLOW_REPLY,
	};

	return flow_put(&reply, &work->info);
}

/**
 * snat_put_forward() - store the direction from the client, and the filters' bytes.
 *
 * Return: 0; -EEXIST: another CPU had a packet of this flow at the same moment, and was first: its
 * choice holds; -ENOMEM. On failure nothing of the flow is left.
 */
static __always_inline int snat_put_forward(const struct work *work)
{
	const struct flow_entry forward = {
		.src = &work->packet.src,
		.dst = &work->packet.dst,
		.to_src = &work->to.src,
		.to_dst = &work->to.dst,
		.direction = SVC_FLOW_FORWARD,
	};
	int r;

	flow_filter_set(SVC_FILTER_FORWARD, &work->packet.dst);
	flow_filter_set(work->info.flags & SVC_FLOW_F_SNAT ? SVC_FILTER_REPLY_INGRESS
							   : SVC_FILTER_REPLY_EGRESS,
			&work->to.dst);
	r = flow_put(&forward, &work->info);
	if (!r)
		return 0;
	if (!(work->info.flags & SVC_FLOW_F_DSR))
		flow_delete(&work->to.dst, &work->to.src, SVC_FLOW_REPLY);
	return r;
}

/** snat_set_port() - give the flow the source port of the @n-th try. Return: false: there is none.
 */
static __always_inline bool snat_set_port(struct work *work, __u32 n)
{
	const struct endpoint *client = &work->packet.src;
	__u32 n_ports = snat_n_ports(), start = work->snat_start + n;

	work->to.src.port = client->port;
	if (client->protocol == IPPROTO_SCTP)
		return n == 0;
	if (n == 0 && snat_is_port(bpf_ntohs(client->port)))
		return true;
	if (!n_ports)
		return false;
	work->to.src.port = bpf_htons(snat_port(start % n_ports));
	return true;
}

/**
 * snat_try() - store the reply of a flow.
 * @n: of a flow that takes a port: which try this is, below SNAT_TRIES.
 * Return: 0; -EEXIST: the port is in use, or, of a client that keeps its own: it has another flow
 * to this backend, through another frontend; -ENOSPC: no other port may be tried; -ENOMEM.
 */
static __always_inline int snat_try(void *ctx, __u32 n)
{
	struct work *work = work_get();
	bool takes_port;

	if (!work)
		return -ENOMEM;
	takes_port = work->takes_port;
	if (takes_port && !snat_set_port(work, n))
		return -ENOSPC;
	if (!snat_make_room(work, n >= SNAT_TRIES_RECLAIM) ||
	    (takes_port && snat_has_socket(ctx, work))) {
		if (takes_port)
			count(SVC_COUNTER_SNAT_RETRY);
		return -EEXIST;
	}
	return snat_put_reply(work);
}

/**
 * snat_claim_port() - find a port for a flow whose client's own will not do, and store its reply.
 * @work: to.src has the address, and gets the port; takes_port is set.
 * @try_port: snat_try() in a function that is verified by itself: in this loop it is too much for a
 *	verifier (E2BIG), as is anything else that differs from one try to the next. A constant, so
 *	that the call is a direct one.
 *
 * The client's own port first, as netfilter does, if it is one of ours; SCTP has no other choice,
 * for a new port would mean a new CRC over the whole packet.
 * Return: 0; -ENOSPC; -ENOMEM.
 */
static __always_inline int snat_claim_port(void *ctx, struct work *work,
					   int (*try_port)(void *ctx, __u32 n))
{
	const struct endpoint *client = &work->packet.src;
	__u32 n_ports = snat_n_ports(), n;
	int r;

	work->snat_start =
		(__u64)random_mix((__u64)client->addr[3] << 16 | client->port, clock_ns()) *
			n_ports >>
		32;
	for (n = 0; n < SNAT_TRIES; n++) {
		r = try_port(ctx, n);
		if (r != -EEXIST)
			return r;
	}
	return -ENOSPC;
}

#endif
