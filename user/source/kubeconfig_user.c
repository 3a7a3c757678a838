/* SPDX-License-Identifier: Apache-2.0 */
/* The user of a kubeconfig: who we are. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/kubeconfig_decode.h"
#include "source/token.h"
#include "util/cleanup.h"
#include "util/small_file.h"

/* Fields that would change who we are and that are not there. */
static const struct {
	const char *key;
	const char *what;
} refused[] = {
	{"auth-provider", "is not supported (client-go has dropped it): use exec, tokenFile or a "
			  "client certificate"},
	{"as", "is not supported: this program cannot act as another user"},
	{"as-uid", "is not supported: this program cannot act as another user"},
	{"as-groups", "is not supported: this program cannot act as another user"},
	{"as-user-extra", "is not supported: this program cannot act as another user"},
};

static void exec_freep(struct kubeconfig_exec **exec)
{
	kubeconfig_exec_free(*exec);
}

static void free_texts(char **texts)
{
	for (char **text = texts; text && *text; text++)
		secret_free(*text);
	free(texts);
}

void kubeconfig_exec_free(struct kubeconfig_exec *exec)
{
	if (!exec)
		return;
	free_texts(exec->argv);
	free_texts(exec->env);
	free(exec->api_version);
	free(exec->install_hint);
	free(exec->cluster_config);
	free(exec);
}

/* @exec->argv: the command, and its arguments. */
static int decode_argv(const struct field *field, const char *folder, struct kubeconfig_exec *exec)
{
	const struct field command = field_child(field, "command");
	const char *name = NULL, *arg = NULL;
	struct field args;
	size_t n = 0;
	int r = field_as_string(&command, &name);

	if (r == 0)
		r = field_array(field, "args", &args);
	if (r < 0)
		return r;
	if (!name || !*name)
		return field_fail(&command, "is missing");
	exec->argv = calloc(field_count(&args) + 2, sizeof(*exec->argv));
	if (!exec->argv)
		return -ENOMEM;
	/* a bare name is looked for in PATH, another one beside the kubeconfig */
	exec->argv[n] = strchr(name, '/') ? kubeconfig_join(folder, name) : strdup(name);
	for (struct field item = field_first(&args); item.node; item = field_next(&item)) {
		if (!exec->argv[n++])
			return -ENOMEM;
		r = field_as_string(&item, &arg);
		if (r < 0)
			return r;
		exec->argv[n] = strdup(arg ? arg : "");
	}
	return exec->argv[n] ? 0 : -ENOMEM;
}

static int decode_env(const struct field *field, struct kubeconfig_exec *exec)
{
	struct field list;
	size_t n = 0;
	int r = field_array(field, "env", &list);

	if (r < 0)
		return r;
	exec->env = calloc(field_count(&list) + 1, sizeof(*exec->env));
	if (!exec->env)
		return -ENOMEM;
	for (struct field item = field_first(&list); item.node; item = field_next(&item)) {
		const struct field name_field = field_child(&item, "name");
		const char *name = NULL, *value = NULL;

		r = field_check_object(&item);
		if (r == 0)
			r = field_as_string(&name_field, &name);
		if (r == 0)
			r = field_string(&item, "value", &value);
		if (r < 0)
			return r;
		if (!name || !*name || strchr(name, '='))
			return field_fail(&name_field, "is not the name of a variable");
		if (asprintf(&exec->env[n], "%s=%s", name, value ? value : "") < 0) {
			exec->env[n] = NULL;
			return -ENOMEM;
		}
		n++;
	}
	return 0;
}

static int decode_api_version(const struct field *field, struct kubeconfig_exec *exec)
{
	static const char *const known[] = {
		"client.authentication.k8s.io/v1",
		"client.authentication.k8s.io/v1beta1",
	};
	const struct field version = field_child(field, "apiVersion");
	int r = kubeconfig_text(field, "apiVersion", &exec->api_version);

	if (r < 0)
		return r;
	for (size_t i = 0; exec->api_version && i < ARRAY_SIZE(known); i++) {
		if (strcmp(exec->api_version, known[i]) == 0)
			return 0;
	}
	return field_fail(&version, "must be %s or %s", known[0], known[1]);
}

int kubeconfig_decode_exec(const struct field *exec, const char *folder,
			   struct kubeconfig_exec **ret)
{
	_cleanup_(exec_freep) struct kubeconfig_exec *decoded = calloc(1, sizeof(*decoded));
	const struct field mode_field = field_child(exec, "interactiveMode");
	const char *mode = NULL;
	int r;

	if (!decoded)
		return -ENOMEM;
	r = decode_argv(exec, folder, decoded);
	if (r == 0)
		r = decode_env(exec, decoded);
	if (r == 0)
		r = decode_api_version(exec, decoded);
	if (r == 0)
		r = kubeconfig_text(exec, "installHint", &decoded->install_hint);
	if (r == 0)
		r = field_bool(exec, "provideClusterInfo", &decoded->provides_cluster_info);
	if (r == 0)
		r = field_as_string(&mode_field, &mode);
	if (r < 0)
		return r;
	if (mode && strcmp(mode, "Always") == 0)
		return field_fail(&mode_field, "Always: there is no terminal to ask on");
	*ret = TAKE_PTR(decoded);
	return 0;
}

static int check_supported(const struct field *user)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const struct field field = field_child(user, refused[i].key);

		/* an empty text or list is none, as in Go */
		if (field.node && !(cJSON_IsString(field.node) && !*field.node->valuestring) &&
		    !(cJSON_IsArray(field.node) && !field.node->child))
			return field_fail(&field, "%s", refused[i].what);
	}
	return 0;
}

static int decode_certificate(const struct field *user, const char *folder,
			      struct kubeconfig *config)
{
	static const struct kubeconfig_pem cert = {
		"client-certificate",
		"client-certificate-data",
		"CERTIFICATE",
	};
	static const struct kubeconfig_pem key = {
		"client-key",
		"client-key-data",
		"PRIVATE KEY",
	};
	int r = kubeconfig_read_pem(user, &cert, folder, &config->cert_pem);

	if (r == 0)
		r = kubeconfig_read_pem(user, &key, folder, &config->key_pem);
	if (r < 0)
		return r;
	if (config->cert_pem && !config->key_pem)
		return field_fail(user, "a client certificate without client-key");
	if (config->key_pem && !config->cert_pem)
		return field_fail(user, "a client key without client-certificate");
	return 0;
}

static int decode_token(const struct field *user, const char *folder, struct kubeconfig *config)
{
	const struct field token = field_child(user, "token");
	int r = kubeconfig_text(user, "token", &config->token);

	if (r == 0)
		r = kubeconfig_path(user, "tokenFile", folder, &config->token_file);
	if (r == 0)
		r = kubeconfig_text(user, "username", &config->username);
	if (r == 0)
		r = kubeconfig_text(user, "password", &config->password);
	if (r < 0)
		return r;
	if (config->token && !token_is_usable(config->token))
		return field_fail(&token, "is no token: it has spaces or control characters in it, "
					  "or is too long");
	if (config->username && (config->token || config->token_file))
		return field_fail(user, "a user name and a token: only one of them");
	return 0;
}

int kubeconfig_decode_user(const struct field *user, const char *folder, struct kubeconfig *config)
{
	struct field exec;
	int r = check_supported(user);

	if (r == 0)
		r = decode_certificate(user, folder, config);
	if (r == 0)
		r = decode_token(user, folder, config);
	if (r == 0)
		r = field_object(user, "exec", &exec);
	if (r == 0 && exec.node)
		r = kubeconfig_decode_exec(&exec, folder, &config->exec);
	return r;
}
