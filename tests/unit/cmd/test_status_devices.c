/* SPDX-License-Identifier: Apache-2.0 */
/* What `svcbpf status` says of the devices with packet programs. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cmd/status.h"
#include "util/cleanup.h"

/* sparse takes a string in parentheses for no string: NOLINTBEGIN(bugprone-macro-parentheses) */
#define DEVICE(n, device_name, hook)                                                               \
	.ifindex = (n), .name = device_name, .ingress = (hook), .egress = (hook),                  \
	.ingress_program_id = (n)*10, .egress_program_id = (n)*10 + 1
/* NOLINTEND(bugprone-macro-parentheses) */

static struct datapath_map_fill fills[] = {{"flows4", 10, 64}};

static struct status status_of(struct datapath_device *devices, size_t n)
{
	static const uint8_t addr4[4] = {192, 0, 2, 1}, addr6[16] = {0x20, 1, 13, 0xb8, [15] = 1};
	struct status status = {
		.devices = devices,
		.n_devices = n,
		.fills = fills,
		.n_fills = 1,
		.is_running = true,
	};

	for (size_t i = 0; i < n; i++)
		memcpy(&devices[i].value.addr4, addr4, sizeof(addr4));
	memcpy(devices[0].value.addr6, addr6, sizeof(addr6));
	devices[0].value.flags = SVC_DEVICE_F_UPLINK;
	return status;
}

static const char *text_of(const struct status *status)
{
	static char text[4096];
	FILE *out = fmemopen(text, sizeof(text), "we");

	cr_assert(out);
	status_print_devices(out, status);
	fclose(out);
	return text;
}

Test(status_devices, uplinks_with_addresses_then_pods)
{
	struct datapath_device devices[] = {
		{DEVICE(2, "eth0", DATAPATH_HOOK_TCX)},
		{DEVICE(3, "cni0", DATAPATH_HOOK_TCX)},
		{DEVICE(9, "", DATAPATH_HOOK_NONE)},
		{DEVICE(4, "cali1", DATAPATH_HOOK_CLSACT)},
	};
	struct status status = status_of(devices, ARRAY_SIZE(devices));

	cr_expect_str_eq(text_of(&status),
			 "devices    3 with packet programs, by TCX, by clsact filters\n"
			 "           uplinks: eth0 (192.0.2.1, 2001:db8::1)\n"
			 "           pods: cni0, cali1\n");
	status_judge_devices(&status);
	cr_expect_eq(status.n_reasons, 0u, "%s", status.reasons[0]);
}

Test(status_devices, many_pods_are_counted)
{
	struct datapath_device devices[40] = {};
	struct status status;

	for (uint32_t i = 0; i < ARRAY_SIZE(devices); i++) {
		devices[i] = (struct datapath_device){DEVICE(i + 2, "", DATAPATH_HOOK_TCX)};
		snprintf(devices[i].name, sizeof(devices[i].name), "v%u", i);
	}
	status = status_of(devices, ARRAY_SIZE(devices));
	cr_expect(strstr(text_of(&status), "pods: v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, "
					   "v12 and 27 more\n"),
		  "%s", text_of(&status));
}

Test(status_devices, the_packet_path_is_off)
{
	struct status status = {.is_running = true};

	cr_expect_str_eq(text_of(&status),
			 "devices    none: the packet path is off (--devices none)\n");
	status_judge_devices(&status);
	cr_expect_eq(status.n_reasons, 0u);
}

Test(status_devices, a_device_without_its_programs_is_wrong)
{
	struct datapath_device devices[] = {
		{DEVICE(2, "eth0", DATAPATH_HOOK_NONE)},
		{DEVICE(3, "eth1", DATAPATH_HOOK_TCX)},
	};
	struct status status = status_of(devices, ARRAY_SIZE(devices));

	devices[1].egress = DATAPATH_HOOK_NONE;
	status_judge_devices(&status);
	cr_assert_eq(status.n_reasons, 2u);
	cr_expect_str_eq(status.reasons[0],
			 "device eth0: no packet program at ingress and egress; the agent attaches "
			 "it again within a minute");
	status.is_running = false;
	status.n_reasons = 0;
	status_judge_devices(&status);
	cr_expect_str_eq(status.reasons[1],
			 "device eth1: no packet program at egress; start 'svcbpf run'");
}

/* Numbers there are not those of devices here. */
Test(status_devices, those_of_another_network_namespace_are_not_judged)
{
	struct datapath_device devices[] = {
		{DEVICE(2, "", DATAPATH_HOOK_NONE)},
		{DEVICE(3, "", DATAPATH_HOOK_NONE)},
	};
	struct status status = status_of(devices, ARRAY_SIZE(devices));

	status.is_elsewhere = true;
	status.meta.agent_pid = 42;
	cr_expect_str_eq(text_of(&status),
			 "devices    2, in the agent's network namespace, which is not this one: "
			 "not checked\n"
			 "           nsenter -t 42 -n svcbpf status shows them\n");
	status_judge_devices(&status);
	cr_expect_eq(status.n_reasons, 0u);
	status.is_running = false;
	cr_expect_not(strstr(text_of(&status), "nsenter"));
}

Test(status_devices, json)
{
	struct datapath_device devices[] = {
		{DEVICE(2, "eth0", DATAPATH_HOOK_TCX)},
		{DEVICE(3, "", DATAPATH_HOOK_NONE)},
	};
	struct status status = status_of(devices, ARRAY_SIZE(devices));
	static char text[4096];
	FILE *out = fmemopen(text, sizeof(text), "we");
	_cleanup_(print_doc_freep) struct print_doc *doc = NULL;

	cr_assert(out);
	cr_assert_eq(print_doc_open(out, PRINT_JSON, &doc), 0);
	cr_assert_eq(status_devices_doc(doc, &status), 0);
	cr_assert_eq(print_doc_close(doc), 0);
	fclose(out);
	cr_expect(strstr(text, "{\"name\":\"eth0\",\"ifindex\":2,\"uplink\":true,"
			       "\"address4\":\"192.0.2.1\",\"address6\":\"2001:db8::1\","
			       "\"ingress\":\"tcx\",\"egress\":\"tcx\","
			       "\"xdp\":null,\"ingressProgramId\":20,\"egressProgramId\":21,"
			       "\"xdpProgramId\":0}"),
		  "%s", text);
	cr_expect(strstr(text, "{\"name\":null,\"ifindex\":3,\"uplink\":false,"
			       "\"address4\":\"192.0.2.1\",\"address6\":null,"
			       "\"ingress\":null,\"egress\":null,"),
		  "%s", text);
}
