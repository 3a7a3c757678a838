// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads rev_storage for user space: an sk_storage map cannot be walked by system calls, and
 * sock_diag shows storage values of TCP sockets only. Not part of the datapath: loaded for the
 * moment of a walk.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <svcbpf/abi.h>

/** write_one() - one struct svc_rev_record for each socket in the map, of all network namespaces.
 */
SEC("iter/bpf_sk_storage_map")
int write_one(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct svc_rev_record record = {};
	const struct svc_rev *rev = ctx->value;
	struct sock *sk = ctx->sk;

	if (!sk || !rev)
		return 0;
	/* set: the programs that stored the value have asked for the cookie */
	record.cookie = sk->__sk_common.skc_cookie.counter;
	record.rev = *rev;
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
