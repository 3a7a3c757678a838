/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <errno.h>

#include "cmd/dump_kinds.h"
#include "cmd/print.h"
#include "states.h"
#include "util/cleanup.h"

static char *printed(const struct state *state, enum print_format format, const char *service)
{
	char *text = NULL;
	size_t len_bytes;
	FILE *out = open_memstream(&text, &len_bytes);

	cr_assert(out);
	cr_assert_eq(print_state(out, state, format, service), 0);
	fclose(out);
	return text;
}

static void expect_printed(enum print_format format, const char *service, const char *expected)
{
	struct state *state = states_rich();
	_free_ char *text = printed(state, format, service);

	cr_expect_str_eq(text, expected, "got:\n%s", text);
	state_free(state);
}

#define WEB4_RULES(policy, ranges)                                                                 \
	"\"policy\":\"" policy                                                                     \
	"\",\"algorithm\":\"random\",\"affinitySeconds\":10800,\"sourceRanges\":[" ranges "],"     \
	"\"noBackends\":null,"
#define WEB4_LOCAL "{\"address\":\"10.244.1.7\",\"port\":8080,\"local\":true,\"state\":\"ready\"}"
#define WEB4_CLUSTER                                                                               \
	WEB4_LOCAL ",{\"address\":\"10.244.2.9\",\"port\":8080,\"local\":false,"                   \
		   "\"state\":\"terminating\"}"
#define WEB4_EXTERNAL_BACKENDS                                                                     \
	"\"backends\":[" WEB4_LOCAL "],\"clusterBackends\":[" WEB4_CLUSTER "]"
#define WEB4                                                                                       \
	"{\"service\":\"default/"                                                                  \
	"web\",\"portName\":\"http\",\"family\":\"IPv4\",\"protocol\":\"TCP\","
#define WEB6                                                                                       \
	"{\"service\":\"default/"                                                                  \
	"web\",\"portName\":\"http\",\"family\":\"IPv6\",\"protocol\":\"TCP\","
#define WEB6_BACKEND(n)                                                                            \
	"{\"address\":\"fd00:10:244::" n "\",\"port\":8080,\"local\":false,\"state\":\"ready\"}"
#define WEB6_REST                                                                                  \
	"\"policy\":\"Cluster\",\"algorithm\":\"random\",\"affinitySeconds\":0,\"sourceRanges\":[" \
	"],\"noBackends\":null,"                                                                   \
	"\"backends\":[" WEB6_BACKEND("1") "," WEB6_BACKEND("2") "," WEB6_BACKEND(                 \
		"3") "," WEB6_BACKEND("4") "," WEB6_BACKEND("5") "]}"

static const char rich_json[] =
	"{\"apiVersion\":\"svcbpf/v1\",\n\"node\":\"n1\",\n\"zone\":\"a\",\n\"frontends\":[\n" WEB4
	"\"type\":\"NodePort\",\"address\":null,\"port\":30080," WEB4_RULES("Local", "")
		WEB4_EXTERNAL_BACKENDS
	"},\n" WEB6 "\"type\":\"NodePort\",\"address\":null,\"port\":30080," WEB6_REST ",\n"
	"{\"service\":\"kube-system/"
	"dns\",\"portName\":\"\",\"family\":\"IPv4\",\"protocol\":\"UDP\","
	"\"type\":\"ClusterIP\",\"address\":\"10.96.0.2\",\"port\":53,\"policy\":\"Cluster\","
	"\"algorithm\":\"random\",\"affinitySeconds\":0,\"sourceRanges\":[],\"noBackends\":"
	"\"reject\",\"backends\":[]},\n"
	"{\"service\":\"kube-system/dns\",\"portName\":\"sctp\",\"family\":\"IPv4\","
	"\"protocol\":\"SCTP\",\"type\":\"ClusterIP\",\"address\":\"10.96.0.2\",\"port\":53,"
	"\"policy\":\"Local\",\"algorithm\":\"random\",\"affinitySeconds\":0,\"sourceRanges\":[],"
	"\"noBackends\":\"drop\","
	"\"backends\":[]},\n" WEB4
	"\"type\":\"ClusterIP\",\"address\":\"10.96.0.10\",\"port\":80," WEB4_RULES(
		"Cluster",
		"") "\"backends\":[" WEB4_CLUSTER "]},\n" WEB4
		    "\"type\":\"ExternalIP\",\"address\":\"198.51.100.7\",\"port\":80," WEB4_RULES(
			    "Local", "") WEB4_EXTERNAL_BACKENDS
	"},\n" WEB4 "\"type\":\"LoadBalancer\",\"address\":\"203.0.113.9\",\"port\":80," WEB4_RULES(
		"Local", "\"192.0.2.0/24\"") WEB4_EXTERNAL_BACKENDS
	"},\n" WEB6 "\"type\":\"ClusterIP\",\"address\":\"fd00:10:96::a\",\"port\":80," WEB6_REST
	"\n"
	"],\n\"healthChecks\":[\n"
	"{\"service\":\"default/api\",\"nodePort\":31001,\"localEndpoints\":0},\n"
	"{\"service\":\"default/web\",\"nodePort\":31000,\"localEndpoints\":1}\n"
	"]}\n";

Test(print, json_in_full)
{
	expect_printed(PRINT_JSON, NULL, rich_json);
}

Test(print, json_is_json)
{
	cJSON *json = cJSON_Parse(rich_json);

	cr_assert(json);
	cr_expect_eq(cJSON_GetArraySize(cJSON_GetObjectItem(json, "frontends")), 8);
	cJSON_Delete(json);
}

Test(print, json_of_one_service)
{
	expect_printed(
		PRINT_JSON, "kube-system/dns",
		"{\"apiVersion\":\"svcbpf/v1\",\n\"node\":\"n1\",\n\"zone\":\"a\",\n"
		"\"frontends\":[\n"
		"{\"service\":\"kube-system/dns\",\"portName\":\"\",\"family\":\"IPv4\","
		"\"protocol\":\"UDP\",\"type\":\"ClusterIP\",\"address\":\"10.96.0.2\","
		"\"port\":53,\"policy\":\"Cluster\",\"algorithm\":\"random\",\"affinitySeconds\":0,"
		"\"sourceRanges\":[],\"noBackends\":\"reject\",\"backends\":[]},\n"
		"{\"service\":\"kube-system/dns\",\"portName\":\"sctp\","
		"\"family\":\"IPv4\",\"protocol\":\"SCTP\",\"type\":\"ClusterIP\","
		"\"address\":\"10.96.0.2\",\"port\":53,\"policy\":\"Local\","
		"\"algorithm\":\"random\",\"affinitySeconds\":0,\"sourceRanges\":[],\"noBackends\":"
		"\"drop\","
		"\"backends\":[]}\n"
		"],\n\"healthChecks\":[]}\n");
}

Test(print, service_names_are_compared_in_full)
{
	cr_expect(print_is_service(NULL, "a", "b"));
	cr_expect(print_is_service("a/b", "a", "b"));
	cr_expect_not(print_is_service("a/b", "a", "bc"));
	cr_expect_not(print_is_service("a/bc", "a", "b"));
	cr_expect_not(print_is_service("aa/b", "a", "b"));
	cr_expect_not(print_is_service("a/b", "aa", "b"));
	cr_expect_not(print_is_service("ab", "a", "b"));
}

Test(print, an_empty_state)
{
	struct state *state = NULL;
	_free_ char *json = NULL;
	_free_ char *yaml = NULL;
	_free_ char *table = NULL;

	cr_assert_eq(state_new("n1", NULL, &state), 0);
	state_sort(state);
	json = printed(state, PRINT_JSON, NULL);
	yaml = printed(state, PRINT_YAML, NULL);
	table = printed(state, PRINT_TABLE, NULL);
	cr_expect_str_eq(json, "{\"apiVersion\":\"svcbpf/v1\",\n\"node\":\"n1\",\n\"zone\":\"\",\n"
			       "\"frontends\":[],\n\"healthChecks\":[]}\n");
	cr_expect_str_eq(yaml, "apiVersion: \"svcbpf/v1\"\nnode: \"n1\"\nzone: \"\"\n"
			       "frontends: []\nhealthChecks: []\n");
	cr_expect_str_eq(table, "none\n");
	state_free(state);
}

Test(print, yaml_of_one_service)
{
	expect_printed(PRINT_YAML, "kube-system/dns",
		       "apiVersion: \"svcbpf/v1\"\n"
		       "node: \"n1\"\n"
		       "zone: \"a\"\n"
		       "frontends:\n"
		       "- service: \"kube-system/dns\"\n"
		       "  portName: \"\"\n"
		       "  family: \"IPv4\"\n"
		       "  protocol: \"UDP\"\n"
		       "  type: \"ClusterIP\"\n"
		       "  address: \"10.96.0.2\"\n"
		       "  port: 53\n"
		       "  policy: \"Cluster\"\n"
		       "  algorithm: \"random\"\n"
		       "  affinitySeconds: 0\n"
		       "  sourceRanges: []\n"
		       "  noBackends: \"reject\"\n"
		       "  backends: []\n"
		       "- service: \"kube-system/dns\"\n"
		       "  portName: \"sctp\"\n"
		       "  family: \"IPv4\"\n"
		       "  protocol: \"SCTP\"\n"
		       "  type: \"ClusterIP\"\n"
		       "  address: \"10.96.0.2\"\n"
		       "  port: 53\n"
		       "  policy: \"Local\"\n"
		       "  algorithm: \"random\"\n"
		       "  affinitySeconds: 0\n"
		       "  sourceRanges: []\n"
		       "  noBackends: \"drop\"\n"
		       "  backends: []\n"
		       "healthChecks: []\n");
}

Test(print, table)
{
	expect_printed(PRINT_TABLE, NULL,
		       "SERVICE         PORT-NAME TYPE         FAMILY PROTO ADDRESS:PORT       "
		       "POLICY  AFFINITY BACKENDS\n"
		       "default/web     http      NodePort     IPv4   TCP   *:30080            "
		       "Local   10800s   10.244.1.7:8080\n"
		       "default/web     http      NodePort     IPv6   TCP   *:30080            "
		       "Cluster -        [fd00:10:244::1]:8080 [fd00:10:244::2]:8080 +3\n"
		       "kube-system/dns -         ClusterIP    IPv4   UDP   10.96.0.2:53       "
		       "Cluster -        none (reject)\n"
		       "kube-system/dns sctp      ClusterIP    IPv4   SCTP  10.96.0.2:53       "
		       "Local   -        none (drop)\n"
		       "default/web     http      ClusterIP    IPv4   TCP   10.96.0.10:80      "
		       "Cluster 10800s   10.244.1.7:8080 10.244.2.9:8080(terminating)\n"
		       "default/web     http      ExternalIP   IPv4   TCP   198.51.100.7:80    "
		       "Local   10800s   10.244.1.7:8080\n"
		       "default/web     http      LoadBalancer IPv4   TCP   203.0.113.9:80     "
		       "Local   10800s   10.244.1.7:8080\n"
		       "default/web     http      ClusterIP    IPv6   TCP   [fd00:10:96::a]:80 "
		       "Cluster -        [fd00:10:244::1]:8080 [fd00:10:244::2]:8080 +3\n"
		       "\n"
		       "Health check node ports:\n"
		       "SERVICE     NODE-PORT LOCAL-ENDPOINTS\n"
		       "default/api     31001               0\n"
		       "default/web     31000               1\n");
}

/* For clients outside only: none come to a ClusterIP. */
Test(print, maglev_is_an_external_frontends)
{
	struct state *state = states_new();
	struct service_port *port = states_port("default", "web", "", IPPROTO_TCP, ADDR_IPV4);
	_free_ char *text = NULL;
	const char *cluster_ip, *node_port;

	states_frontend(port, SVC_TYPE_CLUSTER_IP, "10.96.0.10", 80);
	states_frontend(port, SVC_TYPE_NODE_PORT, NULL, 30080);
	states_backend(&port->cluster, "10.244.1.7", 8080, 0);
	port->is_maglev = true;
	states_add(state, port);
	state_sort(state);
	text = printed(state, PRINT_JSON, NULL);
	cluster_ip = strstr(text, "\"type\":\"ClusterIP\"");
	node_port = strstr(text, "\"type\":\"NodePort\"");
	cr_assert(cluster_ip && node_port && node_port < cluster_ip, "%s", text);
	cr_expect(strstr(cluster_ip, "\"algorithm\":\"random\""), "%s", text);
	cr_expect_not(strstr(cluster_ip, "maglev"), "%s", text);
	cr_expect_lt(strstr(node_port, "\"algorithm\":\"maglev\""), cluster_ip, "%s", text);
	state_free(state);
}

/* The columns that only "wide" has; the others are the table's. */
Test(print, wide_shows_all_backends_and_source_ranges)
{
	struct state *state = states_rich();
	_free_ char *text = printed(state, PRINT_WIDE, "default/web");

	cr_expect(strstr(text, "AFFINITY ALGORITHM SOURCE-RANGES BACKENDS "), "%s", text);
	cr_expect(strstr(text, " CLUSTER-BACKENDS\n"), "%s", text);
	cr_expect(strstr(text, "Cluster 10800s   random    -             "
			       "10.244.1.7:8080(local) 10.244.2.9:8080(terminating) "),
		  "%s", text);
	cr_expect(strstr(text, "Local   10800s   random    192.0.2.0/24  10.244.1.7:8080(local) "),
		  "%s", text);
	cr_expect(strstr(text, " 10.244.1.7:8080(local) 10.244.2.9:8080(terminating)\n"), "%s",
		  text);
	cr_expect(strstr(text, "[fd00:10:244::1]:8080 [fd00:10:244::2]:8080 [fd00:10:244::3]:8080 "
			       "[fd00:10:244::4]:8080 [fd00:10:244::5]:8080 -\n"),
		  "%s", text);
	cr_expect_not(strstr(text, "dns"), "%s", text);
	cr_expect_not(strstr(text, " +3"), "%s", text);
	state_free(state);
}

/* ------------------------------------------------------------------ dump backends */

Test(print, backends_are_distinct_and_counted)
{
	struct state *state = states_rich();
	struct service_port *port = states_port("default", "zweb", "", IPPROTO_TCP, ADDR_IPV4);
	_cleanup_(print_doc_freep) struct print_doc *doc = NULL;
	_free_ char *text = NULL;
	size_t len_bytes;
	FILE *out = open_memstream(&text, &len_bytes);

	/* the same backend in another Service, where it is ready */
	states_frontend(port, SVC_TYPE_CLUSTER_IP, "10.96.0.11", 80);
	states_backend(&port->cluster, "10.244.2.9", 8080, 0);
	states_add(state, port);
	state_sort(state);
	cr_assert(out);
	cr_assert_eq(print_doc_open(out, PRINT_JSON, &doc), 0);
	cr_assert_eq(dump_backends(doc, state, NULL, NULL), 0);
	cr_assert_eq(print_doc_close(doc), 0);
	fclose(out);
	cr_expect_str_eq(
		text,
		"{\"apiVersion\":\"svcbpf/v1\",\n\"backends\":[\n"
		"{\"address\":\"10.244.1.7\",\"port\":8080,\"local\":true,\"state\":\"ready\","
		"\"protocol\":\"TCP\",\"frontends\":4},\n"
		"{\"address\":\"10.244.2.9\",\"port\":8080,\"local\":false,\"state\":\"ready\","
		"\"protocol\":\"TCP\",\"frontends\":5},\n"
		"{\"address\":\"fd00:10:244::1\",\"port\":8080,\"local\":false,\"state\":\"ready\","
		"\"protocol\":\"TCP\",\"frontends\":2},\n"
		"{\"address\":\"fd00:10:244::2\",\"port\":8080,\"local\":false,\"state\":\"ready\","
		"\"protocol\":\"TCP\",\"frontends\":2},\n"
		"{\"address\":\"fd00:10:244::3\",\"port\":8080,\"local\":false,\"state\":\"ready\","
		"\"protocol\":\"TCP\",\"frontends\":2},\n"
		"{\"address\":\"fd00:10:244::4\",\"port\":8080,\"local\":false,\"state\":\"ready\","
		"\"protocol\":\"TCP\",\"frontends\":2},\n"
		"{\"address\":\"fd00:10:244::5\",\"port\":8080,\"local\":false,\"state\":\"ready\","
		"\"protocol\":\"TCP\",\"frontends\":2}\n"
		"]}\n");
	state_free(state);
}

/* ------------------------------------------------------------------ errors, texts */

Test(print, a_full_disk_is_an_error)
{
	struct state *state = states_rich();
	FILE *out = fopen("/dev/full", "we");

	cr_assert(out);
	for (enum print_format format = PRINT_TABLE; format <= PRINT_YAML; format++)
		cr_expect_eq(print_state(out, state, format, NULL), -EIO, "format %d", format);
	fclose(out);
	state_free(state);
}

Test(print, formats)
{
	enum print_format format;

	cr_expect_eq(print_format_parse("wide", &format), 0);
	cr_expect_eq(format, PRINT_WIDE);
	cr_expect_eq(print_format_parse("JSON", &format), -EINVAL);
	cr_expect_eq(print_format_parse("", &format), -EINVAL);
}

Test(print, endpoints)
{
	struct addr addr = {.family = ADDR_NONE};
	char buf[PRINT_ENDPOINT_MAX];

	cr_expect_str_eq(print_endpoint(&addr, 30080, buf), "*:30080");
	cr_assert_eq(addr_parse("10.0.0.1", &addr), 0);
	cr_expect_str_eq(print_endpoint(&addr, 80, buf), "10.0.0.1:80");
	cr_assert_eq(addr_parse("fd00:0::1", &addr), 0);
	cr_expect_str_eq(print_endpoint(&addr, 65535, buf), "[fd00::1]:65535");
}
