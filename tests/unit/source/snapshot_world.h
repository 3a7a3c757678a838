/* SPDX-License-Identifier: Apache-2.0 */
/* A model with objects of all kinds, and a folder to save it in and load it from. */
#ifndef TESTS_UNIT_SOURCE_SNAPSHOT_WORLD_H
#define TESTS_UNIT_SOURCE_SNAPSHOT_WORLD_H

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "decoding.h"
#include "model/model.h"
#include "source/snapshot.h"
#include "util/cleanup.h"

#define NODE	"n1"
#define SAVED_S 1750000000

/* ------------------------------------------------------------------ a model, and where to load */

struct world {
	char dir[64];
	struct strings *pool;
	struct model *model;
	size_t n_told;
	size_t n_synced;
	const char *fail; /* the callback that fails */
};

static inline struct world world_open(void)
{
	struct world world = {.dir = "/tmp/svcbpf-snapshot.XXXXXX"};

	cr_assert(mkdtemp(world.dir));
	cr_assert_eq(strings_new(&world.pool), 0);
	cr_assert_eq(model_new(NODE, world.pool, &world.model), 0);
	return world;
}

/* Forget all objects. */
static inline void world_reset(struct world *world)
{
	model_free(world->model);
	cr_assert_eq(strings_count(world->pool), 0u, "strings are left over");
	cr_assert_eq(model_new(NODE, world->pool, &world->model), 0);
	world->n_told = world->n_synced = 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void world_close(struct world *world)
{
	model_free(world->model);
	strings_free(world->pool);
	nftw(world->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int told(struct world *world, const char *what)
{
	world->n_told++;
	return world->fail && strcmp(world->fail, what) == 0 ? -EIO : 0;
}

static inline int on_service(void *arg, struct k8s_service *service)
{
	struct world *world = arg;
	int r = told(world, "service");
	int w = model_put_service(world->model, service);

	return r < 0 ? r : w;
}

static inline int on_slice(void *arg, struct k8s_slice *slice)
{
	struct world *world = arg;
	int r = told(world, "slice");
	int w = model_put_slice(world->model, slice);

	return r < 0 ? r : w;
}

static inline int on_node(void *arg, struct k8s_node *node)
{
	struct world *world = arg;
	int r = told(world, "node");
	int w = model_set_node(world->model, node);

	return r < 0 ? r : w;
}

static inline int on_synced(void *arg)
{
	struct world *world = arg;

	world->n_synced++;
	return told(world, "synced");
}

static inline struct source_events events_of(struct world *world)
{
	return (struct source_events){
		.put_service = on_service,
		.put_slice = on_slice,
		.set_node = on_node,
		.synced = on_synced,
		.arg = world,
	};
}

static inline int load(struct world *world, const char *node_name, struct snapshot_info *info,
		       struct snapshot_error *error)
{
	const struct source_events events = events_of(world);

	return snapshot_load(world->dir, node_name, world->pool, &events, info, error);
}

/* ------------------------------------------------------------------ objects */

static inline void put(struct world *world, const char *yaml)
{
	cJSON *tree = decoding_tree(yaml);
	const char *kind = cJSON_GetStringValue(cJSON_GetObjectItem(tree, "kind"));
	struct decode_error error = {};
	struct k8s_service *service = NULL;
	struct k8s_slice *slice = NULL;
	struct k8s_node *node = NULL;
	int r;

	if (strcmp(kind, "Service") == 0) {
		r = decode_service(tree, world->pool, &service, &error);
		r = r < 0 ? r : model_put_service(world->model, service);
	} else if (strcmp(kind, "Node") == 0) {
		r = decode_node(tree, world->pool, &node, &error);
		r = r < 0 ? r : model_set_node(world->model, node);
	} else {
		r = decode_slice(tree, world->pool, &slice, &error);
		r = r < 0 ? r : model_put_slice(world->model, slice);
	}
	cr_assert_eq(r, 0, "%s: %s", yaml, error.text);
	cJSON_Delete(tree);
}

/* Between them, every field has a value that is not its default. */
static const char *const objects[] = {
	"kind: Node\n"
	"metadata:\n"
	"  name: n1\n"
	"  labels: {topology.kubernetes.io/zone: z1}\n"
	"spec: {taints: [{key: ToBeDeletedByClusterAutoscaler}]}\n"
	"status: {addresses: [{type: InternalIP, address: 192.0.2.1},\n"
	"  {type: ExternalIP, address: \"2001:db8::1\"}]}\n",
	"kind: Service\n"
	"metadata: {name: all, namespace: default, creationTimestamp: \"2026-01-02T03:04:05Z\",\n"
	"  annotations: {svcbpf.io/algorithm: maglev}}\n"
	"spec:\n"
	"  type: LoadBalancer\n"
	"  clusterIP: 10.96.0.10\n"
	"  clusterIPs: [10.96.0.10, \"fd00::10\"]\n"
	"  ipFamilies: [IPv4, IPv6]\n"
	"  externalIPs: [198.51.100.7]\n"
	"  loadBalancerSourceRanges: [10.0.0.0/8, \"2001:db8::/32\"]\n"
	"  externalTrafficPolicy: Local\n"
	"  internalTrafficPolicy: Local\n"
	"  healthCheckNodePort: 32000\n"
	"  sessionAffinity: ClientIP\n"
	"  sessionAffinityConfig: {clientIP: {timeoutSeconds: 86400}}\n"
	"  ports:\n"
	"  - {name: http, port: 80, nodePort: 30080}\n"
	"  - {name: dns, protocol: UDP, port: 53}\n"
	"status: {loadBalancer: {ingress: [{ip: 203.0.113.1}, {ip: 203.0.113.2, ipMode: "
	"Proxy}]}}\n",
	"kind: Service\n"
	"metadata:\n"
	"  name: excluded\n"
	"  namespace: other\n"
	"  labels: {service.kubernetes.io/service-proxy-name: x}\n"
	"  annotations: {svcbpf.io/algorithm: x}\n"
	"spec: {clusterIP: None, ports: [{port: 65535}]}\n",
	"kind: Service\n"
	"metadata: {name: manifest, namespace: other}\n"
	"spec: {type: NodePort, ports: [{port: 1, nodePort: 65535}]}\n",
	"kind: EndpointSlice\n"
	"metadata:\n"
	"  name: all-1\n"
	"  namespace: default\n"
	"  labels: {kubernetes.io/service-name: all}\n"
	"  annotations: {endpoints.kubernetes.io/last-change-trigger-time: "
	"\"2026-01-02T03:04:06Z\"}\n"
	"addressType: IPv4\n"
	"ports: [{name: http, port: 8080}, {name: dns, protocol: UDP, port: 53}]\n"
	"endpoints:\n"
	"- addresses: [10.244.1.1]\n"
	"  nodeName: n1\n"
	"  hints: {forZones: [{name: z1}, {name: z2}], forNodes: [{name: n1}]}\n"
	"- addresses: [10.244.2.1]\n"
	"  nodeName: n2\n"
	"  conditions: {ready: false, serving: true, terminating: true}\n"
	"- addresses: [10.244.3.1]\n"
	"  conditions: {ready: false, serving: false}\n",
	"kind: EndpointSlice\n"
	"metadata: {name: all-2, namespace: default, labels: {kubernetes.io/service-name: all}}\n"
	"addressType: IPv6\n"
	"ports: []\n"
	"endpoints: [{addresses: [\"fd01::1\"], nodeName: n1}]\n",
	"kind: EndpointSlice\n"
	"metadata: {name: empty, namespace: other, labels: {kubernetes.io/service-name: none}}\n"
	"addressType: IPv4\n"
	"endpoints: null\n",
};

static inline void put_all(struct world *world)
{
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		put(world, objects[i]);
}

/* ------------------------------------------------------------------ files */

struct bytes {
	uint8_t *at;
	size_t len;
};

static inline void bytes_free(struct bytes *bytes)
{
	free(bytes->at);
}

static inline struct bytes encode(const struct world *world)
{
	struct bytes bytes = {};
	void *data = NULL;

	cr_assert_eq(snapshot_encode(world->model, SAVED_S, &data, &bytes.len), 0);
	bytes.at = data;
	return bytes;
}

static inline size_t count_files(const char *dir)
{
	_closedir_ DIR *folder = opendir(dir);
	const struct dirent *entry;
	size_t n = 0;

	cr_assert(folder);
	while ((entry = readdir(folder)))
		n += entry->d_name[0] != '.';
	return n;
}

#endif
