/* SPDX-License-Identifier: Apache-2.0 */
/* From a source into the model: what plan, verify and run have in common. */
#ifndef SVCBPF_CMD_FEED_H
#define SVCBPF_CMD_FEED_H

#include "cmd/options.h"
#include "model/model.h"
#include "source/manifests.h"

struct event_base;

/**
 * struct feed - strings, model and source of one process.
 * @node: called before the model learns of the Node; NULL: unknown. May be NULL.
 * @rejected, @synced: as in struct source_events; set before feed_load().
 * @arg: given to all three.
 */
struct feed {
	struct strings *strings;
	struct model *model;
	struct manifests *manifests;
	void (*node)(void *arg, const struct k8s_node *node);
	void (*rejected)(void *arg, const char *where, const char *object, const char *text);
	int (*synced)(void *arg);
	void *arg;
};

/**
 * feed_open() - make the three, empty; the callbacks are set before or after.
 * @feed: zero but for the callbacks; must stay where it is until feed_close().
 * Return: 0; -ENOMEM; what manifests_new() returns.
 */
int feed_open(struct feed *feed, const struct options *options);

/** feed_close() - free what feed_open() made; a zeroed feed is fine. */
void feed_close(struct feed *feed);

#endif
