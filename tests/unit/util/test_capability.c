/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/capability.h"
#include "util/cleanup.h"

#define BIT(capability) ((uint64_t)1 << (capability))

/* A field of this thread's /proc status, in hexadecimal. */
static uint64_t field(const char *name)
{
	_fclose_ FILE *status = fopen("/proc/thread-self/status", "re");
	const size_t len = strlen(name);
	char line[256];

	cr_assert(status);
	while (fgets(line, sizeof(line), status))
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return strtoull(line + len + 1, NULL, 16);
	cr_assert_fail("no %s", name);
	return 0;
}

static void need_root(void)
{
	if (!capability_has(CAP_SETPCAP) || !capability_has(CAP_NET_ADMIN))
		cr_skip_test("needs root");
}

Test(capability, only_what_is_kept_is_left)
{
	static const int keep[] = {CAP_NET_ADMIN, CAP_CHOWN};

	need_root();
	cr_assert_eq(capability_keep(keep, ARRAY_SIZE(keep)), 0);
	cr_expect_eq(field("CapEff"), BIT(CAP_NET_ADMIN) | BIT(CAP_CHOWN));
	cr_expect_eq(field("CapPrm"), BIT(CAP_NET_ADMIN) | BIT(CAP_CHOWN));
	cr_expect_eq(field("CapInh"), 0u);
	cr_expect_eq(field("CapAmb"), 0u);
	cr_expect_eq(field("CapBnd"), 0u);
	cr_expect_eq(field("NoNewPrivs"), 1u);
	cr_expect(capability_has(CAP_CHOWN));
	cr_expect_not(capability_has(CAP_SYS_ADMIN));
}

Test(capability, what_was_given_up_does_not_come_back)
{
	static const int few[] = {CAP_CHOWN};
	static const int many[] = {CAP_CHOWN, CAP_NET_ADMIN, CAP_SYS_ADMIN};

	need_root();
	cr_assert_eq(capability_keep(few, ARRAY_SIZE(few)), 0);
	cr_assert_eq(capability_keep(many, ARRAY_SIZE(many)), 0);
	cr_expect_eq(field("CapEff"), BIT(CAP_CHOWN));
	cr_expect_eq(system("test \"$(sed -n 's/^CapEff:\\t//p' /proc/self/status)\" = "
			    "0000000000000000"),
		     0, "a program that is executed got some");
}

static void *drop_all(void *arg)
{
	*(int *)arg = capability_keep(NULL, 0);
	return NULL;
}

Test(capability, other_threads_keep_theirs)
{
	const uint64_t before = field("CapEff");
	pthread_t thread;
	int r = 1;

	cr_assert_eq(pthread_create(&thread, NULL, drop_all, &r), 0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	cr_expect_eq(r, 0);
	cr_expect_eq(field("CapEff"), before);
}

Test(capability, one_that_no_kernel_knows_is_had_by_nobody)
{
	static const int keep[] = {63};

	cr_expect_not(capability_has(63));
	cr_expect_eq(capability_keep(keep, 1), 0);
	cr_expect_eq(field("CapEff"), 0u);
}
