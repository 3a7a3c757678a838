/* SPDX-License-Identifier: Apache-2.0 */
/* Counting what one sync changes, and the log line about it. */
#ifndef SVCBPF_CMD_CHANGES_H
#define SVCBPF_CMD_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/state.h"

/** CHANGES_MAX_NAMES - Services named in the log line of one sync. */
#define CHANGES_MAX_NAMES 3

/**
 * struct changes - what one sync changed; zero it before each.
 * @names: "namespace/name" of the first Services.  @last: of the last one counted.
 * @n_services: changed or removed; a Service counts once when its ports are told in a row.
 * @n_frontends, @n_backends: of the service ports that were put.
 */
struct changes {
	char names[CHANGES_MAX_NAMES][160];
	char last[160];
	size_t n_services;
	size_t n_removed_ports;
	size_t n_frontends;
	size_t n_backends;
};

/** changes_count() - count one service port. @new: NULL when it was removed. */
void changes_count(struct changes *changes, const struct service_port_key *key,
		   const struct service_port *new);

/**
 * struct changes_budget - so that a source that never rests does not fill the log; zero at first.
 * @n_used: lines written lately; one is forgiven each second.
 * @n_dropped: lines not written since the last one that was.
 */
struct changes_budget {
	uint32_t n_used;
	uint64_t forgiven_ms;
	uint64_t n_dropped;
};

/**
 * changes_log() - write "changed default/web and 3 more Services: 12 map entries in 1.2 ms".
 * @budget: without any left the line is written at debug level only.
 * @now_ms: CLOCK_MONOTONIC.
 */
void changes_log(const struct changes *changes, struct changes_budget *budget, uint64_t now_ms,
		 uint64_t n_written, double duration_ms);

#endif
