/* SPDX-License-Identifier: Apache-2.0 */
/* Health checks (rule R41) in the map health_checks, which user space alone reads. */
#ifndef SVCBPF_DATAPATH_HEALTH_H
#define SVCBPF_DATAPATH_HEALTH_H

#include "datapath/shadow.h"

/** health_put() - stage one; node_port 0 removes it. Return: 0; -ENAMETOOLONG; -ENOMEM. */
int health_put(struct shadow *shadow, const struct health_check *check);

/** health_adopt() - the kernel has it. Return: 0 or -ENOMEM. */
int health_adopt(struct shadow *shadow, const struct svc_health_key *key,
		 const struct svc_health *value);

/**
 * health_commit() - write what differs.
 * @is_complete: those that were never put are deleted.
 * Return: 0; the first negative errno of bpf(2), tried again with the next call.
 */
int health_commit(struct shadow *shadow, bool is_complete);

#endif
