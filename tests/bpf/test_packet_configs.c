/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel takes the packet programs with all constants the options can give them: the verifier
 * walks other paths with each.
 */
#include <bpf/bpf.h>
#include <stdio.h>

#include "datapath/object.h"
#include "datapath/packet_config.h"
#include "model/maglev.h"
#include "unit/datapath/fixture.h"
#include "util/cleanup.h"

static const struct {
	enum object_kind kind;
	const char *programs[2];
} kinds[] = {
	{OBJECT_TC, {"ingress_l2", "egress_l2"}},
	{OBJECT_TC_BARE, {"ingress_l3", "egress_l3"}},
	{OBJECT_XDP, {"ingress_xdp"}},
};

/* Capacities of --max-services; they are masks in the programs. */
static const uint32_t n_services[] = {16, 1u << 20};

static const struct {
	const char *name;
	uint8_t forwarding;
} forwardings[] = {{"snat", SVC_FORWARDING_SNAT}, {"dsr", SVC_FORWARDING_DSR}};

/* 0: without the tables. */
static const uint32_t maglev_sizes[] = {0, MAGLEV_MIN_SIZE, MAGLEV_MAX_SIZE};

/* One range of SNAT ports, and two. */
static const char *const snat_ports[] = {"1024-1024", "1024-29999,61000-65535"};

/* Of the verifier, since Linux 5.16; before, 0. */
static unsigned int n_verified(const struct object *object, const char *name)
{
	struct bpf_prog_info info = {};
	uint32_t len_bytes = sizeof(info);
	int fd = object_program_fd(object, name);

	cr_assert_geq(fd, 0, "%s", name);
	cr_assert_eq(bpf_obj_get_info_by_fd(fd, &info, &len_bytes), 0);
	return info.verified_insns;
}

static void tell(const struct object *object, const char *what, const char *const *names)
{
	fprintf(stderr, "# %s:", what);
	for (size_t i = 0; i < ARRAY_SIZE(kinds[0].programs) && names[i]; i++)
		fprintf(stderr, " %s %u", names[i], n_verified(object, names[i]));
	fputs(" instructions verified\n", stderr);
}

static void expect_load(struct datapath *datapath, const struct svc_packet_config *config,
			const char *what)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct object_request request = {.kind = kinds[i].kind, .packet = config};
		struct datapath_error error = {};
		struct object *object = NULL;
		int r = object_load(&datapath->maps, &request, &object, &error);

		cr_expect_eq(r, 0, "%s: %s", what, error.text);
		if (r < 0)
			continue;
		tell(object, what, kinds[i].programs);
		object_free(object);
	}
}

/* A load takes an emulated CPU 10 seconds: there, only the least and the greatest constants. */
static bool is_slow(void)
{
	const char *scale = getenv("NET_SCALE");

	return scale && atoi(scale) > 1;
}

static void expect_forwarding(struct datapath *datapath, size_t forwarding, uint32_t services)
{
	for (size_t i = 0; i < ARRAY_SIZE(maglev_sizes); i++) {
		struct svc_packet_config config = {
			.forwarding = forwardings[forwarding].forwarding,
			.maglev_size = maglev_sizes[i],
		};
		char what[96];

		if (is_slow() && i != forwarding * (ARRAY_SIZE(maglev_sizes) - 1))
			continue;
		cr_assert_eq(packet_config_parse_ports(snat_ports[i % 2], &config), 0);
		packet_config_complete(&config);
		config.maglev_size = maglev_sizes[i];
		snprintf(what, sizeof(what), "%s, Maglev %u, %u services, ports %s",
			 forwardings[forwarding].name, maglev_sizes[i], services,
			 snat_ports[i % 2]);
		expect_load(datapath, &config, what);
	}
}

static void expect_all(size_t size)
{
	const uint32_t services = n_services[size];
	const struct datapath_options options = {
		.pin_dir = PIN_DIR,
		.max_services = services,
		.max_backends = services,
		.max_flows = 1024,
		.packet.maglev_size = MAGLEV_DEFAULT_SIZE,
		.node = "n1",
		.version = "test",
	};
	struct datapath_error error = {};
	struct datapath *datapath;
	int r = datapath_open_unloaded(&options, &datapath, &error);

	cr_assert_eq(r, 0, "open: %s", error.text);
	for (size_t i = 0; i < ARRAY_SIZE(forwardings); i++)
		if (!is_slow() || i == size)
			expect_forwarding(datapath, i, services);
	datapath_close(datapath);
	cr_assert_eq(datapath_cleanup(PIN_DIR, &error), 0, "%s", error.text);
}

Test(packet_configs, small_tables, .init = mount_bpffs, .timeout = 600)
{
	expect_all(0);
}

Test(packet_configs, large_tables, .init = mount_bpffs, .timeout = 600)
{
	expect_all(1);
}
