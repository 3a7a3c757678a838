/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd/status.h"
#include "datapath/ip_forwarding.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define NS_PER_S 1000000000ull

static const struct status_feature features[] = {
	{SVC_FEATURE_CMPXCHG, "cmpxchg", "BPF atomics with fetch (Linux 5.12)",
	 "reverse translations are kept in each socket's storage: a connect costs more"},
	{SVC_FEATURE_SET_RETVAL, "setRetval", "bpf_set_retval (Linux 5.18)",
	 "a connect to a Service without backends fails with EPERM, not ECONNREFUSED"},
	{SVC_FEATURE_NETNS_COOKIE, "netnsCookie", "SO_NETNS_COOKIE (Linux 5.14)",
	 "NodePorts on loopback answer in the first network namespace of the host only"},
	{SVC_FEATURE_SOCK_DESTROY, "sockDestroy", "SOCK_DESTROY (CONFIG_INET_DIAG_DESTROY)",
	 "connected UDP sockets stay with a backend that has left until they connect again"},
	{SVC_FEATURE_NETNS_ENTER, "netnsEnter", "CAP_SYS_ADMIN, to enter network namespaces",
	 "connected UDP sockets of pods stay with a backend that has left until they connect "
	 "again"},
	{SVC_FEATURE_TCX, "tcx", "TCX links (Linux 6.6)",
	 "the packet programs are attached as filters of a clsact qdisc, which others may remove"},
};

const struct status_feature *status_features(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(features);
	return features;
}

const char *status_source_kind(const struct svc_meta *meta)
{
	static const char *const names[] = {
		[SVC_SOURCE_MANIFESTS] = "manifests", [SVC_SOURCE_KUBERNETES] = "kubernetes"};

	return meta->source_kind < ARRAY_SIZE(names) ? names[meta->source_kind] : NULL;
}

const char *status_source_state(const struct svc_meta *meta)
{
	static const char *const names[] = {
		[SVC_SOURCE_STARTING] = "starting",
		[SVC_SOURCE_IN_STEP] = "in step",
		[SVC_SOURCE_LOST] = "lost",
		[SVC_SOURCE_SAVED] = "not reached yet",
	};

	return meta->source_state < ARRAY_SIZE(names) ? names[meta->source_state] : "?";
}

const char *status_format_age(uint64_t age_ns, char buf[STATUS_AGE_MAX])
{
	const unsigned long long s = age_ns / NS_PER_S;

	if (s < 120)
		snprintf(buf, STATUS_AGE_MAX, "%llu s", s);
	else if (s < 120 * 60)
		snprintf(buf, STATUS_AGE_MAX, "%llu min", s / 60);
	else if (s < 48 * 3600)
		snprintf(buf, STATUS_AGE_MAX, "%llu h", s / 3600);
	else
		snprintf(buf, STATUS_AGE_MAX, "%llu d", s / 86400);
	return buf;
}

const char *status_format_time(uint64_t ns, char buf[STATUS_TIME_MAX])
{
	const time_t s = (time_t)(ns / NS_PER_S);
	struct tm tm;

	if (!gmtime_r(&s, &tm) || !strftime(buf, STATUS_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(buf, STATUS_TIME_MAX, "?");
	return buf;
}

/* The callbacks of the reader cannot fail: what they could not keep is remembered here. */
struct collector {
	struct status *status;
	bool is_out_of_memory;
};

static void collect_link(void *arg, const struct datapath_link *link)
{
	struct collector *collector = arg;
	struct status *status = collector->status;
	struct status_link *grown =
		reallocarray(status->links, status->n_links + 1, sizeof(*grown));

	if (!grown) {
		collector->is_out_of_memory = true;
		return;
	}
	status->links = grown;
	grown += status->n_links++;
	snprintf(grown->name, sizeof(grown->name), "%s", link->name);
	grown->program_id = link->program_id;
	grown->cgroup_id = link->cgroup_id;
}

static void collect_fill(void *arg, const struct datapath_map_fill *fill)
{
	struct collector *collector = arg;
	struct status *status = collector->status;
	struct datapath_map_fill *grown =
		reallocarray(status->fills, status->n_fills + 1, sizeof(*grown));

	if (!grown) {
		collector->is_out_of_memory = true;
		return;
	}
	status->fills = grown;
	grown[status->n_fills++] = *fill;
}

static int collect_problems(const struct datapath_reader *reader, struct status *status)
{
	uint32_t n = status->meta.n_problems;

	if (n > SVC_MAX_PROBLEMS)
		n = SVC_MAX_PROBLEMS;
	status->problems = calloc(n + 1, sizeof(*status->problems));
	if (!status->problems)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		int r = datapath_read_problem(reader, i, status->problems[i].text);

		if (r < 0)
			return r;
		status->n_problems++;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct status_link *)a)->name, ((const struct status_link *)b)->name);
}

int status_collect(const struct datapath_reader *reader, const char *pin_dir, struct status *ret)
{
	struct collector collector = {.status = ret};
	int r;

	ret->now_ns = clock_now_ns(CLOCK_REALTIME);
	ret->pin_dir = pin_dir;
	ret->meta = *datapath_reader_meta(reader);
	ret->is_running = datapath_reader_is_running(reader);
	ret->is_elsewhere = datapath_reader_is_elsewhere(reader);
	/* The agent looks now and then; who has just turned it on asks again at once. */
	if (!ret->is_elsewhere)
		ret->meta.flows.forwarding &= ip_forwarding_off();
	r = datapath_read_links(pin_dir, collect_link, &collector);
	if (r == 0)
		r = datapath_read_fill(reader, collect_fill, &collector);
	if (r == 0)
		r = datapath_read_families(reader, ret->has_services);
	if (r == 0)
		r = collect_problems(reader, ret);
	if (r == 0)
		r = status_collect_devices(reader, ret);
	if (r < 0)
		return r;
	if (ret->n_links)
		qsort(ret->links, ret->n_links, sizeof(*ret->links), by_name);
	return collector.is_out_of_memory ? -ENOMEM : 0;
}

void status_clear(struct status *status)
{
	free(status->links);
	free(status->fills);
	free(status->problems);
	free(status->devices);
	status->links = NULL;
	status->fills = NULL;
	status->problems = NULL;
	status->devices = NULL;
}
