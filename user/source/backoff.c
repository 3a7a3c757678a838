/* SPDX-License-Identifier: Apache-2.0 */
#include "source/backoff.h"

#include <stdlib.h>

uint64_t backoff_next_ms(struct backoff *backoff, uint64_t cap_ms, int64_t retry_after_s)
{
	uint64_t longest_ms = BACKOFF_BASE_MS;

	for (uint32_t i = 0; i < backoff->n_failures && longest_ms < cap_ms; i++)
		longest_ms *= 2;
	if (longest_ms > cap_ms)
		longest_ms = cap_ms;
	backoff->n_failures++;
	if (retry_after_s >= 0) {
		if (retry_after_s > BACKOFF_RETRY_AFTER_MAX_S)
			retry_after_s = BACKOFF_RETRY_AFTER_MAX_S;
		return (uint64_t)retry_after_s * 1000 + arc4random_uniform(BACKOFF_BASE_MS + 1);
	}
	return arc4random_uniform((uint32_t)longest_ms + 1);
}

void backoff_reset(struct backoff *backoff)
{
	backoff->n_failures = 0;
}
