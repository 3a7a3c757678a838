/* SPDX-License-Identifier: Apache-2.0 */
/* All chains of nftables, which iptables-nft writes too, by nfnetlink. */
#include <netinet/in.h> /* before linux/in.h, which then leaves out what is here */

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "datapath/foreign_rules.h"
#include "datapath/rtnl.h"
#include "util/cleanup.h"
#include "util/endian.h"

/** struct chain - a chain as far as it matters here. @hook: -1: none, it is no base chain. */
struct chain {
	const char *table;
	const char *name;
	int hook;
	bool is_drop;
};

static const char *text_of(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ? "" : mnl_attr_get_str(attr);
}

static bool is_u32(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_U32) >= 0;
}

static uint32_t number_of(const struct nlattr *attr)
{
	__be32 value;

	memcpy(&value, mnl_attr_get_payload(attr), sizeof(value));
	return be32_to_host(value);
}

static void read_hook(const struct nlattr *hook, struct chain *chain)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, hook)
		if (mnl_attr_get_type(attr) == NFTA_HOOK_HOOKNUM && is_u32(attr))
			chain->hook = (int)number_of(attr);
}

static void read_attr(const struct nlattr *attr, struct chain *chain)
{
	switch (mnl_attr_get_type(attr)) {
	case NFTA_CHAIN_TABLE:
		chain->table = text_of(attr);
		break;
	case NFTA_CHAIN_NAME:
		chain->name = text_of(attr);
		break;
	case NFTA_CHAIN_HOOK:
		read_hook(attr, chain);
		break;
	case NFTA_CHAIN_POLICY:
		chain->is_drop = is_u32(attr) && number_of(attr) == NF_DROP;
		break;
	default:
		break;
	}
}

static void count(struct foreign_rules *rules, int family, const struct chain *chain)
{
	if (strcmp(chain->table, "kube-proxy") == 0) {
		rules->n_nft_chains[family]++;
		return;
	}
	rules->has_keeper |= strcmp(chain->table, FOREIGN_KEEPER) == 0;
	rules->has_iptables[family] |= strcmp(chain->name, "KUBE-SERVICES") == 0;
	rules->drops_forwarded[family] |= chain->hook == NF_INET_FORWARD && chain->is_drop;
}

static int on_chain(const struct nlmsghdr *message, void *arg)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	struct chain chain = {.table = "", .name = "", .hook = -1};
	const struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*header))
		read_attr(attr, &chain);
	if (header->nfgen_family == NFPROTO_IPV4 || header->nfgen_family == NFPROTO_INET)
		count(arg, FOREIGN_IPV4, &chain);
	if (header->nfgen_family == NFPROTO_IPV6 || header->nfgen_family == NFPROTO_INET)
		count(arg, FOREIGN_IPV6, &chain);
	return MNL_CB_OK;
}

static int receive(struct mnl_socket *socket, char *buffer, size_t size_bytes,
		   struct foreign_rules *rules)
{
	int r = 1;

	while (r > 0) {
		ssize_t n = mnl_socket_recvfrom(socket, buffer, size_bytes);

		if (n < 0)
			return -errno;
		r = mnl_cb_run(buffer, (size_t)n, 0, mnl_socket_get_portid(socket), on_chain,
			       rules);
	}
	return r < 0 ? -errno : 0;
}

static int dump_chains(struct foreign_rules *rules)
{
	_cleanup_(rtnl_closep) struct mnl_socket *socket =
		mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	char buffer[32768];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	request->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->nfgen_family = NFPROTO_UNSPEC;
	header->version = NFNETLINK_V0;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	return receive(socket, buffer, sizeof(buffer), rules);
}

/* Somebody may be writing chains: the kernel says that a dump was torn. */
int foreign_nft_read(struct foreign_rules *rules)
{
	for (int i = 0;; i++) {
		struct foreign_rules copy = *rules;
		int r = dump_chains(&copy);

		if (r == -EINTR && i < RTNL_DUMP_TRIES)
			continue;
		if (r == 0)
			*rules = copy;
		/* a kernel without nftables */
		return r == -EINVAL || r == -EPROTONOSUPPORT || r == -EOPNOTSUPP ? 0 : r;
	}
}
