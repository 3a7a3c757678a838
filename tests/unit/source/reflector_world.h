/* SPDX-License-Identifier: Apache-2.0 */
/* A reflector between a scripted API server and a log of what it asks and tells. */
#ifndef TESTS_UNIT_SOURCE_REFLECTOR_WORLD_H
#define TESTS_UNIT_SOURCE_REFLECTOR_WORLD_H

#include "unit/source/fake_api.h"

#include <cjson/cJSON.h>
#include <stdarg.h>

#include "source/json_arena.h"
#include "source/reflector.h"
#include "util/log.h"
#include "util/strings.h"

#define LOG_BYTES 65536

/**
 * struct world - a reflector between a script and a log.
 * @log: a line for each call ("? ..."), object ("+ns/name version", "-ns/name"), end of a list
 *	("listed"), failure ("! ...").
 * @refuse: put() refuses the object of this name; @fail: it fails once for this one.
 * @wanted_calls: the test is over after so many.
 */
struct world {
	struct api api;
	struct strings *pool;
	struct json_arena *arena;
	struct reflector *reflector;
	char log[LOG_BYTES];
	char told[LOG_BYTES];
	const char *refuse;
	const char *fail;
	size_t wanted_calls;
};

static struct world world;

static const char *const trim[] = {"\"managedFields\":", NULL};
static struct reflector_resource resource;

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	size_t len = strlen(world.log);
	va_list args;

	va_start(args, format);
	vsnprintf(world.log + len, sizeof(world.log) - len, format, args);
	va_end(args);
}

/* Copies a parameter of a query. */
static const char *parameter(const char *path, const char *key, char buf[64])
{
	const char *at = strstr(path, key);

	snprintf(buf, 64, "%.*s", at ? (int)strcspn(at, "&") : 0, at ? at : "");
	return buf;
}

static void called(void *arg, const struct api_params *params)
{
	char version[64], next[64];

	(void)arg;
	if (strstr(params->path, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"))
		note("? list by events%s", parameter(params->path, "&resourceVersion=", version));
	else if (strstr(params->path, "watch=1"))
		note("? watch %s", parameter(params->path, "resourceVersion=", version));
	else if (strstr(params->path, "limit=1&"))
		note("? probe");
	else
		note("? list %s%s", parameter(params->path, "limit=", version),
		     *parameter(params->path, "continue=", next) ? " continued" : "");
	note("%s%s\n", strstr(params->path, "fieldSelector") ? "" : " all",
	     params->is_fresh ? " fresh" : "");
}

static int put(void *arg, const char *namespace, const char *name, const cJSON *object)
{
	const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	const cJSON *version = cJSON_GetObjectItemCaseSensitive(metadata, "resourceVersion");

	(void)arg;
	cr_expect_null(cJSON_GetObjectItemCaseSensitive(metadata, "managedFields"));
	cr_expect_str_eq(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, "name")),
			 name);
	if (world.refuse && strcmp(name, world.refuse) == 0) {
		note("~%s\n", name);
		return 1;
	}
	if (world.fail && strcmp(name, world.fail) == 0) {
		world.fail = NULL;
		return -ENOMEM;
	}
	note("+%s%s%s %s\n", namespace, *namespace ? "/" : "", name,
	     version ? version->valuestring : "");
	return 0;
}

static int remove_object(void *arg, const char *namespace, const char *name, bool is_told)
{
	(void)arg;
	note("-%s%s%s%s\n", namespace, *namespace ? "/" : "", name, is_told ? "" : " untold");
	return 0;
}

static void begun(void *arg)
{
	(void)arg;
}

static void listed(void *arg)
{
	struct kubernetes_watch watch;

	(void)arg;
	reflector_watch(world.reflector, &watch);
	note("listed %s\n", watch.resource_version);
}

static void failed(void *arg, long status)
{
	struct kubernetes_watch watch;

	(void)arg;
	(void)status;
	reflector_watch(world.reflector, &watch);
	cr_expect_eq(watch.state, KUBERNETES_WAITING);
	note("! %s\n", watch.last_error);
}

static void told(void *arg, int level, const char *text)
{
	size_t len = strlen(world.told);

	(void)arg;
	if (level != LOG_LEVEL_DEBUG)
		snprintf(world.told + len, sizeof(world.told) - len, "%d %s\n", level, text);
}

static void open_world(void)
{
	const struct reflector_events events = {put, remove_object, begun, listed, failed, NULL};
	struct reflector_options options = {
		.resource = &resource,
		.times = {.short_cap = 20, .long_cap = 20, .healthy = 100, .stall = 100},
		.api = &world.api,
		.log = told,
	};

	resource = (struct reflector_resource){
		.name = "services",
		.path = "/api/v1/services",
		.list_kind = "ServiceList",
		.label_selector = "!service.kubernetes.io/service-proxy-name",
		.field_selector = "spec.clusterIP!=None",
		.is_field_selector_optional = true,
		.trim = trim,
	};
	world.api.base = event_base_new();
	world.api.called = called;
	cr_assert_not_null(world.api.base);
	cr_assert_eq(strings_new(&world.pool), 0);
	cr_assert_eq(json_arena_new(&world.arena), 0);
	options.base = world.api.base;
	options.pool = world.pool;
	options.arena = world.arena;
	cr_assert_eq(reflector_new(&options, &events, &world.reflector), 0);
}

static void close_world(void)
{
	reflector_free(world.reflector);
	json_arena_free(world.arena);
	cr_expect_eq(strings_count(world.pool), 0, "strings are left");
	strings_free(world.pool);
	event_base_free(world.api.base);
}

static bool has_called(void *arg)
{
	(void)arg;
	return world.api.n_calls >= world.wanted_calls;
}

/* Plays the script, up to the call after the last answer, which stays open. */
static void play(const struct fake_answer *answers, size_t n)
{
	world.api.answers = answers;
	world.api.n_answers = n;
	world.wanted_calls = n + (answers[n - 1].is_open ? 0 : 1);
	reflector_start(world.reflector);
	fake_run(&world.api, has_called, NULL);
	event_base_loop(world.api.base, EVLOOP_NONBLOCK);
}

#define PLAY(...)                                                                                  \
	do {                                                                                       \
		static const struct fake_answer answers_[] = {__VA_ARGS__};                        \
		play(answers_, ARRAY_SIZE(answers_));                                              \
	} while (0)

#define EXPECT_LOG(expected) cr_expect_str_eq(world.log, expected, "%s", world.log)

/* ------------------------------------------------------------------ small answers */

#define OBJECT(name, version)                                                                      \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"d\",\"uid\":\"u-" name               \
	"\",\"resourceVersion\":\"" version                                                        \
	"\",\"managedFields\":[{\"a\":\"]}\\\"\"}]},\"spec\":{\"x\":\"\\\"}{\\\\\"}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define BOOKMARK(version)                                                                          \
	EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"spec\":null}")
#define LIST_END(version)                                                                          \
	EVENT("BOOKMARK",                                                                          \
	      "{\"metadata\":{\"resourceVersion\":\"" version                                      \
	      "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}},\"spec\":null}")
#define STATUS(code, message)                                                                      \
	"{\"kind\":\"Status\",\"metadata\":{},\"message\":\"" message "\",\"code\":" code "}"
#define LIST(version, items)                                                                       \
	"{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":"       \
	"\"" version "\"},\"items\":[" items "]}"
#define PAGE(version, items)                                                                       \
	"{\"kind\":\"ServiceList\",\"metadata\":{\"resourceVersion\":\"" version                   \
	"\",\"continue\":\"a+b=\"},\"items\":[" items "]}"

#define ADDED(name, version) EVENT("ADDED", OBJECT(name, version))

/* Two objects at version 7, by events, or one; the answer goes on as a watch. */
#define LISTED_A ADDED("a", "5") LIST_END("7")
#define LISTED_7 ADDED("a", "5") ADDED("b", "3") LIST_END("7")

#endif
