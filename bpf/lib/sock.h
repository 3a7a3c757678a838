/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The only place that reads and writes the addresses of struct bpf_sock_addr. */
#ifndef SVCBPF_BPF_SOCK_H
#define SVCBPF_BPF_SOCK_H

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <svcbpf/abi.h>

#include "lib/endpoint.h"

/*
 * clang 14 merges branches into "r1 = ctx; r1 += offset", which every verifier refuses
 * ("dereference of modified ctx ptr"): loads and stores of the context are spelled out.
 */
#define sock_load(ctx, field)                                                                      \
	({                                                                                         \
		__u32 value_;                                                                      \
		asm volatile(                                                                      \
			"%[value] = *(u32 *)(%[base] + %[offset])"                                 \
			: [value] "=r"(value_)                                                     \
			: [base] "r"(ctx), [offset] "i"(offsetof(struct bpf_sock_addr, field)));   \
		value_;                                                                            \
	})

#define sock_store(ctx, field, value)                                                              \
	asm volatile("*(u32 *)(%[base] + %[offset]) = %[word]"                                     \
		     :                                                                             \
		     : [base] "r"(ctx), [offset] "i"(offsetof(struct bpf_sock_addr, field)),       \
		       [word] "r"((__u32)(value))                                                  \
		     : "memory")

/**
 * sock_is_mapped() - whether an IPv6 hook was called with ::ffff:a.b.c.d, which is IPv4 to us.
 *
 * A mapped connect fires connect6 and getpeername6, an unconnected mapped sendto fires sendmsg4 and
 * its recvfrom recvmsg6 (kernels 5.10 to 7.3).
 */
static __always_inline bool sock_is_mapped(const struct bpf_sock_addr *ctx)
{
	return !sock_load(ctx, user_ip6[0]) && !sock_load(ctx, user_ip6[1]) &&
	       sock_load(ctx, user_ip6[2]) == bpf_htonl(0xffff);
}

/**
 * sock_read() - the address and port that the hook is about.
 * @hook: family of the hook, SVC_FAMILY_*.  @family: of the address, IPv4 also when mapped.
 */
static __always_inline struct endpoint sock_read(const struct bpf_sock_addr *ctx, __u8 hook,
						 __u8 family)
{
	struct endpoint ep = {.family = family, .protocol = sock_load(ctx, protocol)};

	ep.port = (__be16)sock_load(ctx, user_port);
	if (hook == SVC_FAMILY_IPV4) {
		ep.addr[2] = bpf_htonl(0xffff);
		ep.addr[3] = sock_load(ctx, user_ip4);
		return ep;
	}
	ep.addr[0] = sock_load(ctx, user_ip6[0]);
	ep.addr[1] = sock_load(ctx, user_ip6[1]);
	ep.addr[2] = sock_load(ctx, user_ip6[2]);
	ep.addr[3] = sock_load(ctx, user_ip6[3]);
	return ep;
}

/** sock_write() - put another address and port in its place; @family must be that of sock_read().
 */
static __always_inline void sock_write(struct bpf_sock_addr *ctx, __u8 hook, __u8 family,
				       const __be32 *addr, __be16 port)
{
	sock_store(ctx, user_port, port);
	if (hook == SVC_FAMILY_IPV4) {
		sock_store(ctx, user_ip4, addr[3]);
		return;
	}
	sock_store(ctx, user_ip6[3], addr[3]);
	if (family == SVC_FAMILY_IPV4)
		return;
	sock_store(ctx, user_ip6[0], addr[0]);
	sock_store(ctx, user_ip6[1], addr[1]);
	sock_store(ctx, user_ip6[2], addr[2]);
}

/**
 * sock_was_connected() - whether the socket of a connect hook has had a peer or a local port
 * before.
 *
 * Free, against 40 ns for asking by cookie. A failed or ended TCP connect leaves the peer's address
 * (net/ipv4/tcp_ipv4.c, tcp_v4_connect), a UDP send leaves a local port. Only an IPv4 UDP socket
 * that was dissolved with AF_UNSPEC looks new again (net/ipv4/udp.c, __udp_disconnect).
 */
static __always_inline bool sock_was_connected(const struct bpf_sock_addr *ctx, __u8 hook)
{
	struct bpf_sock *sk = ctx->sk;

	if (!sk)
		return false;
	return sk->src_port || (hook == SVC_FAMILY_IPV4 ? sk->dst_ip4 : sk->dst_ip6[3]);
}

/** sock_is_connected() - whether the socket has a peer now. */
static __always_inline bool sock_is_connected(const struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	return sk && sk->state == BPF_TCP_ESTABLISHED;
}

/** sock_is_bypassed() - whether the socket asks not to be translated (SVC_BYPASS_MARK). */
static __always_inline bool sock_is_bypassed(const struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	return sk && sk->mark == SVC_BYPASS_MARK;
}

#endif
