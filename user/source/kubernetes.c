/* SPDX-License-Identifier: Apache-2.0 */
#include "source/kubernetes.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/api.h"
#include "source/json_arena.h"
#include "source/kubernetes_private.h"
#include "util/log.h"

/* How long a Node that may not be read is waited for: an API server that starts refuses at first.
 */
#define NODE_PATIENCE_S 2

static const char *const trim_metadata[] = {"\"managedFields\":", NULL};
static const char *const trim_slice[] = {"\"managedFields\":", "\"targetRef\":", NULL};
static const char *const trim_node[] = {"\"managedFields\":", "\"images\":", NULL};

/* What kube-proxy asks for (R1, R2, R3). */
static const struct reflector_resource resources[KUBERNETES_N_RESOURCES] = {
	[KUBERNETES_SERVICES] =
		{
			.name = "services",
			.path = "/api/v1/services",
			.list_kind = "ServiceList",
			.label_selector = "!service.kubernetes.io/service-proxy-name",
			.field_selector = "spec.clusterIP!=None",
			.is_field_selector_optional = true,
			.trim = trim_metadata,
		},
	[KUBERNETES_SLICES] =
		{
			.name = "endpointslices",
			.path = "/apis/discovery.k8s.io/v1/endpointslices",
			.list_kind = "EndpointSliceList",
			.label_selector = "!service.kubernetes.io/headless",
			.trim = trim_slice,
		},
	[KUBERNETES_NODE] =
		{
			.name = "nodes",
			.path = "/api/v1/nodes",
			.list_kind = "NodeList",
			.is_cluster_scoped = true,
			.trim = trim_node,
		},
};

static bool has_listed(const struct kubernetes *kubernetes, enum kubernetes_resource which)
{
	struct kubernetes_watch watch;

	kubernetes_watch(kubernetes, which, &watch);
	return watch.is_synced;
}

/* The first synced() comes when all is known (R11), the Node or that it cannot be. */
static void check_first_sync(struct kubernetes *kubernetes)
{
	if (kubernetes->is_synced || !has_listed(kubernetes, KUBERNETES_SERVICES) ||
	    !has_listed(kubernetes, KUBERNETES_SLICES) ||
	    (!kubernetes->is_without_node && !has_listed(kubernetes, KUBERNETES_NODE)))
		return;
	kubernetes->is_synced = true;
	kubernetes_sync_later(kubernetes);
	kubernetes_sync_anew(kubernetes);
}

static void on_node_timer(evutil_socket_t fd, short what, void *arg)
{
	struct kubernetes *kubernetes = arg;

	(void)fd;
	(void)what;
	if (has_listed(kubernetes, KUBERNETES_NODE))
		return;
	kubernetes->is_without_node = true;
	check_first_sync(kubernetes);
}

static void begun(void *arg)
{
	struct kubernetes_follower *follower = arg;

	follower->is_listing = true;
}

static void listed(void *arg)
{
	struct kubernetes_follower *follower = arg;
	struct kubernetes *kubernetes = follower->kubernetes;

	follower->is_listing = false;
	if (follower->which == KUBERNETES_NODE && kubernetes->node_state == NODE_UNTOLD &&
	    !reflector_knows(follower->reflector, "", kubernetes->node_name) &&
	    kubernetes->events.set_node(kubernetes->events.arg, NULL) >= 0)
		kubernetes->node_state = NODE_GONE;
	check_first_sync(kubernetes);
	kubernetes_sync_anew(kubernetes);
}

static void failed(void *arg, long status)
{
	const struct timeval patience = {.tv_sec = NODE_PATIENCE_S};
	struct kubernetes_follower *follower = arg;
	struct kubernetes *kubernetes = follower->kubernetes;

	follower->is_listing = false;
	kubernetes_sync_anew(kubernetes);
	if (follower->which != KUBERNETES_NODE || (status != 403 && status != 404) ||
	    kubernetes->is_without_node || event_pending(kubernetes->node_timer, EV_TIMEOUT, NULL))
		return;
	event_add(kubernetes->node_timer, &patience);
}

static int make_follower(struct kubernetes *kubernetes, enum kubernetes_resource which)
{
	struct kubernetes_follower *follower = &kubernetes->followers[which];
	const struct reflector_events events = {
		.put = kubernetes_put,
		.remove = kubernetes_remove,
		.begun = begun,
		.listed = listed,
		.failed = failed,
		.arg = follower,
	};
	const struct reflector_options options = {
		.resource = &follower->resource,
		.times = REFLECTOR_TIMES,
		.arena = kubernetes->arena,
		.pool = kubernetes->options.pool,
		.api = kubernetes->options.api,
		.base = kubernetes->options.base,
		.log = kubernetes->options.log,
		.log_arg = kubernetes->options.log_arg,
		.is_hasty = kubernetes->options.is_hasty,
	};

	follower->kubernetes = kubernetes;
	follower->which = which;
	follower->resource = resources[which];
	if (which == KUBERNETES_NODE)
		follower->resource.field_selector = kubernetes->node_selector;
	return reflector_new(&options, &events, &follower->reflector);
}

static int make_parts(struct kubernetes *kubernetes)
{
	int r;

	kubernetes->node_name = strdup(kubernetes->options.node_name);
	if (!kubernetes->node_name)
		return -ENOMEM;
	if (asprintf(&kubernetes->node_selector, "metadata.name=%s", kubernetes->node_name) < 0) {
		kubernetes->node_selector = NULL;
		return -ENOMEM;
	}
	kubernetes->node_timer = evtimer_new(kubernetes->options.base, on_node_timer, kubernetes);
	if (!kubernetes->node_timer)
		return -ENOMEM;
	r = kubernetes_syncs_open(kubernetes);
	if (r == 0)
		r = json_arena_new(&kubernetes->arena);
	for (int i = 0; r == 0 && i < KUBERNETES_N_RESOURCES; i++)
		r = make_follower(kubernetes, (enum kubernetes_resource)i);
	return r;
}

int kubernetes_new(const struct kubernetes_options *options, const struct source_events *events,
		   struct kubernetes **ret)
{
	struct kubernetes *kubernetes = calloc(1, sizeof(*kubernetes));
	int r;

	if (!kubernetes)
		return -ENOMEM;
	kubernetes->options = *options;
	kubernetes->events = *events;
	kubernetes_make_restore(kubernetes);
	r = make_parts(kubernetes);
	if (r < 0) {
		kubernetes_free(kubernetes);
		return r;
	}
	*ret = kubernetes;
	return 0;
}

void kubernetes_free(struct kubernetes *kubernetes)
{
	if (!kubernetes)
		return;
	for (size_t i = 0; i < KUBERNETES_N_RESOURCES; i++)
		reflector_free(kubernetes->followers[i].reflector);
	kubernetes_syncs_close(kubernetes);
	if (kubernetes->node_timer)
		event_free(kubernetes->node_timer);
	kubernetes_forget_rejects(kubernetes);
	json_arena_free(kubernetes->arena);
	free(kubernetes->node_selector);
	free(kubernetes->node_name);
	free(kubernetes);
}

int kubernetes_start(struct kubernetes *kubernetes)
{
	kubernetes_relist(kubernetes);
	return 0;
}

const struct source_events *kubernetes_restore(struct kubernetes *kubernetes)
{
	return &kubernetes->restore;
}

bool kubernetes_is_synced(const struct kubernetes *kubernetes)
{
	return kubernetes->is_synced;
}

/* The Node can be done without; what keeps it from being read keeps the others as well, or not. */
bool kubernetes_refusal(const struct kubernetes *kubernetes, char *ret_text, size_t size)
{
	const size_t n_servers = api_n_servers(kubernetes->options.api);

	for (unsigned int i = 0; i < KUBERNETES_NODE; i++) {
		struct kubernetes_watch watch;

		kubernetes_watch(kubernetes, i, &watch);
		if (watch.is_synced || !watch.is_refused || watch.n_failures < n_servers)
			continue;
		snprintf(ret_text, size, "%s: %s", watch.name, watch.last_error);
		return true;
	}
	return false;
}

bool kubernetes_is_node_missing(const struct kubernetes *kubernetes)
{
	return kubernetes->node_state == NODE_GONE;
}

const char *kubernetes_node_error(const struct kubernetes *kubernetes, bool *ret_is_saved)
{
	struct kubernetes_watch watch;

	kubernetes_watch(kubernetes, KUBERNETES_NODE, &watch);
	if (!kubernetes->is_synced || watch.is_synced)
		return NULL;
	*ret_is_saved = kubernetes->node_state == NODE_TOLD;
	return watch.last_error;
}

void kubernetes_watch(const struct kubernetes *kubernetes, enum kubernetes_resource resource,
		      struct kubernetes_watch *ret)
{
	reflector_watch(kubernetes->followers[resource].reflector, ret);
}

void kubernetes_relist(struct kubernetes *kubernetes)
{
	for (size_t i = 0; i < KUBERNETES_N_RESOURCES; i++)
		reflector_start(kubernetes->followers[i].reflector);
}
