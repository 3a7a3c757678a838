/* SPDX-License-Identifier: Apache-2.0 */
#include "source/kubeconfig.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http_client.h"
#include "source/kubeconfig_decode.h"
#include "source/token.h"
#include "source/yaml.h"
#include "util/cleanup.h"
#include "util/small_file.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"
/* Of a file's name in an error: its end is what tells. */
#define PATH_SHOWN_BYTES 200

static void free_servers(struct kubeconfig *config)
{
	for (size_t i = 0; i < config->n_servers; i++)
		free(config->servers[i]);
	free(config->servers);
	config->servers = NULL;
	config->n_servers = 0;
}

void kubeconfig_free(struct kubeconfig *config)
{
	if (!config)
		return;
	free_servers(config);
	kubeconfig_exec_free(config->exec);
	free(config->path);
	free(config->context);
	free(config->pod_folder);
	free(config->ca_pem);
	free(config->cert_pem);
	free(config->server_name);
	free(config->token_file);
	secret_free(config->key_pem);
	secret_free(config->proxy_url); /* may have a password in it */
	secret_free(config->token);
	secret_free(config->username);
	secret_free(config->password);
	free(config);
}

void kubeconfig_freep(struct kubeconfig **config)
{
	kubeconfig_free(*config);
}

/* Writes "PATH:LINE: text"; line 0: none is known. Return: @error. */
__attribute__((format(printf, 5, 6))) static int fail(struct kubeconfig_error *ret_error, int error,
						      const char *path, size_t line,
						      const char *format, ...)
{
	const size_t path_len = strlen(path);
	const char *shown = path_len > PATH_SHOWN_BYTES ? path + path_len - PATH_SHOWN_BYTES : path;
	char place[32] = "", text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (line)
		snprintf(place, sizeof(place), ":%zu", line);
	snprintf(ret_error->text, sizeof(ret_error->text), "%s%s%s: %s", shown == path ? "" : "...",
		 shown, place, text);
	return error;
}

/* ---------------------------------------------------------------- servers */

/* Without the slashes at its end: paths begin with one. */
static char *copy_url(const char *url)
{
	size_t len = strlen(url);

	while (len > 0 && url[len - 1] == '/')
		len--;
	return strndup(url, len);
}

static int add_server(struct kubeconfig *config, const char *url,
		      struct kubeconfig_error *ret_error)
{
	const char *problem = NULL;
	int r = http_url_check(url, &problem);

	if (r == -EINVAL)
		snprintf(ret_error->text, sizeof(ret_error->text),
			 "\"%.100s\" is not the URL of a server: %s", url, problem);
	if (r < 0)
		return r;
	config->servers[config->n_servers] = copy_url(url);
	if (!config->servers[config->n_servers])
		return -ENOMEM;
	config->n_servers++;
	return 0;
}

int kubeconfig_set_servers(struct kubeconfig *config, const char *const *urls, size_t n_urls,
			   struct kubeconfig_error *ret_error)
{
	struct kubeconfig changed = {.servers = calloc(n_urls + 1, sizeof(char *))};
	int r = changed.servers ? 0 : -ENOMEM;

	for (size_t i = 0; i < n_urls && r == 0; i++)
		r = add_server(&changed, urls[i], ret_error);
	if (r < 0) {
		free_servers(&changed);
		return r;
	}
	free_servers(config);
	config->servers = changed.servers;
	config->n_servers = changed.n_servers;
	config->has_own_servers = true;
	return 0;
}

/* ---------------------------------------------------------------- file */

/** struct load - a file that is being read; @folder: it is in. */
struct load {
	const char *path;
	const char *context;
	const char *folder;
	struct kubeconfig *config;
	struct kubeconfig_error *error;
	size_t n_objects;
};

static int on_object(void *arg, const struct parsed *parsed)
{
	struct load *load = arg;
	struct decode_error error = {};
	int r;

	if (load->n_objects++ > 0)
		return fail(load->error, -EINVAL, load->path, parsed->line,
			    "a second document: a kubeconfig has one");
	r = kubeconfig_decode(parsed->json, load->context, load->folder, load->config, &error);
	if (r == -EINVAL)
		return fail(load->error, r, load->path, parsed->line_of(parsed, error.node), "%s",
			    error.text);
	return r;
}

static int on_error(void *arg, size_t line, const char *text)
{
	struct load *load = arg;

	return fail(load->error, -EINVAL, load->path, line, "%s", text);
}

static const char *read_problem(int error)
{
	switch (error) {
	case -EFBIG:
		return "it is longer than 4 MiB: not a kubeconfig";
	case -EINVAL:
		return "it is not a regular file";
	default:
		return strerrordesc_np(-error);
	}
}

static int parse_file(struct load *load, const char *text, size_t len)
{
	const struct parse_events events = {
		.object = on_object,
		.error = on_error,
		.arg = load,
	};
	int r = yaml_parse(text, len, &events);

	if (r == 0 && load->n_objects == 0)
		return fail(load->error, -EINVAL, load->path, 0,
			    "there is nothing in it: not a kubeconfig");
	return r;
}

/* The folder a file is in, "." for a bare name. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int kubeconfig_load(const char *path, const char *context, struct kubeconfig **ret,
		    struct kubeconfig_error *ret_error)
{
	_cleanup_(kubeconfig_freep) struct kubeconfig *config = calloc(1, sizeof(*config));
	_free_ char *folder = folder_of(path);
	_cleanup_(secret_freep) char *text = NULL;
	struct load load = {
		.path = path,
		.context = context,
		.folder = folder,
		.config = config,
		.error = ret_error,
	};
	size_t len;
	int r;

	if (!config || !folder)
		return -ENOMEM;
	config->path = strdup(path);
	if (!config->path)
		return -ENOMEM;
	r = small_file_read(path, KUBECONFIG_FILE_MAX_BYTES, &text, &len, NULL);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fail(ret_error, r, path, 0, "reading the kubeconfig: %s", read_problem(r));
	r = parse_file(&load, text, len);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(config);
	return 0;
}

/* ---------------------------------------------------------------- pod */

static int set_pod_server(struct kubeconfig *config, struct kubeconfig_error *ret_error)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	_free_ char *url = NULL;
	struct kubeconfig_error error;
	bool is_v6;
	int r;

	if (!host || !*host || !port || !*port)
		return fail(ret_error, -ENOENT, config->path, 0,
			    "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are "
			    "not set; give a kubeconfig file");
	is_v6 = strchr(host, ':');
	if (asprintf(&url, "https://%s%s%s:%s", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port) <
	    0) {
		url = NULL;
		return -ENOMEM;
	}
	r = kubeconfig_set_servers(config, (const char *const *)&url, 1, &error);
	if (r == -EINVAL)
		return fail(ret_error, r, config->path, 0,
			    "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT: %s", error.text);
	return r;
}

static int read_pod_ca(const char *folder, struct kubeconfig *config,
		       struct kubeconfig_error *ret_error)
{
	_free_ char *path = kubeconfig_join(folder, "ca.crt");
	int r;

	if (!path)
		return -ENOMEM;
	r = small_file_read(path, KUBECONFIG_FILE_MAX_BYTES, &config->ca_pem, NULL, NULL);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fail(ret_error, r, path, 0,
			    "reading the cluster's certificate authority: %s", read_problem(r));
	if (!strstr(config->ca_pem, "-----BEGIN CERTIFICATE-----"))
		return fail(ret_error, -EINVAL, path, 0,
			    "has no \"-----BEGIN CERTIFICATE-----\" in it: not PEM");
	return 0;
}

/* Whether there is a token now; it is read again when it is used. */
static int check_pod_token(const char *folder, struct kubeconfig *config,
			   struct kubeconfig_error *ret_error)
{
	_cleanup_(secret_freep) char *token = NULL;
	const char *problem;
	struct stat st;
	int r;

	config->token_file = kubeconfig_join(folder, "token");
	if (!config->token_file)
		return -ENOMEM;
	r = token_read(config->token_file, &token, &st, &problem);
	if (r < 0 && r != -ENOMEM)
		return fail(ret_error, r, config->token_file, 0,
			    "reading the service account's token: %s; does the pod set "
			    "automountServiceAccountToken: false?",
			    problem);
	return r;
}

static int load_pod(const char *folder, struct kubeconfig **ret, struct kubeconfig_error *ret_error)
{
	_cleanup_(kubeconfig_freep) struct kubeconfig *config = calloc(1, sizeof(*config));
	int r;

	if (!config)
		return -ENOMEM;
	config->path = strdup("the service account of this pod");
	config->context = strdup("in-cluster");
	config->pod_folder = strdup(folder);
	if (!config->path || !config->context || !config->pod_folder)
		return -ENOMEM;
	r = set_pod_server(config, ret_error);
	if (r == 0)
		r = read_pod_ca(folder, config, ret_error);
	if (r == 0)
		r = check_pod_token(folder, config, ret_error);
	if (r < 0)
		return r;
	config->has_own_servers = false;
	*ret = TAKE_PTR(config);
	return 0;
}

int kubeconfig_in_cluster(const char *root, struct kubeconfig **ret,
			  struct kubeconfig_error *ret_error)
{
	_free_ char *folder = NULL;

	if (asprintf(&folder, "%s%s", root, SERVICE_ACCOUNT) < 0) {
		folder = NULL;
		return -ENOMEM;
	}
	return load_pod(folder, ret, ret_error);
}

int kubeconfig_reload(const struct kubeconfig *config, struct kubeconfig **ret,
		      struct kubeconfig_error *ret_error)
{
	_cleanup_(kubeconfig_freep) struct kubeconfig *fresh = NULL;
	int r = config->pod_folder
			? load_pod(config->pod_folder, &fresh, ret_error)
			: kubeconfig_load(config->path, config->context, &fresh, ret_error);

	if (r == 0 && fresh && config->has_own_servers)
		r = kubeconfig_set_servers(fresh, (const char *const *)config->servers,
					   config->n_servers, ret_error);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(fresh);
	return 0;
}
