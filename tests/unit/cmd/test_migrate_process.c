/* SPDX-License-Identifier: Apache-2.0 */
/* Finding kube-proxy, its file and its flags, and who has a port: in a made-up /proc. */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capture.h"
#include "cmd/migrate.h"
#include "util/cleanup.h"

static const struct options no_options = {
	.pin_dir = "/nonexistent",
	.healthz_bind_address = "",
	.metrics_bind_address = "",
};

static char proc[] = "/tmp/svcbpf-proc-XXXXXX";

static void make_proc(void)
{
	cr_assert(mkdtemp(proc));
}

static void remove_proc(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", proc);
	cr_assert_eq(system(command), 0);
}

TestSuite(migrate_process, .init = make_proc, .fini = remove_proc);

/* Write a file below proc, and the folders it is in. */
static void put_bytes(const char *name, const char *bytes, size_t len)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	for (char *slash = strchr(path + strlen(proc) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "we");
	cr_assert(file, "%s", path);
	cr_assert_eq(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

static void put(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text));
}

#define PUT_ARGS(name, text) put_bytes(name, text, sizeof(text))

static void expect_finding(const struct migrate_report *report, enum migrate_level level,
			   const char *subject, const char *text)
{
	for (size_t i = 0; i < report->n_findings; i++)
		if (strcmp(report->findings[i].subject, subject) == 0 &&
		    strstr(report->findings[i].text, text)) {
			cr_expect_eq(report->findings[i].level, level, "%s: %s", subject, text);
			return;
		}
	cr_expect(false, "no line '%s: ...%s...'", subject, text);
	for (size_t i = 0; i < report->n_findings; i++)
		fprintf(stderr, "%s: %s\n", report->findings[i].subject, report->findings[i].text);
}

Test(migrate_process, no_kube_proxy)
{
	struct migrate_report report = {.options = &no_options};

	PUT_ARGS("1/cmdline", "/sbin/init");
	PUT_ARGS("7/cmdline", "vi\0kube-proxy");
	PUT_ARGS("8/cmdline", "/usr/bin/kube-proxy-exporter");
	put("9/comm", "kworker\n");
	migrate_find_processes(&report, proc);
	cr_expect_eq(report.n_processes, 0u);
	migrate_clear(&report);
}

Test(migrate_process, configured_by_a_file)
{
	struct migrate_report report = {.options = &no_options};

	PUT_ARGS("42/cmdline", "/usr/local/bin/kube-proxy\0"
			       "--config=/var/lib/kube-proxy/config.conf\0"
			       "--hostname-override\0n7\0--ipvs-scheduler=lc");
	put("42/root/var/lib/kube-proxy/config.conf",
	    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
	    "mode: nftables\nclusterCIDR: 10.244.0.0/16\nnftables: {masqueradeAll: true}\n"
	    "iptables: {localhostNodePorts: false}\noomScoreAdj: -1\nconntrack: {min: 1}\n");
	migrate_find_processes(&report, proc);
	cr_assert_eq(report.n_processes, 1u);
	cr_expect_eq(report.processes[0].pid, 42);
	cr_expect_str_eq(report.processes[0].config, "/var/lib/kube-proxy/config.conf");
	expect_finding(&report, MIGRATE_NOTE, "kube-proxy",
		       "process 42, configured by /var/lib/kube-proxy/config.conf");
	report.has_node_ports = true;
	migrate_look_at_settings(&report);
	cr_expect_str_eq(report.processes[0].mode, "nftables");
	cr_expect_str_eq(migrate_mode(&report), "nftables");
	expect_finding(&report, MIGRATE_FINE, "/var/lib/kube-proxy/config.conf",
		       "svcbpf run --config takes it");
	expect_finding(&report, MIGRATE_NOTE, "mode", "\"nftables\": svcbpf is a mode of its own");
	expect_finding(&report, MIGRATE_NOTE, "clusterCIDR", "see --uplinks");
	expect_finding(&report, MIGRATE_CHANGE, "nftables.masqueradeAll", "own address");
	expect_finding(&report, MIGRATE_NOTE, "oomScoreAdj", "-1: set it in the unit");
	expect_finding(&report, MIGRATE_NOTE, "conntrack.min", "--max-flows");
	expect_finding(&report, MIGRATE_FINE, "--hostname-override", "svcbpf run --node-name n7");
	expect_finding(&report, MIGRATE_CHANGE, "nodePortAddresses", "primary");
	for (size_t i = 0; i < report.n_findings; i++)
		cr_expect_str_neq(report.findings[i].subject, "--ipvs-scheduler",
				  "with a file the flag does nothing");
	migrate_clear(&report);
}

Test(migrate_process, a_file_svcbpf_would_refuse)
{
	struct migrate_report report = {.options = &no_options};

	PUT_ARGS("42/cmdline", "kube-proxy\0--config\0conf");
	put("42/cwd/conf", "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"
			   "kind: KubeProxyConfiguration\nmode: nftable\n");
	migrate_find_processes(&report, proc);
	migrate_look_at_settings(&report);
	expect_finding(&report, MIGRATE_CHANGE, "conf", "'nftable' is unknown");
	migrate_clear(&report);
}

Test(migrate_process, a_file_that_cannot_be_read)
{
	struct migrate_report report = {.options = &no_options};

	PUT_ARGS("42/cmdline", "kube-proxy\0--config=/gone");
	migrate_find_processes(&report, proc);
	migrate_look_at_settings(&report);
	expect_finding(&report, MIGRATE_UNSEEN, "/gone", "of process 42: No such file");
	migrate_clear(&report);
}

Test(migrate_process, flags_only)
{
	struct migrate_report report = {.options = &no_options};

	PUT_ARGS("42/cmdline", "kube-proxy\0--kubeconfig=/k\0--proxy-mode\0ipvs\0"
			       "--ipvs-scheduler=lc\0-v=2\0--masquerade-all\0"
			       "--conntrack-tcp-timeout-established=1h\0--bind-address-hard-fail\0"
			       "--healthz-bind-address=127.0.0.1:9\0--feature-gates=A=true");
	migrate_find_processes(&report, proc);
	cr_assert_eq(report.n_processes, 1u);
	cr_expect_str_eq(report.processes[0].mode, "ipvs");
	migrate_look_at_settings(&report);
	expect_finding(&report, MIGRATE_FINE, "--kubeconfig", "svcbpf run --kubeconfig /k");
	expect_finding(&report, MIGRATE_CHANGE, "--ipvs-scheduler", "lc: backends are chosen");
	expect_finding(&report, MIGRATE_CHANGE, "--masquerade-all", "true: backends on this node");
	expect_finding(&report, MIGRATE_FINE, "--conntrack-tcp-timeout-established",
		       "svcbpf run --flow-timeout tcp-established=1h");
	expect_finding(&report, MIGRATE_FINE, "--bind-address-hard-fail",
		       "svcbpf run --bind-address-hard-fail");
	expect_finding(&report, MIGRATE_FINE, "--healthz-bind-address",
		       "svcbpf run --healthz-bind-address 127.0.0.1:9");
	expect_finding(&report, MIGRATE_NOTE, "--feature-gates", "A=true");
	expect_finding(&report, MIGRATE_CHANGE, "mode", "ClusterIPs answer ping");
	for (size_t i = 0; i < report.n_findings; i++)
		cr_expect_str_neq(report.findings[i].subject, "--v");
	migrate_clear(&report);
}

Test(migrate_process, two_of_them)
{
	struct migrate_report report = {.options = &no_options};

	PUT_ARGS("42/cmdline", "kube-proxy");
	PUT_ARGS("43/cmdline", "/opt/kube-proxy\0--proxy-mode=iptables");
	migrate_find_processes(&report, proc);
	cr_expect_eq(report.n_processes, 2u);
	expect_finding(&report, MIGRATE_CHANGE, "kube-proxy", "2 of them run");
	cr_expect_str_eq(migrate_mode(&report), "iptables");
	migrate_clear(&report);
}

#define TCP_HEAD                                                                                   \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "      \
	"timeout inode\n"
#define TCP_LINE(port, state, inode)                                                               \
	"   0: 00000000:" port " 00000000:0000 " state                                             \
	" 00000000:00000000 00:00000000 00000000     0        0 " inode                            \
	" 1 0000000000000000 100 0 0 10 0\n"

Test(migrate_process, owner_of_a_port)
{
	char name[MIGRATE_MODE_MAX];
	char path[PATH_MAX];

	put("net/tcp", TCP_HEAD TCP_LINE("2810", "01", "9") TCP_LINE("2810", "0A", "17")
			       TCP_LINE("2809", "0A", "18"));
	put("net/tcp6", TCP_HEAD);
	cr_expect_eq(migrate_port_owner(proc, 10256, name), -1);
	cr_expect_eq(migrate_port_owner(proc, 10257, name), 0);
	put("42/comm", "nginx\n");
	put("42/fd/0", "");
	snprintf(path, sizeof(path), "%s/42/fd/5", proc);
	cr_assert_eq(symlink("socket:[17]", path), 0);
	cr_expect_eq(migrate_port_owner(proc, 10256, name), 42);
	cr_expect_str_eq(name, "nginx");
	cr_expect_eq(migrate_port_owner(proc, 10249, name), -1);
	cr_expect_str_eq(name, "");
}
