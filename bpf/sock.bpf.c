// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The socket path: programs at a cgroup's connect, sendmsg, recvmsg, getpeername and sock_release
 * hooks. A destination that is a frontend becomes a backend once, when a socket connects or sends;
 * what the application is shown afterwards is the frontend.
 */
#include "vmlinux.h"

#include "lib/lookup.h"
#include "lib/udp.h"

#define SVC_PASS 1 /* what sock_addr programs return to let the call go on */

/** refuse() - no backend: count why, and fail the call with ECONNREFUSED (R25, R26). */
static __always_inline int refuse(__u64 list)
{
	count(svc_list_flags(list) & SVC_LIST_F_DROP ? SVC_COUNTER_POLICY_DROP
						     : SVC_COUNTER_NO_BACKEND);
	return verdict_refuse(ECONNREFUSED);
}

static __always_inline int connect_one(struct bpf_sock_addr *ctx, __u8 hook, __u8 family)
{
	struct endpoint vip = sock_read(ctx, hook, family), backend = vip;
	struct svc_route *route = lookup_route(ctx, &vip);
	__u64 list, cookie;
	__u32 random;

	if (!route) {
		if (sock_was_connected(ctx, hook))
			rev_forget(ctx);
		return SVC_PASS;
	}
	if (sock_is_bypassed(ctx)) {
		count(SVC_COUNTER_BYPASS);
		return SVC_PASS;
	}
	list = *(volatile __u64 *)&route->list;
	if (!svc_list_count(list))
		return refuse(list);
	cookie = bpf_get_socket_cookie(ctx);
	random = random_mix(cookie, count(SVC_COUNTER_CONNECT));
	if (!backend_read(family, choose_index(ctx, family, list, route, random), &backend)) {
		count(SVC_COUNTER_BAD_SLOT);
		return SVC_PASS;
	}
	rev_remember(ctx, cookie, &vip, &backend, route->service_id);
	sock_write(ctx, hook, family, backend.addr, backend.port);
	return SVC_PASS;
}

static __always_inline int sendmsg_one(struct bpf_sock_addr *ctx, __u8 family)
{
	struct udp_send send = {.vip = sock_read(ctx, family, family)};
	struct svc_route *route = lookup_route(ctx, &send.vip);

	if (!route)
		return SVC_PASS;
	if (sock_is_bypassed(ctx)) {
		count(SVC_COUNTER_BYPASS);
		return SVC_PASS;
	}
	send.list = *(volatile __u64 *)&route->list;
	if (!svc_list_count(send.list))
		return refuse(send.list);
	send.backend = send.vip;
	send.route = route;
	send.cookie = bpf_get_socket_cookie(ctx);
	send.n_sent = count(SVC_COUNTER_SENDMSG);
	send.rev = rev_get(ctx, send.cookie);
	if (!udp_select(ctx, &send)) {
		count(SVC_COUNTER_BAD_SLOT);
		return SVC_PASS;
	}
	sock_write(ctx, family, family, send.backend.addr, send.backend.port);
	return SVC_PASS;
}

static __always_inline int recvmsg_one(struct bpf_sock_addr *ctx, __u8 hook, __u8 family)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct svc_rev *rev = rev_get(ctx, cookie);
	struct svc_rev_value *more;
	struct endpoint from;

	if (!rev || !rev->protocol)
		return SVC_PASS;
	from = sock_read(ctx, hook, family);
	if (rev_is_backend(rev, &from)) {
		sock_write(ctx, hook, family, rev->vip, rev->vip_port);
	} else if (rev->flags & SVC_REV_F_MORE) {
		more = rev_more_find(cookie, &from, SVC_REV_TO_VIP);
		if (more)
			sock_write(ctx, hook, family, more->addr, more->port);
	}
	return SVC_PASS;
}

static __always_inline int getpeername_one(struct bpf_sock_addr *ctx, __u8 hook, __u8 family)
{
	struct svc_rev *rev = rev_get(ctx, bpf_get_socket_cookie(ctx));
	struct endpoint peer;

	if (!rev || !rev->protocol)
		return SVC_PASS;
	peer = sock_read(ctx, hook, family);
	if (rev_is_backend(rev, &peer))
		sock_write(ctx, hook, family, rev->vip, rev->vip_port);
	return SVC_PASS;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return connect_one(ctx, SVC_FAMILY_IPV4, SVC_FAMILY_IPV4);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	if (sock_is_mapped(ctx))
		return connect_one(ctx, SVC_FAMILY_IPV6, SVC_FAMILY_IPV4);
	return connect_one(ctx, SVC_FAMILY_IPV6, SVC_FAMILY_IPV6);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return sendmsg_one(ctx, SVC_FAMILY_IPV4);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	return sendmsg_one(ctx, SVC_FAMILY_IPV6);
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx)
{
	return recvmsg_one(ctx, SVC_FAMILY_IPV4, SVC_FAMILY_IPV4);
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *ctx)
{
	if (sock_is_mapped(ctx))
		return recvmsg_one(ctx, SVC_FAMILY_IPV6, SVC_FAMILY_IPV4);
	return recvmsg_one(ctx, SVC_FAMILY_IPV6, SVC_FAMILY_IPV6);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	return getpeername_one(ctx, SVC_FAMILY_IPV4, SVC_FAMILY_IPV4);
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	if (sock_is_mapped(ctx))
		return getpeername_one(ctx, SVC_FAMILY_IPV6, SVC_FAMILY_IPV4);
	return getpeername_one(ctx, SVC_FAMILY_IPV6, SVC_FAMILY_IPV6);
}

SEC("cgroup/sock_release")
int sock_release(struct bpf_sock *ctx)
{
	rev_release(bpf_get_socket_cookie(ctx));
	return SVC_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
