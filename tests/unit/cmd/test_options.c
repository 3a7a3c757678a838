/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/libbpf.h>
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "capture.h"
#include "cmd/options.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

#define SEE(command) "; see 'svcbpf " command " --help'\n"

/* A command line that is refused: exit status 2, this line, nothing on standard output. */
static const struct {
	const char *words;
	const char *err;
} refused[] = {
	{"", "svcbpf: no command given; see 'svcbpf help'\n"},
	{"nonsense", "svcbpf: unknown command 'nonsense'; see 'svcbpf help'\n"},
	{"statsu", "svcbpf: unknown command 'statsu', did you mean 'status'? see 'svcbpf help'\n"},
	{"ver", "svcbpf: unknown command 'ver', did you mean 'verify'? see 'svcbpf help'\n"},
	{"--foo", "svcbpf: unknown option '--foo'; see 'svcbpf help'\n"},
	{"help nonsense", "svcbpf help: unknown command 'nonsense'; see 'svcbpf help'\n"},
	{"run --foo", "svcbpf run: unknown option '--foo'" SEE("run")},
	{"run --foo=bar", "svcbpf run: unknown option '--foo'" SEE("run")},
	{"run --cgruop x", "svcbpf run: unknown option '--cgruop', did you mean '--cgroup'? see "
			   "'svcbpf run --help'\n"},
	{"run -x", "svcbpf run: unknown option '-x'" SEE("run")},
	{"run -vx", "svcbpf run: unknown option '-x'" SEE("run")},
	{"run --ma x", "svcbpf run: option '--ma' is ambiguous" SEE("run")},
	{"run --manifests", "svcbpf run: option '--manifests' needs a value: --manifests PATH\n"},
	{"run --once=3", "svcbpf run: option '--once' takes no value\n"},
	{"dump -o", "svcbpf dump: option '-o' needs a value: -o FORMAT\n"},
	{"dump -vo", "svcbpf dump: option '-o' needs a value: -o FORMAT\n"},
	{"dump a b", "svcbpf dump: unexpected argument 'b'" SEE("dump")},
	{"run now", "svcbpf run: unexpected argument 'now'" SEE("run")},
	{"plan --cgroup x", "svcbpf plan: unknown option '--cgroup'" SEE("plan")},
	{"dump -o xml", "svcbpf dump: -o: 'xml' is not one of table, wide, json, yaml\n"},
	{"dump --service web", "svcbpf dump: --service: 'web' is not NAMESPACE/NAME\n"},
	{"dump --service /web", "svcbpf dump: --service: '/web' is not NAMESPACE/NAME\n"},
	{"dump --service a/b/c", "svcbpf dump: --service: 'a/b/c' is not NAMESPACE/NAME\n"},
	{"dump --interval 0", "svcbpf dump: --interval: '0' is not a number from 1 to 3600\n"},
	{"dump --interval 3601",
	 "svcbpf dump: --interval: '3601' is not a number from 1 to 3600\n"},
	{"dump nonsense",
	 "svcbpf dump: unknown kind 'nonsense'; known: frontends backends affinity conntrack nodes "
	 "stats all\n"},
	{"run --algorithm robin",
	 "svcbpf run: --algorithm: 'robin' is neither random nor maglev\n"},
	{"run --maglev-table-size 16384", "svcbpf run: --maglev-table-size: 16384 is not a prime; "
					  "the nearest are 16381 and 16411\n"},
	{"run --maglev-table-size 65537",
	 "svcbpf run: --maglev-table-size: '65537' is not a number from 251 to 65521\n"},
	{"run --max-services 15",
	 "svcbpf run: --max-services: '15' is not a number from 16 to 16777216\n"},
	{"run --max-services 16777217",
	 "svcbpf run: --max-services: '16777217' is not a number from 16 to 16777216\n"},
	{"run --max-services 99999999999999999999",
	 "svcbpf run: --max-services: '99999999999999999999' is not a number from 16 to "
	 "16777216\n"},
	{"run --max-backends 64k",
	 "svcbpf run: --max-backends: '64k' is not a number from 16 to 134217728\n"},
	{"run --max-backends ''",
	 "svcbpf run: --max-backends: '' is not a number from 16 to 134217728\n"},
	{"run --ready-fd -1", "svcbpf run: --ready-fd: '-1' is not a number from 0 to 1048575\n"},
	{"run --ready-fd 1048575", "svcbpf run: --ready-fd: file descriptor 1048575 is not open\n"},
	{"run --pin-dir pins", "svcbpf run: --pin-dir: 'pins' must begin with /\n"},
	{"run --node-name ''", "svcbpf run: --node-name: must have 1 to 255 characters\n"},
	{"run --log-format xml", "svcbpf run: --log-format: 'xml' is neither text nor json\n"},
	{"run --nodeport-addresses primary,10.0.0.0/8",
	 "svcbpf run: --nodeport-addresses: 'primary,10.0.0.0/8' is neither 'primary' nor CIDRs "
	 "with commas between them\n"},
	{"run --kubeconfig ''", "svcbpf run: --kubeconfig: must not be empty\n"},
	{"plan --context ''", "svcbpf plan: --context: must not be empty\n"},
	{"verify --server 10.0.0.5:6443",
	 "svcbpf verify: --server: '10.0.0.5:6443' does not begin with https:// or http://\n"},
	{"run --manifests m --kubeconfig k",
	 "svcbpf run: --manifests and --kubeconfig are two sources; give one of them\n"},
	{"plan --context c --manifests m",
	 "svcbpf plan: --manifests and --context are two sources; give one of them\n"},
	{"verify --server http://a --manifests m",
	 "svcbpf verify: --manifests and --server are two sources; give one of them\n"},
	{"run --api-via-service=1", "svcbpf run: option '--api-via-service' takes no value\n"},
	{"run --healthz-bind-address 0.0.0.0", "svcbpf run: --healthz-bind-address: '0.0.0.0' is "
					       "not ADDRESS:PORT (IPv6 in brackets), nor "
					       "empty\n"},
	{"run --metrics-bind-address localhost:1",
	 "svcbpf run: --metrics-bind-address: 'localhost:1' is not ADDRESS:PORT (IPv6 in "
	 "brackets), "
	 "nor empty\n"},
	{"run --state-dir state", "svcbpf run: --state-dir: 'state' must begin with /\n"},
	{"run --config ''", "svcbpf run: --config: must not be empty\n"},
	{"run --config /nonexistent/c",
	 "svcbpf run: --config /nonexistent/c: No such file or directory\n"},
	{"run --config /", "svcbpf run: --config /: not a regular file\n"},
	{"plan --config f", "svcbpf plan: unknown option '--config'" SEE("plan")},
	{"explain pod/a 10.96.0.1:80",
	 "svcbpf explain: not in this version; 'svcbpf dump' shows each frontend's backends and "
	 "rules\n"},
	{"plan", "svcbpf plan: no source: give --kubeconfig FILE or --manifests PATH (this is not "
		 "a pod, which "
		 "would have a service account)\n"},
	{"run", "svcbpf run: no source: give --kubeconfig FILE or --manifests PATH (this is not a "
		"pod, which "
		"would have a service account)\n"},
};

/* The commands that need root say that first when the test has none. */
static bool is_privilege_first(const char *words)
{
	return geteuid() != 0 &&
	       (strncmp(words, "dump nonsense", 13) == 0 || strcmp(words, "run") == 0);
}

Test(options, refused_command_lines_give_one_line_and_status_2)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct capture capture;

		if (is_privilege_first(refused[i].words))
			continue;
		capture = capture_run(refused[i].words);
		cr_expect_eq(capture.status, CMD_USAGE, "svcbpf %s: status %d", refused[i].words,
			     capture.status);
		cr_expect_str_eq(capture.err, refused[i].err, "svcbpf %s: %s", refused[i].words,
				 capture.err);
		cr_expect_str_empty(capture.out, "svcbpf %s: %s", refused[i].words, capture.out);
		capture_clear(&capture);
	}
}

Test(options, help_goes_to_standard_output_for_every_command)
{
	size_t n;
	const struct command *all = commands(&n);

	for (size_t i = 0; i < n; i++) {
		char words[64];
		char usage[64];
		struct capture capture;
		struct capture other;

		snprintf(words, sizeof(words), "%s --help --foo", all[i].name);
		snprintf(usage, sizeof(usage), "Usage: svcbpf %s ", all[i].name);
		capture = capture_run(words);
		cr_expect_eq(capture.status, CMD_OK, "%s", words);
		cr_expect_str_empty(capture.err, "%s: %s", words, capture.err);
		cr_expect(strncmp(capture.out, usage, strlen(usage)) == 0, "%s", capture.out);
		cr_expect(strstr(capture.out, all[i].summary), "%s: %s", words, capture.out);
		snprintf(words, sizeof(words), "help %s", all[i].name);
		other = capture_run(words);
		cr_expect_str_eq(capture.out, other.out, "%s", words);
		capture_clear(&capture);
		capture_clear(&other);
	}
}

Test(options, help_lists_every_command)
{
	static const char *const ways[] = {"help", "--help", "-h"};
	size_t n;
	const struct command *all = commands(&n);

	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		struct capture capture = capture_run(ways[w]);

		cr_expect_eq(capture.status, CMD_OK);
		cr_expect_str_empty(capture.err);
		for (size_t i = 0; i < n; i++) {
			cr_expect(strstr(capture.out, all[i].name), "%s", all[i].name);
			cr_expect(strstr(capture.out, all[i].summary), "%s", all[i].name);
		}
		capture_clear(&capture);
	}
}

/* A command line that is fine; its words must stay as long as the options. */
struct parsed {
	char *words;
	struct options options;
};

static struct parsed parse(const char *words)
{
	struct parsed parsed = {.words = strdup(words)};
	char *argv[CAPTURE_MAX_ARGS + 1];
	char error[OPTIONS_ERROR_MAX];
	int argc = capture_split(parsed.words, argv, 0);

	cr_assert_eq(options_parse(command_find(argv[0]), argc, argv, &parsed.options, error), 0,
		     "%s: %s", words, error);
	cr_assert_str_empty(error);
	return parsed;
}

static void parsed_clear(struct parsed *parsed)
{
	options_clear(&parsed->options);
	free(parsed->words);
}

Test(options, defaults)
{
	_cleanup_(parsed_clear) struct parsed parsed = parse("run");
	const struct options *options = &parsed.options;

	cr_expect_str_eq(options->pin_dir, "/sys/fs/bpf/svcbpf");
	cr_expect_eq(options->max_services, 65536u);
	cr_expect_eq(options->max_backends, 1048576u);
	cr_expect_eq(options->algorithm, MODEL_ALGORITHM_RANDOM);
	cr_expect_eq(options->packet.maglev_size, 16381u);
	cr_expect_eq(options->ready_fd, -1);
	cr_expect_eq(options->interval_s, 2u);
	cr_expect_eq(options->format, PRINT_TABLE);
	cr_expect_str_eq(options->state_dir, "/var/lib/svcbpf");
	cr_expect_str_eq(options->healthz_bind_address, "0.0.0.0:10256");
	cr_expect_str_eq(options->metrics_bind_address, "127.0.0.1:10249");
	cr_expect_eq(options->n_servers, 0u);
	cr_expect_null(options->kubeconfig);
	cr_expect_null(options->context);
	cr_expect_null(options->config);
	cr_expect_null(options->config_note);
	cr_expect_not(options->is_api_through_service || options->is_bind_hard_fail);
	cr_expect_null(options->cgroup);
	cr_expect_null(options->nodeport_addresses);
	cr_expect_null(options->service);
	cr_expect_eq(options->n_manifests, 0u);
	cr_expect_eq(options->n_args, 0u);
	cr_expect_not(options->is_once || options->is_verbose || options->is_json_log);
}

Test(options, all_of_run)
{
	_cleanup_(parsed_clear) struct parsed parsed =
		parse("run --manifests a --manifests=b --node-name=N1 --cgroup=/cg "
		      "--pin-dir=/pins --nodeport-addresses=10.0.0.0/8,fd00::/8 "
		      "--max-services=16 --max-backends=134217728 --devices=none "
		      "--algorithm=maglev --maglev-table-size=65521 "
		      "--healthz-bind-address= --metrics-bind-address [::1]:0 --state-dir=/s "
		      "--bind-address-hard-fail --once --ready-fd=1 -v --log-format=json");
	const struct options *options = &parsed.options;

	cr_assert_eq(options->n_manifests, 2u);
	cr_expect_str_eq(options->manifests[0], "a");
	cr_expect_str_eq(options->manifests[1], "b");
	cr_expect_str_eq(options->node_name, "N1");
	cr_expect_str_eq(options->cgroup, "/cg");
	cr_expect_str_eq(options->pin_dir, "/pins");
	cr_expect_str_eq(options->nodeport_addresses, "10.0.0.0/8,fd00::/8");
	cr_expect_eq(options->max_services, 16u);
	cr_expect_eq(options->max_backends, 134217728u);
	cr_expect_eq(options->algorithm, MODEL_ALGORITHM_MAGLEV);
	cr_expect_eq(options->packet.maglev_size, 65521u);
	cr_expect_str_eq(options->healthz_bind_address, "");
	cr_expect_str_eq(options->metrics_bind_address, "[::1]:0");
	cr_expect_str_eq(options->state_dir, "/s");
	cr_expect(options->is_bind_hard_fail);
	cr_expect(options->is_once);
	cr_expect_eq(options->ready_fd, 1);
	cr_expect(options->is_verbose);
	cr_expect(options->is_json_log);
}

Test(options, the_api_as_source)
{
	_cleanup_(parsed_clear) struct parsed parsed =
		parse("verify --kubeconfig k --context=c --server https://a --server http://b "
		      "--api-via-service");
	const struct options *options = &parsed.options;

	cr_expect_str_eq(options->kubeconfig, "k");
	cr_expect_str_eq(options->context, "c");
	cr_assert_eq(options->n_servers, 2u);
	cr_expect_str_eq(options->servers[0], "https://a");
	cr_expect_str_eq(options->servers[1], "http://b");
	cr_expect(options->is_api_through_service);
}

Test(options, manifests_have_no_snapshot_unless_asked_for)
{
	_cleanup_(parsed_clear) struct parsed manifests = parse("run --manifests m");
	_cleanup_(parsed_clear) struct parsed asked = parse("run --manifests m --state-dir /s");
	_cleanup_(parsed_clear) struct parsed none = parse("run --state-dir=");

	cr_expect_str_eq(manifests.options.state_dir, "");
	cr_expect_str_eq(asked.options.state_dir, "/s");
	cr_expect_str_eq(none.options.state_dir, "");
}

Test(options, endpoints)
{
	static const struct {
		const char *text;
		const char *addr; /* NULL: refused */
		uint16_t port;
	} cases[] = {
		{"0.0.0.0:10256", "0.0.0.0", 10256},
		{"127.0.0.1:0", "127.0.0.1", 0},
		{":65535", "0.0.0.0", 65535},
		{"[::]:1", "::", 1},
		{"[fd00::1]:80", "fd00::1", 80},
		{"", NULL, 0},
		{"127.0.0.1", NULL, 0},
		{"127.0.0.1:", NULL, 0},
		{"127.0.0.1:65536", NULL, 0},
		{"127.0.0.1:+1", NULL, 0},
		{"127.0.0.1:1x", NULL, 0},
		{"::1:80", NULL, 0},
		{"[::1]", NULL, 0},
		{"[127.0.0.1]:80", NULL, 0},
		{"[]:80", NULL, 0},
		{"host:80", NULL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[ADDR_TEXT_MAX];
		struct addr addr = {};
		uint16_t port = 7;
		int r = options_parse_endpoint(cases[i].text, &addr, &port);

		cr_expect_eq(r, cases[i].addr ? 0 : -EINVAL, "'%s': %d", cases[i].text, r);
		if (r < 0 || !cases[i].addr)
			continue;
		cr_expect_str_eq(addr_format(&addr, text), cases[i].addr, "%s", cases[i].text);
		cr_expect_eq(port, cases[i].port, "%s", cases[i].text);
	}
}

Test(options, arguments_and_shortened_names)
{
	_cleanup_(parsed_clear) struct parsed parsed =
		parse("dump -o yaml backends --service a/b --wa --inter 7");
	const struct options *options = &parsed.options;

	cr_assert_eq(options->n_args, 1u);
	cr_expect_str_eq(options->args[0], "backends");
	cr_expect_eq(options->format, PRINT_YAML);
	cr_expect_str_eq(options->service, "a/b");
	cr_expect(options->is_watch);
	cr_expect_eq(options->interval_s, 7u);
}

static void expect_node_name(const char *expected)
{
	_cleanup_(parsed_clear) struct parsed parsed = parse("plan");

	cr_expect_str_eq(parsed.options.node_name, expected);
}

Test(options, node_name_from_environment_then_host)
{
	char host[256] = "";

	setenv("NODE_NAME", "Env1", 1);
	expect_node_name("Env1");
	cr_assert_eq(gethostname(host, sizeof(host) - 1), 0);
	for (char *c = host; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	setenv("NODE_NAME", "", 1);
	expect_node_name(host);
	unsetenv("NODE_NAME");
	expect_node_name(host);
}

Test(options, manifests_that_cannot_be_read_are_named)
{
	struct capture capture = capture_run("plan --manifests /nonexistent/svcbpf");

	cr_expect_eq(capture.status, CMD_FAILED);
	cr_expect_str_eq(
		capture.err,
		"svcbpf plan: --manifests /nonexistent/svcbpf: No such file or directory\n");
	cr_expect_str_empty(capture.out);
	capture_clear(&capture);
}

Test(options, version)
{
	struct capture capture = capture_run("version -o json");
	struct capture text = capture_run("--version");
	cJSON *json = cJSON_Parse(capture.out);
	const char *version = cJSON_GetStringValue(cJSON_GetObjectItem(json, "version"));
	char expected[128];

	cr_expect_eq(capture.status, CMD_OK);
	cr_expect_eq(text.status, CMD_OK);
	cr_assert(version);
	cr_expect_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(json, "apiVersion")),
			 "svcbpf/v1");
	cr_expect_eq(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "abi")), SVC_ABI_VERSION);
	snprintf(expected, sizeof(expected), "svcbpf %s, ABI %u, libbpf %u.%u\n", version,
		 SVC_ABI_VERSION, libbpf_major_version(), libbpf_minor_version());
	cr_expect_str_eq(text.out, expected);
	cJSON_Delete(json);
	capture_clear(&capture);
	capture_clear(&text);
}
