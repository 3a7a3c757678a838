/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of the flow table, joined and named. */
#include "datapath/flows.h"
#include "unit/datapath/flow_fixture.h"
#include "util/cleanup.h"

TestSuite(flows, .init = mount_bpffs);

/** struct told - the first flows told, names copied, and how many there were. */
struct told {
	struct datapath_flow flows[16];
	char services[16][80];
	size_t n;
};

static int note_flow(void *arg, const struct datapath_flow *flow)
{
	struct told *told = arg;
	size_t i = told->n++;

	if (i >= 16)
		return 0;
	told->flows[i] = *flow;
	snprintf(told->services[i], sizeof(told->services[i]), "%s/%s:%s",
		 flow->service.namespace ? flow->service.namespace : "", flow->service.name,
		 flow->service.port_name);
	return 0;
}

static struct told read_filtered(const struct datapath_flow_filter *filter)
{
	struct datapath_error error = {};
	struct datapath_reader *reader;
	struct told told = {};

	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, &error), 0, "%s", error.text);
	cr_assert(datapath_has_flows(reader));
	cr_assert_eq(datapath_read_flows(reader, filter, note_flow, &told), 0);
	datapath_reader_close(reader);
	return told;
}

static struct told read_all(void)
{
	return read_filtered(&(struct datapath_flow_filter){});
}

static void expect_end(const struct flow_endpoint *end, const char *address, uint16_t port)
{
	char text[ADDR_TEXT_MAX];

	cr_expect_str_eq(addr_format(&end->addr, text), address);
	cr_expect_eq(end->port, port, "%s port %u", address, end->port);
}

static struct datapath *open_flows(uint32_t max_flows)
{
	struct datapath *datapath = open_with_flows(max_flows);

	memcpy(datapath->maps.meta->flows.timeouts_s, test_timeouts_s, sizeof(test_timeouts_s));
	return datapath;
}

/* Two Services "a" and "b" of TCP. */
static void add_services(struct datapath *datapath, uint32_t ret_ids[2])
{
	static struct sample samples[2];
	struct svc_service_info info;

	sample_simple(&samples[0], "a", 1, 244, 1);
	sample_simple(&samples[1], "b", 2, 245, 1);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(datapath_put(datapath, &samples[i].port), 0);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	for (int i = 0; i < 2; i++) {
		convert_info(&samples[i].port.key, &info);
		ret_ids[i] = shadow_find_port(&datapath->shadow, &info)->id;
	}
}

Test(flows, two_entries_are_one_flow)
{
	struct datapath *datapath = open_flows(1024);
	struct made_flow flow = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_ESTABLISHED, 0);
	uint32_t ids[2];
	struct told told;

	add_services(datapath, ids);
	flow.service_id = ids[1];
	flow.source = flow_end("192.0.2.200", 1999);
	flow.flags = SVC_FLOW_F_SNAT | SVC_FLOW_F_REPLIED;
	flow.age_s = 12;
	flow.client_idle_s = 10;
	flow.backend_idle_s = 6;
	put_flow(datapath, &flow, BOTH_ENTRIES);
	told = read_all();
	cr_assert_eq(told.n, 1);
	cr_expect_str_eq(told.services[0], "default/b:p");
	expect_end(&told.flows[0].client, "192.0.2.1", 1024);
	expect_end(&told.flows[0].frontend, "10.96.0.1", 80);
	expect_end(&told.flows[0].backend, "10.244.0.1", 8080);
	expect_end(&told.flows[0].source, "192.0.2.200", 1999);
	cr_expect_eq(told.flows[0].protocol, IPPROTO_TCP);
	cr_expect_eq(told.flows[0].state, SVC_FLOW_TCP_ESTABLISHED);
	cr_expect_eq(told.flows[0].flags, flow.flags);
	cr_expect(told.flows[0].has_forward && told.flows[0].has_reply);
	cr_expect(told.flows[0].age_s - 12 <= 2, "%u", told.flows[0].age_s);
	cr_expect(told.flows[0].idle_s - 6 <= 2, "the younger: %u", told.flows[0].idle_s);
	cr_expect(told.flows[0].client_idle_s - 10 <= 2);
	cr_expect(told.flows[0].backend_idle_s - 6 <= 2);
	cr_expect_eq(told.flows[0].timeout_s, 8640);
	cr_expect_not(told.flows[0].is_over);
	datapath_close(datapath);
}

Test(flows, half_a_flow_is_told_as_far_as_it_is_known)
{
	static const unsigned int halves[] = {FORWARD_ENTRY, REPLY_ENTRY};

	for (size_t i = 0; i < 2; i++) {
		struct datapath *datapath = open_flows(1024);
		struct made_flow flow = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_SYN_SENT, 7);
		struct told told;

		flow.source = flow_end("192.0.2.200", 1999);
		flow.service_id = 60; /* nobody's */
		put_flow(datapath, &flow, halves[i]);
		told = read_all();
		cr_assert_eq(told.n, 1);
		cr_expect_str_eq(told.services[0], "/:", "no such Service");
		expect_end(&told.flows[0].client, "192.0.2.1", 1031);
		expect_end(&told.flows[0].frontend, "10.96.0.1", 80);
		expect_end(&told.flows[0].backend, "10.244.0.1", 8080);
		expect_end(&told.flows[0].source, "192.0.2.200", 1999);
		cr_expect_eq(told.flows[0].has_forward, halves[i] == FORWARD_ENTRY);
		cr_expect_eq(told.flows[0].has_reply, halves[i] == REPLY_ENTRY);
		datapath_close(datapath);
		cr_assert_eq(datapath_cleanup(PIN_DIR, NULL), 0);
	}
}

Test(flows, ipv6)
{
	struct datapath *datapath = open_flows(1024);
	struct made_flow flow = {
		.protocol = IPPROTO_UDP,
		.state = SVC_FLOW_UDP_STREAM,
		.client = flow_end("2001:db8::1", 5353),
		.frontend = flow_end("fd00:96::a", 53),
		.backend = flow_end("fd00:244::7", 1053),
		.source = flow_end("fd00::1", 2000),
		.flags = SVC_FLOW_F_SNAT,
	};
	struct told told;

	put_flow(datapath, &flow, BOTH_ENTRIES);
	told = read_all();
	cr_assert_eq(told.n, 1);
	expect_end(&told.flows[0].client, "2001:db8::1", 5353);
	expect_end(&told.flows[0].frontend, "fd00:96::a", 53);
	expect_end(&told.flows[0].backend, "fd00:244::7", 1053);
	expect_end(&told.flows[0].source, "fd00::1", 2000);
	cr_expect(told.flows[0].has_forward && told.flows[0].has_reply);
	datapath_close(datapath);
}

Test(flows, is_over_when_both_directions_are)
{
	static const struct {
		uint32_t client_idle_s;
		uint32_t backend_idle_s;
		bool is_over;
	} cases[] = {{6, 6, true}, {6, 0, false}, {0, 6, false}, {1, 1, false}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct datapath *datapath = open_flows(1024);
		struct made_flow flow = simple_flow(IPPROTO_UDP, SVC_FLOW_UDP_UNREPLIED, 0);
		struct told told;

		flow.client_idle_s = cases[i].client_idle_s;
		flow.backend_idle_s = cases[i].backend_idle_s;
		put_flow(datapath, &flow, BOTH_ENTRIES);
		told = read_all();
		cr_assert_eq(told.n, 1);
		cr_expect_eq(told.flows[0].is_over, cases[i].is_over, "case %zu", i);
		datapath_close(datapath);
		cr_assert_eq(datapath_cleanup(PIN_DIR, NULL), 0);
	}
}

Test(flows, udp_of_an_older_generation_is_stale)
{
	struct datapath *datapath = open_flows(1024);
	struct made_flow udp = simple_flow(IPPROTO_UDP, SVC_FLOW_UDP_STREAM, 0);
	struct made_flow tcp = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_ESTABLISHED, 1);
	struct told told;

	put_flow(datapath, &udp, BOTH_ENTRIES);
	put_flow(datapath, &tcp, BOTH_ENTRIES);
	udp.client.port = 1026;
	udp.generation = 1;
	put_flow(datapath, &udp, BOTH_ENTRIES);
	told = read_all();
	cr_assert_eq(told.n, 3);
	cr_expect_not(told.flows[0].is_stale);
	cr_expect_not(told.flows[1].is_stale, "TCP stays with its backend (R37)");
	cr_expect(told.flows[2].is_stale);
	datapath_close(datapath);
}

/* Clients 192.0.2.1 to .6; b's flows before those of no Service. */
static void put_various(struct datapath *datapath)
{
	uint32_t ids[2];

	add_services(datapath, ids);
	for (uint16_t i = 0; i < 6; i++) {
		struct made_flow flow =
			simple_flow(i % 2 ? IPPROTO_UDP : IPPROTO_TCP,
				    i % 2 ? SVC_FLOW_UDP_STREAM : SVC_FLOW_TCP_ESTABLISHED, 0);

		flow.client.addr.bytes[3] = (uint8_t)(6 - i);
		flow.backend.addr.bytes[3] = (uint8_t)(i / 2);
		flow.service_id = i < 2 ? 0 : ids[i % 2];
		if (i == 4)
			flow.state = SVC_FLOW_TCP_CLOSE;
		put_flow(datapath, &flow, BOTH_ENTRIES);
	}
}

Test(flows, are_ordered_by_service_and_client)
{
	static const struct {
		const char *service;
		const char *client;
	} order[] = {
		{"default/a:p", "192.0.2.2"}, {"default/a:p", "192.0.2.4"},
		{"default/b:p", "192.0.2.1"}, {"default/b:p", "192.0.2.3"},
		{"/:", "192.0.2.5"},	      {"/:", "192.0.2.6"},
	};
	struct datapath *datapath = open_flows(1024);
	struct told told;

	put_various(datapath);
	told = read_all();
	cr_assert_eq(told.n, ARRAY_SIZE(order));
	for (size_t i = 0; i < told.n; i++) {
		cr_expect_str_eq(told.services[i], order[i].service);
		expect_end(&told.flows[i].client, order[i].client, 1024);
	}
	datapath_close(datapath);
}

Test(flows, filters)
{
	static const struct {
		struct datapath_flow_filter filter;
		size_t n;
	} cases[] = {
		{{}, 6},
		{{.service = "default/b"}, 2},
		{{.service = "default/bb"}, 0},
		{{.service = "defaul/b"}, 0},
		{{.protocol = IPPROTO_UDP}, 3},
		{{.protocol = IPPROTO_SCTP}, 0},
		{{.state = SVC_FLOW_TCP_CLOSE}, 1},
		{{.client = {{ADDR_IPV4, {192, 0, 2, 3}}, 32}}, 1},
		{{.client = {{ADDR_IPV4, {192, 0, 2, 4}}, 30}}, 3},
		{{.client = {{ADDR_IPV4, {192, 0, 2, 3}}, 32}, .client_port = 1024}, 1},
		{{.client = {{ADDR_IPV4, {192, 0, 2, 3}}, 32}, .client_port = 1025}, 0},
		{{.client = {{ADDR_IPV6, {0}}, 0}}, 0},
		{{.backend = {{ADDR_IPV4, {10, 244, 0, 2}}, 32}}, 2},
		{{.backend = {{ADDR_IPV4, {10, 244, 0, 2}}, 32}, .backend_port = 8080}, 2},
		{{.backend = {{ADDR_IPV4, {10, 244, 0, 2}}, 32}, .backend_port = 80}, 0},
		{{.backend = {{ADDR_IPV4, {10, 244, 0, 2}}, 32}, .protocol = IPPROTO_TCP}, 1},
	};
	struct datapath *datapath = open_flows(1024);

	put_various(datapath);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(read_filtered(&cases[i].filter).n, cases[i].n, "case %zu: %zu", i,
			     read_filtered(&cases[i].filter).n);
	datapath_close(datapath);
}

Test(flows, more_than_a_batch_are_told_once_each)
{
	struct datapath *datapath = open_flows(16384);
	struct made_flow flow = simple_flow(IPPROTO_TCP, SVC_FLOW_TCP_ESTABLISHED, 0);

	for (uint16_t i = 0; i < 5000; i++) {
		flow.client.port = (uint16_t)(1024 + i);
		put_flow(datapath, &flow, BOTH_ENTRIES);
	}
	cr_assert_eq(read_all().n, 5000);
	datapath_close(datapath);
}

Test(flows, are_not_there_without_the_packet_path)
{
	struct datapath *datapath = open_sized(64, 256);
	struct datapath_flow_filter filter = {};
	struct datapath_reader *reader;
	struct told told = {};

	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, NULL), 0);
	cr_assert_not(datapath_has_flows(reader));
	cr_assert_eq(datapath_read_flows(reader, &filter, note_flow, &told), -ENOENT);
	datapath_reader_close(reader);
	datapath_close(datapath);
}

Test(flows, states_have_names)
{
	uint8_t state = 0;

	for (uint8_t i = 1; i < SVC_N_FLOW_STATES; i++) {
		cr_assert_eq(flow_state_parse(flow_state_name(i), &state), 0);
		cr_assert_eq(state, i);
	}
	cr_assert_eq(flow_state_parse("TIME_WAIT", &state), 0);
	cr_assert_eq(state, SVC_FLOW_TCP_TIME_WAIT);
	cr_assert_eq(flow_state_parse("time", &state), -EINVAL);
	cr_assert_eq(flow_state_parse("", &state), -EINVAL);
	cr_assert_str_eq(flow_state_name(0), "?");
	cr_assert_str_eq(flow_state_name(200), "?");
}
