/* SPDX-License-Identifier: Apache-2.0 */
/* Where the kernel's state differs from the plan, one fact at a time, as people read it. */
#ifndef SVCBPF_CMD_DRIFT_H
#define SVCBPF_CMD_DRIFT_H

#include "model/state.h"

/** DRIFT_TEXT_MAX - bytes that hold any text of a struct drift, NUL included. */
#define DRIFT_TEXT_MAX 300

/**
 * struct drift - one difference.
 * @service: "namespace/name"; "" when it is the node's.
 * @key: the service port; NULL when the difference is of the whole Service or the node.
 * @what: "service port", "frontend", "backend", "local backend", "affinity" and so on.
 * @item: which one, e.g. "10.0.0.1:80"; "" when there is only one.
 * @planned, @in_kernel: the two values; NULL: not there.
 */
struct drift {
	char service[DRIFT_TEXT_MAX];
	const struct service_port_key *key;
	const char *what;
	char item[DRIFT_TEXT_MAX];
	const char *planned;
	const char *in_kernel;
};

/**
 * drift_find() - compare two sorted states.
 * @service: "namespace/name" to compare only that Service, or NULL.
 * @fn: called for each difference, which is borrowed for the call; a negative return ends.
 * Return: 0 or what @fn returned.
 */
int drift_find(const struct state *kernel, const struct state *plan, const char *service,
	       int (*fn)(void *arg, const struct drift *drift), void *arg);

/**
 * drift_format() - one line without newline: "- default/web:http IPv4 TCP backend 10.0.0.1:80
 * missing in the kernel".
 * @buf: of @size_bytes. Return: @buf.
 */
const char *drift_format(const struct drift *drift, char *buf, size_t size_bytes);

#endif
