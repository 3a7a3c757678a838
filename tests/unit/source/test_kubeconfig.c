/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig files: good ones, and one line for each way to be bad. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/kubeconfig.h"
#include "source/kubeconfig_decode.h"
#include "util/cleanup.h"

#define CERT	  "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
#define CERT_DATA "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
#define KEY	  "-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----\n"

static char folder[64];

static void set_up(void)
{
	snprintf(folder, sizeof(folder), "/tmp/svcbpf-kubeconfig-%d-XXXXXX", getpid());
	cr_assert_not_null(mkdtemp(folder));
}

static void tear_down(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(kubeconfig, .init = set_up, .fini = tear_down, .timeout = 60);

static void write_file(const char *name, const char *text)
{
	_fclose_ FILE *file = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	cr_assert_not_null(file);
	fputs(text, file);
}

static int load(const char *text, const char *context, struct kubeconfig **ret,
		struct kubeconfig_error *ret_error)
{
	char path[128];

	write_file("config", text);
	snprintf(path, sizeof(path), "%s/config", folder);
	return kubeconfig_load(path, context, ret, ret_error);
}

/* As kubeadm, kind and cloud providers write them. */
static const char two_contexts[] = "apiVersion: v1\n"
				   "kind: Config\n"
				   "preferences: {}\n"
				   "current-context: admin@one\n"
				   "clusters:\n"
				   "- name: one\n"
				   "  cluster:\n"
				   "    certificate-authority-data: " CERT_DATA "\n"
				   "    server: https://192.0.2.1:6443/\n"
				   "- name: two\n"
				   "  cluster:\n"
				   "    certificate-authority: pki/ca.crt\n"
				   "    server: https://[2001:db8::1]:6443/k8s\n"
				   "    tls-server-name: kubernetes\n"
				   "    proxy-url: socks5://192.0.2.9:1080\n"
				   "contexts:\n"
				   "- name: admin@one\n"
				   "  context: {cluster: one, user: admin}\n"
				   "- name: two\n"
				   "  context:\n"
				   "    cluster: two\n"
				   "    user: agent\n"
				   "    namespace: kube-system\n"
				   "- name: nobody\n"
				   "  context: {cluster: two}\n"
				   "users:\n"
				   "- name: admin\n"
				   "  user:\n"
				   "    client-certificate-data: " CERT_DATA "\n"
				   "    client-key: client.key\n"
				   "- name: agent\n"
				   "  user:\n"
				   "    tokenFile: /var/run/token\n";

Test(kubeconfig, the_current_context_is_read)
{
	_cleanup_(kubeconfig_freep) struct kubeconfig *config = NULL;
	struct kubeconfig_error error = {};

	write_file("client.key", KEY);
	cr_assert_eq(load(two_contexts, NULL, &config, &error), 0, "%s", error.text);
	cr_assert_str_eq(config->context, "admin@one");
	cr_assert_eq(config->n_servers, 1);
	cr_assert_str_eq(config->servers[0], "https://192.0.2.1:6443");
	cr_assert_str_eq(config->ca_pem, CERT);
	cr_assert_str_eq(config->cert_pem, CERT);
	cr_assert_str_eq(config->key_pem, KEY);
	cr_assert_null(config->token_file);
	cr_assert_null(config->token);
	cr_assert_null(config->exec);
	cr_assert_null(config->server_name);
	cr_assert_null(config->proxy_url);
	cr_assert_not(config->is_insecure);
}

Test(kubeconfig, another_context_may_be_chosen)
{
	_cleanup_(kubeconfig_freep) struct kubeconfig *config = NULL, *anonymous = NULL;
	struct kubeconfig_error error = {};
	char path[128];

	snprintf(path, sizeof(path), "%s/pki", folder);
	cr_assert_eq(mkdir(path, 0700), 0);
	write_file("pki/ca.crt", CERT);
	cr_assert_eq(load(two_contexts, "two", &config, &error), 0, "%s", error.text);
	cr_assert_str_eq(config->servers[0], "https://[2001:db8::1]:6443/k8s");
	cr_assert_str_eq(config->ca_pem, CERT);
	cr_assert_str_eq(config->server_name, "kubernetes");
	cr_assert_str_eq(config->proxy_url, "socks5h://192.0.2.9:1080");
	cr_assert_str_eq(config->token_file, "/var/run/token");
	cr_assert_null(config->cert_pem);
	cr_assert_eq(load(two_contexts, "nobody", &anonymous, &error), 0, "%s", error.text);
	cr_assert_null(anonymous->token_file);
}

Test(kubeconfig, an_exec_plugin_with_all_it_may_have)
{
	static const char text[] =
		"{\"current-context\": \"c\", \"contexts\": [{\"name\": \"c\", \"context\":"
		"{\"cluster\": \"k\", \"user\": \"u\"}}], \"clusters\": [{\"name\": \"k\", "
		"\"cluster\":"
		"{\"server\": \"https://192.0.2.1\", \"extensions\": [{\"name\":"
		"\"client.authentication.k8s.io/exec\", \"extension\": {\"a\": [1]}}]}}],"
		"\"users\": [{\"name\": \"u\", \"user\": {\"exec\": {"
		"\"apiVersion\": \"client.authentication.k8s.io/v1beta1\", \"command\": "
		"\"bin/get\","
		"\"args\": [\"a\", \"\", \"b c\"], \"env\": [{\"name\": \"A\", \"value\": \"1=2\"},"
		"{\"name\": \"B\"}], \"installHint\": \"see x\", \"provideClusterInfo\": true,"
		"\"interactiveMode\": \"Never\"}}}]}";
	_cleanup_(kubeconfig_freep) struct kubeconfig *config = NULL;
	struct kubeconfig_error error = {};
	const struct kubeconfig_exec *exec;
	char command[128];

	cr_assert_eq(load(text, NULL, &config, &error), 0, "%s", error.text);
	exec = config->exec;
	cr_assert_not_null(exec);
	snprintf(command, sizeof(command), "%s/bin/get", folder);
	cr_assert_str_eq(exec->argv[0], command);
	cr_assert_str_eq(exec->argv[1], "a");
	cr_assert_str_eq(exec->argv[2], "");
	cr_assert_str_eq(exec->argv[3], "b c");
	cr_assert_null(exec->argv[4]);
	cr_assert_str_eq(exec->env[0], "A=1=2");
	cr_assert_str_eq(exec->env[1], "B=");
	cr_assert_null(exec->env[2]);
	cr_assert_str_eq(exec->api_version, "client.authentication.k8s.io/v1beta1");
	cr_assert_str_eq(exec->install_hint, "see x");
	cr_assert_str_eq(exec->cluster_config, "{\"a\":[1]}");
	cr_assert(exec->provides_cluster_info);
}

/* What is wrong is told with the file, the line, the field, and what to do. */
static void expect_error(const char *text, const char *context, const char *expected)
{
	struct kubeconfig_error error = {};
	struct kubeconfig *config = NULL;
	char whole[512];

	cr_expect_eq(load(text, context, &config, &error), -EINVAL, "accepted:\n%s", text);
	cr_expect_null(config);
	snprintf(whole, sizeof(whole), "%s/config%s", folder, expected);
	cr_expect_str_eq(error.text, whole, "%s\ninstead of\n%s", error.text, whole);
}

Test(kubeconfig, what_is_wrong_with_the_file_is_told)
{
	static const struct {
		const char *text;
		const char *context;
		const char *expected;
	} cases[] = {
		{"", NULL, ": there is nothing in it: not a kubeconfig"},
		{"- a\n", NULL, ":1: must be an object, but is a list"},
		{"a: [\n", NULL,
		 ":2: column 1: not YAML: did not find expected node content (while parsing a flow "
		 "node "
		 "that begins at line 2)"},
		{"kind: Service\n", NULL,
		 ":1: kind: \"Service\" is not a kubeconfig (kind: Config)"},
		{"a: 1\n---\nb: 2\n", "c", ":1: contexts: none is named \"c\"; there are: none"},
		{"kind: Config\ncontexts: [{name: a}, {name: b}]\n", NULL,
		 ":1: current-context: is not set: choose a context by --context; there are: "
		 "\"a\", "
		 "\"b\""},
		{"current-context: x\ncontexts:\n- name: a\n- name: b\n", NULL,
		 ":3: contexts: none is named \"x\"; there are: \"a\", \"b\""},
		{"contexts:\n- name: a\n  context: {}\n- name: a\n", "a",
		 ":4: contexts[1]: another one is named \"a\""},
		{"contexts:\n- name: a\n  context: {}\n", "a",
		 ":3: contexts[0].context.cluster: is missing"},
		{"contexts:\n- name: a\n  context: {cluster: k}\n", "a",
		 ":1: clusters: none is named \"k\"; there are: none"},
		{"contexts:\n- name: a\n  context: {cluster: k, user: u}\n", "a",
		 ":1: users: none is named \"u\"; there are: none"},
		{"contexts: 7\n", "a", ":1: contexts: must be a list, but is the number 7"},
		{"contexts:\n- name: a\n  context: {cluster: k}\nclusters:\n- name: k\n"
		 "  cluster: {server: https://192.0.2.1}\n---\nb: 2\n",
		 "a", ":8: a second document: a kubeconfig has one"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_error(cases[i].text, cases[i].context, cases[i].expected);
}

Test(kubeconfig, what_is_wrong_with_the_cluster_is_told)
{
	static const struct {
		const char *cluster;
		const char *expected;
	} cases[] = {
		{"a: 1", "server: is missing: a URL like https://192.0.2.1:6443"},
		{"server: 192.0.2.1:6443", "server: \"192.0.2.1:6443\" is not the URL of a server: "
					   "it does not begin with https:// or "
					   "http://"},
		{"server: https://a:b@192.0.2.1", "server: \"https://a:b@192.0.2.1\" is not the "
						  "URL of a server: it has a user name in it"},
		{"server: [a]", "server: must be a string, but is a list"},
		{"server: https://192.0.2.1, certificate-authority-data: \"a$\"",
		 "certificate-authority-data: is not base64"},
		{"server: https://192.0.2.1, certificate-authority-data: aGVsbG8=",
		 "certificate-authority-data: has no \"-----BEGIN CERTIFICATE-----\" in it: not "
		 "PEM"},
		{"server: https://192.0.2.1, certificate-authority-data: AAAA",
		 "certificate-authority-data: has a NUL character in it: not PEM"},
		{"server: https://192.0.2.1, certificate-authority: missing.crt",
		 "certificate-authority: reading \"%s/missing.crt\": No such file or directory"},
		{"server: https://192.0.2.1, certificate-authority: .",
		 "certificate-authority: reading \"%s/.\": Is a directory"},
		{"server: https://192.0.2.1, certificate-authority: a, certificate-authority-data: "
		 "b",
		 "certificate-authority-data: and certificate-authority: only one of them"},
		{"server: https://192.0.2.1, insecure-skip-tls-verify: \"yes\"",
		 "insecure-skip-tls-verify: must be true or false, but is the string \"yes\""},
		{"server: https://192.0.2.1, insecure-skip-tls-verify: true, "
		 "certificate-authority-data: " CERT_DATA,
		 "insecure-skip-tls-verify and a certificate authority: only one of them"},
		{"server: https://192.0.2.1, proxy-url: \"proxy:3128\"",
		 "proxy-url: must begin with http://, https:// or socks5://"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *hole = strstr(cases[i].expected, "%s");
		const char *rest = hole ? hole + 2 : "";
		char text[512], expected[512];

		snprintf(text, sizeof(text),
			 "contexts: [{name: c, context: {cluster: k}}]\n"
			 "clusters:\n"
			 "- name: k\n"
			 "  cluster: {%s}\n",
			 cases[i].cluster);
		snprintf(expected, sizeof(expected), ":4: clusters[0].cluster%s%.*s%s%s",
			 strncmp(cases[i].expected, "insecure-skip-tls-verify and", 28) ? "."
											: ": ",
			 hole ? (int)(hole - cases[i].expected) : 400, cases[i].expected,
			 hole ? folder : "", rest);
		expect_error(text, "c", expected);
	}
}

Test(kubeconfig, what_is_wrong_with_the_user_is_told)
{
	static const struct {
		const char *user;
		const char *expected;
	} cases[] = {
		{"token: \"a b\"",
		 ".token: is no token: it has spaces or control characters in it, or is too long"},
		{"token: \"a\\r\\nX-Evil: b\"",
		 ".token: is no token: it has spaces or control characters in it, or is too long"},
		{"token: 12345", ".token: must be a string, but is the number 12345"},
		{"token: no", ".token: must be a string, but is false; quote it"},
		{"token: a, username: b", ": a user name and a token: only one of them"},
		{"client-certificate-data: " CERT_DATA,
		 ": a client certificate without client-key"},
		{"client-key: good.key", ": a client key without client-certificate"},
		{"client-certificate-data: " CERT_DATA ", client-key: encrypted.key",
		 ".client-key: needs a password: write the key without one"},
		{"client-certificate-data: " CERT_DATA ", client-key-data: " CERT_DATA,
		 ".client-key-data: has no \"-----BEGIN PRIVATE KEY-----\" in it: not PEM"},
		{"auth-provider: {name: gcp}", ".auth-provider: is not supported (client-go has "
					       "dropped it): use exec, tokenFile or a "
					       "client certificate"},
		{"as: admin", ".as: is not supported: this program cannot act as another user"},
		{"exec: {}", ".exec.command: is missing"},
		{"exec: {command: a}",
		 ".exec.apiVersion: must be client.authentication.k8s.io/v1 or "
		 "client.authentication.k8s.io/v1beta1"},
		{"exec: {command: a, apiVersion: client.authentication.k8s.io/v1alpha1}",
		 ".exec.apiVersion: must be client.authentication.k8s.io/v1 or "
		 "client.authentication.k8s.io/v1beta1"},
		{"exec: {command: a, args: [1]}",
		 ".exec.args[0]: must be a string, but is the number 1"},
		{"exec: {command: a, env: [{name: \"A=B\"}]}",
		 ".exec.env[0].name: is not the name of a variable"},
		{"exec: {command: a, apiVersion: client.authentication.k8s.io/v1, interactiveMode: "
		 "Always}",
		 ".exec.interactiveMode: Always: there is no terminal to ask on"},
	};

	write_file("good.key", KEY);
	write_file("encrypted.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[512], expected[512];

		snprintf(text, sizeof(text),
			 "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
			 "clusters: [{name: k, cluster: {server: https://192.0.2.1}}]\n"
			 "users:\n"
			 "- name: u\n"
			 "  user: {%s}\n",
			 cases[i].user);
		snprintf(expected, sizeof(expected), ":5: users[0].user%s", cases[i].expected);
		expect_error(text, "c", expected);
	}
}

Test(kubeconfig, fields_that_are_empty_are_absent)
{
	static const char text[] =
		"contexts: [{name: c, context: {cluster: k, user: u}}]\n"
		"clusters: [{name: k, cluster: {server: https://192.0.2.1, certificate-authority: "
		"\"\", "
		"tls-server-name: \"\", proxy-url: \"\", certificate-authority-data: }}]\n"
		"users: [{name: u, user: {token: \"\", tokenFile: , as: \"\", as-groups: []}}]\n";
	_cleanup_(kubeconfig_freep) struct kubeconfig *config = NULL;
	struct kubeconfig_error error = {};

	cr_assert_eq(load(text, "c", &config, &error), 0, "%s", error.text);
	cr_assert_null(config->ca_pem);
	cr_assert_null(config->server_name);
	cr_assert_null(config->proxy_url);
	cr_assert_null(config->token);
	cr_assert_null(config->token_file);
}

Test(kubeconfig, a_file_that_cannot_be_read_is_told)
{
	struct kubeconfig_error error = {};
	struct kubeconfig *config = NULL;
	char path[128];

	cr_assert_eq(kubeconfig_load("/nonexistent/config", NULL, &config, &error), -ENOENT);
	cr_assert_str_eq(error.text,
			 "/nonexistent/config: reading the kubeconfig: No such file or directory");
	cr_assert_eq(kubeconfig_load(folder, NULL, &config, &error), -EISDIR);
	snprintf(path, sizeof(path), "%s/fifo", folder);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_eq(kubeconfig_load(path, NULL, &config, &error), -EINVAL);
	cr_assert_not_null(strstr(error.text, "not a regular file"));
	write_file("long", "");
	snprintf(path, sizeof(path), "%s/long", folder);
	cr_assert_eq(truncate(path, KUBECONFIG_FILE_MAX_BYTES + 1), 0);
	cr_assert_eq(kubeconfig_load(path, NULL, &config, &error), -EFBIG);
	cr_assert_not_null(strstr(error.text, "longer than 4 MiB"));
	cr_assert_null(config);
}

Test(kubeconfig, servers_may_be_replaced)
{
	_cleanup_(kubeconfig_freep) struct kubeconfig *config = calloc(1, sizeof(*config));
	const char *const good[] = {"https://192.0.2.1:6443/", "https://[2001:db8::1]"};
	const char *const bad[] = {"https://192.0.2.1", "192.0.2.2:6443"};
	struct kubeconfig_error error = {};

	cr_assert_eq(kubeconfig_set_servers(config, good, 2, &error), 0);
	cr_assert_eq(kubeconfig_set_servers(config, bad, 2, &error), -EINVAL);
	cr_assert_str_eq(error.text,
			 "\"192.0.2.2:6443\" is not the URL of a server: it does not begin "
			 "with https:// or http://");
	cr_assert_eq(config->n_servers, 2);
	cr_assert_str_eq(config->servers[0], "https://192.0.2.1:6443");
	cr_assert_str_eq(config->servers[1], "https://[2001:db8::1]");
}

Test(kubeconfig, a_pod_is_given_what_it_needs)
{
	static const struct {
		const char *host;
		const char *port;
		const char *server; /* NULL: -ENOENT */
	} cases[] = {
		{"10.96.0.1", "443", "https://10.96.0.1:443"},
		{"fd00:10:96::1", "6443", "https://[fd00:10:96::1]:6443"},
		{"", "443", NULL},
		{"10.96.0.1", "", NULL},
	};
	char command[256], token_file[256];

	snprintf(command, sizeof(command),
		 "mkdir -p %s/var/run/secrets/kubernetes.io/serviceaccount", folder);
	cr_assert_eq(system(command), 0);
	write_file("var/run/secrets/kubernetes.io/serviceaccount/ca.crt", CERT);
	write_file("var/run/secrets/kubernetes.io/serviceaccount/token", "abc\n");
	snprintf(token_file, sizeof(token_file),
		 "%s/var/run/secrets/kubernetes.io/serviceaccount/token", folder);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(kubeconfig_freep) struct kubeconfig *config = NULL;
		struct kubeconfig_error error = {};
		int r;

		setenv("KUBERNETES_SERVICE_HOST", cases[i].host, 1);
		setenv("KUBERNETES_SERVICE_PORT", cases[i].port, 1);
		r = kubeconfig_in_cluster(folder, &config, &error);
		cr_assert_eq(r, cases[i].server ? 0 : -ENOENT, "%s", error.text);
		if (!cases[i].server)
			continue;
		cr_assert_str_eq(config->servers[0], cases[i].server);
		cr_assert_str_eq(config->ca_pem, CERT);
		cr_assert_str_eq(config->token_file, token_file);
	}
}

Test(kubeconfig, a_pod_without_an_account_is_told_what_is_missing)
{
	struct kubeconfig_error error = {};
	struct kubeconfig *config = NULL;
	char command[256];

	setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	cr_assert_eq(kubeconfig_in_cluster(folder, &config, &error), -ENOENT);
	cr_assert_not_null(
		strstr(error.text, "/ca.crt: reading the cluster's certificate authority: No"),
		"%s", error.text);
	snprintf(command, sizeof(command),
		 "mkdir -p %s/var/run/secrets/kubernetes.io/serviceaccount", folder);
	cr_assert_eq(system(command), 0);
	write_file("var/run/secrets/kubernetes.io/serviceaccount/ca.crt", CERT);
	cr_assert_eq(kubeconfig_in_cluster(folder, &config, &error), -ENOENT);
	cr_assert_not_null(strstr(error.text, "automountServiceAccountToken"), "%s", error.text);
	write_file("var/run/secrets/kubernetes.io/serviceaccount/token", " \n");
	cr_assert_eq(kubeconfig_in_cluster(folder, &config, &error), -EINVAL);
	cr_assert_null(config);
}
