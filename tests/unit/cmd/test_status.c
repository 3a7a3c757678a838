/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/status.h"
#include "util/cleanup.h"

#define S  1000000000ull
#define MS 1000000ull

/* 2026-11-21T22:00:00Z */
#define START_NS (1795298400ull * S)

static struct status_link links[] = {
	{"connect4", 11, 7},	 {"connect6", 12, 7}, {"getpeername4", 13, 7},
	{"getpeername6", 14, 7}, {"recvmsg4", 15, 7}, {"recvmsg6", 16, 7},
	{"sendmsg4", 17, 7},	 {"sendmsg6", 18, 7}, {"sock_release", 19, 7},
};

static struct datapath_map_fill fills[] = {
	{"services", 10, 64},
	{"backends4", 80, 100},
};

static struct svc_problem problems[] = {{"default/web: ClusterIP 10.96.0.10 is taken"}};

/* All is well: an agent that has run for an hour. */
static struct status healthy(void)
{
	struct status status = {
		.pin_dir = "/pins",
		.now_ns = START_NS + 3600 * S,
		.is_running = true,
		.links = links,
		.n_links = ARRAY_SIZE(links),
		.fills = fills,
		.n_fills = ARRAY_SIZE(fills),
		.meta =
			{
				.abi = 1,
				.agent_pid = 42,
				.features = 0x3f,
				.start_ns = START_NS,
				.last_sync_ns = START_NS + 3590 * S,
				.last_sync_duration_ns = 1500000,
				.sync_count = 14,
				.selftest_ns = START_NS + 3570 * S,
				.cgroup_id = 7,
				.source_kind = SVC_SOURCE_KUBERNETES,
				.source_state = SVC_SOURCE_IN_STEP,
				.source_contact_ns = START_NS + 3597 * S,
				.source = "https://10.0.0.1:6443",
				.node = "n1",
				.zone = "a",
				.version = "1.0",
				.cgroup_path = "/sys/fs/cgroup",
			},
	};

	return status;
}

/* Judge, and expect this reason and no other; NULL: none. */
static void expect_reason(struct status status, const char *expected)
{
	status_judge(&status);
	cr_assert_eq(status.n_reasons, expected ? 1u : 0u, "%s", status.reasons[0]);
	if (expected)
		cr_expect(strstr(status.reasons[0], expected), "%s", status.reasons[0]);
}

Test(status, healthy)
{
	expect_reason(healthy(), NULL);
}

Test(status, no_agent)
{
	struct status status = healthy();

	status.is_running = false;
	status.meta.selftest_ns = START_NS; /* long ago, which is no wonder */
	expect_reason(status, "no agent runs");
}

Test(status, an_agent_that_just_starts_is_fine)
{
	struct status status = healthy();

	status.now_ns = START_NS + 5 * S;
	status.meta.last_sync_ns = 0;
	status.meta.selftest_ns = 0;
	expect_reason(status, NULL);
	status.now_ns = START_NS + 61 * S;
	status.meta.selftest_ns = START_NS + 60 * S;
	expect_reason(status, "no complete sync yet");
}

Test(status, selftest)
{
	struct status status = healthy();

	status.meta.selftest_result = -EHOSTUNREACH;
	expect_reason(status, "the self-test failed 30 s ago");
	status.meta.selftest_result = -EPERM;
	expect_reason(status, "the self-test could not be run: Operation not permitted");
	status.meta.selftest_result = 0;
	status.meta.selftest_ns = START_NS + 3000 * S;
	expect_reason(status, "the last self-test was 10 min ago");
	status.meta.selftest_ns = 0;
	expect_reason(status, "the self-test has not run yet");
}

Test(status, source)
{
	struct status status = healthy();

	status.meta.source_state = SVC_SOURCE_LOST;
	status.meta.source_contact_ns = START_NS + 3000 * S;
	expect_reason(status, "the API server https://10.0.0.1:6443 was last heard 10 min ago");
	status.meta.source_state = SVC_SOURCE_SAVED;
	expect_reason(status, "has not answered since the agent's start: Services work as they "
			      "were 10 min ago");
	status.meta.source_contact_ns = 0;
	expect_reason(status, "has not answered since the agent's start; see");
	status.meta.source_state = SVC_SOURCE_STARTING;
	expect_reason(status, "has not answered since the agent's start; see");
	status.meta.source_kind = SVC_SOURCE_MANIFESTS;
	expect_reason(status, NULL);
}

Test(status, links)
{
	struct status status = healthy();
	struct status_link changed[ARRAY_SIZE(links)];

	status.n_links = 0;
	expect_reason(status, "no program is attached: no connection to a Service is translated; "
			      "the agent waits for its source");
	status = healthy();
	status.n_links--;
	expect_reason(status, "program sock_release is not attached");
	status = healthy();
	memcpy(changed, links, sizeof(links));
	status.links = changed;
	changed[0].cgroup_id = 0;
	expect_reason(status, "program connect4: its cgroup is gone");
	changed[0].cgroup_id = 8;
	expect_reason(status, "program connect4 is attached to another cgroup (id 8, not 7)");
}

Test(status, maps_are_fine_up_to_the_limit)
{
	struct status status = healthy();
	struct datapath_map_fill full[] = {{"services", 81, 100}, {"affinity", 100, 100}};

	status.fills = full;
	status.n_fills = ARRAY_SIZE(full);
	expect_reason(status, "map services is 81 % full; Services that do not fit are not served: "
			      "raise --max-services");
	full[0].name = "backends6";
	expect_reason(status, "map backends6 is 81 % full; Services that do not fit keep what they "
			      "had: raise --max-backends");
	full[0].n_used = 80;
	expect_reason(status, NULL);
	full[0].n_max = 0;
	expect_reason(status, NULL);
}

Test(status, problems)
{
	struct status status = healthy();

	status.problems = problems;
	status.n_problems = 1;
	expect_reason(status, "1 problem, see below");
}

Test(status, a_sync_cut_short)
{
	struct status status = healthy();

	status.is_running = false;
	status.meta.sync_open = 13;
	status_judge(&status);
	cr_assert_eq(status.n_reasons, 2u);
	cr_expect(strstr(status.reasons[1], "the last sync was cut short"), "%s",
		  status.reasons[1]);
}

/* ------------------------------------------------------------------ output */

static char *text_of(const struct status *status, enum print_format format)
{
	char *text = NULL;
	size_t len_bytes;
	FILE *out = open_memstream(&text, &len_bytes);

	cr_assert(out);
	if (print_is_table(format))
		cr_expect_eq(status_print_text(out, status), 0);
	else
		cr_expect_eq(status_print_doc(out, format, status), 0);
	fclose(out);
	return text;
}

/* The kernel's line depends on where the test runs. */
static void cut_kernel_release(char *text)
{
	char *release = strstr(text, "kernel     ");
	char *rest;

	cr_assert(release);
	release += strlen("kernel     ");
	rest = strchr(release, ' ');
	cr_assert(rest);
	memmove(release, rest, strlen(rest) + 1);
}

Test(status, text_when_all_is_well)
{
	struct status status = healthy();
	_free_ char *text = NULL;

	status_judge(&status);
	text = text_of(&status, PRINT_TABLE);
	cut_kernel_release(text);
	cr_expect_str_eq(text,
			 "All is well.\n"
			 "\n"
			 "agent      running for 60 min, process 42, since 2026-11-21T22:00:00Z\n"
			 "version    1.0, ABI 1\n"
			 "node       n1, zone a\n"
			 "pins       /pins\n"
			 "cgroup     /sys/fs/cgroup (id 7)\n"
			 "programs   9 attached\n"
			 "           connect4 (11), connect6 (12), getpeername4 (13), "
			 "getpeername6 (14)\n"
			 "           recvmsg4 (15), recvmsg6 (16), sendmsg4 (17), sendmsg6 (18)\n"
			 "           sock_release (19)\n"
			 "devices    none: the packet path is off (--devices none)\n"
			 "source     https://10.0.0.1:6443, in step (seen 3 s ago)\n"
			 "last sync  10 s ago, at 2026-11-21T22:59:50Z, took 1.5 ms; 14 since the "
			 "maps were made\n"
			 "self-test  passed, 30 s ago\n"
			 "kernel      has everything svcbpf can use\n"
			 "\n"
			 "MAP       USED MAX FILL\n"
			 "services    10  64  16%\n"
			 "backends4   80 100  80%\n",
			 "got:\n%s", text);
}

Test(status, text_begins_with_what_is_wrong)
{
	struct status status = healthy();
	_free_ char *text = NULL;

	status.is_running = false;
	status.problems = problems;
	status.n_problems = 1;
	status.meta.features = SVC_FEATURE_CMPXCHG | SVC_FEATURE_NETNS_COOKIE;
	status.meta.selftest_result = -EHOSTUNREACH;
	status_judge(&status);
	text = text_of(&status, PRINT_TABLE);
	cr_expect(strncmp(text, "Needs attention:\n  ! no agent runs", 34) == 0, "%s", text);
	cr_expect(strstr(text, "agent      not running; the last, process 42, began at "), "%s",
		  text);
	cr_expect(strstr(text, "self-test  failed: a connection to a reserved address was not "
			       "translated, 30 s ago\n"),
		  "%s", text);
	cr_expect(strstr(text,
			 " missing here:\n           - bpf_set_retval (Linux 5.18): a connect to a "
			 "Service without backends fails with EPERM, not ECONNREFUSED\n"
			 "           - SOCK_DESTROY"),
		  "%s", text);
	cr_expect(strstr(text, "\nProblems:\n  ! default/web: ClusterIP 10.96.0.10 is taken\n"),
		  "%s", text);
}

Test(status, json_in_full)
{
	struct status status = healthy();
	_free_ char *text = NULL;
	cJSON *json;

	status.problems = problems;
	status.n_problems = 1;
	status.meta.features = 0x37;
	status_judge(&status);
	status.n_links = 2; /* enough to show */
	text = text_of(&status, PRINT_JSON);
	cr_expect_str_eq(
		text,
		"{\"apiVersion\":\"svcbpf/v1\",\n\"healthy\":false,\n\"node\":\"n1\",\n"
		"\"zone\":\"a\",\n"
		"\"agent\":{\"running\":true,\"pid\":42,\"started\":\"2026-11-21T22:00:00Z\","
		"\"version\":\"1.0\"},\n\"abi\":1,\n\"pinDir\":\"/pins\",\n"
		"\"cgroup\":{\"path\":\"/sys/fs/cgroup\",\"id\":7},\n"
		"\"source\":{\"kind\":\"kubernetes\",\"name\":\"https://10.0.0.1:6443\","
		"\"state\":\"in step\",\"contact\":\"2026-11-21T22:59:57Z\"},\n"
		"\"lastSync\":{\"time\":\"2026-11-21T22:59:50Z\",\"durationSeconds\":0.0015,"
		"\"count\":14},\n"
		"\"selfTest\":{\"time\":\"2026-11-21T22:59:30Z\",\"result\":\"passed\","
		"\"error\":null},\n"
		"\"devicesVisible\":true,\n"
		"\"flows\":null,\n"
		"\"links\":[\n"
		"{\"name\":\"connect4\",\"programId\":11,\"cgroupId\":7},\n"
		"{\"name\":\"connect6\",\"programId\":12,\"cgroupId\":7}\n],\n"
		"\"devices\":[],\n"
		"\"maps\":[\n{\"name\":\"services\",\"used\":10,\"max\":64},\n"
		"{\"name\":\"backends4\",\"used\":80,\"max\":100}\n],\n"
		"\"features\":[\n"
		"{\"name\":\"cmpxchg\",\"present\":true,\"effect\":null},\n"
		"{\"name\":\"setRetval\",\"present\":true,\"effect\":null},\n"
		"{\"name\":\"netnsCookie\",\"present\":true,\"effect\":null},\n"
		"{\"name\":\"sockDestroy\",\"present\":false,\"effect\":\"connected UDP sockets "
		"stay "
		"with a backend that has left until they connect again\"},\n"
		"{\"name\":\"netnsEnter\",\"present\":true,\"effect\":null},\n"
		"{\"name\":\"tcx\",\"present\":true,\"effect\":null}\n],\n"
		"\"reasons\":[\n\"1 problem, see below\"\n],\n"
		"\"problems\":[\n\"default/web: ClusterIP 10.96.0.10 is taken\"\n]}\n",
		"got:\n%s", text);
	json = cJSON_Parse(text);
	cr_expect(json);
	cJSON_Delete(json);
}

Test(status, ages_and_times)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0 s"},
		{1999 * MS, "1 s"},
		{119 * S, "119 s"},
		{120 * S, "2 min"},
		{7199 * S, "119 min"},
		{7200 * S, "2 h"},
		{48 * 3600 * S - 1, "47 h"},
		{48 * 3600 * S, "2 d"},
	};
	char age[STATUS_AGE_MAX];
	char time[STATUS_TIME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_str_eq(status_format_age(cases[i].ns, age), cases[i].text);
	cr_expect_str_eq(status_format_time(0, time), "1970-01-01T00:00:00Z");
	cr_expect_str_eq(status_format_time(START_NS, time), "2026-11-21T22:00:00Z");
}

Test(status, every_feature_of_the_abi_has_a_text)
{
	const uint32_t all = SVC_FEATURE_CMPXCHG | SVC_FEATURE_SET_RETVAL |
			     SVC_FEATURE_NETNS_COOKIE | SVC_FEATURE_SOCK_DESTROY |
			     SVC_FEATURE_NETNS_ENTER | SVC_FEATURE_TCX;
	size_t n;
	const struct status_feature *features = status_features(&n);
	uint32_t told = 0;

	for (size_t i = 0; i < n; i++) {
		cr_expect_not(told & features[i].bit);
		told |= features[i].bit;
	}
	cr_expect_eq(told, all);
}
