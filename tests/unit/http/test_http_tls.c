/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the HTTP client trusts, and as whom it comes. */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "unit/http/asking.h"
#include "unit/http/fake_server.h"
#include "unit/http/tls_server.h"

static struct event_base *base;
static struct http_client *client;
static struct tls_files files;
static struct tls_server server;

static void set_up(void)
{
	unsetenv("https_proxy");
	unsetenv("all_proxy");
	tls_files_make(&files);
	base = event_base_new();
	cr_assert_not_null(base);
	cr_assert_eq(http_client_new(base, "svcbpf/test", &client), 0);
}

static void tear_down(void)
{
	tls_server_stop(&server);
	tls_files_remove(&files);
	http_client_free(client);
	event_base_free(base);
	libevent_global_shutdown();
}

TestSuite(http_tls, .init = set_up, .fini = tear_down, .timeout = 60);

/**
 * struct tls_case - names of files of the test; NULL: none.
 * @host: of the URL; NULL: 127.0.0.1, which is in the certificate.
 */
struct tls_case {
	const char *ca;
	const char *cert;
	const char *key;
	const char *host;
	const char *server_name;
	bool is_insecure;
	int error;
	const char *text; /* a part of it */
};

static char *file_or_null(const char *name)
{
	return name ? tls_file(&files, name) : NULL;
}

static void run_case(const struct tls_case *tls_case)
{
	_free_ char *ca = file_or_null(tls_case->ca);
	_free_ char *cert = file_or_null(tls_case->cert);
	_free_ char *key = file_or_null(tls_case->key);
	const struct http_tls tls = {
		.ca_pem = ca,
		.cert_pem = cert,
		.key_pem = key,
		.server_name = tls_case->server_name,
		.is_insecure = tls_case->is_insecure,
	};
	struct asking asking = {.base = base};
	const struct http_events events = asking_events(&asking);
	struct http_params params = {.tls = &tls, .is_fresh = true, .silence_s = 10};
	struct http_request *request;
	char url[64];

	snprintf(url, sizeof(url), "https://%s:%u/", tls_case->host ? tls_case->host : "127.0.0.1",
		 server.port);
	params.url = url;
	cr_assert_eq(http_request_start(client, &params, &events, &request), 0);
	asking_wait(&asking);
	cr_expect_eq(asking.error, tls_case->error, "%d instead of %d: %s", asking.error,
		     tls_case->error, asking.text);
	cr_expect_eq(asking.status, tls_case->error ? 0 : 200, "%ld", asking.status);
	cr_expect_not_null(strstr(asking.text, tls_case->text ? tls_case->text : ""), "%s",
			   asking.text);
}

static void run_cases(const struct tls_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run_case(&cases[i]);
}

Test(http_tls, the_server_must_be_who_it_should_be)
{
	static const struct tls_case cases[] = {
		{.ca = "ca.pem"},
		{.error = -EKEYREJECTED, .text = "certificate"},
		{.ca = "other.pem", .error = -EKEYREJECTED, .text = "certificate"},
		/* the certificate is for 127.0.0.1 and kubernetes */
		{.ca = "ca.pem", .host = "localhost", .error = -EKEYREJECTED, .text = "localhost"},
		{.ca = "ca.pem", .host = "localhost", .server_name = "kubernetes"},
		{.ca = "ca.pem", .host = "localhost", .server_name = "127.0.0.1"},
		{.ca = "ca.pem",
		 .server_name = "elsewhere",
		 .error = -EKEYREJECTED,
		 .text = "elsewhere"},
		{.is_insecure = true},
		{.host = "localhost", .is_insecure = true},
	};

	tls_server_start(&server, &files, NULL);
	run_cases(cases, ARRAY_SIZE(cases));
}

Test(http_tls, we_must_be_who_the_server_wants)
{
	static const struct tls_case cases[] = {
		{.ca = "ca.pem", .cert = "client.pem", .key = "client.key"},
		{.ca = "ca.pem", .error = -EKEYREJECTED, .text = "certificate required"},
		{.ca = "ca.pem",
		 .cert = "other.pem",
		 .key = "other.key",
		 .error = -EKEYREJECTED,
		 .text = "alert"},
		/* OpenSSL would ask for the password, and wait for it */
		{.ca = "ca.pem",
		 .cert = "client.pem",
		 .key = "encrypted.key",
		 .error = -EINVAL,
		 .text = "private key"},
		{.ca = "ca.pem",
		 .cert = "client.pem",
		 .key = "other.key",
		 .error = -EINVAL,
		 .text = "private key"},
		{.ca = "ca.pem",
		 .cert = "client.key",
		 .key = "client.key",
		 .error = -EINVAL,
		 .text = "certificate"},
		{.ca = "client.key",
		 .cert = "client.pem",
		 .key = "client.key",
		 .error = -EINVAL,
		 .text = "CA"},
	};

	tls_server_start(&server, &files, "ca.pem");
	run_cases(cases, ARRAY_SIZE(cases));
}

/* In a mount namespace of its own the system trusts ca.pem, by file and by folder. */
static bool let_the_system_trust(void)
{
	char command[256];

	if (unshare(CLONE_NEWNS) < 0)
		return false;
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount("certs", "/etc/ssl/certs", "tmpfs", 0, NULL), 0);
	snprintf(command, sizeof(command),
		 "cd %s && cp ca.pem /etc/ssl/certs/ca-certificates.crt && "
		 "cp ca.pem /etc/ssl/certs/$(openssl x509 -in ca.pem -noout -hash).0",
		 files.folder);
	cr_assert_eq(system(command), 0);
	return true;
}

Test(http_tls, with_an_authority_of_our_own_those_of_the_system_do_not_count)
{
	static const struct tls_case cases[] = {
		{.error = 0}, /* the system does trust it */
		{.ca = "other.pem", .error = -EKEYREJECTED, .text = "certificate"},
	};

	tls_server_start(&server, &files, NULL);
	if (!let_the_system_trust())
		cr_skip("no mount namespace: not root?");
	run_cases(cases, ARRAY_SIZE(cases));
}

Test(http_tls, a_server_without_tls_is_no_server)
{
	static const struct fake_answer answers[] = {{"HTTP/1.1 400 Bad\r\n\r\n", FAKE_CLOSE}};
	static const struct tls_case no_tls = {.ca = "ca.pem", .error = -EPROTO};
	struct fake_server plain;

	tls_server_start(&server, &files, NULL);
	fake_server_start(&plain, base, answers, 1);
	server.port = plain.port;
	run_case(&no_tls);
	fake_server_stop(&plain);
}
