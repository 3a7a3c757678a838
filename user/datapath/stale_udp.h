/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule R39 at sockets: a connected UDP socket that was translated to a backend which has left its
 * Service is destroyed, so that its owner gets ECONNABORTED (a sender EDESTADDRREQ) and connects
 * again. Without this it would talk to nobody for as long as it lives.
 *
 * A socket is found by its cookie in the reverse translation (svcbpf/abi.h: rev_slots, else
 * rev_storage), looked up in all network namespaces by sock_diag(7) and ended by SOCK_DESTROY.
 * Sockets that dialled the backend itself have no such entry and are left alone.
 */
#ifndef SVCBPF_DATAPATH_STALE_UDP_H
#define SVCBPF_DATAPATH_STALE_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/state.h"
#include "svcbpf/abi.h"

/**
 * struct stale_udp_maps - where the programs keep reverse translations.
 * @rev_owners: the mapped array, SVC_REV_SLOTS cookies; NULL when the kernel has no slots.
 * @rev_slots: the mapped array beside it; NULL with @rev_owners.
 * @rev_storage_fd: sk_storage map for sockets without a slot; -1: none.
 * @has_overflow: some socket may be in @rev_storage_fd (always true without slots).
 */
struct stale_udp_maps {
	const uint64_t *rev_owners;
	const struct svc_rev *rev_slots;
	int rev_storage_fd;
	bool has_overflow;
};

/**
 * struct stale_udp_service - a UDP service port whose serving endpoints changed.
 * @service_id: as in struct svc_rev.
 * @serving: service_port.serving: every serving endpoint, sorted; empty: the service port is left
 *	alone, as kube-proxy does.
 */
struct stale_udp_service {
	uint32_t service_id;
	struct backend_list serving;
};

/**
 * struct stale_udp_result - what a sweep did.
 * @n_destroyed: sockets ended.
 * @n_failed: stale sockets that could not be ended; @last_error: the last reason, negative errno.
 * @n_namespaces: network namespaces looked into, the own one included.
 * @n_unreachable: processes and named namespaces that could not be looked into.
 * @is_own_only: setns(2) is not allowed (no CAP_SYS_ADMIN): only the own namespace was swept.
 */
struct stale_udp_result {
	uint32_t n_destroyed;
	uint32_t n_failed;
	int last_error;
	uint32_t n_namespaces;
	uint32_t n_unreachable;
	bool is_own_only;
};

/**
 * stale_udp_is_supported() - whether this kernel can list UDP sockets and destroy one; asks it to
 * destroy a socket made for that. Return: true or false (also without CAP_NET_ADMIN).
 */
bool stale_udp_is_supported(void);

/**
 * stale_udp_sweep() - destroy the stale connected UDP sockets of these service ports.
 * @maps, @services: borrowed for the call; nobody may change @services meanwhile.
 *
 * Blocks for some milliseconds, more with many sockets: call it in a thread of its own. That thread
 * moves through the network namespaces and is back in its own one on return. Looks into none when
 * no reverse translation leads to a backend that has left.
 * Source: Linux net/ipv4/udp_diag.c.
 * Return: 0; -EOPNOTSUPP: no udp_diag; -ENOTRECOVERABLE: the thread could not return to its network
 * namespace and must end; -ENOMEM; other negative errno.
 */
int stale_udp_sweep(const struct stale_udp_maps *maps, const struct stale_udp_service *services,
		    size_t n_services, struct stale_udp_result *ret_result);

#endif
