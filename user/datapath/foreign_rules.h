/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of kube-proxy in this network namespace, whichever way it wrote them, and what else matters
 * to one that is about to remove them. Read from the kernel: no nft, iptables or ipvsadm is needed.
 */
#ifndef SVCBPF_DATAPATH_FOREIGN_RULES_H
#define SVCBPF_DATAPATH_FOREIGN_RULES_H

#include <stdbool.h>
#include <stdint.h>

/** FOREIGN_IPV4, FOREIGN_IPV6 - index of a family in the arrays below. */
#define FOREIGN_IPV4 0
#define FOREIGN_IPV6 1

/**
 * FOREIGN_KEEPER - nftables table that an operator makes before kube-proxy's rules are removed.
 *
 * Connections that are open go on without the rule that translated their first packet, but only
 * while the network namespace has a nat chain (nf_nat_core.c, nf_nat_unregister_fn()) and a rule
 * that asks for connection tracking (nf_conntrack_proto.c, nf_ct_netns_put()). Where nobody else
 * has them the last go with kube-proxy's. A nat chain with one rule about connections is both.
 */
#define FOREIGN_KEEPER "keep-open"

/**
 * struct foreign_rules - what was found, [0] for IPv4 and [1] for IPv6.
 * @nft_result, @legacy_result, @ipvs_result: whether each could be looked at: 0; -EPERM and others.
 * @n_nft_chains: of kube-proxy's own nftables table; 0: there is none.
 * @has_iptables: chain KUBE-SERVICES, written by iptables-nft.
 * @has_legacy: the same by iptables-legacy.
 * @n_ipvs: virtual servers of IPVS.  @has_ipvs_device: kube-ipvs0.
 * @has_keeper: table inet FOREIGN_KEEPER is there.
 * @drops_forwarded: a chain at the forward hook drops what no rule accepts.
 */
struct foreign_rules {
	int nft_result;
	int legacy_result;
	int ipvs_result;
	uint32_t n_nft_chains[2];
	bool has_iptables[2];
	bool has_legacy[2];
	uint32_t n_ipvs;
	bool has_ipvs_device;
	bool has_keeper;
	bool drops_forwarded[2];
};

/**
 * foreign_rules_read() - look at all of it; needs CAP_NET_ADMIN for most.
 * @ret: what could not be looked at is zero, and says so in its result.
 */
void foreign_rules_read(struct foreign_rules *ret);

/** foreign_rules_has_any() - whether there is a rule of kube-proxy. */
bool foreign_rules_has_any(const struct foreign_rules *rules);

/** foreign_nft_read() - the part of nftables. Return: 0; -EPERM; negative errno of netlink(7). */
int foreign_nft_read(struct foreign_rules *rules);

/**
 * foreign_legacy_read() - the part of iptables-legacy; loads no module.
 * Return: 0; -EACCES, -EPERM; negative errno of getsockopt(2).
 */
int foreign_legacy_read(struct foreign_rules *rules);

#endif
