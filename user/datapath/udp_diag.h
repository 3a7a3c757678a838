/* SPDX-License-Identifier: Apache-2.0 */
/* Connected UDP sockets of the calling thread's network namespace: list and destroy, sock_diag(7).
 */
#ifndef SVCBPF_DATAPATH_UDP_DIAG_H
#define SVCBPF_DATAPATH_UDP_DIAG_H

#include <linux/inet_diag.h>
#include <stdint.h>

#include "util/addr.h"

/**
 * struct udp_diag_socket - a UDP socket.
 * @family: AF_INET or AF_INET6.
 * @id: the kernel's full name of it, for udp_diag_destroy().
 * @cookie: socket cookie.
 * @peer: where it is connected to; a mapped address gives IPv4.  @peer_port: host order.
 */
struct udp_diag_socket {
	uint8_t family;
	struct inet_diag_sockid id;
	uint64_t cookie;
	struct addr peer;
	uint16_t peer_port;
};

/**
 * udp_diag_for_each() - call @fn for each connected UDP socket, IPv4 and IPv6.
 * @fn: a negative return ends the walk.
 *
 * Source: Linux net/ipv4/udp_diag.c.
 * Return: 0; what @fn returned; -EOPNOTSUPP: no udp_diag; negative errno of netlink(7).
 */
int udp_diag_for_each(int (*fn)(void *arg, const struct udp_diag_socket *socket), void *arg);

/**
 * udp_diag_destroy() - end a socket: whoever waits on it gets ECONNABORTED.
 * @family, @id: as told by udp_diag_for_each(); the cookie in @id makes sure that it is this one.
 *
 * Return: 0; -ENOENT, -ESTALE: it is gone or has connected elsewhere; -EOPNOTSUPP: kernel without
 * INET_DIAG_DESTROY; -EPERM without CAP_NET_ADMIN.
 */
int udp_diag_destroy(uint8_t family, const struct inet_diag_sockid *id);

#endif
