/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IP fragments: what the first one tells of its ports is kept for those that follow. */
#ifndef SVCBPF_BPF_FRAG_H
#define SVCBPF_BPF_FRAG_H

#include "lib/packet.h"
#include "lib/packet_maps.h"

static __always_inline void frag_key(const struct packet *packet, struct svc_frag_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->src, packet->src.addr, sizeof(key->src));
	__builtin_memcpy(key->dst, packet->dst.addr, sizeof(key->dst));
	key->id = packet->frag_id;
	key->protocol = packet->protocol;
}

/** frag_remember() - keep the ports of a first fragment, which is one of ours. */
static __always_inline void frag_remember(const struct packet *packet)
{
	const struct svc_frag frag = {
		.src_port = packet->src.port,
		.dst_port = packet->dst.port,
	};
	struct svc_frag_key key;

	if (!(packet->flags & PACKET_F_FIRST_FRAGMENT))
		return;
	frag_key(packet, &key);
	bpf_map_update_elem(&frags, &key, &frag, BPF_ANY);
}

/**
 * frag_recall() - give a later fragment the ports of its first one.
 * Return: false when that was not one of ours, or has not come yet.
 */
static __always_inline bool frag_recall(struct packet *packet)
{
	struct svc_frag_key key;
	struct svc_frag *frag;

	frag_key(packet, &key);
	frag = bpf_map_lookup_elem(&frags, &key);
	if (!frag)
		return false;
	packet->src.port = frag->src_port;
	packet->dst.port = frag->dst_port;
	return true;
}

#endif
