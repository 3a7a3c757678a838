/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services, EndpointSlices and this Node from an API server: three reflectors (list, watch, list
 * again when that is lost) that tell differences.
 */
#ifndef SVCBPF_SOURCE_KUBERNETES_H
#define SVCBPF_SOURCE_KUBERNETES_H

#include "source/source.h"

struct api;
struct event_base;
struct kubernetes;

/** enum kubernetes_resource - what is watched; index of struct kubernetes_watch. */
enum kubernetes_resource {
	KUBERNETES_SERVICES,
	KUBERNETES_SLICES,
	KUBERNETES_NODE,
	KUBERNETES_N_RESOURCES
};

/** enum kubernetes_watch_state - what a reflector is doing. */
enum kubernetes_watch_state {
	KUBERNETES_LISTING,  /* the first or another list is under way */
	KUBERNETES_WATCHING, /* a watch is open: the state is the server's */
	KUBERNETES_WAITING,  /* something failed: waits until it tries again */
};

/**
 * struct kubernetes_watch - one reflector, for status and metrics.
 * @name: "services", "endpointslices", "nodes"; static.
 * @is_synced: a complete list was told.
 * @resource_version: what is known, borrowed; "" before the first list.
 * @n_objects: known now.
 * @contact_ms: CLOCK_MONOTONIC of the last byte from the server (answers with an error do not
 *	count); 0: never. A watch that is well tells something every minute.
 * @n_lists, @n_watches, @n_failures: since the start; @n_events: changes that watches told.
 * @last_error: one line, borrowed; "" while all is well.
 * @is_refused: the server has refused us, or cannot be trusted, or there are no credentials to ask
 *	it with (401, 403, a certificate, an exec plugin): somebody must change something.
 */
struct kubernetes_watch {
	const char *name;
	enum kubernetes_watch_state state;
	bool is_synced;
	const char *resource_version;
	size_t n_objects;
	uint64_t contact_ms;
	uint64_t n_lists;
	uint64_t n_watches;
	uint64_t n_events;
	uint64_t n_failures;
	const char *last_error;
	bool is_refused;
};

/**
 * struct kubernetes_options - how to make one; strings borrowed for the call.
 * @node_name: this Node is watched.
 * @log: what an operator should know: a watch was lost (warning, once until it is back), it is back
 *	(info), the server has no WatchList (debug); @level is enum log_level. May be NULL.
 * @is_hasty: who asks does not wait until somebody has mended what is refused: that is not logged,
 *	kubernetes_refusal() tells it.
 */
struct kubernetes_options {
	const char *node_name;
	struct strings *pool;
	struct api *api;
	struct event_base *base;
	void (*log)(void *arg, int level, const char *text);
	void *log_arg;
	bool is_hasty;
};

/**
 * kubernetes_new() - a source; nothing is asked yet.
 * @events: copied. synced() is first called when Services and EndpointSlices were listed completely
 *	and the Node was found or is known not to be there (R11); then after each change, at once
 *	when nothing came just before, else a moment later with what came meanwhile.
 *	rejected()'s where is "Service default/web" or so, its object "".
 * Return: 0 or -ENOMEM. Free with kubernetes_free().
 */
int kubernetes_new(const struct kubernetes_options *options, const struct source_events *events,
		   struct kubernetes **ret);

/** kubernetes_free() - end all requests and free; NULL is fine. */
void kubernetes_free(struct kubernetes *kubernetes);

/** kubernetes_start() - begin to list and watch; from then on everything happens in the event loop.
 * Return: 0 or -ENOMEM. */
int kubernetes_start(struct kubernetes *kubernetes);

/**
 * kubernetes_restore() - where to tell a saved state, instead of to the receiver itself: what is
 * told there goes on to the receiver and is remembered, so that the first complete list removes
 * what is gone meanwhile. What the server has told already is newer, and stays. Good before the
 * first synced() only; its synced() may be called once.
 * Return: the callbacks, borrowed.
 */
const struct source_events *kubernetes_restore(struct kubernetes *kubernetes);

/**
 * kubernetes_is_synced() - whether Services and EndpointSlices were listed completely, and the Node
 * was found, is not there, or may not be read (after two seconds of that it is done without).
 */
bool kubernetes_is_synced(const struct kubernetes *kubernetes);

/**
 * kubernetes_refusal() - whether there is no hope of a first synced() by waiting: Services or
 * EndpointSlices may not be read, by none of the servers.
 * @ret_text: filled in if so: "services: HTTP 403: ...", cut at @size bytes.
 */
bool kubernetes_refusal(const struct kubernetes *kubernetes, char *ret_text, size_t size);

/** kubernetes_is_node_missing() - whether the server has said that there is no such Node. */
bool kubernetes_is_node_missing(const struct kubernetes *kubernetes);

/**
 * kubernetes_node_error() - why the Node was never read, while all else goes on without it.
 * @ret_is_saved: filled in if so: whether kubernetes_restore() was told one.
 * Return: one line, borrowed as the strings of kubernetes_watch(); NULL: it was, or is waited for.
 */
const char *kubernetes_node_error(const struct kubernetes *kubernetes, bool *ret_is_saved);

/** kubernetes_watch() - one reflector. @ret: strings borrowed until the event loop runs again. */
void kubernetes_watch(const struct kubernetes *kubernetes, enum kubernetes_resource resource,
		      struct kubernetes_watch *ret);

/** kubernetes_n_rejected() - objects the server has that cannot be used now. */
size_t kubernetes_n_rejected(const struct kubernetes *kubernetes);

/** kubernetes_reject_state() - as manifests_reject_state(). */
uint64_t kubernetes_reject_state(const struct kubernetes *kubernetes, const char *where);

/** kubernetes_relist() - list everything again soon (SIGHUP); nothing is withdrawn meanwhile. */
void kubernetes_relist(struct kubernetes *kubernetes);

#endif
