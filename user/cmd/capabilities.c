/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/capabilities.h"

#include <linux/capability.h>

#include "util/capability.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Where a container runtime does not know the first and the last, CAP_SYS_ADMIN stands for them. */
static const int needed[] = {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON};
static const int substitute[] = {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN};

void capabilities_drop(void)
{
	const bool has_own = capability_has(CAP_BPF) && capability_has(CAP_PERFMON);
	const bool has_admin = capability_has(CAP_SYS_ADMIN);
	int r;

	if (!has_admin)
		log_info("without CAP_SYS_ADMIN: UDP sockets in other network namespaces are not "
			 "ended when their backend leaves");
	r = has_own ? capability_keep(needed, ARRAY_SIZE(needed))
		    : capability_keep(substitute, ARRAY_SIZE(substitute));
	if (r < 0)
		log_warn_errno(r, "giving up capabilities: %m; some are kept that are not needed");
	else
		log_debug("capabilities given up, kept: CAP_NET_ADMIN, %s",
			  has_own     ? "CAP_BPF, CAP_PERFMON"
			  : has_admin ? "CAP_SYS_ADMIN in place of CAP_BPF and CAP_PERFMON"
				      : "CAP_BPF");
}
