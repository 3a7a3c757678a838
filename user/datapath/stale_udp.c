/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/stale_udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datapath/netns_walk.h"
#include "datapath/overflow.h"
#include "datapath/udp_diag.h"
#include "util/cleanup.h"
#include "util/endian.h"

/** struct candidate - a translated socket whose backend serves no longer. */
struct candidate {
	uint64_t cookie;
	struct addr backend;
	uint16_t port;
};

/** struct target - a stale socket of the namespace that is being swept. */
struct target {
	uint8_t family;
	struct inet_diag_sockid id;
};

/**
 * struct sweep - one call of stale_udp_sweep().
 * @by_id: the services, sorted by service_id.  @candidates: sorted by cookie.
 * @targets: found in the current namespace, destroyed when it has been listed.
 * @n_found: candidates met so far: the walk ends early with the last one.
 */
struct sweep {
	const struct stale_udp_maps *maps;
	const struct stale_udp_service **by_id;
	size_t n_services;
	struct candidate *candidates;
	size_t n_candidates;
	size_t n_candidates_room;
	struct target *targets;
	size_t n_targets;
	size_t n_targets_room;
	size_t n_found;
	struct stale_udp_result result;
};

static void sweep_clear(struct sweep *sweep)
{
	free(sweep->by_id);
	free(sweep->candidates);
	free(sweep->targets);
}

/* ------------------------------------------------------------------ what is stale */

static int compare_services(const void *a, const void *b)
{
	const struct stale_udp_service *const *left = a;
	const struct stale_udp_service *const *right = b;

	return ((*left)->service_id > (*right)->service_id) -
	       ((*left)->service_id < (*right)->service_id);
}

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *left = a;
	const struct candidate *right = b;

	return (left->cookie > right->cookie) - (left->cookie < right->cookie);
}

static const struct stale_udp_service *find_service(const struct sweep *sweep, uint32_t service_id)
{
	const struct stale_udp_service key = {.service_id = service_id};
	const struct stale_udp_service *key_pointer = &key;
	const struct stale_udp_service **found =
		bsearch(&key_pointer, sweep->by_id, sweep->n_services, sizeof(*sweep->by_id),
			compare_services);

	return found ? *found : NULL;
}

static int compare_backends(const void *a, const void *b)
{
	const struct backend *left = a;
	const struct backend *right = b;
	int r = addr_compare(&left->addr, &right->addr);

	return r ? r : (left->port > right->port) - (left->port < right->port);
}

/* Whether a translation leads to a backend that its service port has lost; fills @ret_backend. */
static bool is_stale(const struct sweep *sweep, const struct svc_rev *rev,
		     struct backend *ret_backend)
{
	const struct stale_udp_service *service;
	const void *mapped = rev->backend;
	struct backend backend = {.port = be16_to_host(rev->backend_port)};

	if (rev->protocol != IPPROTO_UDP)
		return false;
	service = find_service(sweep, rev->service_id);
	if (!service || !service->serving.n_backends)
		return false;
	addr_from_mapped(mapped, &backend.addr);
	if (bsearch(&backend, service->serving.backends, service->serving.n_backends,
		    sizeof(backend), compare_backends))
		return false;
	*ret_backend = backend;
	return true;
}

static int index_services(struct sweep *sweep, const struct stale_udp_service *services, size_t n)
{
	sweep->by_id = calloc(n + 1, sizeof(*sweep->by_id));
	if (!sweep->by_id)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (services[i].serving.n_backends)
			sweep->by_id[sweep->n_services++] = &services[i];
	qsort(sweep->by_id, sweep->n_services, sizeof(*sweep->by_id), compare_services);
	return 0;
}

/* ------------------------------------------------------------------ the quick scan */

static int add_candidate(struct sweep *sweep, uint64_t cookie, const struct backend *backend)
{
	if (sweep->n_candidates == sweep->n_candidates_room) {
		size_t n_room = sweep->n_candidates_room ? sweep->n_candidates_room * 2 : 64;
		struct candidate *grown =
			reallocarray(sweep->candidates, n_room, sizeof(*sweep->candidates));

		if (!grown)
			return -ENOMEM;
		sweep->candidates = grown;
		sweep->n_candidates_room = n_room;
	}
	sweep->candidates[sweep->n_candidates++] = (struct candidate){
		.cookie = cookie,
		.backend = backend->addr,
		.port = backend->port,
	};
	return 0;
}

/*
 * The programs write slots while we read. A slot copied while its owner changes is dropped; one
 * copied while its own socket connects elsewhere may be torn, which the comparison with the
 * socket's peer and SOCK_DESTROY's lookup by that peer catch.
 */
static int scan_slots(struct sweep *sweep)
{
	const struct stale_udp_maps *maps = sweep->maps;

	if (!maps->rev_owners)
		return 0;
	for (size_t i = 0; i < SVC_REV_SLOTS; i++) {
		uint64_t owner = __atomic_load_n(&maps->rev_owners[i], __ATOMIC_ACQUIRE);
		struct svc_rev rev;
		struct backend backend;
		int r;

		if (!owner)
			continue;
		rev = maps->rev_slots[i];
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&maps->rev_owners[i], __ATOMIC_RELAXED) != owner ||
		    !is_stale(sweep, &rev, &backend))
			continue;
		r = add_candidate(sweep, owner, &backend);
		if (r < 0)
			return r;
	}
	return 0;
}

static int on_overflow(void *arg, const struct svc_rev_record *record)
{
	struct sweep *sweep = arg;
	struct backend backend;

	if (!is_stale(sweep, &record->rev, &backend))
		return 0;
	return add_candidate(sweep, record->cookie, &backend);
}

static int find_candidates(struct sweep *sweep)
{
	const struct stale_udp_maps *maps = sweep->maps;
	int r = scan_slots(sweep);

	if (r < 0)
		return r;
	if (maps->has_overflow && maps->rev_storage_fd >= 0) {
		r = overflow_for_each(maps->rev_storage_fd, on_overflow, sweep);
		if (r < 0)
			return r;
	}
	if (sweep->n_candidates)
		qsort(sweep->candidates, sweep->n_candidates, sizeof(*sweep->candidates),
		      compare_candidates);
	return 0;
}

/* ------------------------------------------------------------------ one namespace */

static const struct candidate *find_candidate(const struct sweep *sweep, uint64_t cookie)
{
	const struct candidate key = {.cookie = cookie};

	return bsearch(&key, sweep->candidates, sweep->n_candidates, sizeof(key),
		       compare_candidates);
}

static int add_target(struct sweep *sweep, const struct udp_diag_socket *socket)
{
	if (sweep->n_targets == sweep->n_targets_room) {
		size_t n_room = sweep->n_targets_room ? sweep->n_targets_room * 2 : 64;
		struct target *grown =
			reallocarray(sweep->targets, n_room, sizeof(*sweep->targets));

		if (!grown)
			return -ENOMEM;
		sweep->targets = grown;
		sweep->n_targets_room = n_room;
	}
	sweep->targets[sweep->n_targets++] =
		(struct target){.family = socket->family, .id = socket->id};
	return 0;
}

static int on_socket(void *arg, const struct udp_diag_socket *socket)
{
	struct sweep *sweep = arg;
	const struct candidate *candidate = find_candidate(sweep, socket->cookie);

	if (!candidate)
		return 0;
	sweep->n_found++;
	if (candidate->port != socket->peer_port ||
	    addr_compare(&candidate->backend, &socket->peer))
		return 0;
	return add_target(sweep, socket);
}

static void destroy_targets(struct sweep *sweep)
{
	for (size_t i = 0; i < sweep->n_targets; i++) {
		int r = udp_diag_destroy(sweep->targets[i].family, &sweep->targets[i].id);

		if (r == 0) {
			sweep->result.n_destroyed++;
		} else if (r != -ENOENT && r != -ESTALE) { /* those are gone by themselves */
			sweep->result.n_failed++;
			sweep->result.last_error = r;
		}
	}
}

static int sweep_namespace(void *arg)
{
	struct sweep *sweep = arg;
	int r;

	sweep->n_targets = 0; /* of a namespace whose listing failed */
	r = udp_diag_for_each(on_socket, sweep);
	if (r < 0)
		return r;
	destroy_targets(sweep);
	return sweep->n_found >= sweep->n_candidates;
}

/* ------------------------------------------------------------------ interface */

int stale_udp_sweep(const struct stale_udp_maps *maps, const struct stale_udp_service *services,
		    size_t n_services, struct stale_udp_result *ret_result)
{
	_cleanup_(sweep_clear) struct sweep sweep = {.maps = maps};
	struct netns_walk_result walked = {};
	int r = index_services(&sweep, services, n_services);

	if (r < 0)
		return r;
	if (sweep.n_services) {
		r = find_candidates(&sweep);
		if (r < 0)
			return r;
	}
	if (sweep.n_candidates) {
		r = netns_walk(sweep_namespace, &sweep, &walked);
		if (r < 0)
			return r;
	}
	sweep.result.n_namespaces = walked.n_visited;
	sweep.result.n_unreachable = walked.n_unreachable;
	sweep.result.is_own_only = walked.is_own_only;
	*ret_result = sweep.result;
	return 0;
}

/* The full name of a socket bound to 0.0.0.0 at a port the kernel chose, connected to nothing. */
static int name_probe_socket(int fd, struct inet_diag_sockid *ret_id)
{
	struct sockaddr_in own = {.sin_family = AF_INET};
	socklen_t len_bytes = sizeof(own);
	uint64_t cookie = 0;
	socklen_t cookie_len_bytes = sizeof(cookie);

	if (bind(fd, (const struct sockaddr *)&own, sizeof(own)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &len_bytes) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &cookie_len_bytes) < 0)
		return -errno;
	memset(ret_id, 0, sizeof(*ret_id));
	ret_id->idiag_sport = be16_from_host(ntohs(own.sin_port));
	ret_id->idiag_cookie[0] = (uint32_t)cookie;
	ret_id->idiag_cookie[1] = (uint32_t)(cookie >> 32);
	return 0;
}

bool stale_udp_is_supported(void)
{
	_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct inet_diag_sockid id;

	return fd >= 0 && name_probe_socket(fd, &id) == 0 && udp_diag_destroy(AF_INET, &id) == 0;
}
