/* SPDX-License-Identifier: Apache-2.0 */
/* Exec plugins: what they answer, and what becomes of those that fail, hang or babble. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "source/exec_credential.h"
#include "source/kubeconfig.h"
#include "util/cleanup.h"

#define V1 "client.authentication.k8s.io/v1"

static struct event_base *base;

static void set_up(void)
{
	base = event_base_new();
	cr_assert_not_null(base);
}

static void tear_down(void)
{
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "a child is left");
	event_base_free(base);
	libevent_global_shutdown();
}

TestSuite(exec_credential, .init = set_up, .fini = tear_down, .timeout = 60);

Test(exec_credential, answers_are_read)
{
	static const struct {
		const char *text;
		const char *expected; /* "TOKEN CERT KEY EXPIRY", or an error */
	} cases[] = {
		{"{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1
		 "\", \"status\": {\"token\": \"abc\"}}",
		 "abc - - 0"},
		{"{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1
		 "\", \"spec\": {}, \"status\": {\"token\": \"abc\","
		 "\"expirationTimestamp\": \"2026-11-21T19:42:37Z\"}}\n",
		 "abc - - 1795290157"},
		{"{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1
		 "\", \"status\": {\"clientCertificateData\":"
		 "\"-----BEGIN C\", \"clientKeyData\": \"-----BEGIN K\", \"expirationTimestamp\": "
		 "null}}",
		 "- -----BEGIN C -----BEGIN K 0"},
		{"", "it printed nothing"},
		{"Please log in at https://example.com", "line 1, column 1: not JSON: no number"},
		{"[]", "must be an object, but is a list"},
		{"{}", "kind: must be ExecCredential, but is \"\""},
		{"{\"kind\": \"ExecCredential\", \"apiVersion\": "
		 "\"client.authentication.k8s.io/v1beta1\"}",
		 "apiVersion: must be " V1
		 " as in the kubeconfig, but is \"client.authentication.k8s.io/v1beta1\""},
		{"{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1 "\"}",
		 "status: has neither a token nor a client certificate"},
		{"{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1
		 "\", \"status\": {\"token\": \"a\\nb\"}}",
		 "status.token: has spaces or control characters in it"},
		{"{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1
		 "\", \"status\": {\"token\": 5}}",
		 "status.token: must be a string, but is the number 5"},
		{"{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1
		 "\", \"status\": {\"clientKeyData\": \"-----BEGIN K\"}}",
		 "status: must have both clientCertificateData and clientKeyData"},
		{"{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1
		 "\", \"status\": {\"clientKeyData\": \"K\"}}",
		 "status.clientKeyData: is not PEM"},
		{"{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1
		 "\", \"status\": {\"token\": \"abc\","
		 "\"expirationTimestamp\": \"tomorrow\"}}",
		 "status.expirationTimestamp: \"tomorrow\" is not a time"},
		{"{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1
		 "\", \"status\": {\"token\": \"abc\"}} {}",
		 "more than one object"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(exec_credential_free) struct exec_credential credential = {};
		char text[EXEC_TEXT_MAX] = "";
		int r = exec_credential_parse(cases[i].text, strlen(cases[i].text), V1, &credential,
					      text);

		if (r == 0)
			snprintf(text, sizeof(text), "%s %s %s %lld",
				 credential.token ? credential.token : "-",
				 credential.cert_pem ? credential.cert_pem : "-",
				 credential.key_pem ? credential.key_pem : "-",
				 (long long)credential.expires_s);
		else
			cr_expect_eq(r, -EINVAL);
		cr_expect_str_eq(text, cases[i].expected, "%s\n%s", cases[i].text, text);
	}
}

/** struct outcome - what a run has told. */
struct outcome {
	size_t n_done;
	char token[4096];
	char text[EXEC_TEXT_MAX];
};

static void done(void *arg, struct exec_credential *credential, const char *text)
{
	struct outcome *outcome = arg;

	outcome->n_done++;
	cr_assert_eq(!credential, text[0] != '\0');
	snprintf(outcome->token, sizeof(outcome->token), "%s",
		 credential && credential->token ? credential->token : "");
	snprintf(outcome->text, sizeof(outcome->text), "%s", text);
	event_base_loopbreak(base);
}

/** struct plugin - a shell script, and the configuration that runs it. */
struct plugin {
	char *argv[4];
	char *env[3];
	char *servers[1];
	struct kubeconfig_exec exec;
	struct kubeconfig config;
};

/* As the members of a configuration are: not const, but never written. */
static char *text_of(const char *text)
{
	return (char *)(uintptr_t)text;
}

static void plugin_init(struct plugin *plugin, const char *script)
{
	*plugin = (struct plugin){};
	plugin->argv[0] = text_of("/bin/sh");
	plugin->argv[1] = text_of("-c");
	plugin->argv[2] = text_of(script);
	plugin->env[0] = text_of("ADDED=yes");
	plugin->env[1] = text_of("HOME=/nowhere");
	plugin->servers[0] = text_of("https://192.0.2.1");
	plugin->exec.argv = plugin->argv;
	plugin->exec.env = plugin->env;
	plugin->exec.api_version = text_of(V1);
	plugin->config.exec = &plugin->exec;
	plugin->config.servers = plugin->servers;
	plugin->config.n_servers = 1;
}

static void run(struct plugin *plugin, uint32_t timeout_s, struct outcome *outcome)
{
	const struct exec_events events = {.done = done, .arg = outcome};
	const struct timeval limit = {.tv_sec = 20};
	struct exec_run *exec_run;
	char text[EXEC_TEXT_MAX] = "";

	*outcome = (struct outcome){};
	cr_assert_eq(exec_run_start(base, &plugin->config, timeout_s, &events, &exec_run, text), 0,
		     "%s", text);
	cr_assert_eq(outcome->n_done, 0);
	event_base_loopexit(base, &limit);
	event_base_dispatch(base);
	cr_assert_eq(outcome->n_done, 1, "it did not end");
}

#define PRINT_TOKEN(token)                                                                         \
	"printf '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1                                \
	"\",\"status\":{\"token\":\"%s\"}}' \"" token "\"\n"

Test(exec_credential, a_plugin_is_run_and_its_answer_taken)
{
	static const struct {
		const char *script;
		const char *token;
	} cases[] = {
		{PRINT_TOKEN("abc"), "abc"},
		/* its environment: ours, the kubeconfig's on top */
		{PRINT_TOKEN("$ADDED-$HOME-$KEPT"), "yes-/nowhere-kept"},
		/* told in pieces */
		{"printf '{\"kind\":\"ExecCredential\",'; sleep 0.1\n"
		 "printf '\"apiVersion\":\"" V1 "\",'; sleep 0.1\n"
		 "printf '\"status\":{\"token\":\"abc\"}}'\n",
		 "abc"},
		/* a child that stays behind with the pipe open is not waited for */
		{"sleep 3 & " PRINT_TOKEN("abc"), "abc"},
		/* it has no input and no file of ours: only 0, 1, 2 and that of ls */
		{"read line && exit 3\n" PRINT_TOKEN("$(ls /proc/self/fd | tr -d '\\n')"), "0123"},
		/* none of the signals 1 to 16 is blocked or ignored, whatever we do */
		{PRINT_TOKEN("$(grep -E 'Sig(Blk|Ign)' /proc/self/status | grep -o '....$' | tr -d "
			     "'\\n')"),
		 "00000000"},
	};
	struct plugin plugin;
	struct outcome outcome;
	sigset_t terminated;
	int fd = open("/dev/null", O_RDONLY); /* NOLINT: meant to be inherited */

	sigemptyset(&terminated);
	sigaddset(&terminated, SIGTERM);
	sigprocmask(SIG_BLOCK, &terminated, NULL);
	signal(SIGPIPE, SIG_IGN);
	setenv("KEPT", "kept", 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		plugin_init(&plugin, cases[i].script);
		run(&plugin, 10, &outcome);
		cr_expect_str_eq(outcome.token, cases[i].token, "%zu: %s %s", i, outcome.token,
				 outcome.text);
	}
	close(fd);
}

Test(exec_credential, a_plugin_is_told_what_it_is_for)
{
	struct plugin plugin;
	_free_ char *info = NULL, *cluster = NULL;

	plugin_init(&plugin, "");
	info = exec_info(&plugin.config);
	cr_assert_str_eq(info, "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
			       "\",\"spec\":{\"interactive\":false}}");
	plugin.exec.provides_cluster_info = true;
	plugin.exec.cluster_config = text_of("{\"a\":[1]}");
	plugin.config.ca_pem = text_of("PEM");
	plugin.config.server_name = text_of("kubernetes");
	plugin.config.is_insecure = true;
	cluster = exec_info(&plugin.config);
	cr_assert_str_eq(
		cluster,
		"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
		"\",\"spec\":{\"interactive\":false,\"cluster\":{\"server\":\"https://192.0.2.1\","
		"\"tls-server-name\":\"kubernetes\",\"certificate-authority-data\":\"UEVN\","
		"\"insecure-skip-tls-verify\":true,\"config\":{\"a\":[1]}}}}");
}

Test(exec_credential, the_info_reaches_the_plugin)
{
	struct plugin plugin;
	struct outcome outcome;

	setenv("KUBERNETES_EXEC_INFO", "another's", 1);
	plugin_init(&plugin,
		    PRINT_TOKEN("$(echo \"$KUBERNETES_EXEC_INFO\" | tr -d '\"' | tr ' ' _)"));
	run(&plugin, 10, &outcome);
	cr_assert_str_eq(outcome.token,
			 "{kind:ExecCredential,apiVersion:" V1 ",spec:{interactive:false}}");
}

Test(exec_credential, a_plugin_that_fails_is_told)
{
	static const struct {
		const char *script;
		const char *text;
	} cases[] = {
		{"exit 3", "exec plugin /bin/sh: failed with status 3; its own messages are on "
			   "standard error"},
		{"kill -SEGV $$", "exec plugin /bin/sh: ended by signal 11"},
		{"exit 0",
		 "exec plugin /bin/sh: not the ExecCredential it must print: it printed nothing"},
		{"echo hello",
		 "exec plugin /bin/sh: not the ExecCredential it must print: line 1, column 1: "
		 "not JSON: no number"},
		{"exec 2>&- ; yes", "exec plugin /bin/sh: printed more than 1 MiB, killed"},
		{"sleep 100 & sleep 100", "exec plugin /bin/sh: not done after 1 s, killed"},
		{"exec >&-; sleep 100", "exec plugin /bin/sh: not done after 1 s, killed"},
		{"trap '' TERM INT HUP; sleep 100; sleep 100",
		 "exec plugin /bin/sh: not done after 1 s, killed"},
	};
	struct plugin plugin;
	struct outcome outcome;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		plugin_init(&plugin, cases[i].script);
		run(&plugin, 1, &outcome);
		cr_expect_str_eq(outcome.text, cases[i].text, "%zu: %s", i, outcome.text);
	}
}

Test(exec_credential, a_plugin_that_is_not_there_is_told_with_its_hint)
{
	const struct exec_events events = {.done = done};
	struct exec_run *exec_run = NULL;
	char text[EXEC_TEXT_MAX] = "";
	struct plugin plugin;

	plugin_init(&plugin, "");
	plugin.argv[0] = text_of("svcbpf-no-such-plugin");
	cr_assert_eq(exec_run_start(base, &plugin.config, 1, &events, &exec_run, text), -ENOENT);
	cr_assert_str_eq(text, "exec plugin svcbpf-no-such-plugin: No such file or directory");
	plugin.exec.install_hint = text_of("get it\nfrom x");
	cr_assert_eq(exec_run_start(base, &plugin.config, 1, &events, &exec_run, text), -ENOENT);
	cr_assert_str_eq(text,
			 "exec plugin svcbpf-no-such-plugin: No such file or directory: get it "
			 "from x");
	plugin.argv[0] = text_of("/dev/null");
	cr_assert_eq(exec_run_start(base, &plugin.config, 1, &events, &exec_run, text), -EACCES);
	cr_assert_null(exec_run);
}

Test(exec_credential, a_run_is_cancelled_with_all_its_children)
{
	const struct exec_events events = {.done = done};
	const struct timeval moment = {.tv_usec = 100000};
	struct exec_run *exec_run;
	char text[EXEC_TEXT_MAX] = "";
	struct plugin plugin;
	_close_ int end = -1;
	char script[128], c;
	int fds[2];

	/* the children hold the pipe's other end, of which no descriptor is left to us */
	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	end = fds[0];
	snprintf(script, sizeof(script), "sleep 100 > /proc/%d/fd/%d & sleep 100", getpid(),
		 fds[1]);
	plugin_init(&plugin, script);
	cr_assert_eq(exec_run_start(base, &plugin.config, 60, &events, &exec_run, text), 0);
	event_base_loopexit(base, &moment);
	event_base_dispatch(base);
	close(fds[1]);
	exec_run_cancel(exec_run);
	cr_assert_eq(read(end, &c, 1), 0); /* ends only when they are gone */
	exec_run_cancel(NULL);
}
