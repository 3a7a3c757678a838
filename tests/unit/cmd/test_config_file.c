/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "cmd/config_file.h"
#include "cmd/options.h"
#include "util/cleanup.h"

/* A configuration file, in a folder of its own. */
struct config {
	char dir[64];
	char path[96];
};

static void config_remove(const struct config *config)
{
	unlink(config->path);
	rmdir(config->dir);
}

static struct config config_write(const char *text)
{
	struct config config = {.dir = "/tmp/svcbpf-config.XXXXXX"};
	FILE *file;

	cr_assert(mkdtemp(config.dir));
	snprintf(config.path, sizeof(config.path), "%s/c.yaml", config.dir);
	file = fopen(config.path, "we");
	cr_assert(file);
	cr_assert_geq(fputs(text, file), 0);
	cr_assert_eq(fclose(file), 0);
	return config;
}

/* The options of "run --config FILE WORDS"; what they borrow stays until parsed_clear(). */
struct parsed {
	struct config config;
	char *words;
	struct options options;
	char error[OPTIONS_ERROR_MAX];
	int status;
};

static void parsed_clear(struct parsed *parsed)
{
	options_clear(&parsed->options);
	config_remove(&parsed->config);
	free(parsed->words);
}

static struct parsed parse(const char *text, const char *words)
{
	struct parsed parsed = {.config = config_write(text)};
	char *argv[CAPTURE_MAX_ARGS + 1];
	int argc;

	cr_assert_geq(asprintf(&parsed.words, "run --config %s %s", parsed.config.path, words), 0);
	argc = capture_split(parsed.words, argv, 0);
	parsed.status =
		options_parse(command_find("run"), argc, argv, &parsed.options, parsed.error);
	return parsed;
}

static struct parsed parse_good(const char *text, const char *words)
{
	struct parsed parsed = parse(text, words);

	cr_assert_eq(parsed.status, 0, "%s", parsed.error);
	cr_assert_str_empty(parsed.error);
	return parsed;
}

/* What `kubeadm init` 1.36 puts into the ConfigMap kube-proxy, with the pod CIDR 10.244.0.0/16. */
static const char kubeadm[] = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"
			      "bindAddress: 0.0.0.0\n"
			      "bindAddressHardFail: false\n"
			      "clientConnection:\n"
			      "  acceptContentTypes: \"\"\n"
			      "  burst: 0\n"
			      "  contentType: \"\"\n"
			      "  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf\n"
			      "  qps: 0\n"
			      "clusterCIDR: 10.244.0.0/16\n"
			      "configSyncPeriod: 0s\n"
			      "conntrack:\n"
			      "  maxPerCore: null\n"
			      "  min: null\n"
			      "  tcpBeLiberal: false\n"
			      "  tcpCloseWaitTimeout: null\n"
			      "  tcpEstablishedTimeout: null\n"
			      "  udpStreamTimeout: 0s\n"
			      "  udpTimeout: 0s\n"
			      "detectLocal:\n"
			      "  bridgeInterface: \"\"\n"
			      "  interfaceNamePrefix: \"\"\n"
			      "detectLocalMode: \"\"\n"
			      "enableProfiling: false\n"
			      "healthzBindAddress: \"\"\n"
			      "hostnameOverride: \"\"\n"
			      "iptables:\n"
			      "  localhostNodePorts: null\n"
			      "  masqueradeAll: false\n"
			      "  masqueradeBit: null\n"
			      "  minSyncPeriod: 0s\n"
			      "  syncPeriod: 0s\n"
			      "ipvs:\n"
			      "  excludeCIDRs: null\n"
			      "  minSyncPeriod: 0s\n"
			      "  scheduler: \"\"\n"
			      "  strictARP: false\n"
			      "  syncPeriod: 0s\n"
			      "  tcpFinTimeout: 0s\n"
			      "  tcpTimeout: 0s\n"
			      "  udpTimeout: 0s\n"
			      "kind: KubeProxyConfiguration\n"
			      "logging:\n"
			      "  flushFrequency: 0\n"
			      "  options:\n"
			      "    json:\n"
			      "      infoBufferSize: \"0\"\n"
			      "    text:\n"
			      "      infoBufferSize: \"0\"\n"
			      "  verbosity: 0\n"
			      "metricsBindAddress: \"\"\n"
			      "mode: \"\"\n"
			      "nftables:\n"
			      "  masqueradeAll: false\n"
			      "  masqueradeBit: null\n"
			      "  minSyncPeriod: 0s\n"
			      "  syncPeriod: 0s\n"
			      "nodePortAddresses: null\n"
			      "oomScoreAdj: null\n"
			      "portRange: \"\"\n"
			      "showHiddenMetricsForVersion: \"\"\n"
			      "winkernel:\n"
			      "  enableDSR: false\n"
			      "  forwardHealthCheckVip: false\n"
			      "  networkName: \"\"\n"
			      "  rootHnsEndpointName: \"\"\n"
			      "  sourceVip: \"\"\n";

Test(config_file, kubeadms_configmap)
{
	_cleanup_(parsed_clear) struct parsed parsed = parse_good(kubeadm, "--node-name n1");
	const struct options *options = &parsed.options;
	char note[256];

	cr_expect_str_eq(options->kubeconfig, "/var/lib/kube-proxy/kubeconfig.conf");
	cr_expect_str_eq(options->node_name, "n1");
	cr_expect_str_eq(options->healthz_bind_address, OPTIONS_DEFAULT_HEALTHZ);
	cr_expect_str_eq(options->metrics_bind_address, OPTIONS_DEFAULT_METRICS);
	cr_expect_str_eq(options->state_dir, OPTIONS_DEFAULT_STATE_DIR);
	cr_expect_null(options->nodeport_addresses);
	cr_expect_not(options->is_bind_hard_fail);
	snprintf(note, sizeof(note), "%s: ignored, as svcbpf has no use for it: clusterCIDR",
		 parsed.config.path);
	cr_expect_str_eq(options->config_note, note);
}

#define PROXY "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"

Test(config_file, what_has_a_meaning_is_obeyed)
{
	_cleanup_(parsed_clear) struct parsed parsed =
		parse_good(PROXY "clientConnection: {kubeconfig: /k, qps: 5, burst: 10}\n"
				 "hostnameOverride: N7\n"
				 "healthzBindAddress: 10.0.0.1\n"
				 "metricsBindAddress: \"::\"\n"
				 "bindAddressHardFail: true\n"
				 "nodePortAddresses: [10.0.0.0/8, \"fd00::/8\"]\n"
				 "logging: {format: json}\n",
			   "");
	const struct options *options = &parsed.options;

	cr_expect_str_eq(options->kubeconfig, "/k");
	cr_expect_str_eq(options->node_name, "N7");
	cr_expect_str_eq(options->healthz_bind_address, "10.0.0.1:10256");
	cr_expect_str_eq(options->metrics_bind_address, "[::]:10249");
	cr_expect(options->is_bind_hard_fail);
	cr_expect_str_eq(options->nodeport_addresses, "10.0.0.0/8,fd00::/8");
	cr_expect(options->is_json_log);
	cr_expect_null(options->config_note, "%s", options->config_note);
}

Test(config_file, what_is_ignored_is_named_once)
{
	_cleanup_(parsed_clear) struct parsed parsed = parse_good(
		PROXY "mode: ipvs\n"
		      "ipvs: {strictARP: true, syncPeriod: 30s, excludeCIDRs: [1.2.3.0/24]}\n"
		      "iptables: {localhostNodePorts: false, masqueradeBit: 14}\n"
		      "nftables: {minSyncPeriod: 1s, syncPeriod: 1m}\n"
		      "conntrack: {maxPerCore: 32768, min: 0, tcpEstablishedTimeout: 24h0m0s}\n"
		      "oomScoreAdj: -998\n"
		      "configSyncPeriod: 15m0s\n"
		      "featureGates: {A: true}\n"
		      "logging: {verbosity: 2, options: {json: {splitStream: false}}}\n",
		"");
	char note[400];

	snprintf(note, sizeof(note),
		 "%s: ignored, as svcbpf has no use for it: mode, ipvs.strictARP, "
		 "ipvs.excludeCIDRs, iptables.localhostNodePorts, nftables.syncPeriod, "
		 "oomScoreAdj, featureGates, logging.verbosity",
		 parsed.config.path);
	cr_expect_str_eq(parsed.options.config_note, note);
}

Test(config_file, options_by_their_names)
{
	_cleanup_(parsed_clear) struct parsed parsed =
		parse_good("manifests: [/a, /b]\n"
			   "node-name: n1\n"
			   "algorithm: maglev\n"
			   "maglev-table-size: 509\n"
			   "max-services: 100000\n"
			   "nodeport-addresses: [10.0.0.0/8, 192.168.0.0/16]\n"
			   "metrics-bind-address: \"\"\n"
			   "bind-address-hard-fail: true\n"
			   "api-via-service: false\n"
			   "verbose: yes\n"
			   "pin-dir: null\n",
			   "");
	const struct options *options = &parsed.options;

	cr_assert_eq(options->n_manifests, 2u);
	cr_expect_str_eq(options->manifests[0], "/a");
	cr_expect_str_eq(options->manifests[1], "/b");
	cr_expect_str_eq(options->node_name, "n1");
	cr_expect_eq(options->max_services, 100000u);
	cr_expect_eq(options->algorithm, MODEL_ALGORITHM_MAGLEV);
	cr_expect_eq(options->packet.maglev_size, 509u);
	cr_expect_str_eq(options->nodeport_addresses, "10.0.0.0/8,192.168.0.0/16");
	cr_expect_str_eq(options->metrics_bind_address, "");
	cr_expect(options->is_bind_hard_fail);
	cr_expect_not(options->is_api_through_service);
	cr_expect(options->is_verbose);
	cr_expect_str_eq(options->pin_dir, "/sys/fs/bpf/svcbpf");
	cr_expect_null(options->config_note);
}

Test(config_file, an_empty_file_sets_nothing)
{
	static const char *const texts[] = {"", "# nothing yet\n", "{}\n"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(parsed_clear) struct parsed parsed = parse_good(texts[i], "");

		cr_expect_eq(parsed.options.max_services, 65536u);
		cr_expect_null(parsed.options.kubeconfig);
	}
}

Test(config_file, the_command_line_wins)
{
	static const char text[] = "kubeconfig: /file\nserver: [https://f1, https://f2]\n"
				   "max-backends: 100\nnode-name: file\nstate-dir: /file\n";
	_cleanup_(parsed_clear) struct parsed parsed =
		parse_good(text, "--kubeconfig /flag --server https://flag --max-backends 200 "
				 "--node-name flag --state-dir=");
	const struct options *options = &parsed.options;

	cr_expect_str_eq(options->kubeconfig, "/flag");
	cr_assert_eq(options->n_servers, 1u);
	cr_expect_str_eq(options->servers[0], "https://flag");
	cr_expect_eq(options->max_backends, 200u);
	cr_expect_str_eq(options->node_name, "flag");
	cr_expect_str_eq(options->state_dir, "");
}

Test(config_file, a_source_on_the_command_line_replaces_the_files)
{
	_cleanup_(parsed_clear) struct parsed manifests =
		parse_good("kubeconfig: /k\ncontext: c\nserver: https://s\n", "--manifests /m");
	_cleanup_(parsed_clear) struct parsed api =
		parse_good("manifests: /m\nmax-services: 99\n", "--kubeconfig /k");
	_cleanup_(parsed_clear) struct parsed server =
		parse_good("kubeconfig: /k\ncontext: c\n", "--server https://s");

	cr_assert_eq(manifests.options.n_manifests, 1u);
	cr_expect_null(manifests.options.kubeconfig);
	cr_expect_null(manifests.options.context);
	cr_expect_eq(manifests.options.n_servers, 0u);
	cr_expect_eq(api.options.n_manifests, 0u);
	cr_expect_str_eq(api.options.kubeconfig, "/k");
	cr_expect_eq(api.options.max_services, 99u);
	cr_expect_str_eq(server.options.kubeconfig, "/k");
	cr_expect_eq(server.options.n_servers, 1u);
}

Test(config_file, help_does_not_read_it)
{
	struct capture capture = capture_run("run --config /nonexistent --help");

	cr_expect_eq(capture.status, CMD_OK);
	cr_expect_str_empty(capture.err);
	capture_clear(&capture);
}

/* Files that are refused, and the line that says so behind the file's name. */
static const struct {
	const char *text;
	const char *error;
} refused[] = {
	/* KubeProxyConfiguration */
	{PROXY "foo: 1\n", ":3: unknown field \"foo\""},
	{PROXY "healthzBindAdress: \"\"\n",
	 ":3: unknown field \"healthzBindAdress\"; did you mean \"healthzBindAddress\"?"},
	{PROXY "HealthzBindAddress: \"\"\n",
	 ":3: unknown field \"HealthzBindAddress\"; did you mean \"healthzBindAddress\"?"},
	{PROXY "conntrack:\n  maxPerCor: 1\n",
	 ":4: unknown field \"conntrack.maxPerCor\"; did you mean \"conntrack.maxPerCore\"?"},
	{PROXY "mode: ebpf\n",
	 ":3: mode: 'ebpf' is unknown; known: iptables|ipvs|nftables|kernelspace"},
	{PROXY "mode: ipt\n",
	 ":3: mode: 'ipt' is unknown; known: iptables|ipvs|nftables|kernelspace"},
	{PROXY "detectLocalMode: Foo\n",
	 ":3: detectLocalMode: 'Foo' is unknown; known: "
	 "ClusterCIDR|NodeCIDR|BridgeInterface|InterfaceNamePrefix"},
	{PROXY "mode: 3\n", ":3: mode: must be a string, not a number"},
	{PROXY "bindAddressHardFail: \"true\"\n",
	 ":3: bindAddressHardFail: 'true' is not true or false"},
	{PROXY "conntrack: 3\n", ":3: conntrack: must be an object, not a number"},
	{PROXY "conntrack:\n  udpTimeout: soon\n",
	 ":4: conntrack.udpTimeout: 'soon' is not a duration like 30s"},
	{PROXY "clientConnection:\n\n  kubeconfig: [a]\n",
	 ":5: clientConnection.kubeconfig: must be a string, not a list"},
	{PROXY "nodePortAddresses: 10.0.0.0/8\n",
	 ":3: nodePortAddresses: '10.0.0.0/8' is not a list of strings"},
	{PROXY "nodePortAddresses: [10.0.0.0/8, 3]\n",
	 ":3: nodePortAddresses: an element must be a string, not a number"},
	{PROXY "nodePortAddresses: [10.0.0.0]\n",
	 ":3: --nodeport-addresses: '10.0.0.0' is neither 'primary' nor CIDRs with commas between "
	 "them"},
	{PROXY "metricsBindAddress: \"0.0.0.0:x\"\n",
	 ":3: --metrics-bind-address: '0.0.0.0:x' is not ADDRESS:PORT (IPv6 in brackets), nor "
	 "empty"},
	{"kind: KubeProxyConfiguration\n",
	 ":1: apiVersion is missing: it must be kubeproxy.config.k8s.io/v1alpha1"},
	{"apiVersion: v1\nkind: ConfigMap\n",
	 ":1: apiVersion: must be kubeproxy.config.k8s.io/v1alpha1"},
	{"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: Foo\n",
	 ":2: kind: must be KubeProxyConfiguration"},
	/* options by name */
	{"kubeconfig: /k\nmanifest: /m\n",
	 ":2: unknown field \"manifest\"; did you mean \"manifests\"?"},
	{"once: true\n", ":1: unknown field \"once\""},
	{"config: /x\n", ":1: unknown field \"config\""},
	{"maglev-table-size: 1000\n",
	 ":1: --maglev-table-size: 1000 is not a prime; the nearest are 997 and 1009"},
	{"max-services: many\n", ":1: --max-services: 'many' is not a number from 16 to 16777216"},
	{"max-services: \"1\\n2\"\n",
	 ":1: --max-services: '1?2' is not a number from 16 to 16777216"},
	{"max-services: 1.5\n", ":1: --max-services: '1.5' is not a number from 16 to 16777216"},
	{"max-services: [1]\n", ":1: max-services: must be one value, not a list"},
	{"max-services: {a: 1}\n", ":1: max-services: must be a string or a number, not an object"},
	{"\nverbose: 1\n", ":2: verbose: must be true or false, not a number"},
	{"manifests: [1]\n", ":1: manifests: an element must be a string, not a number"},
	/* no configuration at all */
	{"- a\n", ":1: must be an object, not a list"},
	{"a: 1\n---\nb: 2\n", ":1: unknown field \"a\""},
	{"verbose: true\n---\nverbose: true\n", ":3: must be one document"},
};

Test(config_file, refused_files_give_one_line)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_(parsed_clear) struct parsed parsed = parse(refused[i].text, "");
		char expected[OPTIONS_ERROR_MAX];

		snprintf(expected, sizeof(expected), "%s%s", parsed.config.path, refused[i].error);
		cr_expect_eq(parsed.status, -EINVAL, "%s", refused[i].text);
		cr_expect_str_eq(parsed.error, expected, "%s", parsed.error);
	}
}

Test(config_file, broken_yaml_is_named_by_its_line)
{
	_cleanup_(parsed_clear) struct parsed parsed = parse("verbose: true\nfoo: [\n", "");
	char prefix[128];

	snprintf(prefix, sizeof(prefix), "%s:", parsed.config.path);
	cr_expect_eq(parsed.status, -EINVAL);
	cr_expect_eq(strncmp(parsed.error, prefix, strlen(prefix)), 0, "%s", parsed.error);
	cr_expect_null(strchr(parsed.error, '\n'));
}

Test(config_file, two_sources_in_the_file_are_an_error)
{
	_cleanup_(parsed_clear) struct parsed parsed = parse("kubeconfig: /k\nmanifests: /m\n", "");

	cr_expect_eq(parsed.status, -EINVAL);
	cr_expect_str_eq(parsed.error,
			 "--manifests and --kubeconfig are two sources; give one of them");
}

Test(config_file, a_file_that_is_too_long_is_refused)
{
	_free_ char *text = malloc((2u << 20) + 1);
	_cleanup_(config_remove) struct config config = {};
	struct config_file *file = NULL;
	char error[CONFIG_ERROR_MAX];
	char expected[256];

	cr_assert(text);
	memset(text, '#', 2u << 20);
	text[2u << 20] = '\0';
	config = config_write(text);
	cr_expect_eq(config_file_read(command_find("run"), config.path, &file, error), -EINVAL);
	snprintf(expected, sizeof(expected), "--config %s: %s", config.path, strerror(EFBIG));
	cr_expect_str_eq(error, expected);
}
