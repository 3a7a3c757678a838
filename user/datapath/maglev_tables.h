/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maglev tables of service ports (abi.h at "maglev") in the map of maps. A table fits one block of
 * backends: its entries are offsets into the policy list of the service port's external frontends.
 *
 * Order of one change, so that what a reader finds is nearly always the table of the list it has,
 * and never worse than another backend of that list or a random one:
 *
 *	new list: table made, list published, table replaced at once, flag set
 *	no table: flag cleared, table deleted
 *
 * Each change of a map of maps makes bpf(2) wait for an RCU grace period, some 10 ms, while the
 * event loop stands still. Changes are therefore made in batches, which wait once (since Linux 6.8;
 * before, and without batches, before 5.19, once for each), and only for lists that did change:
 * struct shadow_port remembers the list that its table was made for. A table takes two bytes of
 * kernel memory for each entry, 36 KiB with 16,381, and 1.5 ms to make (Linux 6.18).
 */
#ifndef SVCBPF_DATAPATH_MAGLEV_TABLES_H
#define SVCBPF_DATAPATH_MAGLEV_TABLES_H

#include "datapath/stage.h"

/** MAGLEV_TABLES_BATCH - tables replaced at a time; each is an open file until then. */
#define MAGLEV_TABLES_BATCH 64

/**
 * maglev_tables_words() - make a table as the kernel holds it.
 * @info: family and protocol are needed.  @list: word of the block.  @size: entries, a prime.
 * @ret_words: free(3) it.  @ret_n: how many words.
 * Return: 0; -ENOMEM; -EINVAL.
 */
int maglev_tables_words(const struct maps *maps, const struct svc_service_info *info, uint64_t list,
			uint32_t size, uint64_t **ret_words, uint32_t *ret_n);

/**
 * maglev_tables_prepare() - make the table that a planned service port lacks, if it does.
 *
 * Sets @staged->table_fd when one is made. Without memory for it, @staged->lacks_table is set and
 * the problem told; it is then served at random.
 */
void maglev_tables_prepare(struct shadow *shadow, struct staged *staged);

/** maglev_tables_is_wanted() - whether the slots of a planned service port shall have the flag. */
bool maglev_tables_is_wanted(const struct shadow *shadow, const struct staged *staged);

/**
 * maglev_tables_publish() - put prepared tables into the kernel. Blocks for a grace period.
 * @staged: @n of them, at most MAGLEV_TABLES_BATCH, their lists published; their table_fd is
 *closed. Who lacks the table now has lacks_table set, and a problem.
 */
void maglev_tables_publish(struct shadow *shadow, struct staged *const *staged, size_t n);

/**
 * maglev_tables_drop() - the service port shall have no table, for its flag is cleared: deleted by
 * maglev_tables_flush().
 */
void maglev_tables_drop(struct shadow *shadow, struct shadow_port *port);

/** maglev_tables_flush() - delete what was dropped. Blocks for a grace period when there is any. */
void maglev_tables_flush(struct shadow *shadow);

/**
 * maglev_tables_adopt() - find the tables that an earlier agent left; after all else is adopted.
 *
 * They are believed to fit the lists of the slots that have the flag, unless that agent died in the
 * middle of a commit or made tables of another size: then they are made anew.
 * Return: 0; -ENOMEM; negative errno of bpf(2).
 */
int maglev_tables_adopt(struct shadow *shadow);

#endif
