/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/udp_diag.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/endian.h"

/** struct walk - what a message callback needs. @result: first negative return of @fn. */
struct walk {
	int (*fn)(void *arg, const struct udp_diag_socket *socket);
	void *arg;
	int result;
};

static void socket_closep(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}

static int on_socket(const struct nlmsghdr *message, void *arg)
{
	struct walk *walk = arg;
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(message);
	const void *peer = msg->id.idiag_dst;
	struct udp_diag_socket socket = {};

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*msg))
		return MNL_CB_OK;
	socket.family = msg->idiag_family;
	socket.id = msg->id;
	socket.cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0];
	socket.peer_port = be16_to_host(msg->id.idiag_dport);
	if (socket.family == AF_INET) {
		socket.peer.family = ADDR_IPV4;
		memcpy(socket.peer.bytes, peer, 4);
	} else {
		addr_from_mapped(peer, &socket.peer);
	}
	walk->result = walk->fn(walk->arg, &socket);
	if (walk->result < 0) {
		errno = -walk->result;
		return MNL_CB_ERROR;
	}
	return MNL_CB_OK;
}

static struct nlmsghdr *put_request(void *buffer, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *request;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
	request->sdiag_family = family;
	request->sdiag_protocol = IPPROTO_UDP;
	return message;
}

static struct mnl_socket *open_diag(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);

	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = errno;

		mnl_socket_close(socket);
		errno = error;
		return NULL;
	}
	return socket;
}

/* The kernel answers ENOENT to a dump when no udp_diag is there, and says EOPNOTSUPP elsewhere. */
static int dump_error(int error)
{
	return error == ENOENT ? -EOPNOTSUPP : -error;
}

static int dump_family(uint8_t family, struct walk *walk)
{
	_cleanup_(socket_closep) struct mnl_socket *socket = open_diag();
	char buffer[32768];
	struct nlmsghdr *message = put_request(buffer, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family);
	struct inet_diag_req_v2 *request = mnl_nlmsg_get_payload(message);
	ssize_t n;
	int r = 1;

	if (!socket)
		return -errno;
	request->idiag_states = 1u << TCP_ESTABLISHED;
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	while (r > 0) {
		n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(buffer, (size_t)n, 0, mnl_socket_get_portid(socket), on_socket,
			       walk);
	}
	if (r == 0)
		return 0;
	return walk->result < 0 ? walk->result : dump_error(errno);
}

int udp_diag_for_each(int (*fn)(void *arg, const struct udp_diag_socket *socket), void *arg)
{
	struct walk walk = {.fn = fn, .arg = arg};
	int r = dump_family(AF_INET, &walk);

	return r < 0 ? r : dump_family(AF_INET6, &walk);
}

int udp_diag_destroy(uint8_t family, const struct inet_diag_sockid *id)
{
	_cleanup_(socket_closep) struct mnl_socket *socket = open_diag();
	char buffer[1024];
	struct nlmsghdr *message = put_request(buffer, SOCK_DESTROY, NLM_F_ACK, family);
	struct inet_diag_req_v2 *request = mnl_nlmsg_get_payload(message);
	ssize_t n;

	if (!socket)
		return -errno;
	request->idiag_states = ~0u;
	request->id = *id;
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (n < 0)
		return -errno;
	/* the answer is an acknowledgement: an error message, with 0 when it was done */
	return mnl_cb_run(buffer, (size_t)n, 0, mnl_socket_get_portid(socket), NULL, NULL) < 0
		       ? -errno
		       : 0;
}
