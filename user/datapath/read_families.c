/* SPDX-License-Identifier: Apache-2.0 */
/* Which families have Services. */
#include <string.h>

#include "datapath/reader.h"
#include "datapath/selftest.h"

static int note_family(void *arg, const void *key, const void *value)
{
	struct svc_service_info info;
	bool *has = arg;

	(void)key;
	memcpy(&info, value, sizeof(info));
	if (strcmp(info.namespace, SELFTEST_NAMESPACE) != 0)
		has[info.family == SVC_FAMILY_IPV6] = true;
	return 0;
}

int datapath_read_families(const struct datapath_reader *reader, bool ret_has[2])
{
	bool has[2] = {};
	int r;

	r = maps_for_each(&reader->maps, MAP_SERVICE_INFO, note_family, has);
	if (r < 0)
		return r;
	memcpy(ret_has, has, sizeof(has));
	return 0;
}
