/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "snapshot_world.h"
#include "source/snapshot_bytes.h"
#include "source/snapshot_format.h"
#include "source/text_hash.h"

/* ------------------------------------------------------------------ all fields as text */

static void add_addrs(FILE *out, const char *name, const struct addr *addrs, size_t n)
{
	char text[ADDR_TEXT_MAX];

	fprintf(out, " %s", name);
	for (size_t i = 0; i < n; i++)
		fprintf(out, " %s", addr_format(&addrs[i], text));
}

static int print_service(void *arg, const struct k8s_service *s)
{
	FILE *out = arg;
	char text[ADDR_TEXT_MAX];

	fprintf(out, "service %s/%s %lld %d %d%d%d%d%d %d %u %u", s->namespace, s->name,
		(long long)s->created_s, s->type, s->is_excluded, s->is_headless, s->is_unallocated,
		s->is_external_local, s->is_internal_local, s->algorithm, s->health_check_node_port,
		s->affinity_s);
	add_addrs(out, "ip", &s->cluster_ip, 1);
	add_addrs(out, "ips", s->cluster_ips, s->n_cluster_ips);
	for (size_t i = 0; i < s->n_families; i++)
		fprintf(out, " %u", s->families[i]);
	add_addrs(out, "external", s->external_ips, s->n_external_ips);
	for (size_t i = 0; i < s->n_ingress; i++) {
		add_addrs(out, "ingress", &s->ingress[i].addr, 1);
		fprintf(out, " %d", s->ingress[i].is_vip);
	}
	for (size_t i = 0; i < s->n_source_ranges; i++)
		fprintf(out, " %s", cidr_format(&s->source_ranges[i], text));
	for (size_t i = 0; i < s->n_ports; i++)
		fprintf(out, " '%s' %u %u %u", s->ports[i].name, s->ports[i].protocol,
			s->ports[i].port, s->ports[i].node_port);
	fputc('\n', out);
	return 0;
}

static void print_endpoint(FILE *out, uint8_t family, const struct k8s_endpoint *e)
{
	struct addr addr = {.family = family};

	memcpy(addr.bytes, e->addr, sizeof(addr.bytes));
	add_addrs(out, "endpoint", &addr, 1);
	fprintf(out, " %s %x", e->node ? e->node : "(null)", e->flags);
	if (!e->hints)
		return;
	fprintf(out, " hints %u %u", e->hints->n_zones, e->hints->n_nodes);
	for (size_t i = 0; i < (size_t)e->hints->n_zones + e->hints->n_nodes; i++)
		fprintf(out, " %s", e->hints->names[i]);
}

static int print_slice(void *arg, const struct k8s_slice *s)
{
	FILE *out = arg;

	fprintf(out, "slice %s/%s %s %d %u %lld", s->namespace, s->name, s->service, s->is_headless,
		s->family, (long long)s->last_change_ns);
	for (size_t i = 0; i < s->n_ports; i++)
		fprintf(out, " '%s' %u %u", s->ports[i].name, s->ports[i].protocol,
			s->ports[i].port);
	for (size_t i = 0; i < s->n_endpoints; i++)
		print_endpoint(out, s->family, &s->endpoints[i]);
	fputc('\n', out);
	return 0;
}

/* To be freed. */
static char *print_model(const struct model *model)
{
	const struct k8s_node *node = model_node(model);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	cr_assert(out);
	if (node) {
		fprintf(out, "node %s %s %d", node->name, node->zone ? node->zone : "(null)",
			node->is_deleting);
		add_addrs(out, "at", node->addresses, node->n_addresses);
		fputc('\n', out);
	}
	cr_assert_eq(model_for_each_service(model, print_service, out), 0);
	cr_assert_eq(model_for_each_slice(model, print_slice, out), 0);
	cr_assert_eq(fclose(out), 0);
	return text;
}

/* ------------------------------------------------------------------ files */

static char *file_path(const struct world *world)
{
	char *path;

	cr_assert_geq(asprintf(&path, "%s/%s", world->dir, SNAPSHOT_FILE), 0);
	return path;
}

/* Not snapshot_write(): thousands of fsync(2) take minutes. */
static void write_raw(const struct world *world, const void *bytes, size_t len)
{
	_free_ char *path = file_path(world);
	_fclose_ FILE *file = fopen(path, "we");

	cr_assert(file);
	cr_assert_eq(fwrite(bytes, 1, len, file), len);
}

static void seal(struct bytes *bytes)
{
	snapshot_store_u64(bytes->at + SNAPSHOT_AT_CHECKSUM,
			   text_hash(0, bytes->at + SNAPSHOT_AT_LEN, bytes->len - SNAPSHOT_AT_LEN));
}

/* ------------------------------------------------------------------ tests */

Test(snapshot, brings_back_every_field)
{
	_cleanup_(world_close) struct world world = world_open();
	_cleanup_(bytes_free) struct bytes before = {}, after = {};
	_free_ char *expected = NULL;
	_free_ char *got = NULL;
	struct snapshot_info info = {};
	struct snapshot_error error = {};

	put_all(&world);
	before = encode(&world);
	expected = print_model(world.model);
	cr_expect(strstr(expected, "hints 2 1 z1 z2 n1"), "%s", expected);
	cr_expect(strstr(expected, "node n1 z1 1"), "%s", expected);
	cr_assert_eq(snapshot_write(world.dir, before.at, before.len), 0);
	world_reset(&world);
	cr_assert_eq(load(&world, NODE, &info, &error), 0, "%s", error.text);
	got = print_model(world.model);
	cr_expect_str_eq(got, expected);
	after = encode(&world);
	cr_expect(after.len == before.len && memcmp(after.at, before.at, after.len) == 0);
	cr_expect_eq(info.saved_s, SAVED_S);
	cr_expect_eq(info.n_services, 3u);
	cr_expect_eq(info.n_slices, 3u);
	cr_expect_eq(world.n_told, 1u + 3 + 3 + 1);
	cr_expect_eq(world.n_synced, 1u);
	cr_expect_eq(count_files(world.dir), 1u);
}

Test(snapshot, may_be_empty)
{
	_cleanup_(world_close) struct world world = world_open();
	_cleanup_(bytes_free) struct bytes bytes = encode(&world);
	struct snapshot_info info = {};
	struct snapshot_error error = {};

	cr_assert_eq(snapshot_write(world.dir, bytes.at, bytes.len), 0);
	cr_assert_eq(load(&world, NODE, &info, &error), 0, "%s", error.text);
	cr_expect_eq(info.n_services, 0u);
	cr_expect_eq(info.n_slices, 0u);
	cr_expect_null(model_node(world.model));
	cr_expect_eq(world.n_synced, 1u);
}

Test(snapshot, is_not_there_at_first)
{
	_cleanup_(world_close) struct world world = world_open();
	struct snapshot_info info = {};
	struct snapshot_error error = {};
	const struct source_events events = events_of(&world);

	cr_expect_eq(load(&world, NODE, &info, &error), -ENOENT);
	cr_expect_eq(snapshot_load("/nonexistent/svcbpf", NODE, world.pool, &events, &info, &error),
		     -ENOENT);
	cr_expect_eq(world.n_told, 0u);
}

static void expect_refused(struct world *world, int expected, const char *reason)
{
	struct snapshot_info info = {};
	struct snapshot_error error = {};
	char text[256];

	snprintf(text, sizeof(text), "%s/snapshot: %s; it is not used", world->dir, reason);
	cr_expect_eq(load(world, NODE, &info, &error), expected);
	cr_expect_str_eq(error.text, text);
	cr_expect_eq(world->n_told, 0u);
}

Test(snapshot, of_another_node_or_version_or_kind_is_refused)
{
	_cleanup_(world_close) struct world world = world_open();
	_cleanup_(bytes_free) struct bytes bytes = {};
	struct snapshot_info info = {};
	struct snapshot_error error = {};

	put_all(&world);
	bytes = encode(&world);
	world_reset(&world);
	write_raw(&world, bytes.at, bytes.len);
	cr_expect_eq(load(&world, "n2", &info, &error), -EINVAL);
	cr_expect(strstr(error.text, ": of node n1; it is not used"), "%s", error.text);
	snapshot_store_u32(bytes.at + SNAPSHOT_AT_VERSION, SNAPSHOT_VERSION + 1);
	write_raw(&world, bytes.at, bytes.len);
	expect_refused(&world, -EPROTO, "of format 2, which is not this version's 1");
	write_raw(&world, "apiVersion: v1\nkind: Service\n", 29);
	expect_refused(&world, -EBADMSG, "not a snapshot");
	write_raw(&world, "", 0);
	expect_refused(&world, -EBADMSG, "not a snapshot");
}

Test(snapshot, cut_anywhere_is_refused)
{
	_cleanup_(world_close) struct world world = world_open();
	_cleanup_(bytes_free) struct bytes bytes = {};
	struct snapshot_info info = {};
	struct snapshot_error error = {};

	put_all(&world);
	bytes = encode(&world);
	world_reset(&world);
	for (size_t len = 0; len < bytes.len; len++) {
		write_raw(&world, bytes.at, len);
		cr_assert_eq(load(&world, NODE, &info, &error), -EBADMSG, "%zu bytes", len);
	}
	cr_expect_eq(world.n_told, 0u);
}

Test(snapshot, any_changed_bit_is_found)
{
	_cleanup_(world_close) struct world world = world_open();
	_cleanup_(bytes_free) struct bytes bytes = {};
	struct snapshot_info info = {};
	struct snapshot_error error = {};

	put_all(&world);
	bytes = encode(&world);
	world_reset(&world);
	for (size_t bit = 0; bit < bytes.len * 8; bit++) {
		bytes.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		write_raw(&world, bytes.at, bytes.len);
		cr_assert_lt(load(&world, NODE, &info, &error), 0, "bit %zu", bit);
		bytes.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	cr_expect_eq(world.n_told, 0u);
}

/* Numbers as somebody would choose who wants to do harm, with a checksum that is right. */
static void mutate(struct bytes *bytes, unsigned int *seed)
{
	static const uint8_t evil[] = {0, 1, 2, 0x7f, 0x80, 0xff};
	const int n = 1 + rand_r(seed) % 4;

	for (int i = 0; i < n; i++) {
		size_t at =
			SNAPSHOT_AT_SAVED + (size_t)rand_r(seed) % (bytes->len - SNAPSHOT_AT_SAVED);

		bytes->at[at] = rand_r(seed) % 2 ? evil[(size_t)rand_r(seed) % sizeof(evil)]
						 : (uint8_t)rand_r(seed);
	}
	seal(bytes);
}

Test(snapshot, a_checksum_that_is_right_is_not_trusted)
{
	_cleanup_(world_close) struct world world = world_open();
	_cleanup_(bytes_free) struct bytes good = {};
	struct snapshot_info info = {};
	struct snapshot_error error = {};
	unsigned int seed = 4;
	size_t n_refused = 0;

	put_all(&world);
	good = encode(&world);
	world_reset(&world);
	for (int i = 0; i < 20000; i++) {
		_cleanup_(bytes_free) struct bytes bad = {malloc(good.len), good.len};
		int r;

		cr_assert(bad.at);
		memcpy(bad.at, good.at, good.len);
		mutate(&bad, &seed);
		write_raw(&world, bad.at, bad.len);
		r = load(&world, NODE, &info, &error);
		n_refused += r < 0;
		cr_assert(r == 0 || r == -EBADMSG || r == -EINVAL, "%d: %s", r, error.text);
		cr_assert(r == 0 || world.n_told == 0, "told in part");
		world_reset(&world);
	}
	cr_expect_gt(n_refused, 1000u);
	cr_expect_lt(n_refused, 20000u);
}

Test(snapshot, counts_beyond_the_file_ask_for_no_memory)
{
	static const size_t at[] = {SNAPSHOT_AT_N_STRINGS, SNAPSHOT_AT_N_SERVICES,
				    SNAPSHOT_AT_N_SLICES, SNAPSHOT_AT_NODE_NAME};
	_cleanup_(world_close) struct world world = world_open();
	_cleanup_(bytes_free) struct bytes bytes = {};
	struct snapshot_info info = {};
	struct snapshot_error error = {};

	put_all(&world);
	bytes = encode(&world);
	world_reset(&world);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		const uint32_t old = snapshot_fetch_u32(bytes.at + at[i]);

		snapshot_store_u32(bytes.at + at[i], UINT32_MAX);
		seal(&bytes);
		write_raw(&world, bytes.at, bytes.len);
		cr_expect_eq(load(&world, NODE, &info, &error), -EBADMSG, "%s", error.text);
		snapshot_store_u32(bytes.at + at[i], old);
	}
	cr_expect_eq(world.n_told, 0u);
}

Test(snapshot, a_failing_receiver_ends_it)
{
	static const char *const steps[] = {"node", "service", "slice", "synced"};
	_cleanup_(world_close) struct world world = world_open();
	_cleanup_(bytes_free) struct bytes bytes = {};

	put_all(&world);
	bytes = encode(&world);
	write_raw(&world, bytes.at, bytes.len);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct snapshot_info info = {};
		struct snapshot_error error = {};

		world_reset(&world);
		world.fail = steps[i];
		cr_expect_eq(load(&world, NODE, &info, &error), -EIO);
		cr_expect(strstr(error.text, strerror(EIO)), "%s", error.text);
	}
}

/* ------------------------------------------------------------------ numbers */

Test(snapshot, numbers_at_their_limits)
{
	static const int64_t numbers[] = {0,   -1,	  1,	     -64,	64,	  127,
					  128, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
	static const uint8_t bad[][11] = {
		{0x80},
		{0x80, 0},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
	};
	static const size_t bad_len[] = {1, 2, 10, 11};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct snapshot_writer writer = {};
		struct snapshot_reader reader;

		snapshot_put_signed(&writer, numbers[i]);
		reader = (struct snapshot_reader){writer.bytes, writer.bytes + writer.len, false};
		cr_expect_eq(snapshot_get_signed(&reader), numbers[i]);
		cr_expect(!reader.is_bad && reader.at == reader.end);
		free(writer.bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct snapshot_reader reader = {bad[i], bad[i] + bad_len[i], false};

		cr_expect_eq(snapshot_get_number(&reader, UINT64_MAX), 0u);
		cr_expect(reader.is_bad, "%zu", i);
	}
}
