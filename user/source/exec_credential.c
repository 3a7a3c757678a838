/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin is told and what it answers. */
#include "source/exec_credential.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/field.h"
#include "source/json.h"
#include "source/kubeconfig.h"
#include "source/rfc3339.h"
#include "source/token.h"
#include "util/base64.h"
#include "util/cleanup.h"
#include "util/small_file.h"

/** struct reading - an answer that is being read. */
struct reading {
	const char *api_version;
	struct exec_credential *credential;
	char *text;
	size_t n_objects;
};

void exec_credential_free(struct exec_credential *credential)
{
	secret_free(credential->token);
	secret_free(credential->cert_pem);
	secret_free(credential->key_pem);
	*credential = (struct exec_credential){};
}

/* ---------------------------------------------------------------- the answer */

static int read_text(const struct field *status, const char *key, char **ret)
{
	const char *text;
	int r = field_string(status, key, &text);

	if (r < 0 || !text || !*text)
		return r;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int read_pem(const struct field *status, const char *key, char **ret)
{
	const struct field field = field_child(status, key);
	int r = read_text(status, key, ret);

	if (r == 0 && *ret && !strstr(*ret, "-----BEGIN "))
		return field_fail(&field, "is not PEM");
	return r;
}

static int read_token(const struct field *status, char **ret)
{
	const struct field field = field_child(status, "token");
	int r = read_text(status, "token", ret);

	/* its text is a secret and not told */
	if (r == 0 && *ret && !token_is_usable(*ret))
		return field_fail(&field, "has spaces or control characters in it");
	return r;
}

static int read_expiry(const struct field *status, int64_t *ret)
{
	const struct field field = field_child(status, "expirationTimestamp");
	struct timespec time;
	const char *text;
	int r = field_as_string(&field, &text);

	if (r < 0 || !text)
		return r;
	if (rfc3339_parse(text, &time) < 0)
		return field_fail(&field, "\"%.64s\" is not a time", text);
	*ret = time.tv_sec;
	return 0;
}

static int check_type(const struct field *root, const char *wanted)
{
	const struct field kind_field = field_child(root, "kind");
	const struct field version_field = field_child(root, "apiVersion");
	const char *kind = NULL, *version = NULL;
	int r = field_check_object(root);

	if (r == 0)
		r = field_as_string(&kind_field, &kind);
	if (r == 0)
		r = field_as_string(&version_field, &version);
	if (r < 0)
		return r;
	if (!kind || strcmp(kind, "ExecCredential") != 0)
		return field_fail(&kind_field, "must be ExecCredential, but is \"%.64s\"",
				  kind ? kind : "");
	if (!version || strcmp(version, wanted) != 0)
		return field_fail(&version_field,
				  "must be %s as in the kubeconfig, but is \"%.64s\"", wanted,
				  version ? version : "");
	return 0;
}

static int read_credential(const struct field *root, const char *api_version,
			   struct exec_credential *credential)
{
	struct field status;
	int r = check_type(root, api_version);

	if (r == 0)
		r = field_object(root, "status", &status);
	if (r == 0)
		r = read_token(&status, &credential->token);
	if (r == 0)
		r = read_pem(&status, "clientCertificateData", &credential->cert_pem);
	if (r == 0)
		r = read_pem(&status, "clientKeyData", &credential->key_pem);
	if (r == 0)
		r = read_expiry(&status, &credential->expires_s);
	if (r < 0)
		return r;
	if (!credential->cert_pem != !credential->key_pem)
		return field_fail(&status,
				  "must have both clientCertificateData and clientKeyData");
	if (!credential->token && !credential->cert_pem)
		return field_fail(&status, "has neither a token nor a client certificate");
	return 0;
}

static int on_object(void *arg, const struct parsed *parsed)
{
	struct reading *reading = arg;
	struct decode_error error = {};
	const struct field root = field_root(parsed->json, &error);
	int r;

	if (reading->n_objects++ > 0) {
		snprintf(reading->text, EXEC_TEXT_MAX, "more than one object");
		return -EINVAL;
	}
	r = read_credential(&root, reading->api_version, reading->credential);
	if (r == -EINVAL)
		snprintf(reading->text, EXEC_TEXT_MAX, "%s", error.text);
	return r;
}

static int on_error(void *arg, size_t line, const char *text)
{
	struct reading *reading = arg;

	snprintf(reading->text, EXEC_TEXT_MAX, "line %zu, %s", line, text);
	return -EINVAL;
}

int exec_credential_parse(const char *text, size_t len, const char *api_version,
			  struct exec_credential *ret, char ret_text[EXEC_TEXT_MAX])
{
	_cleanup_(exec_credential_free) struct exec_credential credential = {};
	struct reading reading = {
		.api_version = api_version,
		.credential = &credential,
		.text = ret_text,
	};
	const struct parse_events events = {
		.object = on_object,
		.error = on_error,
		.arg = &reading,
	};
	int r = json_parse(text, len, 1, &events);

	if (r < 0)
		return r;
	if (reading.n_objects == 0) {
		snprintf(ret_text, EXEC_TEXT_MAX, "it printed nothing");
		return -EINVAL;
	}
	*ret = credential;
	credential = (struct exec_credential){};
	return 0;
}

/* ---------------------------------------------------------------- the question */

static bool add_text(cJSON *object, const char *key, const char *text)
{
	return !text || cJSON_AddStringToObject(object, key, text);
}

static bool add_ca(cJSON *cluster, const char *ca_pem)
{
	_free_ char *data = NULL;

	if (!ca_pem)
		return true;
	data = base64_encode(ca_pem, strlen(ca_pem));
	return data && add_text(cluster, "certificate-authority-data", data);
}

static bool add_cluster(cJSON *spec, const struct kubeconfig *config)
{
	cJSON *cluster = cJSON_AddObjectToObject(spec, "cluster");
	bool ok = cluster && add_text(cluster, "server", config->servers[0]) &&
		  add_text(cluster, "tls-server-name", config->server_name) &&
		  add_text(cluster, "proxy-url", config->proxy_url) &&
		  add_ca(cluster, config->ca_pem);

	if (ok && config->is_insecure)
		ok = cJSON_AddTrueToObject(cluster, "insecure-skip-tls-verify");
	if (ok && config->exec->cluster_config)
		ok = cJSON_AddRawToObject(cluster, "config", config->exec->cluster_config);
	return ok;
}

static bool add_all(cJSON *root, const struct kubeconfig *config)
{
	cJSON *spec;

	if (!add_text(root, "kind", "ExecCredential") ||
	    !add_text(root, "apiVersion", config->exec->api_version))
		return false;
	spec = cJSON_AddObjectToObject(root, "spec");
	if (!spec || !cJSON_AddFalseToObject(spec, "interactive"))
		return false;
	return !config->exec->provides_cluster_info || add_cluster(spec, config);
}

char *exec_info(const struct kubeconfig *config)
{
	cJSON *root = cJSON_CreateObject();
	char *text = root && add_all(root, config) ? cJSON_PrintUnformatted(root) : NULL;

	cJSON_Delete(root);
	return text;
}
