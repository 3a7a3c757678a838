/* SPDX-License-Identifier: Apache-2.0 */
/* Each test runs in a network namespace of its own, made by unshare(2). */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datapath/device_list.h"
#include "datapath/device_rules.h"
#include "datapath/devices.h"
#include "util/cleanup.h"

static void run(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

/* A node: a NIC in veth's clothes, a bridge with a pod, a pod of its own, and a VLAN. */
static void setup(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		cr_skip_test("needs root: unshare: %s", strerror(errno));
	run("echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad");
	run("ip link set lo up");
	run("ip link add eth0 address 02:00:00:00:00:01 type veth peer name far0");
	run("ip link add cni0 address 02:00:00:00:00:02 type bridge");
	run("ip link add pod1 address 02:00:00:00:00:03 type veth peer name in1");
	run("ip link add cali2 address 02:00:00:00:00:04 type veth peer name in2");
	run("ip link set pod1 master cni0");
	run("ip addr add 192.0.2.1/24 dev eth0");
	run("ip addr add 2001:db8::1/64 dev eth0 nodad");
	run("ip addr add 10.244.0.1/24 dev cni0");
	run("ip addr add 169.254.1.1/32 dev cali2");
	run("for d in eth0 cni0 pod1 cali2; do ip link set $d up; done");
	run("ip route add default via 192.0.2.254");
}

TestSuite(devices, .init = setup);

static void devices_freep(struct devices **devices)
{
	devices_free(*devices);
}

static struct devices *open_with(const char *list_text, const char *uplinks_text)
{
	_cleanup_(device_list_clear) struct device_list list = {};
	_cleanup_(device_list_clear) struct device_list uplinks = {};
	struct devices_selection selection = {list_text ? &list : NULL,
					      uplinks_text ? &uplinks : NULL};
	struct devices *devices;

	if (list_text)
		cr_assert_eq(device_list_parse(list_text, &list), 0);
	if (uplinks_text)
		cr_assert_eq(device_list_parse(uplinks_text, &uplinks), 0);
	cr_assert_eq(devices_new(&selection, &devices), 0);
	return devices;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct device *const *)a)->name,
		      (*(const struct device *const *)b)->name);
}

/* "NAME" each, with U (uplink), 3 (L3), d (down), f (foreign), 0 (not there) behind a slash. */
static const char *text_of(const struct devices *devices)
{
	static char text[1024];
	const struct device *sorted[64];
	size_t n, len = 0;
	const struct device *items = devices_get(devices, &n);

	cr_assert_leq(n, ARRAY_SIZE(sorted));
	for (size_t i = 0; i < n; i++)
		sorted[i] = &items[i];
	qsort(sorted, n, sizeof(sorted[0]), by_name);
	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%s%s/%s%s%s%s%s", i ? " " : "",
			sorted[i]->name, sorted[i]->value.flags & SVC_DEVICE_F_UPLINK ? "U" : "",
			sorted[i]->value.flags & SVC_DEVICE_F_L3 ? "3" : "",
			sorted[i]->ifindex && !sorted[i]->is_up ? "d" : "",
			sorted[i]->is_foreign ? "f" : "", sorted[i]->ifindex ? "" : "0");
	return text;
}

static const struct device *find(const struct devices *devices, const char *name)
{
	size_t n;
	const struct device *items = devices_get(devices, &n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(items[i].name, name) == 0)
			return &items[i];
	cr_assert_fail("%s is not there", name);
	return NULL;
}

static void expect_addrs(const struct devices *devices, const char *name, const char *expected)
{
	const struct svc_device *value = &find(devices, name)->value;
	struct addr addr4 = {.family = ADDR_IPV4}, addr6 = {.family = ADDR_IPV6};
	char text4[ADDR_TEXT_MAX], text6[ADDR_TEXT_MAX], text[2 * ADDR_TEXT_MAX];

	memcpy(addr4.bytes, &value->addr4, 4);
	memcpy(addr6.bytes, value->addr6, 16);
	snprintf(text, sizeof(text), "%s %s", addr_format(&addr4, text4),
		 addr_format(&addr6, text6));
	cr_expect_str_eq(text, expected, "%s: %s", name, text);
}

/* The kernel tells at once, but for what it does in a worker: until it is so. */
static void expect_soon(struct devices *devices, const char *expected)
{
	struct pollfd fd = {.fd = devices_fd(devices), .events = POLLIN};
	int i;

	for (i = 0; i < 100 && strcmp(text_of(devices), expected) != 0; i++) {
		cr_assert_eq(poll(&fd, 1, 5000), 1, "still %s", text_of(devices));
		if (devices_process(devices))
			cr_assert_eq(devices_refresh(devices), 0);
	}
	cr_expect_str_eq(text_of(devices), expected);
}

static void set_node_addrs(struct devices *devices, const char *text, int expected)
{
	struct addr addr;

	cr_assert_eq(addr_parse(text, &addr), 0);
	cr_assert_eq(devices_set_node_addresses(devices, &addr, 1), expected);
	cr_assert_eq(devices_refresh(devices), 0);
}

Test(devices, auto_is_all_but_loopback)
{
	_cleanup_(devices_freep) struct devices *devices = open_with(NULL, NULL);

	cr_expect_str_eq(text_of(devices), "cali2/ cni0/ eth0/U far0/d in1/d in2/d pod1/");
}

/* Written down, as this kernel may have no bonding driver. */
Test(device_rules, ports_of_bonds_and_mirrors_are_left_out)
{
	struct network_link links[] = {
		{.ifindex = 1, .name = "lo", .type = ARPHRD_LOOPBACK, .kind = NETWORK_LOOPBACK},
		{.ifindex = 2,
		 .name = "eth0",
		 .type = ARPHRD_ETHER,
		 .master = 4,
		 .is_bond_port = true},
		{.ifindex = 3, .name = "eth1", .type = ARPHRD_ETHER},
		{.ifindex = 4, .name = "bond0", .type = ARPHRD_ETHER},
		{.ifindex = 5, .name = "vrf0", .type = ARPHRD_ETHER, .kind = NETWORK_MIRROR},
		{.ifindex = 6, .name = "can0", .type = ARPHRD_CAN},
		{.ifindex = 7, .name = "ib0", .type = ARPHRD_INFINIBAND},
		{.ifindex = 8, .name = "ppp0", .type = ARPHRD_PPP},
	};
	struct network_default route = {.ifindex = 7, .family = ADDR_IPV4};
	const struct network network = {links, ARRAY_SIZE(links), NULL, 0, &route, 1};
	const struct device_rules rules = {.network = &network};
	static const char *const expected[] = {"eth1", "bond0", "ib0", "ppp0"};
	_free_ struct device *devices = NULL;
	size_t n;

	cr_assert_eq(device_rules_apply(&rules, &devices, &n), 0);
	cr_assert_eq(n, ARRAY_SIZE(expected));
	for (size_t i = 0; i < n; i++) {
		cr_expect_str_eq(devices[i].name, expected[i]);
		cr_expect(devices[i].value.flags & SVC_DEVICE_F_UPLINK, "%s", expected[i]);
		cr_expect_eq(devices[i].is_foreign, strcmp(expected[i], "ib0") == 0);
		cr_expect_eq(!(devices[i].value.flags & SVC_DEVICE_F_L3),
			     strcmp(expected[i], "ppp0") != 0);
	}
}

Test(devices, the_nodes_address_makes_an_uplink)
{
	_cleanup_(devices_freep) struct devices *devices = open_with("eth0", NULL);

	run("ip route del default");
	expect_soon(devices, "eth0/");
	set_node_addrs(devices, "192.0.2.1", 1);
	cr_expect_str_eq(text_of(devices), "eth0/U");
	set_node_addrs(devices, "192.0.2.1", 0);
	set_node_addrs(devices, "192.0.2.77", 1);
	cr_expect_str_eq(text_of(devices), "eth0/");
}

Test(devices, uplinks_can_be_named)
{
	_cleanup_(devices_freep) struct devices *devices = open_with("eth0,cali2,pod1", "cali*");

	cr_expect_str_eq(text_of(devices), "cali2/U eth0/ pod1/");
}

Test(devices, what_a_bridge_is_depends_on_its_ports)
{
	_cleanup_(devices_freep) struct devices *devices = NULL;

	run("ip link add br1 type bridge && ip link set br1 up");
	devices = open_with("br1", NULL);
	cr_expect_str_eq(text_of(devices), "br1/");
	run("ip link add vx1 type vxlan id 7 dstport 4789 dev eth0 && ip link set vx1 master br1");
	expect_soon(devices, "br1/U");
	run("ip link set far0 master br1");
	expect_soon(devices, "br1/");
}

Test(devices, overlays_are_uplinks)
{
	_cleanup_(devices_freep) struct devices *devices = NULL;

	run("ip link add vx1 type vxlan id 7 dstport 4789 dev eth0 && ip link set vx1 up");
	run("ip tuntap add tun1 mode tun && ip link set tun1 up");
	run("ip tuntap add tap1 mode tap && ip link set tap1 up");
	devices = open_with("vx1,tun1,tap1", NULL);
	cr_expect_str_eq(text_of(devices), "tap1/ tun1/U3 vx1/U");
}

/* eth0 has no address, its VLAN's VLAN has; written down, as this kernel may have no VLANs. */
Test(device_rules, what_is_below_an_uplink_is_one)
{
	struct network_link links[] = {
		{.ifindex = 2, .name = "eth0", .type = ARPHRD_ETHER, .kind = NETWORK_POD},
		{.ifindex = 3, .name = "eth1", .type = ARPHRD_ETHER, .kind = NETWORK_POD},
		{.ifindex = 4,
		 .name = "eth0.7",
		 .type = ARPHRD_ETHER,
		 .kind = NETWORK_STACKED,
		 .lower = 2},
		{.ifindex = 5,
		 .name = "eth1.7",
		 .type = ARPHRD_ETHER,
		 .kind = NETWORK_STACKED,
		 .lower = 3},
		{.ifindex = 6,
		 .name = "eth0.7.8",
		 .type = ARPHRD_ETHER,
		 .kind = NETWORK_STACKED,
		 .lower = 4},
		{.ifindex = 7, .name = "far", .type = ARPHRD_ETHER, .kind = NETWORK_STACKED},
		{.ifindex = 8,
		 .name = "loop",
		 .type = ARPHRD_ETHER,
		 .kind = NETWORK_STACKED,
		 .lower = 8},
	};
	static const bool are_uplinks[] = {true, false, true, false, true, true, true};
	struct network_default route = {.ifindex = 6, .family = ADDR_IPV6};
	const struct network network = {links, ARRAY_SIZE(links), NULL, 0, &route, 1};
	const struct device_rules rules = {.network = &network};
	_free_ struct device *devices = NULL;
	size_t n;

	cr_assert_eq(device_rules_apply(&rules, &devices, &n), 0);
	cr_assert_eq(n, ARRAY_SIZE(links));
	for (size_t i = 0; i < n; i++)
		cr_expect_eq(!(devices[i].value.flags & SVC_DEVICE_F_UPLINK), !are_uplinks[i], "%s",
			     devices[i].name);
}

Test(devices, addresses_of_a_device_or_of_the_node)
{
	_cleanup_(devices_freep) struct devices *devices = open_with(NULL, NULL);

	expect_addrs(devices, "eth0", "192.0.2.1 2001:db8::1");
	expect_addrs(devices, "cni0", "10.244.0.1 2001:db8::1");
	expect_addrs(devices, "pod1", "10.244.0.1 2001:db8::1"); /* the bridge's */
	expect_addrs(devices, "cali2", "192.0.2.1 2001:db8::1"); /* 169.254.1.1 leads nowhere */
	run("ip addr add 198.51.100.9/32 dev lo");
	set_node_addrs(devices, "198.51.100.9", 1);
	expect_addrs(devices, "cali2", "198.51.100.9 2001:db8::1");
	expect_addrs(devices, "eth0", "192.0.2.1 2001:db8::1");
	run("ip addr add 198.51.100.8/32 dev eth0");
	set_node_addrs(devices, "198.51.100.8", 1);
	expect_addrs(devices, "eth0", "198.51.100.8 2001:db8::1");
}

Test(devices, addresses_that_are_no_good_are_not_taken)
{
	_cleanup_(devices_freep) struct devices *devices = NULL;

	run("ip addr flush dev eth0 && ip -6 addr add 2001:db8::5/64 dev eth0 preferred_lft 0 "
	    "nodad");
	run("ip addr flush dev cni0");
	devices = open_with("eth0", NULL);
	expect_addrs(devices, "eth0", "0.0.0.0 ::");
}

Test(devices, a_bridges_port_has_the_bridges_mac)
{
	static const uint8_t bridge[] = {2, 0, 0, 0, 0, 2}, own[] = {2, 0, 0, 0, 0, 1};
	_cleanup_(devices_freep) struct devices *devices = open_with(NULL, NULL);

	cr_expect_arr_eq(find(devices, "eth0")->value.mac, own, sizeof(own));
	cr_expect_arr_eq(find(devices, "cni0")->value.mac, bridge, sizeof(bridge));
	cr_expect_arr_eq(find(devices, "pod1")->value.mac, bridge, sizeof(bridge));
}

Test(devices, what_comes_goes_and_is_renamed_is_followed)
{
	_cleanup_(devices_freep) struct devices *devices = open_with("cali*,gone", NULL);
	uint32_t ifindex;

	cr_expect_str_eq(text_of(devices), "cali2/ gone/0");
	run("ip link add cali7 type veth peer name in7");
	expect_soon(devices, "cali2/ cali7/d gone/0");
	run("ip link set cali7 up");
	expect_soon(devices, "cali2/ cali7/ gone/0");
	ifindex = find(devices, "cali7")->ifindex;
	run("ip link set cali7 down && ip link set cali7 name gone && ip link set gone up");
	expect_soon(devices, "cali2/ gone/");
	cr_expect_eq(find(devices, "gone")->ifindex, ifindex);
	run("ip link del gone");
	expect_soon(devices, "cali2/ gone/0");
}

Test(devices, pods_routes_are_no_change)
{
	_cleanup_(devices_freep) struct devices *devices = open_with(NULL, NULL);
	struct pollfd fd = {.fd = devices_fd(devices), .events = POLLIN};

	run("ip route add 10.1.1.1/32 dev cali2");
	cr_assert_eq(poll(&fd, 1, 5000), 1);
	cr_expect_eq(devices_process(devices), 0);
	run("ip route replace default via 192.0.2.253");
	cr_assert_eq(poll(&fd, 1, 5000), 1);
	cr_expect_eq(devices_process(devices), 1);
	cr_expect_eq(devices_process(devices), 0);
}

/* More messages than the socket can keep: all is read anew. */
Test(devices, lost_messages_are_a_change)
{
	_cleanup_(devices_freep) struct devices *devices = open_with("x*", NULL);

	run("seq 12000 | sed 's|.*|addr add 10.9.0.1/32 dev cali2\\naddr del 10.9.0.1/32 dev "
	    "cali2|' | ip -batch -");
	run("ip link add x1 type veth peer name y1");
	cr_assert_eq(devices_process(devices), 1);
	cr_assert_eq(devices_refresh(devices), 0);
	cr_expect_str_eq(text_of(devices), "x1/d");
}

/* ------------------------------------------------------------------ lists */

Test(device_list, names_and_patterns)
{
	static const struct {
		const char *text;
		const char *name;
		bool has;
	} cases[] = {
		{"eth0", "eth0", true},	  {"eth0", "eth01", false}, {"eth0", "eth", false},
		{"eth*", "eth", true},	  {"eth*", "eth0.7", true}, {"eth*", "veth0", false},
		{"a,eth*", "eth1", true}, {"a,eth*", "a", true},    {"a,eth*", "b", false},
		{"*", "anything", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(device_list_clear) struct device_list list = {};

		cr_assert_eq(device_list_parse(cases[i].text, &list), 0);
		cr_expect_eq(device_list_has(&list, cases[i].name), cases[i].has, "%s %s",
			     cases[i].text, cases[i].name);
	}
}

Test(device_list, what_is_no_list)
{
	static const char *const cases[] = {"",
					    ",",
					    "a,",
					    "a,,b",
					    "a b",
					    "*a",
					    "a*b",
					    "a**",
					    "a/b",
					    "a:1",
					    "..",
					    "a, b",
					    "sixteen_letters_"};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct device_list list = {};

		cr_expect_eq(device_list_parse(cases[i], &list), -EINVAL, "'%s'", cases[i]);
		cr_expect_null(list.patterns);
	}
}
