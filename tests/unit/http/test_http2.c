/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2: many requests on one connection, and what happens to all when it is dead. */
#include <errno.h>

#include "unit/http/asking.h"
#include "unit/http/tls_server.h"

/** HTTP2_SERVER - beside this file; the tests run in the top folder. */
#define HTTP2_SERVER "tests/unit/http/http2_server.js"

static struct event_base *base;
static struct http_client *client;
static struct tls_files files;
static char *ca_pem;
static unsigned int port;
static pid_t server_pid = -1;
static int server_input = -1;
static FILE *server_output;

static bool has_node(void)
{
	return system("command -v node > /dev/null") == 0;
}

static void start_server(void)
{
	char key[128], cert[128];
	int input[2], output[2];

	snprintf(key, sizeof(key), "%s/server.key", files.folder);
	snprintf(cert, sizeof(cert), "%s/server.pem", files.folder);
	cr_assert_eq(pipe2(input, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(output, O_CLOEXEC), 0);
	server_pid = fork();
	if (server_pid == 0) {
		dup2(input[0], STDIN_FILENO);
		dup2(output[1], STDOUT_FILENO);
		execlp("node", "node", HTTP2_SERVER, key, cert, NULL);
		_exit(127);
	}
	close(input[0]);
	close(output[1]);
	server_input = input[1];
	server_output = fdopen(output[0], "r");
	cr_assert_eq(fscanf(server_output, "%u", &port), 1, "the server did not start");
}

static void set_up(void)
{
	unsetenv("https_proxy");
	unsetenv("all_proxy");
	tls_files_make(&files);
	ca_pem = tls_file(&files, "ca.pem");
	base = event_base_new();
	cr_assert_eq(http_client_new(base, "svcbpf/test", &client), 0);
}

static void tear_down(void)
{
	if (server_pid > 0) {
		kill(server_pid, SIGKILL);
		waitpid(server_pid, NULL, 0);
		close(server_input);
		fclose(server_output);
	}
	tls_files_remove(&files);
	free(ca_pem);
	http_client_free(client);
	event_base_free(base);
	libevent_global_shutdown();
}

TestSuite(http2, .init = set_up, .fini = tear_down, .timeout = 90);

static void start(struct asking *asking, const char *path, uint32_t silence_s)
{
	const struct http_events events = asking_events(asking);
	const struct http_tls tls = {.ca_pem = ca_pem};
	struct http_params params = {.tls = &tls, .silence_s = silence_s};
	struct http_request *request;
	char url[64];

	asking->base = base;
	snprintf(url, sizeof(url), "https://127.0.0.1:%u%s", port, path);
	params.url = url;
	cr_assert_eq(http_request_start(client, &params, &events, &request), 0);
}

static void expect_connection(const char *number)
{
	struct asking asking = {};

	start(&asking, "/", 10);
	asking_wait(&asking);
	cr_assert_eq(asking.error, 0, "%s", asking.text);
	cr_assert_str_eq(asking.body, number);
}

Test(http2, a_silent_connection_is_closed_for_all_who_use_it)
{
	struct asking silent = {}, busy = {};

	if (!has_node())
		cr_skip("no node, which plays the server");
	start_server();
	expect_connection("1");
	start(&silent, "/silent", 1);
	start(&busy, "/busy", 10);
	expect_connection("1"); /* all are on the same */
	asking_wait(&silent);
	cr_assert_eq(silent.error, -ETIMEDOUT);
	asking_wait(&busy);
	cr_assert_eq(busy.error, -EPIPE, "%d %s", busy.error, busy.text);
	cr_assert_gt(busy.body_len, 0);
	expect_connection("2");
}
