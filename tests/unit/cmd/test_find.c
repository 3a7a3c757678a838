/* SPDX-License-Identifier: Apache-2.0 */
/* Finding things: the mounted cgroup hierarchy, the word that was meant. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cgroup.h"
#include "cmd/nearest.h"
#include "util/cleanup.h"

#define V1	"31 23 0:28 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
#define HYBRID	"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
#define UNIFIED "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 master:1 - cgroup2 cgroup rw\n"
#define PART	"50 23 0:26 /kubepods /mnt/part rw - cgroup2 cgroup rw\n"
#define BLANK	"51 23 0:26 / /mnt/a\\040b\\134c rw - cgroup2 none rw\n"
#define FAKE	"52 23 0:99 / /mnt/cgroup2 rw - tmpfs cgroup2 rw\n"
#define POD	"53 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
#define HOST	"54 23 0:26 /../../../.. /host/cgroup ro - cgroup2 cgroup rw\n"
#define PARENT	"55 23 0:26 /.. /mnt/parent ro - cgroup2 cgroup rw\n"
#define SIBLING "56 23 0:26 /../other /mnt/sibling ro - cgroup2 cgroup rw\n"
#define BROKEN	"60 23\n\n- cgroup2\n"

/* The folder found in a mountinfo of these lines; NULL: none. */
static char *find_in(const char *lines)
{
	_fclose_ FILE *file = fmemopen((void *)lines, strlen(lines), "r");
	char *found = NULL;
	int r;

	cr_assert(file);
	r = cgroup_find(file, &found);
	cr_expect_eq(r, found ? 0 : -ENOENT);
	return found;
}

Test(cgroup, found_where_it_is_mounted)
{
	static const struct {
		const char *lines;
		const char *found;
	} cases[] = {
		{V1 UNIFIED, "/sys/fs/cgroup"},
		{V1 HYBRID, "/sys/fs/cgroup/unified"},
		{PART UNIFIED, "/sys/fs/cgroup"},
		{PART, "/mnt/part"},
		{BLANK, "/mnt/a b\\c"},
		{BROKEN FAKE HYBRID, "/sys/fs/cgroup/unified"},
		{UNIFIED HYBRID, "/sys/fs/cgroup"},
		/* seen from a pod */
		{POD HOST, "/host/cgroup"},
		{PARENT HOST POD, "/host/cgroup"},
		{SIBLING POD, "/sys/fs/cgroup"},
		{SIBLING, "/mnt/sibling"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_free_ char *found = find_in(cases[i].lines);

		cr_assert(found, "case %zu", i);
		cr_expect_str_eq(found, cases[i].found);
	}
}

Test(cgroup, not_mounted)
{
	cr_expect_null(find_in(V1 FAKE BROKEN));
}

Test(cgroup, only_cgroup2_will_do)
{
	cr_expect_eq(cgroup_check("/proc"), -ENOTSUP);
	cr_expect_eq(cgroup_check("/nonexistent/svcbpf"), -ENOENT);
}

static const char *nearest_to(const char *typed)
{
	static const char *const words[] = {"run",    "dump",	 "plan",    "verify",
					    "status", "cleanup", "version", "help"};
	struct nearest nearest = NEAREST_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		nearest_try(&nearest, typed, words[i]);
	return nearest.word;
}

Test(nearest, slips)
{
	static const struct {
		const char *typed;
		const char *meant;
	} cases[] = {
		{"statsu", "status"}, {"stauts", "status"},    {"dmup", "dump"},
		{"plann", "plan"},    {"clean", "cleanup"},    {"verfy", "verify"},
		{"rum", "run"},	      {"versions", "version"}, {"hepl", "help"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *meant = nearest_to(cases[i].typed);

		cr_assert(meant, "%s", cases[i].typed);
		cr_expect_str_eq(meant, cases[i].meant, "%s", cases[i].typed);
	}
}

Test(nearest, other_words)
{
	static const char *const others[] = {
		"",
		"x",
		"kubectl",
		"explode",
		"a word that is longer than anything that could be meant by it here",
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		cr_expect_null(nearest_to(others[i]), "%s", others[i]);
}
