/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SVCBPF_BPF_RANDOM_H
#define SVCBPF_BPF_RANDOM_H

#include "lib/maps.h"

/**
 * random_mix() - 32 uniformly distributed bits out of what differs from one connect to the next.
 * @entropy: the socket's cookie: no two sockets have the same.
 * @n: a number that differs for each connect of one socket: a counter of this CPU.
 *
 * The finaliser of splitmix64 over a seed drawn when the programs were loaded: 2 ns, where
 * bpf_get_prandom_u32() costs 30 on the connect path. No secret: kube-proxy's choice is none
 * either. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
 */
static __always_inline __u32 random_mix(__u64 entropy, __u64 n)
{
	__u64 z = svc_config.random_seed + entropy * 0x9e3779b97f4a7c15ull +
		  n * 0xd1342543de82ef95ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (__u32)((z ^ z >> 31) >> 32);
}

#endif
