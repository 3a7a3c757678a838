/* SPDX-License-Identifier: Apache-2.0 */
/* The devices with packet programs: collected, judged, shown. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/status.h"
#include "util/addr.h"

/* Of those behind which pods are there may be hundreds. */
#define MAX_NAMES 12

static const char *const hook_names[] = {
	[DATAPATH_HOOK_NONE] = NULL,
	[DATAPATH_HOOK_TCX] = "tcx",
	[DATAPATH_HOOK_CLSACT] = "clsact",
};

static const char *const xdp_names[] = {
	[DATAPATH_XDP_OFF] = NULL,
	[DATAPATH_XDP_NATIVE] = "native",
	[DATAPATH_XDP_GENERIC] = "generic",
};

static bool is_uplink(const struct datapath_device *device)
{
	return device->value.flags & SVC_DEVICE_F_UPLINK;
}

/* An address of the entry. Return: NULL when it has none of that family. */
static const char *format_addr(const struct svc_device *value, uint8_t family,
			       char buf[ADDR_TEXT_MAX])
{
	static const uint8_t none[16];
	const void *bytes = family == ADDR_IPV4 ? (const void *)&value->addr4 : value->addr6;
	const size_t len_bytes = family == ADDR_IPV4 ? 4 : 16;
	struct addr addr = {.family = family};

	if (memcmp(bytes, none, len_bytes) == 0)
		return NULL;
	memcpy(addr.bytes, bytes, len_bytes);
	return addr_format(&addr, buf);
}

/* ------------------------------------------------------------------ collecting and judging */

static int collect_device(void *arg, const struct datapath_device *device)
{
	struct status *status = arg;
	struct datapath_device *grown =
		reallocarray(status->devices, status->n_devices + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	status->devices = grown;
	grown[status->n_devices++] = *device;
	return 0;
}

int status_collect_devices(const struct datapath_reader *reader, struct status *status)
{
	return datapath_read_devices(reader, collect_device, status);
}

/* A device that is gone is the agent's to forget; without one, that is said. */
static void judge_device(struct status *status, const struct datapath_device *device)
{
	const bool has_ingress = device->ingress != DATAPATH_HOOK_NONE;
	const bool has_egress = device->egress != DATAPATH_HOOK_NONE;

	if (status->is_elsewhere || !*device->name || (has_ingress && has_egress))
		return;
	status_add_reason(status, "device %s: no packet program at %s; %s", device->name,
			  has_ingress  ? "egress"
			  : has_egress ? "ingress"
				       : "ingress and egress",
			  status->is_running ? "the agent attaches it again within a minute"
					     : "start 'svcbpf run'");
}

void status_judge_devices(struct status *status)
{
	for (size_t i = 0; i < status->n_devices; i++)
		judge_device(status, &status->devices[i]);
}

/* ------------------------------------------------------------------ for people */

static void print_uplink(FILE *out, const struct datapath_device *device)
{
	char addr4[ADDR_TEXT_MAX], addr6[ADDR_TEXT_MAX];
	const char *text4 = format_addr(&device->value, ADDR_IPV4, addr4);
	const char *text6 = format_addr(&device->value, ADDR_IPV6, addr6);

	fputs(device->name, out);
	if (text4 || text6)
		fprintf(out, " (%s%s%s)", text4 ? text4 : "", text4 && text6 ? ", " : "",
			text6 ? text6 : "");
	if (xdp_names[device->xdp])
		fprintf(out, " with %s XDP", xdp_names[device->xdp]);
}

static void print_names(FILE *out, const struct status *status, bool are_uplinks, const char *title)
{
	size_t n = 0;

	for (size_t i = 0; i < status->n_devices; i++) {
		const struct datapath_device *device = &status->devices[i];

		if (!*device->name || is_uplink(device) != are_uplinks)
			continue;
		if (n < MAX_NAMES) {
			fputs(n ? ", " : title, out);
			if (are_uplinks)
				print_uplink(out, device);
			else
				fputs(device->name, out);
		}
		n++;
	}
	if (n > MAX_NAMES)
		fprintf(out, " and %zu more", n - MAX_NAMES);
}

/* Numbers alone: their names, and what is attached there, are not seen from here. */
static void print_elsewhere(FILE *out, const struct status *status)
{
	fprintf(out,
		"devices    %zu, in the agent's network namespace, which is not this one: not "
		"checked\n",
		status->n_devices);
	if (status->is_running)
		fprintf(out, "           nsenter -t %u -n svcbpf status shows them\n",
			status->meta.agent_pid);
}

void status_print_devices(FILE *out, const struct status *status)
{
	size_t n_hooks[3] = {};

	if (!status_has_flows(status)) {
		fputs("devices    none: the packet path is off (--devices none)\n", out);
		return;
	}
	if (status->is_elsewhere) {
		print_elsewhere(out, status);
		return;
	}
	for (size_t i = 0; i < status->n_devices; i++)
		n_hooks[status->devices[i].ingress]++;
	fprintf(out, "devices    %zu with packet programs",
		n_hooks[DATAPATH_HOOK_TCX] + n_hooks[DATAPATH_HOOK_CLSACT]);
	if (n_hooks[DATAPATH_HOOK_TCX])
		fputs(", by TCX", out);
	if (n_hooks[DATAPATH_HOOK_CLSACT])
		fputs(", by clsact filters", out);
	print_names(out, status, true, "\n           uplinks: ");
	print_names(out, status, false, "\n           pods: ");
	fputc('\n', out);
}

/* ------------------------------------------------------------------ for programs */

static cJSON *add_text(cJSON *object, const char *key, const char *text)
{
	return text ? cJSON_AddStringToObject(object, key, text)
		    : cJSON_AddNullToObject(object, key);
}

static cJSON *device_json(const struct datapath_device *device)
{
	const struct svc_device *value = &device->value;
	char addr4[ADDR_TEXT_MAX], addr6[ADDR_TEXT_MAX];
	cJSON *object = cJSON_CreateObject();

	if (add_text(object, "name", *device->name ? device->name : NULL) &&
	    cJSON_AddNumberToObject(object, "ifindex", device->ifindex) &&
	    cJSON_AddBoolToObject(object, "uplink", is_uplink(device)) &&
	    add_text(object, "address4", format_addr(value, ADDR_IPV4, addr4)) &&
	    add_text(object, "address6", format_addr(value, ADDR_IPV6, addr6)) &&
	    add_text(object, "ingress", hook_names[device->ingress]) &&
	    add_text(object, "egress", hook_names[device->egress]) &&
	    add_text(object, "xdp", xdp_names[device->xdp]) &&
	    cJSON_AddNumberToObject(object, "ingressProgramId", device->ingress_program_id) &&
	    cJSON_AddNumberToObject(object, "egressProgramId", device->egress_program_id) &&
	    cJSON_AddNumberToObject(object, "xdpProgramId", device->xdp_program_id))
		return object;
	cJSON_Delete(object);
	return NULL;
}

int status_devices_doc(struct print_doc *doc, const struct status *status)
{
	static const struct print_list devices = {.key = "devices"};
	int r = print_doc_begin(doc, &devices);

	for (size_t i = 0; r == 0 && i < status->n_devices; i++)
		r = print_doc_row(doc, device_json(&status->devices[i]));
	return r < 0 ? r : print_doc_end(doc);
}
