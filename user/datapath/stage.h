/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service ports that wait for the next commit: what was put or removed since the last one, and what
 * the last one could not write.
 */
#ifndef SVCBPF_DATAPATH_STAGE_H
#define SVCBPF_DATAPATH_STAGE_H

#include "datapath/shadow.h"

/**
 * struct staged - a service port to write.
 * @info: its key.
 * @port: what is wanted, borrowed or @owned; NULL: it is removed.
 * @owned: a copy, when it was kept from an earlier commit.
 * @problem: why it could not be written, owned; NULL when nothing is known.
 * @is_failed: it could not be written by the commit under way, or by the last one.
 * @lacks_table: its Maglev table could not be made: random until the next commit tries again.
 * @table_fd: a table that is made and not in the kernel yet, owned; -1: none.
 * @target: set by plan.c, with @lists, whose words hold one reference each: ready to publish.
 */
struct staged {
	struct svc_service_info info;
	const struct service_port *port;
	struct service_port *owned;
	char *problem;
	bool is_failed;
	bool lacks_table;
	int table_fd;
	struct shadow_port *target;
	uint64_t lists[N_LISTS];
	UT_hash_handle hh;
};

/** struct stage - all of them, by info. */
struct stage {
	struct staged *table;
};

/** stage_clear() - forget all. */
void stage_clear(struct stage *stage);

/**
 * stage_put() - @port is wanted; NULL: it is not. Replaces what was staged for @info.
 * Return: 0 or -ENOMEM.
 */
int stage_put(struct stage *stage, const struct svc_service_info *info,
	      const struct service_port *port);

/** stage_find() - NULL when nothing is staged for @info. */
struct staged *stage_find(const struct stage *stage, const struct svc_service_info *info);

/** stage_say() - remember why it could not be written; without memory for that nothing is known. */
void stage_say(struct staged *staged, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** stage_say_nothing() - forget that again. */
void stage_say_nothing(struct staged *staged);

/** stage_drop() - forget one. */
void stage_drop(struct stage *stage, struct staged *staged);

/**
 * stage_keep() - it could not be written: keep a copy for the next commit.
 * Return: 0; -ENOMEM: it is as it was.
 */
int stage_keep(struct staged *staged);

#endif
