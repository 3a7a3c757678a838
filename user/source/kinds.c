/* SPDX-License-Identifier: Apache-2.0 */
#include "source/kinds.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "util/cleanup.h"

static const struct {
	const char *name;
	const char *api_version;
} kinds[] = {
	[OBJECT_SERVICE] = {"Service", "v1"},
	[OBJECT_SLICE] = {"EndpointSlice", "discovery.k8s.io/v1"},
	[OBJECT_ENDPOINTS] = {"Endpoints", "v1"},
	[OBJECT_NODE] = {"Node", "v1"},
};

/* "group/version"; the core group has no name and no slash. */
static size_t group_len(const char *api_version)
{
	const char *slash = strchr(api_version, '/');

	return slash ? (size_t)(slash - api_version) : 0;
}

int kinds_find(const char *kind, const char *api_version, enum object_kind *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t len = group_len(kinds[i].api_version);

		if (strcmp(kind, kinds[i].name) != 0)
			continue;
		if (api_version && api_version[0] && strcmp(api_version, kinds[i].api_version) != 0)
			return group_len(api_version) == len &&
					       memcmp(api_version, kinds[i].api_version, len) == 0
				       ? -EPROTONOSUPPORT
				       : 0;
		*ret = (enum object_kind)i;
		return 1;
	}
	return 0;
}

const char *kinds_name(enum object_kind kind)
{
	return kinds[kind].name;
}

const char *kinds_api_version(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kind, kinds[i].name) == 0)
			return kinds[i].api_version;
	}
	return "";
}
