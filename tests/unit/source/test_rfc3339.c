/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "source/rfc3339.h"
#include "util/cleanup.h"

Test(rfc3339, good_times)
{
	static const struct {
		const char *text;
		time_t s;
		long ns;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0, 0},
		{"2026-11-21T19:42:37Z", 1795290157, 0},
		{"2026-11-21T19:42:37.000000001Z", 1795290157, 1},
		{"2026-11-21T19:42:37.5Z", 1795290157, 500000000},
		{"2026-11-21T19:42:37.1234567891Z", 1795290157, 123456789},
		{"2026-11-21T21:12:37+01:30", 1795290157, 0},
		{"2026-11-21T14:42:37-05:00", 1795290157, 0},
		{"2024-02-29T00:00:00Z", 1709164800, 0},
		{"1969-12-31T23:59:59Z", -1, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct timespec ts = {};

		cr_expect_eq(rfc3339_parse(cases[i].text, &ts), 0, "%s", cases[i].text);
		cr_expect_eq(ts.tv_sec, cases[i].s, "%s: %ld", cases[i].text, (long)ts.tv_sec);
		cr_expect_eq(ts.tv_nsec, cases[i].ns, "%s", cases[i].text);
	}
}

Test(rfc3339, bad_times)
{
	static const char *const cases[] = {
		"",
		"now",
		"2026-11-21",
		"2026-11-21T19:42:37",
		"2026-11-21 19:42:37Z",
		"2026-11-21T19:42:37Zx",
		"2026-11-21T19:42:37.Z",
		"2026-11-21T19:42:60Z",
		"2026-11-21T24:00:00Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-11-21T19:42:37+1:00",
		"2026-11-21T19:42:37+24:00",
		"26-11-21T19:42:37Z",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct timespec ts = {.tv_sec = 7};

		cr_expect_eq(rfc3339_parse(cases[i], &ts), -EINVAL, "%s", cases[i]);
		cr_expect_eq(ts.tv_sec, 7, "%s: untouched on failure", cases[i]);
	}
}
