/* SPDX-License-Identifier: Apache-2.0 */
#include "util/duration.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "util/cleanup.h"

#define NS_PER_S 1000000000ull

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	/* the longer one of two that begin alike comes first */
	{"h", 3600 * NS_PER_S}, {"ms", 1000000}, {"m", 60 * NS_PER_S}, {"s", NS_PER_S},
	{"us", 1000},		{"ns", 1},	 {"\xc2\xb5s", 1000},  {"\xce\xbcs", 1000},
};

/* One number with its unit. Return: what follows it; NULL when there is none. */
static const char *parse_part(const char *text, double *ret_ns)
{
	const char *at = text;
	double number = 0, digit = 1;

	for (; *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (*at - '0');
	if (*at == '.' && at++)
		for (; *at >= '0' && *at <= '9'; at++)
			number += (*at - '0') * (digit /= 10);
	if (at == text || (at == text + 1 && *text == '.'))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		const size_t len = strlen(units[i].name);

		if (strncmp(at, units[i].name, len) != 0)
			continue;
		*ret_ns = number * (double)units[i].ns;
		return at + len;
	}
	*ret_ns = number * (double)NS_PER_S;
	return *at || strchr(text, '.') ? NULL : at; /* a bare number */
}

int duration_parse(const char *text, uint64_t *ret_ns)
{
	const char *at = text;
	double ns = 0;

	while (*at || at == text) {
		double part;
		const char *next = parse_part(at, &part);

		if (!next || (at != text && next[-1] >= '0' && next[-1] <= '9'))
			return -EINVAL;
		ns += part;
		at = next;
	}
	if (ns > (double)INT64_MAX)
		return -ERANGE;
	*ret_ns = (uint64_t)ns;
	return 0;
}
