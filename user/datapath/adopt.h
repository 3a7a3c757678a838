/* SPDX-License-Identifier: Apache-2.0 */
/* Taking over what an earlier agent left in the maps, whole or cut off between any two steps. */
#ifndef SVCBPF_DATAPATH_ADOPT_H
#define SVCBPF_DATAPATH_ADOPT_H

#include "datapath/shadow.h"

/**
 * adopt_read() - fill an empty shadow from the maps; nothing is written.
 * Return: 0; -EUCLEAN: the maps contradict each other; -ENOMEM; negative errno of bpf(2).
 */
int adopt_read(struct shadow *shadow);

/**
 * adopt_settle() - clear what nothing refers to: slots, source ranges, filter bits. Only after a
 * grace period since the earlier agent ended.
 * Return: 0; -ENOMEM; negative errno of bpf(2).
 */
int adopt_settle(struct shadow *shadow);

#endif
