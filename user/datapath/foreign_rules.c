/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/foreign_rules.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

/* No such file: the module is not loaded, and there is no virtual server. */
static int read_ipvs(struct foreign_rules *rules)
{
	_fclose_ FILE *file = NULL;
	char line[512];

	rules->has_ipvs_device = if_nametoindex("kube-ipvs0") != 0;
	file = fopen("/proc/net/ip_vs", "re");
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (fgets(line, sizeof(line), file))
		rules->n_ipvs += strncmp(line, "TCP ", 4) == 0 || strncmp(line, "UDP ", 4) == 0 ||
				 strncmp(line, "SCTP", 4) == 0;
	return 0;
}

void foreign_rules_read(struct foreign_rules *ret)
{
	*ret = (struct foreign_rules){};
	ret->nft_result = foreign_nft_read(ret);
	ret->legacy_result = foreign_legacy_read(ret);
	ret->ipvs_result = read_ipvs(ret);
}

bool foreign_rules_has_any(const struct foreign_rules *rules)
{
	for (int i = FOREIGN_IPV4; i <= FOREIGN_IPV6; i++)
		if (rules->n_nft_chains[i] || rules->has_iptables[i] || rules->has_legacy[i])
			return true;
	return rules->n_ipvs || rules->has_ipvs_device;
}
