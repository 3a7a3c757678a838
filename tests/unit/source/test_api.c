/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to API servers: credentials that change, servers that fail. */
#include "unit/source/api_world.h"

TestSuite(api, .init = set_up, .fini = tear_down, .timeout = 60);

Test(api, a_call_has_the_path_and_the_headers_it_needs)
{
	static const struct fake_answer answers[] = {{OK_ANSWER, FAKE_KEEP}};
	struct asking asking;

	serve(answers, 1, "token: abc");
	get(&asking);
	cr_assert_eq(asking.status, 200);
	cr_assert_eq(strncmp(servers[0].request, "GET /prefix/version HTTP/1.1\r\n", 30), 0);
	expect_header("Authorization: Bearer abc");
	expect_header("User-Agent: svcbpf/1.2");
	expect_header("Accept: application/json");
	cr_expect_null(strstr(servers[0].request, "Content-Type"));
	start(&asking,
	      &(struct api_params){.path = "/e", .method = "POST", .body = "{}", .body_len = 2});
	asking_wait(&asking);
	expect_header("Content-Type: application/json");
	start(&asking,
	      &(struct api_params){.path = "/e", .method = "PATCH", .body = "{}", .body_len = 2});
	asking_wait(&asking);
	expect_header("Content-Type: application/merge-patch+json");
	cr_expect_eq(servers[0].n_connections, 1);
	cr_expect_not_null(strstr(warnings, "unencrypted"));
}

Test(api, who_we_are_is_said_in_every_way_there_is)
{
	static const struct fake_answer answers[] = {{OK_ANSWER, FAKE_KEEP}};
	static const struct {
		const char *user;
		const char *header; /* NULL: no Authorization at all */
	} cases[] = {
		{"", NULL},
		{"username: me, password: \"p:w\"", "Authorization: Basic bWU6cDp3"},
		{"username: me", "Authorization: Basic bWU6"},
		{"tokenFile: token", "Authorization: Bearer from-file"},
		{"token: fixed, tokenFile: token", "Authorization: Bearer from-file"},
		{"token: fixed, tokenFile: missing", "Authorization: Bearer fixed"},
		{"exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin}",
		 "Authorization: Bearer from-plugin"},
		/* as client-go does */
		{"token: fixed, exec: {apiVersion: client.authentication.k8s.io/v1, command: "
		 "./plugin}",
		 "Authorization: Bearer fixed"},
	};

	write_file("token", "  from-file\n");
	write_file(
		"plugin",
		"#!/bin/sh\n"
		"echo '{\"kind\": \"ExecCredential\", \"status\": {\"token\": \"from-plugin\"},'\n"
		"echo ' \"apiVersion\": \"client.authentication.k8s.io/v1\"}'\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct asking asking;

		serve(answers, 1, cases[i].user);
		get(&asking);
		cr_expect_eq(asking.status, 200, "%s: %d %s", cases[i].user, asking.error,
			     asking.text);
		if (cases[i].header)
			expect_header(cases[i].header);
		else
			cr_expect_null(strstr(servers[0].request, "Authorization"));
		api_free(api);
		api = NULL;
		fake_server_stop(&servers[0]);
	}
}

Test(api, a_changed_token_file_is_read_again)
{
	static const struct fake_answer answers[] = {{OK_ANSWER, FAKE_KEEP}};
	struct asking asking;
	char old[128], new[128];

	write_file("token", "first");
	serve(answers, 1, "tokenFile: token");
	get(&asking);
	expect_header("Authorization: Bearer first");
	/* as a volume does it: another file takes the place of the old one */
	write_file("new", "second");
	snprintf(new, sizeof(new), "%s/new", folder);
	snprintf(old, sizeof(old), "%s/token", folder);
	cr_assert_eq(rename(new, old), 0);
	get(&asking);
	expect_header("Authorization: Bearer second");
	/* one that is gone for a moment, or is empty, does not make us forget */
	write_file("token", "");
	get(&asking);
	cr_assert_eq(asking.error, 0);
	expect_header("Authorization: Bearer second");
	cr_assert_eq(servers[0].n_connections, 1);
}

Test(api, after_a_401_the_token_file_is_read_again)
{
	static const struct fake_answer answers[] = {
		{OK_ANSWER, FAKE_KEEP},
		{DENIED_ANSWER, FAKE_KEEP},
		{OK_ANSWER, FAKE_KEEP},
	};
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct asking asking;
	char path[128];

	snprintf(path, sizeof(path), "%s/token", folder);
	write_file("token", "FIRST-");
	cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	serve(answers, ARRAY_SIZE(answers), "tokenFile: token");
	get(&asking);
	/* changed in a way that stat(2) does not show */
	write_file("token", "SECOND");
	cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	get(&asking);
	cr_assert_eq(asking.status, 401);
	cr_assert_str_eq(asking.text, "denied");
	expect_header("Authorization: Bearer FIRST-");
	get(&asking);
	cr_assert_eq(asking.status, 200);
	expect_header("Authorization: Bearer SECOND");
}

Test(api, after_a_401_the_kubeconfig_is_read_again)
{
	static const struct fake_answer answers[] = {
		{DENIED_ANSWER, FAKE_KEEP},
		{DENIED_ANSWER, FAKE_KEEP},
		{OK_ANSWER, FAKE_KEEP},
	};
	struct asking asking;
	char cluster[128];

	serve(answers, ARRAY_SIZE(answers), "token: FIRST-");
	get(&asking);
	cr_assert_eq(asking.status, 401);
	write_file("kubeconfig", "half a kubeconf");
	get(&asking); /* what cannot be read changes nothing, and is told */
	expect_header("Authorization: Bearer FIRST-");
	cr_expect_not_null(strstr(warnings, "kubeconfig"), "%s", warnings);
	snprintf(cluster, sizeof(cluster), "server: \"%s/prefix/\", insecure-skip-tls-verify: true",
		 servers[0].url);
	write_kubeconfig(cluster, "token: SECOND");
	get(&asking);
	cr_assert_eq(asking.status, 200);
	expect_header("Authorization: Bearer SECOND");
	cr_expect_not_null(strstr(warnings, "insecure-skip-tls-verify"), "%s", warnings);
}

Test(api, a_missing_token_file_is_told_from_the_event_loop)
{
	static const struct fake_answer answers[] = {{OK_ANSWER, FAKE_KEEP}};
	struct asking asking, cancelled;
	struct api_call *call;

	serve(answers, 1, "tokenFile: token");
	start(&asking, &(struct api_params){.path = "/version"});
	call = start(&cancelled, &(struct api_params){.path = "/version"});
	api_call_cancel(call);
	cr_assert_eq(asking.n_done, 0);
	asking_wait(&asking);
	cr_assert_eq(asking.error, -ENOKEY);
	cr_assert_not_null(strstr(asking.text, "/token: No such file or directory"), "%s",
			   asking.text);
	cr_assert_eq(cancelled.n_done, 0);
	write_file("token", "two words");
	get(&asking);
	cr_assert_eq(asking.error, -ENOKEY);
	cr_assert_not_null(strstr(asking.text, "what is in it is no token"), "%s", asking.text);
	write_file("token", "good");
	get(&asking);
	cr_assert_eq(asking.status, 200);
	cr_assert_eq(servers[0].n_requests, 1);
}

Test(api, servers_are_tried_in_turn)
{
	static const struct fake_answer down[] = {{DOWN_ANSWER, FAKE_KEEP}};
	static const struct fake_answer up[] = {{OK_ANSWER, FAKE_KEEP}};
	const char *const urls[] = {servers[0].url, servers[1].url, servers[2].url};
	struct kubeconfig_error error = {};
	struct kubeconfig *config = calloc(1, sizeof(*config));
	struct asking asking;

	for (size_t i = 0; i < 3; i++)
		fake_server_start(&servers[i], base, i == 1 ? down : up, 1);
	fake_server_stop(&servers[0]);
	cr_assert_eq(kubeconfig_set_servers(config, urls, 3, &error), 0);
	cr_assert_eq(api_new(base, config, "1.2", warn, NULL, &api), 0);
	cr_assert_str_eq(api_server(api), servers[0].url);
	get(&asking);
	cr_assert_eq(asking.error, -ECONNREFUSED);
	cr_assert_str_eq(api_server(api), servers[1].url);
	get(&asking);
	cr_assert_eq(asking.status, 503);
	cr_assert_eq(asking.retry_after_s, 3);
	cr_assert_str_eq(api_server(api), servers[2].url);
	for (size_t i = 0; i < 3; i++) {
		get(&asking);
		cr_assert_eq(asking.status, 200);
		cr_assert_str_eq(api_server(api), servers[2].url);
	}
	fake_server_stop(&servers[2]);
	get(&asking);
	cr_assert_neq(asking.error, 0);
	cr_assert_str_eq(api_server(api), servers[0].url);
	cr_assert_str_eq(warnings, "");
}

/* Two calls that fail together go on to the next server, not to the one after it. */
Test(api, failures_at_once_count_once)
{
	static const struct fake_answer down[] = {{DOWN_ANSWER, FAKE_KEEP}};
	const char *const urls[] = {servers[0].url, servers[1].url};
	struct kubeconfig_error error = {};
	struct kubeconfig *config = calloc(1, sizeof(*config));
	struct asking first, second;

	fake_server_start(&servers[0], base, down, 1);
	fake_server_start(&servers[1], base, down, 1);
	cr_assert_eq(kubeconfig_set_servers(config, urls, 2, &error), 0);
	cr_assert_eq(api_new(base, config, "1.2", warn, NULL, &api), 0);
	start(&first, &(struct api_params){.path = "/a"});
	start(&second, &(struct api_params){.path = "/b"});
	asking_wait(&first);
	asking_wait(&second);
	cr_assert_str_eq(api_server(api), servers[1].url);
	cr_assert_eq(servers[1].n_requests, 0);
}

Test(api, after_a_failure_the_connection_is_fresh)
{
	static const struct fake_answer answers[] = {
		{OK_ANSWER, FAKE_KEEP},
		{DOWN_ANSWER, FAKE_KEEP},
		{OK_ANSWER, FAKE_KEEP},
	};
	static const size_t n_connections[] = {1, 1, 2, 2};
	struct asking asking;

	serve(answers, ARRAY_SIZE(answers), "token: abc");
	for (size_t i = 0; i < ARRAY_SIZE(n_connections); i++) {
		get(&asking);
		cr_assert_eq(asking.error, 0);
		cr_assert_eq(servers[0].n_connections, n_connections[i], "call %zu", i);
	}
}

Test(api, a_body_that_is_refused_is_not_the_servers_fault)
{
	static const struct fake_answer answers[] = {{OK_ANSWER, FAKE_KEEP}};
	const char *const urls[] = {servers[0].url, "http://127.0.0.1:1"};
	struct kubeconfig_error error = {};
	struct kubeconfig *config = calloc(1, sizeof(*config));
	struct asking asking = {.base = base, .body_returns = -EBADMSG};
	const struct http_events events = asking_events(&asking);
	struct api_call *call;

	fake_server_start(&servers[0], base, answers, 1);
	cr_assert_eq(kubeconfig_set_servers(config, urls, 2, &error), 0);
	cr_assert_eq(api_new(base, config, "1.2", warn, NULL, &api), 0);
	cr_assert_eq(api_call_start(api, &(struct api_params){.path = "/a"}, &events, &call), 0);
	asking_wait(&asking);
	cr_assert_eq(asking.error, -EBADMSG);
	cr_assert_str_eq(api_server(api), servers[0].url);
}

Test(api, calls_are_cancelled_and_freed_in_every_state)
{
	static const struct fake_answer answers[] = {
		{NULL, FAKE_KEEP},
		{"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", FAKE_KEEP},
	};
	struct asking askings[6];

	serve(answers, ARRAY_SIZE(answers), "token: abc");
	for (size_t i = 0; i < 6; i++) {
		struct api_call *call =
			start(&askings[i], &(struct api_params){.path = "/a", .is_fresh = true});

		if (i % 3)
			run_for_ms(base, 20);
		if (i < 3)
			api_call_cancel(call);
	}
	api_free(api);
	api = NULL;
	run_for_ms(base, 20);
	for (size_t i = 0; i < 6; i++)
		cr_assert_eq(askings[i].n_done, 0);
	api_call_cancel(NULL);
}

Test(api, what_an_operator_must_see_is_warned_about)
{
	open_api("server: \"http://192.0.2.1\", insecure-skip-tls-verify: true", "token: abc");
	cr_assert_not_null(strstr(warnings, "insecure-skip-tls-verify"));
	cr_assert_not_null(
		strstr(warnings, "http://192.0.2.1: our credentials are sent unencrypted"));
	api_free(api);
	api = NULL;
	warnings[0] = '\0';
	open_api("server: \"http://192.0.2.1\"", "");
	cr_assert_str_eq(warnings, "");
}

/* The whole way: a kubeconfig with certificates in it, a server that wants ours. */
Test(api, tls_comes_from_the_kubeconfig)
{
	struct tls_files files;
	struct tls_server server;
	struct asking asking;
	char cluster[512], user[256];

	tls_files_make(&files);
	tls_server_start(&server, &files, "ca.pem");
	snprintf(cluster, sizeof(cluster),
		 "server: \"https://localhost:%u\", tls-server-name: kubernetes, "
		 "certificate-authority: %s/ca.pem",
		 server.port, files.folder);
	snprintf(user, sizeof(user), "client-certificate: %s/client.pem, client-key: %s/client.key",
		 files.folder, files.folder);
	open_api(cluster, user);
	tls_files_remove(&files); /* all is in memory */
	get(&asking);
	cr_expect_eq(asking.status, 200, "%d %s", asking.error, asking.text);
	tls_server_stop(&server);
}

static void copy_file(const struct tls_files *files, const char *from, const char *to)
{
	_free_ char *text = tls_file(files, from);

	write_file(to, text);
}

/* Whoever renews them writes one file after the other, and we may look in between. */
Test(api, a_certificate_and_key_that_do_not_match_are_read_again)
{
	struct tls_files files;
	struct tls_server server;
	struct asking asking;
	char cluster[512];

	tls_files_make(&files);
	tls_server_start(&server, &files, "ca.pem");
	snprintf(cluster, sizeof(cluster),
		 "server: \"https://127.0.0.1:%u\", certificate-authority: %s/ca.pem", server.port,
		 files.folder);
	copy_file(&files, "other.pem", "cert");
	copy_file(&files, "other.key", "key");
	open_api(cluster, "client-certificate: cert, client-key: key");
	get(&asking);
	cr_expect_eq(asking.error, -EKEYREJECTED, "%d %s", asking.error, asking.text);
	copy_file(&files, "client.pem", "cert");
	get(&asking);
	cr_expect_eq(asking.error, -EINVAL, "%d %s", asking.error, asking.text);
	copy_file(&files, "client.key", "key");
	get(&asking);
	cr_expect_eq(asking.status, 200, "%d %s", asking.error, asking.text);
	tls_server_stop(&server);
	tls_files_remove(&files);
}
