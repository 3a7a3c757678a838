/* SPDX-License-Identifier: Apache-2.0 */
/* From a source into the model: what plan, verify and run have in common. */
#ifndef SVCBPF_CMD_FEED_H
#define SVCBPF_CMD_FEED_H

#include "cmd/options.h"
#include "model/model.h"
#include "source/source.h"

struct api;
struct event_base;
struct kubernetes;
struct manifests;

/** FEED_ERROR_MAX - bytes that hold any error of feed_open(), NUL included. */
#define FEED_ERROR_MAX 768

/**
 * struct feed - strings, model and source of one process.
 * @command: who asks, for the callbacks; may be NULL.
 * @manifests, or @api and @kubernetes: the source; the others are NULL.
 * @source_name: the first manifest or the API server's URL as it was at first, owned.
 * @is_synced: synced() was called.
 * @is_hasty: feed_load() ends at once when the API server refuses us; set before feed_open().
 * @node: called before the model learns of the Node; NULL: unknown. May be NULL.
 * @slice: called before the model learns of an EndpointSlice (NULL: one is gone). May be NULL.
 * @service: the same for a Service, without saying which. May be NULL.
 * @rejected, @synced: as in struct source_events; set before feed_open().
 * @log: what an operator should know of the source; @level: enum log_level.
 * @arg: given to all of them.
 */
struct feed {
	const char *command;
	struct event_base *base;
	struct strings *strings;
	struct model *model;
	struct manifests *manifests;
	struct api *api;
	struct kubernetes *kubernetes;
	char *source_name;
	bool is_synced;
	bool is_hasty;
	void (*node)(void *arg, const struct k8s_node *node);
	void (*slice)(void *arg, const struct k8s_slice *slice);
	void (*service)(void *arg);
	void (*rejected)(void *arg, const char *where, const char *object, const char *text);
	int (*synced)(void *arg);
	void (*log)(void *arg, int level, const char *text);
	void *arg;
};

/**
 * feed_open() - make the source that the options name, and an empty model; nothing is read yet.
 * @feed: zero but for the callbacks; must stay where it is until feed_close().
 * @base: the event loop, borrowed.
 * @ret_error: one line, filled in on every failure.
 * Return: 0; -EINVAL: the options are not usable (usage); -ENOMEM; -ENOENT and others of open(2).
 */
int feed_open(struct feed *feed, const struct options *options, struct event_base *base,
	      char ret_error[FEED_ERROR_MAX]);

/**
 * feed_load() - read the source once, in full, and call synced(). Blocks; the API server is waited
 * for, running the event loop.
 * @timeout_s: for the API server.
 * @ret_error: one line, filled in with -EACCES.
 * Return: 0; -ETIMEDOUT: the API server has not told all; -EACCES: with is_hasty, it will not; what
 * manifests_load() and synced() return.
 */
int feed_load(struct feed *feed, uint32_t timeout_s, char ret_error[FEED_ERROR_MAX]);

/**
 * feed_start() - begin to read and follow the API server: everything happens in the event loop.
 * Return: 0 or -ENOMEM.
 */
int feed_start(struct feed *feed);

/** feed_reload() - read everything again (SIGHUP). Return: 0; errors of manifests_load(). */
int feed_reload(struct feed *feed);

/** feed_n_rejected() - how many objects of the source cannot be used now. */
size_t feed_n_rejected(const struct feed *feed);

/** feed_reject_state() - as manifests_reject_state(). @arg: a struct feed. */
uint64_t feed_reject_state(void *arg, const char *where);

/**
 * feed_for_each_problem() - what could not be served as asked: model_for_each_problem(), and a Node
 * that the API server does not have, or does not let us read.
 */
void feed_for_each_problem(const struct feed *feed,
			   void (*fn)(void *arg, const char *subject, const char *text), void *arg);

/** feed_close() - free what feed_open() made; a zeroed feed is fine. */
void feed_close(struct feed *feed);

#endif
