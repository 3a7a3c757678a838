/* SPDX-License-Identifier: Apache-2.0 */
/* Each test runs in a network namespace of its own, made by unshare(2). */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datapath/node_addresses.h"
#include "util/cleanup.h"

/* What the callback was told last, as text, and how often. */
static char told[4096];
static int n_told;

static void format_set(const struct addr *addrs, size_t n_addrs, char *ret, size_t size)
{
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < n_addrs && len < size; i++) {
		char text[ADDR_TEXT_MAX];

		len += (size_t)snprintf(ret + len, size - len, "%s%s", i ? " " : "",
					addr_format(&addrs[i], text));
	}
}

static void on_change(void *arg, const struct addr *addrs, size_t n_addrs)
{
	cr_assert_eq(arg, &n_told);
	format_set(addrs, n_addrs, told, sizeof(told));
	n_told++;
}

static void assert_set(const struct node_addresses *addresses, const char *expected)
{
	char text[4096];
	size_t n = 0;
	const struct addr *addrs = node_addresses_get(addresses, &n);

	format_set(addrs, n, text, sizeof(text));
	cr_assert_str_eq(text, expected);
}

static void run(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

static struct node_addresses *open_with(const char *text)
{
	struct node_addresses_selection selection;
	struct node_addresses *addresses;

	cr_assert_eq(node_addresses_parse(text, &selection), 0);
	cr_assert_eq(node_addresses_new(&selection, on_change, &n_told, &addresses), 0);
	node_addresses_selection_clear(&selection);
	return addresses;
}

/* The kernel tells at once; a message on its way is waited for. */
static void process(struct node_addresses *addresses)
{
	struct pollfd fd = {.fd = node_addresses_fd(addresses), .events = POLLIN};

	cr_assert_eq(poll(&fd, 1, 5000), 1, "nothing to process");
	cr_assert_eq(node_addresses_process(addresses), 0);
}

/* The kernel finishes duplicate address detection by a worker: process until the set is this one.
 */
static void assert_set_soon(struct node_addresses *addresses, const char *expected)
{
	struct pollfd fd = {.fd = node_addresses_fd(addresses), .events = POLLIN};
	char text[4096] = "";
	const struct addr *addrs;
	size_t n;

	while (strcmp(text, expected) != 0) {
		cr_assert_eq(poll(&fd, 1, 5000), 1, "still %s", text);
		cr_assert_eq(node_addresses_process(addresses), 0);
		addrs = node_addresses_get(addresses, &n);
		format_set(addrs, n, text, sizeof(text));
	}
}

/* lo, and a pair of interfaces: node0 with addresses of both families, node1 without. */
static void setup(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		cr_skip_test("needs root: unshare: %s", strerror(errno));
	run("ip link add node0 type veth peer name node1");
	run("echo 0 > /proc/sys/net/ipv6/conf/node0/accept_dad");
	run("echo 0 > /proc/sys/net/ipv6/conf/node1/accept_dad");
	run("ip link set lo up && ip link set node0 up && ip link set node1 up");
	run("ip addr add 192.0.2.1/24 dev node0");
	run("ip addr add 198.51.100.1/24 dev node1");
	run("ip addr add 2001:db8::1/64 dev node0 nodad");
}

TestSuite(node_addresses, .init = setup);

Test(node_addresses, everything_by_default_but_link_local)
{
	struct node_addresses *addresses;

	run("ip addr add 127.0.0.53/8 dev lo");
	addresses = open_with(NULL);
	assert_set(addresses, "127.0.0.1 192.0.2.1 198.51.100.1 ::1 2001:db8::1");
	node_addresses_free(addresses);
}

Test(node_addresses, same_address_on_two_interfaces_counts_once)
{
	struct node_addresses *addresses;

	run("ip addr add 192.0.2.1/32 dev node1");
	addresses = open_with("");
	assert_set(addresses, "127.0.0.1 192.0.2.1 198.51.100.1 ::1 2001:db8::1");
	run("ip addr del 192.0.2.1/24 dev node0");
	process(addresses);
	assert_set(addresses, "127.0.0.1 192.0.2.1 198.51.100.1 ::1 2001:db8::1");
	cr_assert_eq(n_told, 0);
	node_addresses_free(addresses);
}

Test(node_addresses, cidrs_choose_per_family)
{
	static const struct {
		const char *text;
		const char *expected;
	} cases[] = {
		{"192.0.2.0/24", "192.0.2.1 ::1 2001:db8::1"},
		{"192.0.2.0/24,::/0", "192.0.2.1 ::1 2001:db8::1"},
		{"192.0.2.0/24,2001:db8::/32", "192.0.2.1 2001:db8::1"},
		{"2001:db8::/32", "127.0.0.1 192.0.2.1 198.51.100.1 2001:db8::1"},
		{"127.0.0.0/8,::1/128", "127.0.0.1 ::1"},
		{"10.0.0.0/8", "::1 2001:db8::1"},
		{"10.0.0.0/8,0.0.0.0/0", "127.0.0.1 192.0.2.1 198.51.100.1 ::1 2001:db8::1"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct node_addresses *addresses = open_with(cases[i].text);

		assert_set(addresses, cases[i].expected);
		node_addresses_free(addresses);
	}
}

Test(node_addresses, primary_is_first_of_each_family_if_local)
{
	struct node_addresses *addresses = open_with("primary");
	struct addr addrs[4];

	assert_set(addresses, "");
	addr_parse("198.51.100.1", &addrs[0]);
	addr_parse("192.0.2.1", &addrs[1]);
	addr_parse("2001:db8::1", &addrs[2]);
	addr_parse("2001:db8::2", &addrs[3]);
	cr_assert_eq(node_addresses_set_primary(addresses, addrs, 4), 0);
	cr_assert_str_eq(told, "198.51.100.1 2001:db8::1");
	cr_assert_eq(node_addresses_set_primary(addresses, addrs, 4), 0);
	cr_assert_eq(n_told, 1, "told although nothing changed");

	addr_parse("203.0.113.9", &addrs[0]);
	cr_assert_eq(node_addresses_set_primary(addresses, addrs, 1), 0);
	assert_set(addresses, "");
	run("ip addr add 203.0.113.9/32 dev node1");
	assert_set_soon(addresses, "203.0.113.9");

	addr_parse("127.0.0.1", &addrs[0]);
	cr_assert_eq(node_addresses_set_primary(addresses, addrs, 1), 0);
	assert_set(addresses, "");
	node_addresses_free(addresses);
}

Test(node_addresses, primary_falls_back_to_default_route)
{
	struct node_addresses *addresses;

	run("ip route add default via 192.0.2.254");
	addresses = open_with("primary");
	assert_set(addresses, "192.0.2.1");
	run("ip route add default dev node1 metric 1");
	run("ip -6 route add default dev node0");
	assert_set_soon(addresses, "192.0.2.1 2001:db8::1");
	run("ip route del default via 192.0.2.254");
	assert_set_soon(addresses, "198.51.100.1 2001:db8::1");
	run("ip link set node1 down");
	assert_set_soon(addresses, "2001:db8::1");
	node_addresses_free(addresses);
}

Test(node_addresses, changes_are_told_once)
{
	struct node_addresses *addresses = open_with("");

	run("ip addr add 192.0.2.7/24 dev node0");
	process(addresses);
	cr_assert_str_eq(told, "127.0.0.1 192.0.2.1 192.0.2.7 198.51.100.1 ::1 2001:db8::1");
	cr_assert_eq(n_told, 1);
	run("ip addr change 192.0.2.7/24 dev node0 valid_lft 1000 preferred_lft 1000");
	process(addresses);
	cr_assert_eq(n_told, 1, "told although nothing changed");
	run("ip link del node0");
	process(addresses);
	cr_assert_str_eq(told, "127.0.0.1 ::1");
	cr_assert_eq(n_told, 2);
	node_addresses_free(addresses);
}

Test(node_addresses, tentative_addresses_wait)
{
	struct node_addresses *addresses = open_with("2001:db8::/32,10.0.0.0/8");

	run("echo 1 > /proc/sys/net/ipv6/conf/node0/accept_dad");
	run("echo 100 > /proc/sys/net/ipv6/conf/node0/dad_transmits");
	run("ip addr add 2001:db8::9/64 dev node0");
	run("ip -6 addr show dev node0 tentative | grep -q 2001:db8::9");
	run("ip addr add 2001:db8::8/64 dev node0 nodad");
	assert_set_soon(addresses, "2001:db8::1 2001:db8::8");
	node_addresses_free(addresses);
}

Test(node_addresses, overflow_reads_everything_anew)
{
	struct node_addresses *addresses = open_with("");
	int tiny = 1;

	cr_assert_eq(setsockopt(node_addresses_fd(addresses), SOL_SOCKET, SO_RCVBUF, &tiny,
				sizeof(tiny)),
		     0);
	run("for i in $(seq 1 200); do echo addr add 10.0.0.$i/32 dev node0; done | ip -batch -");
	run("for i in $(seq 2 200); do echo addr del 10.0.0.$i/32 dev node0; done | ip -batch -");
	/* the column "Drops" tells that the kernel has really lost messages */
	run("awk 'NR > 1 && $9 > 0 { n++ } END { exit !n }' /proc/net/netlink");
	run("ip addr add 10.0.1.1/32 dev node0");
	assert_set_soon(addresses,
			"10.0.0.1 10.0.1.1 127.0.0.1 192.0.2.1 198.51.100.1 ::1 2001:db8::1");
	node_addresses_free(addresses);
}

Test(node_addresses_parse, accepts_and_refuses)
{
	static const struct {
		const char *text;
		int expected;
	} cases[] = {
		{NULL, 0},
		{"", 0},
		{"primary", 0},
		{"10.0.0.0/8", 0},
		{"10.0.0.0/8, fd00::/8", 0},
		{"10.0.0.0", -EINVAL},
		{"primary,10.0.0.0/8", -EINVAL},
		{"10.0.0.0/8,", -EINVAL},
		{"10.0.0.0/33", -EINVAL},
		{"node", -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct node_addresses_selection selection = {};

		cr_expect_eq(node_addresses_parse(cases[i].text, &selection), cases[i].expected,
			     "\"%s\"", cases[i].text ? cases[i].text : "(none)");
		node_addresses_selection_clear(&selection);
	}
}
