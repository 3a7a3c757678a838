/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes Events: what is sent, and how little of it. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "source/api.h"
#include "source/event_json.h"
#include "source/event_limits.h"
#include "source/event_recorder.h"
#include "source/kubeconfig.h"
#include "unit/http/fake_server.h"

#define S_MS 1000ull

static const struct event_object web = {"Service", "default", "web"};
static const struct event_object node = {"Node", NULL, "n1"};

/* ------------------------------------------------------------------ JSON */

static cJSON *make(const struct event_object *object, const struct event_note *note,
		   const char *node_name)
{
	_free_ char *text = NULL;
	cJSON *json;

	/* 2026-11-21T22:00:00.012345678Z */
	cr_assert_eq(event_json_new(object, note, node_name, 1795298400012345678ull, &text), 0);
	json = cJSON_Parse(text);
	cr_assert(json, "%s", text);
	return json;
}

static const char *text_of(const cJSON *json, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));

	cr_assert(text, "%s", key);
	return text;
}

Test(events, are_as_the_api_server_wants_them)
{
	const struct event_note note = {
		.is_warning = true,
		.reason = "FailedToStartServiceHealthcheck",
		.action = "Listen",
		.note = "a \"b\"\n\\c \xc3\xa4",
	};
	cJSON *json = make(&web, &note, "n1");
	const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(json, "metadata");
	const cJSON *regarding = cJSON_GetObjectItemCaseSensitive(json, "regarding");

	cr_assert_str_eq(text_of(json, "apiVersion"), "events.k8s.io/v1");
	cr_assert_str_eq(text_of(json, "kind"), "Event");
	cr_assert_str_eq(text_of(metadata, "name"), "web.18ea2e620690214e");
	cr_assert_str_eq(text_of(metadata, "namespace"), "default");
	cr_assert_str_eq(text_of(json, "eventTime"), "2026-11-21T22:00:00.012345Z");
	cr_assert_str_eq(text_of(json, "reportingController"), "svcbpf");
	cr_assert_str_eq(text_of(json, "reportingInstance"), "svcbpf-n1");
	cr_assert_str_eq(text_of(json, "type"), "Warning");
	cr_assert_str_eq(text_of(json, "reason"), note.reason);
	cr_assert_str_eq(text_of(json, "action"), note.action);
	cr_assert_str_eq(text_of(json, "note"), note.note);
	cr_assert_str_eq(text_of(regarding, "apiVersion"), "v1");
	cr_assert_str_eq(text_of(regarding, "kind"), "Service");
	cr_assert_str_eq(text_of(regarding, "namespace"), "default");
	cr_assert_str_eq(text_of(regarding, "name"), "web");
	cr_assert_null(cJSON_GetObjectItemCaseSensitive(regarding, "uid"));
	cJSON_Delete(json);
}

Test(events, about_a_node_live_in_default)
{
	cJSON *json =
		make(&node, &(struct event_note){false, "Starting", "StartKubeProxy", ""}, "n1");
	const cJSON *regarding = cJSON_GetObjectItemCaseSensitive(json, "regarding");

	cr_assert_str_eq(text_of(cJSON_GetObjectItemCaseSensitive(json, "metadata"), "namespace"),
			 "default");
	cr_assert_str_eq(text_of(json, "type"), "Normal");
	cr_assert_str_eq(text_of(json, "note"), "");
	cr_assert_str_eq(text_of(regarding, "uid"), "n1");
	cr_assert_null(cJSON_GetObjectItemCaseSensitive(regarding, "namespace"));
	cJSON_Delete(json);
}

/* Limits of the API server: 1,024 bytes of note, 128 of reportingInstance, 253 of name. */
Test(events, are_cut_to_what_the_api_server_takes)
{
	char note[2000];
	char name[254];
	const struct event_object long_node = {"Node", NULL, name};
	cJSON *json;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(note, 'a', sizeof(note) - 1);
	note[sizeof(note) - 1] = '\0';
	note[1022] = '\xe2'; /* three bytes, of which two would fit */
	note[1023] = '\x82';
	note[1024] = '\xac';
	json = make(&long_node, &(struct event_note){false, "R", "A", note}, name);
	cr_assert_eq(strlen(text_of(json, "note")), 1022);
	cr_assert_eq(strlen(text_of(json, "reportingInstance")), 128);
	cr_assert_str_eq(text_of(cJSON_GetObjectItemCaseSensitive(json, "metadata"), "name"),
			 "svcbpf.18ea2e620690214e");
	cJSON_Delete(json);
}

/* ------------------------------------------------------------------ limits */

Test(events, are_not_repeated_within_five_minutes)
{
	static struct event_limits limits;

	cr_assert_eq(event_limits_ask(&limits, 1, 10, 1 * S_MS), EVENT_ALLOWED);
	cr_assert_eq(event_limits_ask(&limits, 1, 10, 300 * S_MS), EVENT_REPEATED);
	cr_assert_eq(event_limits_ask(&limits, 1, 11, 300 * S_MS), EVENT_ALLOWED);
	cr_assert_eq(event_limits_ask(&limits, 1, 10, 301 * S_MS), EVENT_ALLOWED);
	cr_assert_eq(event_limits_ask(&limits, 1, 10, 302 * S_MS), EVENT_REPEATED);
}

Test(events, of_one_object_are_five_and_then_one_a_minute)
{
	static struct event_limits limits;

	for (uint64_t i = 0; i < 5; i++)
		cr_assert_eq(event_limits_ask(&limits, 1, 10 + i, 1 * S_MS), EVENT_ALLOWED);
	cr_assert_eq(event_limits_ask(&limits, 1, 20, 60 * S_MS), EVENT_LIMITED);
	cr_assert_eq(event_limits_ask(&limits, 2, 20, 60 * S_MS), EVENT_ALLOWED);
	cr_assert_eq(event_limits_ask(&limits, 1, 21, 61 * S_MS), EVENT_ALLOWED);
	cr_assert_eq(event_limits_ask(&limits, 1, 22, 62 * S_MS), EVENT_LIMITED);
	cr_assert_eq(event_limits_ask(&limits, 1, 23, 122 * S_MS), EVENT_ALLOWED);
	/* much later it is as at first */
	for (uint64_t i = 0; i < 5; i++)
		cr_assert_eq(event_limits_ask(&limits, 1, 30 + i, 9000 * S_MS), EVENT_ALLOWED);
	cr_assert_eq(event_limits_ask(&limits, 1, 40, 9000 * S_MS), EVENT_LIMITED);
}

Test(events, of_all_objects_are_fifty_and_then_one_a_second)
{
	static struct event_limits limits;
	uint64_t i;

	for (i = 0; i < 50; i++)
		cr_assert_eq(event_limits_ask(&limits, i, i, 1 * S_MS), EVENT_ALLOWED);
	cr_assert_eq(event_limits_ask(&limits, 100, 100, 1 * S_MS), EVENT_LIMITED);
	cr_assert_eq(event_limits_ask(&limits, 100, 100, 2 * S_MS), EVENT_ALLOWED);
	cr_assert_eq(event_limits_ask(&limits, 101, 101, 2 * S_MS), EVENT_LIMITED);
}

/* A cluster of more objects than are remembered: still bounded in all. */
Test(events, stay_limited_with_more_objects_than_are_remembered)
{
	static struct event_limits limits;
	uint64_t n_allowed = 0;

	for (uint64_t i = 0; i < 20000; i++)
		n_allowed += event_limits_ask(&limits, i, i, (1 + i / 100) * S_MS) == EVENT_ALLOWED;
	cr_assert_eq(n_allowed, 50 + 199);
}

/* ------------------------------------------------------------------ sending */

#define CREATED "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
#define DENIED                                                                                     \
	"HTTP/1.1 403 Forbidden\r\nContent-Length: 42\r\n\r\n"                                     \
	"{\"kind\": \"Status\", \"message\": \"no events\"}"

struct fixture {
	struct event_base *base;
	struct fake_server server;
	struct api *api;
	struct event_recorder *recorder;
	int n_warnings;
	char warning[512];
};

static void ignore_warning(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static void keep_warning(void *arg, int level, const char *text)
{
	struct fixture *fixture = arg;

	if (level > 1) /* LOG_LEVEL_WARN */
		return;
	fixture->n_warnings++;
	snprintf(fixture->warning, sizeof(fixture->warning), "%s", text);
}

static void open_api(struct fixture *fixture)
{
	char path[] = "/tmp/svcbpf-events-XXXXXX";
	struct kubeconfig_error error = {};
	struct kubeconfig *config;
	_close_ int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	dprintf(fd,
		"current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
		"clusters: [{name: k, cluster: {server: \"%s\"}}]\nusers: [{name: u, user: {}}]\n",
		fixture->server.url);
	cr_assert_eq(kubeconfig_load(path, NULL, &config, &error), 0, "%s", error.text);
	unlink(path);
	cr_assert_eq(api_new(fixture->base, config, "1", ignore_warning, NULL, &fixture->api), 0);
}

static void begin(struct fixture *fixture, const struct fake_answer *answers, size_t n_answers)
{
	signal(SIGPIPE, SIG_IGN);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	fixture->base = event_base_new();
	fake_server_start(&fixture->server, fixture->base, answers, n_answers);
	open_api(fixture);
	cr_assert_eq(event_recorder_new(fixture->base, fixture->api, "n1", keep_warning, fixture,
					&fixture->recorder),
		     0);
}

static void end(struct fixture *fixture)
{
	event_recorder_free(fixture->recorder);
	api_free(fixture->api);
	fake_server_stop(&fixture->server);
	event_base_free(fixture->base);
}

/* Until @n Events have ended one way or the other. */
static struct event_counts wait_for(struct fixture *fixture, uint64_t n)
{
	struct event_counts counts = event_recorder_counts(fixture->recorder);
	const time_t last = time(NULL) + 20;

	while (counts.n_sent + counts.n_failed < n) {
		const struct timeval tick = {.tv_usec = 10000};

		cr_assert_lt(time(NULL), last, "only %llu are done",
			     (unsigned long long)(counts.n_sent + counts.n_failed));
		event_base_loopexit(fixture->base, &tick);
		event_base_dispatch(fixture->base);
		counts = event_recorder_counts(fixture->recorder);
	}
	return counts;
}

static void tell(struct fixture *fixture, const char *note)
{
	event_recorder_tell(fixture->recorder, &web,
			    &(struct event_note){true, "FailedToProgramService", "Program", note});
}

Test(events, are_posted_where_the_object_is)
{
	static const struct fake_answer answers[] = {{CREATED, FAKE_KEEP}};
	_cleanup_(end) struct fixture fixture = {};
	struct event_counts counts;

	begin(&fixture, answers, 1);
	tell(&fixture, "one");
	tell(&fixture, "one");
	tell(&fixture, "two");
	cr_assert_eq(fixture.server.n_requests, 0, "sent before the event loop ran");
	counts = wait_for(&fixture, 2);
	cr_assert_eq(counts.n_sent, 2);
	cr_assert_eq(counts.n_repeated, 1);
	cr_assert_eq(fixture.server.n_requests, 2);
	cr_assert(strstr(fixture.server.request,
			 "POST /apis/events.k8s.io/v1/namespaces/default/events HTTP/1.1\r\n"),
		  "%s", fixture.server.request);
	cr_assert(strstr(fixture.server.request, "application/json"));
	cr_assert(strstr(fixture.server.request, "\"note\":\"two\""));
}

Test(events, that_are_forbidden_are_logged_once)
{
	static const struct fake_answer answers[] = {{DENIED, FAKE_KEEP}};
	_cleanup_(end) struct fixture fixture = {};

	begin(&fixture, answers, 1);
	tell(&fixture, "one");
	tell(&fixture, "two");
	cr_assert_eq(wait_for(&fixture, 2).n_failed, 2);
	cr_assert_eq(fixture.n_warnings, 1);
	cr_assert_str_eq(fixture.warning,
			 "may not create Kubernetes Events, they are dropped: no events");
}

Test(events, are_dropped_while_the_server_is_away)
{
	static const struct fake_answer answers[] = {{CREATED, FAKE_KEEP}};
	_cleanup_(end) struct fixture fixture = {};

	begin(&fixture, answers, 1);
	fake_server_stop(&fixture.server);
	tell(&fixture, "one");
	cr_assert_eq(wait_for(&fixture, 1).n_failed, 1);
	cr_assert_eq(fixture.n_warnings, 0);
}

Test(events, wait_in_a_queue_that_ends)
{
	static const struct fake_answer answers[] = {{CREATED, FAKE_KEEP}};
	_cleanup_(end) struct fixture fixture = {};
	struct event_counts counts;

	begin(&fixture, answers, 1);
	for (int i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%d", i);
		event_recorder_tell(fixture.recorder,
				    &(struct event_object){"Service", "default", name},
				    &(struct event_note){true, "R", "A", "x"});
	}
	counts = wait_for(&fixture, 50);
	cr_assert_eq(counts.n_sent, 50);
	cr_assert_eq(counts.n_limited, 150);
}

Test(events, without_an_api_server_go_nowhere)
{
	_cleanup_(end) struct fixture fixture = {.base = event_base_new()};

	cr_assert_eq(event_recorder_new(fixture.base, NULL, "n1", NULL, NULL, &fixture.recorder),
		     0);
	tell(&fixture, "one");
	event_base_loop(fixture.base, EVLOOP_NONBLOCK);
	cr_assert_eq(event_recorder_counts(fixture.recorder).n_failed, 0);
}

Test(events, under_way_end_with_the_recorder)
{
	static const struct fake_answer answers[] = {{NULL, FAKE_KEEP}};
	_cleanup_(end) struct fixture fixture = {};

	begin(&fixture, answers, 1);
	for (int i = 0; i < 4; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%d", i);
		tell(&fixture, text);
	}
	for (int i = 0; i < 1000 && !fixture.server.n_requests; i++)
		event_base_loop(fixture.base, EVLOOP_ONCE);
	cr_assert_eq(fixture.server.n_requests, 1);
}
