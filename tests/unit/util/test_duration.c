/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "util/cleanup.h"
#include "util/duration.h"

#define S 1000000000ull

Test(duration, what_is_one)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {
		{"0", 0},	    {"30", 30 * S},	  {"30s", 30 * S},
		{"24h", 86400 * S}, {"1h30m", 5400 * S},  {"24h0m0s", 86400 * S},
		{"1.5h", 5400 * S}, {"250ms", 250000000}, {"1m5s", 65 * S},
		{"5us", 5000},	    {"5\xc2\xb5s", 5000}, {"7ns", 7},
		{".5s", S / 2},	    {"5.s", 5 * S},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t ns = 1;

		cr_expect_eq(duration_parse(cases[i].text, &ns), 0, "%s", cases[i].text);
		cr_expect_eq(ns, cases[i].ns, "%s: %llu", cases[i].text, (unsigned long long)ns);
	}
}

Test(duration, what_is_none)
{
	static const char *const cases[] = {"",	    "s",     "h1",   "-1s", "+1s", "1d",
					    "1 s",  "1s ",   ".",    ".s",  "1.5", "1s5",
					    "5 30", "1..5s", "0x1s", "1e3", "1e3s"};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t ns = 77;

		cr_expect_eq(duration_parse(cases[i], &ns), -EINVAL, "'%s'", cases[i]);
		cr_expect_eq(ns, 77u);
	}
}

Test(duration, too_long)
{
	static const char *const cases[] = {"9999999h", "99999999999999999999s",
					    "9999999999999999999999999999999999999999"};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t ns;

		cr_expect_eq(duration_parse(cases[i], &ns), -ERANGE, "%s", cases[i]);
	}
}
