/* SPDX-License-Identifier: Apache-2.0 */
#include "source/credentials.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "source/exec_credential.h"
#include "source/kubeconfig.h"
#include "source/token.h"
#include "util/base64.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/small_file.h"

#define NS_PER_S	     1000000000u
#define EXEC_TIMEOUT_S	     60
#define EXPIRY_LEEWAY_S	     10
#define EXEC_WINDOW_S	     5 /* in which a plugin is run twice at most */
#define TOKEN_FILE_MAX_AGE_S 60

/**
 * struct credentials - the latest, and how to find another.
 * @uses_exec: nothing else is there to authenticate with.
 * @authorization: the whole header line; NULL: none.
 * @generation: counts changes of it.
 * @is_rejected: the server did not accept this generation.
 * @file: the token file when it was read.  @read_s: then, CLOCK_MONOTONIC; 0: never.
 * @granted: what the plugin gave last; its token is in @authorization.
 * @run: the plugin runs.  @runs_s: when it was started last, and before that, CLOCK_MONOTONIC.
 */
struct credentials {
	struct event_base *base;
	const struct kubeconfig *config;
	void (*ready)(void *arg, int error);
	void *arg;
	bool uses_exec;
	bool has_granted;
	bool is_rejected;
	char *authorization;
	uint64_t generation;
	struct stat file;
	int64_t read_s;
	struct exec_credential granted;
	struct exec_run *run;
	int64_t runs_s[2];
	char text[EXEC_TEXT_MAX];
};

static int64_t now_s(clockid_t clock)
{
	return (int64_t)(clock_now_ns(clock) / NS_PER_S);
}

/* ---------------------------------------------------------------- header lines */

static int set_authorization(struct credentials *credentials, const char *scheme, const char *text)
{
	char *line;

	if (asprintf(&line, "Authorization: %s %s", scheme, text) < 0)
		return -ENOMEM;
	secret_free(credentials->authorization);
	credentials->authorization = line;
	return 0;
}

static int set_basic(struct credentials *credentials)
{
	const struct kubeconfig *config = credentials->config;
	_cleanup_(secret_freep) char *encoded = NULL;
	_cleanup_(secret_freep) char *pair = NULL;

	if (asprintf(&pair, "%s:%s", config->username, config->password ? config->password : "") <
	    0) {
		pair = NULL;
		return -ENOMEM;
	}
	encoded = base64_encode(pair, strlen(pair));
	return encoded ? set_authorization(credentials, "Basic", encoded) : -ENOMEM;
}

/* What needs no file and no plugin. A token file goes before a token, once it could be read. */
static int set_fixed(struct credentials *credentials)
{
	const struct kubeconfig *config = credentials->config;

	if (config->token)
		return set_authorization(credentials, "Bearer", config->token);
	return config->username ? set_basic(credentials) : 0;
}

/* ---------------------------------------------------------------- token file */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/*
 * Whether what was read is good enough. A volume may change a file in ways that stat(2) does not
 * show, so it is read again every minute all the same, as client-go does.
 */
static bool is_file_current(const struct credentials *credentials)
{
	struct stat st;

	if (!credentials->read_s || credentials->is_rejected ||
	    now_s(CLOCK_MONOTONIC) - credentials->read_s >= TOKEN_FILE_MAX_AGE_S)
		return false;
	return stat(credentials->config->token_file, &st) == 0 &&
	       is_same_file(&st, &credentials->file);
}

static int take_token(struct credentials *credentials, const char *token)
{
	const char *old = credentials->authorization;
	bool is_same = old && strcmp(old + strlen("Authorization: Bearer "), token) == 0;

	if (is_same)
		return 0;
	credentials->generation++;
	credentials->is_rejected = false;
	return set_authorization(credentials, "Bearer", token);
}

static int read_token_file(struct credentials *credentials)
{
	const char *path = credentials->config->token_file;
	_cleanup_(secret_freep) char *token = NULL;
	const char *problem;
	int r = token_read(path, &token, &credentials->file, &problem);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		snprintf(credentials->text, sizeof(credentials->text), "token file %.300s: %s",
			 path, problem);
		/* the token that is there may well be good for longer than its file */
		return credentials->authorization && !credentials->is_rejected ? 0 : -ENOKEY;
	}
	credentials->text[0] = '\0';
	credentials->read_s = now_s(CLOCK_MONOTONIC);
	return take_token(credentials, token);
}

/* ---------------------------------------------------------------- plugin */

static bool is_grant_current(const struct credentials *credentials)
{
	if (!credentials->has_granted || credentials->is_rejected)
		return false;
	return !credentials->granted.expires_s ||
	       now_s(CLOCK_REALTIME) + EXPIRY_LEEWAY_S < credentials->granted.expires_s;
}

static int take_grant(struct credentials *credentials, struct exec_credential *grant)
{
	exec_credential_free(&credentials->granted);
	secret_free(TAKE_PTR(credentials->authorization));
	credentials->granted = *grant;
	*grant = (struct exec_credential){};
	credentials->has_granted = true;
	credentials->is_rejected = false;
	credentials->generation++;
	if (!credentials->granted.token)
		return 0;
	return set_authorization(credentials, "Bearer", credentials->granted.token);
}

static void on_exec_done(void *arg, struct exec_credential *grant, const char *text)
{
	struct credentials *credentials = arg;
	int r = -ENOKEY;

	credentials->run = NULL;
	snprintf(credentials->text, sizeof(credentials->text), "%s", text);
	if (grant && take_grant(credentials, grant) == 0)
		r = 0;
	credentials->ready(credentials->arg, r);
}

/*
 * A plugin starts an interpreter, or asks another server: not for each try of each watch while it
 * fails, or while what it gives is refused.
 */
static bool has_run_enough(const struct credentials *credentials)
{
	const int64_t before_s = credentials->runs_s[1];

	return before_s && now_s(CLOCK_MONOTONIC) - before_s < EXEC_WINDOW_S;
}

/* Return: 0: what was granted must do; -ENOKEY: there is none, credentials_text() says why. */
static int do_without_exec(struct credentials *credentials)
{
	const struct exec_credential *granted = &credentials->granted;

	if (credentials->has_granted && !credentials->is_rejected &&
	    now_s(CLOCK_REALTIME) < granted->expires_s)
		return 0;
	if (!*credentials->text)
		snprintf(credentials->text, sizeof(credentials->text),
			 "exec plugin: what it gives is refused or has expired; it is run twice in "
			 "%d s at most",
			 EXEC_WINDOW_S);
	return -ENOKEY;
}

static int run_exec(struct credentials *credentials)
{
	const struct exec_events events = {.done = on_exec_done, .arg = credentials};
	int r;

	if (credentials->run)
		return -EINPROGRESS;
	if (has_run_enough(credentials))
		return do_without_exec(credentials);
	credentials->runs_s[1] = credentials->runs_s[0];
	credentials->runs_s[0] = now_s(CLOCK_MONOTONIC);
	r = exec_run_start(credentials->base, credentials->config, EXEC_TIMEOUT_S, &events,
			   &credentials->run, credentials->text);
	if (r == -ENOMEM)
		return r;
	return r < 0 ? -ENOKEY : -EINPROGRESS;
}

/* ---------------------------------------------------------------- both */

int credentials_new(struct event_base *base, const struct kubeconfig *config,
		    void (*ready)(void *arg, int error), void *arg, struct credentials **ret)
{
	struct credentials *credentials = calloc(1, sizeof(*credentials));
	int r;

	if (!credentials)
		return -ENOMEM;
	credentials->base = base;
	credentials->config = config;
	credentials->ready = ready;
	credentials->arg = arg;
	credentials->uses_exec = config->exec && !config->token && !config->token_file &&
				 !config->username && !config->cert_pem;
	r = set_fixed(credentials);
	if (r < 0) {
		credentials_free(credentials);
		return r;
	}
	*ret = credentials;
	return 0;
}

void credentials_free(struct credentials *credentials)
{
	if (!credentials)
		return;
	exec_run_cancel(credentials->run);
	exec_credential_free(&credentials->granted);
	secret_free(credentials->authorization);
	free(credentials);
}

int credentials_get(struct credentials *credentials, struct credential *ret)
{
	int r = 0;

	if (credentials->uses_exec && !is_grant_current(credentials))
		r = run_exec(credentials);
	else if (credentials->config->token_file && !is_file_current(credentials))
		r = read_token_file(credentials);
	if (r < 0)
		return r;
	credentials_latest(credentials, ret);
	return 0;
}

void credentials_latest(const struct credentials *credentials, struct credential *ret)
{
	const struct kubeconfig *config = credentials->config;
	const bool is_granted = credentials->granted.cert_pem;

	*ret = (struct credential){
		.authorization = credentials->authorization,
		.cert_pem = is_granted ? credentials->granted.cert_pem : config->cert_pem,
		.key_pem = is_granted ? credentials->granted.key_pem : config->key_pem,
		.generation = credentials->generation,
	};
}

void credentials_reject(struct credentials *credentials, uint64_t generation)
{
	if (generation == credentials->generation)
		credentials->is_rejected = true;
}

const char *credentials_text(const struct credentials *credentials)
{
	return credentials->text;
}
