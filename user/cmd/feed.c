/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/feed.h"

#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/api.h"
#include "source/kubeconfig.h"
#include "source/kubernetes.h"
#include "source/manifests.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/strings.h"

/* ------------------------------------------------------------------ what the source tells */

static int put_service(void *arg, struct k8s_service *service)
{
	const struct feed *feed = arg;

	if (feed->service)
		feed->service(feed->arg);
	return model_put_service(feed->model, service);
}

static int remove_service(void *arg, const char *namespace, const char *name)
{
	const struct feed *feed = arg;

	if (feed->service)
		feed->service(feed->arg);
	return model_remove_service(feed->model, namespace, name);
}

static int put_slice(void *arg, struct k8s_slice *slice)
{
	const struct feed *feed = arg;

	if (feed->slice)
		feed->slice(feed->arg, slice);
	return model_put_slice(feed->model, slice);
}

static int remove_slice(void *arg, const char *namespace, const char *name)
{
	const struct feed *feed = arg;

	if (feed->slice)
		feed->slice(feed->arg, NULL);
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
	struct feed *feed = arg;

	feed->is_synced = true;
	return feed->synced(feed->arg);
}

static void tell(void *arg, int level, const char *text)
{
	const struct feed *feed = arg;

	if (feed->log)
		feed->log(feed->arg, level, text);
}

static void warn(void *arg, const char *text)
{
	tell(arg, LOG_LEVEL_WARN, text);
}

/* ------------------------------------------------------------------ opening */

static int __attribute__((format(printf, 3, 4)))
fail(char *ret_error, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ret_error, FEED_ERROR_MAX, format, args);
	va_end(args);
	return error;
}

static struct source_events source_events(struct feed *feed)
{
	return (struct source_events){
		.put_service = put_service,
		.remove_service = remove_service,
		.put_slice = put_slice,
		.remove_slice = remove_slice,
		.set_node = set_node,
		.rejected = rejected,
		.synced = synced,
		.arg = feed,
	};
}

static int open_manifests(struct feed *feed, const struct options *options)
{
	const struct source_events events = source_events(feed);

	feed->source_name = strdup(options->manifests[0]);
	if (!feed->source_name)
		return -ENOMEM;
	return manifests_new(options->manifests, options->n_manifests, model_node_name(feed->model),
			     feed->strings, &events, &feed->manifests);
}

/* Without --kubeconfig it is what a pod is given; @options->servers go before what either says. */
static int load_config(const struct options *options, struct kubeconfig **ret, char *ret_error)
{
	_cleanup_(kubeconfig_freep) struct kubeconfig *config = NULL;
	struct kubeconfig_error error = {};
	int r = options->kubeconfig
			? kubeconfig_load(options->kubeconfig, options->context, &config, &error)
			: kubeconfig_in_cluster("", &config, &error);

	if (r == 0 && options->n_servers)
		r = kubeconfig_set_servers(config, options->servers, options->n_servers, &error);
	if (r < 0)
		return fail(ret_error, r, "%s", *error.text ? error.text : strerror(-r));
	*ret = TAKE_PTR(config);
	return 0;
}

/*
 * The agent's own connections carry the mark that no program translates: through the Service
 * "kubernetes" it would depend on what it has itself programmed.
 */
static int open_kubernetes(struct feed *feed, const struct options *options, char *ret_error)
{
	const struct source_events events = source_events(feed);
	struct kubernetes_options kubernetes = {
		.node_name = model_node_name(feed->model),
		.pool = feed->strings,
		.base = feed->base,
		.log = tell,
		.log_arg = feed,
		.is_hasty = feed->is_hasty,
	};
	struct kubeconfig *config = NULL;
	int r = load_config(options, &config, ret_error);

	if (r == 0)
		r = api_new(feed->base, config, SVCBPF_VERSION, warn, feed, &feed->api);
	if (r < 0)
		return r;
	if (!options->is_api_through_service)
		api_set_mark(feed->api, SVC_BYPASS_MARK);
	feed->source_name = strdup(api_server(feed->api));
	if (!feed->source_name)
		return -ENOMEM;
	kubernetes.api = feed->api;
	return kubernetes_new(&kubernetes, &events, &feed->kubernetes);
}

int feed_open(struct feed *feed, const struct options *options, struct event_base *base,
	      char ret_error[FEED_ERROR_MAX])
{
	int r;

	ret_error[0] = '\0';
	feed->base = base;
	r = strings_new(&feed->strings);
	if (r == 0)
		r = model_new(options->node_name, feed->strings, &feed->model);
	if (r == 0)
		model_set_algorithm(feed->model, options->algorithm);
	if (r == 0)
		r = options->n_manifests ? open_manifests(feed, options)
					 : open_kubernetes(feed, options, ret_error);
	if (r < 0 && !*ret_error)
		return fail(ret_error, r, "%s", strerror(-r));
	return r;
}

/* ------------------------------------------------------------------ reading */

/* The loop runs until all is read, will not be, or the time is over. */
static int wait_for_kubernetes(struct feed *feed, uint32_t timeout_s, char *ret_error)
{
	const struct timeval timeout = {.tv_sec = (time_t)timeout_s};
	int r = kubernetes_start(feed->kubernetes);

	if (r < 0)
		return r;
	event_base_loopexit(feed->base, &timeout);
	do {
		if (event_base_loop(feed->base, EVLOOP_ONCE) != 0)
			return -EIO;
		if (feed->is_hasty &&
		    kubernetes_refusal(feed->kubernetes, ret_error, FEED_ERROR_MAX))
			return -EACCES;
	} while (!feed->is_synced && !event_base_got_exit(feed->base));
	return feed->is_synced ? 0 : -ETIMEDOUT;
}

int feed_load(struct feed *feed, uint32_t timeout_s, char ret_error[FEED_ERROR_MAX])
{
	if (feed->manifests)
		return manifests_load(feed->manifests);
	return wait_for_kubernetes(feed, timeout_s, ret_error);
}

int feed_start(struct feed *feed)
{
	return feed->kubernetes ? kubernetes_start(feed->kubernetes) : 0;
}

int feed_reload(struct feed *feed)
{
	if (feed->manifests)
		return manifests_load(feed->manifests);
	kubernetes_relist(feed->kubernetes);
	return 0;
}

size_t feed_n_rejected(const struct feed *feed)
{
	return feed->manifests ? manifests_n_rejected(feed->manifests)
			       : kubernetes_n_rejected(feed->kubernetes);
}

uint64_t feed_reject_state(void *arg, const char *where)
{
	const struct feed *feed = arg;

	return feed->manifests ? manifests_reject_state(feed->manifests, where)
			       : kubernetes_reject_state(feed->kubernetes, where);
}

/* What is wrong with this Node. Return: false: nothing. */
static bool describe_node(const struct kubernetes *kubernetes, char *buf, size_t size)
{
	bool is_saved = false;
	const char *error = kubernetes_node_error(kubernetes, &is_saved);

	if (kubernetes_is_node_missing(kubernetes))
		snprintf(buf, size,
			 "the API has none of this name: no backend is local, its zone is unknown, "
			 "and /healthz is 503; see --node-name");
	else if (error && is_saved)
		snprintf(buf, size, "cannot be read, its last known state is used: %s", error);
	else if (error)
		snprintf(buf, size,
			 "cannot be read, its zone and addresses are unknown and /healthz is 503: "
			 "%s",
			 error);
	return error || kubernetes_is_node_missing(kubernetes);
}

void feed_for_each_problem(const struct feed *feed,
			   void (*fn)(void *arg, const char *subject, const char *text), void *arg)
{
	char subject[300];
	char text[700];

	model_for_each_problem(feed->model, fn, arg);
	if (!feed->kubernetes || !describe_node(feed->kubernetes, text, sizeof(text)))
		return;
	snprintf(subject, sizeof(subject), "Node %s", model_node_name(feed->model));
	fn(arg, subject, text);
}

void feed_close(struct feed *feed)
{
	manifests_free(feed->manifests);
	kubernetes_free(feed->kubernetes);
	api_free(feed->api);
	model_free(feed->model);
	strings_free(feed->strings);
	free(feed->source_name);
	feed->manifests = NULL;
	feed->kubernetes = NULL;
	feed->api = NULL;
	feed->model = NULL;
	feed->strings = NULL;
	feed->source_name = NULL;
}
