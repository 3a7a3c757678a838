/* SPDX-License-Identifier: Apache-2.0 */
/* What `svcbpf dump conntrack` shows, from flows written by hand. */
#include <cjson/cJSON.h>

#include "unit/cmd/capture.h"
#include "unit/datapath/flow_fixture.h"
#include "util/cleanup.h"

#define DUMP "dump conntrack --pin-dir " PIN_DIR

static struct datapath *datapath;

static void add_service(void)
{
	static struct sample sample;

	sample_simple(&sample, "web", 1, 244, 1);
	cr_assert_eq(datapath_put(datapath, &sample.port), 0);
	cr_assert_eq(datapath_commit(datapath, true), 0);
}

static uint32_t service_id(void)
{
	cr_assert(datapath->shadow.ports);
	return datapath->shadow.ports->id;
}

/* A connection through SNAT, one to a local backend, a datagram's of IPv6, and half of one. */
static void put_all(void)
{
	struct made_flow flow = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_ESTABLISHED, 0);

	flow.service_id = service_id();
	flow.flags = SVC_FLOW_F_SNAT | SVC_FLOW_F_REPLIED;
	flow.source = flow_end("192.0.2.200", 1999);
	put_flow(datapath, &flow, BOTH_ENTRIES);

	flow = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_CLOSE, 1);
	flow.service_id = service_id();
	flow.flags = SVC_FLOW_F_LOCAL;
	flow.client_idle_s = flow.backend_idle_s = 9;
	put_flow(datapath, &flow, BOTH_ENTRIES);

	flow = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_SYN_SENT, 2);
	flow.service_id = service_id();
	put_flow(datapath, &flow, FORWARD_ENTRY);

	flow = (struct made_flow){
		.protocol = IPPROTO_UDP,
		.state = SVC_FLOW_UDP_STREAM,
		.client = flow_end("2001:db8::1", 5353),
		.frontend = flow_end("fd00:96::a", 53),
		.backend = flow_end("fd00:244::7", 1053),
		.generation = 1,
	};
	put_flow(datapath, &flow, BOTH_ENTRIES);
}

static void setup(void)
{
	mount_bpffs();
	datapath = open_with_flows(1024);
	memcpy(datapath->maps.meta->flows.timeouts_s, test_timeouts_s, sizeof(test_timeouts_s));
	add_service();
	put_all();
}

static void teardown(void)
{
	datapath_close(datapath);
}

TestSuite(dump_conntrack, .init = setup, .fini = teardown);

/* The line of @text that has @word; NULL. */
static const char *line_with(const char *text, const char *word, char buf[512])
{
	const char *at = strstr(text, word);
	const char *start = at;

	if (!at)
		return NULL;
	while (start > text && start[-1] != '\n')
		start--;
	snprintf(buf, 512, "%.*s", (int)strcspn(start, "\n"), start);
	return buf;
}

static void expect_cells(const char *text, const char *word, const char *const *cells, size_t n)
{
	char buf[512];
	const char *line = line_with(text, word, buf);

	cr_assert(line, "no %s in\n%s", word, text);
	for (size_t i = 0; i < n; i++)
		cr_expect(strstr(line, cells[i]), "no %s in %s", cells[i], line);
}

Test(dump_conntrack, table_says_all_of_a_flow)
{
	static const char *const snat[] = {"default/web",      "TCP",	       "established",
					   "192.0.2.1:1024",   "10.96.0.1:80", "10.244.0.1:8080",
					   "192.0.2.200:1999", "8640"};
	static const char *const local[] = {"closed", "192.0.2.1:1025", " - ", "local,timed-out"};
	static const char *const half[] = {"syn-sent", "192.0.2.1:1026", "no-reply-entry"};
	static const char *const ipv6[] = {"UDP", "stream", "[fd00:96::a]:53", "[fd00:244::7]:1053",
					   "stale"};
	_cleanup_(capture_clear) struct capture capture = capture_run(DUMP);

	cr_assert_eq(capture.status, CMD_OK, "%s", capture.err);
	expect_cells(capture.out, "192.0.2.1:1024", snat, ARRAY_SIZE(snat));
	expect_cells(capture.out, "192.0.2.1:1025", local, ARRAY_SIZE(local));
	expect_cells(capture.out, "192.0.2.1:1026", half, ARRAY_SIZE(half));
	expect_cells(capture.out, "[2001:db8::1]:5353", ipv6, ARRAY_SIZE(ipv6));
	cr_expect_not(strstr(capture.out, "BACKEND-IDLE-S"));
	cr_expect_not(strstr(capture.out, "more"));
}

Test(dump_conntrack, wide_has_both_directions)
{
	_cleanup_(capture_clear) struct capture capture = capture_run(DUMP " -o wide");

	cr_assert_eq(capture.status, CMD_OK);
	cr_expect(strstr(capture.out, "BACKEND-IDLE-S"));
	cr_expect(strstr(capture.out, "PORT-NAME"));
}

static const char *text_at(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static double number_at(const cJSON *object, const char *key)
{
	return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static void cjson_deletep(cJSON **json)
{
	cJSON_Delete(*json);
}

Test(dump_conntrack, json_says_all_of_a_flow)
{
	_cleanup_(capture_clear) struct capture capture =
		capture_run(DUMP " -o json --client 192.0.2.1:1024");
	_cleanup_(cjson_deletep) cJSON *json = cJSON_Parse(capture.out);
	const cJSON *flows = cJSON_GetObjectItemCaseSensitive(json, "flows");
	const cJSON *flow = cJSON_GetArrayItem(flows, 0);
	const cJSON *snat = cJSON_GetObjectItemCaseSensitive(flow, "snat");

	cr_assert_eq(capture.status, CMD_OK);
	cr_assert_eq(cJSON_GetArraySize(flows), 1, "%s", capture.out);
	cr_expect_str_eq(text_at(json, "node"), "n1");
	cr_expect_eq(number_at(json, "more"), 0);
	cr_expect_str_eq(text_at(flow, "service"), "default/web");
	cr_expect_str_eq(text_at(flow, "portName"), "p");
	cr_expect_str_eq(text_at(flow, "family"), "IPv4");
	cr_expect_str_eq(text_at(flow, "protocol"), "TCP");
	cr_expect_str_eq(text_at(flow, "state"), "established");
	cr_expect_str_eq(text_at(snat, "address"), "192.0.2.200");
	cr_expect_eq(number_at(snat, "port"), 1999);
	cr_expect_eq(number_at(flow, "timeoutSeconds"), 8640);
	cr_expect(number_at(flow, "idleSeconds") <= 2);
	cr_expect(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(flow, "local")));
	cr_expect(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(flow, "replied")));
	cr_expect(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(flow, "missing")));
}

Test(dump_conntrack, json_has_null_for_what_is_not_known)
{
	_cleanup_(capture_clear) struct capture capture =
		capture_run(DUMP " -o json --client 2001:db8::/32");
	_cleanup_(cjson_deletep) cJSON *json = cJSON_Parse(capture.out);
	const cJSON *flow = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(json, "flows"), 0);

	cr_assert(flow, "%s", capture.out);
	cr_expect(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(flow, "service")));
	cr_expect(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(flow, "snat")));
	cr_expect(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(flow, "stale")));
}

/* How many flows a command line lets through. */
static int count_flows(const char *arguments)
{
	char words[256];
	struct capture capture;
	cJSON *json;
	int n;

	snprintf(words, sizeof(words), "%s -o json %s", DUMP, arguments);
	capture = capture_run(words);
	cr_assert_eq(capture.status, CMD_OK, "%s: %s", words, capture.err);
	json = cJSON_Parse(capture.out);
	n = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "flows"));
	cJSON_Delete(json);
	capture_clear(&capture);
	return n;
}

Test(dump_conntrack, filters)
{
	static const struct {
		const char *arguments;
		int n;
	} cases[] = {
		{"", 4},
		{"--service default/web", 3},
		{"--service default/other", 0},
		{"--client 192.0.2.1", 3},
		{"--client 192.0.2.1:1025", 1},
		{"--client 192.0.2.0/24", 3},
		{"--client [2001:db8::1]:5353", 1},
		{"--client 2001:db8::1", 1},
		{"--client 2001:db8::2", 0},
		{"--backend 10.244.0.1:8080", 3},
		{"--backend 10.244.0.1:80", 0},
		{"--backend fd00:244::/64", 1},
		{"--protocol udp", 1},
		{"--protocol TCP", 3},
		{"--protocol sctp", 0},
		{"--state established", 1},
		{"--state SYN_SENT", 1},
		{"--state time-wait", 0},
		{"--protocol tcp --state closed --client 192.0.2.1", 1},
		{"--limit 3", 3},
		{"--limit 4", 4},
		{"--limit 0", 4},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(count_flows(cases[i].arguments), cases[i].n, "%s: %d",
			     cases[i].arguments, count_flows(cases[i].arguments));
}

Test(dump_conntrack, limit_says_how_many_more)
{
	_cleanup_(capture_clear) struct capture table = capture_run(DUMP " --limit 1");
	_cleanup_(capture_clear) struct capture text = capture_run(DUMP " --limit 1 -o json");
	_cleanup_(cjson_deletep) cJSON *json = cJSON_Parse(text.out);

	cr_expect(strstr(table.out, "\nand 3 more; --limit 0 shows all\n"), "%s", table.out);
	cr_expect_eq(number_at(json, "more"), 3);
}

#define N_MANY 1005

static void setup_many(void)
{
	mount_bpffs();
	datapath = open_with_flows(8192);
	memcpy(datapath->maps.meta->flows.timeouts_s, test_timeouts_s, sizeof(test_timeouts_s));
	for (uint16_t i = 0; i < N_MANY; i++) {
		struct made_flow flow = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_ESTABLISHED, i);

		put_flow(datapath, &flow, BOTH_ENTRIES);
	}
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* A full table is a quarter of a million lines. */
Test(dump_conntrack_many, tables_have_a_thousand_rows, .init = setup_many, .fini = teardown)
{
	_cleanup_(capture_clear) struct capture table = capture_run(DUMP);
	_cleanup_(capture_clear) struct capture wide = capture_run(DUMP " -o wide");
	_cleanup_(capture_clear) struct capture all = capture_run(DUMP " --limit 0");

	cr_expect_eq(count_lines(table.out), 1 + 1000 + 1);
	cr_expect(strstr(table.out, "\nand 5 more; --limit 0 shows all\n"));
	cr_expect(strstr(wide.out, "\nand 5 more; --limit 0 shows all\n"));
	cr_expect_eq(count_lines(all.out), 1 + N_MANY);
	cr_expect_not(strstr(all.out, "more"));
}

Test(dump_conntrack_many, programs_get_all, .init = setup_many, .fini = teardown)
{
	cr_expect_eq(count_flows(""), N_MANY);
	cr_expect_eq(count_flows("--limit 1001"), 1001);
}

Test(dump_conntrack, is_part_of_all)
{
	_cleanup_(capture_clear) struct capture capture =
		capture_run("dump all --pin-dir " PIN_DIR);

	cr_expect_eq(capture.status, CMD_OK);
	cr_expect(strstr(capture.out, "\nFlows:\n"), "%s", capture.out);
	cr_expect(strstr(capture.out, "192.0.2.1:1024"));
}

Test(dump_conntrack, filters_are_refused_for_other_kinds)
{
	_cleanup_(capture_clear) struct capture capture =
		capture_run("dump backends --client 192.0.2.1 --pin-dir " PIN_DIR);

	cr_expect_eq(capture.status, CMD_USAGE);
	cr_expect_str_eq(capture.err, "svcbpf dump: --client, --backend, --protocol, --state and "
				      "--limit are for 'dump conntrack'\n");
}

Test(dump_conntrack_off, says_so_in_one_line, .init = mount_bpffs)
{
	struct datapath *without = open_sized(64, 256);
	_cleanup_(capture_clear) struct capture capture = capture_run(DUMP);
	_cleanup_(capture_clear) struct capture all = capture_run("dump all --pin-dir " PIN_DIR);

	cr_expect_eq(capture.status, CMD_FAILED);
	cr_expect_str_eq(capture.err, "svcbpf dump: conntrack: there is no flow table: the agent "
				      "runs without the packet path (--devices none)\n");
	cr_expect_str_empty(capture.out);
	cr_expect_eq(all.status, CMD_OK);
	cr_expect_not(strstr(all.out, "Flows:"));
	datapath_close(without);
}

/* ------------------------------------------------------------------ command lines */

static const struct {
	const char *words;
	const char *err;
} refused[] = {
	{"--client web", "--client: 'web' is no ADDRESS, ADDRESS:PORT (IPv6 in brackets) or CIDR"},
	{"--client 10.0.0.1:0",
	 "--client: '10.0.0.1:0' is no ADDRESS, ADDRESS:PORT (IPv6 in brackets) or CIDR"},
	{"--client :80", "--client: ':80' is no ADDRESS, ADDRESS:PORT (IPv6 in brackets) or CIDR"},
	{"--client 10.0.0.1/33",
	 "--client: '10.0.0.1/33' is no ADDRESS, ADDRESS:PORT (IPv6 in brackets) or CIDR"},
	{"--backend ''", "--backend: '' is no ADDRESS, ADDRESS:PORT (IPv6 in brackets) or CIDR"},
	{"--protocol icmp", "--protocol: 'icmp' is not one of tcp, udp, sctp"},
	{"--state open",
	 "--state: 'open' is not one of unreplied, stream, syn-sent, syn-recv, established, "
	 "fin-wait, close-wait, last-ack, time-wait, closed"},
	{"--limit -1", "--limit: '-1' is not a number from 0 to 1000000000"},
};

Test(dump_conntrack_options, refused_ones_give_one_line_and_status_2)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		char words[128];
		char line[256];
		struct capture capture;

		snprintf(words, sizeof(words), "dump conntrack %s", refused[i].words);
		snprintf(line, sizeof(line), "svcbpf dump: %s\n", refused[i].err);
		capture = capture_run(words);
		cr_expect_eq(capture.status, CMD_USAGE, "%s: %d", words, capture.status);
		cr_expect_str_eq(capture.err, line);
		capture_clear(&capture);
	}
}
