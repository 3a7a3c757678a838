/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to API servers with the credentials of an exec plugin. */
#include "unit/source/api_world.h"

TestSuite(api_plugin, .init = set_up, .fini = tear_down, .timeout = 60);

/* A plugin that gives the tokens of its n-th runs, each good until @expiry. */
static void write_plugin(const char *expiry)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "#!/bin/sh\n"
		 "echo x >> %s/runs\n"
		 "n=$(wc -l < %s/runs)\n"
		 "echo '{\"kind\": \"ExecCredential\", \"status\": {\"token\": \"run-'$n'\"%s},'\n"
		 "echo ' \"apiVersion\": \"client.authentication.k8s.io/v1\"}'\n",
		 folder, folder, expiry);
	write_file("plugin", text);
}

#define PLUGIN_USER "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin}"

Test(api_plugin, a_plugin_is_run_once_for_all_calls_that_wait_and_again_after_a_401)
{
	static const struct fake_answer answers[] = {
		{OK_ANSWER, FAKE_KEEP},
		{OK_ANSWER, FAKE_KEEP},
		{DENIED_ANSWER, FAKE_KEEP},
		{OK_ANSWER, FAKE_KEEP},
	};
	struct asking first, second, cancelled;
	struct api_call *call;

	write_plugin("");
	serve(answers, ARRAY_SIZE(answers), PLUGIN_USER);
	start(&first, &(struct api_params){.path = "/a"});
	call = start(&cancelled, &(struct api_params){.path = "/b"});
	start(&second, &(struct api_params){.path = "/c"});
	api_call_cancel(call);
	asking_wait(&first);
	asking_wait(&second);
	cr_assert_eq(first.status + second.status, 400);
	cr_assert_eq(servers[0].n_requests, 2);
	expect_header("Authorization: Bearer run-1");
	get(&first);
	cr_assert_eq(first.status, 401);
	expect_header("Authorization: Bearer run-1");
	get(&first);
	cr_assert_eq(first.status, 200);
	expect_header("Authorization: Bearer run-2");
	cr_assert_eq(cancelled.n_done, 0);
}

Test(api_plugin, a_plugin_is_run_again_when_its_credential_has_expired)
{
	static const struct fake_answer answers[] = {{OK_ANSWER, FAKE_KEEP}};
	struct asking asking;

	write_plugin(", \"expirationTimestamp\": \"2001-01-01T00:00:00Z\"");
	serve(answers, 1, PLUGIN_USER);
	get(&asking);
	expect_header("Authorization: Bearer run-1");
	write_plugin(", \"expirationTimestamp\": \"2999-01-01T00:00:00Z\"");
	get(&asking);
	expect_header("Authorization: Bearer run-2");
	get(&asking);
	expect_header("Authorization: Bearer run-2");
}

Test(api_plugin, a_plugin_that_fails_ends_the_calls_and_is_run_for_the_next)
{
	static const struct fake_answer answers[] = {{OK_ANSWER, FAKE_KEEP}};
	struct asking first, second;

	write_file("plugin", "#!/bin/sh\nexit 7\n");
	serve(answers, 1, PLUGIN_USER);
	start(&first, &(struct api_params){.path = "/a"});
	start(&second, &(struct api_params){.path = "/c"});
	asking_wait(&first);
	asking_wait(&second);
	cr_assert_eq(first.error, -ENOKEY);
	cr_assert_not_null(strstr(first.text, "plugin: failed with status 7"), "%s", first.text);
	cr_assert_str_eq(first.text, second.text);
	write_plugin("");
	get(&first);
	cr_assert_eq(first.status, 200);
}

Test(api_plugin, a_plugin_is_not_run_for_each_try)
{
	static const struct fake_answer answers[] = {{OK_ANSWER, FAKE_KEEP}};
	_free_ char *path = NULL;
	struct asking asking;
	struct stat runs;
	char text[300];

	cr_assert_gt(asprintf(&path, "%s/runs", folder), 0);
	snprintf(text, sizeof(text), "#!/bin/sh\nprintf x >>%s\nexit 7\n", path);
	write_file("plugin", text);
	serve(answers, 1, PLUGIN_USER);
	for (int i = 0; i < 6; i++) {
		get(&asking);
		cr_assert_eq(asking.error, -ENOKEY);
		cr_assert_not_null(strstr(asking.text, "failed with status 7"), "%s", asking.text);
	}
	cr_assert_eq(stat(path, &runs), 0);
	cr_assert_eq(runs.st_size, 2);
}

Test(api_plugin, a_plugin_is_killed_with_the_api)
{
	static const struct fake_answer answers[] = {{OK_ANSWER, FAKE_KEEP}};
	struct asking asking;

	write_file("plugin", "#!/bin/sh\nexec sleep 100\n");
	serve(answers, 1, PLUGIN_USER);
	start(&asking, &(struct api_params){.path = "/a"});
	run_for_ms(base, 50);
	api_free(api);
	api = NULL;
	cr_assert_eq(asking.n_done, 0);
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "a child is left");
}
