/* SPDX-License-Identifier: Apache-2.0 */
/* The options of the packet path, and what KubeProxyConfiguration has for them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "cmd/options.h"
#include "util/cleanup.h"

/* @words: after "run"; they and @options stay until parsed_clear(). */
struct parsed {
	char *words;
	struct options options;
	char error[OPTIONS_ERROR_MAX];
	int status;
};

static void parsed_clear(struct parsed *parsed)
{
	options_clear(&parsed->options);
	free(parsed->words);
}

static struct parsed parse(const char *words)
{
	struct parsed parsed = {};
	char *argv[CAPTURE_MAX_ARGS + 1];
	int argc;

	cr_assert_geq(asprintf(&parsed.words, "run %s", words), 0);
	argc = capture_split(parsed.words, argv, 0);
	parsed.status =
		options_parse(command_find("run"), argc, argv, &parsed.options, parsed.error);
	return parsed;
}

static struct parsed parse_good(const char *words)
{
	struct parsed parsed = parse(words);

	cr_assert_eq(parsed.status, 0, "%s: %s", words, parsed.error);
	return parsed;
}

Test(options_packet, refused_values_give_one_line)
{
	static const struct {
		const char *words;
		const char *error;
	} cases[] = {
		{"--devices ''", "--devices: '' is not a list of device names with commas between "
				 "them; * may stand "
				 "at the end of a name"},
		{"--devices eth0,*a",
		 "--devices: 'eth0,*a' is not a list of device names with commas between them; * "
		 "may stand at the end of a name"},
		{"--devices eth0,none", "--devices: 'none' does not go with names"},
		{"--devices auto,eth0", "--devices: 'auto' does not go with names"},
		{"--devices eth0,lo",
		 "--devices: 'lo' cannot be served: packets there are this host's own"},
		{"--uplinks a_name_of_16char",
		 "--uplinks: 'a_name_of_16char' is not a list of device names with commas between "
		 "them; * may stand at the end of a name"},
		{"--uplinks auto", "--uplinks: 'auto' is no device; leave --uplinks out"},
		{"--max-flows 1023", "--max-flows: '1023' is not a number from 1024 to 16777216"},
		{"--max-flows 16777217",
		 "--max-flows: '16777217' is not a number from 1024 to 16777216"},
		{"--snat-ports 1024",
		 "--snat-ports: '1024' is not FIRST-LAST, nor two of these with a comma between "
		 "them"},
		{"--snat-ports 0-10",
		 "--snat-ports: '0-10' has a range that is empty or not within 1 to 65535"},
		{"--xdp on", "--xdp: 'on' is neither off, native, generic nor auto"},
		{"--snat-ports 1-10,10-20", "--snat-ports: the ranges of '1-10,10-20' overlap"},
		{"--flow-timeout udp",
		 "--flow-timeout: 'udp' is not STATE=DURATION, as in udp=30s"},
		{"--flow-timeout udp=30s,icmp=1s",
		 "--flow-timeout: 'icmp': unknown state; known: udp udp-stream tcp-syn-sent "
		 "tcp-syn-recv tcp-established tcp-fin-wait tcp-close-wait tcp-last-ack "
		 "tcp-time-wait tcp-close"},
		{"--flow-timeout udp=0s,tcp-close=1s",
		 "--flow-timeout: 'udp=0s': must be 1s to 8760h"},
		{"--forwarding ipip", "--forwarding: 'ipip' is neither snat nor dsr"},
		{"--tc-attach tcx", "--tc-attach: 'tcx' is neither auto nor clsact"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(parsed_clear) struct parsed parsed = parse(cases[i].words);

		cr_expect_eq(parsed.status, -EINVAL, "%s", cases[i].words);
		cr_expect_str_eq(parsed.error, cases[i].error, "%s: %s", cases[i].words,
				 parsed.error);
	}
}

Test(options_packet, defaults)
{
	_cleanup_(parsed_clear) struct parsed parsed = parse_good("");
	const struct options *options = &parsed.options;

	cr_expect_str_eq(options->devices, "auto");
	cr_expect_null(options->uplinks);
	cr_expect_not(options->is_clsact);
	cr_expect_eq(options->max_flows, 131072u);
	cr_expect_eq(options->packet.forwarding, SVC_FORWARDING_SNAT);
	cr_expect_eq(options->xdp, DATAPATH_XDP_OFF);
	cr_expect_eq(options->packet.timeouts_s[SVC_FLOW_TCP_ESTABLISHED], 432000u);
	cr_expect_eq(options->packet.timeouts_s[SVC_FLOW_TCP_CLOSE_WAIT], 60u);
	cr_expect_gt(options->packet.snat_count[0], 0u);
}

Test(options_packet, all_of_them)
{
	_cleanup_(parsed_clear) struct parsed parsed = parse_good(
		"--devices=eth0,cali* --uplinks eth0 --tc-attach=clsact --max-flows 1024 "
		"--snat-ports 2000-2999 --flow-timeout udp=1m --flow-timeout tcp-close=7 "
		"--forwarding dsr --xdp auto");
	const struct options *options = &parsed.options;

	cr_expect_str_eq(options->devices, "eth0,cali*");
	cr_expect_str_eq(options->uplinks, "eth0");
	cr_expect(options->is_clsact);
	cr_expect_eq(options->max_flows, 1024u);
	cr_expect_eq(options->packet.snat_first[0], 2000u);
	cr_expect_eq(options->packet.snat_count[0], 1000u);
	cr_expect_eq(options->packet.snat_count[1], 0u);
	cr_expect_eq(options->packet.timeouts_s[SVC_FLOW_UDP_UNREPLIED], 60u);
	cr_expect_eq(options->packet.timeouts_s[SVC_FLOW_TCP_CLOSE], 7u);
	cr_expect_eq(options->packet.timeouts_s[SVC_FLOW_UDP_STREAM], 120u);
	cr_expect_eq(options->packet.forwarding, SVC_FORWARDING_DSR);
	cr_expect_eq(options->xdp, DATAPATH_XDP_AUTO);
	cr_expect_str_empty(options->packet_note);
}

Test(options_packet, none_has_no_flows)
{
	_cleanup_(parsed_clear) struct parsed parsed =
		parse_good("--devices none --max-flows 2048");

	cr_expect_str_eq(parsed.options.devices, "none");
	cr_expect_eq(parsed.options.max_flows, 0u);
}

/* ------------------------------------------------------------------ in a file */

static char path[] = "/tmp/svcbpf-packet.XXXXXX";

static struct parsed parse_file(const char *text, const char *words)
{
	char all[256];
	int fd;

	memcpy(path + sizeof(path) - 7, "XXXXXX", 7);
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	snprintf(all, sizeof(all), "--config %s %s", path, words);
	return parse(all);
}

static void expect_timeout(const char *text, const char *words, uint8_t state, uint32_t expected)
{
	_cleanup_(parsed_clear) struct parsed parsed = parse_file(text, words);

	cr_expect_eq(parsed.status, 0, "%s: %s", text, parsed.error);
	cr_expect_eq(parsed.options.packet.timeouts_s[state], expected, "%s: %u", text,
		     parsed.options.packet.timeouts_s[state]);
	unlink(path);
}

#define PROXY                                                                                      \
	"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nconntrack: {"

Test(options_packet, timeouts_of_kube_proxy)
{
	static const struct {
		const char *text;
		uint8_t state;
		uint32_t expected;
	} cases[] = {
		{PROXY "}", SVC_FLOW_TCP_ESTABLISHED, 86400},
		{PROXY "}", SVC_FLOW_TCP_CLOSE_WAIT, 3600},
		{PROXY "}", SVC_FLOW_UDP_UNREPLIED, 30},
		{PROXY "tcpEstablishedTimeout: null}", SVC_FLOW_TCP_ESTABLISHED, 86400},
		{PROXY "tcpEstablishedTimeout: 0s}", SVC_FLOW_TCP_ESTABLISHED, 432000},
		{PROXY "tcpEstablishedTimeout: 2h30m}", SVC_FLOW_TCP_ESTABLISHED, 9000},
		{PROXY "tcpCloseWaitTimeout: 0}", SVC_FLOW_TCP_CLOSE_WAIT, 60},
		{PROXY "tcpCloseWaitTimeout: 5000000000}", SVC_FLOW_TCP_CLOSE_WAIT, 5},
		{PROXY "udpTimeout: 45s}", SVC_FLOW_UDP_UNREPLIED, 45},
		{PROXY "udpTimeout: 0s}", SVC_FLOW_UDP_UNREPLIED, 30},
		{PROXY "udpStreamTimeout: 1500ms}", SVC_FLOW_UDP_STREAM, 2},
		{"flow-timeout: [udp=3s, udp-stream=4s]", SVC_FLOW_UDP_STREAM, 4},
		{"flow-timeout: udp=3s", SVC_FLOW_TCP_ESTABLISHED, 432000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_timeout(cases[i].text, "", cases[i].state, cases[i].expected);
	expect_timeout(PROXY "udpTimeout: 45s}", "--flow-timeout udp=7s", SVC_FLOW_UDP_UNREPLIED,
		       7);
}

Test(options_packet, a_bad_timeout_of_kube_proxy_is_named_with_its_line)
{
	_cleanup_(parsed_clear) struct parsed parsed = parse_file(PROXY "udpTimeout: -5s}", "");

	cr_expect_eq(parsed.status, -EINVAL);
	cr_expect(strstr(parsed.error, ":3: "), "%s", parsed.error);
	cr_expect(strstr(parsed.error, "udp"), "%s", parsed.error);
	unlink(path);
}

Test(options_packet, lists_in_a_file)
{
	_cleanup_(parsed_clear) struct parsed parsed = parse_file(
		"devices: [eth0, cali*]\nuplinks: eth0\nsnat-ports: [1024-2000, 3000-4000]\n", "");

	cr_assert_eq(parsed.status, 0, "%s", parsed.error);
	cr_expect_str_eq(parsed.options.devices, "eth0,cali*");
	cr_expect_str_eq(parsed.options.uplinks, "eth0");
	cr_expect_eq(parsed.options.packet.snat_first[1], 3000u);
	unlink(path);
}
