/* SPDX-License-Identifier: Apache-2.0 */
/* Which backend a flow gets, and what becomes of it when that leaves. */
#include "datapath/require.h"
#include "packet_flows.h"

TestSuite(packet_choice, .init = open_world, .fini = close_world, .timeout = 120);

/* Which backend @spec is sent to. */
static const char *ask(const struct packet_spec *spec, uint32_t ifindex)
{
	static struct frame in, out;
	const struct world_run run = {.hook = INGRESS, .ifindex = ifindex};

	packet_build(spec, &in);
	cr_assert_neq(world_run(&world, &run, &in, &out), VERDICT_DROP);
	return talk_dst(&out);
}

static const char *ask_type(enum world_service service, uint8_t type, uint16_t sport, int is_ipv6)
{
	struct talk talk = talk_to(service, IPPROTO_TCP, is_ipv6);
	struct packet_spec spec;

	talk.type = type;
	talk.sport = sport;
	spec = talk_request(&talk);
	return ask(&spec, world.up);
}

/* All frontends of a Service, and all the client's ports: one backend, until it is gone. */
static void keep_to_one(int is_ipv6)
{
	char first[INET6_ADDRSTRLEN];
	struct sample *sample = calloc(1, sizeof(*sample));
	struct backend_list *list = &sample->port.cluster;
	uint16_t sport;
	size_t i;

	world_forget(&world);
	snprintf(first, sizeof(first), "%s", ask_type(AFFINITY, SVC_TYPE_CLUSTER_IP, 1, is_ipv6));
	for (sport = 2; sport < 40; sport++)
		cr_assert_str_eq(ask_type(AFFINITY, (uint8_t)(1 + sport % 4), sport, is_ipv6),
				 first);
	world_sample(sample, AFFINITY, IPPROTO_TCP, is_ipv6);
	for (i = 0; i < list->n_backends; i++) {
		struct addr gone = world_addr(first);

		if (!addr_compare(&list->backends[i].addr, &gone))
			list->backends[i] = list->backends[list->n_backends-- - 1];
	}
	cr_assert_eq(list->n_backends, 19);
	world_put(&world, sample, 1);
	cr_expect_str_eq(ask_type(AFFINITY, SVC_TYPE_CLUSTER_IP, 1, is_ipv6), first,
			 "a connection that was there has lost its backend");
	cr_expect_str_neq(ask_type(AFFINITY, SVC_TYPE_CLUSTER_IP, 50, is_ipv6), first);
	free(sample);
}

Test(packet_choice, affinity_keeps_a_client_on_its_backend)
{
	keep_to_one(0);
	keep_to_one(1);
}

Test(packet_choice, affinity_is_counted_and_ends_after_its_time)
{
	struct svc_affinity memory = {.last_ns = 1, .backend_id = 0};
	struct svc_affinity_key key;
	struct talk talk = talk_to(AFFINITY, IPPROTO_UDP, 0);
	struct world_step step = {.run = at_uplink(), .verdict = VERDICT_REDIRECT};
	int fd;

	fd = world_fd(&world, MAP_AFFINITY);
	step.in = talk_request(&talk);
	step.counted = "flows_created+1";
	world_expect(&world, &step, "first");
	step.in.sport++;
	step.counted = "affinity_kept+1 flows_created+1";
	world_expect(&world, &step, "second");
	cr_assert_eq(bpf_map_get_next_key(fd, NULL, &key), 0);
	cr_expect_eq(key.client_kind, SVC_CLIENT_IPV4);
	cr_expect_eq(key.client[0], inet_addr(client_at[0]));
	cr_expect_neq(bpf_map_get_next_key(fd, &key, &key), 0, "a second memory");
	cr_assert_eq(bpf_map_update_elem(fd, &key, &memory, BPF_EXIST), 0);
	step.in.sport++;
	step.counted = "flows_created+1";
	world_expect(&world, &step, "after its time");
}

/* What this node's sockets are in the socket path: its network namespace. */
Test(packet_choice, affinity_knows_the_node_by_its_namespace)
{
	struct talk talk = talk_to(AFFINITY, IPPROTO_UDP, 1);
	struct world_step step = {.run = {.hook = EGRESS}, .verdict = VERDICT_REDIRECT};
	struct svc_affinity_key key;

	talk.client = node_at;
	step.run.ifindex = world.up;
	step.in = talk_request(&talk);
	world_expect(&world, &step, "node");
	cr_assert_eq(bpf_map_get_next_key(world_fd(&world, MAP_AFFINITY), NULL, &key), 0);
	cr_expect_eq(key.client_kind, /* 5.14 tells user space which it is */
		     require_netns_cookie() ? SVC_CLIENT_NETNS : SVC_CLIENT_IPV6);
}

static unsigned int n_different(char (*names)[INET6_ADDRSTRLEN], unsigned int n)
{
	unsigned int i, j, found = 0;

	for (i = 0; i < n; i++) {
		for (j = 0; j < i && strcmp(names[i], names[j]) != 0; j++)
			;
		found += j == i;
	}
	return found;
}

#define N_ASKED 200u

static void ask_maglev(int is_ipv6)
{
	static char chosen[N_ASKED][INET6_ADDRSTRLEN];
	uint16_t i;

	world_forget(&world);
	for (i = 0; i < N_ASKED; i++)
		snprintf(chosen[i], sizeof(chosen[i]), "%s",
			 ask_type(MAGLEV, SVC_TYPE_EXTERNAL_IP, (uint16_t)(1000 + i), is_ipv6));
	cr_expect_geq(n_different(chosen, N_ASKED), 18, "%u of 20", n_different(chosen, N_ASKED));
	world_forget(&world);
	for (i = 0; i < N_ASKED; i++)
		cr_assert_str_eq(
			ask_type(MAGLEV, SVC_TYPE_LOAD_BALANCER, (uint16_t)(1000 + i), is_ipv6),
			chosen[i], "client %u, another node or frontend", i);
}

Test(packet_choice, maglev_finds_the_same_backend_without_a_flow)
{
	ask_maglev(0);
	ask_maglev(1);
}

Test(packet_choice, maglev_takes_up_connections_in_mid_stream)
{
	struct talk talk = talk_to(MAGLEV, IPPROTO_TCP, 0);
	struct world_step step = {.run = at_uplink(), .verdict = VERDICT_REDIRECT};
	char first[INET6_ADDRSTRLEN];

	talk.type = SVC_TYPE_LOAD_BALANCER;
	snprintf(first, sizeof(first), "%s",
		 ask_type(MAGLEV, SVC_TYPE_LOAD_BALANCER, talk.sport, 0));
	world_forget(&world);
	step.in = segment(&talk, C, FLAG_RST);
	step.counted = "flows_unknown+1";
	world_left_alone(&world, &step, "a reset joins nothing");
	step.in = segment(&talk, C, FLAG_ACK);
	step.counted = "flows_created+1";
	world_expect(&world, &step, "mid-stream");
	cr_expect_eq(world_n_flows(&world), 2);
	cr_expect_str_eq(ask(&step.in, world.up), first);
}

/* A UDP backend leaves: its flows are given another one (R39); TCP's are not (R37). */
static void replace_backend(uint8_t protocol, int is_ipv6)
{
	struct talk talk = talk_to(REMOTE, protocol, is_ipv6);
	struct sample *sample = calloc(1, sizeof(*sample));
	struct world_step step = {
		.run = at_uplink(),
		.in = talk_request(&talk),
		.out = talk_translated(&talk),
		.verdict = VERDICT_REDIRECT,
		.counted = "flows_created+1",
	};

	world_forget(&world);
	world_expect(&world, &step, "before");
	world_sample(sample, REMOTE, protocol, is_ipv6);
	sample->backends[0][0].addr = sample->backends[2][0].addr = world_addr(small_at[is_ipv6]);
	world_put(&world, sample, 1);
	step.counted = "";
	if (protocol == IPPROTO_UDP) {
		talk.backend = small_at;
		step.counted = "flows_created+1 flows_replaced+1 flows_stale+1";
	}
	step.out = talk_translated(&talk);
	world_expect(&world, &step, "%s, IPv%d: afterwards", protocol_name(protocol),
		     is_ipv6 ? 6 : 4);
	cr_expect_eq(world_n_flows(&world), 2);
	step.counted = "";
	world_expect(&world, &step, "and then");
	free(sample);
}

Test(packet_choice, udp_leaves_a_backend_that_has_left)
{
	talk_for_all(replace_backend);
}

/* Even when the Service itself is gone. */
static void remove_service(uint8_t protocol, int is_ipv6)
{
	struct talk talk = talk_to(REMOTE, protocol, is_ipv6);
	struct sample *sample = calloc(1, sizeof(*sample));
	struct world_step step = {
		.run = at_uplink(), .in = talk_request(&talk), .verdict = VERDICT_REDIRECT};

	world_forget(&world);
	world_expect(&world, &step, "before");
	world_sample(sample, REMOTE, protocol, is_ipv6);
	sample->is_there = false;
	world_put(&world, sample, 1);
	if (protocol == IPPROTO_TCP) {
		step.in.flags = FLAG_ACK;
		step.out = talk_translate(&talk, step.in);
		world_expect(&world, &step, "TCP, IPv%d: goes on", is_ipv6 ? 6 : 4);
	}
	free(sample);
}

Test(packet_choice, established_tcp_outlives_its_service)
{
	remove_service(IPPROTO_TCP, 0);
	remove_service(IPPROTO_TCP, 1);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv);
}
