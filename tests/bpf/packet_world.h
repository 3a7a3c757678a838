/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node for the packet programs: its network namespace with devices, routes and neighbours, the
 * maps as the agent's own code writes them, and the programs run on one packet at a time.
 *
 *	outside -- up0 (192.0.2.10) node pod0 -- pods of this node (10.244.1.0/24)
 *	 |	    \ other nodes, behind		\ br0, pod1: the same behind a bridge
 *	clients	      192.0.2.20: 10.244.2.0/24
 */
#ifndef SVCBPF_TESTS_PACKET_WORLD_H
#define SVCBPF_TESTS_PACKET_WORLD_H

#include <sys/stat.h>
#include <sys/utsname.h>

#include "packet_services.h"

#define VERDICT_NEXT	 (-1)
#define VERDICT_DROP	 2
#define VERDICT_REDIRECT 7

/* ------------------------------------------------------------------ the node */

/**
 * struct world - @programs: as world_programs.
 * @up, @pod, @port, @bridge: ifindexes of up0, pod0, pod1 and br0.
 * @counted: the counters as they were at the last look.
 */
struct world {
	struct datapath *datapath;
	int programs[3];
	uint32_t up;
	uint32_t pod;
	uint32_t port;
	uint32_t bridge;
	uint64_t counted[SVC_N_COUNTERS];
};

static inline void world_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s", path);
}

#define WORLD_NETNS "SVCBPF_TEST_NETNS" /* in the environment: the one world_main() has made */

static inline const char *world_netns(char text[32])
{
	struct stat own;

	cr_assert_eq(stat("/proc/self/ns/net", &own), 0);
	snprintf(text, 32, "%llu", (unsigned long long)own.st_ino);
	return text;
}

/* Whether this may be the machine's own network namespace, in which nothing may be made. */
static inline bool world_is_machines(void)
{
	const char *made = getenv(WORLD_NETNS);
	char own[32];

	return !made || strcmp(made, world_netns(own)) != 0;
}

static inline void world_set_forwarding(bool is_on)
{
	world_write("/proc/sys/net/ipv4/ip_forward", is_on ? "1" : "0");
	world_write("/proc/sys/net/ipv6/conf/all/forwarding", is_on ? "1" : "0");
}

/* No packet of it has a way out: the other ends of all devices are in it, too. */
static inline void world_make_network(void)
{
	shell("ip link set lo up");
	shell("ip link add up0 address " MAC " type veth peer name up1");
	shell("ip link add pod0 address " MAC " type veth peer name pod0p");
	shell("ip link add br0 address 02:00:00:00:00:bb type bridge");
	shell("ip link add pod1 address 02:00:00:00:00:11 type veth peer name pod1p");
	shell("ip link set pod1 master br0");
	shell("for d in up0 up1 pod0 pod0p pod1 pod1p br0; do ip link set $d up || exit; done");
	shell("ip addr add 192.0.2.10/24 dev up0");
	shell("ip addr add 2001:db8:2::10/64 dev up0 nodad");
	shell("ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev up0");
	shell("ip neigh add 192.0.2.20 lladdr 02:00:00:00:00:20 dev up0");
	shell("ip neigh add 2001:db8:2::1 lladdr 02:00:00:00:00:01 dev up0");
	shell("ip neigh add 2001:db8:2::20 lladdr 02:00:00:00:00:20 dev up0");
	shell("ip route add default via 192.0.2.1");
	shell("ip route add default via 2001:db8:2::1");
	shell("ip route add 10.244.1.0/24 dev pod0");
	shell("ip route add fd00:244:1::/64 dev pod0");
	shell("ip route add 10.244.2.0/24 via 192.0.2.20");
	shell("ip route add fd00:244:2::/64 via 2001:db8:2::20");
	shell("ip route add 10.244.3.0/24 via 192.0.2.20 mtu lock %u", SMALL_MTU);
	shell("ip route add fd00:244:3::/64 via 2001:db8:2::20 mtu lock %u", SMALL_MTU);
	shell("ip route add blackhole 10.244.4.0/24");
	shell("ip route add blackhole fd00:244:4::/64");
}

/* As the agent sees them. */
static inline void world_put_devices(struct world *world)
{
	static const struct devices_selection automatic;
	const struct addr node[] = {world_addr(node_at[0]), world_addr(node_at[1])};
	const struct device *list;
	struct devices *devices;
	size_t n, i;

	world->up = if_nametoindex("up0");
	world->pod = if_nametoindex("pod0");
	world->port = if_nametoindex("pod1");
	world->bridge = if_nametoindex("br0");
	cr_assert_eq(devices_new(&automatic, &devices), 0);
	cr_assert_geq(devices_set_node_addresses(devices, node, 2), 0);
	cr_assert_eq(devices_refresh(devices), 0);
	list = devices_get(devices, &n);
	for (i = 0; i < n; i++)
		cr_assert_eq(maps_insert(&world->datapath->maps, MAP_DEVICES, &list[i].ifindex,
					 &list[i].value),
			     0);
	devices_free(devices);
	cr_assert_eq(datapath_set_node_addresses(world->datapath, node, 2), 0);
}

/** world_put() - write these Services, as a sync of the agent does. */
static inline void world_put(struct world *world, const struct sample *samples, size_t n)
{
	stage_samples(world->datapath, samples, n);
	cr_assert_eq(datapath_commit(world->datapath, !world->datapath->is_complete), 0);
	drain(world->datapath);
}

static inline void world_forget(struct world *world);

static inline void world_put_services(struct world *world)
{
	const size_t n = (N_SERVICES - 1) * N_PROTOCOLS * 2;
	struct sample *samples = calloc(n, sizeof(*samples));
	size_t i;

	cr_assert(samples);
	for (i = 0; i < n; i++)
		world_sample(&samples[i], (enum world_service)(i / (2 * N_PROTOCOLS) + 1),
			     world_protocols[i / 2 % N_PROTOCOLS], (int)(i % 2));
	world_put(world, samples, n);
	free(samples);
}

#define WORLD_BPFFS "/sys/fs/bpf"

static const char *const world_programs[] = {"ingress_l2", "egress_l2", "ingress_l3"};

static inline const char *world_pin(const char *pin_dir, const char *program, char path[128])
{
	snprintf(path, 128, "%s-%s", pin_dir, program);
	return path;
}

/* Verified once for all tests of a program: this takes seconds on an emulated CPU. */
static inline void world_load(struct world *world, const struct datapath_options *options)
{
	struct datapath_error error = {};
	struct object *object = NULL;
	char path[128];
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(world_programs); i++) {
		const struct object_request request = {
			.kind = i == INGRESS_BARE ? OBJECT_TC_BARE : OBJECT_TC,
			.packet = &options->packet,
		};

		if (i == INGRESS || i == INGRESS_BARE) {
			object_free(object);
			r = object_load(&world->datapath->maps, &request, &object, &error);
			cr_assert_eq(r, 0, "load: %s", error.text);
		}
		cr_assert_eq(bpf_obj_pin(object_program_fd(object, world_programs[i]),
					 world_pin(options->pin_dir, world_programs[i], path)),
			     0);
	}
	object_free(object);
}

static inline void world_find_programs(struct world *world, const struct datapath_options *options)
{
	char path[128];
	size_t i;

	if (access(world_pin(options->pin_dir, world_programs[0], path), F_OK))
		world_load(world, options);
	for (i = 0; i < ARRAY_SIZE(world_programs); i++) {
		world->programs[i] =
			bpf_obj_get(world_pin(options->pin_dir, world_programs[i], path));
		cr_assert_geq(world->programs[i], 0);
	}
}

/**
 * world_open() - adopt the world of the test before, or make it.
 * @name: of the configuration.  @config: of the programs, zero for the agent's defaults.
 */
static inline void world_open(struct world *world, const char *name,
			      const struct svc_packet_config *config)
{
	char pin_dir[64];
	struct datapath_options options = {
		.pin_dir = pin_dir,
		.max_services = 1024,
		.max_backends = 4096,
		.max_flows = 16384,
		.packet = *config,
		.node = "n1",
		.version = "test",
	};
	struct datapath_error error = {};
	int r;

	if (geteuid())
		cr_skip_test("needs root");
	cr_assert_not(world_is_machines(), "main() must be world_main()");
	snprintf(pin_dir, sizeof(pin_dir), "%s/world-%s", WORLD_BPFFS, name);
	if (!if_nametoindex("up0"))
		world_make_network();
	world_set_forwarding(true);
	packet_config_complete(&options.packet);
	options.packet.maglev_size = 251;
	r = datapath_open_unloaded(&options, &world->datapath, &error);
	cr_assert_eq(r, 0, "open: %s", error.text);
	world_find_programs(world, &options);
	world_put_devices(world);
	world_put_services(world);
	world_forget(world);
}

static inline void world_close(struct world *world)
{
	datapath_close(world->datapath);
}

/**
 * world_main() - run the tests one by one, all in the same namespaces, which end with this process.
 */
static inline int world_main(int argc, char **argv)
{
	struct criterion_test_set *tests = criterion_initialize();
	char netns[32];
	int result = 0;

	/* without root every test is skipped */
	if (!geteuid() && (unshare(CLONE_NEWNS | CLONE_NEWNET) ||
			   mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
			   mount("bpf", WORLD_BPFFS, "bpf", 0, NULL))) {
		perror("namespaces and a bpffs");
		return 1;
	}
	setenv(WORLD_NETNS, geteuid() ? "none" : world_netns(netns), 1);
	if (criterion_handle_args(argc, argv, true)) {
		criterion_options.jobs = 1;
		result = !criterion_run_all_tests(tests);
	}
	criterion_finalize(tests);
	return result;
}

/** world_fd() - of a map of the world. */
static inline int world_fd(const struct world *world, enum map_id id)
{
	return world->datapath->maps.fds[id];
}

/* ------------------------------------------------------------------ running */

/**
 * struct world_run - where a packet is.
 * @ifindex: of the device.  @mark: the socket's.
 * @came_by: at egress: of the device it has come in by; 0: this node has made it.
 */
struct world_run {
	enum world_hook hook;
	uint32_t ifindex;
	uint32_t mark;
	uint32_t came_by;
};

/** world_run() - run a program over @in; @out: what became of it. Return: the verdict. */
static inline int world_run(const struct world *world, const struct world_run *run,
			    const struct frame *in, struct frame *out)
{
	struct __sk_buff context = {
		.ifindex = run->ifindex,
		.mark = run->mark,
		.ingress_ifindex = run->came_by,
	};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data, .data_size_in = (__u32)in->n,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .ctx_in = &context,
		    .ctx_size_in = sizeof(context));
	int r = bpf_prog_test_run_opts(world->programs[run->hook], &options);

	cr_assert_eq(r, 0, "%s: %s", world_programs[run->hook], strerror(-r));
	out->n = options.data_size_out;
	return (int)options.retval;
}

/** world_is_kernel() - whether this one is as new. */
static inline bool world_is_kernel(unsigned int major, unsigned int minor)
{
	struct utsname kernel;
	unsigned int has_major, has_minor;

	cr_assert(!uname(&kernel) && sscanf(kernel.release, "%u.%u", &has_major, &has_minor) == 2);
	return has_major > major || (has_major == major && has_minor >= minor);
}

/** world_told_mtu() - what a program learns of a way's @mtu: before 5.12 nothing but that it is too
 * small, and it tells what every way carries in IPv6. */
static inline uint32_t world_told_mtu(uint32_t mtu)
{
	return world_is_kernel(5, 12) ? mtu : 1280;
}

/* ------------------------------------------------------------------ counters */

static inline void world_read_counters(const struct world *world, uint64_t ret[SVC_N_COUNTERS])
{
	int n_cpus = libbpf_num_possible_cpus(), cpu;
	uint64_t *values = calloc((size_t)n_cpus, sizeof(*values));
	uint32_t i;

	cr_assert(values);
	for (i = 0; i < SVC_N_COUNTERS; i++) {
		cr_assert_eq(bpf_map_lookup_elem(world_fd(world, MAP_COUNTERS), &i, values), 0);
		for (ret[i] = 0, cpu = 0; cpu < n_cpus; cpu++)
			ret[i] += values[cpu];
	}
	free(values);
}

/* "name+1 name+2": what has changed since the last look. Static. */
static inline const char *world_counted(struct world *world)
{
	static const char *const names[] = {
#define NAME(id, name, help) name,
		SVC_COUNTERS(NAME)
#undef NAME
	};
	static char text[512];
	uint64_t now[SVC_N_COUNTERS];
	size_t i, at = 0;

	text[0] = '\0';
	world_read_counters(world, now);
	for (i = 0; i < SVC_N_COUNTERS && at < sizeof(text); i++)
		if (now[i] != world->counted[i])
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s+%u",
					       at ? " " : "", names[i],
					       (unsigned int)(now[i] - world->counted[i]));
	memcpy(world->counted, now, sizeof(now));
	return text;
}

/* ------------------------------------------------------------------ the flow table */

/** struct world_flow - an entry of the flow table. @src, @dst and ports: of packets of it. */
struct world_flow {
	const char *src;
	const char *dst;
	uint16_t sport;
	uint16_t dport;
	uint8_t protocol;
	uint8_t direction;
};

union world_flow_key {
	struct svc_flow_key4 v4;
	struct svc_flow_key6 v6;
};

union world_flow_value {
	struct svc_flow_info info;
	struct svc_flow4 v4;
	struct svc_flow6 v6;
};

/* Return: the map it is in. */
static inline enum map_id world_flow_key(const struct world_flow *flow, union world_flow_key *key)
{
	memset(key, 0, sizeof(*key));
	if (strchr(flow->src, ':')) {
		cr_assert_eq(inet_pton(AF_INET6, flow->src, key->v6.src), 1);
		cr_assert_eq(inet_pton(AF_INET6, flow->dst, key->v6.dst), 1);
		key->v6.src_port = be16_from_host(flow->sport);
		key->v6.dst_port = be16_from_host(flow->dport);
		key->v6.protocol = flow->protocol;
		key->v6.direction = flow->direction;
		return MAP_FLOWS6;
	}
	cr_assert_eq(inet_pton(AF_INET, flow->src, &key->v4.src), 1);
	cr_assert_eq(inet_pton(AF_INET, flow->dst, &key->v4.dst), 1);
	key->v4.src_port = be16_from_host(flow->sport);
	key->v4.dst_port = be16_from_host(flow->dport);
	key->v4.protocol = flow->protocol;
	key->v4.direction = flow->direction;
	return MAP_FLOWS4;
}

/** world_find_flow() - what the table has of @flow. Return: whether it is there. */
static inline bool world_find_flow(const struct world *world, const struct world_flow *flow,
				   struct svc_flow_info *ret)
{
	union world_flow_key key;
	union world_flow_value value;
	enum map_id map = world_flow_key(flow, &key);

	if (bpf_map_lookup_elem(world_fd(world, map), &key, &value))
		return false;
	*ret = value.info;
	return true;
}

/** world_delete_flow() - as a full table does to one entry. */
static inline void world_delete_flow(const struct world *world, const struct world_flow *flow)
{
	union world_flow_key key;
	enum map_id map = world_flow_key(flow, &key);

	cr_assert_eq(bpf_map_delete_elem(world_fd(world, map), &key), 0);
}

static const enum map_id world_flow_maps[] = {MAP_FLOWS4, MAP_FLOWS6};

/** world_each_flow() - change the entries of both tables. @fn: NULL: none. Return: how many. */
static inline unsigned int world_each_flow(const struct world *world,
					   void (*fn)(struct svc_flow_info *info, uint32_t number),
					   uint32_t number)
{
	static union world_flow_key keys[32768]; /* what is changed may be met again in a walk */
	union world_flow_value value;
	unsigned int n, i, n_all = 0;
	size_t map;
	int fd;

	for (map = 0; map < ARRAY_SIZE(world_flow_maps); map++) {
		fd = world_fd(world, world_flow_maps[map]);
		for (n = 0; n < ARRAY_SIZE(keys); n++)
			if (bpf_map_get_next_key(fd, n ? &keys[n - 1] : NULL, &keys[n]))
				break;
		for (i = 0; fn && i < n; i++) {
			cr_assert_eq(bpf_map_lookup_elem(fd, &keys[i], &value), 0);
			fn(&value.info, number);
			cr_assert_eq(bpf_map_update_elem(fd, &keys[i], &value, BPF_EXIST), 0);
		}
		n_all += n;
	}
	return n_all;
}

/** world_n_flows() - entries of both tables. */
static inline unsigned int world_n_flows(const struct world *world)
{
	return world_each_flow(world, NULL, 0);
}

static inline void world_age_one(struct svc_flow_info *info, uint32_t age_s)
{
	cr_assert_gt(info->last_s, age_s, "needs a longer uptime");
	info->last_s -= age_s;
}

/** world_age() - let all flows rest for @age_s seconds. */
static inline void world_age(const struct world *world, uint32_t age_s)
{
	world_each_flow(world, world_age_one, age_s);
}

static inline void world_clear_map(const struct world *world, enum map_id id)
{
	unsigned char key[64];
	int n;

	for (n = 0; n < 65536 && !bpf_map_get_next_key(world_fd(world, id), NULL, key); n++)
		bpf_map_delete_elem(world_fd(world, id), key);
}

/** world_forget() - no flow, fragment or affinity is known, and nothing was counted. */
static inline void world_forget(struct world *world)
{
	static const struct svc_flow_filter none;
	uint32_t i;

	world_clear_map(world, MAP_FLOWS4);
	world_clear_map(world, MAP_FLOWS6);
	world_clear_map(world, MAP_FRAGS);
	world_clear_map(world, MAP_AFFINITY);
	for (i = 0; i < SVC_N_FLOW_FILTERS; i++)
		bpf_map_update_elem(world_fd(world, MAP_FLOW_FILTER), &i, &none, BPF_ANY);
	world_read_counters(world, world->counted);
}

/* ------------------------------------------------------------------ expecting */

/** struct world_step - a packet that is sent, and what becomes of it. */
struct world_step {
	struct world_run run;
	struct packet_spec in;
	struct packet_spec out;
	int verdict;
	const char *counted;
};

/** world_same() - fail unless @out is @wanted, byte for byte. */
static inline void world_same(const struct frame *out, const struct frame *wanted, const char *what)
{
	size_t at;

	for (at = 0; at < out->n && at < wanted->n && out->data[at] == wanted->data[at]; at++)
		;
	cr_assert(at == out->n && at == wanted->n, "%s: byte %zu is %02x, not %02x; %zu of %zu",
		  what, at, out->data[at], wanted->data[at], out->n, wanted->n);
}

/**
 * world_expect() - send @step->in; it must become @step->out, unless that has no source or the
 * verdict is to drop it. Return: whether the verdict was the one expected, else the test has
 * failed.
 */
static inline void world_expect(struct world *world, const struct world_step *step,
				const char *format, ...) __attribute__((format(printf, 3, 4)));
static inline void world_expect(struct world *world, const struct world_step *step,
				const char *format, ...)
{
	static struct frame in, out, wanted;
	const char *counted;
	char what[256];
	va_list args;
	int verdict;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	packet_build(&step->in, &in);
	verdict = world_run(world, &step->run, &in, &out);
	counted = world_counted(world);
	cr_assert_eq(verdict, step->verdict, "%s: verdict %d, not %d; counted: %s", what, verdict,
		     step->verdict, counted);
	if (step->counted)
		cr_assert_str_eq(counted, step->counted, "%s: counted %s, not %s", what, counted,
				 step->counted);
	if (step->verdict == VERDICT_DROP || !step->out.src)
		return;
	packet_build(&step->out, &wanted);
	world_same(&out, &wanted, what);
}

/** world_left_alone() - @step->in must go on as it is. */
static inline void world_left_alone(struct world *world, const struct world_step *step,
				    const char *what)
{
	struct world_step copy = *step;

	copy.out = copy.in;
	copy.verdict = VERDICT_NEXT;
	world_expect(world, &copy, "%s", what);
}

#endif
