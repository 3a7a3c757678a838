/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which entries of an array are in use, and where a run of free ones is. Pure.
 *
 * A bitmap, first fit from the lowest index: neighbours that are given back are one run again by
 * themselves, a run has exactly the length that was asked for, and one of any length up to all
 * that is free fits as long as the free entries lie side by side. (Buddy blocks were the
 * alternative: with lists of 25 backends they leave 22 % of the array unusable.)
 */
#ifndef SVCBPF_DATAPATH_EXTENTS_H
#define SVCBPF_DATAPATH_EXTENTS_H

#include <stdbool.h>
#include <stdint.h>

struct extents;

/** extents_new() - @size entries, all free. Return: 0 or -ENOMEM. Free with extents_free(). */
int extents_new(uint32_t size, struct extents **ret);

/** extents_free() - NULL is fine. */
void extents_free(struct extents *extents);

/**
 * extents_adopt() - mark @count entries from @base as used.
 * Return: 0; -ERANGE when they go beyond the end; -EEXIST when one of them is used (nothing is
 * marked then).
 */
int extents_adopt(struct extents *extents, uint32_t base, uint32_t count);

/**
 * extents_alloc() - find @count free entries side by side and mark them.
 * @count: not 0.
 * Return: 0; -ENOSPC.
 */
int extents_alloc(struct extents *extents, uint32_t count, uint32_t *ret_base);

/**
 * extents_alloc_from() - mark the first free entry at or behind @from, else the first of all.
 * @from: may lie beyond the end.
 * Return: 0; -ENOSPC.
 */
int extents_alloc_from(struct extents *extents, uint32_t from, uint32_t *ret_index);

/** extents_release() - the @count entries from @base, all of them used, are free again. */
void extents_release(struct extents *extents, uint32_t base, uint32_t count);

/** extents_is_used() - whether entry @index is used; true beyond the end. */
bool extents_is_used(const struct extents *extents, uint32_t index);

/** extents_n_free() - how many entries are free. */
uint32_t extents_n_free(const struct extents *extents);

#endif
