/* SPDX-License-Identifier: Apache-2.0 */
/* The helpers of bpf/lib, run in the kernel through tests/bpf/probe.bpf.c. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <math.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "datapath/frontend_table.h"
#include "svcbpf/hash.h"
#include "util/endian.h"

/* struct endpoint of bpf/lib/sock.h, which includes BPF headers. */
struct endpoint {
	__be32 addr[4] __attribute__((aligned(8)));
	__be16 port;
	__u8 family;
	__u8 protocol;
};

#include "probe.skel.h"

#define N_BACKENDS 256u
#define N_SERVICES 64u
#define N_BUCKETS  64u
#define SEED	   0x5eedull

static struct probe_bpf *probe;
static struct map_window windows[2];
static struct frontend_table *tables[2];

static void open_table(const struct bpf_map *map, __u8 family, int index)
{
	cr_assert_eq(map_window_open(bpf_map__fd(map), PROT_READ | PROT_WRITE,
				     sizeof(struct svc_bucket4), N_BUCKETS, 0, &windows[index]),
		     0);
	cr_assert_eq(frontend_table_new(family, &windows[index], SEED, &tables[index]), 0);
}

static void open_probe(void)
{
	static const char *const small[] = {"frontends4",  "frontends6", "services",
					    "backends4",   "backends6",	 "backend_ids4",
					    "backend_ids6"};
	struct svc_config config = {0};
	size_t i;

	probe = probe_bpf__open();
	cr_assert_not_null(probe);
	for (i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(probe->obj, small[i]);

		cr_assert_eq(bpf_map__set_max_entries(map, strstr(small[i], "back") ? N_BACKENDS
										    : N_SERVICES),
			     0);
	}
	config.hash_seed = SEED;
	config.mask4 = config.mask6 = N_BUCKETS - 1;
	memcpy((void *)&probe->rodata->svc_config, &config, sizeof(config));
	cr_assert_eq(probe_bpf__load(probe), 0);
	open_table(probe->maps.frontends4, ADDR_IPV4, 0);
	open_table(probe->maps.frontends6, ADDR_IPV6, 1);
}

static void close_probe(void)
{
	frontend_table_free(tables[0]);
	frontend_table_free(tables[1]);
	map_window_close(&windows[0]);
	map_window_close(&windows[1]);
	probe_bpf__destroy(probe);
}

static void run(const struct bpf_program *program)
{
	unsigned char packet[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet));

	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0);
}

static struct endpoint endpoint_of(const char *text, unsigned int port, unsigned char protocol)
{
	struct endpoint ep = {.port = be16_from_host((uint16_t)port), .protocol = protocol};

	if (inet_pton(AF_INET, text, &ep.addr[3]) == 1) {
		ep.addr[2] = be32_from_host(0xffff);
		ep.family = SVC_FAMILY_IPV4;
	} else {
		cr_assert_eq(inet_pton(AF_INET6, text, ep.addr), 1);
		ep.family = SVC_FAMILY_IPV6;
	}
	return ep;
}

static void set_bit(const struct bpf_map *filter, __u32 bit)
{
	__u32 index = bit / 64;
	__u64 word = 0;

	bpf_map_lookup_elem(bpf_map__fd(filter), &index, &word);
	word |= 1ull << bit % 64;
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(filter), &index, &word, BPF_ANY), 0);
}

static __u32 bit_of(const struct endpoint *ep)
{
	return ep->family == SVC_FAMILY_IPV4 ? svc_filter_bit4(ep->addr[3])
					     : svc_filter_bit6(ep->addr);
}

/* Written by the agent's own code: what it stores the programs must find. */
static void put_frontend(const struct endpoint *ep, __u8 scope, __u32 slot)
{
	bool is_ipv4 = ep->family == SVC_FAMILY_IPV4;
	struct frontend_key key = {.family = ep->family};

	key.key.port = ep->port;
	key.key.protocol = ep->protocol;
	key.key.scope = scope;
	if (scope == SVC_SCOPE_ADDRESS)
		memcpy(key.key.addr, is_ipv4 ? &ep->addr[3] : ep->addr, is_ipv4 ? 4 : 16);
	cr_assert_eq(frontend_table_put(tables[is_ipv4 ? 0 : 1], &key,
					&(struct svc_route){.slot = slot}),
		     0);
}

/* Backends base, base + 1, … with ids first_id, first_id + 3, … */
static void put_backends(__u32 base, __u32 n, __u32 first_id)
{
	__u32 i;

	for (i = 0; i < n; i++) {
		struct svc_backend4 b4 = {.addr = be32_from_host(0x0af40000 + i),
					  .port = be16_from_host(8080)};
		struct svc_backend6 b6 = {
			.addr = {be32_from_host(0xfd000000), 0, 0, be32_from_host(i)},
			.port = be16_from_host(8086)};
		__u32 index = base + i;
		__u64 id = first_id + 3ull * i;

		bpf_map_update_elem(bpf_map__fd(probe->maps.backends4), &index, &b4, BPF_ANY);
		bpf_map_update_elem(bpf_map__fd(probe->maps.backends6), &index, &b6, BPF_ANY);
		bpf_map_update_elem(bpf_map__fd(probe->maps.backend_ids4), &index, &id, BPF_ANY);
		bpf_map_update_elem(bpf_map__fd(probe->maps.backend_ids6), &index, &id, BPF_ANY);
	}
}

TestSuite(hash, .init = open_probe, .fini = close_probe);

Test(hash, programs_and_agent_agree_on_filter_bits)
{
	static const char *const addrs[] = {
		"10.96.0.10", "0.0.0.0",       "255.255.255.255", "127.0.0.1",	    "fd00::1",
		"::",	      "2001:db8::1:2", "fe80::1:2:3",	  "ffff:ffff::ffff"};
	size_t i;

	for (i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		struct endpoint ep = endpoint_of(addrs[i], 1, IPPROTO_TCP);

		memcpy(&probe->bss->probe_dst, &ep, sizeof(ep));
		run(probe->progs.filter_bit);
		cr_assert_eq(probe->bss->probe_result, bit_of(&ep), "%s", addrs[i]);
		cr_assert_lt(bit_of(&ep), SVC_ADDR_FILTER_WORDS * 64);
		cr_assert_eq(bit_of(&ep) >= SVC_FILTER_IPV6, ep.family == SVC_FAMILY_IPV6);
	}
}

Test(hash, filter_bits_of_a_service_range_spread)
{
	static unsigned char hit4[SVC_ADDR_FILTER_WORDS * 64], hit6[SVC_ADDR_FILTER_WORDS * 64];
	unsigned int i, n4 = 0, n6 = 0;

	for (i = 0; i < 10000; i++) {
		__be32 addr6[4] = {be32_from_host(0xfd001096), 0, 0, be32_from_host(i)};

		n4 += !hit4[svc_filter_bit4(be32_from_host(0x0a600000 + i))]++;
		n6 += !hit6[svc_filter_bit6(addr6)]++;
	}
	/* 10,000 balls in 65,536 bins fill 9,275 when thrown at random. */
	cr_expect_gt(n4, 9000);
	cr_expect_gt(n6, 9000);
}

TestSuite(lookup, .init = open_probe, .fini = close_probe);

Test(lookup, exact_frontend_only)
{
	static const struct {
		const char *addr;
		unsigned int port;
		unsigned char protocol;
		__u32 slot;
	} cases[] = {
		{"10.96.0.10", 80, IPPROTO_TCP, 7}, {"10.96.0.10", 80, IPPROTO_UDP, 8},
		{"10.96.0.10", 81, IPPROTO_TCP, 0}, {"10.96.0.11", 80, IPPROTO_TCP, 0},
		{"fd00:96::a", 80, IPPROTO_TCP, 9}, {"fd00:96::a", 80, IPPROTO_UDP, 0},
		{"fd00:96::b", 80, IPPROTO_TCP, 0}, {"10.96.0.10", 80, IPPROTO_SCTP, 0},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint ep = endpoint_of(cases[i].addr, cases[i].port, cases[i].protocol);

		set_bit(probe->maps.addr_filter, bit_of(&ep));
		if (cases[i].slot)
			put_frontend(&ep, SVC_SCOPE_ADDRESS, cases[i].slot);
	}
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint ep = endpoint_of(cases[i].addr, cases[i].port, cases[i].protocol);

		memcpy(&probe->bss->probe_dst, &ep, sizeof(ep));
		run(probe->progs.frontend);
		cr_expect_eq(probe->bss->probe_result, cases[i].slot, "case %zu", i);
	}
}

/* More frontends of one address than a bucket holds: found in the buckets behind it. */
Test(lookup, full_tables_are_read_as_they_are_written)
{
	static const char *const addrs[] = {"10.96.0.10", "fd00:96::a"};
	unsigned int i, port, n;

	for (i = 0; i < 2; i++) {
		struct endpoint ep = endpoint_of(addrs[i], 0, IPPROTO_UDP);

		n = N_BUCKETS * (i ? SVC_BUCKET6_ENTRIES : SVC_BUCKET4_ENTRIES) * 7 / 8;
		set_bit(probe->maps.addr_filter, bit_of(&ep));
		for (port = 1; port <= n; port++) {
			ep.port = be16_from_host((uint16_t)port);
			put_frontend(&ep, SVC_SCOPE_ADDRESS, port);
		}
		for (port = 1; port <= n + 50; port++) {
			ep.port = be16_from_host((uint16_t)port);
			memcpy(&probe->bss->probe_dst, &ep, sizeof(ep));
			run(probe->progs.frontend);
			cr_expect_eq(probe->bss->probe_result, port <= n ? port : 0);
		}
	}
}

Test(lookup, filter_bit_missing_hides_the_frontend)
{
	struct endpoint ep = endpoint_of("10.96.0.10", 80, IPPROTO_TCP);

	put_frontend(&ep, SVC_SCOPE_ADDRESS, 7);
	memcpy(&probe->bss->probe_dst, &ep, sizeof(ep));
	run(probe->progs.frontend);
	cr_expect_eq(probe->bss->probe_result, 0);
	set_bit(probe->maps.addr_filter, bit_of(&ep));
	run(probe->progs.frontend);
	cr_expect_eq(probe->bss->probe_result, 7);
}

Test(lookup, nodeport_matches_any_address_and_its_port_only)
{
	struct endpoint wildcard = endpoint_of("0.0.0.0", 30123, IPPROTO_TCP);
	struct endpoint ep = endpoint_of("192.0.2.1", 30123, IPPROTO_TCP);

	put_frontend(&wildcard, SVC_SCOPE_NODEPORT, 5);
	set_bit(probe->maps.nodeport_filter, 30123);
	memcpy(&probe->bss->probe_dst, &ep, sizeof(ep));
	run(probe->progs.nodeport);
	cr_expect_eq(probe->bss->probe_result, 5);
	probe->bss->probe_dst.port = be16_from_host(30124);
	run(probe->progs.nodeport);
	cr_expect_eq(probe->bss->probe_result, 0);
}

Test(lookup, loopback_addresses)
{
	static const struct {
		const char *addr;
		__u32 is_loopback;
	} cases[] = {{"127.0.0.1", 1}, {"127.255.255.254", 1},
		     {"0.0.0.0", 1},   {"128.0.0.1", 0},
		     {"126.1.1.1", 0}, {"::1", 1},
		     {"::", 1},	       {"::2", 0},
		     {"fe80::1", 0},   {"0.0.0.1", 0}};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint ep = endpoint_of(cases[i].addr, 1, IPPROTO_TCP);

		memcpy(&probe->bss->probe_dst, &ep, sizeof(ep));
		run(probe->progs.loopback);
		cr_expect_eq(probe->bss->probe_result, cases[i].is_loopback, "%s", cases[i].addr);
	}
}

TestSuite(select, .init = open_probe, .fini = close_probe);

Test(select, random_index_is_uniform_and_inside_the_list)
{
	const __u32 base = 100, n = 7, n_draws = 16384;
	__u32 seen[7] = {0}, i;
	double chi2 = 0, expected = (double)n_draws / n;

	probe->bss->probe_list = svc_list_pack(base, n, 0);
	run(probe->progs.draw);
	for (i = 0; i < n_draws; i++) {
		__u32 index = probe->bss->probe_draws[i];

		cr_assert(index >= base && index < base + n);
		seen[index - base]++;
	}
	for (i = 0; i < n; i++)
		chi2 += pow(seen[i] - expected, 2) / expected;
	/* 6 degrees of freedom: above 35.9 once in 350,000 runs. */
	cr_expect_lt(chi2, 35.9);
}

Test(select, list_of_one)
{
	__u32 i;

	probe->bss->probe_list = svc_list_pack(42, 1, 0);
	run(probe->progs.draw);
	for (i = 0; i < 16384; i++)
		cr_assert_eq(probe->bss->probe_draws[i], 42);
}

static void expect_all_found(__u8 family, __u32 base, __u32 n)
{
	__u32 i;

	probe->bss->probe_dst.family = family;
	probe->bss->probe_list = svc_list_pack(base, n, 0);
	for (i = 0; i < n; i++) {
		probe->bss->probe_id = 10 + 3 * i;
		run(probe->progs.find);
		cr_expect_eq(probe->bss->probe_result, 1, "n %u, id %u", n, 10 + 3 * i);
		cr_expect_eq(probe->bss->probe_index, base + i);
		probe->bss->probe_id = 11 + 3 * i;
		run(probe->progs.find);
		cr_expect_eq(probe->bss->probe_result, 0);
	}
}

Test(select, finds_every_id_and_no_other)
{
	static const __u32 sizes[] = {0, 1, 2, 3, 25, 64, 100};
	size_t i;

	put_backends(50, 100, 10);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		expect_all_found(SVC_FAMILY_IPV4, 50, sizes[i]);
		expect_all_found(SVC_FAMILY_IPV6, 50, sizes[i]);
	}
}

Test(select, reads_backends_of_both_families_and_none_out_of_range)
{
	put_backends(50, 2, 1);
	probe->bss->probe_index = 51;
	probe->bss->probe_dst.family = SVC_FAMILY_IPV4;
	run(probe->progs.backend);
	cr_expect_eq(probe->bss->probe_result, 1);
	cr_expect_eq(probe->bss->probe_backend.addr[3], be32_from_host(0x0af40001));
	cr_expect_eq(probe->bss->probe_backend.addr[2], be32_from_host(0xffff));
	cr_expect_eq(probe->bss->probe_backend.port, be16_from_host(8080));
	probe->bss->probe_dst.family = SVC_FAMILY_IPV6;
	run(probe->progs.backend);
	cr_expect_eq(probe->bss->probe_backend.addr[0], be32_from_host(0xfd000000));
	cr_expect_eq(probe->bss->probe_backend.port, be16_from_host(8086));
	probe->bss->probe_index = N_BACKENDS;
	run(probe->progs.backend);
	cr_expect_eq(probe->bss->probe_result, 0);
}

TestSuite(affinity, .init = open_probe, .fini = close_probe);

static __u32 remember(__u32 service_id, __u32 client)
{
	probe->bss->probe_key.service_id = service_id;
	probe->bss->probe_key.client_kind = SVC_CLIENT_NETNS;
	probe->bss->probe_key.client[0] = client;
	run(probe->progs.remember);
	return probe->bss->probe_index;
}

static void age_by(__u32 service_id, __u32 client, __u64 ns)
{
	struct svc_affinity_key key = {
		.service_id = service_id, .client_kind = SVC_CLIENT_NETNS, .client = {client}};
	struct svc_affinity value;
	int fd = bpf_map__fd(probe->maps.affinity);

	cr_assert_eq(bpf_map_lookup_elem(fd, &key, &value), 0);
	cr_assert_geq(value.last_ns, ns, "the machine must have been up for longer than that");
	value.last_ns -= ns;
	cr_assert_eq(bpf_map_update_elem(fd, &key, &value, BPF_EXIST), 0);
}

Test(affinity, client_stays_and_others_spread)
{
	__u32 first, i, n_other = 0;

	put_backends(0, 25, 10);
	probe->bss->probe_list = svc_list_pack(0, 25, 0);
	probe->bss->probe_timeout_s = 10800;
	first = remember(1, 1);
	for (i = 0; i < 50; i++)
		cr_assert_eq(remember(1, 1), first);
	for (i = 2; i < 52; i++)
		n_other += remember(1, i) != first;
	cr_expect_gt(n_other, 30);
	n_other = 0;
	for (i = 2; i < 52; i++)
		n_other += remember(i, 1) != first;
	cr_expect_gt(n_other, 30, "the memory belongs to one service");
}

Test(affinity, expired_entry_picks_again)
{
	__u32 first, i, n_other = 0;

	put_backends(0, 25, 10);
	probe->bss->probe_list = svc_list_pack(0, 25, 0);
	/* short: the clock began with the machine, and a guest has just begun */
	probe->bss->probe_timeout_s = 4;
	first = remember(1, 1);
	age_by(1, 1, 2ull * 1000000000);
	cr_expect_eq(remember(1, 1), first, "2 s of 4 is not expired");
	age_by(1, 1, 2ull * 1000000000);
	cr_expect_eq(remember(1, 1), first, "each connection starts the time anew (R34)");
	for (i = 0; i < 20; i++) {
		age_by(1, 1, 4ull * 1000000000);
		n_other += remember(1, 1) != first;
	}
	cr_expect_gt(n_other, 10);
}

Test(affinity, backend_that_left_is_not_used)
{
	__u32 first, second;

	put_backends(0, 25, 10);
	put_backends(100, 5, 10 + 3 * 25);
	probe->bss->probe_list = svc_list_pack(0, 25, 0);
	probe->bss->probe_timeout_s = 10800;
	first = remember(1, 1);
	cr_expect_lt(first, 25);
	probe->bss->probe_list = svc_list_pack(100, 5, 0);
	second = remember(1, 1);
	cr_expect(second >= 100 && second < 105);
	cr_expect_eq(remember(1, 1), second);
}

Test(affinity, backend_that_moved_in_the_list_is_kept)
{
	__u32 first;

	put_backends(0, 25, 10);
	put_backends(100, 25, 10);
	probe->bss->probe_list = svc_list_pack(0, 25, 0);
	probe->bss->probe_timeout_s = 10800;
	first = remember(1, 1);
	probe->bss->probe_list = svc_list_pack(100, 25, 0);
	cr_expect_eq(remember(1, 1), first + 100);
}
