/* SPDX-License-Identifier: Apache-2.0 */
/* What every source of Kubernetes objects (manifests, later the API) tells its user. */
#ifndef SVCBPF_SOURCE_SOURCE_H
#define SVCBPF_SOURCE_SOURCE_H

#include "model/objects.h"

/**
 * struct source_events - where a source puts what it learns.
 * @put_service, @put_slice, @set_node: an object is new or changed; the receiver takes it over,
 *	also on failure.
 *	@set_node is given NULL when this node's object is gone.
 * @remove_service, @remove_slice: it is gone.
 * @rejected: an object could not be used: @where is "file:line" (or what names it), @object
 *	"Service default/web" or "" when not even that is known, @text one line. Told once for each
 *	state of the input. The object keeps its last good state.
 * @synced: all the source has now was told, in one consistent step: commit. The first call means
 *	the first complete list.
 *
 * Callbacks return 0 or negative errno; a failure ends the source's current step and is returned.
 */
struct source_events {
	int (*put_service)(void *arg, struct k8s_service *service);
	int (*remove_service)(void *arg, const char *namespace, const char *name);
	int (*put_slice)(void *arg, struct k8s_slice *slice);
	int (*remove_slice)(void *arg, const char *namespace, const char *name);
	int (*set_node)(void *arg, struct k8s_node *node);
	void (*rejected)(void *arg, const char *where, const char *object, const char *text);
	int (*synced)(void *arg);
	void *arg;
};

#endif
