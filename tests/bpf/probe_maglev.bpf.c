// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bpf/lib/maglev.h behind a tc program, for BPF_PROG_TEST_RUN: a test writes the arguments into
 * .bss, runs it and reads the results there.
 */
#include "vmlinux.h"

#include "lib/maglev.h"

struct endpoint probe_client;
struct endpoint probe_frontend;
__u32 probe_service_id;
bool probe_is_by_client;
__u64 probe_list;

bool probe_is_found;
__u32 probe_index;
__u32 probe_entry;

/** choose - probe_is_found, probe_index: maglev_select(); probe_entry: the table entry asked for.
 */
SEC("tc")
int choose(struct __sk_buff *skb)
{
	struct endpoint client = probe_client, frontend = probe_frontend;
	__u32 index = 0;

	probe_entry = maglev_entry(&client, &frontend, probe_is_by_client);
	probe_is_found = maglev_select(probe_service_id, &client, &frontend, probe_is_by_client,
				       probe_list, &index);
	probe_index = index;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
