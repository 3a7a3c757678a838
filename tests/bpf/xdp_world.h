/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node for tests of whole programs by BPF_PROG_TEST_RUN: the programs of tc and XDP over the same
 * maps, Services, devices, routes and neighbours in a network namespace of the test's own.
 *
 *	uplink v0	172.18.0.11, 2001:db8:172::11	the client is behind .1
 *	uplink v1	172.19.0.11, 2001:db8:173::11
 *
 * Service N has NodePort 30080 + N and one backend, 10.244.N.21 and fd00:244:N::21, or what
 * enum world_service says.
 */
#ifndef SVCBPF_TESTS_XDP_WORLD_H
#define SVCBPF_TESTS_XDP_WORLD_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>

#include "packet_build.h"
#include "svcbpf/abi.h"
#include "svcbpf/counters.h"
#include "svcbpf/hash.h"
#include "util/cleanup.h"
#include "util/endian.h"

#include "packet.skel.h"
#include "xdp.skel.h"

enum world_service {
	SERVICE_NEAR,	      /* out by v0 */
	SERVICE_OTHER_DEVICE, /* out by v1 */
	SERVICE_NO_NEIGHBOUR, /* out by v0, to somebody not met yet */
	SERVICE_SMALL_MTU,    /* out by v0, 1300 bytes at most */
	SERVICE_LOCAL,	      /* on this node */
	SERVICE_EMPTY,	      /* no backend */
	SERVICE_DROP,	      /* policy Local, no backend here */
	SERVICE_NO_ROUTE,
	N_SERVICES
};

#define WORLD_BUCKETS	 1024u
#define WORLD_SEED	 4711u
#define WORLD_SNAT_FIRST 1024u
#define WORLD_SNAT_COUNT 28976u
#define WORLD_NODE4	 "172.18.0.11"
#define WORLD_NODE6	 "2001:db8:172::11"
#define WORLD_CLIENT4	 "192.0.2.2"
#define WORLD_CLIENT6	 "2001:db8:2::2"

/** struct world - @links: the XDP program on v0 and v1, without which they take no test. */
struct world {
	struct packet_bpf *tc;
	struct xdp_bpf *xdp;
	int links[2];
	uint32_t ifindexes[2];
};

static inline void world_put(const struct bpf_map *map, const void *key, const void *value)
{
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0, "%s: %s",
		     bpf_map__name(map), strerror(errno));
}

static inline void world_set_bit(const struct bpf_map *map, uint32_t bit)
{
	uint32_t index = bit / 64;
	uint64_t word = 0;

	bpf_map_lookup_elem(bpf_map__fd(map), &index, &word);
	word |= 1ull << bit % 64;
	world_put(map, &index, &word);
}

/* ------------------------------------------------------------------ Services */

static inline void world_put_frontend4(struct world *world, uint16_t port, uint8_t protocol,
				       const struct svc_route *route)
{
	const struct svc_frontend4 frontend = {
		.port = be16_from_host(port), .protocol = protocol, .scope = SVC_SCOPE_NODEPORT};
	struct svc_bucket4 bucket = {};
	uint32_t index, i;
	uint64_t key;

	memcpy(&key, &frontend, sizeof(key));
	for (index = (uint32_t)svc_hash4(key, WORLD_SEED);; index++) {
		index %= WORLD_BUCKETS;
		bpf_map_lookup_elem(bpf_map__fd(world->tc->maps.frontends4), &index, &bucket);
		for (i = 0; i < SVC_BUCKET4_ENTRIES && bucket.keys[i]; i++)
			;
		if (i < SVC_BUCKET4_ENTRIES)
			break;
		bucket.n_overflow++;
		world_put(world->tc->maps.frontends4, &index, &bucket);
	}
	bucket.keys[i] = key;
	bucket.routes[i] = *route;
	world_put(world->tc->maps.frontends4, &index, &bucket);
}

static inline void world_put_frontend6(struct world *world, uint16_t port, uint8_t protocol,
				       const struct svc_route *route)
{
	const struct svc_frontend6 frontend = {
		.port = be16_from_host(port), .protocol = protocol, .scope = SVC_SCOPE_NODEPORT};
	struct svc_bucket6 bucket = {};
	uint32_t index, tail;

	memcpy(&tail, &frontend.port, sizeof(tail));
	for (index = (uint32_t)svc_hash6(frontend.addr, tail, WORLD_SEED);; index++) {
		index %= WORLD_BUCKETS;
		bpf_map_lookup_elem(bpf_map__fd(world->tc->maps.frontends6), &index, &bucket);
		if (!bucket.tails[0])
			break;
		bucket.n_overflow++;
		world_put(world->tc->maps.frontends6, &index, &bucket);
	}
	bucket.tails[0] = tail;
	bucket.routes[0] = *route;
	world_put(world->tc->maps.frontends6, &index, &bucket);
}

/** world_backend() - text of a Service's backend. */
static inline const char *world_backend(enum world_service service, bool is_ipv6)
{
	static char text[INET6_ADDRSTRLEN];

	snprintf(text, sizeof(text), is_ipv6 ? "fd00:244:%d::21" : "10.244.%d.21", service);
	return text;
}

static inline void world_put_service(struct world *world, enum world_service service)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
	const bool has_none = service == SERVICE_EMPTY || service == SERVICE_DROP;
	const uint16_t flags = service == SERVICE_LOCAL ? SVC_BACKEND_F_LOCAL : 0;
	struct svc_backend4 backend4 = {.port = be16_from_host(8080), .flags = flags};
	struct svc_backend6 backend6 = {.port = be16_from_host(8080), .flags = flags};
	struct svc_service entry = {.service_id = service + 1u, .type = SVC_TYPE_NODE_PORT};
	struct svc_route route = {.slot = service + 1u, .service_id = service + 1u};
	uint32_t index = service;

	inet_pton(AF_INET, world_backend(service, false), &backend4.addr);
	inet_pton(AF_INET6, world_backend(service, true), backend6.addr);
	world_put(world->tc->maps.backends4, &index, &backend4);
	world_put(world->tc->maps.backends6, &index, &backend6);
	route.list = svc_list_pack(index, !has_none, service == SERVICE_DROP ? SVC_LIST_F_DROP : 0);
	entry.policy_list = route.list;
	world_put(world->tc->maps.services, &route.slot, &entry);
	for (size_t i = 0; i < sizeof(protocols); i++) {
		world_put_frontend4(world, (uint16_t)(30080 + service), protocols[i], &route);
		world_put_frontend6(world, (uint16_t)(30080 + service), protocols[i], &route);
	}
	world_set_bit(world->tc->maps.nodeport_filter, 30080u + service);
}

static inline void world_put_node(struct world *world)
{
	struct svc_node_addr node = {.addr = {0, 0, be32_from_host(0xffff), 0}};
	uint32_t flags = 0;

	inet_pton(AF_INET, WORLD_NODE4, &node.addr[3]);
	world_put(world->tc->maps.node_addrs, &node, &flags);
	world_set_bit(world->tc->maps.addr_filter, svc_filter_bit4(node.addr[3]));
	inet_pton(AF_INET6, WORLD_NODE6, node.addr);
	world_put(world->tc->maps.node_addrs, &node, &flags);
	world_set_bit(world->tc->maps.addr_filter, svc_filter_bit6(node.addr));
}

/** world_put_device() - the entry of v0 or v1. */
static inline void world_put_device(struct world *world, int number, uint32_t flags)
{
	struct svc_device device = {.flags = SVC_DEVICE_F_UPLINK | flags,
				    .mac = {2, 0, 0, 0, 0, (uint8_t)(number ? 3 : 2)}};

	inet_pton(AF_INET, number ? "172.19.0.11" : WORLD_NODE4, &device.addr4);
	inet_pton(AF_INET6, number ? "2001:db8:173::11" : WORLD_NODE6, device.addr6);
	world_put(world->tc->maps.devices, &world->ifindexes[number], &device);
}

/* ------------------------------------------------------------------ the network */

static inline void world_run(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

static inline void world_make_network(void)
{
	if (unshare(CLONE_NEWNET))
		cr_skip_test("needs root: unshare: %s", strerror(errno));
	world_run("set -e; ip link set lo up\n"
		  "echo 1 > /proc/sys/net/ipv4/ip_forward\n"
		  "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding\n"
		  "for i in 0 1; do\n"
		  "  ip link add v$i address 02:00:00:00:00:0$((2 + i)) type veth peer name p$i\n"
		  "  ip addr add 172.$((18 + i)).0.11/24 dev v$i\n"
		  "  ip addr add 2001:db8:$((172 + i))::11/64 dev v$i nodad\n"
		  "  ip link set v$i up; ip link set p$i up\n"
		  "  for h in 1 12; do\n"
		  "    ip neigh add 172.$((18 + i)).0.$h dev v$i lladdr 02:00:00:00:$i:$h\n"
		  "    ip neigh add 2001:db8:$((172 + i))::$h dev v$i lladdr 02:00:00:00:$i:$h\n"
		  "  done\n"
		  "done\n"
		  "ip route add 192.0.2.0/24 via 172.18.0.1\n"
		  "ip route add 2001:db8:2::/64 via 2001:db8:172::1\n"
		  "ip route add 10.244.0.0/24 via 172.18.0.12\n"
		  "ip route add fd00:244:0::/64 via 2001:db8:172::12\n"
		  "ip route add 10.244.1.0/24 via 172.19.0.12\n"
		  "ip route add fd00:244:1::/64 via 2001:db8:173::12\n"
		  "ip route add 10.244.2.0/24 via 172.18.0.99\n"
		  "ip route add fd00:244:2::/64 via 2001:db8:172::99\n"
		  "ip route add 10.244.3.0/24 via 172.18.0.12 mtu lock 1300\n"
		  "ip route add fd00:244:3::/64 via 2001:db8:172::12 mtu lock 1300\n"
		  "ip route add 10.244.4.0/24 via 172.18.0.12\n"
		  "ip route add fd00:244:4::/64 via 2001:db8:172::12\n"
		  "ip route add unreachable 10.244.7.0/24\n"
		  "ip route add unreachable fd00:244:7::/64\n");
}

/* ------------------------------------------------------------------ the programs */

static inline void world_size(struct bpf_object *object)
{
	static const char *const small[] = {"frontends4", "frontends6",	  "services",
					    "backends4",  "backends6",	  "backend_ids4",
					    "affinity",	  "backend_ids6", "flows4",
					    "flows6",	  "source_ranges"};

	for (size_t i = 0; i < ARRAY_SIZE(small); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, small[i]);

		if (map)
			cr_assert_eq(bpf_map__set_max_entries(map, WORLD_BUCKETS), 0);
	}
}

static inline struct svc_packet_config world_packet_config(uint8_t forwarding)
{
	struct svc_packet_config config = {.snat_first = {WORLD_SNAT_FIRST},
					   .snat_count = {WORLD_SNAT_COUNT},
					   .forwarding = forwarding};

	for (size_t i = 0; i < SVC_N_FLOW_STATES; i++)
		config.timeouts_s[i] = 120;
	return config;
}

/* One set of maps for both. */
static inline void world_load(struct world *world, uint8_t forwarding, bool has_tc)
{
	const struct svc_packet_config packet = world_packet_config(forwarding);
	const struct svc_config config = {.host_netns_cookie = 1,
					  .random_seed = 20261122,
					  .hash_seed = WORLD_SEED,
					  .mask4 = WORLD_BUCKETS - 1,
					  .mask6 = WORLD_BUCKETS - 1};
	const struct svc_packet_config snat = world_packet_config(SVC_FORWARDING_SNAT);
	struct bpf_map *map;

	world->tc = packet_bpf__open();
	world->xdp = xdp_bpf__open();
	cr_assert(world->tc && world->xdp);
	memcpy((void *)&world->tc->rodata->svc_config, &config, sizeof(config));
	memcpy((void *)&world->xdp->rodata->svc_config, &config, sizeof(config));
	memcpy((void *)&world->tc->rodata->svc_packet_config, &snat, sizeof(snat));
	memcpy((void *)&world->xdp->rodata->svc_packet_config, &packet, sizeof(packet));
	world_size(world->tc->obj);
	/* of tc one program at most: each takes its time */
	bpf_program__set_autoload(world->tc->progs.ingress_l2, has_tc);
	bpf_program__set_autoload(world->tc->progs.egress_l2, false);
	bpf_program__set_autoload(world->tc->progs.ingress_l3, false);
	bpf_program__set_autoload(world->tc->progs.egress_l3, false);
	cr_assert_eq(packet_bpf__load(world->tc), 0);
	bpf_object__for_each_map(map, world->xdp->obj) {
		const struct bpf_map *other =
			bpf_object__find_map_by_name(world->tc->obj, bpf_map__name(map));

		if (!bpf_map__is_internal(map))
			cr_assert_eq(bpf_map__reuse_fd(map, bpf_map__fd(other)), 0);
	}
	cr_assert_eq(xdp_bpf__load(world->xdp), 0);
}

/* Not where the kernel does not let a test say by which device a frame comes in. */
static inline void world_skip_old(void)
{
	static const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	unsigned char frame[64] = {0};
	struct xdp_md context = {.data_end = sizeof(frame), .ingress_ifindex = 1};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .ctx_in = &context, .ctx_size_in = sizeof(context));
	_close_ int fd =
		bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", code, ARRAY_SIZE(code), NULL);

	if (fd < 0 || bpf_prog_test_run_opts(fd, &options))
		cr_skip_test("XDP test run with a context (Linux 5.15): %s", strerror(errno));
}

/** world_open() - all of it. @forwarding: of the XDP program. @has_tc: tc's is loaded too. */
static inline void world_open(struct world *world, uint8_t forwarding, bool has_tc)
{
	world_make_network();
	world_skip_old();
	world_load(world, forwarding, has_tc);
	for (int i = 0; i < 2; i++) {
		world->ifindexes[i] = if_nametoindex(i ? "v1" : "v0");
		world->links[i] = bpf_link_create(bpf_program__fd(world->xdp->progs.ingress_xdp),
						  (int)world->ifindexes[i], BPF_XDP, NULL);
		cr_assert_geq(world->links[i], 0);
		world_put_device(world, i, SVC_DEVICE_F_XDP);
	}
	world_put_node(world);
	for (int i = 0; i < N_SERVICES; i++)
		world_put_service(world, (enum world_service)i);
}

static inline void world_close(struct world *world)
{
	xdp_bpf__destroy(world->xdp);
	packet_bpf__destroy(world->tc);
}

/** world_run_xdp() - @in comes in by v0. Return: XDP_*; @out: what became of it. */
static inline uint32_t world_run_xdp(const struct world *world, const struct frame *in,
				     struct frame *out)
{
	struct xdp_md context = {.data_end = (__u32)in->n, .ingress_ifindex = world->ifindexes[0]};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data, .data_size_in = (__u32)in->n,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .ctx_in = &context,
		    .ctx_size_in = sizeof(context));

	cr_assert_eq(
		bpf_prog_test_run_opts(bpf_program__fd(world->xdp->progs.ingress_xdp), &options), 0,
		"%s", strerror(errno));
	out->n = options.data_size_out;
	return options.retval;
}

/** world_run_tc() - the same, at tc. Return: the verdict. */
static inline int world_run_tc(const struct world *world, const struct frame *in, struct frame *out)
{
	struct __sk_buff context = {.ifindex = world->ifindexes[0],
				    .ingress_ifindex = world->ifindexes[0]};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data, .data_size_in = (__u32)in->n,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .ctx_in = &context,
		    .ctx_size_in = sizeof(context));

	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(world->tc->progs.ingress_l2), &options),
		     0, "%s", strerror(errno));
	out->n = options.data_size_out;
	return (int)options.retval;
}

/** world_counter() - the sum of a counter over all CPUs. */
static inline uint64_t world_counter(const struct world *world, uint32_t counter)
{
	const int n_cpus = libbpf_num_possible_cpus();
	uint64_t sum = 0, *values = calloc((size_t)n_cpus, sizeof(*values));

	cr_assert_not_null(values);
	cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(world->tc->maps.counters), &counter, values),
		     0);
	for (int i = 0; i < n_cpus; i++)
		sum += values[i];
	free(values);
	return sum;
}

#endif
