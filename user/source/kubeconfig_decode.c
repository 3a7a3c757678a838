/* SPDX-License-Identifier: Apache-2.0 */
/* The context of a kubeconfig, and the cluster it names. */
#include "source/kubeconfig_decode.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http_client.h"
#include "util/cleanup.h"

#define EXEC_EXTENSION "client.authentication.k8s.io/exec"

/* ---------------------------------------------------------------- lists of named things */

/* Writes the names of a list's elements, as many as there is room for: "a", "b". */
static void name_all(const struct field *list, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (struct field item = field_first(list); item.node; item = field_next(&item)) {
		const struct field name = field_child(&item, "name");

		if (!cJSON_IsString(name.node))
			continue;
		len += (size_t)snprintf(buf + len, size - len, "%s\"%s\"", len ? ", " : "",
					name.node->valuestring);
		if (len >= size)
			return;
	}
}

static int fail_not_found(const struct field *list, const char *name)
{
	char names[128];

	name_all(list, names, sizeof(names));
	return field_fail(list, "none is named \"%.64s\"; there are: %s", name,
			  names[0] ? names : "none");
}

/*
 * Finds the element of a list by its name.
 * @ret_list, @ret_item: the list and the element; the list must live as long as the element.
 */
static int find_named(const struct field *root, const char *key, const char *name,
		      struct field *ret_list, struct field *ret_item)
{
	int r = field_array(root, key, ret_list);

	if (r < 0)
		return r;
	*ret_item = (struct field){};
	for (struct field item = field_first(ret_list); item.node; item = field_next(&item)) {
		const char *found = NULL;

		r = field_check_object(&item);
		if (r == 0)
			r = field_string(&item, "name", &found);
		if (r < 0)
			return r;
		if (!found || strcmp(found, name) != 0)
			continue;
		if (ret_item->node)
			return field_fail(&item, "another one is named \"%.64s\"", name);
		*ret_item = item;
	}
	return ret_item->node ? 0 : fail_not_found(ret_list, name);
}

/* ---------------------------------------------------------------- cluster */

static int decode_server(const struct field *cluster, struct kubeconfig *config)
{
	const struct field field = field_child(cluster, "server");
	struct kubeconfig_error error = {};
	const char *url;
	int r = field_as_string(&field, &url);

	if (r < 0)
		return r;
	if (!url || !*url)
		return field_fail(&field, "is missing: a URL like https://192.0.2.1:6443");
	r = kubeconfig_set_servers(config, &url, 1, &error);
	return r == -EINVAL ? field_fail(&field, "%s", error.text) : r;
}

/* As Go's net/http: with socks5 the proxy resolves names, which libcurl calls socks5h. */
static int decode_proxy(const struct field *cluster, struct kubeconfig *config)
{
	static const char *const schemes[] = {"http://", "https://", "socks5h://"};
	const struct field field = field_child(cluster, "proxy-url");
	const char *url;
	bool is_socks;
	int r = field_as_string(&field, &url);

	if (r < 0 || !url || !*url)
		return r;
	is_socks = strncmp(url, "socks5://", 9) == 0;
	if (asprintf(&config->proxy_url, "%s%s", is_socks ? "socks5h" : "",
		     is_socks ? url + 6 : url) < 0) {
		config->proxy_url = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (strncmp(config->proxy_url, schemes[i], strlen(schemes[i])) == 0)
			return 0;
	}
	return field_fail(&field, "must begin with http://, https:// or socks5://");
}

int kubeconfig_decode_cluster(const struct field *cluster, const char *folder,
			      struct kubeconfig *config)
{
	static const struct kubeconfig_pem ca = {
		"certificate-authority",
		"certificate-authority-data",
		"CERTIFICATE",
	};
	int r = decode_server(cluster, config);

	if (r == 0)
		r = kubeconfig_read_pem(cluster, &ca, folder, &config->ca_pem);
	if (r == 0)
		r = field_bool(cluster, "insecure-skip-tls-verify", &config->is_insecure);
	if (r == 0)
		r = kubeconfig_text(cluster, "tls-server-name", &config->server_name);
	if (r == 0)
		r = decode_proxy(cluster, config);
	if (r < 0)
		return r;
	if (config->is_insecure && config->ca_pem)
		return field_fail(cluster, "insecure-skip-tls-verify and a certificate authority: "
					   "only one of them");
	return 0;
}

/* What the cluster has to say to an exec plugin, as JSON text. */
static int decode_extension(const struct field *cluster, struct kubeconfig_exec *exec)
{
	struct field list;
	int r = field_array(cluster, "extensions", &list);

	if (r < 0)
		return r;
	for (struct field item = field_first(&list); item.node; item = field_next(&item)) {
		const struct field name = field_child(&item, "name");
		const struct field extension = field_child(&item, "extension");

		if (!cJSON_IsString(name.node) || !extension.node || exec->cluster_config ||
		    strcmp(name.node->valuestring, EXEC_EXTENSION) != 0)
			continue;
		exec->cluster_config = cJSON_PrintUnformatted(extension.node);
		if (!exec->cluster_config)
			return -ENOMEM;
	}
	return 0;
}

/* ---------------------------------------------------------------- context */

static int decode_cluster_of(const struct field *root, const struct field *context,
			     const char *folder, struct kubeconfig *config)
{
	const struct field name = field_child(context, "cluster");
	struct field list, item, cluster;
	const char *text;
	int r = field_as_string(&name, &text);

	if (r < 0)
		return r;
	if (!text || !*text)
		return field_fail(&name, "is missing");
	r = find_named(root, "clusters", text, &list, &item);
	if (r == 0)
		r = field_object(&item, "cluster", &cluster);
	if (r == 0)
		r = kubeconfig_decode_cluster(&cluster, folder, config);
	if (r == 0 && config->exec)
		r = decode_extension(&cluster, config->exec);
	return r;
}

/* A context without a user asks anonymously. */
static int decode_user_of(const struct field *root, const struct field *context, const char *folder,
			  struct kubeconfig *config)
{
	struct field list, item, user;
	const char *text;
	int r = field_string(context, "user", &text);

	if (r < 0 || !text || !*text)
		return r;
	r = find_named(root, "users", text, &list, &item);
	if (r == 0)
		r = field_object(&item, "user", &user);
	if (r == 0)
		r = kubeconfig_decode_user(&user, folder, config);
	return r;
}

/* Which context: the one asked for, else the file's own choice. */
static int choose_context(const struct field *root, const char *wanted, char **ret)
{
	const struct field current = field_child(root, "current-context");
	struct field list;
	char names[128];
	int r;

	if (wanted) {
		*ret = strdup(wanted);
		return *ret ? 0 : -ENOMEM;
	}
	r = kubeconfig_text(root, "current-context", ret);
	if (r < 0 || *ret)
		return r;
	r = field_array(root, "contexts", &list);
	if (r < 0)
		return r;
	name_all(&list, names, sizeof(names));
	return field_fail(&current, "is not set: choose a context by --context; there are: %s",
			  names[0] ? names : "none");
}

/* A file of another kind is told as such, not by what it lacks. */
static int check_kind(const struct field *root)
{
	const struct field field = field_child(root, "kind");
	const char *kind = NULL;
	int r = field_check_object(root);

	if (r == 0)
		r = field_as_string(&field, &kind);
	if (r < 0)
		return r;
	if (kind && strcmp(kind, "Config") != 0)
		return field_fail(&field, "\"%.64s\" is not a kubeconfig (kind: Config)", kind);
	return 0;
}

int kubeconfig_decode(const struct cJSON *json, const char *context, const char *folder,
		      struct kubeconfig *config, struct decode_error *ret_error)
{
	const struct field root = field_root(json, ret_error);
	struct field list, item, chosen;
	int r = check_kind(&root);

	if (r == 0)
		r = choose_context(&root, context, &config->context);
	if (r == 0)
		r = find_named(&root, "contexts", config->context, &list, &item);
	if (r == 0)
		r = field_object(&item, "context", &chosen);
	if (r == 0)
		r = decode_user_of(&root, &chosen, folder, config);
	if (r == 0)
		r = decode_cluster_of(&root, &chosen, folder, config);
	return r;
}
