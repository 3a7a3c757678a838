/* SPDX-License-Identifier: Apache-2.0 */
/* The classic manifests, as users write them and kubectl shows them; and the demo's. */
#include "unit/source/recorder.h"

static struct recorder recorder;

/* Tests run from the top of the tree. */
static void open_folder(const char *path)
{
	cr_assert_eq(strings_new(&recorder.pool), 0);
	recorder_use_path(&recorder, path);
}

static void close_folder(void)
{
	manifests_free(recorder.manifests);
	cr_expect_eq(strings_count(recorder.pool), 0);
	strings_free(recorder.pool);
}

TestSuite(fixtures, .fini = close_folder);

Test(fixtures, the_classic_manifests)
{
	static const char expected[] =
		"+service default/affinity 10.96.1.7 :80\n"
		"+slice default/affinity-1 affinity :8080 10.244.1.11 10.244.2.12\n"
		"+service kube-system/dns 10.96.0.10 dns:53 dns-tcp:53\n"
		"+slice kube-system/dns-4 dns dns-tcp:53 dns:53 10.244.1.53\n"
		"+slice kube-system/dns-6 dns dns-tcp:53 dns:53 fd00:10:244:1::53\n"
		"+service default/external-ips 10.96.1.6 http:80\n"
		"+slice default/external-ips-1 external-ips http:49152 10.244.1.11\n"
		"+service default/headless headless :80\n"
		"+slice default/headless-1 headless :80 10.244.1.11\n"
		"+service default/external-name headless\n"
		"+service default/load-balancer 10.96.1.8 :80\n"
		"+slice default/load-balancer-1 load-balancer :9376 10.244.1.11 10.244.2.12\n"
		"+service default/named-ports 10.96.1.5 name-of-service-port:80\n"
		"+slice default/named-ports-old named-ports name-of-service-port:8080 10.244.1.11\n"
		"+slice default/named-ports-new named-ports name-of-service-port:9090 10.244.2.12\n"
		"node n1 zone a\n"
		"+service default/nodeport 10.96.1.1 :80\n"
		"+slice default/nodeport-x7k2p nodeport :8080 10.244.1.11 10.244.2.12\n"
		"+service default/database 10.96.1.3 :80\n"
		"+slice default/database/0 database :9376 192.0.2.42\n"
		"+service default/mail 10.96.1.4 smtp:25\n"
		"+slice default/mail-1 mail smtp:2525 192.0.2.25 192.0.2.26\n"
		"+service default/from-json 10.96.1.9 http:80\n"
		"+service default/two-ports 10.96.1.2 http:8080 https:443\n"
		"+slice default/two-ports-1 two-ports http:80 https:443 10.244.1.11 10.244.2.12\n"
		"synced\n";

	open_folder("tests/fixtures/manifests");
	EXPECT_LOAD(&recorder, expected);
	cr_expect_eq(manifests_n_rejected(recorder.manifests), 0);
}

Test(fixtures, the_demo_is_without_mistakes)
{
	open_folder("scripts/demo");
	cr_assert_eq(manifests_load(recorder.manifests), 0);
	cr_expect_eq(manifests_n_rejected(recorder.manifests), 0);
	cr_expect_null(strstr(recorder.log, "rejected"), "%s", recorder.log);
	cr_expect_not_null(strstr(recorder.log, "+service "));
	cr_expect_not_null(strstr(recorder.log, "+slice "));
}
