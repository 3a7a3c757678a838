/* SPDX-License-Identifier: Apache-2.0 */
/* How to reach an API server: a kubeconfig file, or what a pod is given (service account). */
#ifndef SVCBPF_SOURCE_KUBECONFIG_H
#define SVCBPF_SOURCE_KUBECONFIG_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct kubeconfig_exec - users[].user.exec: a program that prints an ExecCredential. All owned.
 * @api_version: that it must answer in.
 * @install_hint: what to tell when it is not there; NULL.
 * @cluster_config: JSON from the cluster's extension "client.authentication.k8s.io/exec"; NULL.
 * @provides_cluster_info: it is told about the cluster.
 */
struct kubeconfig_exec {
	char **argv; /* NULL-terminated */
	char **env;  /* "NAME=value", NULL-terminated; on top of ours */
	char *api_version;
	char *install_hint;
	char *cluster_config;
	bool provides_cluster_info;
};

/**
 * struct kubeconfig - one context, files read in but @token_file. All owned.
 * @path: where it was read, for messages; "the service account of this pod".
 * @pod_folder: of the service account's files; NULL: @path is a file.
 * @servers: URLs without a / at the end, tried in turn.
 * @has_own_servers: they come from kubeconfig_set_servers().
 * @ca_pem, @cert_pem, @key_pem: NULL: none.  @token: a fixed one; NULL.
 * @token_file: read again when it changes, goes before @token; NULL.
 * @username, @password: basic authentication; NULL.
 * @proxy_url: NULL: as the environment says.
 * @exec: NULL: none. As in client-go it is not run when there is another way to authenticate.
 */
struct kubeconfig {
	char *path;
	char *context;
	char *pod_folder;
	char **servers;
	size_t n_servers;
	bool has_own_servers;
	char *ca_pem;
	char *cert_pem;
	char *key_pem;
	char *server_name;
	char *proxy_url;
	char *token;
	char *token_file;
	char *username;
	char *password;
	struct kubeconfig_exec *exec;
	bool is_insecure;
};

/** struct kubeconfig_error - one line: file, line where known, what is wrong, what to do. */
struct kubeconfig_error {
	char text[512];
};

/**
 * kubeconfig_load() - read a context of a kubeconfig file (YAML or JSON).
 * @context: NULL: current-context.
 * Files it names are relative to its folder. Source: k8s.io/client-go/tools/clientcmd/api/v1.
 * Return: 0; -EINVAL, -ENOENT, -EACCES ... with @ret_error filled in; -ENOMEM. Free with
 * kubeconfig_free().
 */
int kubeconfig_load(const char *path, const char *context, struct kubeconfig **ret,
		    struct kubeconfig_error *ret_error);

/**
 * kubeconfig_in_cluster() - what a pod is given: KUBERNETES_SERVICE_HOST and _PORT, and the files
 * under /var/run/secrets/kubernetes.io/serviceaccount.
 * @root: in front of that path, for tests; "" otherwise.
 * Return: as kubeconfig_load(); -ENOENT outside of a pod.
 */
int kubeconfig_in_cluster(const char *root, struct kubeconfig **ret,
			  struct kubeconfig_error *ret_error);

/**
 * kubeconfig_reload() - read again what @config was read from: certificates and keys are renewed in
 * their files. The context and kubeconfig_set_servers() hold on.
 * Return: as kubeconfig_load().
 */
int kubeconfig_reload(const struct kubeconfig *config, struct kubeconfig **ret,
		      struct kubeconfig_error *ret_error);

/**
 * kubeconfig_set_servers() - use these URLs instead (--server).
 * Return: 0; -EINVAL when one is no http(s) URL; -ENOMEM.
 */
int kubeconfig_set_servers(struct kubeconfig *config, const char *const *urls, size_t n_urls,
			   struct kubeconfig_error *ret_error);

/** kubeconfig_free() - NULL is fine. Secrets are overwritten first. */
void kubeconfig_free(struct kubeconfig *config);

/** kubeconfig_freep() - kubeconfig_free() for _cleanup_(). */
void kubeconfig_freep(struct kubeconfig **config);

#endif
