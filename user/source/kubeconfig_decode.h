/* SPDX-License-Identifier: Apache-2.0 */
/* From the tree of a kubeconfig file to one of its contexts. */
#ifndef SVCBPF_SOURCE_KUBECONFIG_DECODE_H
#define SVCBPF_SOURCE_KUBECONFIG_DECODE_H

#include "source/field.h"
#include "source/kubeconfig.h"

/** KUBECONFIG_FILE_MAX_BYTES - the longest file that is read: kubeconfig, certificates, keys. */
#define KUBECONFIG_FILE_MAX_BYTES (4u << 20)

/**
 * kubeconfig_decode() - fill in @config, which is zero.
 * @context: NULL: current-context.  @folder: relative file names begin there.
 * Source: k8s.io/client-go/tools/clientcmd, validation.go and client_config.go.
 * Return: 0; -EINVAL with @ret_error filled in; -ENOMEM.
 */
int kubeconfig_decode(const struct cJSON *json, const char *context, const char *folder,
		      struct kubeconfig *config, struct decode_error *ret_error);

/** kubeconfig_decode_cluster() - clusters[].cluster; otherwise as kubeconfig_decode(). */
int kubeconfig_decode_cluster(const struct field *cluster, const char *folder,
			      struct kubeconfig *config);

/** kubeconfig_decode_user() - users[].user; otherwise as kubeconfig_decode(). */
int kubeconfig_decode_user(const struct field *user, const char *folder, struct kubeconfig *config);

/** kubeconfig_decode_exec() - users[].user.exec; @ret: owned. Otherwise as kubeconfig_decode(). */
int kubeconfig_decode_exec(const struct field *exec, const char *folder,
			   struct kubeconfig_exec **ret);

/** kubeconfig_exec_free() - NULL is fine. */
void kubeconfig_exec_free(struct kubeconfig_exec *exec);

/**
 * kubeconfig_text() - a copy of the string called @key; NULL when it is absent or empty, which is
 * the same here.
 */
int kubeconfig_text(const struct field *parent, const char *key, char **ret);

/** kubeconfig_path() - as kubeconfig_text(); a relative file name gets @folder in front. */
int kubeconfig_path(const struct field *parent, const char *key, const char *folder, char **ret);

/** kubeconfig_join() - @name, with @folder in front when it is relative. NULL without memory. */
char *kubeconfig_join(const char *folder, const char *name);

/**
 * struct kubeconfig_pem - a PEM text that stands in a file or in the kubeconfig as base64.
 * @file_key, @data_key: names of the fields for either.
 * @label: what its BEGIN line must contain.
 */
struct kubeconfig_pem {
	const char *file_key;
	const char *data_key;
	const char *label;
};

/** kubeconfig_read_pem() - the text; NULL when both fields are absent. */
int kubeconfig_read_pem(const struct field *parent, const struct kubeconfig_pem *pem,
			const char *folder, char **ret);

#endif
