/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unconnected UDP: one socket may send to many VIPs, and stays with its backend for each of them
 * while that is in the list, as a conntrack flow would under kube-proxy (R35).
 *
 * The first VIP of a socket is in its revNAT slot, further ones in rev_more, once for each
 * direction. Replies are told apart by their source, so that two VIPs of one socket must not share
 * a backend: another one is chosen while there is one.
 */
#ifndef SVCBPF_BPF_UDP_H
#define SVCBPF_BPF_UDP_H

#include "lib/affinity.h"
#include "lib/random.h"
#include "lib/revnat.h"
#include "lib/select.h"

/** UDP_MAX_TRIES - backends looked at before two VIPs of one socket share one. */
#define UDP_MAX_TRIES 8

/**
 * struct udp_send - one datagram on its way.
 * @vip: where the application sends it.  @backend: where it goes.
 * @n_sent: datagrams translated on this CPU so far.
 * @rev: the socket's first translation, may be NULL.
 * @index: of @backend in its family's array.
 */
struct udp_send {
	struct endpoint vip;
	struct endpoint backend;
	__u64 cookie;
	__u64 n_sent;
	__u64 list;
	struct svc_rev *rev;
	const struct svc_route *route;
	__u32 backend_id;
	__u32 index;
};

/** udp_is_taken() - whether another VIP of this socket leads to @send->backend already. */
static __always_inline bool udp_is_taken(const struct udp_send *send)
{
	struct svc_rev_value *other;

	if (!send->rev || !send->rev->protocol)
		return false;
	if (rev_is_backend(send->rev, &send->backend) && !rev_is_vip(send->rev, &send->vip))
		return true;
	if (!(send->rev->flags & SVC_REV_F_MORE))
		return false;
	other = rev_more_find(send->cookie, &send->backend, SVC_REV_TO_VIP);
	return other &&
	       (other->port != send->vip.port || !endpoint_addr_equal(&send->vip, other->addr));
}

/**
 * udp_choose() - a backend for a VIP this socket has none for, into @send.
 *
 * From the one chosen as for a connection the list is tried on, round and round.
 */
static __always_inline bool udp_choose(void *ctx, struct udp_send *send)
{
	__u32 random = random_mix(send->cookie, send->n_sent);
	__u32 index = choose_index(ctx, send->vip.family, send->list, send->route, random);
	__u32 base = svc_list_base(send->list), n = svc_list_count(send->list);
	int try;

	for (try = 0; try < UDP_MAX_TRIES; try++) {
		if (!backend_read(send->vip.family, index, &send->backend))
			return false;
		send->backend_id = backend_id(send->vip.family, index);
		send->index = index;
		if (!udp_is_taken(send))
			return true;
		if ((__u32)try + 1 >= n)
			break;
		index = index + 1 < base + n ? index + 1 : base;
	}
	count(SVC_COUNTER_REV_SHARED);
	return true;
}

/** udp_is_in_list() - whether the backend in the socket's slot is still in the list. */
static __always_inline bool udp_is_in_list(const struct udp_send *send)
{
	struct svc_rev *rev = send->rev;
	__u32 index = rev->index;

	if (index - svc_list_base(send->list) < svc_list_count(send->list) &&
	    backend_id(send->vip.family, index) == rev->backend_id)
		return true;
	if (!list_find(send->vip.family, send->list, rev->backend_id, &index))
		return false;
	rev->index = index;
	return true;
}

/**
 * udp_keep_first() - stay with the backend in the socket's slot while it is in the list.
 *
 * Its address is in the slot, and where its id was the last time is looked at first: the common
 * case reads one word of the list. A socket that is connected through this VIP and sends to it by
 * name as well has no id there: it stays with its peer, from which alone it can receive.
 */
static __always_inline bool udp_keep_first(struct bpf_sock_addr *ctx, struct udp_send *send)
{
	if (send->rev->backend_id ? !udp_is_in_list(send) : !sock_is_connected(ctx))
		return false;
	__builtin_memcpy(send->backend.addr, send->rev->backend, sizeof(send->rev->backend));
	send->backend.port = send->rev->backend_port;
	return true;
}

/** udp_keep_more() - the same for a further VIP of the socket; false when the backend has left. */
static __always_inline bool udp_keep_more(struct udp_send *send, const struct svc_rev_value *known)
{
	__u32 index;

	if (!list_find(send->vip.family, send->list, known->backend_id, &index))
		return false;
	return backend_read(send->vip.family, index, &send->backend);
}

/** udp_remember_more() - store a further translation of this socket, both directions. */
static __always_inline void udp_remember_more(struct udp_send *send)
{
	struct svc_rev_value value = {
		.port = send->backend.port,
		.service_id = send->route->service_id,
		.backend_id = send->backend_id,
	};
	int failed;

	__builtin_memcpy(value.addr, send->backend.addr, sizeof(value.addr));
	failed = rev_more_put(send->cookie, &send->vip, SVC_REV_TO_BACKEND, &value);
	__builtin_memcpy(value.addr, send->vip.addr, sizeof(value.addr));
	value.port = send->vip.port;
	failed |= rev_more_put(send->cookie, &send->backend, SVC_REV_TO_VIP, &value);
	if (failed)
		count(SVC_COUNTER_REV_LOST);
	send->rev->flags |= SVC_REV_F_MORE;
}

/** udp_select_first() - for the VIP in the socket's slot, or the socket's first: keep or choose. */
static __always_inline bool udp_select_first(struct bpf_sock_addr *ctx, struct udp_send *send)
{
	__u16 more = 0;

	if (send->rev && send->rev->protocol) {
		if (udp_keep_first(ctx, send))
			return true;
		more = send->rev->flags & SVC_REV_F_MORE;
	}
	if (!udp_choose(ctx, send))
		return false;
	if (!send->rev)
		send->rev = rev_claim(ctx, send->cookie);
	if (!send->rev) {
		count(SVC_COUNTER_REV_LOST);
		return true;
	}
	rev_store(send->rev, &send->vip, &send->backend, send->route->service_id);
	send->rev->backend_id = send->backend_id;
	send->rev->index = send->index;
	send->rev->flags = more;
	return true;
}

/** udp_select_more() - for a further VIP of the socket: keep or choose. @send->rev is in use. */
static __always_inline bool udp_select_more(struct bpf_sock_addr *ctx, struct udp_send *send)
{
	struct svc_rev_value *known = NULL;

	if (send->rev->flags & SVC_REV_F_MORE)
		known = rev_more_find(send->cookie, &send->vip, SVC_REV_TO_BACKEND);
	if (known && udp_keep_more(send, known))
		return true;
	if (!udp_choose(ctx, send))
		return false;
	udp_remember_more(send);
	return true;
}

/** udp_select() - the backend of this datagram, remembered for its replies. */
static __always_inline bool udp_select(struct bpf_sock_addr *ctx, struct udp_send *send)
{
	if (!send->rev || !send->rev->protocol || rev_is_vip(send->rev, &send->vip))
		return udp_select_first(ctx, send);
	return udp_select_more(ctx, send);
}

#endif
