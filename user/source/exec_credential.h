/* SPDX-License-Identifier: Apache-2.0 */
/* Exec credential plugins: a program that prints who we are (client.authentication.k8s.io). */
#ifndef SVCBPF_SOURCE_EXEC_CREDENTIAL_H
#define SVCBPF_SOURCE_EXEC_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct exec_run;
struct kubeconfig;

/** EXEC_OUTPUT_MAX_BYTES - what a plugin may print. */
#define EXEC_OUTPUT_MAX_BYTES (1u << 20)

/** EXEC_TEXT_MAX - bytes that hold a failure's text, NUL included. */
#define EXEC_TEXT_MAX 512

/**
 * struct exec_credential - what a plugin gave; a token, a certificate with its key, or both.
 * @expires_s: CLOCK_REALTIME; 0: never.
 */
struct exec_credential {
	char *token;
	char *cert_pem;
	char *key_pem;
	int64_t expires_s;
};

/** exec_credential_free() - overwrite and free what is in it. */
void exec_credential_free(struct exec_credential *credential);

/**
 * exec_credential_parse() - read an ExecCredential.
 * @text: a JSON text, need not be NUL-terminated.  @api_version: that it must have.
 * @ret: to be freed by exec_credential_free().
 * @ret_text: filled in on -EINVAL: one line.
 * Source: k8s.io/client-go/pkg/apis/clientauthentication/v1, plugin/pkg/client/auth/exec.
 * Return: 0; -EINVAL; -ENOMEM.
 */
int exec_credential_parse(const char *text, size_t len, const char *api_version,
			  struct exec_credential *ret, char ret_text[EXEC_TEXT_MAX]);

/**
 * struct exec_events - how a run ends, told once from the event loop; the run is gone then.
 * @done: @credential may be taken out of; NULL when it failed, then @text says why in one line.
 */
struct exec_events {
	void (*done)(void *arg, struct exec_credential *credential, const char *text);
	void *arg;
};

/**
 * exec_run_start() - run the plugin of @config, without waiting for it.
 * @config: borrowed until the end.
 * @timeout_s: a plugin that runs longer is killed, with all its children.
 * @ret_text: filled in on failure but -ENOMEM: one line.
 *
 * Its standard input is empty, its standard error ours, its standard output the answer.
 * Return: 0; -ENOMEM; what posix_spawn(3) says: -ENOENT, -EACCES ...
 */
int exec_run_start(struct event_base *base, const struct kubeconfig *config, uint32_t timeout_s,
		   const struct exec_events *events, struct exec_run **ret,
		   char ret_text[EXEC_TEXT_MAX]);

/** exec_run_cancel() - kill it and tell nobody; NULL is fine. */
void exec_run_cancel(struct exec_run *run);

/** exec_info() - the text of KUBERNETES_EXEC_INFO. Return: free(3); NULL without memory. */
char *exec_info(const struct kubeconfig *config);

#endif
