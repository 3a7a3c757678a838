/* SPDX-License-Identifier: Apache-2.0 */
/* An API client in a folder of its own, in front of fake servers. */
#ifndef TESTS_UNIT_SOURCE_API_WORLD_H
#define TESTS_UNIT_SOURCE_API_WORLD_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "source/api.h"
#include "source/kubeconfig.h"
#include "unit/http/asking.h"
#include "unit/http/fake_server.h"
#include "unit/http/tls_server.h"

#define OK_ANSWER     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
#define DENIED_ANSWER "HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\ndenied"
#define DOWN_ANSWER   "HTTP/1.1 503 Down\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"

static struct event_base *base;
static struct api *api;
static char folder[64];
static char warnings[1024];
static struct fake_server servers[3];

static __attribute__((unused)) void set_up(void)
{
	signal(SIGPIPE, SIG_IGN);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	base = event_base_new();
	cr_assert_not_null(base);
	snprintf(folder, sizeof(folder), "/tmp/svcbpf-api-%d-XXXXXX", getpid());
	cr_assert_not_null(mkdtemp(folder));
}

static __attribute__((unused)) void tear_down(void)
{
	char command[128];

	for (size_t i = 0; i < ARRAY_SIZE(servers); i++)
		fake_server_stop(&servers[i]);
	api_free(api);
	event_base_free(base);
	libevent_global_shutdown();
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

/* Writes a file of the test's folder; a script is made executable. */
static __attribute__((unused)) void write_file(const char *name, const char *text)
{
	_fclose_ FILE *file = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	cr_assert_not_null(file);
	fputs(text, file);
	cr_assert_eq(fchmod(fileno(file), text[0] == '#' ? 0700 : 0600), 0);
}

static __attribute__((unused)) void warn(void *arg, const char *text)
{
	(void)arg;
	snprintf(warnings + strlen(warnings), sizeof(warnings) - strlen(warnings), "%s\n", text);
}

/* @cluster, @user: in YAML's flow style. */
static __attribute__((unused)) void write_kubeconfig(const char *cluster, const char *user)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "current-context: c\n"
		 "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
		 "clusters: [{name: k, cluster: {%s}}]\n"
		 "users: [{name: u, user: {%s}}]\n",
		 cluster, user);
	write_file("kubeconfig", text);
}

/* An API client for this cluster and user. */
static __attribute__((unused)) void open_api(const char *cluster, const char *user)
{
	struct kubeconfig_error error = {};
	struct kubeconfig *config;
	char path[128];

	write_kubeconfig(cluster, user);
	snprintf(path, sizeof(path), "%s/kubeconfig", folder);
	cr_assert_eq(kubeconfig_load(path, NULL, &config, &error), 0, "%s", error.text);
	cr_assert_eq(api_new(base, config, "1.2", warn, NULL, &api), 0);
}

/* Starts the first fake server, and an API client for it. */
static __attribute__((unused)) void serve(const struct fake_answer *answers, size_t n,
					  const char *user)
{
	char cluster[128];

	fake_server_start(&servers[0], base, answers, n);
	snprintf(cluster, sizeof(cluster), "server: \"%s/prefix/\"", servers[0].url);
	open_api(cluster, user);
}

static __attribute__((unused)) struct api_call *start(struct asking *asking,
						      const struct api_params *params)
{
	const struct http_events events = asking_events(asking);
	struct api_call *call = NULL;

	*asking = (struct asking){.base = base};
	cr_assert_eq(api_call_start(api, params, &events, &call), 0);
	cr_assert_not_null(call);
	return call;
}

static __attribute__((unused)) void get(struct asking *asking)
{
	start(asking, &(struct api_params){.path = "/version", .silence_s = 10});
	asking_wait(asking);
}

static __attribute__((unused)) void expect_header(const char *line)
{
	char wanted[256];

	snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
	cr_expect_not_null(strstr(servers[0].request, wanted), "no %s in\n%s", line,
			   servers[0].request);
}

#endif
