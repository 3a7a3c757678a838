/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities of the calling thread, capabilities(7): each thread has its own, and a new one
 * begins with those of the thread that makes it.
 */
#ifndef SVCBPF_UTIL_CAPABILITY_H
#define SVCBPF_UTIL_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>

/** capability_has() - whether the calling thread has @capability (CAP_*) in effect. */
bool capability_has(int capability);

/**
 * capability_keep() - give up, for good, all capabilities but these.
 * @keep: CAP_*; those the thread does not have are left out.
 *
 * Clears the bounding set (which takes CAP_SETPCAP: without that it stays), the inheritable and the
 * ambient set too, and sets no_new_privs: nothing the thread executes gets any of them back.
 * Return: 0 or negative errno; then some may be left.
 */
int capability_keep(const int *keep, size_t n_keep);

#endif
