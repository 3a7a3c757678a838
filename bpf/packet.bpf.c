// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The packet path: programs at the ingress and egress of devices. What is sent to a frontend goes
 * on to a backend, and what that answers looks as if the frontend had sent it. Most packets are
 * neither and cost three bits of filters.
 */
#include "vmlinux.h"

#include "lib/parse.h"
#include "lib/tc.h"

#define ETH_P_IP   0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_ALEN   6

#define PACKET_HOST	 0
#define PACKET_OTHERHOST 3

/** pull_headers() - make linear what may be headers, unless it is. */
static __always_inline void pull_headers(struct __sk_buff *skb)
{
	__u32 linear = skb_data_end(skb) - skb_data(skb);

	if (linear < skb_load(skb, len) && linear < PACKET_PULL_BYTES)
		packet_pull(skb);
}

/**
 * parse_slowly() - packet_parse() of any packet, into scratch; verified by itself (work.h). A later
 * fragment gets the ports of its first one; -ENOENT when that was not ours.
 *
 * The kind of device comes from the constants: as an argument, the verifier would try both.
 */
__noinline int parse_slowly(struct __sk_buff *skb, __u32 family)
{
	const __u32 l3_off = svc_packet_config.is_bare ? 0 : ETH_HLEN;
	struct work *work = work_get();
	struct packet packet;
	int r;

	if (!work)
		return -ENOENT;
	pull_headers(skb);
	if (family == SVC_FAMILY_IPV4)
		r = packet_parse(skb_data(skb), skb_data_end(skb), l3_off, SVC_FAMILY_IPV4,
				 &packet);
	else
		r = packet_parse(skb_data(skb), skb_data_end(skb), l3_off, SVC_FAMILY_IPV6,
				 &packet);
	if (!r && packet.flags & PACKET_F_FRAGMENT && !frag_recall(&packet))
		r = -ENOENT;
	work->packet = packet;
	return r;
}

/** read_packet() - packet_parse(). Return: as that. */
static __always_inline int read_packet(struct __sk_buff *skb, __u8 family, bool is_l3,
				       struct packet *packet)
{
	struct work *work;
	int r;

	if (!packet_parse_quick(skb_data(skb), skb_data_end(skb), is_l3 ? 0 : ETH_HLEN, family,
				packet))
		return 0;
	r = parse_slowly(skb, family);
	work = work_get();
	if (!work)
		return -ENOENT;
	*packet = work->packet;
	return r;
}

/** inspect_packet() - packet_inspect(), in the same way. */
__noinline int inspect_packet(struct __sk_buff *skb)
{
	struct work *work = work_get();
	int r;

	if (!work)
		return -ENOENT;
	r = packet_inspect(skb_data(skb), skb_data_end(skb), skb_load(skb, len), &work->packet);
	if (r == -EAGAIN && !packet_pull(skb))
		r = packet_inspect(skb_data(skb), skb_data_end(skb), skb_load(skb, len),
				   &work->packet);
	if (!r)
		work->wire_bytes = packet_wire_len(skb, &work->packet);
	return r;
}

/**
 * is_for_this_node() - whether the link layer brought the packet to this node, and not past it.
 *
 * A port of a bridge has another address than the bridge: what is to be routed carries that one.
 */
static __always_inline bool is_for_this_node(struct __sk_buff *skb, __u8 hook, bool is_l3)
{
	struct svc_device *device;
	__u8 mac[ETH_ALEN];

	if (hook == HOOK_EGRESS || is_l3 || skb_load(skb, pkt_type) == PACKET_HOST)
		return true;
	if (skb_load(skb, pkt_type) != PACKET_OTHERHOST)
		return false;
	device = device_find(skb_load(skb, ifindex));
	return device && !bpf_skb_load_bytes(skb, 0, mac, sizeof(mac)) &&
	       device_has_mac(device, mac);
}

/** count_unread() - count, once, why a packet to what may be a frontend could not be read. */
static __always_inline void count_unread(const struct __sk_buff *skb, __u8 hook,
					 const struct packet *packet, int error)
{
	if (error == -ENOENT || !lookup_may_be_ours(&packet->dst) ||
	    was_seen(hook, skb_load(skb, ingress_ifindex)))
		return;
	count(error == -ENOTSUP ? SVC_COUNTER_SKIP_HEADERS : SVC_COUNTER_SKIP_MALFORMED);
}

/** is_bypassed() - the socket's own wish: svcbpf/abi.h, SVC_BYPASS_MARK. */
static __always_inline bool is_bypassed(const struct __sk_buff *skb, __u8 hook)
{
	return hook == HOOK_EGRESS && skb_load(skb, mark) == SVC_BYPASS_MARK;
}

/** handle() - a packet in scratch. Return: the verdict. */
static __always_inline int handle(struct __sk_buff *skb, __u8 hook, const struct packet *packet,
				  bool is_forward, bool is_reply)
{
	int verdict = VERDICT_NOT_OURS, r = inspect_packet(skb);

	if (r) {
		count_unread(skb, hook, packet, r);
		return VERDICT_NEXT;
	}
	if (is_forward)
		verdict = forward_packet(skb);
	if (verdict == VERDICT_NOT_OURS && is_reply)
		verdict = reply_packet(skb);
	if (verdict == VERDICT_ANSWER)
		return work_answer(skb);
	return verdict == VERDICT_NOT_OURS ? VERDICT_NEXT : verdict;
}

/**
 * take_from_tunnel() - what another node has sent in its tunnel becomes what the client has sent.
 * Return: VERDICT_NONE: it is in scratch, for handle(); VERDICT_NOT_OURS; or the verdict.
 */
static __always_inline int take_from_tunnel(struct __sk_buff *skb, __u8 family, bool is_l3)
{
	const __u32 l3_off = is_l3 ? 0 : ETH_HLEN;
	struct endpoint backend;
	struct packet packet;
	struct work *work;

	if (!dsr_peek(skb, l3_off, family, &backend) || !is_for_this_node(skb, HOOK_INGRESS, is_l3))
		return VERDICT_NOT_OURS;
	pull_headers(skb);
	if (packet_parse(skb_data(skb), skb_data_end(skb), l3_off + dsr_outer_bytes(family), family,
			 &packet) ||
	    (packet.flags & PACKET_F_FRAGMENT && !frag_recall(&packet)))
		return VERDICT_NOT_OURS;
	work = work_begin(&packet, skb_load(skb, ifindex), HOOK_INGRESS, is_l3);
	if (!work)
		return VERDICT_NOT_OURS;
	work->forced = backend;
	work->has_forced = true;
	if (!forward_look_up(work) && !flow_get(&packet.src, &packet.dst, SVC_FLOW_FORWARD))
		return VERDICT_NOT_OURS;
	if (dsr_pop(skb, family))
		return drop(work, SVC_COUNTER_DROP_REWRITE);
	dsr_shift(&work->packet, family);
	return VERDICT_NONE;
}

/** tunnel4(), tunnel6() - take_from_tunnel(), verified by themselves. */
__noinline int tunnel4(struct __sk_buff *skb)
{
	return svc_packet_config.is_bare ? take_from_tunnel(skb, SVC_FAMILY_IPV4, true)
					 : take_from_tunnel(skb, SVC_FAMILY_IPV4, false);
}

__noinline int tunnel6(struct __sk_buff *skb)
{
	return svc_packet_config.is_bare ? take_from_tunnel(skb, SVC_FAMILY_IPV6, true)
					 : take_from_tunnel(skb, SVC_FAMILY_IPV6, false);
}

static __always_inline int run_family(struct __sk_buff *skb, __u8 family, __u8 hook, bool is_l3,
				      struct packet *packet)
{
	bool is_forward, is_reply;
	struct work *work;
	int r;

	r = read_packet(skb, family, is_l3, packet);
	if (r == -ENOENT && svc_packet_config.forwarding == SVC_FORWARDING_DSR &&
	    hook == HOOK_INGRESS) {
		r = family == SVC_FAMILY_IPV4 ? tunnel4(skb) : tunnel6(skb);
		if (r == VERDICT_NONE)
			return handle(skb, hook, packet, true, false);
		return r == VERDICT_NOT_OURS ? VERDICT_NEXT : r;
	}
	if (r) {
		count_unread(skb, hook, packet, r);
		return VERDICT_NEXT;
	}
	is_forward = may_be_forward(packet) && !is_bypassed(skb, hook);
	is_reply = may_be_reply(packet, hook);
	if ((!is_forward && !is_reply) || !is_for_this_node(skb, hook, is_l3))
		return VERDICT_NEXT;
	work = work_begin(packet, skb_load(skb, ifindex), hook, is_l3);
	if (!work)
		return VERDICT_NEXT;
	if (hook == HOOK_EGRESS)
		work->came_by = skb_load(skb, ingress_ifindex);
	return handle(skb, hook, packet, is_forward, is_reply);
}

static __always_inline int run(struct __sk_buff *skb, __u8 hook, bool is_l3)
{
	struct packet space, *packet = &space;

	/* one place on the stack for both families: clang would make two */
	barrier_var(packet);
	/* with a VLAN tag: the VLAN's own device has these programs too */
	if (skb_load(skb, vlan_present))
		return VERDICT_NEXT;
	if (skb_load(skb, protocol) == bpf_htons(ETH_P_IP))
		return run_family(skb, SVC_FAMILY_IPV4, hook, is_l3, packet);
	if (skb_load(skb, protocol) == bpf_htons(ETH_P_IPV6))
		return run_family(skb, SVC_FAMILY_IPV6, hook, is_l3, packet);
	return VERDICT_NEXT;
}

SEC("tc")
int ingress_l2(struct __sk_buff *skb)
{
	return run(skb, HOOK_INGRESS, false);
}

SEC("tc")
int egress_l2(struct __sk_buff *skb)
{
	return run(skb, HOOK_EGRESS, false);
}

SEC("tc")
int ingress_l3(struct __sk_buff *skb)
{
	return run(skb, HOOK_INGRESS, true);
}

SEC("tc")
int egress_l3(struct __sk_buff *skb)
{
	return run(skb, HOOK_EGRESS, true);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
