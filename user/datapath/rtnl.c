/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/rtnl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"

/* Room for many notifications: 1 MB of them before the kernel reports ENOBUFS. */
#define RECEIVE_BUFFER_BYTES (1 << 20)

void rtnl_closep(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}

int rtnl_dump(const struct rtnl_dump *dump)
{
	_cleanup_(rtnl_closep) struct mnl_socket *socket =
		mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char buffer[32768];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	ssize_t n;
	int r = 1;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	request->nlmsg_type = dump->type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	memcpy(mnl_nlmsg_put_extra_header(request, dump->header_bytes), dump->header,
	       dump->header_bytes);
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (r > 0) {
		n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(buffer, (size_t)n, 0, mnl_socket_get_portid(socket),
			       dump->on_message, dump->arg);
	}
	return r < 0 ? -errno : 0; /* EINTR: libmnl's word for NLM_F_DUMP_INTR */
}

int rtnl_follow(unsigned int groups, struct mnl_socket **ret)
{
	_cleanup_(rtnl_closep) struct mnl_socket *socket =
		mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int size = RECEIVE_BUFFER_BYTES;

	if (!socket)
		return -errno;
	/* needs CAP_NET_ADMIN; without it the overflow is only met earlier */
	setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	*ret = TAKE_PTR(socket);
	return 0;
}

int rtnl_drain(struct mnl_socket *socket, mnl_cb_t on_message, void *arg)
{
	bool is_lossy = false;
	char buffer[32768];

	for (;;) {
		ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		int error = errno;

		if (n < 0 && (error == EAGAIN || error == EWOULDBLOCK))
			return is_lossy ? -ENOBUFS : 0;
		if (n < 0 && error != EINTR && error != ENOBUFS)
			return -error;
		is_lossy |= n < 0 && error == ENOBUFS;
		if (n >= 0 && mnl_cb_run(buffer, (size_t)n, 0, 0, on_message, arg) < 0)
			return -errno;
	}
}
