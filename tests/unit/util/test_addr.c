/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "util/addr.h"
#include "util/cleanup.h"

/* What ParseIPSloppy of k8s.io/utils/net v0.0.0-20260707 makes of it, as text. */
static const struct {
	const char *text;
	const char *canonical; /* NULL: refused */
} addresses[] = {
	{"10.96.0.1", "10.96.0.1"},
	{"0.0.0.0", "0.0.0.0"},
	{"255.255.255.255", "255.255.255.255"},
	{"010.096.000.008", "10.96.0.8"},
	{"0000000000000000000000000001.2.3.4", "1.2.3.4"},
	{"256.0.0.1", NULL},
	{"1.2.3", NULL},
	{"1.2.3.", NULL},
	{"1.2.3.4.", NULL},
	{"1.2.3.4.5", NULL},
	{".1.2.3.4", NULL},
	{"1..2.3", NULL},
	{"1.2.3.0x4", NULL},
	{"1.2.3.4 ", NULL},
	{" 1.2.3.4", NULL},
	{"+1.2.3.4", NULL},
	{"-1.2.3.4", NULL},
	{"1.2.3.99999999999999999999", NULL},
	{"", NULL},
	{"1", NULL},
	{"bogus", NULL},
	{"::", "::"},
	{"::1", "::1"},
	{"fd00::1", "fd00::1"},
	{"FD00::ABCD", "fd00::abcd"},
	{"fd01::0:1", "fd01::1"},
	{"00000001::2", "1::2"},
	{"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
	{"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
	{"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
	{"1::8", "1::8"},
	{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
	{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
	{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
	{"::ffff:1.2.3.4", "1.2.3.4"},
	{"::ffff:102:304", "1.2.3.4"},
	{"0:0:0:0:0:ffff:010.2.3.4", "10.2.3.4"},
	{"::1.2.3.4", "::102:304"},
	{"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
	{"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
	{"1:2:3:4:5:6:7:1.2.3.4", NULL},
	{"1:2:3:4:5:1.2.3.4", NULL},
	{"::1.2.3", NULL},
	{"::1.2.3.4:5", NULL},
	{"::1.2.3.4:", NULL},
	{"::g", NULL},
	{":", NULL},
	{":::", NULL},
	{":1::2", NULL},
	{"1:", NULL},
	{"1:2:3:4:5:6:7", NULL},
	{"1:2:3:4:5:6:7:8:", NULL},
	{"1:2:3:4:5:6:7:8:9", NULL},
	{"1:2:3:4:5:6:7:8::", NULL},
	{"::1:2:3:4:5:6:7:8", NULL},
	{"1::2::3", NULL},
	{"12345::", NULL},
	{"::00012345", NULL},
	{"fe80::1%eth0", NULL},
	{"[::1]", NULL},
};

Test(addr, parses_as_kubernetes_does)
{
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct addr addr = {.family = 99};
		char text[ADDR_TEXT_MAX];
		int r = addr_parse(addresses[i].text, &addr);

		if (!addresses[i].canonical) {
			cr_expect_eq(r, -EINVAL, "\"%s\" is accepted", addresses[i].text);
			cr_expect_eq(addr.family, 99, "\"%s\" changes the result",
				     addresses[i].text);
			continue;
		}
		cr_expect_eq(r, 0, "\"%s\" is refused", addresses[i].text);
		cr_expect_str_eq(addr_format(&addr, text), addresses[i].canonical);
	}
}

Test(addr, formats_what_it_can_parse_again)
{
	for (unsigned int i = 0; i < 256; i++) {
		/* every pattern of zero and non-zero groups */
		struct addr addr = {.family = ADDR_IPV6}, again;
		char text[ADDR_TEXT_MAX];

		for (unsigned int group = 0; group < 8; group++)
			addr.bytes[2 * group + 1] = i >> group & 1;
		cr_expect_eq(addr_parse(addr_format(&addr, text), &again), 0, "%s", text);
		cr_expect_eq(addr_compare(&addr, &again), 0, "%s", text);
		cr_expect_null(strstr(text, ":::"), "%s", text);
	}
}

Test(addr, of_no_family_is_empty_text)
{
	struct addr none = {.family = ADDR_NONE};
	char text[ADDR_TEXT_MAX];

	cr_expect_str_empty(addr_format(&none, text));
}

static const struct {
	const char *text;
	const char *canonical;
} cidrs[] = {
	{"10.0.0.0/8", "10.0.0.0/8"},
	{"10.1.2.3/8", "10.0.0.0/8"},
	{"10.255.255.255/9", "10.128.0.0/9"},
	{"203.0.113.7/32", "203.0.113.7/32"},
	{"0.0.0.0/0", "0.0.0.0/0"},
	{"1.2.3.4/0", "0.0.0.0/0"},
	{" 203.0.113.0/24 ", "203.0.113.0/24"},
	{"\t\n10.0.0.0/8\r\n", "10.0.0.0/8"},
	{"010.000.0.0/008", "10.0.0.0/8"},
	{"2001:db8::/32", "2001:db8::/32"},
	{"2001:db8:ffff::1/33", "2001:db8:8000::/33"},
	{"::/0", "::/0"},
	{"::1/128", "::1/128"},
	{"::ffff:10.1.2.3/104", "10.0.0.0/8"},
	{"::ffff:10.1.2.3/96", "0.0.0.0/0"},
	{"::ffff:10.1.2.3/95", "::fffe:0:0/95"},
	{"10.0.0.0/33", NULL},
	{"2001:db8::/129", NULL},
	{"10.0.0.0", NULL},
	{"10.0.0.0/", NULL},
	{"/8", NULL},
	{"10.0.0.0/8/8", NULL},
	{"10.0.0.0/-1", NULL},
	{"10.0.0.0/ 8", NULL},
	{"10.0.0.0 /8", NULL},
	{"10.0.0/8", NULL},
	{"", NULL},
	{"   ", NULL},
	{"bogus/8", NULL},
	{"0000000000000000000000000000000000000000000000000000000000000010.0.0.0/8", NULL},
};

Test(cidr, parses_as_kubernetes_does)
{
	for (size_t i = 0; i < ARRAY_SIZE(cidrs); i++) {
		struct cidr cidr = {.prefix_len = 77};
		char text[ADDR_TEXT_MAX];
		int r = cidr_parse(cidrs[i].text, &cidr);

		if (!cidrs[i].canonical) {
			cr_expect_eq(r, -EINVAL, "\"%s\" is accepted", cidrs[i].text);
			cr_expect_eq(cidr.prefix_len, 77);
			continue;
		}
		cr_expect_eq(r, 0, "\"%s\" is refused", cidrs[i].text);
		cr_expect_str_eq(cidr_format(&cidr, text), cidrs[i].canonical);
	}
}

static const struct {
	const char *cidr;
	const char *addr;
	bool is_inside;
} memberships[] = {
	{"10.0.0.0/8", "10.255.0.1", true},
	{"10.0.0.0/8", "11.0.0.1", false},
	{"10.0.0.128/25", "10.0.0.128", true},
	{"10.0.0.128/25", "10.0.0.127", false},
	{"0.0.0.0/0", "192.0.2.1", true},
	{"0.0.0.0/0", "2001:db8::1", false},
	{"::/0", "2001:db8::1", true},
	{"::/0", "192.0.2.1", false},
	{"2001:db8::/33", "2001:db8:7fff::", true},
	{"2001:db8::/33", "2001:db8:8000::", false},
	{"192.0.2.1/32", "192.0.2.1", true},
	{"192.0.2.1/32", "192.0.2.0", false},
	{"::ffff:10.0.0.0/104", "10.1.1.1", true},
};

Test(cidr, contains_its_family_and_prefix_only)
{
	struct addr none = {.family = ADDR_NONE};

	for (size_t i = 0; i < ARRAY_SIZE(memberships); i++) {
		struct cidr cidr;
		struct addr addr;

		cr_assert_eq(cidr_parse(memberships[i].cidr, &cidr), 0);
		cr_assert_eq(addr_parse(memberships[i].addr, &addr), 0);
		cr_expect_eq(cidr_contains(&cidr, &addr), memberships[i].is_inside, "%s in %s",
			     memberships[i].addr, memberships[i].cidr);
		cr_expect_not(cidr_contains(&cidr, &none));
	}
}

Test(addr, order_is_family_then_bytes)
{
	static const char *const ordered[] = {"0.0.0.0", "9.255.255.255", "10.0.0.1", "10.0.0.2",
					      "::",	 "::1",		  "fd00::"};

	for (size_t i = 0; i < ARRAY_SIZE(ordered); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(ordered); j++) {
			struct addr a, b;
			int order;

			cr_assert_eq(addr_parse(ordered[i], &a), 0);
			cr_assert_eq(addr_parse(ordered[j], &b), 0);
			order = addr_compare(&a, &b);
			cr_expect_eq((order > 0) - (order < 0), (i > j) - (i < j), "%s, %s",
				     ordered[i], ordered[j]);
		}
	}
}

static const struct {
	const char *text;
	bool is_loopback;
} loopbacks[] = {
	{"127.0.0.1", true}, {"127.255.255.254", true},	 {"128.0.0.1", false}, {"::1", true},
	{"::2", false},	     {"::ffff:127.0.0.1", true}, {"0.0.0.0", false},   {"::", false},
};

Test(addr, knows_loopback)
{
	for (size_t i = 0; i < ARRAY_SIZE(loopbacks); i++) {
		struct addr addr;

		cr_assert_eq(addr_parse(loopbacks[i].text, &addr), 0);
		cr_expect_eq(addr_is_loopback(&addr), loopbacks[i].is_loopback, "%s",
			     loopbacks[i].text);
	}
}

Test(addr, survives_the_way_through_mapped_form)
{
	static const char *const texts[] = {"192.0.2.1", "2001:db8::1", "::1", "0.0.0.0"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct addr addr, back;
		uint8_t bytes[16];

		cr_assert_eq(addr_parse(texts[i], &addr), 0);
		addr_to_mapped(&addr, bytes);
		addr_from_mapped(bytes, &back);
		cr_expect_eq(addr_compare(&addr, &back), 0, "%s", texts[i]);
		if (addr.family == ADDR_IPV4)
			cr_expect(bytes[10] == 0xff && bytes[11] == 0xff &&
				  memcmp(bytes + 12, addr.bytes, 4) == 0);
	}
}

Test(protocol, names_go_both_ways)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
	uint8_t protocol;

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		cr_expect_eq(protocol_parse(protocol_name(protocols[i]), &protocol), 0);
		cr_expect_eq(protocol, protocols[i]);
	}
	cr_expect_str_eq(protocol_name(IPPROTO_ICMP), "?");
	cr_expect_eq(protocol_parse("tcp", &protocol), -EINVAL);
	cr_expect_eq(protocol_parse("", &protocol), -EINVAL);
	cr_expect_eq(protocol, IPPROTO_SCTP);
}
