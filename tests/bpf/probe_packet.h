/* SPDX-License-Identifier: Apache-2.0 */
/* Running the programs of tests/bpf/probe_packet.bpf.c. */
#ifndef SVCBPF_TESTS_PROBE_PACKET_H
#define SVCBPF_TESTS_PROBE_PACKET_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <linux/bpf.h>
#include <stdlib.h>

#include "packet_build.h"
#include "svcbpf/abi.h"
#include "util/endian.h"

/* As in bpf/lib/endpoint.h and packet.h, which include BPF headers; sizes are compared there. */
struct endpoint {
	__be32 addr[4] __attribute__((aligned(8)));
	__be16 port;
	__u8 family;
	__u8 protocol;
};

struct flow_ends {
	struct endpoint src;
	struct endpoint dst;
};

struct packet {
	struct endpoint src;
	struct endpoint dst;
	__u32 frag_id;
	__u16 l3_off;
	__u16 l4_off;
	__u16 inner_l3_off;
	__u16 inner_l4_off;
	__u16 len_bytes;
	__u8 family;
	__u8 protocol;
	__u8 l4_protocol;
	__u8 tcp_flags;
	__u8 ttl;
	__u8 flags;
};

#define PACKET_F_FIRST_FRAGMENT 0x1u
#define PACKET_F_FRAGMENT	0x2u
#define PACKET_F_ICMP_ERROR	0x4u
#define PACKET_F_DF		0x8u

/* Ethernet types, for local experiments, that the programs take for those of IPv4 and IPv6. */
#define PROBE_TYPE_IPV4 0x88b5
#define PROBE_TYPE_IPV6 0x88b6

#include "probe_packet.skel.h"

/** probe_endpoint() - @addr and @port as the programs have them. */
static inline struct endpoint probe_endpoint(const char *addr, uint16_t port, uint8_t protocol)
{
	struct endpoint ep = {.port = be16_from_host(port), .protocol = protocol};

	if (inet_pton(AF_INET, addr, &ep.addr[3]) == 1) {
		ep.addr[2] = be32_from_host(0xffff);
		ep.family = SVC_FAMILY_IPV4;
	} else {
		cr_assert_eq(inet_pton(AF_INET6, addr, ep.addr), 1, "%s", addr);
		ep.family = SVC_FAMILY_IPV6;
	}
	return ep;
}

/** probe_open() - the loaded programs; close with probe_packet_bpf__destroy(). */
static inline struct probe_packet_bpf *probe_open(void)
{
	struct probe_packet_bpf *probe = probe_packet_bpf__open_and_load();

	cr_assert_not_null(probe);
	return probe;
}

/** probe_run_gso() - run @program over @in, as a GSO packet unless @gso_size is 0. */
static inline void probe_run_gso(const struct bpf_program *program, const struct frame *in,
				 unsigned int gso_size, struct frame *out)
{
	struct __sk_buff context = {.gso_size = gso_size, .gso_segs = gso_size ? 2 : 0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data, .data_size_in = (__u32)in->n,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .ctx_in = &context,
		    .ctx_size_in = sizeof(context));

	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0);
	cr_assert_eq(options.retval, 0);
	out->n = options.data_size_out;
}

/** probe_run() - run @program over @in; @out: what became of it. */
static inline void probe_run(const struct bpf_program *program, const struct frame *in,
			     struct frame *out)
{
	probe_run_gso(program, in, 0, out);
}

#endif
