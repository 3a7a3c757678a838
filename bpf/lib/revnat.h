/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * revNAT at sockets: what a socket's peer must look like to its application.
 *
 * A socket's first translation lives in a slot of rev_slots, found by its cookie: no allocation, no
 * lock, no LRU. Who has a slot is one word in rev_owners, dense, so that the paths that only ask
 * "is this mine?" (getpeername after accept, recvmsg, release, connect elsewhere) touch one warm
 * line. A socket whose slot is taken uses sk_storage, which is asked only once that has happened.
 *
 * Races: a slot is claimed by compare-and-swap and written by its socket alone; protocol is written
 * last and 0 means "nothing stored". Two threads that connect or send on one socket at the same
 * moment can at worst store the translation of one of them, as the kernel keeps one peer.
 */
#ifndef SVCBPF_BPF_REVNAT_H
#define SVCBPF_BPF_REVNAT_H

#include "lib/count.h"
#include "lib/maps.h"
#include "lib/sock.h"

/* The build says whether the kernel has BPF atomics with fetch (5.12): see the Makefile. */
#ifndef REVNAT_SLOTS
#error "REVNAT_SLOTS must be 0 or 1"
#endif

static __always_inline __u64 *rev_owner(__u64 cookie)
{
	__u32 index = cookie % SVC_REV_SLOTS;

	return bpf_map_lookup_elem(&rev_owners, &index);
}

static __always_inline struct svc_rev *rev_slot(__u64 cookie)
{
	__u32 index = cookie % SVC_REV_SLOTS;

	return bpf_map_lookup_elem(&rev_slots, &index);
}

static __always_inline struct svc_rev *rev_in_storage(struct bpf_sock_addr *ctx, __u64 flags)
{
	struct bpf_sock *sk = ctx->sk;

	return sk ? bpf_sk_storage_get(&rev_storage, sk, NULL, flags) : NULL;
}

static __always_inline struct svc_rev_state *rev_state_get(void)
{
	__u32 index = 0;

	return bpf_map_lookup_elem(&rev_state, &index);
}

/** rev_may_be_in_storage() - false while no socket of this host ever overflowed to sk_storage. */
static __always_inline bool rev_may_be_in_storage(void)
{
	struct svc_rev_state *state = rev_state_get();

	return !state || *(volatile __u32 *)&state->has_overflow;
}

/** rev_note_overflow() - before the first socket is in sk_storage: from now on it is asked. */
static __always_inline void rev_note_overflow(void)
{
	struct svc_rev_state *state = rev_state_get();

	if (state && !state->has_overflow)
		*(volatile __u32 *)&state->has_overflow = 1;
}

/** rev_get() - this socket's translation, or NULL; its protocol is 0 while nothing is stored. */
static __always_inline struct svc_rev *rev_get(struct bpf_sock_addr *ctx, __u64 cookie)
{
	if (REVNAT_SLOTS) {
		__u64 *owner = rev_owner(cookie);

		if (owner && *owner == cookie)
			return rev_slot(cookie);
		if (!rev_may_be_in_storage())
			return NULL;
	}
	return rev_in_storage(ctx, 0);
}

/** rev_claim() - a place for this socket's translation; NULL without memory. */
static __always_inline struct svc_rev *rev_claim(struct bpf_sock_addr *ctx, __u64 cookie)
{
	if (REVNAT_SLOTS) {
		__u64 *owner = rev_owner(cookie);

		if (owner && (*owner == cookie ||
			      (!*owner && !__sync_val_compare_and_swap(owner, 0, cookie))))
			return rev_slot(cookie);
		rev_note_overflow();
		count(SVC_COUNTER_REV_OVERFLOW);
	}
	return rev_in_storage(ctx, BPF_SK_STORAGE_GET_F_CREATE);
}

/** rev_release() - the socket is closed: its slot is free. sk_storage goes with the socket. */
static __always_inline void rev_release(__u64 cookie)
{
	__u64 *owner;
	struct svc_rev *rev;

	if (!REVNAT_SLOTS)
		return;
	owner = rev_owner(cookie);
	if (!owner || *owner != cookie)
		return;
	rev = rev_slot(cookie);
	if (rev)
		rev->protocol = 0;
	/* An atomic, so that the next owner cannot see the old protocol on any CPU. */
	__sync_val_compare_and_swap(owner, cookie, 0);
}

/** rev_store() - remember that @vip became @backend. @rev: from rev_claim() or rev_get(). */
static __always_inline void rev_store(struct svc_rev *rev, const struct endpoint *vip,
				      const struct endpoint *backend, __u32 service_id)
{
	rev->protocol = 0;
	barrier();
	__builtin_memcpy(rev->vip, vip->addr, sizeof(rev->vip));
	__builtin_memcpy(rev->backend, backend->addr, sizeof(rev->backend));
	rev->vip_port = vip->port;
	rev->backend_port = backend->port;
	rev->family = vip->family;
	rev->flags = 0;
	rev->service_id = service_id;
	rev->backend_id = 0;
	barrier();
	rev->protocol = vip->protocol;
}

/** rev_remember() - a socket connects: claim a place and store its only translation there. */
static __always_inline void rev_remember(struct bpf_sock_addr *ctx, __u64 cookie,
					 const struct endpoint *vip, const struct endpoint *backend,
					 __u32 service_id)
{
	struct svc_rev *rev = rev_claim(ctx, cookie);

	if (rev)
		rev_store(rev, vip, backend, service_id);
	else
		count(SVC_COUNTER_REV_LOST);
}

/** rev_forget() - the socket connects elsewhere: its peer is what it says. */
static __always_inline void rev_forget(struct bpf_sock_addr *ctx)
{
	struct svc_rev *rev = rev_get(ctx, bpf_get_socket_cookie(ctx));

	if (rev)
		rev->protocol = 0;
}

/** rev_is_vip() - whether the stored translation is the one of @vip. */
static __always_inline bool rev_is_vip(const struct svc_rev *rev, const struct endpoint *vip)
{
	return rev->protocol == vip->protocol && rev->family == vip->family &&
	       rev->vip_port == vip->port && endpoint_addr_equal(vip, rev->vip);
}

/** rev_is_backend() - whether the stored translation leads to @peer. */
static __always_inline bool rev_is_backend(const struct svc_rev *rev, const struct endpoint *peer)
{
	return rev->protocol == peer->protocol && rev->family == peer->family &&
	       rev->backend_port == peer->port && endpoint_addr_equal(peer, rev->backend);
}

/** rev_more_find() - the entry of rev_more for one end of a further translation of this socket. */
static __always_inline struct svc_rev_value *rev_more_find(__u64 cookie, const struct endpoint *end,
							   __u8 direction)
{
	struct svc_rev_key key = {
		.cookie = cookie,
		.port = end->port,
		.direction = direction,
	};

	__builtin_memcpy(key.addr, end->addr, sizeof(key.addr));
	return bpf_map_lookup_elem(&rev_more, &key);
}

/** rev_more_put() - add or replace one direction of a further translation. */
static __always_inline int rev_more_put(__u64 cookie, const struct endpoint *end, __u8 direction,
					const struct svc_rev_value *value)
{
	struct svc_rev_key key = {
		.cookie = cookie,
		.port = end->port,
		.direction = direction,
	};

	__builtin_memcpy(key.addr, end->addr, sizeof(key.addr));
	return (int)bpf_map_update_elem(&rev_more, &key, value, BPF_ANY);
}

#endif
