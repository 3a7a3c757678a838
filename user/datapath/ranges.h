/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source ranges of service ports (rule R14) in the trie source_ranges. What the trie holds for a
 * service port is struct shadow_port.ranges; whether it is in force is said by a flag in its slots.
 */
#ifndef SVCBPF_DATAPATH_RANGES_H
#define SVCBPF_DATAPATH_RANGES_H

#include "datapath/shadow.h"

/**
 * ranges_add() - add those that the trie lacks.
 * Return: 0; -ENOSPC: the trie is full; -ENOMEM; what was added stays, for ranges_trim().
 */
int ranges_add(struct shadow *shadow, struct shadow_port *port, const struct cidr *ranges,
	       size_t n_ranges);

/** ranges_trim() - delete those that are not in @ranges. */
void ranges_trim(struct shadow *shadow, struct shadow_port *port, const struct cidr *ranges,
		 size_t n_ranges);

/** ranges_delete_all() - delete all of the service port's. */
void ranges_delete_all(struct shadow *shadow, struct shadow_port *port);

#endif
