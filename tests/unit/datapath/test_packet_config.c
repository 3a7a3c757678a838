/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "datapath/packet_config.h"
#include "util/cleanup.h"

/* "FIRST+COUNT" of both ranges. */
static const char *ports_of(const struct svc_packet_config *config)
{
	static char text[64];

	snprintf(text, sizeof(text), "%u+%u %u+%u", config->snat_first[0], config->snat_count[0],
		 config->snat_first[1], config->snat_count[1]);
	return text;
}

Test(packet_config, ports_beside_those_of_sockets_and_nodeports)
{
	static const struct {
		const char *ports;
		uint16_t first, last;
		bool is_disjoint;
	} cases[] = {
		{"1024+28976 61000+4536", 32768, 60999, true}, /* Linux's default */
		{"1024+28976 32768+16384", 49152, 65535, true},
		{"1024+28976 41001+24535", 40000, 41000, true},
		{"1024+13976 0+0", 15000, 65535, true},
		{"61000+4536 0+0", 1024, 60999, true},
		{"1024+976 32768+32768", 2000, 30000, true},
		{"1024+28976 0+0", 1024, 65535, false},
		{"1024+28976 0+0", 0, 65535, false},
		{"1024+28976 32768+32768", 30000, 32767, true},
		{"1024+28976 32768+28232", 61000, 61000, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct svc_packet_config config = {};

		cr_expect_eq(packet_config_choose_ports(cases[i].first, cases[i].last, &config),
			     cases[i].is_disjoint, "%u-%u", cases[i].first, cases[i].last);
		cr_expect_str_eq(ports_of(&config), cases[i].ports, "%u-%u: %s", cases[i].first,
				 cases[i].last, ports_of(&config));
	}
}

Test(packet_config, ports_that_are_given)
{
	static const struct {
		const char *text;
		int r;
		const char *ports;
	} cases[] = {
		{"1024-29999", 0, "1024+28976 0+0"},
		{"1-65535", 0, "1+65535 0+0"},
		{"5000-5000", 0, "5000+1 0+0"},
		{"61000-65535,2000-2999", 0, "61000+4536 2000+1000"},
		{"", -EINVAL, ""},
		{"1024", -EINVAL, ""},
		{"1024-", -EINVAL, ""},
		{"-1024", -EINVAL, ""},
		{"1024-2000,", -EINVAL, ""},
		{"1024-2000;3000-4000", -EINVAL, ""},
		{"1-2,3-4,5-6", -EINVAL, ""},
		{"1024--2000", -EINVAL, ""},
		{"0-100", -ERANGE, ""},
		{"200-100", -ERANGE, ""},
		{"1024-65536", -ERANGE, ""},
		{"1024-99999999999999999999", -ERANGE, ""},
		{"1024-2000,2000-3000", -EEXIST, ""},
		{"2000-3000,1024-2000", -EEXIST, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct svc_packet_config config = {};

		cr_expect_eq(packet_config_parse_ports(cases[i].text, &config), cases[i].r, "'%s'",
			     cases[i].text);
		if (!cases[i].r)
			cr_expect_str_eq(ports_of(&config), cases[i].ports, "%s", cases[i].text);
		else
			cr_expect_str_eq(ports_of(&config), "0+0 0+0");
	}
}

Test(packet_config, timeouts)
{
	struct svc_packet_config config = {};
	const char *item;

	cr_assert_eq(packet_config_parse_timeouts("tcp-established=24h,udp=250ms", &config, &item),
		     0);
	cr_expect_eq(config.timeouts_s[SVC_FLOW_TCP_ESTABLISHED], 86400u);
	cr_expect_eq(config.timeouts_s[SVC_FLOW_UDP_UNREPLIED], 1u, "rounded up");
	cr_expect_eq(config.timeouts_s[SVC_FLOW_TCP_CLOSE], 0u);
	cr_assert_eq(packet_config_parse_timeouts("udp=8760h", &config, &item), 0);
	cr_expect_eq(config.timeouts_s[SVC_FLOW_UDP_UNREPLIED], PACKET_CONFIG_MAX_TIMEOUT_S);
	packet_config_complete(&config);
	cr_expect_eq(config.timeouts_s[SVC_FLOW_TCP_ESTABLISHED], 86400u);
	cr_expect_eq(config.timeouts_s[SVC_FLOW_TCP_CLOSE], 10u);
	cr_expect_eq(config.timeouts_s[SVC_FLOW_UDP_STREAM], 120u);
	cr_expect_gt(config.snat_count[0], 0u);
}

Test(packet_config, every_state_has_a_name_and_a_timeout)
{
	for (uint8_t i = 1; i < SVC_N_FLOW_STATES; i++) {
		const char *name = packet_config_state_name(i);

		cr_assert(name, "%u", i);
		cr_expect_eq(packet_config_state(name, strlen(name)), i, "%s", name);
		cr_expect_gt(packet_config_default_timeout_s(i), 0u, "%s", name);
	}
	cr_expect_null(packet_config_state_name(0));
	cr_expect_null(packet_config_state_name(SVC_N_FLOW_STATES));
	cr_expect_eq(packet_config_state("", 0), 0u);
}

Test(packet_config, timeouts_that_are_wrong)
{
	static const struct {
		const char *text;
		int r;
		const char *item;
	} cases[] = {
		{"", -EINVAL, ""},
		{"udp", -EINVAL, "udp"},
		{"udp=", -EINVAL, "udp="},
		{"udp=30s,", -EINVAL, ""},
		{"udp=30s,tcp-close", -EINVAL, "tcp-close"},
		{"udp=30s,icmp=30s,tcp-close=1s", -ENOENT, "icmp=30s,tcp-close=1s"},
		{"=30s", -ENOENT, "=30s"},
		{"udp=0", -ERANGE, "udp=0"},
		{"udp=8761h", -ERANGE, "udp=8761h"},
		{"udp=-1s", -EINVAL, "udp=-1s"},
		{"UDP=1s", -ENOENT, "UDP=1s"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct svc_packet_config config = {};
		const struct svc_packet_config untouched = {};
		const char *item = NULL;

		cr_expect_eq(packet_config_parse_timeouts(cases[i].text, &config, &item),
			     cases[i].r, "'%s'", cases[i].text);
		cr_expect_str_eq(item, cases[i].item);
		cr_expect_eq(memcmp(&config, &untouched, sizeof(config)), 0);
	}
}
