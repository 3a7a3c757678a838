/* SPDX-License-Identifier: Apache-2.0 */
/* What is committed is what is read back, by the agent's own reader and from the raw maps. */
#include <bpf/bpf.h>

#include "fixture.h"
#include "svcbpf/hash.h"
#include "util/cleanup.h"
#include "util/endian.h"

TestSuite(commit, .init = mount_bpffs);

/* The slot that a frontend of 10.96.0.@host:80/TCP leads to; 0 when the kernel has none. */
static uint32_t find_slot(const struct datapath *datapath, uint8_t host)
{
	struct addr addr = address(ADDR_IPV4, 96, host);
	struct frontend_key key = {.family = ADDR_IPV4, .key.protocol = IPPROTO_TCP};

	memcpy(key.key.addr, addr.bytes, sizeof(key.key.addr));
	key.key.port = be16_from_host(80);
	return frontend_table_find(datapath->shadow.tables[0], &key).slot;
}

Test(commit, random_states_read_back_equal)
{
	struct datapath *datapath = open_sized(128, 1024);
	static struct sample samples[N_SAMPLES];
	uint64_t seed = 20261121;
	int i;

	for (i = 0; i < 150; i++) {
		draw_samples(&seed, samples);
		stage_samples(datapath, samples, N_SAMPLES);
		cr_assert_eq(datapath_commit(datapath, i == 0), 0);
		cr_assert_eq(count_differences(samples, N_SAMPLES), 0, "commit %d", i);
		cr_assert_not(datapath_wants_commit(datapath));
	}
	datapath_close(datapath);
}

Test(commit, nothing_leaks_over_many_commits)
{
	struct datapath *datapath = open_sized(128, 1024), *fresh;
	static struct sample samples[N_SAMPLES];
	struct usage used, expected;
	uint64_t seed = 4711;
	int i;

	for (i = 0; i < 100; i++) {
		draw_samples(&seed, samples);
		stage_samples(datapath, samples, N_SAMPLES);
		cr_assert_eq(datapath_commit(datapath, i == 0), 0);
	}
	drain(datapath);
	used = usage_of(datapath);
	datapath_close(datapath);
	cr_assert_eq(datapath_cleanup(PIN_DIR, NULL), 0);

	fresh = open_sized(128, 1024);
	stage_samples(fresh, samples, N_SAMPLES);
	cr_assert_eq(datapath_commit(fresh, true), 0);
	drain(fresh);
	expected = usage_of(fresh);
	assert_same_usage(&used, &expected);

	for (i = 0; i < N_SAMPLES; i++)
		samples[i].is_there = false;
	stage_samples(fresh, samples, N_SAMPLES);
	cr_assert_eq(datapath_commit(fresh, false), 0);
	drain(fresh);
	used = usage_of(fresh);
	expected = (struct usage){.slots = 1, .space = {1024, 1024}};
	assert_same_usage(&used, &expected);
	datapath_close(fresh);
}

Test(commit, what_is_unchanged_writes_nothing)
{
	struct datapath *datapath = open_sized(128, 1024);
	static struct sample samples[N_SAMPLES];
	uint64_t seed = 99;

	draw_samples(&seed, samples);
	stage_samples(datapath, samples, N_SAMPLES);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	cr_assert_gt(datapath_n_written(datapath), 0);
	drain(datapath);
	stage_samples(datapath, samples, N_SAMPLES);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_eq(datapath_n_written(datapath), 0);
	datapath_close(datapath);
}

Test(commit, one_backend_less_is_one_block_and_one_word)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct sample sample;
	uint64_t before, after;
	uint32_t slot;

	sample_simple(&sample, "web", 1, 244, 5);
	datapath_put(datapath, &sample.port);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	slot = find_slot(datapath, 1);
	cr_assert_neq(slot, 0);
	before = list_of(datapath, slot);

	sample.port.cluster.n_backends = 4;
	datapath_put(datapath, &sample.port);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	after = list_of(datapath, slot);
	cr_assert_eq(datapath_n_written(datapath), 3, "the block, the slot's word, the route");
	cr_assert_eq(svc_list_count(after), 4);
	cr_assert_eq(service_at(datapath, slot).policy_list, after);
	cr_assert_neq(svc_list_base(after), svc_list_base(before), "a block in use never changes");
	cr_assert_eq(find_slot(datapath, 1), slot);
	datapath_close(datapath);
}

Test(commit, what_readers_may_still_see_is_not_used_again)
{
	struct datapath *datapath = open_sized(128, 64);
	struct sample sample, other;
	uint64_t seq;

	sample_simple(&sample, "web", 1, 244, 5);
	sample_simple(&other, "other", 2, 245, 6);
	datapath_put(datapath, &sample.port);
	datapath_put(datapath, &other.port);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	drain(datapath);
	sample.port.cluster.n_backends = 4;
	datapath_put(datapath, &sample.port);
	datapath_remove(datapath, &other.port.key);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	seq = datapath->seq;

	cr_assert_eq(shadow_collect(&datapath->shadow, seq - 1), 0);
	cr_assert_eq(extents_n_free(datapath->shadow.space[0]), 64 - 5 - 6 - 4);
	cr_assert_eq(usage_of(datapath).backend_ids, 11);
	cr_assert_eq(usage_of(datapath).service_ids, 2);

	/* it comes back at once, in another entry of the table than the one it has just left */
	datapath_put(datapath, &other.port);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_neq(find_slot(datapath, 2), 0);
	drain(datapath);
	cr_assert_eq(extents_n_free(datapath->shadow.space[0]), 64 - 6 - 4);
	cr_assert_eq(usage_of(datapath).backend_ids, 10);
	datapath_close(datapath);
}

/* Full but for what a grace period under way will free: the commit waits for that. */
Test(commit, waits_for_space_rather_than_refuse)
{
	struct datapath *datapath = open_sized(16, 16);
	struct sample sample;
	int i;

	for (i = 0; i < 20; i++) {
		sample_simple(&sample, "web", 1, (uint8_t)(100 + i), 8);
		datapath_put(datapath, &sample.port);
		cr_assert_eq(datapath_commit(datapath, i == 0), 0);
		cr_assert_eq(HASH_COUNT(datapath->stage.table), 0, "change %d", i);
		cr_assert_eq(count_differences(&sample, 1), 0);
	}
	datapath_close(datapath);
}

Test(commit, node_addresses_wait_for_deletions_too)
{
	struct datapath *datapath = open_sized(128, 64);
	struct addr addrs[] = {address4(192, 0, 2, 1), address4(192, 0, 2, 2)};
	uint64_t seq;

	cr_assert_eq(datapath_set_node_addresses(datapath, addrs, 1), 0);
	drain(datapath);
	cr_assert_eq(datapath_set_node_addresses(datapath, NULL, 0), 0);
	seq = datapath->seq;
	cr_assert_eq(datapath_set_node_addresses(datapath, &addrs[1], 1), 0);
	cr_assert_geq(grace_done(datapath->grace), seq);
	datapath_close(datapath);
}

Test(commit, ids_ascend_within_a_block)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct sample a, b;
	uint64_t word;
	uint32_t i;

	sample_simple(&a, "a", 1, 244, 20);
	a.backends[0][0] = a.backends[0][19];
	a.port.cluster.n_backends = 1;
	datapath_put(datapath, &a.port);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	/* its last backend has the smallest id now */
	sample_simple(&b, "b", 2, 244, 20);
	datapath_put(datapath, &b.port);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	word = list_of(datapath, find_slot(datapath, 2));
	for (i = 1; i < svc_list_count(word); i++)
		cr_assert_lt(id4_at(datapath, svc_list_base(word) + i - 1),
			     id4_at(datapath, svc_list_base(word) + i));
	cr_assert_eq(i, 20);
	datapath_close(datapath);
}

Test(commit, an_address_that_moves_keeps_its_slot)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct sample old, new, both[2];
	uint32_t slot;

	sample_simple(&old, "old", 1, 244, 3);
	datapath_put(datapath, &old.port);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	slot = find_slot(datapath, 1);

	/* the Service is renamed: its address is another Service's, in one commit */
	sample_simple(&new, "new", 1, 245, 2);
	datapath_remove(datapath, &old.port.key);
	datapath_put(datapath, &new.port);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_eq(find_slot(datapath, 1), slot);
	cr_assert_eq(count_differences(&new, 1), 0);

	/* it changes type, and another Service takes it while its owner lives on */
	new.frontends[0].type = SVC_TYPE_EXTERNAL_IP;
	sample_add_frontend(&new, SVC_TYPE_EXTERNAL_IP, address(ADDR_IPV4, 96, 9), 80);
	datapath_put(datapath, &new.port);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_eq(find_slot(datapath, 1), slot);
	cr_assert_eq(count_differences(&new, 1), 0);
	both[0] = new;
	both[0].port.frontends = &new.frontends[1];
	both[0].port.n_frontends = 1;
	both[1] = old;
	datapath_put(datapath, &both[1].port);
	datapath_put(datapath, &both[0].port);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_eq(find_slot(datapath, 1), slot);
	cr_assert_eq(count_differences(both, 2), 0);
	datapath_close(datapath);
}

Test(commit, filters_cover_all_frontends_and_nothing_else)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct addr node = address4(192, 0, 2, 1);
	struct sample sample;
	uint32_t bit, mapped;

	sample_simple(&sample, "web", 1, 244, 1);
	sample_add_frontend(&sample, SVC_TYPE_NODE_PORT, (struct addr){}, 30080);
	datapath_put(datapath, &sample.port);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	cr_assert_eq(datapath_set_node_addresses(datapath, &node, 1), 0);
	memcpy(&mapped, node.bytes, sizeof(mapped));
	bit = svc_filter_bit4((endian_force __be32)mapped);
	cr_assert(datapath->maps.addr_filter[bit / 64] >> bit % 64 & 1);
	cr_assert(datapath->maps.nodeport_filter[30080 / 64] >> 30080 % 64 & 1);
	cr_assert_eq(count_filter_bits(&datapath->maps), 3);
	cr_assert_eq(datapath_set_node_addresses(datapath, NULL, 0), 0);
	cr_assert_not(datapath->maps.addr_filter[bit / 64] >> bit % 64 & 1);
	datapath_close(datapath);
}

static int note_address(void *arg, const struct addr *addr, bool is_loopback)
{
	char *text = arg, buf[ADDR_TEXT_MAX];

	snprintf(text + strlen(text), 256 - strlen(text), "%s%s ", addr_format(addr, buf),
		 is_loopback ? "*" : "");
	return 0;
}

Test(commit, node_addresses_follow_the_set)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct addr addrs[] = {address4(127, 0, 0, 1), address4(192, 0, 2, 7)};
	struct datapath_reader *reader;
	char text[256] = "";

	cr_assert_eq(datapath_set_node_addresses(datapath, addrs, 2), 0);
	cr_assert_eq(datapath_set_node_addresses(datapath, addrs, 1), 0);
	addrs[1] = address(ADDR_IPV6, 1, 1);
	cr_assert_eq(datapath_set_node_addresses(datapath, addrs, 2), 0);
	cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, NULL), 0);
	cr_assert_eq(datapath_read_node_addresses(reader, note_address, text), 0);
	cr_assert(!strcmp(text, "127.0.0.1* fd01::1 ") || !strcmp(text, "fd01::1 127.0.0.1* "),
		  "%s", text);
	datapath_reader_close(reader);
	datapath_close(datapath);
}

Test(commit, health_checks_come_change_and_go)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct health_check check = {"default", "web", 31000, 2};
	const struct health_check *found;
	struct datapath_reader *reader;
	struct state *state;
	size_t n;
	int i;

	for (i = 0; i < 3; i++) {
		check.n_local_endpoints = (uint32_t)i;
		check.node_port = i == 2 ? 0 : 31000;
		cr_assert_eq(datapath_put_health(datapath, &check), 0);
		cr_assert_eq(datapath_commit(datapath, i == 0), 0);
		cr_assert_eq(datapath_reader_open(PIN_DIR, &reader, NULL), 0);
		cr_assert_eq(datapath_read_state(reader, &state), 0);
		found = state_health_checks(state, &n);
		cr_assert_eq(n, i == 2 ? 0 : 1);
		if (n) {
			cr_assert_str_eq(found[0].name, "web");
			cr_assert_eq(found[0].node_port, 31000);
			cr_assert_eq(found[0].n_local_endpoints, i);
		}
		state_free(state);
		datapath_reader_close(reader);
	}
	datapath_close(datapath);
}

/* More users than a counter counts: the bit is there for the last of them, and stays. */
Test(commit, address_with_many_ports_keeps_its_filter_bit)
{
	static struct sample samples[300];
	struct datapath *datapath = open_sized(1024, 1024);
	struct addr vip = address(ADDR_IPV4, 96, 1);
	uint32_t mapped, bit;
	char name[16];
	size_t i;

	memcpy(&mapped, vip.bytes, sizeof(mapped));
	bit = svc_filter_bit4((endian_force __be32)mapped);
	for (i = 0; i < ARRAY_SIZE(samples); i++) {
		snprintf(name, sizeof(name), "port-%zu", i);
		sample_simple(&samples[i], name, 1, 244, 1);
		samples[i].frontends[0].port = (uint16_t)(80 + i);
		datapath_put(datapath, &samples[i].port);
	}
	cr_assert_eq(datapath_commit(datapath, true), 0);
	for (i = 1; i < ARRAY_SIZE(samples); i++)
		datapath_remove(datapath, &samples[i].port.key);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert(datapath->maps.addr_filter[bit / 64] >> bit % 64 & 1);
	cr_assert_eq(count_differences(samples, 1), 0);
	datapath_close(datapath);

	datapath = open_sized(1024, 1024);
	datapath_remove(datapath, &samples[0].port.key);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	cr_assert_eq(count_filter_bits(&datapath->maps), 0, "counted anew at the start");
	datapath_close(datapath);
}

Test(commit, empty_lists_say_drop_or_reject)
{
	struct datapath *datapath = open_sized(128, 1024);
	struct svc_service service;
	struct sample sample;

	sample_simple(&sample, "web", 1, 244, 0);
	datapath_put(datapath, &sample.port);
	cr_assert_eq(datapath_commit(datapath, true), 0);
	cr_assert_eq(list_of(datapath, find_slot(datapath, 1)), svc_list_pack(0, 0, 0));
	sample.port.has_endpoints = sample.port.is_internal_local = true;
	datapath_put(datapath, &sample.port);
	cr_assert_eq(datapath_commit(datapath, false), 0);
	cr_assert_eq(list_of(datapath, find_slot(datapath, 1)),
		     svc_list_pack(0, 0, SVC_LIST_F_DROP));
	service = service_at(datapath, find_slot(datapath, 1));
	cr_assert_eq(service.flags, SVC_F_POLICY_LOCAL);
	datapath_close(datapath);
}
