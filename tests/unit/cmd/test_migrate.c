/* SPDX-License-Identifier: Apache-2.0 */
/* What `svcbpf migrate check` finds, from made-up processes, rules and Services. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "capture.h"
#include "cmd/migrate.h"
#include "states.h"
#include "util/cleanup.h"

static const struct options no_options = {
	.format = PRINT_TABLE,
	.pin_dir = "/nonexistent",
	.node_name = "n1",
	.healthz_bind_address = "",
	.metrics_bind_address = "",
};

/* All lines as "level subject: text", one each. Return: owned. */
static char *lines_of(const struct migrate_report *report)
{
	static const char *const levels[] = {"fine", "note", "change", "unseen", "blocks"};
	char *text = NULL;
	size_t len_bytes;
	FILE *out = open_memstream(&text, &len_bytes);

	cr_assert(out);
	cr_assert_not(report->is_out_of_memory);
	for (size_t i = 0; i < report->n_findings; i++)
		fprintf(out, "%s %s: %s\n", levels[report->findings[i].level],
			report->findings[i].subject, report->findings[i].text);
	fclose(out);
	return text;
}

static void expect_line(const struct migrate_report *report, const char *beginning)
{
	_free_ char *lines = lines_of(report);
	const char *at = strstr(lines, beginning);

	cr_expect(at && (at == lines || at[-1] == '\n'), "no line begins with '%s' in:\n%s",
		  beginning, lines);
}

static void expect_no_line(const struct migrate_report *report, const char *part)
{
	_free_ char *lines = lines_of(report);

	cr_expect_null(strstr(lines, part), "'%s' is in:\n%s", part, lines);
}

/* ------------------------------------------------------------------ command line */

Test(migrate, what_to_do_must_be_said)
{
	struct capture none = capture_run("migrate");
	struct capture other = capture_run("migrate chekc");

	cr_expect_eq(none.status, CMD_USAGE);
	cr_expect_str_eq(none.err, "svcbpf migrate: what shall be done? known: check\n");
	cr_expect_eq(other.status, CMD_USAGE);
	cr_expect_str_eq(other.err, "svcbpf migrate: unknown 'chekc'; known: check\n");
	capture_clear(&none);
	capture_clear(&other);
}

Test(migrate, output_for_programs)
{
	struct capture capture =
		capture_run("migrate check -o json --node-name n1 --pin-dir /nonexistent/x "
			    "--manifests tests/fixtures/manifests");
	cJSON *json = cJSON_Parse(capture.out);
	const cJSON *ready = cJSON_GetObjectItem(json, "ready");

	cr_assert(cJSON_IsBool(ready), "%s", capture.out);
	cr_expect_eq(capture.status, cJSON_IsTrue(ready) ? CMD_OK : CMD_FAILED);
	cr_expect_str_eq(cJSON_GetObjectItem(json, "node")->valuestring, "n1");
	cr_expect(cJSON_IsFalse(cJSON_GetObjectItem(json, "svcbpfRunning")));
	cr_expect(cJSON_IsArray(cJSON_GetObjectItem(json, "processes")));
	cr_expect(cJSON_GetArraySize(cJSON_GetObjectItem(json, "next")) > 0);
	cr_expect(strstr(capture.out, "{\"level\":\"change\",\"area\":\"services\",\"subject\":"
				      "\"default/affinity\""),
		  "%s", capture.out);
	cJSON_Delete(json);
	capture_clear(&capture);
}

Test(migrate, a_source_that_cannot_be_read_is_in_the_way)
{
	struct capture capture =
		capture_run("migrate check --pin-dir /nonexistent/x --manifests /nonexistent");

	cr_expect_eq(capture.status, CMD_FAILED);
	cr_expect(strstr(capture.out, "  ! source: /nonexistent: "), "%s", capture.out);
	capture_clear(&capture);
}

/* ------------------------------------------------------------------ Services */

/* A service port with a frontend of @type on port 80. */
static struct service_port *add_port(struct state *state, const char *name, uint8_t protocol,
				     uint8_t type)
{
	struct service_port *port = states_port("default", name, "p", protocol, ADDR_IPV4);

	states_frontend(port, type, type == SVC_TYPE_NODE_PORT ? NULL : "10.96.0.10", 80);
	port->has_endpoints = true;
	cr_assert_eq(state_add(state, port), 0);
	return port;
}

struct service_case {
	const char *name;
	void (*make)(struct service_port *port);
	const char *expected; /* NULL: nothing is different */
	uint8_t protocol;
	uint8_t type;
};

static void make_plain(struct service_port *port)
{
	states_backend(&port->cluster, "10.244.1.7", 8080, 0);
}

static void make_internal_local(struct service_port *port)
{
	port->is_internal_local = true;
	states_backend(&port->local, "10.244.1.7", 8080, SVC_BACKEND_F_LOCAL);
}

static void make_without_local(struct service_port *port)
{
	port->is_internal_local = true;
}

static void make_external_local(struct service_port *port)
{
	make_plain(port);
	port->is_external_local = true;
}

static void make_source_ranges(struct service_port *port)
{
	make_external_local(port);
	port->source_ranges = calloc(1, sizeof(*port->source_ranges));
	cr_assert(port->source_ranges);
	port->n_source_ranges = 1;
	cr_assert_eq(cidr_parse("192.0.2.0/24", port->source_ranges), 0);
}

static void make_affinity(struct service_port *port)
{
	make_plain(port);
	port->affinity_s = 10800;
}

static void make_same_port(struct service_port *port)
{
	states_backend(&port->cluster, "10.244.1.7", 80, 0);
}

static const struct service_case service_cases[] = {
	{"nothing", make_plain, NULL, IPPROTO_TCP, SVC_TYPE_CLUSTER_IP},
	{"local", make_internal_local,
	 "change default/x: internalTrafficPolicy Local: without a backend on this node connects "
	 "are refused at once",
	 IPPROTO_TCP, SVC_TYPE_CLUSTER_IP},
	{"without", make_without_local,
	 "change default/x: internalTrafficPolicy Local: without a backend on this node, as now,",
	 IPPROTO_TCP, SVC_TYPE_CLUSTER_IP},
	{"nodeport", make_plain, "change default/x: externalTrafficPolicy Cluster: ", IPPROTO_TCP,
	 SVC_TYPE_NODE_PORT},
	{"nodeport-local", make_external_local, NULL, IPPROTO_TCP, SVC_TYPE_NODE_PORT},
	{"ranges", make_source_ranges, "change default/x: loadBalancerSourceRanges ", IPPROTO_TCP,
	 SVC_TYPE_LOAD_BALANCER},
	{"ranges of a NodePort", make_source_ranges, NULL, IPPROTO_TCP, SVC_TYPE_NODE_PORT},
	{"affinity", make_affinity, "change default/x: sessionAffinity ClientIP: ", IPPROTO_UDP,
	 SVC_TYPE_CLUSTER_IP},
	{"sctp", make_plain, "blocks default/x: SCTP port 80 leads to port 8080: ", IPPROTO_SCTP,
	 SVC_TYPE_CLUSTER_IP},
	{"sctp, same port", make_same_port,
	 "change default/x: SCTP: sockets of this node itself are not translated", IPPROTO_SCTP,
	 SVC_TYPE_CLUSTER_IP},
};

Test(migrate, services_that_are_different)
{
	for (size_t i = 0; i < ARRAY_SIZE(service_cases); i++) {
		const struct service_case *c = &service_cases[i];
		struct migrate_report report = {.options = &no_options};
		struct state *state;

		cr_assert_eq(state_new("n1", NULL, &state), 0);
		c->make(add_port(state, "x", c->protocol, c->type));
		state_sort(state);
		migrate_compare(&report, state);
		cr_expect(report.has_services && report.has_family[0] && !report.has_family[1]);
		if (c->expected)
			expect_line(&report, c->expected);
		else
			cr_expect_eq(report.n_findings, 0u, "%s", c->name);
		state_free(state);
		migrate_clear(&report);
	}
}

Test(migrate, one_line_for_all_ports_of_a_service)
{
	struct migrate_report report = {.options = &no_options};
	struct state *state;

	cr_assert_eq(state_new("n1", NULL, &state), 0);
	make_affinity(add_port(state, "a", IPPROTO_TCP, SVC_TYPE_CLUSTER_IP));
	make_affinity(add_port(state, "a", IPPROTO_UDP, SVC_TYPE_CLUSTER_IP));
	make_affinity(add_port(state, "b", IPPROTO_UDP, SVC_TYPE_CLUSTER_IP));
	state_sort(state);
	migrate_compare(&report, state);
	cr_assert_eq(report.n_findings, 2u);
	cr_expect_str_eq(report.findings[0].subject, "default/a");
	cr_expect_str_eq(report.findings[1].subject, "default/b");
	state_free(state);
	migrate_clear(&report);
}

/* ------------------------------------------------------------------ rules */

Test(migrate, rules_of_nftables)
{
	struct migrate_report report = {
		.options = &no_options,
		.rules = {.n_nft_chains = {37, 31}},
	};

	migrate_tell_rules(&report);
	expect_line(&report, "note rules: nftables: table ip kube-proxy, 37 chains");
	expect_line(&report, "note rules: nftables: table ip6 kube-proxy, 31 chains");
	expect_line(&report, "note kube-proxy: no process of it is seen");
	cr_expect_str_eq(migrate_mode(&report), "nftables");
	migrate_clear(&report);
}

Test(migrate, rules_of_iptables)
{
	struct migrate_report report = {
		.options = &no_options,
		.rules = {.has_iptables = {true, true},
			  .has_legacy = {true, false},
			  .drops_forwarded = {true, false}},
	};

	migrate_tell_rules(&report);
	expect_line(&report, "note rules: iptables (nf_tables): chain KUBE-SERVICES, IPv4, IPv6");
	expect_line(&report, "note rules: iptables-legacy: chain KUBE-SERVICES, IPv4");
	expect_line(&report, "change forward policy: IPv4: ");
	expect_no_line(&report, "forward policy: IPv6");
	cr_expect_str_eq(migrate_mode(&report), "iptables");
	migrate_clear(&report);
}

Test(migrate, rules_of_ipvs)
{
	struct migrate_report report = {
		.options = &no_options,
		.rules = {.n_ipvs = 12, .has_ipvs_device = true, .has_iptables = {true, false}},
	};

	migrate_tell_rules(&report);
	expect_line(&report, "note rules: ipvs: 12 virtual servers, device kube-ipvs0");
	expect_line(&report, "change open connections: through ipvs they end");
	cr_expect_str_eq(migrate_mode(&report), "ipvs");
	migrate_clear(&report);
}

Test(migrate, rules_that_nobody_may_see)
{
	struct migrate_report report = {
		.options = &no_options,
		.rules = {.nft_result = -EPERM, .legacy_result = -EACCES},
	};

	migrate_tell_rules(&report);
	expect_line(&report, "unseen nftables: needs root");
	expect_line(&report, "unseen iptables-legacy: needs root");
	expect_no_line(&report, "nothing of kube-proxy");
	cr_expect_str_eq(migrate_mode(&report), "");
	migrate_clear(&report);
}

/* ------------------------------------------------------------------ what to do next */

static void write_step(void *arg, const char *text)
{
	fprintf(arg, "%s\n", text);
}

static void expect_steps(const struct migrate_report *report, const char *expected)
{
	_free_ char *text = NULL;
	size_t len_bytes;
	FILE *out = open_memstream(&text, &len_bytes);

	cr_assert(out);
	migrate_next_steps(report, write_step, out);
	fclose(out);
	cr_expect_str_eq(text, expected);
}

#define START "start svcbpf run beside kube-proxy; new connections are its own at once\n"
#define VERIFY                                                                                     \
	"svcbpf verify until it ends with status 0, svcbpf status until it names nothing but "     \
	"ports that kube-proxy has\n"
#define STOP "stop kube-proxy on this node, and see that nothing starts it again\n"

#define KEEP                                                                                       \
	"keep what is open through its rules: nft 'table inet keep-open { chain nat { type nat "   \
	"hook postrouting priority 300; ct state new; }; }'\n"
#define UNKEEP "when what was open before has ended: nft delete table inet keep-open\n"

Test(migrate, next_steps)
{
	struct migrate_report report = {.options = &no_options, .proxy_mode = "nftables"};

	report.rules.n_nft_chains[FOREIGN_IPV4] = 37;
	expect_steps(&report, START VERIFY STOP KEEP "nft delete table ip kube-proxy\n" UNKEEP);
	report.is_svcbpf_running = true;
	report.rules = (struct foreign_rules){.has_iptables = {true, false}};
	expect_steps(&report, VERIFY STOP KEEP "kube-proxy --cleanup\n" UNKEEP);
	report.rules = (struct foreign_rules){.has_ipvs_device = true, .has_keeper = true};
	expect_steps(&report, VERIFY STOP
		     "when connections through ipvs have ended: kube-proxy --cleanup\n" UNKEEP);
	report.proxy_mode[0] = '\0';
	report.rules = (struct foreign_rules){.has_keeper = true};
	expect_steps(&report, UNKEEP);
	report.rules = (struct foreign_rules){};
	expect_steps(&report, "nothing: svcbpf runs, and nothing is left of kube-proxy\n");
	migrate_add(&report, MIGRATE_NODE, MIGRATE_BLOCKS, "kernel", "too old");
	expect_steps(&report,
		     "do away with what stands in the way, then svcbpf migrate check again\n");
	migrate_clear(&report);
}

Test(migrate, text_for_people)
{
	struct migrate_report report = {.options = &no_options, .is_svcbpf_running = true};
	_free_ char *text = NULL;
	size_t len_bytes;
	FILE *out = open_memstream(&text, &len_bytes);

	migrate_add(&report, MIGRATE_NODE, MIGRATE_BLOCKS, "kernel", "too\nold");
	for (int i = 0; i < 42; i++)
		migrate_add(&report, MIGRATE_SERVICES, MIGRATE_CHANGE, "default/web", "%d", i);
	migrate_add(&report, MIGRATE_KUBE_PROXY, MIGRATE_UNSEEN, "nftables", "needs root");
	cr_assert_eq(migrate_print(out, &report), 0);
	fclose(out);
	cr_expect_eq(strncmp(text, "In the way:\n  ! kernel: too?old\nNot seen (?): 1.\n", 49), 0,
		     "%s", text);
	cr_expect(strstr(text, "\nkube-proxy\n  ? nftables: needs root\n"), "%s", text);
	cr_expect(strstr(text, "  ~ default/web: 39\n    ... and 2 more; -o wide shows them\n"),
		  "%s", text);
	cr_expect(strstr(text, "\nNext\n  - do away with"), "%s", text);
	migrate_clear(&report);
}
