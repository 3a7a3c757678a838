/* SPDX-License-Identifier: Apache-2.0 */
#include "util/capability.h"

#include <errno.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "util/cleanup.h"

static void cap_freep(cap_t *caps)
{
	if (*caps)
		cap_free(*caps);
}

bool capability_has(int capability)
{
	_cleanup_(cap_freep) cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	return caps && cap_get_flag(caps, capability, CAP_EFFECTIVE, &value) == 0 &&
	       value == CAP_SET;
}

/* What is executed later cannot get more than this. */
static int clear_bounding_set(void)
{
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++)
		if (cap_get_bound(cap) > 0 && cap_drop_bound(cap) < 0)
			return -errno;
	return 0;
}

/* Those of @keep that are permitted now, in effect; nothing is inherited. */
static int reduce(const int *keep, size_t n_keep)
{
	_cleanup_(cap_freep) cap_t old = cap_get_proc();
	_cleanup_(cap_freep) cap_t new = cap_init();

	if (!old || !new)
		return -errno;
	for (size_t i = 0; i < n_keep; i++) {
		cap_flag_value_t value = CAP_CLEAR;
		const cap_value_t cap = keep[i];

		/* one that this kernel does not know: nobody has it */
		if (cap_get_flag(old, cap, CAP_PERMITTED, &value) < 0 || value != CAP_SET)
			continue;
		if (cap_set_flag(new, CAP_PERMITTED, 1, &cap, CAP_SET) < 0 ||
		    cap_set_flag(new, CAP_EFFECTIVE, 1, &cap, CAP_SET) < 0)
			return -errno;
	}
	return cap_set_proc(new) < 0 ? -errno : 0;
}

int capability_keep(const int *keep, size_t n_keep)
{
	int r = 0;

	if (capability_has(CAP_SETPCAP))
		r = clear_bounding_set();
	if (r == 0 && cap_reset_ambient() < 0)
		r = -errno;
	if (r == 0)
		r = reduce(keep, n_keep);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	return r;
}
