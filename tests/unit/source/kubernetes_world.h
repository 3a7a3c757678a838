/* SPDX-License-Identifier: Apache-2.0 */
/* The Kubernetes source between a scripted API server and a log of what the receiver is told. */
#ifndef TESTS_UNIT_SOURCE_KUBERNETES_WORLD_H
#define TESTS_UNIT_SOURCE_KUBERNETES_WORLD_H

#include "unit/source/fake_api.h"

#include <stdarg.h>

#include "source/kubernetes.h"
#include "util/log.h"

#define LOG_BYTES 65536

/**
 * struct world - the source between a script and a log.
 * @wanted: run until the log has this.
 * @sync_ms: how long synced() takes.
 * @fail: the next line with this text fails once.
 */
struct world {
	struct api api;
	struct strings *pool;
	struct kubernetes *kubernetes;
	char log[LOG_BYTES];
	char told[4096];
	const char *wanted;
	const char *fail;
	unsigned sync_ms;
	size_t n_synced;
};

static struct world world;

__attribute__((format(printf, 1, 2))) static int note(const char *format, ...)
{
	size_t len = strlen(world.log);
	va_list args;

	va_start(args, format);
	vsnprintf(world.log + len, sizeof(world.log) - len, format, args);
	va_end(args);
	if (!world.fail || !strstr(world.log + len, world.fail))
		return 0;
	world.fail = NULL;
	return -EIO;
}

static int put_service(void *arg, struct k8s_service *service)
{
	char ip[ADDR_TEXT_MAX];
	int r = note("+service %s/%s %s\n", service->namespace, service->name,
		     service->is_headless ? "headless" : addr_format(&service->cluster_ip, ip));

	(void)arg;
	k8s_service_free(world.pool, service);
	return r;
}

static int remove_service(void *arg, const char *namespace, const char *name)
{
	(void)arg;
	return note("-service %s/%s\n", namespace, name);
}

static int put_slice(void *arg, struct k8s_slice *slice)
{
	int r = note("+slice %s/%s %s", slice->namespace, slice->name,
		     slice->service ? slice->service : "none");

	(void)arg;
	for (size_t i = 0; i < slice->n_endpoints; i++) {
		struct addr addr = {.family = slice->family};
		const uint32_t flags = slice->endpoints[i].flags;
		char ip[ADDR_TEXT_MAX];

		memcpy(addr.bytes, slice->endpoints[i].addr, sizeof(addr.bytes));
		note(" %s%s%s%s", addr_format(&addr, ip), flags & K8S_ENDPOINT_READY ? "R" : "-",
		     flags & K8S_ENDPOINT_SERVING ? "S" : "-",
		     flags & K8S_ENDPOINT_TERMINATING ? "T" : "-");
	}
	note("\n");
	k8s_slice_free(world.pool, slice);
	return r;
}

static int remove_slice(void *arg, const char *namespace, const char *name)
{
	(void)arg;
	return note("-slice %s/%s\n", namespace, name);
}

static int set_node(void *arg, struct k8s_node *node)
{
	int r = note("node %s %s\n", node ? node->name : "none",
		     node && node->zone ? node->zone : "nowhere");

	(void)arg;
	k8s_node_free(world.pool, node);
	return r;
}

static void rejected(void *arg, const char *where, const char *object, const char *text)
{
	(void)arg;
	cr_expect_str_empty(object);
	note("rejected %s: %s\n", where, text);
}

static int synced(void *arg)
{
	const struct timespec delay = {.tv_nsec = world.sync_ms * 1000000L};

	(void)arg;
	world.n_synced++;
	nanosleep(&delay, NULL);
	return note("synced\n");
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
	const struct source_events events = {
		.put_service = put_service,
		.remove_service = remove_service,
		.put_slice = put_slice,
		.remove_slice = remove_slice,
		.set_node = set_node,
		.rejected = rejected,
		.synced = synced,
	};
	struct kubernetes_options options = {.node_name = "kn1", .api = &world.api, .log = told};

	world.api.is_by_path = true;
	world.api.base = event_base_new();
	cr_assert_not_null(world.api.base);
	cr_assert_eq(strings_new(&world.pool), 0);
	options.base = world.api.base;
	options.pool = world.pool;
	cr_assert_eq(kubernetes_new(&options, &events, &world.kubernetes), 0);
}

static void close_world(void)
{
	kubernetes_free(world.kubernetes);
	cr_expect_eq(strings_count(world.pool), 0, "strings are left");
	strings_free(world.pool);
	event_base_free(world.api.base);
}

static bool has_wanted(void *arg)
{
	(void)arg;
	return strstr(world.log, world.wanted) != NULL;
}

static void run_until(const char *wanted)
{
	world.wanted = wanted;
	fake_run(&world.api, has_wanted, NULL);
}

static void start(const struct fake_answer *answers, size_t n)
{
	world.api.answers = answers;
	world.api.n_answers = n;
	cr_assert_eq(kubernetes_start(world.kubernetes), 0);
}

#define EXPECT_LOG(expected)                                                                       \
	do {                                                                                       \
		cr_expect_str_eq(world.log, expected, "%s", world.log);                            \
		world.log[0] = '\0';                                                               \
	} while (0)

/* ------------------------------------------------------------------ small answers */

#define META(name, version)                                                                        \
	"\"metadata\":{\"name\":\"" name "\",\"namespace\":\"d\",\"uid\":\"u-" name                \
	"\",\"resourceVersion\":\"" version "\"}"
#define SERVICE(name, version, ip)                                                                 \
	"{\"kind\":\"Service\"," META(name, version) ",\"spec\":{\"clusterIP\":\"" ip              \
						     "\",\"clusterIPs\":[\"" ip "\"],"             \
						     "\"ports\":[{\"port\":80}]}}"
#define BAD_SERVICE(name, version, port)                                                           \
	"{\"kind\":\"Service\"," META(name, version) ",\"spec\":{\"clusterIP\":\"10.0.0.9\","      \
						     "\"ports\":[{\"port\":" port "}]}}"
#define SLICE(name, version, ip)                                                                   \
	"{\"metadata\":{\"name\":\"" name                                                          \
	"\",\"namespace\":\"d\",\"uid\":\"u\",\"resourceVersion\":\"" version                      \
	"\",\"labels\":{\"kubernetes.io/service-name\":\"web\"}},\"addressType\":\"IPv4\","        \
	"\"endpoints\":[{\"addresses\":[\"" ip                                                     \
	"\"],\"targetRef\":{\"kind\":\"Pod\"}}],\"ports\":[{\"name\":\"\",\"port\":8080}]}"
#define NODE(version, zone)                                                                        \
	"{\"metadata\":{\"name\":\"kn1\",\"uid\":\"u\",\"resourceVersion\":\"" version             \
	"\",\"labels\":{\"topology.kubernetes.io/zone\":\"" zone "\"}}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define LIST_END(version)                                                                          \
	EVENT("BOOKMARK",                                                                          \
	      "{\"metadata\":{\"resourceVersion\":\"" version                                      \
	      "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}},\"endpoints\":null}")

#define GONE "{\"code\":410,\"message\":\"too old\",\"metadata\":{}}"

#define SERVICES "/services?"
#define SLICES	 "/endpointslices?"
#define NODES	 "/nodes?"

#define SMALL_SERVICES                                                                             \
	{                                                                                          \
		.path = SERVICES,                                                                  \
		.body = EVENT("ADDED", SERVICE("web", "5", "10.0.0.1")) LIST_END("7"),             \
		.is_open = true                                                                    \
	}
#define SMALL_SLICES                                                                               \
	{                                                                                          \
		.path = SLICES,                                                                    \
		.body = EVENT("ADDED", SLICE("web-1", "6", "10.1.0.1")) LIST_END("7"),             \
		.is_open = true                                                                    \
	}
#define SMALL_NODE                                                                                 \
	{                                                                                          \
		.path = NODES, .body = EVENT("ADDED", NODE("3", "a")) LIST_END("7"),               \
		.is_open = true                                                                    \
	}

static const struct fake_answer small[] = {SMALL_SERVICES, SMALL_SLICES, SMALL_NODE};

static inline void start_small(void)
{
	start(small, ARRAY_SIZE(small));
	run_until("synced");
	EXPECT_LOG("+service d/web 10.0.0.1\n+slice d/web-1 web 10.1.0.1RS-\nnode kn1 a\nsynced\n");
}

static void push(const char *path, const char *body)
{
	cr_expect_eq(fake_push(&world.api, path, body), 0);
}

#endif
