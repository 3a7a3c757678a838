/* SPDX-License-Identifier: Apache-2.0 */
/* The packet path's devices: followed, and given the programs once the datapath serves. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "cmd/agent.h"
#include "datapath/device_list.h"
#include "datapath/devices.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Changes come in bursts: a pod's device is made, renamed, moved, given addresses, brought up. */
#define SETTLE_MS 5

/* What somebody else has detached is attached again, and what failed is tried again, so often. */
#define CHECK_MS 60000
#define RETRY_MS 5000

/* How long the loop may be kept from other events at a time. */
#define BUDGET_MS 50

static int select_devices(const struct options *options, struct device_list *list,
			  struct device_list *uplinks)
{
	int r = 0;

	if (strcmp(options->devices, "auto") != 0)
		r = device_list_parse(options->devices, list);
	if (r == 0 && options->uplinks)
		r = device_list_parse(options->uplinks, uplinks);
	return r;
}

int agent_devices_open(struct agent *agent)
{
	_cleanup_(device_list_clear) struct device_list list = {};
	_cleanup_(device_list_clear) struct device_list uplinks = {};
	struct devices_selection selection;
	int r;

	if (!agent->options->max_flows) {
		log_info("packet path off (--devices none)");
		return 0;
	}
	if (*agent->options->packet_note)
		log_warn("%s", agent->options->packet_note);
	r = select_devices(agent->options, &list, &uplinks);
	if (r == 0) {
		selection.list = list.n_patterns ? &list : NULL;
		selection.uplinks = uplinks.n_patterns ? &uplinks : NULL;
		r = devices_new(&selection, &agent->devices);
	}
	return r < 0 ? log_error_errno(r, "reading this host's network devices: %m") : 0;
}

void agent_devices_close(struct agent *agent)
{
	if (agent->on_devices)
		event_free(agent->on_devices);
	if (agent->on_devices_settled)
		event_free(agent->on_devices_settled);
	agent->on_devices = NULL;
	agent->on_devices_settled = NULL;
	devices_free(agent->devices);
	agent->devices = NULL;
}

/* ------------------------------------------------------------------ giving them the programs */

static void log_devices(struct agent *agent)
{
	const size_t n_served = datapath_n_devices(agent->datapath);
	size_t n, n_uplinks = 0;
	const struct device *devices = devices_get(agent->devices, &n);
	char names[160] = "";
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (!(devices[i].value.flags & SVC_DEVICE_F_UPLINK) || !devices[i].is_up)
			continue;
		if (len < sizeof(names))
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
						n_uplinks ? ", " : " ", devices[i].name);
		n_uplinks++;
	}
	if (agent->n_devices == n_served && agent->n_uplinks == n_uplinks)
		return;
	agent->n_devices = n_served;
	agent->n_uplinks = n_uplinks;
	log_info("packet path on %zu device%s; %zu uplink%s%s%s", n_served,
		 n_served == 1 ? "" : "s", n_uplinks, n_uplinks == 1 ? "" : "s",
		 n_uplinks ? ":" : "", names);
}

static void add_xdp(void *arg, const char *device, const char *text)
{
	char *note = arg;
	size_t len = strlen(note);

	snprintf(note + len, AGENT_XDP_NOTE_BYTES - len, "%s%s: %s", len ? "; " : "", device, text);
}

static void log_xdp(struct agent *agent)
{
	char note[AGENT_XDP_NOTE_BYTES] = "";

	datapath_for_each_xdp(agent->datapath, add_xdp, note);
	if (strcmp(note, agent->xdp_note) == 0)
		return;
	memcpy(agent->xdp_note, note, sizeof(note));
	log_info("XDP on %s", *note ? note : "no device");
}

static void check_later(struct agent *agent, uint64_t delay_ms)
{
	if (agent->on_devices_settled)
		agent_set_timer(agent->on_devices_settled, delay_ms);
}

/* The devices have changed: what is under way begins anew. */
static void begin_later(struct agent *agent)
{
	agent->is_attaching = false;
	check_later(agent, SETTLE_MS);
}

/* @r: of datapath_set_devices(). */
static void take_result(struct agent *agent, int r)
{
	agent->is_attaching = r > 0;
	if (r < 0)
		log_error_errno(r, "attaching the packet programs: %m; trying again");
	if (r == 0) {
		log_devices(agent);
		log_xdp(agent);
		agent_update_problems(agent);
	}
	check_later(agent, r > 0 ? 0 : r < 0 || agent->has_stale_devices ? RETRY_MS : CHECK_MS);
}

static void go_on(struct agent *agent)
{
	take_result(agent, datapath_set_more_devices(agent->datapath, BUDGET_MS));
}

void agent_devices_begin(struct agent *agent)
{
	const struct device *devices;
	size_t n;
	int r;

	if (!agent->devices)
		return;
	r = devices_refresh(agent->devices);
	if (r < 0)
		log_warn_errno(r, "reading this host's network devices: %m; trying again");
	agent->has_stale_devices = r < 0;
	devices = devices_get(agent->devices, &n);
	take_result(agent, datapath_set_devices(agent->datapath, devices, n, BUDGET_MS));
	while (agent->options->is_once && agent->is_attaching)
		go_on(agent);
}

void agent_devices_set_node(struct agent *agent, const struct addr *addrs, size_t n_addrs)
{
	int r;

	if (!agent->devices)
		return;
	r = devices_set_node_addresses(agent->devices, addrs, n_addrs);
	if (r < 0)
		log_warn_errno(r, "addresses of node %s: %m", agent->options->node_name);
	if (r > 0 && agent->is_begun)
		begin_later(agent);
}

/* ------------------------------------------------------------------ following them */

static void on_devices(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;
	int r = devices_process(agent->devices);

	(void)fd;
	(void)what;
	if (r < 0)
		log_warn_errno(r, "following this host's network devices: %m");
	if (r != 0 && agent->is_begun)
		begin_later(agent);
}

static void on_settled(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;

	(void)fd;
	(void)what;
	if (agent->is_attaching)
		go_on(agent);
	else
		agent_devices_begin(agent);
}

int agent_devices_make_events(struct agent *agent)
{
	if (!agent->devices)
		return 0;
	agent->on_devices = event_new(agent->base, devices_fd(agent->devices), EV_READ | EV_PERSIST,
				      on_devices, agent);
	agent->on_devices_settled = evtimer_new(agent->base, on_settled, agent);
	if (!agent->on_devices || !agent->on_devices_settled ||
	    event_add(agent->on_devices, NULL) < 0)
		return -ENOMEM;
	return 0;
}
