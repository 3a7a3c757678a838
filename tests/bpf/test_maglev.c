/* SPDX-License-Identifier: Apache-2.0 */
/* Maglev in the kernel: user space computes the same, and nodes agree. Through probe_maglev.bpf.c.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/maglev.h"
#include "svcbpf/hash.h"
#include "util/endian.h"

/* struct endpoint of bpf/lib/endpoint.h, which includes BPF headers. */
struct endpoint {
	__be32 addr[4] __attribute__((aligned(8)));
	__be16 port;
	__u8 family;
	__u8 protocol;
};

#include "probe_maglev.skel.h"

#define SIZE	   MAGLEV_DEFAULT_SIZE
#define N_WORDS	   ((SIZE + 3) / 4)
#define N_BACKENDS 100
#define SERVICE_ID 7
#define BASE	   5000u

static struct probe_maglev_bpf *probe;

static struct probe_maglev_bpf *open_probe(uint32_t size)
{
	struct svc_packet_config config = {.maglev_size = size};
	struct probe_maglev_bpf *opened = probe_maglev_bpf__open();

	cr_assert_not_null(opened);
	memcpy((void *)&opened->rodata->svc_packet_config, &config, sizeof(config));
	cr_assert_eq(probe_maglev_bpf__load(opened), 0);
	return opened;
}

static void open_default(void)
{
	probe = open_probe(SIZE);
}

static void close_probe(void)
{
	probe_maglev_bpf__destroy(probe);
}

TestSuite(bpf_maglev, .init = open_default, .fini = close_probe);

static void run(void)
{
	unsigned char packet[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet));

	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(probe->progs.choose), &options), 0);
}

static struct endpoint endpoint_of(const char *text, unsigned int port)
{
	struct endpoint ep = {.port = be16_from_host((uint16_t)port), .protocol = IPPROTO_TCP};

	if (inet_pton(AF_INET, text, &ep.addr[3]) == 1) {
		ep.addr[2] = be32_from_host(0xffff);
		ep.family = SVC_FAMILY_IPV4;
	} else {
		cr_assert_eq(inet_pton(AF_INET6, text, ep.addr), 1);
		ep.family = SVC_FAMILY_IPV6;
	}
	return ep;
}

static void ask(const struct endpoint *client, const struct endpoint *frontend, bool is_by_client)
{
	probe->bss->probe_service_id = SERVICE_ID;
	probe->bss->probe_client = *client;
	probe->bss->probe_frontend = *frontend;
	probe->bss->probe_is_by_client = is_by_client;
	run();
}

/* A table as the agent would make it. @table: SIZE offsets. */
static void put_table(struct probe_maglev_bpf *where, const uint16_t *table, uint32_t n_words)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "table", 4, 8, n_words, &opts);
	uint32_t id = SERVICE_ID, i;

	cr_assert_geq(fd, 0);
	for (i = 0; i < n_words; i++) {
		uint64_t word = 0;

		for (uint32_t part = 0; part < 4; part++)
			word |= (uint64_t)table[i * 4 + part] << 16 * part;
		cr_assert_eq(bpf_map_update_elem(fd, &i, &word, BPF_ANY), 0);
	}
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(where->maps.maglev), &id, &fd, BPF_ANY), 0);
	close(fd);
}

/* Each entry names itself: what is chosen says which entry was asked for. */
static void put_identity(uint32_t n_words)
{
	static uint16_t table[N_WORDS * 4];

	for (uint32_t i = 0; i < n_words * 4; i++)
		table[i] = (uint16_t)i;
	put_table(probe, table, n_words);
	probe->bss->probe_list = svc_list_pack(BASE, SIZE, 0);
}

Test(bpf_maglev, user_space_computes_the_same_entry)
{
	static const char *const clients[] = {"192.0.2.1", "10.9.8.7", "2001:db8::1",
					      "fe80::1:2:3:4"};

	put_identity(N_WORDS);
	for (unsigned int i = 0; i < 400; i++) {
		struct endpoint client = endpoint_of(clients[i % 4], 1024 + i * 37);
		struct endpoint frontend =
			endpoint_of(i % 4 < 2 ? "203.0.113.9" : "2001:db8:9::9", 80 + i % 3);
		uint32_t by_flow, by_client;

		frontend.protocol = i % 2 ? IPPROTO_UDP : IPPROTO_TCP;
		by_flow = svc_maglev_entry(
			svc_maglev_flow(client.addr, client.port, frontend.port, frontend.protocol),
			SIZE);
		by_client = svc_maglev_entry(svc_maglev_client(client.addr), SIZE);
		ask(&client, &frontend, false);
		cr_assert_eq(probe->bss->probe_entry, by_flow);
		cr_assert(probe->bss->probe_is_found);
		cr_assert_eq(probe->bss->probe_index, BASE + by_flow);
		ask(&client, &frontend, true);
		cr_assert_eq(probe->bss->probe_entry, by_client);
		cr_assert_eq(probe->bss->probe_index, BASE + by_client);
	}
}

/*
 * The contract with nodes that run another version: these numbers never change. The last column was
 * computed from hash.h's text by a program in another language.
 */
Test(bpf_maglev, hashes_are_the_same_in_every_version)
{
	static const struct {
		const char *client;
		unsigned int client_port, port;
		unsigned char protocol;
		uint32_t by_flow, by_client;
	} cases[] = {
		{"192.0.2.1", 40000, 80, 6, 0x37890df3u, 0xbb84a3eu},
		{"192.0.2.1", 40001, 80, 6, 0x7aa86479u, 0xbb84a3eu},
		{"10.1.2.3", 1, 65535, 17, 0x50fc7733u, 0xcc985533u},
		{"2001:db8::1", 40000, 80, 6, 0x884ea193u, 0x3f6f254u},
		{"::1", 65535, 1, 132, 0xaa12dcd1u, 0x6bf62dbeu},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint client = endpoint_of(cases[i].client, cases[i].client_port);

		cr_expect_eq(svc_maglev_flow(client.addr, client.port,
					     be16_from_host((uint16_t)cases[i].port),
					     cases[i].protocol),
			     cases[i].by_flow, "%zu", i);
		cr_expect_eq(svc_maglev_client(client.addr), cases[i].by_client, "%zu", i);
	}
}

/* Consecutive ports and consecutive addresses, as they come; 5 standard deviations. */
Test(bpf_maglev, entries_are_asked_for_evenly)
{
	static uint32_t counts[2][251];
	const uint32_t n = 251 * 1000;
	struct endpoint client = endpoint_of("192.0.2.1", 0);

	for (uint32_t i = 0; i < n; i++) {
		client.addr[3] = be32_from_host(0xc0000200 + i / 50000);
		counts[0][svc_maglev_entry(
			svc_maglev_flow(client.addr, be16_from_host((uint16_t)(1024 + i % 50000)),
					be16_from_host(443), IPPROTO_TCP),
			251)]++;
		client.addr[3] = be32_from_host(0x0a000000 + i);
		counts[1][svc_maglev_entry(svc_maglev_client(client.addr), 251)]++;
	}
	for (int by = 0; by < 2; by++) {
		for (uint32_t i = 0; i < 251; i++)
			cr_expect(counts[by][i] > 840 && counts[by][i] < 1160, "%d %u: %u", by, i,
				  counts[by][i]);
	}
}

static uint32_t random_index(unsigned int *seed, uint32_t n)
{
	return (uint32_t)rand_r(seed) % n;
}

/*
 * Two nodes that learned of the same backends in another order: their lists and tables differ, and
 * the backend of a flow does not, to whichever node's own address it goes.
 */
Test(bpf_maglev, a_flow_that_moves_to_another_node_keeps_its_backend)
{
	static uint16_t tables[2][N_WORDS * 4];
	struct maglev_backend backends[2][N_BACKENDS];
	struct probe_maglev_bpf *nodes[2] = {probe, open_probe(SIZE)};
	unsigned int seed = 1;
	uint32_t n_same = 0;

	for (uint32_t i = 0; i < N_BACKENDS; i++)
		backends[0][i] = backends[1][i] = (struct maglev_backend){
			8080, 1, IPPROTO_TCP, {ADDR_IPV4, {10, 244, 0, (uint8_t)i}}};
	for (uint32_t i = N_BACKENDS - 1; i > 0; i--) {
		uint32_t j = random_index(&seed, i + 1);
		struct maglev_backend swap = backends[1][i];

		backends[1][i] = backends[1][j];
		backends[1][j] = swap;
	}
	for (int node = 0; node < 2; node++) {
		cr_assert_eq(maglev_fill(backends[node], N_BACKENDS, SIZE, tables[node]), 0);
		put_table(nodes[node], tables[node], N_WORDS);
		nodes[node]->bss->probe_list = svc_list_pack(BASE, N_BACKENDS, 0);
	}
	for (uint32_t i = 0; i < 500; i++) {
		struct endpoint client = endpoint_of("198.51.100.1", 1024 + i * 7);
		const struct maglev_backend *chosen[2];

		for (int node = 0; node < 2; node++) {
			struct endpoint frontend =
				endpoint_of(node ? "192.0.2.11" : "192.0.2.12", 30080);

			probe = nodes[node];
			ask(&client, &frontend, false);
			cr_assert(probe->bss->probe_is_found);
			cr_assert_lt(probe->bss->probe_index - BASE, N_BACKENDS);
			chosen[node] = &backends[node][probe->bss->probe_index - BASE];
		}
		n_same += !addr_compare(&chosen[0]->addr, &chosen[1]->addr);
	}
	cr_expect_eq(n_same, 500);
	probe_maglev_bpf__destroy(nodes[1]);
	probe = nodes[0];
}

/* The caller chooses at random then. */
Test(bpf_maglev, no_table_no_entry_or_an_offset_beyond_the_list)
{
	struct endpoint client = endpoint_of("192.0.2.1", 40000);
	struct endpoint frontend = endpoint_of("203.0.113.9", 80);
	uint32_t entry;

	probe->bss->probe_list = svc_list_pack(BASE, SIZE, 0);
	ask(&client, &frontend, false);
	cr_expect_not(probe->bss->probe_is_found);
	put_identity(N_WORDS);
	ask(&client, &frontend, false);
	cr_expect(probe->bss->probe_is_found);
	entry = probe->bss->probe_entry;
	probe->bss->probe_list = svc_list_pack(BASE, entry + 1, 0);
	ask(&client, &frontend, false);
	cr_expect(probe->bss->probe_is_found);
	probe->bss->probe_list = svc_list_pack(BASE, entry, 0);
	ask(&client, &frontend, false);
	cr_expect_not(probe->bss->probe_is_found);
	probe->bss->probe_list = 0;
	ask(&client, &frontend, false);
	cr_expect_not(probe->bss->probe_is_found);
	/* a table of an earlier agent with a smaller size */
	put_identity(entry / 4);
	ask(&client, &frontend, false);
	cr_expect_not(probe->bss->probe_is_found);
}

Test(bpf_maglev, is_off_without_a_size)
{
	struct endpoint client = endpoint_of("192.0.2.1", 40000);
	struct endpoint frontend = endpoint_of("203.0.113.9", 80);

	probe_maglev_bpf__destroy(probe);
	probe = open_probe(0);
	put_identity(N_WORDS);
	ask(&client, &frontend, false);
	cr_expect_not(probe->bss->probe_is_found);
}
