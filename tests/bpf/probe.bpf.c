// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Helpers of bpf/lib behind tc programs, for BPF_PROG_TEST_RUN, which refuses sock_addr programs.
 * A test writes the arguments into .bss, runs a program and reads the results there.
 */
#include "vmlinux.h"

#include "lib/affinity.h"
#include "lib/lookup.h"
#include "lib/random.h"

#define PROBE_MAX_DRAWS 16384

struct endpoint probe_dst;
__u64 probe_list;
__u32 probe_id;
__u32 probe_timeout_s;
struct svc_affinity_key probe_key;

__u32 probe_result;
__u32 probe_index;
__u32 probe_draws[PROBE_MAX_DRAWS];
struct endpoint probe_backend;

/** filter_bit - probe_result: the bit of probe_dst in addr_filter. */
SEC("tc")
int filter_bit(struct __sk_buff *skb)
{
	probe_result = probe_dst.family == SVC_FAMILY_IPV4 ? svc_filter_bit4(probe_dst.addr[3])
							   : svc_filter_bit6(probe_dst.addr);
	return 0;
}

static __always_inline __u32 slot_of(const struct svc_route *route)
{
	return route ? route->slot : 0;
}

/** frontend - probe_result: slot behind probe_dst, 0 when there is none or the filter says no. */
SEC("tc")
int frontend(struct __sk_buff *skb)
{
	struct endpoint dst = probe_dst;

	probe_result =
		lookup_may_be_ours(&dst) ? slot_of(lookup_frontend(&dst, SVC_SCOPE_ADDRESS)) : 0;
	return 0;
}

/** nodeport - probe_result: slot behind the NodePort probe_dst.port, whatever the address. */
SEC("tc")
int nodeport(struct __sk_buff *skb)
{
	struct endpoint dst = probe_dst;

	probe_result = 0;
	if (filter_has(&nodeport_filter, bpf_ntohs(dst.port)))
		probe_result = slot_of(lookup_frontend(&dst, SVC_SCOPE_NODEPORT));
	return 0;
}

/** loopback - probe_result: whether probe_dst is a loopback address. */
SEC("tc")
int loopback(struct __sk_buff *skb)
{
	struct endpoint dst = probe_dst;

	probe_result = lookup_is_loopback(&dst);
	return 0;
}

/** draw - probe_draws: one random index of probe_list after the other. */
SEC("tc")
int draw(struct __sk_buff *skb)
{
	__u32 i;

	for (i = 0; i < PROBE_MAX_DRAWS; i++)
		probe_draws[i] = list_random(probe_list, random_mix(1, i));
	return 0;
}

/** find - probe_result, probe_index: whether and where probe_id is in probe_list. */
SEC("tc")
int find(struct __sk_buff *skb)
{
	__u32 index = 0;

	probe_result =
		list_find(probe_dst.family == SVC_FAMILY_IPV4 ? SVC_FAMILY_IPV4 : SVC_FAMILY_IPV6,
			  probe_list, probe_id, &index);
	probe_index = index;
	return 0;
}

/** backend - probe_result, probe_backend: what stands at probe_index. */
SEC("tc")
int backend(struct __sk_buff *skb)
{
	struct endpoint ep = {};

	if (probe_dst.family == SVC_FAMILY_IPV4)
		probe_result = backend_read(SVC_FAMILY_IPV4, probe_index, &ep);
	else
		probe_result = backend_read(SVC_FAMILY_IPV6, probe_index, &ep);
	probe_backend = ep;
	return 0;
}

/** remember - probe_index: what affinity chooses for the client probe_key in probe_list. */
SEC("tc")
int remember(struct __sk_buff *skb)
{
	struct svc_affinity_key key = probe_key;

	probe_index = affinity_select(SVC_FAMILY_IPV4, probe_list, probe_timeout_s, &key,
				      list_random(probe_list, bpf_get_prandom_u32()));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
