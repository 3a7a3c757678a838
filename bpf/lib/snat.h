/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * New flows: both directions stored, with a port of this node's where the client's address is
 * replaced.
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
 * snat_is_host_socket() - whether a socket of this network namespace would get what @backend sends
 * to @node: a connection of it to that backend, or one that listens on the port.
 */
static __always_inline bool snat_is_host_socket(void *ctx, const struct endpoint *backend,
						const struct endpoint *node)
{
	struct bpf_sock_tuple tuple = {};
	__u32 len_bytes = sizeof(tuple.ipv4);
	struct bpf_sock *sk = NULL;

	if (backend->family == SVC_FAMILY_IPV4) {
		tuple.ipv4.saddr = backend->addr[3];
		tuple.ipv4.daddr = node->addr[3];
		tuple.ipv4.sport = backend->port;
		tuple.ipv4.dport = node->port;
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, backend->addr, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, node->addr, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = backend->port;
		tuple.ipv6.dport = node->port;
		len_bytes = sizeof(tuple.ipv6);
	}
	if (backend->protocol == IPPROTO_TCP)
		sk = bpf_skc_lookup_tcp(ctx, &tuple, len_bytes, BPF_F_CURRENT_NETNS, 0);
	else if (backend->protocol == IPPROTO_UDP)
		sk = bpf_sk_lookup_udp(ctx, &tuple, len_bytes, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return false;
	bpf_sk_release(sk);
	return true;
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
 * @n: of a flow whose client's address is replaced: which try this is, below SNAT_TRIES.
 * Return: 0; -EEXIST: the port is in use, or, of a client that keeps its address: it has another
 * flow to this backend, through another frontend; -ENOSPC: no other port may be tried; -ENOMEM.
 */
static __always_inline int snat_try(void *ctx, __u32 n)
{
	struct work *work = work_get();
	bool is_snat;

	if (!work)
		return -ENOMEM;
	is_snat = work->info.flags & SVC_FLOW_F_SNAT;
	if (is_snat && !snat_set_port(work, n))
		return -ENOSPC;
	if (!snat_make_room(work, n >= SNAT_TRIES_RECLAIM) ||
	    (is_snat && snat_is_host_socket(ctx, &work->to.dst, &work->to.src))) {
		if (is_snat)
			count(SVC_COUNTER_SNAT_RETRY);
		return -EEXIST;
	}
	return snat_put_reply(work);
}

/**
 * snat_claim_port() - find a port for a flow whose client's address is replaced, and store its
 * reply.
 * @work: to.src has this node's address, and gets the port.
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
