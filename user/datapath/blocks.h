/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks: the backends of one list, side by side in backends{4,6}, with their ids beside them. A
 * block never changes; another list is another block. The slots' list words that lead to a block
 * are counted, and without any it comes free after a grace period.
 */
#ifndef SVCBPF_DATAPATH_BLOCKS_H
#define SVCBPF_DATAPATH_BLOCKS_H

#include "datapath/shadow.h"

/**
 * blocks_write() - the list word for @list: @current when its block holds just that, else one that
 * leads to a new block, written.
 * @is_drop: what an empty list does (rule R26).
 * @ret_word: with one reference for the caller: blocks_unref() or blocks_cancel() it.
 *
 * Return: 0; -ENOSPC; -ENOMEM.
 */
int blocks_write(struct shadow *shadow, const struct svc_service_info *info,
		 const struct backend_list *list, bool is_drop, uint64_t current,
		 uint64_t *ret_word);

/** blocks_cancel() - give back what blocks_write() gave, which no slot was made to lead to. */
void blocks_cancel(struct shadow *shadow, uint8_t family, uint64_t word);

/**
 * blocks_adopt() - a slot leads to the block of @word.
 * Return: 0; -EUCLEAN when it cannot be one; -ENOMEM.
 */
int blocks_adopt(struct shadow *shadow, const struct svc_service *service, uint64_t word);

/** blocks_ref() - one slot more leads to the block of @word. */
void blocks_ref(struct shadow *shadow, uint8_t family, uint64_t word);

/** blocks_unref() - one less; after the last it is garbage (one entry at most). */
void blocks_unref(struct shadow *shadow, uint8_t family, uint64_t word);

/** blocks_free() - the block, which no reader can see any more, and its ids are free. */
void blocks_free(struct shadow *shadow, struct shadow_block *block);

#endif
