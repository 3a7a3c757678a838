/* SPDX-License-Identifier: Apache-2.0 */
/* The flow table of the packet path: how it is, and what is wrong with it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/status.h"
#include "util/cleanup.h"

#define NS_PER_S 1000000000ull

/* A table fuller than this is about to evict flows. */
#define WARN_PERCENT 90

/* What happened longer ago than this needs no attention now. */
#define RECENT_NS (3600 * NS_PER_S)

static const char *const family_names[] = {"IPv4", "IPv6"};

bool status_has_flows(const struct status *status)
{
	return status_fill(status, "flows4") != NULL;
}

const struct datapath_map_fill *status_fill(const struct status *status, const char *map)
{
	for (size_t i = 0; i < status->n_fills; i++)
		if (strcmp(status->fills[i].name, map) == 0)
			return &status->fills[i];
	return NULL;
}

static bool is_recent(const struct status *status, uint64_t time_ns)
{
	return time_ns && (status->now_ns < time_ns || status->now_ns - time_ns < RECENT_NS);
}

static const char *age(const struct status *status, uint64_t time_ns, char buf[STATUS_AGE_MAX])
{
	return status_format_age(status->now_ns > time_ns ? status->now_ns - time_ns : 0, buf);
}

/* ------------------------------------------------------------------ what is wrong */

static void judge_fill(struct status *status)
{
	static const char *const maps[] = {"flows4", "flows6"};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		const struct datapath_map_fill *fill = status_fill(status, maps[i]);

		if (fill && fill->n_max && fill->n_used * 100 > fill->n_max * WARN_PERCENT)
			status_add_reason(status,
					  "the %s flow table is %llu %% full: a full one gives up "
					  "the flows idle for longest; raise --max-flows",
					  family_names[i],
					  (unsigned long long)(fill->n_used * 100 / fill->n_max));
	}
}

static void judge_losses(struct status *status)
{
	const struct svc_flow_report *flows = &status->meta.flows;
	char text[STATUS_AGE_MAX];

	if (is_recent(status, flows->evicted_ns))
		status_add_reason(status,
				  "%llu flows were given up since the agent's start, last %s ago, "
				  "because the flow table was full: raise --max-flows",
				  (unsigned long long)flows->n_evicted,
				  age(status, flows->evicted_ns, text));
	if (is_recent(status, flows->snat_exhausted_ns))
		status_add_reason(status,
				  "%llu new connections were dropped since the agent's start, last "
				  "%s ago, because no source port was free towards their backend: "
				  "add backends, or widen --snat-ports",
				  (unsigned long long)flows->n_snat_exhausted,
				  age(status, flows->snat_exhausted_ns, text));
}

static void judge_forwarding(struct status *status)
{
	static const char *const settings[] = {"net.ipv4.ip_forward",
					       "net.ipv6.conf.all.forwarding"};
	static const uint32_t bits[] = {SVC_FORWARDING_OFF4, SVC_FORWARDING_OFF6};
	const struct datapath_map_fill *devices = status_fill(status, "devices");

	if (!devices || !devices->n_used)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (status->has_services[i] && status->meta.flows.forwarding & bits[i])
			status_add_reason(status,
					  "%s is off: packets from outside reach no %s backend on "
					  "another node and no pod on this one; set it to 1",
					  settings[i], family_names[i]);
}

void status_judge_flows(struct status *status)
{
	if (!status_has_flows(status))
		return;
	judge_fill(status);
	if (!status->is_running)
		return; /* what the last agent saw */
	judge_losses(status);
	judge_forwarding(status);
}

/* ------------------------------------------------------------------ how it is */

void status_print_flows(FILE *out, const struct status *status)
{
	const struct svc_flow_report *flows = &status->meta.flows;
	char text[STATUS_AGE_MAX];

	if (!status_has_flows(status) || !flows->time_ns)
		return;
	fprintf(out,
		"flows      counted %s ago; since the agent's start %llu timed out, %llu were "
		"given up, %llu found no source port\n",
		age(status, flows->time_ns, text), (unsigned long long)flows->n_expired,
		(unsigned long long)flows->n_evicted, (unsigned long long)flows->n_snat_exhausted);
}

cJSON *status_flows_json(const struct status *status)
{
	const struct svc_flow_report *flows = &status->meta.flows;
	char text[STATUS_TIME_MAX];
	cJSON *object;

	if (!status_has_flows(status))
		return cJSON_CreateNull();
	object = cJSON_CreateObject();
	if ((flows->time_ns ? cJSON_AddStringToObject(object, "time",
						      status_format_time(flows->time_ns, text))
			    : cJSON_AddNullToObject(object, "time")) &&
	    cJSON_AddNumberToObject(object, "expired", (double)flows->n_expired) &&
	    cJSON_AddNumberToObject(object, "evicted", (double)flows->n_evicted) &&
	    cJSON_AddNumberToObject(object, "snatExhausted", (double)flows->n_snat_exhausted) &&
	    cJSON_AddBoolToObject(object, "forwarding4",
				  !(flows->forwarding & SVC_FORWARDING_OFF4)) &&
	    cJSON_AddBoolToObject(object, "forwarding6",
				  !(flows->forwarding & SVC_FORWARDING_OFF6)))
		return object;
	cJSON_Delete(object);
	return NULL;
}
