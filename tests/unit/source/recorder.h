/* SPDX-License-Identifier: Apache-2.0 */
/* A receiver of source events that writes them down as lines, and a folder to put manifests in. */
#ifndef TESTS_UNIT_SOURCE_RECORDER_H
#define TESTS_UNIT_SOURCE_RECORDER_H

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source/manifests.h"

/**
 * struct recorder - what was told since recorder_take().
 * @folder: where the manifests are; left out of "rejected" lines.
 * @fail: the next callback whose line contains this text fails with -EIO; NULL: none.
 * @n_synced: calls of synced, ever.
 */
struct recorder {
	struct strings *pool;
	struct manifests *manifests;
	char folder[64];
	char log[16384];
	const char *fail;
	int n_synced;
};

__attribute__((format(printf, 2, 3))) static int recorder_add(struct recorder *recorder,
							      const char *format, ...)
{
	size_t len = strlen(recorder->log);
	va_list args;

	va_start(args, format);
	vsnprintf(recorder->log + len, sizeof(recorder->log) - len, format, args);
	va_end(args);
	if (!recorder->fail || !strstr(recorder->log + len, recorder->fail))
		return 0;
	recorder->fail = NULL;
	return -EIO;
}

static int recorder_put_service(void *arg, struct k8s_service *service)
{
	struct recorder *recorder = arg;
	char ip[ADDR_TEXT_MAX];
	int r = recorder_add(recorder, "+service %s/%s %s", service->namespace, service->name,
			     service->is_unallocated ? "unallocated"
			     : service->is_headless  ? "headless"
						     : addr_format(&service->cluster_ip, ip));

	for (size_t i = 0; i < service->n_ports; i++)
		recorder_add(recorder, " %s:%u", service->ports[i].name, service->ports[i].port);
	recorder_add(recorder, "\n");
	k8s_service_free(recorder->pool, service);
	return r;
}

static int recorder_remove_service(void *arg, const char *namespace, const char *name)
{
	return recorder_add(arg, "-service %s/%s\n", namespace, name);
}

static int recorder_put_slice(void *arg, struct k8s_slice *slice)
{
	struct recorder *recorder = arg;
	int r = recorder_add(recorder, "+slice %s/%s %s", slice->namespace, slice->name,
			     slice->service ? slice->service : "none");

	for (size_t i = 0; i < slice->n_ports; i++)
		recorder_add(recorder, " %s:%u", slice->ports[i].name, slice->ports[i].port);
	for (size_t i = 0; i < slice->n_endpoints; i++) {
		const struct k8s_endpoint *endpoint = &slice->endpoints[i];
		struct addr addr = {.family = slice->family};
		char ip[ADDR_TEXT_MAX];

		memcpy(addr.bytes, endpoint->addr, sizeof(addr.bytes));
		recorder_add(recorder, " %s%s", addr_format(&addr, ip),
			     endpoint->flags & K8S_ENDPOINT_READY ? "" : "(not ready)");
	}
	recorder_add(recorder, "\n");
	k8s_slice_free(recorder->pool, slice);
	return r;
}

static int recorder_remove_slice(void *arg, const char *namespace, const char *name)
{
	return recorder_add(arg, "-slice %s/%s\n", namespace, name);
}

static int recorder_set_node(void *arg, struct k8s_node *node)
{
	struct recorder *recorder = arg;
	int r = recorder_add(recorder, "node %s zone %s\n", node ? node->name : "none",
			     node && node->zone ? node->zone : "none");

	k8s_node_free(recorder->pool, node);
	return r;
}

/* Places are shown without the folder's name, which is another in each run. */
static void recorder_rejected(void *arg, const char *where, const char *object, const char *text)
{
	struct recorder *recorder = arg;
	size_t len = strlen(recorder->folder);
	char copy[1024], *at;

	if (strncmp(where, recorder->folder, len) == 0 && where[len] == '/')
		where += len + 1;
	snprintf(copy, sizeof(copy), "%s", text);
	at = strstr(copy, recorder->folder);
	if (at)
		memmove(at, at + len + 1, strlen(at + len + 1) + 1);
	recorder_add(recorder, "rejected %s [%s] %s\n", where, object, copy);
}

static int recorder_synced(void *arg)
{
	struct recorder *recorder = arg;

	recorder->n_synced++;
	return recorder_add(recorder, "synced\n");
}

static inline void recorder_write(const struct recorder *recorder, const char *name,
				  const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", recorder->folder, name);
	f = fopen(path, "w");
	cr_assert_not_null(f, "%s: %m", path);
	cr_assert_geq(fputs(text, f), 0);
	cr_assert_eq(fclose(f), 0);
}

static inline void recorder_unlink(const struct recorder *recorder, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", recorder->folder, name);
	cr_assert_eq(unlink(path), 0, "%s: %m", path);
}

/* Makes the source, over @path, in place of any it had. */
static inline void recorder_use_path(struct recorder *recorder, const char *path)
{
	const struct source_events events = {
		.put_service = recorder_put_service,
		.remove_service = recorder_remove_service,
		.put_slice = recorder_put_slice,
		.remove_slice = recorder_remove_slice,
		.set_node = recorder_set_node,
		.rejected = recorder_rejected,
		.synced = recorder_synced,
		.arg = recorder,
	};

	manifests_free(recorder->manifests);
	cr_assert_eq(manifests_new(&path, 1, "n1", recorder->pool, &events, &recorder->manifests),
		     0);
}

/* Makes a folder of its own and a source over it; nothing is loaded yet. */
static inline void recorder_open(struct recorder *recorder)
{
	snprintf(recorder->folder, sizeof(recorder->folder), "/tmp/svcbpf-source-%d-XXXXXX",
		 (int)getpid());
	cr_assert_not_null(mkdtemp(recorder->folder));
	cr_assert_eq(strings_new(&recorder->pool), 0);
	recorder_use_path(recorder, recorder->folder);
}

static int recorder_remove_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void recorder_close(struct recorder *recorder)
{
	manifests_free(recorder->manifests);
	cr_expect_eq(strings_count(recorder->pool), 0, "strings are left");
	strings_free(recorder->pool);
	nftw(recorder->folder, recorder_remove_file, 8, FTW_DEPTH | FTW_PHYS);
}

/* Loads and compares what was told with the lines of @expected. */
#define EXPECT_LOAD(recorder, expected)                                                            \
	do {                                                                                       \
		(recorder)->log[0] = '\0';                                                         \
		cr_expect_eq(manifests_load((recorder)->manifests), 0);                            \
		cr_expect_str_eq((recorder)->log, expected);                                       \
	} while (0)

#endif
