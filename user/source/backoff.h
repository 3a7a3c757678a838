/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait after a failure: exponential, with full jitter. */
#ifndef SVCBPF_SOURCE_BACKOFF_H
#define SVCBPF_SOURCE_BACKOFF_H

#include <stdint.h>

/** BACKOFF_BASE_MS - the longest first wait. */
#define BACKOFF_BASE_MS 800

/** BACKOFF_CAP_MS - the longest wait that is reasonable for anything. */
#define BACKOFF_CAP_MS 30000

/** BACKOFF_RETRY_AFTER_MAX_S - a server that wants more gets no more. */
#define BACKOFF_RETRY_AFTER_MAX_S 300

/** struct backoff - zero: nothing failed. @n_failures: since the last success. */
struct backoff {
	uint32_t n_failures;
};

/**
 * backoff_next_ms() - it failed once more: how long to wait.
 * @cap_ms: no longer than this.
 * @retry_after_s: what the server asked for; -1: nothing. If it did, this counts in place of the
 *	exponential wait and of @cap_ms, with up to BACKOFF_BASE_MS more, so that not all clients
 *	are back at once.
 *
 * Full jitter: a random time from 0 to BACKOFF_BASE_MS, twice that after each failure more. Many
 * clients that failed together are spread evenly (Exponential Backoff And Jitter, AWS 2015).
 */
uint64_t backoff_next_ms(struct backoff *backoff, uint64_t cap_ms, int64_t retry_after_s);

/** backoff_reset() - it worked. */
void backoff_reset(struct backoff *backoff);

#endif
