// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The packet path of network cards, before the stack has seen a packet: from a client outside to a
 * backend on another node and back. What is not that, or not simple, goes on to tc
 * (packet.bpf.c), which shares all tables with this.
 */
#include "vmlinux.h"

#include "lib/parse.h"
#include "lib/xdp.h"

#define ETH_P_IP   0x0800
#define ETH_P_IPV6 0x86dd

/** is_for_this_node() - whether the frame was sent to this node, to be routed. */
static __always_inline bool is_for_this_node(const struct xdp_md *ctx, const struct ethhdr *eth)
{
	struct svc_device *device = device_find(direct_ifindex(ctx));

	return device && device_has_mac(device, eth->h_dest);
}

/** handle() - a packet in scratch. Return: XDP_*. */
static __always_inline int handle(struct xdp_md *ctx, bool is_forward, bool is_reply)
{
	int verdict = VERDICT_NOT_OURS;

	if (is_forward)
		verdict = xdp_forward(ctx);
	if (verdict == VERDICT_NOT_OURS && is_reply)
		verdict = xdp_reply(ctx);
	return verdict == VERDICT_SENT ? xdp_leave() : XDP_PASS;
}

static __always_inline int run_family(struct xdp_md *ctx, __u8 family, struct packet *packet)
{
	void *data = direct_data(ctx), *data_end = direct_data_end(ctx);
	bool is_forward, is_reply;

	if (packet_parse_quick(data, data_end, ETH_HLEN, family, packet) ||
	    packet->protocol == IPPROTO_SCTP)
		return XDP_PASS;
	is_forward = may_be_forward(packet);
	is_reply = may_be_reply(packet, HOOK_XDP);
	if ((!is_forward && !is_reply) || !is_for_this_node(ctx, data) ||
	    packet_inspect(data, data_end, data_end - data, packet) ||
	    !work_begin(packet, direct_ifindex(ctx), HOOK_XDP, false))
		return XDP_PASS;
	return handle(ctx, is_forward, is_reply);
}

SEC("xdp")
int ingress_xdp(struct xdp_md *ctx)
{
	struct ethhdr *eth = direct_data(ctx);
	struct packet space, *packet = &space;

	/* one place on the stack for both families: clang would make two */
	barrier_var(packet);
	if (svc_packet_config.forwarding == SVC_FORWARDING_DSR ||
	    (void *)(eth + 1) > direct_data_end(ctx))
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return run_family(ctx, SVC_FAMILY_IPV4, packet);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return run_family(ctx, SVC_FAMILY_IPV6, packet);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
