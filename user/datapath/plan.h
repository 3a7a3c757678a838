/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first part of a commit, service port by service port: what will lead where, with all that
 * takes room reserved and written where no reader looks yet. What does not fit is left as it was.
 */
#ifndef SVCBPF_DATAPATH_PLAN_H
#define SVCBPF_DATAPATH_PLAN_H

#include "datapath/stage.h"

/**
 * plan_port() - prepare one service port, put or removed.
 * @staged: its target and lists are set on success, its problem when it does not fit.
 *
 * Return: 0; -ENOSPC, -E2BIG: it does not fit; -ENOMEM; other negative errno of bpf(2). Nothing of
 * it has changed for readers then.
 */
int plan_port(struct shadow *shadow, struct staged *staged);

#endif
