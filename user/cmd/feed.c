/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/feed.h"

#include "util/strings.h"

static int put_service(void *arg, struct k8s_service *service)
{
	const struct feed *feed = arg;

	return model_put_service(feed->model, service);
}

static int remove_service(void *arg, const char *namespace, const char *name)
{
	const struct feed *feed = arg;

	return model_remove_service(feed->model, namespace, name);
}

static int put_slice(void *arg, struct k8s_slice *slice)
{
	const struct feed *feed = arg;

	return model_put_slice(feed->model, slice);
}

static int remove_slice(void *arg, const char *namespace, const char *name)
{
	const struct feed *feed = arg;

	return model_remove_slice(feed->model, namespace, name);
}

static int set_node(void *arg, struct k8s_node *node)
{
	const struct feed *feed = arg;

	if (feed->node)
		feed->node(feed->arg, node);
	return model_set_node(feed->model, node);
}

static void rejected(void *arg, const char *where, const char *object, const char *text)
{
	const struct feed *feed = arg;

	feed->rejected(feed->arg, where, object, text);
}

static int synced(void *arg)
{
	const struct feed *feed = arg;

	return feed->synced(feed->arg);
}

int feed_open(struct feed *feed, const struct options *options)
{
	const struct source_events events = {
		.put_service = put_service,
		.remove_service = remove_service,
		.put_slice = put_slice,
		.remove_slice = remove_slice,
		.set_node = set_node,
		.rejected = rejected,
		.synced = synced,
		.arg = feed,
	};
	int r = strings_new(&feed->strings);

	if (r == 0)
		r = model_new(options->node_name, feed->strings, &feed->model);
	if (r < 0)
		return r;
	return manifests_new(options->manifests, options->n_manifests, model_node_name(feed->model),
			     feed->strings, &events, &feed->manifests);
}

void feed_close(struct feed *feed)
{
	manifests_free(feed->manifests);
	model_free(feed->model);
	strings_free(feed->strings);
	feed->manifests = NULL;
	feed->model = NULL;
	feed->strings = NULL;
}
