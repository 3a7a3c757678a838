// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What bpf/lib does with packets, behind tc programs for BPF_PROG_TEST_RUN: as probe.bpf.c. */
#include "vmlinux.h"

#include "lib/answer.h"
#include "lib/parse.h"
#include "lib/rewrite.h"

#define PROBE_L3_OFF	14u
#define PROBE_MTU	1300u
#define PROBE_TYPE_IPV4 0x88b5
#define ETH_P_IP	0x0800

/* tests/bpf/probe_packet.h has the same, for user space */
_Static_assert(sizeof(struct packet) == 72 && sizeof(struct flow_ends) == 48, "probe_packet.h");

struct packet probe_packet;
struct flow_ends probe_to;
int probe_parsed;
int probe_inspected;
int probe_result;
__u32 probe_wire_len;

static __always_inline int read_family(struct __sk_buff *skb, __u8 family, struct packet *ret)
{
	int r = packet_parse(skb_data(skb), skb_data_end(skb), PROBE_L3_OFF, family, ret);

	probe_parsed = r;
	if (!r)
		r = packet_inspect(skb_data(skb), skb_data_end(skb), skb_load(skb, len), ret);
	probe_inspected = r;
	probe_packet = *ret;
	probe_result = r;
	return r;
}

static __always_inline int read_packet(struct __sk_buff *skb, struct packet *ret)
{
	__u32 type = skb_load(skb, protocol);

	if (type == bpf_htons(ETH_P_IP) || type == bpf_htons(PROBE_TYPE_IPV4))
		return read_family(skb, SVC_FAMILY_IPV4, ret);
	return read_family(skb, SVC_FAMILY_IPV6, ret);
}

/** parse - probe_packet, probe_parsed, probe_inspected. */
SEC("tc")
int parse(struct __sk_buff *skb)
{
	struct packet packet;

	if (!read_packet(skb, &packet))
		probe_wire_len = packet_wire_len(skb, &packet);
	return 0;
}

/** first_stage - what most packets cost: only packet_parse(). */
SEC("tc")
int first_stage(struct __sk_buff *skb)
{
	struct packet packet;

	if (packet_parse(skb_data(skb), skb_data_end(skb), PROBE_L3_OFF, SVC_FAMILY_IPV4, &packet))
		return 1;
	return packet.src.addr[3] == packet.dst.addr[3] && packet.src.port == packet.dst.port;
}

/** nothing - what a run costs without us. */
SEC("tc")
int nothing(struct __sk_buff *skb)
{
	return 0;
}

/** rewrite - to probe_to; probe_result: of packet_inspect() or rewrite_all(). */
SEC("tc")
int rewrite(struct __sk_buff *skb)
{
	struct flow_ends to = probe_to;
	struct packet packet;

	if (!read_packet(skb, &packet))
		probe_result = rewrite_all(skb, &packet, &to.src, &to.dst, 0);
	return 0;
}

/** forward - the same, one hop on. */
SEC("tc")
int forward(struct __sk_buff *skb)
{
	struct flow_ends to = probe_to;
	struct packet packet;

	if (!read_packet(skb, &packet))
		probe_result = rewrite_all(skb, &packet, &to.src, &to.dst, REWRITE_F_DECREMENT_TTL);
	return 0;
}

/** decrement - packet_decrement_ttl(). */
SEC("tc")
int decrement(struct __sk_buff *skb)
{
	struct packet packet;

	if (!read_packet(skb, &packet))
		probe_result = packet_decrement_ttl(skb, &packet);
	return 0;
}

/** reset - answer_reset(). */
SEC("tc")
int reset(struct __sk_buff *skb)
{
	struct packet packet;

	if (!read_packet(skb, &packet))
		probe_result = answer_reset(skb, &packet);
	return 0;
}

/** unreachable - that error from probe_to.src. */
SEC("tc")
int unreachable(struct __sk_buff *skb)
{
	struct endpoint from = probe_to.src;
	struct packet packet;

	if (!read_packet(skb, &packet))
		probe_result = answer_error(skb, &packet, &from, ANSWER_ERROR_UNREACHABLE);
	return 0;
}

/** too_big - answer_too_big() from probe_to.src with an MTU of 1,300. */
SEC("tc")
int too_big(struct __sk_buff *skb)
{
	struct endpoint from = probe_to.src;
	struct packet packet;

	if (!read_packet(skb, &packet))
		probe_result = answer_too_big(skb, &packet, &from, PROBE_MTU);
	return 0;
}

/** expired - that error from probe_to.src. */
SEC("tc")
int expired(struct __sk_buff *skb)
{
	struct endpoint from = probe_to.src;
	struct packet packet;

	if (!read_packet(skb, &packet))
		probe_result = answer_error(skb, &packet, &from, ANSWER_ERROR_EXPIRED);
	return 0;
}

/** refill - as if no error had been sent for long. */
SEC("tc")
int refill(struct __sk_buff *skb)
{
	__u32 i;

	for (i = 0; i < ANSWER_CPUS; i++) {
		answer_next_ns[i] = 0;
		barrier(); /* else clang makes a call of memset() of it */
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
