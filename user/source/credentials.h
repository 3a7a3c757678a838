/* SPDX-License-Identifier: Apache-2.0 */
/* Who we are to an API server, now: tokens that change in their file, credentials that expire. */
#ifndef SVCBPF_SOURCE_CREDENTIALS_H
#define SVCBPF_SOURCE_CREDENTIALS_H

#include <stdint.h>

struct credentials;
struct event_base;
struct kubeconfig;

/**
 * struct credential - what goes with a request; borrowed until the next credentials_get().
 * @authorization: a whole header line; NULL: none.
 * @cert_pem, @key_pem: NULL: none.
 * @generation: of the token or certificate, for credentials_reject().
 */
struct credential {
	const char *authorization;
	const char *cert_pem;
	const char *key_pem;
	uint64_t generation;
};

/**
 * credentials_new() - the credentials of @config; nothing is read or run yet.
 * @config: borrowed.
 * @ready: an answer is there, after credentials_get() has said -EINPROGRESS; from the event loop.
 *	credentials_get() may say -EINPROGRESS again (it has expired already): what waits takes
 *	credentials_latest(). @error: 0 or -ENOKEY.
 * Return: 0 or -ENOMEM. Free with credentials_free().
 */
int credentials_new(struct event_base *base, const struct kubeconfig *config,
		    void (*ready)(void *arg, int error), void *arg, struct credentials **ret);

/** credentials_free() - NULL is fine. A plugin that runs is killed. */
void credentials_free(struct credentials *credentials);

/**
 * credentials_get() - what to use for a request that begins now.
 * Return: 0; -EINPROGRESS: a plugin was started, or runs already: ready() will be called; -ENOKEY:
 * there is none, credentials_text() says why; -ENOMEM.
 */
int credentials_get(struct credentials *credentials, struct credential *ret);

/** credentials_latest() - what was found last, whatever its age. */
void credentials_latest(const struct credentials *credentials, struct credential *ret);

/**
 * credentials_reject() - the server did not accept it (401): find another one for the next request.
 * @generation: of what it was sent; one that is not the latest was replaced already.
 */
void credentials_reject(struct credentials *credentials, uint64_t generation);

/** credentials_text() - why the last attempt failed, one line, borrowed; "". */
const char *credentials_text(const struct credentials *credentials);

#endif
