/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of --config is followed: as kube-proxy (rule R51), the agent ends when it has changed,
 * so that whoever started it starts it again. Meanwhile the datapath works on.
 */
#ifndef SVCBPF_CMD_AGENT_CONFIG_H
#define SVCBPF_CMD_AGENT_CONFIG_H

#include "cmd/options.h"

struct agent_config;
struct event_base;

/**
 * agent_config_new() - follow the file.
 * @options: with --config, borrowed.
 * @changed: what is in the file is not what was read; called once, from the event loop, and logged.
 *	The file's absence and touching it are no change: a ConfigMap's folder is replaced.
 * Return: 0 (*@ret is NULL without --config); -ENOMEM; errors of inotify(7). Free with
 * agent_config_free().
 */
int agent_config_new(struct event_base *base, const struct options *options,
		     void (*changed)(void *arg), void *arg, struct agent_config **ret);

/** agent_config_free() - NULL is fine. */
void agent_config_free(struct agent_config *config);

#endif
