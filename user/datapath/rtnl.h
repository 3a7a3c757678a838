/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink(7) by libmnl: a dump of everything, and a socket that tells what changes. */
#ifndef SVCBPF_DATAPATH_RTNL_H
#define SVCBPF_DATAPATH_RTNL_H

#include <libmnl/libmnl.h>
#include <stdint.h>

/**
 * struct rtnl_dump - what to ask for.
 * @type: RTM_GET*.  @header, @header_bytes: what follows the netlink header, its family first.
 * @on_message: as libmnl's callbacks; ends the dump with MNL_CB_ERROR and errno.
 */
struct rtnl_dump {
	uint16_t type;
	const void *header;
	size_t header_bytes;
	mnl_cb_t on_message;
	void *arg;
};

/**
 * rtnl_dump() - ask once and wait for all of the answer.
 * Return: 0; -EINTR: something changed meanwhile, ask again; negative errno of netlink(7).
 */
int rtnl_dump(const struct rtnl_dump *dump);

/** RTNL_DUMP_TRIES - how often a dump that ended with -EINTR is worth asking for. */
#define RTNL_DUMP_TRIES 10

/**
 * rtnl_follow() - open a socket that does not block and is told of changes.
 * @groups: RTMGRP_*.
 * Open it before the first dump, so that nothing is lost between the two.
 * Return: 0; negative errno of netlink(7). Close with rtnl_closep().
 */
int rtnl_follow(unsigned int groups, struct mnl_socket **ret);

/**
 * rtnl_drain() - call @on_message for all that has arrived.
 * Return: 0; -ENOBUFS: messages were lost, the rest was told; what ended @on_message; negative
 * errno of netlink(7).
 */
int rtnl_drain(struct mnl_socket *socket, mnl_cb_t on_message, void *arg);

/** rtnl_closep() - close a socket; for _cleanup_(). A pointer to NULL is fine. */
void rtnl_closep(struct mnl_socket **socket);

#endif
